package eci

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"example.com/eci/internal/gram"
	"example.com/eci/internal/stat"
)

// madeRanking ranks made-up sources whose triples are random residuals that
// favor some directions, so that mixtures gain.
func madeRanking(t testing.TB, sources, d, groups, triples int, seed uint64) *Ranking {
	t.Helper()
	r := &Ranking{Scorer: "eci"}
	for s := range sources {
		r.Ranked = append(r.Ranked, Ranked{Score: &Score{Source: fmt.Sprint("s", s), Matrix: madeMatrix(t, d, groups, triples, seed, s)}})
	}
	return r
}

func madeMatrix(t testing.TB, d, groups, triples int, seed uint64, s int) *Matrix {
	t.Helper()
	m, err := NewMatrix(MatrixConfig{Dimension: d, Groups: groups, Settings: "made"})
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(seed, uint64(s)))
	residual := make([]float64, d)
	for i := range triples {
		for k := range residual {
			residual[k] = random.NormFloat64() / math.Sqrt(float64(d)) * math.Exp(-math.Abs(float64(k-s*d/5))/float64(d)*4)
		}
		if err := m.Add((i*7+i/groups)%groups, random.Float64(), residual); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// TestHybridsAgreeWithAccumulating: the score of every hybrid against a matrix
// to which every member's triples are added again with weight w N/(k N_s), and the
// value in turn against one that takes each group from one member.
func TestHybridsAgreeWithAccumulating(t *testing.T) {
	const d, groups = 9, 7
	r := madeRanking(t, 4, d, groups, 60, 3)
	r.Ranked[2].Matrix = madeMatrix(t, d, groups, 45, 9, 2) // not all of one size
	hybrids, err := r.Hybrids(0)
	if err != nil {
		t.Fatal(err)
	}
	if len(hybrids) != 6+4+1 {
		t.Fatalf("%d hybrids of four sources", len(hybrids))
	}
	single := make(map[string]float64)
	matrices := make(map[string]*Matrix)
	for _, s := range r.Ranked {
		matrices[s.Source] = s.Matrix
		if single[s.Source], err = s.Matrix.LogDet(); err != nil {
			t.Fatal(err)
		}
	}
	for i, h := range hybrids {
		k := len(h.Sources)
		all := make([]float64, d*d)
		turns := 0.0
		for _, name := range h.Sources {
			sum, n := matrices[name].total()
			for x, v := range sum {
				all[x] += v / float64(n) / float64(k)
			}
		}
		for turn := range k {
			sum, n := make([]float64, d*d), 0
			for j := range groups {
				g := matrices[h.Sources[((j-turn)%k+k)%k]].groups[j]
				n += g.triples
				gram.AddRows(sum, g.upper(d, new(scratch)), d, 0, d)
			}
			m := &Matrix{config: MatrixConfig{Dimension: d, Epsilon2: 0.5}}
			s, err := m.logDet(sum, n)
			if err != nil {
				t.Fatal(err)
			}
			turns += s / float64(k)
		}
		m := &Matrix{config: MatrixConfig{Dimension: d, Epsilon2: 0.5}}
		score, err := m.logDet(all, 1)
		if err != nil || math.Abs(h.Score-score) > 1e-12*score || math.Abs(h.AtBudget-turns) > 1e-12*turns {
			t.Errorf("%v: %v, by accumulating %v; in turn %v, %v; %v", h.Sources, h.Score, score, h.AtBudget, turns, err)
		}
		best, average := 0.0, 0.0
		for _, name := range h.Sources {
			best = max(best, single[name])
			average += single[name] / float64(k)
		}
		if h.Score < average-1e-12 {
			t.Errorf("%v: %v is below the members' average %v; log-det is concave", h.Sources, h.Score, average)
		}
		if math.Abs(h.Gain.Value-(h.Score-best)) > 1e-12 || single[h.Gain.Over] != best || h.Gain.Low > h.Gain.Value || h.Gain.High < h.Gain.Value {
			t.Errorf("%v: gain %+v, best member %v", h.Sources, h.Gain, best)
		}
		if i > 0 && hybrids[i-1].Score < h.Score {
			t.Error("the hybrids do not descend")
		}
		mixed, err := Mix(slices.Repeat([]float64{2}, k), matricesOf(matrices, h.Sources)...)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := mixed.LogDet(); err != nil || math.Abs(s-h.Score) > 1e-12*h.Score {
			t.Errorf("%v: Mix gives %v, Hybrids %v, %v", h.Sources, s, h.Score, err)
		}
	}
}

func matricesOf(all map[string]*Matrix, names []string) (m []*Matrix) {
	for _, n := range names {
		m = append(m, all[n])
	}
	return m
}

// TestLinearizedJackknife: the infinitesimal jackknife against the exact one: the
// standard error of a score to 5%, and the change of S in any direction against
// a finite difference.
func TestLinearizedJackknife(t *testing.T) {
	for _, d := range []int{4, 24} {
		m := madeMatrix(t, d, 32, 2000, 5, 1)
		all, without, err := m.LogDets()
		if err != nil {
			t.Fatal(err)
		}
		exact, _ := stat.GroupJackknife(all, without, m.GroupTriples())
		f, err := m.config.invert(m.mean())
		if err != nil {
			t.Fatal(err)
		}
		linear := f.combine([]float64{1}, []*Matrix{m})
		if math.Abs(linear.score-all) > 1e-12*all || math.Abs(linear.StandardError/exact.StandardError-1) > 0.05 {
			t.Errorf("d=%d: S %v, exact %v; SE %v, exact %v", d, linear.score, all, linear.StandardError, exact.StandardError)
		}
		upper := m.groups[3].upper(d, new(scratch))
		const step = 1e-6
		sum, n := m.total()
		for i := range d {
			for k := i * (d + 1); k < (i+1)*d; k++ {
				sum[k] = sum[k]/float64(n) + step*upper[k]
			}
		}
		moved, err := m.logDet(sum, 1)
		if got := (moved - all) / step; err != nil || math.Abs(got-f.slope(upper)) > 1e-4*math.Abs(got) {
			t.Errorf("d=%d: slope %v, by a finite difference %v, %v", d, f.slope(upper), got, err)
		}
	}
}

func TestHybridsRefuse(t *testing.T) {
	other := madeRanking(t, 2, 5, 4, 20, 1)
	other.Ranked[1].Matrix.config.Settings = "another calibration"
	without := madeRanking(t, 2, 5, 4, 20, 1)
	without.Ranked[1].Matrix = nil
	for _, test := range []struct {
		reason  string
		ranking *Ranking
		size    int
		want    error
	}{
		{"one source", madeRanking(t, 1, 5, 4, 20, 1), 0, ErrNoSources},
		{"a hybrid of one", madeRanking(t, 3, 5, 4, 20, 1), 1, ErrSettings},
		{"a negative size", madeRanking(t, 3, 5, 4, 20, 1), -1, ErrSettings},
		{"2^20 subsets", madeRanking(t, 20, 2, 2, 4, 1), 0, ErrSettings},
		{"other calibrations", other, 0, ErrIncompatible},
		{"a score without a matrix", without, 0, ErrIncompatible},
	} {
		if h, err := test.ranking.Hybrids(test.size); !errors.Is(err, test.want) || h != nil {
			t.Errorf("%s: error %v, want %v", test.reason, err, test.want)
		}
	}
	a, b := madeMatrix(t, 3, 4, 9, 1, 0), madeMatrix(t, 4, 4, 9, 1, 0)
	for _, test := range []struct {
		reason   string
		weights  []float64
		matrices []*Matrix
		want     error
	}{
		{"nothing", nil, nil, ErrNoSources},
		{"a weight too many", []float64{1, 1}, []*Matrix{a}, ErrSettings},
		{"a negative weight", []float64{1, -1}, []*Matrix{a, a}, ErrSettings},
		{"NaN", []float64{math.NaN()}, []*Matrix{a}, ErrSettings},
		{"no weight at all", []float64{0, 0}, []*Matrix{a, a}, ErrSettings},
		{"other dimensions", []float64{1, 1}, []*Matrix{a, b}, ErrIncompatible},
	} {
		if m, err := Mix(test.weights, test.matrices...); !errors.Is(err, test.want) || m != nil {
			t.Errorf("%s: error %v, want %v", test.reason, err, test.want)
		}
	}
}

func TestHybridsOfOddSources(t *testing.T) {
	same := madeRanking(t, 2, 5, 4, 20, 1)
	same.Ranked[1].Matrix = same.Ranked[0].Matrix.Clone()
	hybrids, err := same.Hybrids(0)
	if err != nil || len(hybrids) != 1 || math.Abs(hybrids[0].Gain.Value) > 1e-12 || hybrids[0].Gain.StandardError > 1e-12 {
		t.Errorf("identical sources: %+v, %v", hybrids, err)
	}
	zero := madeRanking(t, 2, 5, 4, 20, 1)
	for _, s := range zero.Ranked {
		if err := s.Matrix.Scale(0); err != nil {
			t.Fatal(err)
		}
	}
	if hybrids, err := zero.Hybrids(0); err != nil || hybrids[0].Score != 0 || hybrids[0].Gain.Value != 0 || hybrids[0].Gain.Probability != 0.5 {
		t.Errorf("zero matrices: %+v, %v", hybrids, err)
	}
	empty := madeRanking(t, 2, 5, 4, 0, 1)
	if hybrids, err := empty.Hybrids(0); err != nil || hybrids[0].Score != 0 {
		t.Errorf("empty matrices: %+v, %v", hybrids, err)
	}
}

// BenchmarkHybrids: all 26 hybrids of 5 sources, d = 768.
func BenchmarkHybrids(b *testing.B) {
	r := madeRanking(b, 5, 768, 32, 2000, 1)
	for b.Loop() {
		if _, err := r.Hybrids(0); err != nil {
			b.Fatal(err)
		}
	}
}

// TestMixingNothing: what is nil or empty is an error, never a panic.
func TestMixingNothing(t *testing.T) {
	none := &Ranking{Ranked: make([]Ranked, 3)}
	for _, test := range []struct {
		reason  string
		ranking *Ranking
		want    error
	}{
		{"no ranking", nil, ErrNoSources},
		{"an empty ranking", &Ranking{}, ErrNoSources},
		{"sources without scores", none, ErrIncompatible},
	} {
		if _, err := test.ranking.Hybrids(0); !errors.Is(err, test.want) {
			t.Errorf("%s: hybrids: %v", test.reason, err)
		}
		if _, err := test.ranking.Mixture(); !errors.Is(err, test.want) {
			t.Errorf("%s: mixture: %v", test.reason, err)
		}
	}
	if _, err := Mix(nil); !errors.Is(err, ErrNoSources) {
		t.Errorf("no matrix: %v", err)
	}
	if _, err := Mix([]float64{1, 1}, madeMatrix(t, 3, 4, 9, 1, 1), nil); !errors.Is(err, ErrSettings) {
		t.Errorf("a nil matrix: %v", err)
	}
}
