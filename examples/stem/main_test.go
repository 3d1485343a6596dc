package main

import (
	"slices"
	"testing"

	"example.com/eci"
)

func TestStems(t *testing.T) {
	got := Stems{}.AppendTokens([]string{"kept"}, "Pumps are pumping; 3 tyres!")
	if want := []string{"kept", "pump", "are", "pump", "3", "tyre"}; !slices.Equal(got, want) {
		t.Errorf("stems %q, want %q", got, want)
	}
}

func TestStemsFindMoreOverlap(t *testing.T) {
	stems, err := rank(Stems{})
	if err != nil {
		t.Fatal(err)
	}
	words, err := rank(eci.Words{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stems.Ranked {
		w, _ := words.Find(s.Source)
		if s.Totals.Overlap <= w.Totals.Overlap {
			t.Errorf("%s: stems overlap by %v in sum, words by %v", s.Source, s.Totals.Overlap, w.Totals.Overlap)
		}
	}
}
