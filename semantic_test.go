package eci_test

import (
	"math"
	"testing"

	"example.com/eci"
)

// TestComponentsByHand: each weight from evidence that was written down, with
// values of the logistic function from its table: sigmoid(1) = 0.731058578630005.
func TestComponentsByHand(t *testing.T) {
	cal := &eci.Calibration{MarginScale: 0.2, SimilarityMidpoint: 0.5, SimilarityScale: 0.1}
	for _, test := range []struct {
		reason    string
		component eci.Component
		evidence  eci.Evidence
		want      float64
	}{
		{"no margin is an even chance", eci.TargetConsistency{}, eci.Evidence{Margin: 0}, 0.5},
		{"a margin of one spread", eci.TargetConsistency{}, eci.Evidence{Margin: 0.2}, 0.731058578630005},
		{"a negative margin mirrors", eci.TargetConsistency{}, eci.Evidence{Margin: -0.2}, 1 - 0.731058578630005},
		{"half the temperature doubles the margin", eci.TargetConsistency{Temperature: 0.5}, eci.Evidence{Margin: 0.1}, 0.731058578630005},
		{"the mean similarity is an even chance", eci.SemanticLocality{}, eci.Evidence{NegativeSimilarity: 0.5}, 0.5},
		{"one spread nearer", eci.SemanticLocality{}, eci.Evidence{NegativeSimilarity: 0.6}, 0.731058578630005},
		{"twice the temperature halves it", eci.SemanticLocality{Temperature: 2}, eci.Evidence{NegativeSimilarity: 0.7}, 0.731058578630005},
		{"nothing shared", eci.LexicalResidual{}, eci.Evidence{}, 1},
		{"the larger of coverage and overlap counts", eci.LexicalResidual{}, eci.Evidence{Coverage: 0.25, Overlap: 0.75}, 0.25},
		{"coverage may be the larger", eci.LexicalResidual{}, eci.Evidence{Coverage: 0.5, Overlap: 0.25}, 0.5},
		{"the query copied", eci.LexicalResidual{}, eci.Evidence{Coverage: 1}, 0},
		{"the floor", eci.LexicalResidual{Floor: 0.1}, eci.Evidence{Coverage: 1}, 0.1},
	} {
		test.evidence.Calibration = cal
		if got := test.component.Weight(&test.evidence); math.Abs(got-test.want) > 1e-14 {
			t.Errorf("%s: %s = %v, want %v", test.reason, test.component.Name(), got, test.want)
		}
	}
}

// TestComponentsStayInRange: for any finite evidence, even absurd one.
func TestComponentsStayInRange(t *testing.T) {
	cal := &eci.Calibration{MarginScale: 1e-9, SimilarityMidpoint: -1, SimilarityScale: 1e-9}
	for _, x := range []float64{-2, -1, -1e-300, 0, 1e-300, 1, 2} {
		e := &eci.Evidence{Margin: x, NegativeSimilarity: x, Coverage: max(0, min(x, 1)), Overlap: 0, Calibration: cal}
		for _, c := range []eci.Component{eci.TargetConsistency{}, eci.TargetConsistency{Temperature: 1e-6}, eci.SemanticLocality{}, eci.SemanticLocality{Temperature: 1e6}, eci.LexicalResidual{}} {
			if w := c.Weight(e); !(w >= 0 && w <= 1) {
				t.Errorf("%s at %v = %v", c.Name(), x, w)
			}
		}
	}
}

// TestSettingsAreInTheHash: other temperatures or floors make other matrices.
func TestSettingsAreInTheHash(t *testing.T) {
	cal := calibration(t)
	seen := make(map[string]int)
	for i, components := range [][]eci.Component{
		{eci.TargetConsistency{}},
		{eci.TargetConsistency{Temperature: 0.5}},
		{eci.SemanticLocality{}},
		{eci.SemanticLocality{Temperature: 0.5}},
		{eci.LexicalResidual{}},
		{eci.LexicalResidual{Floor: 0.5}},
		{eci.TargetConsistency{}, eci.SemanticLocality{}},
		{eci.SemanticLocality{}, eci.TargetConsistency{}},
	} {
		hash, err := cal.Hash(components)
		if err != nil || len(hash) != 32 {
			t.Fatal(hash, err)
		}
		if j, ok := seen[hash]; ok {
			t.Errorf("components %d and %d have one hash", i, j)
		}
		seen[hash] = i
	}
	same, err := cal.Hash([]eci.Component{eci.TargetConsistency{Temperature: 1}})
	if err != nil || seen[same] != 0 {
		t.Error("the default temperature and 1 differ")
	}
}
