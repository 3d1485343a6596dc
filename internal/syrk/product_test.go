package syrk

import (
	"fmt"
	"math"
	"testing"
)

// productTwin is what Multiply64 does, one element after the other; generic
// kernels round the products unless the compiler fuses.
func productTwin(fused bool, sum float64, x, y []float64) float64 {
	for k := range x {
		if fused {
			sum = math.FMA(x[k], y[k], sum)
		} else {
			sum += x[k] * y[k]
		}
	}
	return sum
}

func TestMultiply64(t *testing.T) {
	eachKernel64(t, func(t *testing.T, k *kernel64) {
		for _, shape := range []struct{ n, m, depth, from int }{
			{1, 1, 1, 0}, {8, 24, 16, 0}, {9, 25, 7, 3}, {17, 71, 200, 8}, {40, 48, 401, 0}, {3, 100, 193, 192}, {5, 5, 4, 4},
		} {
			t.Run(fmt.Sprint(shape), func(t *testing.T) {
				const margin = 3 // columns of c beyond the padded ones
				stride := shape.depth + 2
				x, y := make([]float64, shape.n*stride), make([]float64, shape.m*stride)
				randomRows64(1, x)
				randomRows64(2, y)
				var left Left64
				var right Right64
				left.pack(k, x, shape.n, shape.depth, stride)
				right.pack(k, y, shape.m, shape.depth, stride)
				for _, at := range []struct{ i, j int }{{0, 0}, {8, 0}, {0, 24}, {8, 48}} {
					if at.i >= shape.n || at.j >= shape.m {
						continue
					}
					m, n := shape.n-at.i, shape.m-at.j
					ldc := roundUp(n, Pad) + margin
					c := make([]float64, roundUp(m, Pad)*ldc)
					randomRows64(3, c)
					want := append([]float64(nil), c...)
					multiply64(k, c, ldc, &left, at.i, m, &right, at.j, n, shape.from)
					for a := range m {
						for b := range n {
							xs := x[(at.i+a)*stride:][shape.from:shape.depth]
							ys := y[(at.j+b)*stride:][shape.from:shape.depth]
							w := productTwin(k != &generic64, want[a*ldc+b], xs, ys)
							got := c[a*ldc+b]
							if k == &generic64 {
								if math.Abs(got-w) > 1e-12*float64(shape.depth) {
									t.Fatalf("element (%d, %d) is %v, want %v", a, b, got, w)
								}
							} else if got != w {
								t.Fatalf("element (%d, %d) is %v, want %v", a, b, got, w)
							}
						}
						for b := roundUp(n, Pad); b < ldc; b++ {
							if c[a*ldc+b] != want[a*ldc+b] {
								t.Fatalf("element (%d, %d) beyond the padding has changed", a, b)
							}
						}
					}
				}
			})
		}
	})
}

// A part of the columns gives the bits of the whole.
func TestMultiply64Parts(t *testing.T) {
	eachKernel64(t, func(t *testing.T, k *kernel64) {
		const n, m, depth = 30, 77, 250
		x, y := make([]float64, n*depth), make([]float64, m*depth)
		randomRows64(1, x)
		randomRows64(2, y)
		var left Left64
		var right Right64
		left.pack(k, x, n, depth, depth)
		right.pack(k, y, m, depth, depth)
		ldc := roundUp(m, Pad)
		whole, parts := make([]float64, roundUp(n, Pad)*ldc), make([]float64, roundUp(n, Pad)*ldc)
		multiply64(k, whole, ldc, &left, 0, n, &right, 0, m, 0)
		for i := 0; i < n; i += 16 {
			for j := 0; j < m; j += RightBlock {
				multiply64(k, parts[i*ldc+j:], ldc, &left, i, min(16, n-i), &right, j, min(RightBlock, m-j), 0)
			}
		}
		for i := range n {
			for j := range m {
				if parts[i*ldc+j] != whole[i*ldc+j] {
					t.Fatalf("element (%d, %d) is %v in parts and %v in one", i, j, parts[i*ldc+j], whole[i*ldc+j])
				}
			}
		}
	})
}

func TestMultiply64PanicsOnMisuse(t *testing.T) {
	rows := make([]float64, 50*4)
	var left Left64
	var right, deep Right64
	left.Pack(rows, 50, 4, 4)
	right.Pack(rows, 50, 4, 4)
	deep.Pack(rows, 25, 8, 8)
	c := make([]float64, 56*56)
	for name, call := range map[string]func(){
		"depths differ":            func() { Multiply64(c, 56, &left, 0, 8, &deep, 0, 8, 0) },
		"from beyond the depth":    func() { Multiply64(c, 56, &left, 0, 8, &right, 0, 8, 5) },
		"too many left rows":       func() { Multiply64(c, 56, &left, 48, 8, &right, 0, 8, 0) },
		"left rows off the grid":   func() { Multiply64(c, 56, &left, 4, 8, &right, 0, 8, 0) },
		"right rows off the grid":  func() { Multiply64(c, 56, &left, 0, 8, &right, 8, 8, 0) },
		"part of a block of right": func() { Multiply64(c, 56, &left, 0, 8, &right, 0, 9, 0) },
		"short rows of c":          func() { Multiply64(c, 40, &left, 0, 8, &right, 0, 48, 0) },
		"short c":                  func() { Multiply64(c[:300:300], 56, &left, 0, 8, &right, 0, 48, 0) },
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

func BenchmarkMultiply64(b *testing.B) {
	const n, m, depth = 32, 4992, 128
	x, y := make([]float64, n*depth), make([]float64, m*depth)
	randomRows64(1, x)
	randomRows64(2, y)
	var left Left64
	var right Right64
	left.Pack(x, n, depth, depth)
	right.Pack(y, m, depth, depth)
	c := make([]float64, n*m)
	for b.Loop() {
		Multiply64(c, m, &left, 0, n, &right, 0, m, 0)
	}
	b.ReportMetric(2*n*m*depth*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}
