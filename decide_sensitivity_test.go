package eci_test

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/eci"
)

// TestSensitivityAgreesWithRankingAnew: every variant against a ranking of its
// own.
func TestSensitivityAgreesWithRankingAnew(t *testing.T) {
	sources := []eci.Source{eci.SourceOf("a", nasty(1, 200, 6)), eci.SourceOf("b", nasty(2, 220, 6)), eci.SourceOf("c", nasty(3, 240, 6))}
	corpus := eci.NewLexicon(nil)
	corpus.Add("über naïve x")
	got, err := (&eci.Study{Lexicons: map[string]*eci.Lexicon{"mine": corpus}}).Run(t.Context(), sources...)
	if err != nil {
		t.Fatal(err)
	}
	components := func(consistency, locality float64) []eci.Component {
		return []eci.Component{eci.TargetConsistency{Temperature: consistency}, eci.SemanticLocality{Temperature: locality}, eci.LexicalResidual{}}
	}
	want := map[string]eci.Sem{
		"triples 25%":                  {Budget: 50},
		"consistency temperature x0.5": {Components: components(0.5, 1)},
		"locality temperature x4":      {Components: components(1, 4)},
		"eps^2 x2":                     {Epsilon2: 1},
		"tokenizer 4-grams":            {Tokenizer: eci.CharacterNGrams{}},
		"idf corpus mine":              {Lexicon: corpus},
	}
	kinds := make(map[string]bool)
	for _, v := range got.Variants {
		kinds[v.Setting] = true
		sem, ok := want[v.Setting+" "+v.Value]
		if !ok {
			continue
		}
		delete(want, v.Setting+" "+v.Value)
		sem.NoChecks = true
		r, err := eci.Rank(t.Context(), &sem, sources...)
		if err != nil {
			t.Fatal(err)
		}
		var order []string
		for _, s := range r.Ranked {
			order = append(order, s.Source)
		}
		if diff := cmp.Diff(order, v.Order); diff != "" {
			t.Errorf("%s %s: %s", v.Setting, v.Value, diff)
		}
		flips := 0
		for i, a := range got.Order {
			for _, b := range got.Order[i+1:] {
				if slices.Index(order, a) > slices.Index(order, b) {
					flips++
				}
			}
		}
		if flips != len(v.Flips) || math.Abs(v.Tau-(1-2*float64(flips)/3)) > 1e-12 {
			t.Errorf("%s %s: tau %v, flips %v; counted %d", v.Setting, v.Value, v.Tau, v.Flips, flips)
		}
	}
	if len(want) > 0 || len(kinds) != 6 {
		t.Errorf("not varied: %v; varied %v", want, kinds)
	}
	if _, err := json.Marshal(got); err != nil {
		t.Error(err)
	}
	if table := got.String(); !strings.Contains(table, "pairs that flip") || strings.Contains(table, "NaN") {
		t.Error(table)
	}
}

// TestSensitivityEmbedsOnce: 20 rankings, one embedding of each text, and a
// second encoder that is asked too.
func TestSensitivityEmbedsOnce(t *testing.T) {
	encoder, second := &countingEncoder{}, &countingEncoder{}
	var sources []eci.Source
	distinct := make(map[string]bool)
	for i, name := range []string{"a", "b"} {
		rows := nasty(uint64(i+1), 100, 6)
		for _, r := range rows {
			encoder.learn(r)
			second.learn(r)
		}
		for _, r := range rows {
			distinct["q"+r.QueryText], distinct["d"+r.PositiveText], distinct["d"+r.NegativeText] = true, true, true
			r.QueryVector, r.PositiveVector, r.NegativeVector = nil, nil, nil
		}
		sources = append(sources, eci.SourceOf(name, rows))
	}
	got, err := (&eci.Study{Sem: eci.Sem{Embedder: encoder}, Second: eci.Sem{Embedder: second}}).Run(t.Context(), sources...)
	if err != nil {
		t.Fatal(err)
	}
	if encoder.texts != len(distinct) || second.texts != len(distinct) {
		t.Errorf("%d and %d texts embedded, %d distinct", encoder.texts, second.texts, len(distinct))
	}
	if last := got.Variants[len(got.Variants)-1]; last.Setting != "encoder" || last.Tau != 1 {
		t.Errorf("the same encoder as second: %+v", last)
	}
}

func TestSensitivityRefuses(t *testing.T) {
	a, b := eci.SourceOf("a", nasty(1, 50, 4)), lines("b", "{")
	for _, test := range []struct {
		reason  string
		study   eci.Study
		sources []eci.Source
		want    error
	}{
		{"one source", eci.Study{}, []eci.Source{a}, eci.ErrNoSources},
		{"a frozen calibration", eci.Study{Sem: eci.Sem{Calibration: calibration(t)}}, []eci.Source{a, b}, eci.ErrSettings},
		{"a bad row", eci.Study{}, []eci.Source{a, b}, eci.ErrMalformed},
		{"bad settings", eci.Study{Sem: eci.Sem{Budget: -7}}, []eci.Source{a, a}, eci.ErrSettings},
	} {
		if s, err := test.study.Run(t.Context(), test.sources...); !errors.Is(err, test.want) || s != nil {
			t.Errorf("%s: %v", test.reason, err)
		}
	}
}
