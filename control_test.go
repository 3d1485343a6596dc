package eci

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// checkRows are n triples of queries with three negatives each, every negative
// repeated for two positives.
func checkRows(n, d int, seed uint64, shift float64) []*Record {
	random := rand.New(rand.NewPCG(seed, 7))
	vector := func(shift float64) []float32 {
		v := make([]float32, d)
		for k := range v {
			v[k] = float32(random.NormFloat64())
		}
		v[0] += float32(shift)
		return v
	}
	var rows []*Record
	for q := 0; len(rows) < n; q++ {
		query := vector(0)
		positives := [2][]float32{vector(0), vector(0)}
		for k := range 3 {
			negative := vector(shift)
			for p := range 2 {
				rows = append(rows, &Record{
					QueryText: fmt.Sprintf("query %d", q), PositiveText: fmt.Sprintf("positive %d %d of seed %d", q, p, seed),
					NegativeText: fmt.Sprintf("negative %d %d of seed %d", q, k, seed), QueryID: fmt.Sprint("q", q), File: "rows", Row: len(rows) + 1,
					QueryVector: query, PositiveVector: positives[p], NegativeVector: negative,
				})
			}
		}
	}
	return rows[:n]
}

// distinctPositives counts the distinct positives of rows.
func distinctPositives(sources ...[]*Record) int {
	seen := make(map[string]bool)
	for _, rows := range sources {
		for _, r := range rows {
			seen[r.PositiveText] = true
		}
	}
	return len(seen)
}

// TestControlsAgreeWithScoringThem: each control made into a source of its own
// and scored under the same calibration.
func TestControlsAgreeWithScoringThem(t *testing.T) {
	const d = 6
	rows, others := checkRows(300, d, 1, 0), checkRows(300, d, 2, 0)
	source := SourceOf("a", rows)
	ranking, err := Rank(t.Context(), &Sem{}, source, SourceOf("b", others))
	if err != nil {
		t.Fatal(err)
	}
	got, _ := ranking.Find("a")
	r, err := (&Sem{Calibration: ranking.Calibration}).prepare(t.Context(), nil, []Source{source, SourceOf("b", others)})
	if err != nil {
		t.Fatal(err)
	}
	a := newAccumulator(r, source)
	if err := r.collect(t.Context(), source, a, r.reading()); err != nil {
		t.Fatal(err)
	}
	sample := a.checks.sorted()
	documents, err := r.documents(t.Context())
	if err != nil || len(sample) != 300 || len(documents) == 0 || len(documents) != distinctPositives(rows, others) {
		t.Fatal(len(sample), len(documents), err)
	}
	for name, test := range map[string]struct {
		substitutes []*document
		got         Control
	}{
		"shuffled": {shuffled(sample), got.Controls.Shuffled},
		"random":   {random(sample, documents), got.Controls.Random},
	} {
		var rows []*Record
		used := make(map[string]string)
		for i, c := range sample {
			rec, d := c.row.rec, test.substitutes[i]
			if d == nil || d.text == rec.NegativeText || d.text == rec.PositiveText {
				t.Fatalf("%s: row %d got %+v", name, rec.Row, d)
			}
			key := rec.QueryText + rec.NegativeText
			if before, ok := used[key]; ok && before != d.text && name == "shuffled" {
				t.Errorf("%s: one negative of a query became two", name)
			}
			used[key] = d.text
			rec.NegativeText, rec.NegativeVector = d.text, d.vector.data
			rows = append(rows, &rec)
		}
		sem := &Sem{Calibration: ranking.Calibration, NoChecks: true}
		s, err := sem.Score(context.Background(), SourceOf("control", rows))
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(s.Value-test.got.Value) > 1e-6*s.Value || test.got.Triples != 300 || math.Abs(got.Value-s.Value-test.got.Difference) > 1e-6*s.Value {
			t.Errorf("%s: %+v, scored alone %v", name, test.got, s.Value)
		}
		if c := test.got; !(c.StandardError > 0 && c.Low < c.Difference && c.Difference < c.High) {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func TestControlsWithNothingToCompare(t *testing.T) {
	calibration, err := new(Sem).Calibrate(t.Context(), SourceOf("others", checkRows(60, 5, 3, 0)))
	if err != nil {
		t.Fatal(err)
	}
	var rows []*Record
	for _, r := range checkRows(60, 5, 3, 0) {
		r.QueryID, r.QueryText = "the only one", "the only one"
		rows = append(rows, r)
	}
	ranking, err := Rank(t.Context(), &Sem{Calibration: calibration}, SourceOf("a", rows))
	if err != nil {
		t.Fatal(err)
	}
	c := ranking.Best().Controls
	if c.Shuffled.Triples != 0 || c.Random.Triples != 0 || c.Shuffled.String() != "nothing to compare with" || c.brief() != "-" {
		t.Errorf("one query: %+v", c)
	}
	without, err := Rank(t.Context(), &Sem{NoChecks: true, Calibration: calibration}, SourceOf("a", rows))
	if err != nil || without.Best().Controls != nil || without.Best().Artifact != nil {
		t.Errorf("NoChecks: %+v, %v", without.Best(), err)
	}
	if without.Best().Value != ranking.Best().Value {
		t.Error("the checks change the score")
	}
}

// TestArtifact: negatives of another kind are told by their vectors, others not.
func TestArtifact(t *testing.T) {
	for _, test := range []struct {
		reason    string
		shift     float64
		low, high float64
	}{{"one kind", 0, 0.3, 0.7}, {"two kinds", 8, 0.97, 1}} {
		ranking, err := Rank(t.Context(), &Sem{}, SourceOf("a", checkRows(600, 8, 4, test.shift)))
		if err != nil {
			t.Fatal(err)
		}
		a := ranking.Best().Artifact
		if a.Triples != 600 || !(a.AUC >= test.low && a.AUC <= test.high) || len(a.Rows) != 5 || a.Rows[0].Margin < a.Rows[1].Margin || a.Rows[0].File != "rows" {
			t.Errorf("%s: %+v", test.reason, a)
		}
	}
	few, err := Rank(t.Context(), &Sem{}, SourceOf("a", checkRows(12, 4, 4, 0)))
	if err != nil || few.Best().Artifact.Triples != 0 || few.Best().Artifact.String() != "too few triples to tell" {
		t.Errorf("twelve triples: %+v, %v", few.Best().Artifact, err)
	}
}

// TestCheckSampleIsNested: the sample is that of the smallest hashes, whatever
// the order, and what exceeds it is dropped.
func TestCheckSampleIsNested(t *testing.T) {
	rows := checkRows(2000, 2, 5, 0)
	ranking, err := Rank(t.Context(), &Sem{}, SourceOf("a", rows))
	if err != nil {
		t.Fatal(err)
	}
	reversed := make([]*Record, len(rows))
	for i, r := range rows {
		reversed[len(rows)-1-i] = r
	}
	again, err := Rank(t.Context(), &Sem{}, SourceOf("a", reversed))
	if err != nil {
		t.Fatal(err)
	}
	a, b := ranking.Best(), again.Best()
	if a.Controls.Shuffled.Triples != checkedTriples || math.Abs(a.Controls.Shuffled.Value-b.Controls.Shuffled.Value) > 1e-9 || math.Abs(a.Artifact.AUC-b.Artifact.AUC) > 1e-9 {
		t.Errorf("%+v, in another order %+v", a.Controls, b.Controls)
	}
}

// TestArtifactFromProducts: the discriminant from the inner products of the passages
// is that from their covariance, with fewer passages than dimensions and with more,
// and with a fold that is empty.
func TestArtifactFromProducts(t *testing.T) {
	for _, test := range []struct{ n, d int }{{30, 80}, {30, 60}, {60, 70}, {200, 64}} {
		source := SourceOf("a", checkRows(test.n, test.d, 9, 0.5))
		calibration, err := new(Sem).Calibrate(t.Context(), source)
		if err != nil {
			t.Fatal(err)
		}
		r, err := (&Sem{Calibration: calibration}).prepare(t.Context(), nil, []Source{source})
		if err != nil {
			t.Fatal(err)
		}
		a := newAccumulator(r, source)
		if err := r.collect(t.Context(), source, a, r.reading()); err != nil {
			t.Fatal(err)
		}
		rows := a.checks.sorted()
		folds := make([][]*checked, artifactFolds)
		for i, c := range rows {
			folds[i%4] = append(folds[i%4], c) // the last is empty
		}
		want, spreads, err := r.heldOut(rows, folds)
		if err != nil {
			t.Fatal(err)
		}
		got, again, err := r.heldOutDual(rows, folds)
		if err != nil {
			t.Fatal(err)
		}
		for f := range folds {
			if math.Abs(again[f]-spreads[f]) > 1e-9*spreads[f] {
				t.Errorf("%+v: spread of fold %d is %v, from the covariance %v", test, f, again[f], spreads[f])
			}
			for class := range 2 {
				if len(got[f][class]) != len(folds[f]) || len(want[f][class]) != len(folds[f]) {
					t.Fatalf("%+v: %d and %d values of %d", test, len(got[f][class]), len(want[f][class]), len(folds[f]))
				}
				for i, x := range want[f][class] {
					if y := got[f][class][i]; math.Abs(x-y) > 1e-9*spreads[f] {
						t.Errorf("%+v: value %d of fold %d is %v, from the covariance %v", test, i, f, y, x)
					}
				}
			}
		}
	}
}
