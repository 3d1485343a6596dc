package eci_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"example.com/eci"
)

// relative reports whether got is within tolerance of want, relative to want.
func relative(got, want, tolerance float64) bool {
	return math.Abs(got-want) <= tolerance*math.Abs(want)
}

// expectation is the part of reference.json, written by an independent float64
// NumPy reference of the method, that the tests compare.
type expectation struct {
	Calibration struct {
		MarginScale        float64 `json:"margin_scale"`
		SimilarityMidpoint float64 `json:"similarity_midpoint"`
		SimilarityScale    float64 `json:"similarity_scale"`
	} `json:"calibration"`
	Pairs     int                       `json:"labelled_pairs"`
	Documents int                       `json:"idf_documents"`
	Scores    map[string]map[string]any `json:"scores"`
}

// openShared opens the sources and vectors of a collection of real data beside
// the repository, and reads its reference; it skips where they are absent.
func openShared(t *testing.T, name string, reference any) (*eci.VectorFiles, []eci.Source) {
	t.Helper()
	if eci.UnderRace {
		t.Skip("long under the race detector, and starts no goroutine of its own")
	}
	dir := filepath.Join("../shared/data", name)
	raw, err := os.ReadFile(filepath.Join(dir, "reference.json"))
	if err != nil {
		t.Skip("the data is not at hand:", err)
	}
	if err := json.Unmarshal(raw, reference); err != nil {
		t.Fatal(err)
	}
	vectors, err := eci.OpenVectors(filepath.Join(dir, "use"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { vectors.Close() })
	files, err := filepath.Glob(filepath.Join(dir, "sources", "*.jsonl*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	sources, err := (&eci.Files{}).Sources(files...)
	if err != nil {
		t.Fatal(err)
	}
	return vectors, sources
}

func TestRankAgreesWithNumPyReference(t *testing.T) {
	for _, name := range []string{"cranfield", "pubmedqa"} {
		t.Run(name, func(t *testing.T) {
			var want expectation
			vectors, sources := openShared(t, name, &want)
			ranking, err := eci.Rank(t.Context(), &eci.Sem{Vectors: vectors}, sources...)
			if err != nil {
				t.Fatal(err)
			}
			compareWithReference(t, ranking, want)
			for _, source := range sources {
				compareFirst(t, &eci.Sem{Vectors: vectors, Calibration: ranking.Calibration}, source, want.Scores[source.Name]["first3"])
			}
		})
	}
}

// compareFirst checks the components of a source's first triples.
func compareFirst(t *testing.T, sem *eci.Sem, source eci.Source, reference any) {
	t.Helper()
	first, ok := reference.([]any)
	if !ok || len(first) != 3 {
		t.Fatalf("%s: the reference has no first three triples", source.Name)
	}
	i := 0
	for w, err := range sem.Weigh(t.Context(), source) {
		if err != nil {
			t.Fatal(err)
		}
		if i == len(first) {
			break
		}
		for k, name := range []string{"consistency", "locality", "residuality"} {
			if want := first[i].(map[string]any)[name].(float64); !relative(w.Factors[k], want, 1e-6) {
				t.Errorf("%s, triple %d: %s = %v, reference %v", source.Name, i+1, name, w.Factors[k], want)
			}
		}
		i++
	}
}

// compareWithReference checks a ranking's JSON against the reference: scalar
// parts to 1e-9 relative, the others to 1e-6.
func compareWithReference(t *testing.T, ranking *eci.Ranking, want expectation) {
	t.Helper()
	c := ranking.Calibration
	if got := c.Lexicon.Documents(); got != want.Documents {
		t.Errorf("idf documents %d, reference %d", got, want.Documents)
	}
	if c.Pairs != want.Pairs {
		t.Errorf("%d labeled pairs, reference %d", c.Pairs, want.Pairs)
	}
	for _, scale := range []struct {
		name      string
		got, want float64
	}{
		{"margin_scale", c.MarginScale, want.Calibration.MarginScale},
		{"similarity_midpoint", c.SimilarityMidpoint, want.Calibration.SimilarityMidpoint},
		{"similarity_scale", c.SimilarityScale, want.Calibration.SimilarityScale},
	} {
		if !relative(scale.got, scale.want, 1e-9) {
			t.Errorf("%s = %v, reference %v", scale.name, scale.got, scale.want)
		}
	}
	raw, err := json.Marshal(ranking)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Scores map[string]map[string]any }
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Scores) != len(want.Scores) {
		t.Errorf("%d scores, reference %d", len(got.Scores), len(want.Scores))
	}
	for source, fields := range want.Scores {
		for name, value := range fields {
			reference, ok := value.(float64)
			if !ok {
				continue // the first weights, which another test compares
			}
			have, ok := got.Scores[source][name].(float64)
			if !ok || !relative(have, reference, 1e-6) {
				t.Errorf("%s: %s = %v, reference %v", source, name, got.Scores[source][name], reference)
			}
		}
	}
}
