package eci_test

import (
	"encoding/json"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/eci"
	"example.com/eci/testdata/demo"
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
			Sem:     eci.Sem{Vectors: vectors, NoChecks: true},
			Target:  sharedTarget(t, name),
			Triples: 256,
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

// demoTarget is the demo's own task.
func demoTarget(t *testing.T) *eci.Target {
	t.Helper()
	files := &eci.Files{FS: demo.Files, Queries: "queries.jsonl", Corpus: "corpus.jsonl", Qrels: "qrels.tsv"}
	target, err := files.Target("help desk")
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// elsewhere are triples of another collection: the demo's, with every text and id
// changed, and vectors of their own.
func elsewhere(t *testing.T, name string, from eci.Source, vectors *eci.VectorFiles) eci.Source {
	t.Helper()
	var rows []*eci.Record
	for x, err := range from.Triples {
		if err != nil {
			t.Fatal(err)
		}
		r := *x.(*eci.Record)
		get := func(vector []float32, err error) []float32 {
			if err != nil {
				t.Fatal(err)
			}
			return vector
		}
		r.QueryVector = get(vectors.AppendQuery(nil, r.QueryID))
		r.PositiveVector = get(vectors.AppendDocument(nil, r.PositiveID))
		r.NegativeVector = get(vectors.AppendDocument(nil, r.NegativeID))
		r.QueryText, r.PositiveText, r.NegativeText = "x"+r.QueryText, "x"+r.PositiveText, "x"+r.NegativeText
		r.PositiveID, r.NegativeID = "x"+r.PositiveID, "x"+r.NegativeID // query ids stay: they say nothing
		rows = append(rows, &r)
	}
	return eci.SourceOf(name, rows)
}

// What a source gets for a target does not depend on the others, in one bit.
func TestTargetScoresDoNotDependOnTheCompany(t *testing.T) {
	vectors, sources := demoSources(t)
	rank := func(sources ...eci.Source) *eci.Ranking {
		ranking, err := eci.Rank(t.Context(), &eci.Lookahead{Sem: eci.Sem{Vectors: vectors, Budget: 200}, Target: demoTarget(t)}, sources...)
		if err != nil {
			t.Fatal(err)
		}
		return ranking
	}
	strange := elsewhere(t, "strange", sources[1], vectors)
	together := rank(strange, sources[0], sources[2])
	for _, s := range []eci.Source{strange, sources[0], sources[2]} {
		alone, _ := rank(s).Find(s.Name)
		with, _ := together.Find(s.Name)
		if !cmp.Equal(alone.Forecast, with.Forecast) || alone.Value != with.Value {
			t.Errorf("%s: alone %v and %v, in company %v and %v", s.Name, alone.Forecast.Gain, alone.Value, with.Forecast.Gain, with.Value)
		}
	}
	if s, _ := together.Find("strange"); len(s.Forecast.Norms) != 1 {
		t.Errorf("%d walks for a source that shares no query; want one from all triples", len(s.Forecast.Norms))
	}
	if s, _ := together.Find(sources[0].Name); len(s.Forecast.Norms) != 5 {
		t.Errorf("%d walks for a source with the target's queries; want one for each fold", len(s.Forecast.Norms))
	}
	if notes := strings.Join(together.Lookahead.Notes, "\n"); !strings.Contains(notes, "cross-fitted") || strings.Contains(notes, "strange") {
		t.Error("notes:", notes)
	}
}

// LeaveOut leaves out the target's own queries, whatever their case and spacing.
func TestTargetLeaveOut(t *testing.T) {
	vectors, sources := demoSources(t)
	var rows []*eci.Record
	own := 0
	for x, err := range elsewhere(t, "", sources[2], vectors).Triples {
		if err != nil {
			t.Fatal(err)
		}
		r := *x.(*eci.Record)
		if len(rows)%3 == 0 {
			r.QueryText = "  " + strings.ToUpper(r.QueryText[1:]) + " "
			own++
		}
		rows = append(rows, &r)
	}
	target := demoTarget(t)
	target.LeaveOut = true
	ranking, err := eci.Rank(t.Context(), &eci.Lookahead{Sem: eci.Sem{Vectors: vectors}, Target: target}, eci.SourceOf("mixed", rows))
	if err != nil {
		t.Fatal(err)
	}
	s := ranking.Best()
	if s.Skipped["query of the target"] != own || s.Totals.Triples != len(rows)-own || len(s.Forecast.Norms) != 1 {
		t.Errorf("left out %v of %d, %d triples, %d walks; want %d left out and one walk", s.Skipped, len(rows), s.Totals.Triples, len(s.Forecast.Norms), own)
	}
}

func TestTargetRefuses(t *testing.T) {
	vectors, sources := demoSources(t)
	one := func(docs ...eci.Document) iter.Seq2[eci.Document, error] {
		return func(yield func(eci.Document, error) bool) {
			for _, d := range docs {
				if !yield(d, nil) {
					return
				}
			}
		}
	}
	good := demoTarget(t)
	for _, row := range []struct {
		reason string
		target eci.Target
		want   error
	}{
		{"nothing", eci.Target{}, eci.ErrSettings},
		{"no pool", eci.Target{Queries: good.Queries, Relevant: good.Relevant}, eci.ErrSettings},
		{"no judgments", eci.Target{Queries: good.Queries, Pool: good.Pool}, eci.ErrSettings},
		{"a query without an id", eci.Target{Queries: one(eci.Document{Text: "q"}), Pool: good.Pool, Relevant: good.Relevant}, eci.ErrMissingField},
		{"two queries of one id", eci.Target{Queries: one(eci.Document{ID: "q1", Text: "a"}, eci.Document{ID: "q1", Text: "b"}), Pool: good.Pool, Relevant: good.Relevant}, eci.ErrMalformed},
		{"ids that do not belong together", eci.Target{Queries: good.Queries, Pool: good.Pool, Relevant: map[string][]string{"q1": {"elsewhere"}}}, eci.ErrLookahead},
		{"a document without a vector", eci.Target{Queries: good.Queries, Pool: one(eci.Document{ID: "new", Text: "new"}), Relevant: map[string][]string{"q1": {"new"}}}, eci.ErrMissingVector},
	} {
		_, err := eci.Rank(t.Context(), &eci.Lookahead{Sem: eci.Sem{Vectors: vectors}, Target: &row.target}, sources...)
		if !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.reason, err, row.want)
		}
	}
	race := &eci.Race{Lookahead: &eci.Lookahead{Sem: eci.Sem{Vectors: vectors}, Target: good}}
	if _, err := eci.Rank(t.Context(), race, sources...); !errors.Is(err, eci.ErrSettings) {
		t.Errorf("a race for a target: %v", err)
	}
}
