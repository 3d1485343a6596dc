package lookahead

import (
	"context"
	"errors"

	"example.com/eci/internal/syrk"
	"gonum.org/v1/gonum/mat"
)

// rankTolerance is the smallest eigenvalue of the pool's covariance, relative to
// the largest, whose axis is used. Smaller ones are rounding noise.
const rankTolerance = 1e-12

// spreadTolerance is the variance along the first axis up to which unit vectors
// are the same: differences of one float32 are ten thousand times as long.
const spreadTolerance = 1e-24

// axes are the principal axes of a pool, d x r, as rows of right.
type axes struct {
	d, r  int
	rows  []float64 // r x d
	right syrk.Right64
}

// newAxes returns the first most principal axes of the centered pool of unit
// vectors, or as many as it has.
func newAxes(ctx context.Context, pool [][]float32, lengths []float64, d, most int) (*axes, error) {
	n := len(pool)
	x := make([]float64, n*d)
	mean := make([]float64, d)
	for i := range n {
		row := x[i*d:][:d]
		unitInto(row, pool[i], lengths[i])
		addScaled(mean, 1/float64(n), row)
	}
	for i := range n {
		addScaled(x[i*d:][:d], -1, mean)
	}
	size := d
	cov := make([]float64, d*d)
	var scratch syrk.Scratch64
	syrk.Accumulate64(cov, d, x, n, &scratch)
	var eigen mat.EigenSym
	if !eigen.Factorize(mat.NewSymDense(size, cov), true) {
		return nil, errors.New("lookahead: the principal axes of the pool do not converge")
	}
	values := eigen.Values(nil)
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	if values[size-1] <= spreadTolerance*float64(n) {
		return nil, errors.New("lookahead: all documents of the pool have the same vector")
	}
	a := &axes{d: d}
	for a.r < min(most, d) && values[size-1-a.r] > rankTolerance*values[size-1] {
		a.r++
	}
	a.rows = make([]float64, a.r*d)
	for k := range a.r {
		for i := range d {
			a.rows[k*d+i] = vectors.At(i, size-1-k)
		}
	}
	a.right.Pack(a.rows, a.r, d, d)
	return a, ctx.Err()
}
