package eci_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"example.com/eci"
)

// sharedChoice chooses from one source of a shared collection, "pubmedqa/dense".
func sharedChoice(t *testing.T, name string) *eci.Choice {
	t.Helper()
	collection, from, _ := strings.Cut(name, "/")
	var unused struct{}
	vectors, sources := openShared(t, collection, &unused)
	pool, relevant := sharedPool(t, collection)
	choose := &eci.Choose{Lookahead: eci.Lookahead{Sem: eci.Sem{Vectors: vectors}, Pool: pool, Relevant: relevant}}
	var source eci.Source
	var others []eci.Source
	for _, s := range sources {
		if s.Name == from {
			source = s
		} else {
			others = append(others, s)
		}
	}
	choice, err := choose.From(t.Context(), source, others...)
	if err != nil {
		t.Fatal(err)
	}
	return choice
}

// Influence through the public face, against the independent NumPy reference in
// influence.json: one source of each shared collection.
func TestChooseAgreesWithNumPyReference(t *testing.T) {
	data, err := os.ReadFile("../shared/data/influence.json")
	if err != nil {
		t.Skip("the shared references are not here")
	}
	var want map[string]struct {
		Influence []float64 `json:"influence"`
	}
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	for name, reference := range want {
		t.Run(name, func(t *testing.T) {
			choice := sharedChoice(t, name)
			i, largest, difference := 0, 0.0, 0.0
			for c, err := range choice.All(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				w := reference.Influence[i]
				largest, difference = max(largest, w, -w), max(difference, w-c.Influence, c.Influence-w)
				i++
			}
			if i != len(reference.Influence) || i != choice.Triples {
				t.Fatalf("%d triples, reference %d", i, len(reference.Influence))
			}
			t.Logf("largest difference %.2g of %.3g; kept %d of %d in %d pairs", difference/largest, largest, choice.Kept, choice.Triples, choice.Pairs)
			if !(difference <= 1e-4*largest) {
				t.Errorf("influences differ by %v of %v", difference, largest)
			}
			t.Logf("%+v", *choice.Check)
		})
	}
}
