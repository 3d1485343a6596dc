package dots

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// eachKernel runs a test with both kernels, or skips with a message.
func eachKernel(t *testing.T, f func(t *testing.T, vector bool)) {
	t.Run("avx2", func(t *testing.T) {
		switch {
		case !hasAssembly:
			t.Skip("this build has no avx2 kernel")
		case !useAVX2:
			t.Skip("this processor cannot run the avx2 kernel")
		}
		f(t, true)
	})
	t.Run("generic", func(t *testing.T) { f(t, false) })
}

// vector returns d random values that begin offset elements after a guard of
// NaN, and a check that the guards are intact.
func vector(seed uint64, d, offset int) (values []float32, intact func() bool) {
	const guards = 11
	random := rand.New(rand.NewPCG(seed, uint64(d)))
	all := make([]float32, guards+offset+d+guards)
	for i := range all {
		all[i] = float32(math.NaN())
	}
	values = all[guards+offset:][:d:d]
	for i := range values {
		values[i] = float32(random.NormFloat64() * math.Exp(4*random.NormFloat64()))
	}
	return values, func() bool {
		return !slices.ContainsFunc(all[:guards+offset], func(x float32) bool { return x == x }) &&
			!slices.ContainsFunc(all[guards+offset+d:], func(x float32) bool { return x == x })
	}
}

// twin sums products of x and y by the definition of the lanes, with products
// and sums of math/big rounded to float64.
func twin(x, y []float32) float64 {
	var s [8]float64
	add := func(a, b float64) float64 {
		sum, _ := new(big.Float).SetPrec(2200).Add(big.NewFloat(a), big.NewFloat(b)).Float64()
		return sum
	}
	for k := range x {
		product, _ := new(big.Float).SetPrec(53).Mul(big.NewFloat(float64(x[k])), big.NewFloat(float64(y[k]))).Float64()
		s[k%8] = add(s[k%8], product)
	}
	return add(add(add(s[0], s[4]), add(s[2], s[6])), add(add(s[1], s[5]), add(s[3], s[7])))
}

func TestFive(t *testing.T) {
	eachKernel(t, func(t *testing.T, avx2 bool) {
		for d := range 131 {
			for offset := range 9 {
				q, intactQ := vector(1, d, offset)
				p, intactP := vector(2, d, (offset*3)%8)
				n, intactN := vector(3, d, (offset*5)%8)
				qq, pp, nn, qp, qn := five(avx2, q, p, n)
				got := [5]float64{qq, pp, nn, qp, qn}
				want := [5]float64{twin(q, q), twin(p, p), twin(n, n), twin(q, p), twin(q, n)}
				if got != want {
					t.Fatalf("d=%d offset=%d: %v, want %v", d, offset, got, want)
				}
				if !intactQ() || !intactP() || !intactN() {
					t.Fatalf("d=%d offset=%d: memory outside was written", d, offset)
				}
			}
		}
	})
}

func TestResidual(t *testing.T) {
	const a, b, c = 0.123456789, 1.7, -3.3333333333333335
	eachKernel(t, func(t *testing.T, avx2 bool) {
		for d := range 131 {
			for offset := range 9 {
				q, _ := vector(1, d, offset)
				p, _ := vector(2, d, (offset*3)%8)
				n, _ := vector(3, d, (offset*5)%8)
				dst, intact := vector(4, d, (offset*7)%8)
				squares := residual(avx2, dst, q, p, n, a, b, c)
				for k := range d {
					bp, cn, aq := b*float64(p[k]), c*float64(n[k]), a*float64(q[k])
					difference := bp - cn
					want := float32(difference - aq)
					if dst[k] != want {
						t.Fatalf("d=%d offset=%d: dst[%d] = %v, want %v", d, offset, k, dst[k], want)
					}
				}
				if want := twin(dst, dst); squares != want {
					t.Fatalf("d=%d offset=%d: squares %v, want %v", d, offset, squares, want)
				}
				if !intact() {
					t.Fatalf("d=%d offset=%d: memory outside was written", d, offset)
				}
				same := slices.Clone(p)
				if residual(avx2, same, q, same, n, a, b, c) != squares || !slices.Equal(same, dst) {
					t.Fatalf("d=%d offset=%d: other values in place", d, offset)
				}
			}
		}
	})
}

// TestNotFinite: the sum of squares shows every value that is not finite.
func TestNotFinite(t *testing.T) {
	eachKernel(t, func(t *testing.T, avx2 bool) {
		for _, row := range []struct {
			why   string
			value float32
			scale float64
		}{
			{"NaN", float32(math.NaN()), 1},
			{"infinity", float32(math.Inf(-1)), 1},
			{"too large for float32", math.MaxFloat32, 2},
		} {
			for k := range 19 {
				q, p, n, dst := make([]float32, 19), make([]float32, 19), make([]float32, 19), make([]float32, 19)
				p[k] = row.value
				squares := residual(avx2, dst, q, p, n, 1, row.scale, 1)
				if !math.IsNaN(squares) && !math.IsInf(squares, 0) {
					t.Errorf("%s at %d: %v", row.why, k, squares)
				}
			}
		}
		largest := []float32{math.MaxFloat32}
		qq, _, _, qp, _ := five(avx2, largest, largest, largest)
		if want := math.MaxFloat32 * math.MaxFloat32; qq != want || qp != want {
			t.Errorf("squares of the largest value: %v, %v", qq, qp)
		}
	})
}

func TestDoesNotAllocate(t *testing.T) {
	q, _ := vector(1, 100, 0)
	dst := make([]float32, 100)
	if allocs := testing.AllocsPerRun(10, func() {
		Five(q, q, q)
		Residual(dst, q, q, q, 1, 2, 3)
	}); allocs != 0 {
		t.Fatalf("%v allocations", allocs)
	}
}

func TestPanicsOnMisuse(t *testing.T) {
	long, short := make([]float32, 9), make([]float32, 8)
	for name, call := range map[string]func(){
		"Five, p is short":     func() { Five(long, short, long) },
		"Five, n is short":     func() { Five(long, long, short) },
		"Residual, q is short": func() { Residual(long, short, long, long, 1, 1, 1) },
		"Residual, n is short": func() { Residual(long, long, long, short, 1, 1, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Fatal("no panic")
				}
			}()
			call()
		})
	}
}

func TestName(t *testing.T) {
	if name := Name(); name != "avx2" && name != "generic" {
		t.Fatalf("Name() = %q", name)
	}
}

func BenchmarkFive(b *testing.B) {
	const d = 768
	q, _ := vector(1, d, 0)
	p, _ := vector(2, d, 0)
	n, _ := vector(3, d, 0)
	dst := make([]float32, d)
	for _, avx2 := range []bool{true, false} {
		if avx2 && !useAVX2 {
			continue
		}
		b.Run(fmt.Sprintf("five/avx2=%v", avx2), func(b *testing.B) {
			for range b.N {
				five(avx2, q, p, n)
			}
		})
		b.Run(fmt.Sprintf("residual/avx2=%v", avx2), func(b *testing.B) {
			for range b.N {
				residual(avx2, dst, q, p, n, 0.1, 0.2, 0.3)
			}
		})
	}
}
