package eci_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"example.com/eci"
)

// sharedTarget is a shared collection as a target.
func sharedTarget(t *testing.T, name string) *eci.Target {
	t.Helper()
	dir := filepath.Join("../shared/data", name)
	vectors, err := eci.OpenVectors(filepath.Join(dir, "use"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { vectors.Close() })
	pool, relevant := sharedPool(t, name)
	files := &eci.Files{}
	return &eci.Target{
		Name: name, Queries: files.Documents(filepath.Join(dir, "queries.jsonl")),
		Pool: pool, Relevant: relevant, Vectors: vectors,
	}
}

// The sources of each shared collection looked at on the other, against the
// independent float64 reference in target.json.
func TestTargetAgreesWithNumPyReference(t *testing.T) {
	data, err := os.ReadFile("../shared/data/target.json")
	if err != nil {
		t.Skip("the shared references are not here")
	}
	var want map[string]struct {
		lookaheadReference
		Calibration struct {
			MarginScale        float64 `json:"margin_scale"`
			SimilarityMidpoint float64 `json:"similarity_midpoint"`
			SimilarityScale    float64 `json:"similarity_scale"`
		} `json:"calibration"`
		Pairs int `json:"labelled_pairs"`
	}
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]string{{"cranfield", "pubmedqa"}, {"pubmedqa", "cranfield"}} {
		t.Run(pair[0]+" to "+pair[1], func(t *testing.T) {
			reference := want[pair[0]+" to "+pair[1]]
			var unused struct{}
			vectors, sources := openShared(t, pair[0], &unused)
			ranking, err := eci.Rank(t.Context(), &eci.Lookahead{
				Sem:    eci.Sem{Vectors: vectors, NoChecks: true},
				Target: sharedTarget(t, pair[1]), Triples: eci.Unlimited,
			}, sources...)
			if err != nil {
				t.Fatal(err)
			}
			c := ranking.Calibration
			for _, x := range [][2]float64{
				{c.MarginScale, reference.Calibration.MarginScale},
				{c.SimilarityMidpoint, reference.Calibration.SimilarityMidpoint},
				{c.SimilarityScale, reference.Calibration.SimilarityScale},
				{float64(c.Pairs), float64(reference.Pairs)},
			} {
				if d := x[0] - x[1]; d > 1e-9 || d < -1e-9 {
					t.Errorf("calibration: %v, reference %v", x[0], x[1])
				}
			}
			ranking.Pairs = nil // the reference has no differences
			compareForecasts(t, ranking, reference.lookaheadReference)
			t.Log(ranking.Verdict.Sentence, ranking.Verdict.Warnings, ranking.Lookahead.Notes)
		})
	}
}

// TestCombineForTarget: with sources of the other collection, of which none helps
// much, and with the target's own, the gain on queries that did not choose.
func TestCombineForTarget(t *testing.T) {
	var unused struct{}
	vectors, sources := openShared(t, "pubmedqa", &unused)
	for _, name := range []string{"cranfield", "pubmedqa"} {
		ranking, err := eci.Rank(t.Context(), &eci.Lookahead{
			Sem:    eci.Sem{Vectors: vectors, NoChecks: true},
			Target: sharedTarget(t, name),
		}, sources...)
		if err != nil {
			t.Fatal(err)
		}
		c, err := ranking.Combine(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %v gain %v over best %v, %d tried; %s %v", name, c.Shares, c.Gain, c.OverBest, c.Tried, ranking.Verdict.Sentence, ranking.Lookahead.Notes)
		if helps := name == "pubmedqa"; c.Helps() != helps || (c.Forecast != nil) != (len(c.Shares) > 0) {
			t.Errorf("%s: %+v; training confirms that its own sources help pubmedqa, and none of them is shown to help cranfield", name, c)
		}
	}
}
