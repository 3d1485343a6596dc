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

// tolerance of a log-determinant relative to the sum of the absolute logarithms
// of the factor's diagonal, for matrices of moderate condition.
const tolerance = 1e-12

// eachKernel runs a test with every kernel of the build and skips, with a
// message, those that the processor cannot run.
func eachKernel(t *testing.T, f func(t *testing.T, k *kernel)) {
	for _, k := range append(slices.Clone(vectorKernels), &generic) {
		t.Run(k.name, func(t *testing.T) {
			if !slices.Contains(kernels, k) {
				t.Skipf("this processor cannot run the %s kernel", k.name)
			}
			f(t, k)
		})
	}
}

// information returns the upper triangle of I + scale * XTX/n with n random
// rows, what the library takes determinants of; NaN below the diagonal.
func information(seed uint64, d, n int, scale float64) []float64 {
	random := rand.New(rand.NewPCG(seed, uint64(d)))
	x := make([]float64, n*d)
	for i := range x {
		x[i] = random.NormFloat64()
	}
	a := make([]float64, d*d)
	if d > 0 && n > 0 {
		blas64.Syrk(blas.Trans, scale/float64(n), blas64.General{Rows: n, Cols: d, Stride: d, Data: x},
			0, blas64.Symmetric{N: d, Stride: d, Data: a, Uplo: blas.Upper})
	}
	for i := range d {
		a[i*d+i]++
		for j := range i {
			a[i*d+j] = math.NaN()
		}
	}
	return a
}

// reference takes the log-determinant with gonum; size is the sum of the
// absolute logarithms.
func reference(a []float64, d int) (logDet, size float64, ok bool) {
	if d == 0 {
		return 0, 0, true
	}
	factor, ok := lapack64.Potrf(blas64.Symmetric{N: d, Stride: d, Data: slices.Clone(a), Uplo: blas.Upper})
	for i := range d {
		l := math.Log(factor.Data[i*d+i])
		logDet += l
		size += math.Abs(l)
	}
	return logDet, size, ok
}

// guardedCopy returns a copy of a with offset elements and guards around it.
func guardedCopy(a []float64, offset int) (values []float64, intact func() bool) {
	const n = 17
	all := make([]float64, n+offset+len(a)+n)
	for i := range all {
		all[i] = 12345
	}
	values = all[n+offset:][:len(a):len(a)]
	copy(values, a)
	return values, func() bool {
		for _, x := range slices.Concat(all[:n+offset], all[len(all)-n:]) {
			if x != 12345 {
				return false
			}
		}
		return true
	}
}

func checkAgainstGonum(t *testing.T, k *kernel, name string, a []float64, d int, absolute float64, s *Scratch) (worst float64) {
	t.Helper()
	want, size, ok := reference(a, d)
	if !ok {
		t.Fatalf("%s: gonum says not positive definite", name)
	}
	values, intact := guardedCopy(a, d%5)
	got, ok := k.logDet(values, d, s)
	if !ok {
		t.Fatalf("%s: not positive definite", name)
	}
	if !(math.Abs(got-want) <= max(absolute, tolerance*size)) {
		t.Fatalf("%s: %v, want %v (gonum); difference %g of %g", name, got, want, got-want, size)
	}
	if !intact() {
		t.Fatalf("%s: memory around the matrix was written", name)
	}
	return math.Abs(got-want) / max(size, 1e-300)
}

func TestLogDet(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *kernel) {
		var s Scratch
		var worst float64
		check := func(d, n int, scale float64) {
			name := fmt.Sprintf("d=%d n=%d scale=%g", d, n, scale)
			worst = max(worst, checkAgainstGonum(t, k, name, information(1, d, n, scale), d, 0, &s))
		}
		for d := range 201 {
			check(d, 2*d+1, 2*float64(d))
		}
		for _, d := range []int{384, 512, 768} {
			if testing.Short() && d > 384 {
				continue
			}
			check(d, d+1, 2*float64(d))
			check(d, d/4, 1)
		}
		t.Logf("largest relative difference from gonum %.1e", worst)
		// Where the sums are of low rank and 1e6 times the identity, adding the
		// identity rounds it: the least eigenvalues, 1, are known to 1e6 roundings.
		const d, scale = 384, 1e6
		checkAgainstGonum(t, k, "low rank", information(1, d, d/4, scale), d, d*scale*0x1p-53, &s)
	})
}

// TestLogDetIllConditioned: badly scaled and nearly singular matrices whose
// determinant is known: D UTU D with unit triangular U and powers of two D has
// half the log-determinant sum ln D.
func TestLogDetIllConditioned(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *kernel) {
		var s Scratch
		for seed := range uint64(60) {
			random := rand.New(rand.NewPCG(seed, 5))
			d := 1 + random.IntN(150)
			u := make([]float64, d*d)
			scale := make([]float64, d)
			var want, size float64
			for i := range d {
				scale[i] = math.Ldexp(1, random.IntN(400)-200)
				want += math.Log(scale[i])
				size += math.Abs(math.Log(scale[i]))
				u[i*d+i] = 1
				for j := i + 1; j < d && j < i+4; j++ {
					u[i*d+j] = float64(random.IntN(9)-4) / 4
				}
			}
			a := make([]float64, d*d)
			for i := range d {
				for j := i; j < d; j++ {
					for l := range i + 1 {
						a[i*d+j] += u[l*d+i] * u[l*d+j]
					}
					a[i*d+j] *= scale[i] * scale[j]
				}
			}
			got, ok := k.logDet(a, d, &s)
			// UTU is a matrix of small multiples of 1/16, factored exactly.
			if !ok || !(math.Abs(got-want) <= tolerance*max(1, size)) {
				t.Fatalf("seed %d, d=%d: %v, %v; want %v", seed, d, got, ok, want)
			}
		}
	})
}

// TestLogDetHilbert: on Hilbert matrices, with condition number up to 1e13 at
// d = 10, the error is bounded by the condition, and never a panic or NaN.
func TestLogDetHilbert(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *kernel) {
		var s Scratch
		for d := 1; d <= 40; d++ {
			a := make([]float64, d*d)
			for i := range d {
				for j := range d {
					a[i*d+j] = 1 / float64(i+j+1)
				}
			}
			want, size, wantOK := reference(a, d)
			got, ok := k.logDet(slices.Clone(a), d, &s)
			if math.IsNaN(got) || math.IsInf(got, 0) {
				t.Fatalf("d=%d: %v", d, got)
			}
			if d <= 10 && (!ok || !wantOK || math.Abs(got-want) > 1e-3*size) {
				t.Fatalf("d=%d: %v, %v; want %v, %v (gonum)", d, got, ok, want, wantOK)
			}
		}
	})
}

func TestLogDetNotPositiveDefinite(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *kernel) {
		var s Scratch
		for _, d := range []int{1, 2, 5, 12, 25, 64, 65, 130} {
			for _, row := range []struct {
				why   string
				value float64
			}{
				{"NaN", math.NaN()},
				{"infinity", math.Inf(1)},
				{"minus infinity", math.Inf(-1)},
				{"too large beside its diagonal", 1e9},
				{"its square overflows", 1e300},
			} {
				for _, at := range [][2]int{{0, 0}, {0, d - 1}, {d / 2, d - 1}, {d - 1, d - 1}, {d / 2, d / 2}, {d / 3, d / 2}} {
					if at[0] == at[1] && !math.IsNaN(row.value) && !math.IsInf(row.value, 0) {
						continue
					}
					a := information(2, d, 2*d, 1)
					a[at[0]*d+at[1]] = row.value
					if got, ok := k.logDet(a, d, &s); ok || got != 0 {
						t.Errorf("d=%d, %s at %v: %v, %v", d, row.why, at, got, ok)
					}
				}
			}
			for _, pivot := range []float64{0, -1, math.Copysign(0, -1)} {
				for i := range d {
					a := make([]float64, d*d)
					for j := range d {
						a[j*d+j] = 1
					}
					a[i*d+i] = pivot
					if got, ok := k.logDet(a, d, &s); ok || got != 0 {
						t.Errorf("d=%d, pivot %v at %d: %v, %v", d, pivot, i, got, ok)
					}
				}
			}
		}
	})
}

// TestLogDetSameBits: alignment, a used scratch and repetition change nothing,
// and all vector kernels agree to the bit.
func TestLogDetSameBits(t *testing.T) {
	for _, d := range []int{1, 7, 64, 101, 211} {
		bits := map[string]float64{}
		t.Run(fmt.Sprintf("d=%d", d), func(t *testing.T) {
			a := information(3, d, 2*d, 100)
			eachKernel(t, func(t *testing.T, k *kernel) {
				want, ok := k.logDet(slices.Clone(a), d, &Scratch{})
				if !ok {
					t.Fatal("not positive definite")
				}
				bits[k.name] = want
				var s Scratch
				k.logDet(information(4, 150, 5, 1e9), 150, &s)
				for offset := range 9 {
					values, _ := guardedCopy(a, offset)
					if got, ok := k.logDet(values, d, &s); !ok || got != want {
						t.Fatalf("offset %d: %v, want %v", offset, got, want)
					}
				}
			})
		})
		x, okX := bits["avx2"]
		y, okY := bits["avx512"]
		if okX && okY && x != y {
			t.Errorf("d=%d: avx2 %v, avx512 %v", d, x, y)
		}
	}
}

func TestLogDetDoesNotAllocate(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *kernel) {
		const d = 130
		a, work := information(1, d, d, 1), make([]float64, d*d)
		var s Scratch
		k.logDet(slices.Clone(a), d, &s)
		if allocs := testing.AllocsPerRun(5, func() {
			copy(work, a)
			k.logDet(work, d, &s)
		}); allocs != 0 {
			t.Fatalf("%v allocations a call", allocs)
		}
	})
}

func TestName(t *testing.T) {
	if !slices.Contains([]string{"avx512", "avx2", "generic"}, Name()) {
		t.Fatalf("Name() = %q", Name())
	}
	t.Logf("kernel in use: %s", Name())
}

// FuzzLogDet compares with gonum on small matrices of any values.
func FuzzLogDet(f *testing.F) {
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
		want, total, wantOK := reference(a, d)
		for _, k := range kernels {
			got, ok := k.logDet(slices.Clone(a), d, &Scratch{})
			if math.IsNaN(got) || math.IsInf(got, 0) || !ok && got != 0 {
				t.Fatalf("%s: %v, %v", k.name, got, ok)
			}
			// Only where the condition is moderate must they agree.
			if scale >= 0 && scale < 1e4 && value >= 0 && value < 1e4 {
				if !ok || !wantOK || math.Abs(got-want) > tolerance*max(1, total) {
					t.Fatalf("%s: %v, %v; want %v, %v (gonum)", k.name, got, ok, want, wantOK)
				}
			}
		}
	})
}

func BenchmarkLogDet(b *testing.B) {
	for _, d := range []int{384, 768, 1024} {
		a := information(1, d, 2*d, 2*float64(d))
		work := make([]float64, d*d)
		report := func(b *testing.B) {
			flops := float64(d) * float64(d) * float64(d) / 3 * float64(b.N)
			b.ReportMetric(flops/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		}
		for _, k := range kernels {
			b.Run(fmt.Sprintf("%s/d=%d", k.name, d), func(b *testing.B) {
				var s Scratch
				for range b.N {
					copy(work, a)
					if _, ok := k.logDet(work, d, &s); !ok {
						b.Fatal("not positive definite")
					}
				}
				report(b)
			})
		}
		b.Run(fmt.Sprintf("gonum/d=%d", d), func(b *testing.B) {
			for range b.N {
				copy(work, a)
				if _, ok := lapack64.Potrf(blas64.Symmetric{N: d, Stride: d, Data: work, Uplo: blas.Upper}); !ok {
					b.Fatal("not positive definite")
				}
			}
			report(b)
		})
	}
}
