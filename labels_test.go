package eci

import (
	"math"
	"math/rand/v2"
	"testing"

	"example.com/eci/internal/cosine"
)

// TestScalesAgainstDefinition computes every similarity and every deviation by
// itself.
func TestScalesAgainstDefinition(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for _, test := range []struct {
		reason     string
		n, d, keys int
	}{
		{"one pair a query", 30, 8, 30},
		{"several positives a query", 70, 5, 9},
		{"more than one block of rows", 2*similarityRows + 3, 3, 100},
		{"one query only: nothing to compare with", 10, 4, 1},
		{"one pair", 1, 4, 1},
	} {
		queries, positives, keys := make([]unitVector, test.n), make([]unitVector, test.n), make([]uint64, test.n)
		unit := func() unitVector {
			v := unitVector{data: make([]float32, test.d)}
			for k := range v.data {
				v.data[k] = float32(random.NormFloat64() + 0.5)
			}
			v.inverse, _ = cosine.InverseNorm(v.data)
			return v
		}
		for i := range queries {
			queries[i], positives[i], keys[i] = unit(), unit(), uint64(i%test.keys)
		}
		similarity := func(i, j int) (s float64) {
			for k := range queries[i].data {
				s += float64(queries[i].data[k]) * queries[i].inverse * float64(positives[j].data[k]) * positives[j].inverse
			}
			return s
		}
		var own, strange, margins []float64
		for i := range queries {
			own = append(own, similarity(i, i))
			for j := range queries {
				if keys[i] != keys[j] {
					strange = append(strange, similarity(i, j))
					margins = append(margins, similarity(i, i)-similarity(i, j))
				}
			}
		}
		moments := func(x []float64) (mean, variance float64) {
			for _, v := range x {
				mean += v / float64(len(x))
			}
			for _, v := range x {
				variance += (v - mean) * (v - mean) / float64(len(x))
			}
			return mean, variance
		}
		ownMean, ownVariance := moments(own)
		strangeMean, strangeVariance := moments(strange)
		_, marginVariance := moments(margins)
		want := scales{math.Sqrt(marginVariance), (ownMean + strangeMean) / 2, math.Sqrt((ownVariance + strangeVariance) / 2)}
		if len(strange) == 0 {
			want = scales{}
		}
		got := scalesOf(queries, positives, keys)
		if math.Abs(got.margin-want.margin) > 1e-12 || math.Abs(got.midpoint-want.midpoint) > 1e-12 || math.Abs(got.spread-want.spread) > 1e-12 {
			t.Errorf("%s: %+v, by definition %+v", test.reason, got, want)
		}
	}
}
