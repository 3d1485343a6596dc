package eci

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"example.com/eci/internal/stat"
)

// withDeviations makes a ranking of sources a, b, c... with these values and
// deviations over shared groups.
func withDeviations(values []float64, deviations [][]float64) *Ranking {
	r := ranked(values...)
	for i := range r.Ranked {
		s := r.Ranked[i].Score
		s.Deviations, s.Groups = deviations[i], len(deviations[i])
		for _, d := range s.Deviations {
			s.StandardError += d * d
		}
		s.StandardError = math.Sqrt(s.StandardError)
	}
	return r
}

// TestSimulationAgainstDrawsByGroup: drawing from the covariances gives the same
// distribution as one normal for each group, within the Monte Carlo error.
func TestSimulationAgainstDrawsByGroup(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	const n, groups = 4, 12
	values, deviations := []float64{1.2, 1.1, 0.9, 0.2}, make([][]float64, n)
	for i := range deviations {
		deviations[i] = make([]float64, groups)
		for g := range deviations[i] {
			deviations[i][g] = 0.1*random.NormFloat64() + 0.05*float64(g%3)
		}
	}
	r := withDeviations(values, deviations)
	r.simulate()
	const times = 200000
	best := make([]float64, n)
	for range times {
		var chi float64
		normal := make([]float64, groups)
		for g := range normal {
			normal[g] = random.NormFloat64()
		}
		for range groups - 1 {
			x := random.NormFloat64()
			chi += x * x
		}
		first, highest := 0, math.Inf(-1)
		for i := range values {
			sum := 0.0
			for g, d := range deviations[i] {
				sum += d * normal[g]
			}
			if v := values[i] + sum/math.Sqrt(chi/(groups-1)); v > highest {
				first, highest = i, v
			}
		}
		best[first] += 1. / times
	}
	for i, s := range r.Ranked {
		// Five standard errors of 20,000 and 200,000 draws.
		if tolerance := 5 * math.Sqrt(best[i]*(1-best[i])*(1./draws+1./times)); math.Abs(s.BestProbability-best[i]) > tolerance+1e-9 {
			t.Errorf("%s is best with probability %.4f, by group %.4f", s.Source, s.BestProbability, best[i])
		}
	}
}

// TestTiesShare: sources with the same figures share the probability of being best,
// whatever rounding makes of their covariance, and BestOf shares it too.
func TestTiesShare(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 1))
	one, other := make([]float64, 24), make([]float64, 24)
	for g := range one {
		one[g], other[g] = 0.1*random.NormFloat64(), 0.1*random.NormFloat64()
	}
	r := withDeviations([]float64{1, 1, 1, 0.9}, [][]float64{one, one, one, other})
	r.simulate()
	for i, s := range r.Ranked[:3] {
		if math.Abs(s.BestProbability-r.Ranked[0].BestProbability) > 1e-12 || !(s.BestProbability > 0.15) {
			t.Errorf("%d of three equal sources is best with probability %v", i+1, s.BestProbability)
		}
	}
	if _, p, err := r.BestOf(r.Ranked[0].Source, r.Ranked[1].Source); err != nil || math.Abs(p-0.5) > 1e-12 {
		t.Errorf("the first of two equal sources is best with probability %v, error %v", p, err)
	}
}

// TestRankIntervalsAreSimultaneous: under no true difference, the intervals of all
// sources hold all ranks in about 95% of rankings; marginal intervals would not.
func TestRankIntervalsAreSimultaneous(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 3))
	const n, queries = 5, 60
	trials, held := 300, 0
	if UnderRace {
		trials = 30
	}
	for range trials {
		values, deviations := make([]float64, n), make([][]float64, n)
		common := make([]float64, queries)
		for x := range common {
			common[x] = random.NormFloat64()
		}
		for i := range values {
			gains := make([]float64, queries)
			for x := range gains {
				gains[x] = common[x] + 0.5*random.NormFloat64()
			}
			values[i], deviations[i] = stat.MeanWithDeviations(gains)
		}
		r := withDeviations(values, deviations)
		r.simulate()
		all := true
		for _, s := range r.Ranked { // all are equal in truth: every rank must be possible
			all = all && s.RankLow == 1 && s.RankHigh == n
		}
		if all {
			held++
		}
	}
	// 95% of the trials, less four standard deviations of their number.
	if least := .95*float64(trials) - 4*math.Sqrt(.95*.05*float64(trials)); float64(held) < least {
		t.Errorf("the rank intervals held in %d of %d rankings", held, trials)
	}
}

// TestRankIntervalsSeparate: sources far apart have one rank each, and those with
// no interval all ranks.
func TestRankIntervalsSeparate(t *testing.T) {
	r := withDeviations([]float64{3, 2, 1}, [][]float64{{.01, -.01, 0}, {0, .01, -.01}, {.01, 0, -.01}})
	r.simulate()
	for i, s := range r.Ranked {
		if s.RankLow != i+1 || s.RankHigh != i+1 {
			t.Errorf("%s: ranks %d to %d", s.Source, s.RankLow, s.RankHigh)
		}
	}
	r.Ranked[1].Deviations = nil
	r.simulate()
	for _, s := range r.Ranked {
		if s.RankLow != 1 || s.RankHigh != 3 {
			t.Errorf("%s without intervals: ranks %d to %d", s.Source, s.RankLow, s.RankHigh)
		}
	}
}

func TestBestOf(t *testing.T) {
	r := withDeviations([]float64{3, 2.02, 2}, [][]float64{{.01, -.01, 0}, {0, .1, -.1}, {.1, 0, -.1}})
	for i := range r.Ranked {
		r.Ranked[i].Rank = i + 1
	}
	for _, test := range []struct {
		reason string
		names  []string
		best   string
		low    float64
		high   float64
	}{
		{"one has no rival", []string{"c"}, "c", 1, 1},
		{"far apart", []string{"b", "a"}, "a", 0.9, 1},
		{"close together", []string{"c", "b"}, "b", 0.4, 0.7},
	} {
		best, p, err := r.BestOf(test.names...)
		if err != nil || best.Source != test.best || p < test.low || p > test.high {
			t.Errorf("%s: %s with %v, %v", test.reason, best.Source, p, err)
		}
	}
	for _, names := range [][]string{{"a", "a"}, {"a", "nobody"}} {
		if _, _, err := r.BestOf(names...); !errors.Is(err, ErrSourceName) {
			t.Errorf("best of %q: %v", names, err)
		}
	}
	if _, _, err := r.BestOf(); !errors.Is(err, ErrNoSources) {
		t.Errorf("best of none: %v", err)
	}
}
