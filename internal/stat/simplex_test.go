package stat

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestSimplexMaximumAgainstRandomPoints: no point of the simplex is better.
func TestSimplexMaximumAgainstRandomPoints(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 4))
	point := func(k int) []float64 {
		x, sum := make([]float64, k), 0.0
		for i := range x {
			x[i] = -math.Log(random.Float64())
			sum += x[i]
		}
		for i := range x {
			x[i] /= sum
		}
		return x
	}
	for range 200 {
		k := 1 + random.IntN(6)
		g, b := make([]float64, k), make([]float64, k*k)
		for i := range g {
			g[i] = random.NormFloat64()
		}
		for range random.IntN(k + 1) { // of any rank
			v := point(k)
			for i := range k {
				for j := range k {
					b[i*k+j] += 9 * v[i] * v[j]
				}
			}
		}
		x0 := point(k)
		value := func(x []float64) (f float64) {
			for i := range k {
				f += g[i] * (x[i] - x0[i])
				for j := range k {
					f -= (x[i] - x0[i]) * b[i*k+j] * (x[j] - x0[j]) / 2
				}
			}
			return f
		}
		best := SimplexMaximum(g, b, x0)
		sum := 0.0
		for _, x := range best {
			if x < 0 {
				t.Fatal(best)
			}
			sum += x
		}
		if math.Abs(sum-1) > 1e-12 {
			t.Fatal("sum", sum)
		}
		for range 200 {
			if x := point(k); value(x) > value(best)+1e-9 {
				t.Fatalf("%v gives %v, %v gives %v", best, value(best), x, value(x))
			}
		}
	}
}

func TestShare(t *testing.T) {
	for _, test := range []struct {
		reason string
		u      float64
		want   int
	}{
		{"the first share begins at 0", 0, 0},
		{"a share ends before its end", 0.25, 2},
		{"inside the last", 0.9, 2},
		{"rounding beyond the sum", 1, 2},
	} {
		if got := Share([]float64{0.25, 0, 0.75}, test.u); got != test.want {
			t.Errorf("%s: %v is in share %d, want %d", test.reason, test.u, got, test.want)
		}
	}
}
