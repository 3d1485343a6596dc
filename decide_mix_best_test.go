package eci

import (
	"errors"
	"math"
	"testing"

	"example.com/eci/internal/stat"
)

// TestMixtureAgainstGrid: no mixture on a grid of twentieths is better by more
// than the certified gap, and the optimum is reached.
func TestMixtureAgainstGrid(t *testing.T) {
	for seed := range uint64(6) {
		const d, k, grid = 8, 3, 20
		r := madeRanking(t, k, d, 8, 90, seed)
		if seed == 5 { // one source that is best alone
			if err := r.Ranked[1].Matrix.Scale(50); err != nil {
				t.Fatal(err)
			}
		}
		m, err := r.Mixture()
		if err != nil {
			t.Fatal(err)
		}
		if m.Gap > 0.01 || m.Iterations > 50 {
			t.Errorf("seed %d: gap %v after %d iterations", seed, m.Gap, m.Iterations)
		}
		var sum float64
		for _, w := range m.Weights {
			sum += w.Weight
			if !(w.Weight >= 0 && w.Low >= 0 && w.High <= 1 && w.Low <= w.Weight && w.Weight <= w.High && w.StandardError >= 0) {
				t.Errorf("seed %d: weight %+v", seed, w)
			}
		}
		near := func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }
		if !near(sum, 1) {
			t.Errorf("seed %d: the weights sum to %v", seed, sum)
		}
		matrices := []*Matrix{r.Ranked[0].Matrix, r.Ranked[1].Matrix, r.Ranked[2].Matrix}
		best := 0.0
		for a := range grid + 1 {
			for b := range grid + 1 - a {
				mixed, err := Mix([]float64{float64(a), float64(b), float64(grid - a - b)}, matrices...)
				if err != nil {
					t.Fatal(err)
				}
				s, err := mixed.LogDet()
				if err != nil {
					t.Fatal(err)
				}
				best = max(best, s)
			}
		}
		if best > m.Score+m.Gap+1e-12 || m.Score < best-1e-9-m.Gap {
			t.Errorf("seed %d: S = %v with gap %v, the best of the grid %v", seed, m.Score, m.Gap, best)
		}
		if m.Gain.Value < -m.Gap-1e-9 {
			t.Errorf("seed %d: the mixture loses %v against a single source, which is a mixture too", seed, m.Gain.Value)
		}
	}
}

// TestMixtureWeightsJackknife: the one-step intervals against optima found again
// without each group.
func TestMixtureWeightsJackknife(t *testing.T) {
	const d, groups = 10, 16
	r := madeRanking(t, 3, d, groups, 4000, 11)
	m, err := r.Mixture()
	if err != nil {
		t.Fatal(err)
	}
	triples := make([]int, groups)
	without := make([][]float64, 3)
	for s := range without {
		without[s] = make([]float64, groups)
	}
	for j := range groups {
		left := &Ranking{}
		for _, s := range r.Ranked {
			c := s.Matrix.Clone()
			triples[j] += c.groups[j].triples
			c.groups[j] = matrixGroup{}
			left.Ranked = append(left.Ranked, Ranked{Score: &Score{Source: s.Source, Matrix: c}})
		}
		again, err := left.Mixture()
		if err != nil {
			t.Fatal(err)
		}
		for s, w := range again.Weights {
			without[s][j] = w.Weight
		}
	}
	for s, w := range m.Weights {
		exact, ok := stat.GroupJackknife(w.Weight, without[s], triples)
		if !ok || math.Abs(w.StandardError-exact.StandardError) > 0.1*exact.StandardError+0.005 {
			t.Errorf("%s: weight %.3f, standard error %v, found anew %v", w.Source, w.Weight, w.StandardError, exact.StandardError)
		}
	}
}

func TestMixtureOfOddSources(t *testing.T) {
	same := madeRanking(t, 3, 5, 4, 20, 1)
	for i := range same.Ranked {
		same.Ranked[i].Matrix = same.Ranked[0].Matrix.Clone()
	}
	zero := madeRanking(t, 2, 5, 4, 20, 1)
	for _, s := range zero.Ranked {
		if err := s.Matrix.Scale(0); err != nil {
			t.Fatal(err)
		}
	}
	oneGroup := madeRanking(t, 2, 5, 1, 20, 1)
	for name, r := range map[string]*Ranking{"identical": same, "zero": zero, "empty": madeRanking(t, 2, 5, 4, 0, 1), "one group": oneGroup} {
		m, err := r.Mixture()
		if err != nil || m.Gap > 0.01 || math.IsNaN(m.Score) || m.String() == "" {
			t.Errorf("%s: %+v, %v", name, m, err)
			continue
		}
		for _, w := range m.Weights {
			if math.IsNaN(w.Weight+w.Low+w.High+w.StandardError) || w.Weight < 0 || w.Weight > 1 {
				t.Errorf("%s: %+v", name, w)
			}
		}
	}
	if _, err := madeRanking(t, 1, 5, 4, 20, 1).Mixture(); !errors.Is(err, ErrNoSources) {
		t.Errorf("one source: %v", err)
	}
}

func BenchmarkMixture(b *testing.B) {
	r := madeRanking(b, 5, 768, 32, 2000, 1)
	for b.Loop() {
		m, err := r.Mixture()
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(m.Iterations), "iterations")
		b.ReportMetric(m.Gap, "gap")
	}
}
