package syrk

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
)

func eachKernel64(t *testing.T, f func(t *testing.T, k *kernel64)) {
	for _, k := range append(slices.Clone(vectorKernels64), &generic64) {
		t.Run(k.name, func(t *testing.T) {
			if !slices.Contains(kernels64, k) {
				t.Skipf("this processor cannot run the %s kernel", k.name)
			}
			f(t, k)
		})
	}
}

func randomRows64(seed uint64, rows []float64) {
	random := rand.New(rand.NewPCG(seed, 768))
	for i := range rows {
		rows[i] = random.NormFloat64()
	}
}

// naive64 is the loop of the comment; with fused false the products are rounded,
// as a processor without fused multiply-add does.
func naive64(c []float64, d int, rows []float64, n int, fused bool) {
	for r := range n {
		row := rows[r*d:][:d]
		for i, x := range row {
			for j := i; j < d; j++ {
				if fused {
					c[i*d+j] = math.FMA(x, row[j], c[i*d+j])
				} else {
					c[i*d+j] += float64(x * row[j])
				}
			}
		}
	}
}

// checkExact compares with the loop of the comment: to the bit for the vector
// kernels, and to the bit of one of the two roundings for the portable one.
func checkExact(t *testing.T, k *kernel64, d, n, offset int, s *Scratch64) {
	t.Helper()
	name := fmt.Sprintf("d=%d n=%d offset=%d", d, n, offset)
	rows := guardedSlice(n*d, offset, guard64)
	randomRows64(uint64(d*1000+n), rows.values)
	c := guardedSlice(d*d, offset, guard64)
	for i := range d {
		for j := range d {
			c.values[i*d+j] = float64(i + 2*j)
			if j < i {
				c.values[i*d+j] = guard64
			}
		}
	}
	fused, rounded := slices.Clone(c.values), slices.Clone(c.values)
	naive64(fused, d, rows.values, n, true)
	naive64(rounded, d, rows.values, n, false)
	accumulate64(k, c.values, d, rows.values, n, s)
	sameBits := func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) }
	if !slices.EqualFunc(c.values, fused, sameBits) && !(k == &generic64 && slices.EqualFunc(c.values, rounded, sameBits)) {
		t.Fatalf("%s: not the loop of the comment", name)
	}
	rows.check(t, name+": rows")
	c.check(t, name+": c")
}

func TestAccumulate64(t *testing.T) {
	eachKernel64(t, func(t *testing.T, k *kernel64) {
		var s Scratch64
		for d := range 131 {
			for _, n := range []int{0, 1, 2, 3, 4, 5, 7, 16, 17, 33} {
				checkExact(t, k, d, n, 0, &s)
			}
		}
		for _, d := range []int{191, 193, 384, 512, 768} {
			checkExact(t, k, d, 9, 0, &s)
		}
		for n := range 2*blockRows64 + 20 {
			checkExact(t, k, 29, n, n%8, &s)
		}
		for offset := range 64 / 8 {
			for _, d := range []int{1, 11, 12, 13, 23, 24, 25, 145} {
				checkExact(t, k, d, 37, offset, &s)
			}
		}
	})
}

// TestAccumulate64Split: every way to hand over the rows in two calls gives the
// same bits, and so do calls of one row each.
func TestAccumulate64Split(t *testing.T) {
	eachKernel64(t, func(t *testing.T, k *kernel64) {
		const d, n = 67, 2*blockRows64 + 9
		rows := make([]float64, n*d)
		randomRows64(5, rows)
		var s Scratch64
		want := make([]float64, d*d)
		accumulate64(k, want, d, rows, n, &s)
		got := make([]float64, d*d)
		for first := range n + 1 {
			clear(got)
			accumulate64(k, got, d, rows, first, &s)
			accumulate64(k, got, d, rows[first*d:], n-first, &s)
			if !slices.Equal(got, want) {
				t.Fatalf("%d and %d rows give other bits than %d", first, n-first, n)
			}
		}
		clear(got)
		for r := range n {
			accumulate64(k, got, d, rows[r*d:], 1, &s)
		}
		if !slices.Equal(got, want) {
			t.Fatal("row by row gives other bits")
		}
	})
}

// TestTiles64 compares every tile with the loop of its comment, to the bit, with
// gaps between the rows of b and c that must stay as they are.
func TestTiles64(t *testing.T) {
	eachKernel64(t, func(t *testing.T, k *kernel64) {
		for v, multiply := range k.tiles {
			width := (v + 1) * k.lane
			for _, n := range []int{0, 1, 3, 4, 5, 11} {
				ldb, ldc := width+3, width+5
				a, b := guardedSlice(n*k.mr, n%8, guard64), guardedSlice(max(0, n*ldb-3), n%8, guard64)
				c := guardedSlice((k.mr-1)*ldc+width, n%8, guard64)
				randomRows64(1, a.values)
				randomRows64(2, b.values)
				for i := range c.values {
					c.values[i] = float64(i)
				}
				fused, rounded := slices.Clone(c.values), slices.Clone(c.values)
				for i := range k.mr {
					for j := range width {
						for r := range n {
							x, y := a.values[r*k.mr+i], b.values[r*ldb+j]
							fused[i*ldc+j] = math.FMA(x, y, fused[i*ldc+j])
							rounded[i*ldc+j] += float64(x * y)
						}
					}
				}
				multiply(n, a.values, b.values, ldb, c.values, ldc)
				name := fmt.Sprintf("width=%d n=%d", width, n)
				if !slices.Equal(c.values, fused) && !(k == &generic64 && slices.Equal(c.values, rounded)) {
					t.Fatalf("%s: not the loop of the comment", name)
				}
				a.check(t, name+": a")
				b.check(t, name+": b")
				c.check(t, name+": c")
			}
		}
	})
}

// TestPack64 compares the packing of full panels with its definition.
func TestPack64(t *testing.T) {
	eachKernel64(t, func(t *testing.T, k *kernel64) {
		nr := k.lane * len(k.tiles)
		for n := range 20 {
			d, lda := nr+7, n*k.mr+5
			name := fmt.Sprintf("n=%d", n)
			rows := guardedSlice(max(0, n*d-7), n%8, guard64)
			randomRows64(3, rows.values)
			a, b := guardedSlice(nr/k.mr*lda-5, n%8, guard64), guardedSlice(n*nr, n%8, guard64)
			wantA, wantB := slices.Clone(a.values), slices.Clone(b.values)
			for r := range n {
				for j := range nr {
					wantA[j/k.mr*lda+r*k.mr+j%k.mr] = rows.values[r*d+j]
					wantB[r*nr+j] = rows.values[r*d+j]
				}
			}
			k.pack(n, rows.values, d, a.values, lda, b.values)
			if !slices.Equal(a.values, wantA) || !slices.Equal(b.values, wantB) {
				t.Fatalf("%s: not the loop of the comment", name)
			}
			rows.check(t, name+": rows")
			a.check(t, name+": a")
			b.check(t, name+": b")
		}
	})
}

func TestAccumulate64DoesNotAllocate(t *testing.T) {
	eachKernel64(t, func(t *testing.T, k *kernel64) {
		const d, n = 130, 200
		c, rows := make([]float64, d*d), make([]float64, n*d)
		var s Scratch64
		accumulate64(k, c, d, rows, n, &s)
		if allocs := testing.AllocsPerRun(5, func() { accumulate64(k, c, d, rows, n, &s) }); allocs != 0 {
			t.Fatalf("%v allocations a call", allocs)
		}
	})
}

func TestAccumulate64PanicsOnMisuse(t *testing.T) {
	for _, row := range []struct {
		why        string
		c, rows, n int
	}{
		{"c is too short", 15, 8, 2},
		{"too few rows", 16, 7, 2},
		{"too few rows for the second block", 16, 4*blockRows64 + 3, blockRows64 + 1},
		{"negative number of rows", 16, 8, -1},
	} {
		t.Run(row.why, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Fatal("no panic")
				}
			}()
			Accumulate64(make([]float64, row.c), 4, make([]float64, row.rows), row.n, &Scratch64{})
		})
	}
}

func FuzzAccumulate64(f *testing.F) {
	f.Add(uint8(5), uint16(3), uint8(1))
	f.Add(uint8(73), uint16(257), uint8(7))
	f.Fuzz(func(t *testing.T, d uint8, n uint16, offset uint8) {
		for _, k := range kernels64 {
			checkExact(t, k, int(d), int(n)%400, int(offset)%8, &Scratch64{})
		}
	})
}

// BenchmarkAccumulate64 streams 7,680 rows in blocks and counts n*d*(d+1)
// operations a block; gonum's Dsyrk does the same work.
func BenchmarkAccumulate64(b *testing.B) {
	const total = 7680
	for _, d := range []int{512, 768} {
		for _, n := range []int{64, 384} {
			stream := func(name string, add func(c, rows []float64)) {
				b.Run(fmt.Sprintf("%s/d=%d/n=%d", name, d, n), func(b *testing.B) {
					rows, c := make([]float64, total*d), make([]float64, d*d)
					randomRows64(1, rows)
					add(c, rows)
					b.ResetTimer()
					at := 0
					for range b.N {
						add(c, rows[at*d:])
						at = (at + n) % total
					}
					flops := float64(n) * float64(d) * float64(d+1) * float64(b.N)
					b.ReportMetric(flops/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				})
			}
			for _, k := range kernels64 {
				var s Scratch64
				stream(k.name, func(c, rows []float64) { accumulate64(k, c, d, rows, n, &s) })
			}
			stream("gonum", func(c, rows []float64) {
				blas64.Syrk(blas.Trans, 1, blas64.General{Rows: n, Cols: d, Stride: d, Data: rows},
					1, blas64.Symmetric{N: d, Stride: d, Data: c, Uplo: blas.Upper})
			})
		}
	}
}
