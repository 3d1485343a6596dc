package eci_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"example.com/eci"
)

// TestMeasuresByHand: from totals of four triples that were written down.
func TestMeasuresByHand(t *testing.T) {
	totals := eci.Totals{Triples: 4, UniqueNegatives: 3, Safe: 2, PositiveSimilarity: 2.4, NegativeSimilarity: 1.6, Overlap: 1, Loss: 6, Gradient: 8, Trace: 2}
	want := map[string]float64{
		"v1":       math.Log(5) * 2 * 0.4 * 0.5 / 0.9,
		"hardness": 0.4, "margin": 0.2, "infonce": 1.5, "gradient": 2, "trace": 0.5, "unique": 0.75, "disjoint": 0.75,
	}
	for _, m := range eci.Measures() {
		near(t, m.Name, m.Value(totals), want[m.Name])
		if v := m.Value(eci.Totals{}); v != 0 {
			t.Errorf("%s of nothing is %v", m.Name, v)
		}
		delete(want, m.Name)
	}
	if len(want) > 0 {
		t.Error("not among the measures:", want)
	}
	if v := eci.Measures()[0].Value(eci.Totals{Triples: 2, NegativeSimilarity: -1}); v != 0 {
		t.Errorf("v1 of far negatives is %v", v)
	}
}

// TestBaselineRanksByItsMeasure: with intervals, on the same triples as Sem.
func TestBaselineRanksByItsMeasure(t *testing.T) {
	sources := []eci.Source{eci.SourceOf("a", nasty(5, 300, 8)), eci.SourceOf("b", nasty(6, 300, 8))}
	sem, err := eci.Rank(t.Context(), &eci.Sem{}, sources...)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range eci.Measures() {
		r, err := eci.Rank(t.Context(), &eci.Baseline{Measure: m}, sources...)
		if err != nil {
			t.Fatal(err)
		}
		if r.Scorer != m.Name {
			t.Errorf("scorer %q", r.Scorer)
		}
		for _, s := range r.Ranked {
			same, _ := sem.Find(s.Source)
			if s.Value != same.Baselines[m.Name] || s.Matrix != nil || s.Groups != same.Groups {
				t.Errorf("%s of %s: %v, in Sem's report %v", m.Name, s.Source, s.Value, same.Baselines[m.Name])
			}
			if !(s.StandardError >= 0) || s.Low > s.Value || s.High < s.Value {
				t.Errorf("%s of %s: %v in [%v, %v]", m.Name, s.Source, s.Value, s.Low, s.High)
			}
		}
		if r.Ranked[0].Value < r.Ranked[1].Value {
			t.Errorf("%s: the lower value is ranked first", m.Name)
		}
	}
}

// TestUniqueJackknife: the replicates of the share of distinct negatives, whose
// sum over groups is no sum of group counts, against counting again.
func TestUniqueJackknife(t *testing.T) {
	rows := nasty(7, 200, 4)
	unique := eci.Measures()[6]
	r, err := eci.Rank(t.Context(), &eci.Baseline{Sem: eci.Sem{Groups: 4}, Measure: unique}, eci.SourceOf("a", rows))
	if err != nil {
		t.Fatal(err)
	}
	groups := make(map[int][]*eci.Record)
	sem := &eci.Sem{Groups: 4, Calibration: r.Calibration}
	i := 0
	for w, err := range sem.Weigh(t.Context(), eci.SourceOf("a", rows)) {
		if err != nil {
			t.Fatal(err)
		}
		groups[w.Group] = append(groups[w.Group], rows[i])
		i++
	}
	share := func(without int) float64 {
		seen, n := make(map[string]bool), 0
		for g, rows := range groups {
			for _, r := range rows {
				if g != without {
					seen[r.NegativeText] = true
					n++
				}
			}
		}
		return float64(len(seen)) / float64(n)
	}
	s, square, corrected := share(-1), 0.0, 0.0
	h := func(g int) float64 { return float64(len(rows)) / float64(len(groups[g])) }
	for g := range groups {
		corrected += s - (1-1/h(g))*share(g)
	}
	for g := range groups {
		d := h(g)*s - (h(g)-1)*share(g) - corrected
		square += d * d / (h(g) - 1)
	}
	near(t, "value", r.Best().Value, s)
	near(t, "jackknife", r.Best().Jackknife, corrected)
	near(t, "standard error", r.Best().StandardError, math.Sqrt(square/float64(len(groups))))
}

// own is a scorer that is not of this package.
type own float64

func (own) Name() string { return "own" }
func (o own) Score(_ context.Context, s eci.Source) (*eci.Score, error) {
	if o == 13 {
		return nil, errors.New("no luck")
	}
	return &eci.Score{Source: s.Name, Value: float64(o) * float64(len(s.Name))}, nil
}

func TestScorerOfOnesOwn(t *testing.T) {
	sources := []eci.Source{lines("aa", line(1)), lines("b", line(1)), lines("cc", line(1))}
	r, err := eci.Rank(t.Context(), own(2), sources...)
	if err != nil {
		t.Fatal(err)
	}
	if r.Ranked[0].Source != "aa" || r.Ranked[1].Source != "cc" || r.Ranked[2].Source != "b" {
		t.Error("ties go by name:", r)
	}
	if _, err := json.Marshal(r); err != nil || strings.Contains(r.String(), "NaN") {
		t.Error(err, r)
	}
	if _, ok := r.Find("d"); ok {
		t.Error("found what is not there")
	}
	for _, bad := range []own{13, own(math.NaN()), own(math.Inf(1))} {
		if _, err := eci.Rank(t.Context(), bad, sources...); err == nil {
			t.Errorf("no error from %v", float64(bad))
		}
	}
	raw, err := json.Marshal(&eci.Score{Source: "x", Value: 1})
	if err != nil || !strings.Contains(string(raw), `"score":1`) {
		t.Error(string(raw), err)
	}
	if (&eci.Ranking{}).String() != "no sources\n" {
		t.Error("an empty ranking")
	}
}
