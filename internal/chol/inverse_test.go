package chol

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"
)

// referenceInverse inverts with gonum; it returns the upper triangle.
func referenceInverse(a []float64, d int) []float64 {
	factor, ok := lapack64.Potrf(blas64.Symmetric{N: d, Stride: d, Data: slices.Clone(a), Uplo: blas.Upper})
	if !ok {
		panic("not positive definite")
	}
	if _, ok := lapack64.Potri(factor); !ok {
		panic("not invertible")
	}
	return factor.Data
}

// upperDifference returns the largest difference of the upper triangles and the
// largest element.
func upperDifference(a, b []float64, d int) (difference, largest float64) {
	for i := range d {
		for j := i; j < d; j++ {
			x := math.Abs(a[i*d+j] - b[i*d+j])
			if !(x <= math.MaxFloat64) {
				return math.Inf(1), 1
			}
			difference, largest = max(difference, x), max(largest, math.Abs(b[i*d+j]))
		}
	}
	return difference, largest
}

func TestInverse(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *kernel) {
		var s Scratch
		var worst float64
		check := func(d, n int, scale, logTolerance, tolerance float64) {
			t.Helper()
			name := fmt.Sprintf("d=%d n=%d scale=%g", d, n, scale)
			a := information(1, d, n, scale)
			want := referenceInverse(a, d)
			wantLogDet, size, _ := reference(a, d)
			values, intact := guardedCopy(a, d%5)
			logDet, ok := k.inverse(values, d, &s)
			if !ok || !(math.Abs(logDet-wantLogDet) <= logTolerance*size) {
				t.Fatalf("%s: half log-determinant %v, %v; want %v (gonum)", name, logDet, ok, wantLogDet)
			}
			difference, largest := upperDifference(values, want, d)
			if !(difference <= tolerance*largest) {
				t.Fatalf("%s: differs from gonum by %g of %g", name, difference, largest)
			}
			if !intact() {
				t.Fatalf("%s: memory around the matrix was written", name)
			}
			worst = max(worst, difference/largest)
		}
		for d := 1; d <= 130; d++ {
			check(d, 2*d+1, 2*float64(d), 1e-12, 1e-11)
			check(d, d/2, 1, 1e-12, 1e-13)
		}
		for _, d := range []int{384, 512, 768} {
			if testing.Short() && d > 384 {
				continue
			}
			check(d, 2*d, 2*float64(d), 1e-12, 1e-11)
		}
		t.Logf("largest difference from gonum %.1e of the largest element", worst)
		// A condition of 1e8 costs eight digits.
		check(150, 75, 1e8, 1e-8, 1e-7)
		if logDet, ok := k.inverse(nil, 0, &s); logDet != 0 || !ok {
			t.Fatalf("d=0: %v, %v", logDet, ok)
		}
	})
}

// TestInverseProduct: A times its inverse is the identity, within roundings that
// grow with the condition, on badly scaled matrices too: scaling rows and
// columns by powers of two changes no bit of the digits.
func TestInverseProduct(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *kernel) {
		var s Scratch
		for _, d := range []int{1, 3, 24, 65, 129} {
			a := information(9, d, 3*d, 50)
			plain := slices.Clone(a)
			if _, ok := k.inverse(plain, d, &s); !ok {
				t.Fatalf("d=%d: not positive definite", d)
			}
			at := func(m []float64, i, j int) float64 { return m[min(i, j)*d+max(i, j)] }
			for i := range d {
				for j := range d {
					var sum float64
					for l := range d {
						sum += at(a, i, l) * at(plain, l, j)
					}
					if i == j {
						sum--
					}
					if !(math.Abs(sum) < 1e-11) {
						t.Fatalf("d=%d: product with the inverse differs from the identity by %g at %d,%d", d, sum, i, j)
					}
				}
			}
			random := rand.New(rand.NewPCG(1, uint64(d)))
			scale := make([]float64, d)
			for i := range scale {
				scale[i] = math.Ldexp(1, 2*random.IntN(40)-40)
			}
			scaled := slices.Clone(a)
			for i := range d {
				for j := i; j < d; j++ {
					scaled[i*d+j] *= scale[i] * scale[j]
				}
			}
			if _, ok := k.inverse(scaled, d, &s); !ok {
				t.Fatalf("d=%d: scaled, not positive definite", d)
			}
			for i := range d {
				for j := i; j < d; j++ {
					if got := scaled[i*d+j] * scale[i] * scale[j]; got != plain[i*d+j] {
						t.Fatalf("d=%d: scaled inverse %v, want %v", d, got, plain[i*d+j])
					}
				}
			}
		}
	})
}

func TestInverseNotPositiveDefinite(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *kernel) {
		var s Scratch
		for _, d := range []int{1, 2, 5, 25, 64, 65, 130} {
			for _, row := range []struct {
				why   string
				value float64
			}{
				{"NaN", math.NaN()},
				{"infinity", math.Inf(1)},
				{"minus infinity", math.Inf(-1)},
				{"negative or too large beside its diagonal", -1e9},
				{"its square overflows", -1e300},
			} {
				for _, at := range [][2]int{{0, 0}, {0, d - 1}, {d / 2, d - 1}, {d - 1, d - 1}, {d / 2, d / 2}, {d / 3, d / 2}} {
					a := information(2, d, 2*d, 1)
					a[at[0]*d+at[1]] = row.value
					if got, ok := k.inverse(a, d, &s); ok || got != 0 {
						t.Errorf("d=%d, %s at %v: %v, %v", d, row.why, at, got, ok)
					}
				}
			}
			// Positive definite, but an inverse beyond float64.
			a := make([]float64, d*d)
			for i := range d {
				a[i*d+i] = 1e-310
			}
			if got, ok := k.inverse(a, d, &s); ok || got != 0 {
				t.Errorf("d=%d, infinite inverse: %v, %v", d, got, ok)
			}
		}
	})
}

// TestInverseSameBits: alignment, a used scratch and repetition change nothing,
// and all vector kernels agree to the bit.
func TestInverseSameBits(t *testing.T) {
	for _, d := range []int{1, 7, 64, 101, 211} {
		bits := map[string][]float64{}
		a := information(3, d, 2*d, 100)
		eachKernel(t, func(t *testing.T, k *kernel) {
			want := slices.Clone(a)
			logDet, ok := k.inverse(want, d, &Scratch{})
			if !ok {
				t.Fatal("not positive definite")
			}
			bits[k.name] = want
			var s Scratch
			k.logDet(information(4, 150, 5, 1e9), 150, &s)
			for offset := range 9 {
				values, _ := guardedCopy(a, offset)
				got, ok := k.inverse(values, d, &s)
				if difference, _ := upperDifference(values, want, d); !ok || got != logDet || difference != 0 {
					t.Fatalf("d=%d, offset %d: differs by %g", d, offset, difference)
				}
			}
		})
		if bits["avx2"] != nil && bits["avx512"] != nil {
			if difference, _ := upperDifference(bits["avx2"], bits["avx512"], d); difference != 0 {
				t.Errorf("d=%d: avx2 and avx512 differ by %g", d, difference)
			}
		}
	}
}

func TestInverseDoesNotAllocate(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *kernel) {
		const d = 130
		a, work := information(1, d, d, 1), make([]float64, d*d)
		var s Scratch
		k.inverse(slices.Clone(a), d, &s)
		if allocs := testing.AllocsPerRun(5, func() {
			copy(work, a)
			k.inverse(work, d, &s)
		}); allocs != 0 {
			t.Fatalf("%v allocations a call", allocs)
		}
	})
}

// FuzzInverse: no panic and no NaN on any matrix; the inverse of gonum where the
// condition is moderate.
func FuzzInverse(f *testing.F) {
	f.Add(uint64(1), uint8(5), 1.0, 0.0)
	f.Add(uint64(2), uint8(70), 1e8, math.Inf(1))
	f.Add(uint64(3), uint8(33), -1.0, math.NaN())
	f.Fuzz(func(t *testing.T, seed uint64, size uint8, scale, value float64) {
		d := int(size)
		if d == 0 {
			return
		}
		a := information(seed, d, d/2+1, scale)
		i := int(seed % uint64(d))
		a[i*d+i] += value
		for _, k := range kernels {
			got := slices.Clone(a)
			logDet, ok := k.inverse(got, d, &Scratch{})
			if math.IsNaN(logDet) || math.IsInf(logDet, 0) || !ok && logDet != 0 {
				t.Fatalf("%s: %v, %v", k.name, logDet, ok)
			}
			if difference, _ := upperDifference(got, got, d); ok && difference != 0 {
				t.Fatalf("%s: inverse is not finite", k.name)
			}
			if scale >= 0 && scale < 1e4 && value >= 0 && value < 1e4 {
				difference, largest := upperDifference(got, referenceInverse(a, d), d)
				if !ok || !(difference <= 1e-9*largest) {
					t.Fatalf("%s: differs from gonum by %g of %g", k.name, difference, largest)
				}
			}
		}
	})
}

func BenchmarkInverse(b *testing.B) {
	for _, d := range []int{384, 768, 1024} {
		a := information(1, d, 2*d, 2*float64(d))
		work := make([]float64, d*d)
		report := func(b *testing.B) {
			flops := float64(d) * float64(d) * float64(d) * float64(b.N)
			b.ReportMetric(flops/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		}
		for _, k := range kernels {
			b.Run(fmt.Sprintf("%s/d=%d", k.name, d), func(b *testing.B) {
				var s Scratch
				for range b.N {
					copy(work, a)
					if _, ok := k.inverse(work, d, &s); !ok {
						b.Fatal("not positive definite")
					}
				}
				report(b)
			})
		}
		b.Run(fmt.Sprintf("gonum/d=%d", d), func(b *testing.B) {
			for range b.N {
				copy(work, a)
				factor, ok := lapack64.Potrf(blas64.Symmetric{N: d, Stride: d, Data: work, Uplo: blas.Upper})
				if _, ok2 := lapack64.Potri(factor); !ok || !ok2 {
					b.Fatal("not positive definite")
				}
			}
			report(b)
		})
	}
}
