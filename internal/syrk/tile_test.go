package syrk

import (
	"fmt"
	"math/big"
	"slices"
	"testing"
)

// fma32 is x*y + z with one rounding, by exact arithmetic.
func fma32(x, y, z float32) float32 {
	product := new(big.Float).SetPrec(800).Mul(big.NewFloat(float64(x)), big.NewFloat(float64(y)))
	sum, _ := product.Add(product, big.NewFloat(float64(z))).Float32()
	return sum
}

// TestTiles compares every tile with the loop of its comment, to the bit, with
// gaps between the rows of b and c that must stay as they are.
func TestTiles(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *kernel) {
		for v, multiply := range k.tiles {
			width := (v + 1) * k.lane
			for _, n := range []int{0, 1, 3, 4, 5, 11} {
				ldb, ldc := width+3, width+5
				name := fmt.Sprintf("width=%d n=%d", width, n)
				a, b := guardedSlice(n*k.mr, n%8, guard32), guardedSlice(max(0, n*ldb-3), n%8, guard32)
				c := guardedSlice((k.mr-1)*ldc+width, n%8, guard64)
				randomRows(1, a.values)
				randomRows(2, b.values)
				for i := range c.values {
					c.values[i] = float64(i)
				}
				want := slices.Clone(c.values)
				for i := range k.mr {
					for j := range width {
						var sum32 float32
						var sum64 float64
						for r := range n {
							x, y := a.values[r*k.mr+i], b.values[r*ldb+j]
							sum32 = fma32(x, y, sum32)
							sum64 += float64(x) * float64(y)
						}
						if k == &generic {
							want[i*ldc+j] += sum64
						} else {
							want[i*ldc+j] += float64(sum32)
						}
					}
				}
				multiply(n, a.values, b.values, ldb, c.values, ldc)
				if !slices.Equal(c.values, want) {
					t.Fatalf("%s: not the loop of the comment", name)
				}
				a.check(t, name+": a")
				b.check(t, name+": b")
				c.check(t, name+": c")
			}
		}
	})
}

// TestPack compares the packing of full panels with its definition.
func TestPack(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *kernel) {
		nr := k.lane * len(k.tiles)
		for n := range 20 {
			d, lda := nr+7, n*k.mr+5
			name := fmt.Sprintf("n=%d", n)
			rows := guardedSlice(max(0, n*d-7), n%8, guard32)
			randomRows(3, rows.values)
			a, b := guardedSlice(nr/k.mr*lda-5, n%8, guard32), guardedSlice(n*nr, n%8, guard32)
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
