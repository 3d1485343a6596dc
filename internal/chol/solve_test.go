package chol

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"
)

// TestSolve compares with gonum, at every size around those of tiles and blocks.
func TestSolve(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *kernel) {
		var s Scratch
		random := rand.New(rand.NewPCG(7, 7))
		sizes := []int{255, 256, 257, 384}
		for d := 1; d <= 140; d++ {
			sizes = append(sizes, d)
		}
		for _, d := range sizes {
			a := information(1, d, 2*d+1, 2*float64(d))
			b := make([]float64, d)
			for i := range b {
				b[i] = random.NormFloat64()
			}
			factor, _ := lapack64.Potrf(blas64.Symmetric{N: d, Stride: d, Data: slices.Clone(a), Uplo: blas.Upper})
			want := slices.Clone(b)
			lapack64.Potrs(factor, blas64.General{Rows: d, Cols: 1, Stride: 1, Data: want})
			values, intact := guardedCopy(a, d%5)
			if !k.solve(values, d, b, &s) {
				t.Fatalf("d=%d: not positive definite", d)
			}
			var difference, largest float64
			for i := range b {
				difference, largest = max(difference, math.Abs(b[i]-want[i])), max(largest, math.Abs(want[i]))
			}
			if !(difference <= 1e-11*largest) {
				t.Fatalf("d=%d: differs from gonum by %g of %g", d, difference, largest)
			}
			if !intact() {
				t.Fatalf("d=%d: memory around the matrix was written", d)
			}
		}
	})
}

// TestSolveRefuses: b is as it was when there is no solution.
func TestSolveRefuses(t *testing.T) {
	for why, a := range map[string][]float64{
		"not definite": {1, 2, 0, 1},
		"zero":         {0, 0, 0, 0},
		"NaN":          {math.NaN(), 0, 0, 1},
		"infinite":     {math.Inf(1), 0, 0, 1},
	} {
		b := []float64{1, 2}
		if Solve(a, 2, b, new(Scratch)) || b[0] != 1 || b[1] != 2 {
			t.Errorf("%s: %v", why, b)
		}
	}
	if !Solve(nil, 0, nil, new(Scratch)) {
		t.Error("of no dimension")
	}
}
