package adapter

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestGradient against central differences of the loss, for every number of ways
// and with two rows of one query, whose positives must not repel each other.
func TestGradient(t *testing.T) {
	const d, r, n = 7, 3, 4
	for _, ways := range []int{1, 2, 4} {
		random := rand.New(rand.NewPCG(1, uint64(ways)))
		a := New(d, r, random)
		for i := range a.params {
			a.params[i] = random.NormFloat64() / 2
		}
		b := a.newBatch(n)
		copy(b.query, []int{0, 0, 2, 3})
		for i := range n {
			for role := range 3 {
				v := Row(b.x, role*n+i)
				for k := range v {
					v[k] = random.NormFloat64()
				}
				norm := math.Sqrt(Dot(v, v))
				for k := range v {
					v[k] /= norm
				}
			}
		}
		gradient, ignored := make([]float64, len(a.params)), make([]float64, len(a.params))
		a.loss(b, ways, 0.5, gradient)
		for i, g := range gradient {
			const h = 1e-5
			kept := a.params[i]
			a.params[i] = kept + h
			up := a.loss(b, ways, 0.5, ignored)
			a.params[i] = kept - h
			down := a.loss(b, ways, 0.5, ignored)
			a.params[i] = kept
			if want := (up - down) / (2 * h); math.Abs(g-want) > 1e-8*max(1, math.Abs(want)) {
				t.Fatalf("ways %d, parameter %d: gradient %v, finite difference %v", ways, i, g, want)
			}
		}
	}
}

// TestLossByHand: two triples, the frozen adapter, vectors along the axes. With
// ways 1 the loss of each is ln(1 + exp((0-1)/T)); with ways 2 the other's
// positive, at similarity 0, comes in as well.
func TestLossByHand(t *testing.T) {
	a := New(4, 1, rand.New(rand.NewPCG(1, 1)))
	b := a.newBatch(2)
	x, y, z := []float64{1, 0, 0, 0}, []float64{0, 1, 0, 0}, []float64{0, 0, 1, 0}
	b.set(0, 0, x, x, z)
	b.set(1, 1, y, y, z)
	gradient := make([]float64, len(a.params))
	for ways, others := range map[int]float64{1: 1, 2: 2} {
		if got, want := a.loss(b, ways, 0.5, gradient), math.Log(1+others*math.Exp(-2)); math.Abs(got-want) > 1e-15 {
			t.Errorf("ways %d: loss %v, want %v", ways, got, want)
		}
	}
}

func TestNDCGByHand(t *testing.T) {
	l := math.Log2
	for _, row := range []struct {
		reason  string
		ranking []int
		gains   map[int]float64
		want    float64
	}{
		{"perfect", []int{3, 1}, map[int]float64{3: 1}, 1},
		{"second", []int{1, 3}, map[int]float64{3: 1}, 1 / l(3)},
		{"not found", []int{1, 2}, map[int]float64{3: 1}, 0},
		{"none relevant", []int{1, 2}, nil, 0},
		{"graded, in the wrong order", []int{1, 2}, map[int]float64{1: 1, 2: 2}, (1 + 2/l(3)) / (2 + 1/l(3))},
		{"more relevant than places", []int{5, 6, 9}, map[int]float64{5: 1, 6: 1, 7: 1, 8: 1}, (1 + 1/l(3)) / (1 + 1/l(3) + 1/l(4))},
		{"below the cutoff", []int{1, 2, 4, 3}, map[int]float64{3: 1}, 0},
	} {
		if got := NDCG(row.ranking, row.gains, 3); math.Abs(got-row.want) > 1e-15 {
			t.Errorf("%s: %v, want %v", row.reason, got, row.want)
		}
	}
}

// TestTopTwin: against sorting everything.
func TestTopTwin(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		scores := make([]float64, random.IntN(20))
		order := make([]int, len(scores))
		for i := range scores {
			scores[i], order[i] = float64(random.IntN(6)), i
		}
		slices.SortStableFunc(order, func(a, b int) int { return int(scores[b] - scores[a]) })
		k := random.IntN(12)
		if got := Top(scores, k); !slices.Equal(got, order[:min(k, len(order))]) {
			t.Fatalf("top %d of %v: %v, want %v", k, scores, got, order)
		}
	}
}
