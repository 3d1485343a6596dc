package stat

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestCorrelationsAgainstSciPy: constants are scipy.stats.kendalltau and
// spearmanr, SciPy 1.10.1.
func TestCorrelationsAgainstSciPy(t *testing.T) {
	for _, row := range []struct {
		reason   string
		x, y     []float64
		tau, rho float64
	}{
		{"same order", []float64{1, 2, 3, 4, 5}, []float64{1, 2, 3, 4, 5}, 1, 1},
		{"opposite order", []float64{1, 2, 3, 4, 5}, []float64{5, 4, 3, 2, 1}, -1, -1},
		{"ties on both sides", []float64{12, 2, 1, 12, 2}, []float64{1, 4, 7, 1, 0}, -0.4714045207910316, -0.5407380704358752},
		{"ties in pairs", []float64{1, 1, 2, 2, 3, 3}, []float64{1, 2, 2, 3, 3, 1}, 0.25, 0.25},
		{"a tie and a triple tie", []float64{.3, .1, .4, .1, .5, .9, .2, .6}, []float64{2, 7, 1, 8, 2, 8, 1, 8}, 0.16051447078102563, 0.19885368120992467},
		{"three of them", []float64{1, 2, 3}, []float64{1, 3, 2}, 1. / 3, 0.5},
		{"all but one tied", []float64{1, 1, 1, 2}, []float64{4, 3, 2, 1}, -0.7071067811865477, -0.7745966692414834},
	} {
		tau, ok1 := TauB(row.x, row.y)
		rho, ok2 := Spearman(row.x, row.y)
		if !ok1 || !ok2 || math.Abs(tau-row.tau) > 1e-14 || math.Abs(rho-row.rho) > 1e-14 {
			t.Errorf("%s: tau %v, rho %v, want %v, %v", row.reason, tau, rho, row.tau, row.rho)
		}
	}
	for _, x := range [][]float64{{3, 3, 3}, {}, {1}} {
		y := []float64{1, 2, 3}[:len(x)]
		for _, f := range []func(x, y []float64) (float64, bool){TauB, Spearman} {
			if v, ok := f(x, y); v != 0 || ok {
				t.Errorf("of the constant %v: %v, %v", x, v, ok)
			}
			if v, ok := f(y, x); v != 0 || ok {
				t.Errorf("with the constant %v: %v, %v", x, v, ok)
			}
		}
	}
}

// TestCorrelationTwins: tau-b as the correlation of the matrices of signs, rho
// with every rank counted separately.
func TestCorrelationTwins(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	sign := func(d float64) float64 {
		switch {
		case d > 0:
			return 1
		case d < 0:
			return -1
		}
		return 0
	}
	for trial := range 500 {
		n := 2 + random.IntN(12)
		x, y := make([]float64, n), make([]float64, n)
		for i := range x {
			x[i], y[i] = float64(random.IntN(2+trial%9)), random.NormFloat64()
			if trial%2 == 0 {
				y[i] = float64(random.IntN(4))
			}
		}
		var xy, xx, yy float64
		ranks := func(v []float64, i int) float64 {
			below, equal := 0, 0
			for _, o := range v {
				if o < v[i] {
					below++
				} else if o == v[i] {
					equal++
				}
			}
			return float64(below) + float64(equal+1)/2
		}
		var a, b, ab, aa, bb float64
		for i := range x {
			u, v := ranks(x, i), ranks(y, i)
			a, b, ab, aa, bb = a+u, b+v, ab+u*v, aa+u*u, bb+v*v
			for j := range x {
				xy += sign(x[i]-x[j]) * sign(y[i]-y[j])
				xx += sign(x[i]-x[j]) * sign(x[i]-x[j])
				yy += sign(y[i]-y[j]) * sign(y[i]-y[j])
			}
		}
		m := float64(n)
		tau, rho := xy/math.Sqrt(xx*yy), (m*ab-a*b)/math.Sqrt((m*aa-a*a)*(m*bb-b*b))
		gotTau, ok1 := TauB(x, y)
		gotRho, ok2 := Spearman(x, y)
		if constant := xx == 0 || yy == 0; constant {
			if ok1 || ok2 || gotTau != 0 || gotRho != 0 {
				t.Fatalf("constant: %v %v gave %v, %v", x, y, gotTau, gotRho)
			}
			continue
		}
		if !ok1 || !ok2 || math.Abs(gotTau-tau) > 1e-12 || math.Abs(gotRho-rho) > 1e-12 {
			t.Fatalf("%v %v: tau %v, want %v; rho %v, want %v", x, y, gotTau, tau, gotRho, rho)
		}
	}
}

// TestAUCAgainstPairs counts the pairs one by one.
func TestAUCAgainstPairs(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 9))
	for range 100 {
		p, n := make([]float64, 1+random.IntN(20)), make([]float64, 1+random.IntN(20))
		for i := range p {
			p[i] = float64(random.IntN(6))
		}
		for i := range n {
			n[i] = float64(random.IntN(6))
		}
		wins := 0.0
		for _, x := range p {
			for _, y := range n {
				if x > y {
					wins++
				} else if x == y {
					wins += 0.5
				}
			}
		}
		if want := wins / float64(len(p)*len(n)); math.Abs(AUC(p, n)-want) > 1e-12 {
			t.Fatalf("%v against %v: %v, by pairs %v", p, n, AUC(p, n), want)
		}
	}
}

func TestPairAccuracy(t *testing.T) {
	pairs := [][]bool{{false, true, true}, {false, false, false}, {false, false, false}}
	for _, test := range []struct {
		reason string
		x      []float64
		drawn  []int
		want   float64
		ok     bool
	}{
		{"both pairs right", []float64{3, 1, 2}, []int{0, 1, 2}, 1, true},
		{"one right, one tied", []float64{3, 3, 2}, []int{2, 1, 0}, 0.75, true},
		{"a pair drawn twice counts twice", []float64{1, 0, 2}, []int{0, 1, 1, 2}, 2. / 3, true},
		{"no marked pair", []float64{3, 1, 2}, []int{1, 2}, 0, false},
		{"one index with itself", []float64{3, 1, 2}, []int{0, 0}, 0, false},
	} {
		if got, ok := PairAccuracy(test.x, pairs, test.drawn); got != test.want || ok != test.ok {
			t.Errorf("%s: %v, %v", test.reason, got, ok)
		}
	}
}
