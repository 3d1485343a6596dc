package stat

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// TestAscend: the maximum of sum_i c_i ln(x_i + e) over the simplex, against
// random points and against its own gap.
func TestAscend(t *testing.T) {
	random := rand.New(rand.NewPCG(6, 6))
	for range 50 {
		k := 2 + random.IntN(5)
		c := make([]float64, k)
		for i := range c {
			c[i] = random.Float64()
		}
		evaluate := func(x []float64) (Point[int], error) {
			p := Point[int]{X: x, Gradient: make([]float64, k), State: k}
			for i, v := range x {
				p.Value += c[i] * math.Log(v+0.1)
				p.Gradient[i] = c[i] / (v + 0.1)
			}
			return p, nil
		}
		equal, b := make([]float64, k), make([]float64, k*k)
		for i := range k {
			equal[i], b[i*k+i] = 1/float64(k), 1
		}
		start, _ := evaluate(equal)
		best, iterations, err := Ascend(start, b, 1e-6, 200, evaluate)
		if err != nil || best.Gap() > 1e-6 || iterations >= 200 || best.State != k {
			t.Fatalf("gap %v after %d iterations, %v", best.Gap(), iterations, err)
		}
		for range 200 {
			x, sum := make([]float64, k), 0.0
			for i := range x {
				x[i] = -math.Log(random.Float64())
				sum += x[i]
			}
			for i := range x {
				x[i] /= sum
			}
			if p, _ := evaluate(x); p.Value > best.Value+1e-6 {
				t.Fatalf("%v has %v, the maximum %v has %v", x, p.Value, best.X, best.Value)
			}
		}
		broken := errors.New("broken")
		if _, _, err := Ascend(start, b, 0, 9, func([]float64) (Point[int], error) { return start, broken }); start.Gap() > 0 && err != broken {
			t.Fatalf("an error of the function: %v", err)
		}
	}
}
