package eci_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gonum.org/v1/gonum/mat"

	"example.com/eci"
)

// calibrated is a Sem calibrated on rows.
func calibrated(t testing.TB, rows []*eci.Record) *eci.Sem {
	t.Helper()
	sem := &eci.Sem{}
	cal, err := sem.Calibrate(context.Background(), eci.SourceOf("pool", rows))
	if err != nil {
		t.Fatal(err)
	}
	sem.Calibration = cal
	return sem
}

// weightedResiduals are the rows sqrt(w) r in float64.
func weightedResiduals(t testing.TB, sem *eci.Sem, rows []*eci.Record) [][]float64 {
	t.Helper()
	var out [][]float64
	for w, err := range sem.Weigh(context.Background(), eci.SourceOf("pool", rows)) {
		if err != nil {
			t.Fatal(err)
		}
		unit := func(v []float32) []float64 {
			u, norm := make([]float64, len(v)), 0.0
			for k, x := range v {
				u[k] = float64(x)
				norm += u[k] * u[k]
			}
			for k := range u {
				u[k] /= math.Sqrt(norm)
			}
			return u
		}
		q, p, n := unit(w.Record.QueryVector), unit(w.Record.PositiveVector), unit(w.Record.NegativeVector)
		var along float64
		for k := range q {
			along += (p[k] - n[k]) * q[k]
		}
		r := make([]float64, len(q))
		for k := range q {
			r[k] = math.Sqrt(w.Weight) * (p[k] - n[k] - along*q[k])
		}
		out = append(out, r)
	}
	return out
}

// information is 1/2 ln det(I + scale sum of the chosen rows' r rT).
func information(rows [][]float64, chosen []int, scale float64) float64 {
	if len(chosen) == 0 {
		return 0
	}
	d := len(rows[0])
	m := mat.NewSymDense(d, nil)
	for i := range d {
		m.SetSym(i, i, 1)
	}
	for _, i := range chosen {
		m.SymRankOne(m, scale, mat.NewVecDense(d, rows[i]))
	}
	var c mat.Cholesky
	if !c.Factorize(m) {
		return math.NaN()
	}
	return c.LogDet() / 2
}

func selected(t testing.TB, sem *eci.Sem, s eci.Selection, rows []*eci.Record) (places []int, out []eci.Selected) {
	t.Helper()
	for x, err := range sem.Select(context.Background(), s, eci.SourceOf("pool", rows)) {
		if err != nil {
			t.Fatal(err)
		}
		places, out = append(places, x.Row-1), append(out, *x)
	}
	return places, out
}

// TestSelectAgreesWithPlainGreedy: the lazy choice against one that prices every
// candidate at every step from scratch.
func TestSelectAgreesWithPlainGreedy(t *testing.T) {
	for _, test := range []struct {
		n, d, count, perQuery int
	}{{40, 6, 12, 0}, {40, 6, 40, 0}, {60, 3, 30, 0}, {30, 20, 9, 0}, {50, 5, 20, 1}, {50, 5, 0, 2}} {
		rows := nasty(uint64(test.n+test.d), test.n, test.d)
		sem := calibrated(t, rows)
		residuals := weightedResiduals(t, sem, rows)
		places, got := selected(t, sem, eci.Selection{Count: test.count, PerQuery: test.perQuery}, rows)
		scale := float64(test.d) / 0.5 / float64(len(got))
		var chosen []int
		taken := make(map[string]int)
		in := make(map[int]bool)
		total := 0.0
		for step, place := range places {
			best := total
			for i := range rows {
				if in[i] || test.perQuery > 0 && taken[queryOf(rows[i])] == test.perQuery {
					continue
				}
				best = max(best, information(residuals, append(chosen[:step:step], i), scale))
			}
			chosen = append(chosen, place)
			in[place] = true
			taken[queryOf(rows[place])]++
			now := information(residuals, chosen, scale)
			if best-now > 1e-6*best || math.Abs(got[step].Total-now) > 1e-5*now || math.Abs(got[step].Gain-(now-total)) > 1e-5 {
				t.Errorf("%+v, step %d: f = %v (reported %v, gain %v), the best choice gives %v", test, step+1, now, got[step].Total, got[step].Gain, best)
			}
			total = now
		}
		if len(in) != len(places) || test.count > 0 && len(places) != test.count {
			t.Errorf("%+v: chosen %v", test, places)
		}
	}
}

func queryOf(r *eci.Record) string {
	if r.QueryID != "" {
		return "id " + r.QueryID
	}
	return r.QueryText
}

// TestSelectAgainstExhaustiveSearch: the guarantees of both ways, on pools small
// enough to try all subsets.
func TestSelectAgainstExhaustiveSearch(t *testing.T) {
	const n, d, count = 12, 4, 4
	for seed := range uint64(8) {
		rows := nasty(seed, n, d)
		sem := calibrated(t, rows)
		residuals := weightedResiduals(t, sem, rows)
		scale := float64(d) / 0.5 / count
		best := 0.0
		for set := range 1 << n {
			var chosen []int
			for i := range n {
				if set>>i&1 == 1 {
					chosen = append(chosen, i)
				}
			}
			if len(chosen) == count {
				best = max(best, information(residuals, chosen, scale))
			}
		}
		for _, test := range []struct {
			selection eci.Selection
			share     float64
		}{{eci.Selection{Count: count}, 1 - 1/math.E}, {eci.Selection{Count: count, Stream: true, Epsilon: 0.1}, 0.5 - 0.1}} {
			places, got := selected(t, sem, test.selection, rows)
			if len(got) == 0 || len(got) > count {
				t.Fatalf("%+v: chosen %v", test.selection, places)
			}
			if f := information(residuals, places, scale); f < test.share*best || math.Abs(f-got[len(got)-1].Total) > 1e-5*f {
				t.Errorf("%+v: f = %v (reported %v), best %v", test.selection, f, got[len(got)-1].Total, best)
			}
		}
	}
}

// TestSelectedIsWorthItsScore: f of the full choice is S of a source made of it.
func TestSelectedIsWorthItsScore(t *testing.T) {
	rows := nasty(31, 400, 10)
	sem := calibrated(t, rows)
	for _, s := range []eci.Selection{{Count: 150}, {PerQuery: 1}, {Count: 150, Stream: true}} {
		places, got := selected(t, sem, s, rows)
		var chosen []*eci.Record
		for _, i := range places {
			chosen = append(chosen, rows[i])
		}
		score, err := sem.Score(t.Context(), eci.SourceOf("chosen", chosen))
		if err != nil {
			t.Fatal(err)
		}
		if f := got[len(got)-1].Total; len(got) == s.Count && !relative(f, score.Value, 1e-5) {
			t.Errorf("%+v: f = %v, S = %v", s, f, score.Value)
		}
		var random []*eci.Record
		for i := range len(chosen) {
			random = append(random, rows[i])
		}
		if plain, err := sem.Score(t.Context(), eci.SourceOf("first", random)); err != nil || plain.Value >= score.Value {
			t.Errorf("%+v: the chosen are worth %v, the first as many %v, %v", s, score.Value, plain.Value, err)
		}
	}
}

// TestSelectSameOnAnyNumberOfCores and without changing the caller's rows.
func TestSelectSameOnAnyNumberOfCores(t *testing.T) {
	rows := nasty(8, 700, 12)
	sem := calibrated(t, rows)
	for _, s := range []eci.Selection{{Count: 90}, {PerQuery: 1}, {Count: 30, Stream: true}} {
		var want []eci.Selected
		for _, cores := range []int{1, 2, 5} {
			before := runtime.GOMAXPROCS(cores)
			_, got := selected(t, sem, s, rows)
			runtime.GOMAXPROCS(before)
			if want == nil {
				want = got
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%+v on %d cores: %s", s, cores, diff)
			}
		}
	}
}

func TestSelectRefuses(t *testing.T) {
	rows := nasty(2, 30, 4)
	sem := calibrated(t, rows)
	for _, test := range []struct {
		reason    string
		selection eci.Selection
	}{
		{"nothing asked for", eci.Selection{}},
		{"a negative count", eci.Selection{Count: -1}},
		{"more than the pool", eci.Selection{Count: 31}},
		{"more than the queries allow", eci.Selection{Count: 30, PerQuery: 1}},
		{"more than the stream", eci.Selection{Count: 31, Stream: true}},
		{"a stream with a quota", eci.Selection{Count: 3, PerQuery: 1, Stream: true}},
		{"a stream without a count", eci.Selection{PerQuery: 1, Stream: true}},
		{"an epsilon of a half", eci.Selection{Count: 3, Stream: true, Epsilon: 0.5}},
		{"a pool beyond memory", eci.Selection{Count: 3, PoolBytes: 1000}},
	} {
		for x, err := range sem.Select(t.Context(), test.selection, eci.SourceOf("pool", rows)) {
			if !errors.Is(err, eci.ErrSettings) || x != nil {
				t.Errorf("%s: %v, %v", test.reason, x, err)
			}
		}
	}
	for _, err := range (&eci.Sem{}).Select(t.Context(), eci.Selection{Count: 1}, eci.SourceOf("pool", rows)) {
		if !errors.Is(err, eci.ErrNotCalibrated) {
			t.Error(err)
		}
	}
	n := 0
	for range sem.Select(t.Context(), eci.Selection{Count: 9}, eci.SourceOf("pool", rows)) {
		if n++; n == 3 {
			break
		}
	}
}

// TestLeverageIsLeaveOneOut: the loss against a matrix without the triple's term.
func TestLeverageIsLeaveOneOut(t *testing.T) {
	const d = 7
	rows := nasty(14, 90, d)
	sem := calibrated(t, rows)
	source := eci.SourceOf("pool", rows)
	score, err := sem.Score(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	residuals := weightedResiduals(t, sem, rows)
	scale := float64(d) / 0.5 / float64(len(rows))
	i, sum := 0, 0.0
	for l, err := range sem.Leverage(t.Context(), score.Matrix, source) {
		if err != nil {
			t.Fatal(err)
		}
		var others []int
		for k := range rows {
			if k != i {
				others = append(others, k)
			}
		}
		if want := score.Value - information(residuals, others, scale); math.Abs(l.Loss-want) > 1e-9 || l.Leverage < 0 || l.Leverage >= 1 {
			t.Errorf("triple %d: loss %v, by leaving it out %v; leverage %v", i+1, l.Loss, want, l.Leverage)
		}
		sum += l.Leverage
		i++
	}
	if i != len(rows) || !relative(sum, score.EffectiveDimension, 1e-9) {
		t.Errorf("%d leverages sum to %v, the effective dimension is %v", i, sum, score.EffectiveDimension)
	}
	other, err := eci.NewMatrix(eci.MatrixConfig{Dimension: d})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Add(0, 1, residuals[0]); err != nil {
		t.Fatal(err)
	}
	empty, err := eci.NewMatrix(score.Matrix.Config())
	if err != nil {
		t.Fatal(err)
	}
	for reason, test := range map[string]struct {
		matrix *eci.Matrix
		want   error
	}{
		"another calibration": {other, eci.ErrIncompatible},
		"an empty matrix":     {empty, eci.ErrEmptySource},
		"no matrix":           {nil, eci.ErrEmptySource},
	} {
		for l, err := range sem.Leverage(t.Context(), test.matrix, source) {
			if !errors.Is(err, test.want) || l != nil {
				t.Errorf("%s: %v", reason, err)
			}
		}
	}
	for range sem.Leverage(t.Context(), score.Matrix, source) {
		break
	}
}

func BenchmarkSelect(b *testing.B) {
	rows := nasty(1, 5000, 384)
	sem := calibrated(b, rows)
	for _, count := range []int{100, 1000} {
		b.Run(fmt.Sprint("count=", count), func(b *testing.B) {
			for b.Loop() {
				for _, err := range sem.Select(b.Context(), eci.Selection{Count: count}, eci.SourceOf("pool", rows)) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
