package chol

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestTiles compares every tile and solve with the loop of its comment, with
// gaps between the rows of b and c that must stay as they are: the vector
// kernels to the bit, the portable one within rounding.
func TestTiles(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *kernel) {
		random := rand.New(rand.NewPCG(1, 2))
		values := func(n int) []float64 {
			x := make([]float64, n)
			for i := range x {
				x[i] = random.NormFloat64()
			}
			return x
		}
		for v := range k.tiles {
			width := (v + 1) * k.lane
			for _, n := range []int{0, 1, 3, 4, 5, 11, 64} {
				name := fmt.Sprintf("width=%d n=%d", width, n)
				ldb, ldc := width+3, width+5
				a, b := values(n*k.mr), values(n*ldb)
				triangle := values(k.mr * k.mr)
				start := values((k.mr-1)*ldc + width)
				want := slices.Clone(start)
				for r := range n {
					for i := range k.mr {
						for j := range width {
							want[i*ldc+j] = math.FMA(-a[r*k.mr+i], b[r*ldb+j], want[i*ldc+j])
						}
					}
				}
				compare := func(what string, got []float64, intact func() bool) {
					t.Helper()
					for i := range got {
						bound := 0.0
						if k == &generic {
							bound = 1e-12 * (1 + math.Abs(want[i]))
						}
						if !(math.Abs(got[i]-want[i]) <= bound) {
							t.Fatalf("%s: %s[%d] = %v, want %v", name, what, i, got[i], want[i])
						}
					}
					if !intact() {
						t.Fatalf("%s: %s: memory outside was written", name, what)
					}
				}
				c, intact := guardedCopy(start, n%8)
				k.tiles[v](n, a, b, ldb, c, ldc)
				compare("tile", c, intact)
				for i := range k.mr {
					for j := range width {
						want[i*ldc+j] *= triangle[i*k.mr+i]
						for below := i + 1; below < k.mr; below++ {
							want[below*ldc+j] = math.FMA(-triangle[i*k.mr+below], want[i*ldc+j], want[below*ldc+j])
						}
					}
				}
				c, intact = guardedCopy(start, n%8)
				k.solves[v](n, a, b, ldb, c, ldc, triangle)
				compare("solve", c, intact)
			}
		}
	})
}
