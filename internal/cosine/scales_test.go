package cosine

import (
	"math"
	"math/rand/v2"
	"testing"
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
		{"more than one block of rows", 2*blockRows + 3, 3, 100},
		{"one query only: nothing to compare with", 10, 4, 1},
		{"one pair", 1, 4, 1},
	} {
		queries, positives, keys := make([]Unit, test.n), make([]Unit, test.n), make([]uint64, test.n)
		unit := func() Unit {
			v := Unit{Data: make([]float32, test.d)}
			for k := range v.Data {
				v.Data[k] = float32(random.NormFloat64() + 0.5)
			}
			v.Inverse, _ = InverseNorm(v.Data)
			return v
		}
		for i := range queries {
			queries[i], positives[i], keys[i] = unit(), unit(), uint64(i%test.keys)
		}
		similarity := func(i, j int) (s float64) {
			for k := range queries[i].Data {
				s += float64(queries[i].Data[k]) * queries[i].Inverse * float64(positives[j].Data[k]) * positives[j].Inverse
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
		want := Scales{math.Sqrt(marginVariance), (ownMean + strangeMean) / 2, math.Sqrt((ownVariance + strangeVariance) / 2)}
		if len(strange) == 0 {
			want = Scales{}
		}
		got := ScalesOf(queries, positives, keys)
		if math.Abs(got.Margin-want.Margin) > 1e-12 || math.Abs(got.Midpoint-want.Midpoint) > 1e-12 || math.Abs(got.Spread-want.Spread) > 1e-12 {
			t.Errorf("%s: %+v, by definition %+v", test.reason, got, want)
		}
	}
}

// BenchmarkScales takes the scales over as many pairs as there may be.
func BenchmarkScales(b *testing.B) {
	queries, positives, keys := make([]Unit, 2048), make([]Unit, 2048), make([]uint64, 2048)
	for i := range queries {
		data := make([]float32, 768)
		for k := range data {
			data[k] = float32((i*31+k*17)%101) - 50
		}
		inverse, _ := InverseNorm(data)
		queries[i], positives[i], keys[i] = Unit{data, inverse}, Unit{data, inverse}, uint64(i)
	}
	for b.Loop() {
		ScalesOf(queries, positives, keys)
	}
}
