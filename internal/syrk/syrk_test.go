package syrk

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// guard surrounds every buffer of the tests; a NaN that is read shows in the
// result, and one that is written over is missed.
const guardLen = 19

var (
	guard32 = math.Float32frombits(0x7fc0_1234)
	guard64 = math.Float64frombits(0x7ff8_0000_0000_1234)
)

type guarded[T float32 | float64] struct {
	all    []T
	values []T
	guard  T
}

// guardedSlice returns n zeros that begin offset elements after the guard.
func guardedSlice[T float32 | float64](n, offset int, guard T) guarded[T] {
	all := make([]T, guardLen+offset+n+guardLen)
	for i := range all {
		all[i] = guard
	}
	values := all[guardLen+offset:][:n:n]
	clear(values)
	return guarded[T]{all, values, guard}
}

func (g guarded[T]) check(t *testing.T, what string) {
	t.Helper()
	after := len(g.all) - guardLen
	before := after - len(g.values)
	for i, x := range g.all {
		if (i < before || i >= after) && x == x {
			t.Fatalf("%s: element %d of %d outside of the buffer was written", what, i-before, len(g.values))
		}
	}
}

func randomRows(seed uint64, rows []float32) {
	random := rand.New(rand.NewPCG(seed, 384))
	for i := range rows {
		rows[i] = float32(random.NormFloat64())
	}
}

// naive is C += ATA by its definition, together with the sums of absolute
// products that bound the rounding.
func naive(c, size []float64, d int, rows []float32, n int) {
	for r := range n {
		row := rows[r*d:][:d]
		for i, x := range row {
			for j := i; j < d; j++ {
				p := float64(x) * float64(row[j])
				c[i*d+j] += p
				size[i*d+j] += math.Abs(p)
			}
		}
	}
}

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

// tolerance is the bound of the error relative to the sum of absolute products:
// n roundings of a float32 sum for the vector kernels, of a float64 sum for the
// portable one.
func tolerance(k *kernel, n int) float64 {
	if k == &generic {
		return float64(n+2) * 0x1p-53
	}
	return float64(n+2) * 0x1p-24
}

func checkAgainstNaive(t *testing.T, k *kernel, d, n, offset int, s *Scratch) {
	t.Helper()
	name := fmt.Sprintf("d=%d n=%d offset=%d", d, n, offset)
	rows := guardedSlice(n*d, offset, guard32)
	randomRows(uint64(d*1000+n), rows.values)
	c := guardedSlice(d*d, offset, guard64)
	want, size := make([]float64, d*d), make([]float64, d*d)
	for i := range d {
		for j := range d {
			c.values[i*d+j] = float64(i + 2*j)
			if j < i {
				c.values[i*d+j] = guard64
			}
			want[i*d+j], size[i*d+j] = float64(i+2*j), float64(i+2*j)
		}
	}
	naive(want, size, d, rows.values, n)
	k.accumulate(c.values, d, rows.values, n, s)
	for i := range d {
		for j := range d {
			got := c.values[i*d+j]
			if j < i {
				if math.Float64bits(got) != math.Float64bits(guard64) {
					t.Fatalf("%s: c[%d,%d] below the diagonal was written", name, i, j)
				}
				continue
			}
			bound := tolerance(k, n) * size[i*d+j]
			if !(math.Abs(got-want[i*d+j]) <= bound) {
				t.Fatalf("%s: c[%d,%d] = %v, want %v within %g", name, i, j, got, want[i*d+j], bound)
			}
		}
	}
	rows.check(t, name+": rows")
	c.check(t, name+": c")
}

func TestAccumulateDimensions(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *kernel) {
		var s Scratch
		for d := range 131 {
			for _, n := range []int{1, 2, 3, 4, 5, 7, 16, 17, 33} {
				checkAgainstNaive(t, k, d, n, 0, &s)
			}
		}
	})
}

func TestAccumulateLargeDimensions(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *kernel) {
		var s Scratch
		for _, d := range []int{191, 193, 384, 385, 512, 768, 1023, 1024, 1536} {
			if testing.Short() && d > 512 {
				continue
			}
			checkAgainstNaive(t, k, d, 21, 0, &s)
		}
		checkAgainstNaive(t, k, 384, MaxRows, 0, &s)
	})
}

func TestAccumulateRows(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *kernel) {
		var s Scratch
		for n := range MaxRows + 1 {
			checkAgainstNaive(t, k, 53, n, 0, &s)
		}
	})
}

func TestAccumulateOffsets(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *kernel) {
		var s Scratch
		for offset := range 64 / 4 {
			for _, d := range []int{1, 23, 24, 47, 48, 49, 100, 145} {
				checkAgainstNaive(t, k, d, 37, offset, &s)
			}
		}
	})
}

// TestAccumulateSameBits: alignment, a used scratch and repetition change
// nothing, and all vector kernels agree to the bit.
func TestAccumulateSameBits(t *testing.T) {
	const d, n = 211, 301
	rows := make([]float32, n*d)
	randomRows(7, rows)
	sums := map[string][]float64{}
	eachKernel(t, func(t *testing.T, k *kernel) {
		want := make([]float64, d*d)
		k.accumulate(want, d, rows, n, &Scratch{})
		sums[k.name] = want
		used := &Scratch{}
		k.accumulate(make([]float64, 300*300), 300, make([]float32, 300*MaxRows), MaxRows, used)
		for offset := range 17 {
			shifted := guardedSlice(n*d, offset, guard32)
			copy(shifted.values, rows)
			c := guardedSlice(d*d, offset, guard64)
			k.accumulate(c.values, d, shifted.values, n, used)
			if !slices.Equal(c.values, want) {
				t.Fatalf("offset %d: other bits", offset)
			}
		}
	})
	if a, b := sums["avx2"], sums["avx512"]; a != nil && b != nil && !slices.Equal(a, b) {
		t.Fatal("the avx2 and avx512 kernels give other bits")
	}
}

// TestAccumulateExact: sums of small integers are exact in every kernel.
func TestAccumulateExact(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *kernel) {
		const d, n = 150, MaxRows
		random := rand.New(rand.NewPCG(3, 4))
		rows := make([]float32, n*d)
		for i := range rows {
			rows[i] = float32(random.IntN(33) - 16)
		}
		want, size := make([]float64, d*d), make([]float64, d*d)
		naive(want, size, d, rows, n)
		got := make([]float64, d*d)
		k.accumulate(got, d, rows, n, &Scratch{})
		if !slices.Equal(got, want) {
			t.Fatal("a sum of integers was rounded")
		}
	})
}

func TestAccumulateDoesNotAllocate(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *kernel) {
		const d, n = 130, 64
		c, rows := make([]float64, d*d), make([]float32, n*d)
		var s Scratch
		k.accumulate(c, d, rows, n, &s)
		if allocs := testing.AllocsPerRun(5, func() { k.accumulate(c, d, rows, n, &s) }); allocs != 0 {
			t.Fatalf("%v allocations a call", allocs)
		}
	})
}

func TestAccumulatePanicsOnMisuse(t *testing.T) {
	for _, row := range []struct {
		why        string
		c, rows, n int
	}{
		{"c is too short", 15, 8, 2},
		{"too few rows", 16, 7, 2},
		{"negative number of rows", 16, 8, -1},
		{"more than MaxRows", 16, 4 * (MaxRows + 1), MaxRows + 1},
	} {
		t.Run(row.why, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Fatal("no panic")
				}
			}()
			Accumulate(make([]float64, row.c), 4, make([]float32, row.rows), row.n, &Scratch{})
		})
	}
}

func TestName(t *testing.T) {
	if !slices.Contains([]string{"avx512", "avx2", "generic"}, Name()) {
		t.Fatalf("Name() = %q", Name())
	}
	t.Logf("kernel in use: %s", Name())
}

func FuzzAccumulate(f *testing.F) {
	f.Add(uint8(5), uint16(3), uint8(1))
	f.Add(uint8(73), uint16(384), uint8(15))
	f.Fuzz(func(t *testing.T, d uint8, n uint16, offset uint8) {
		for _, k := range kernels {
			checkAgainstNaive(t, k, int(d), int(n)%(MaxRows+1), int(offset)%16, &Scratch{})
		}
	})
}

// BenchmarkAccumulate streams 19,200 rows in blocks of 384 and counts
// n*d*(d+1) operations a block.
func BenchmarkAccumulate(b *testing.B) {
	for _, k := range kernels {
		for _, d := range []int{384, 512, 768, 1024, 1536} {
			b.Run(fmt.Sprintf("%s/d=%d", k.name, d), func(b *testing.B) {
				const total = 19200
				rows := make([]float32, total*d)
				randomRows(1, rows)
				c := make([]float64, d*d)
				var s Scratch
				k.accumulate(c, d, rows, MaxRows, &s)
				b.ResetTimer()
				at := 0
				for range b.N {
					k.accumulate(c, d, rows[at*d:], MaxRows, &s)
					at = (at + MaxRows) % total
				}
				flops := float64(MaxRows) * float64(d) * float64(d+1) * float64(b.N)
				b.ReportMetric(flops/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
