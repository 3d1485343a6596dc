package lookahead

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"

	"example.com/eci/internal/syrk"
	"gonum.org/v1/gonum/mat"
)

const (
	denseSize = 256 // size up to which a matrix is decomposed as a whole
	// residualTolerance is the length of A v - λ v, relative to the largest
	// eigenvalue, at which an eigenvector has converged. Rounding leaves 1e-15.
	residualTolerance = 1e-13
	// filterRange is the largest ratio by which a filter strengthens one wanted
	// eigenvector more than another. Beyond 1e16 the weaker one would be lost in the
	// rounding of the stronger.
	filterRange  = 1e12
	maxFilters   = 40
	maxDegree    = 20
	filterPasses = 2 // filters between two looks at the eigenvalues
)

// principal returns the eigenvectors for the r largest eigenvalues of the symmetric
// matrix X Xᵀ, for n rows of the given depth. They are rows in descending order.
func principal(ctx context.Context, x []float64, n, depth, r int) (vectors, values []float64, err error) {
	a, err := outer(ctx, x, n, depth)
	if err != nil {
		return nil, nil, err
	}
	if block := roundUp(r+max(32, r/2), syrk.Pad); n > denseSize && 2*block <= n {
		return subspace(ctx, a, n, r, block)
	}
	return dense(a, n, r)
}

// dense decomposes the whole matrix.
func dense(a []float64, n, r int) (vectors, values []float64, err error) {
	var eigen mat.EigenSym
	if !eigen.Factorize(mat.NewSymDense(n, a), true) {
		return nil, nil, errors.New("lookahead: the principal axes of the pool do not converge")
	}
	ascending := eigen.Values(nil)
	var columns mat.Dense
	eigen.VectorsTo(&columns)
	vectors, values = make([]float64, r*n), make([]float64, r)
	for k := range r {
		values[k] = ascending[n-1-k]
		for i := range n {
			vectors[k*n+i] = columns.At(i, n-1-k)
		}
	}
	return vectors, values, nil
}

// An iteration is a block of vectors, the rows of q, that converges to the
// eigenvectors of the largest eigenvalues of a positive semidefinite matrix. Rows are
// padded with zeros to ld elements. block is a multiple of syrk.Pad.
type iteration struct {
	ctx          context.Context
	n, ld, block int
	right        syrk.Right64 // the matrix
	q            []float64    // orthonormal, block x ld
	values       []float64    // Ritz values, descending
	residual     float64      // the largest of the wanted vectors
}

// subspace finds the first r eigenvectors by Chebyshev filters on a block of a few
// more vectors. A filter is a polynomial of the matrix that is small between 0 and the
// block's smallest eigenvalue and grows fast above it. Because the block is larger
// than r, the speed does not depend on the gap after the r-th eigenvalue.
func subspace(ctx context.Context, a []float64, n, r, block int) (vectors, values []float64, err error) {
	it := &iteration{ctx: ctx, n: n, ld: roundUp(n, syrk.Pad), block: block}
	it.q = make([]float64, block*it.ld)
	it.right.Pack(a, n, n, n)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range block {
		row := it.q[i*it.ld:][:n]
		for k := range row {
			row[k] = random.Float64() - 0.5
		}
	}
	for range 2 { // power iterations, for a first look at the eigenvalues
		if it.q, err = it.times(it.q); err != nil {
			return nil, nil, err
		}
		if err := orthonormalize(ctx, it.q, block, n); err != nil {
			return nil, nil, err
		}
	}
	if err := it.ritz(r); err != nil {
		return nil, nil, err
	}
	for i := 1; it.residual > residualTolerance*it.values[0] && i <= maxFilters; i++ {
		if err := it.filter(r); err != nil {
			return nil, nil, err
		}
		if err := orthonormalize(ctx, it.q, block, n); err != nil {
			return nil, nil, err
		}
		if i%filterPasses == 0 || i == maxFilters {
			if err := it.ritz(r); err != nil {
				return nil, nil, err
			}
		}
	}
	return unpadded(it.q, r, n), it.values[:r], nil
}

// times returns the rows of q multiplied by the matrix.
func (it *iteration) times(q []float64) ([]float64, error) {
	const block = 4 * syrk.RightBlock
	var left syrk.Left64
	left.Pack(q, it.block, it.n, it.ld)
	to := make([]float64, len(q))
	err := each(it.ctx, chunks(it.n, block), func(i int) {
		first := i * block
		for x := 0; x < it.block; x += rowBlock {
			syrk.Multiply64(to[x*it.ld+first:], it.ld, &left, x, min(rowBlock, it.block-x), &it.right, first, min(block, it.n-first), 0)
		}
	})
	return to, err
}

// filter applies the Chebyshev polynomial for the interval from 0 to the block's
// smallest eigenvalue.
func (it *iteration) filter(r int) error {
	half := max(it.values[it.block-1], filterFloor*it.values[0]) / 2
	growth := func(k int) float64 { return math.Acosh(max(1, it.values[k]/half-1)) }
	degree := maxDegree
	if spread := growth(0) - growth(r-1); spread > 0 {
		degree = int(min(maxDegree, max(1, math.Log(filterRange)/spread)))
	}
	before, now := it.q, it.q
	for k := range degree {
		next, err := it.times(now)
		if err != nil {
			return err
		}
		if k == 0 {
			for i, v := range now {
				next[i] = next[i]/half - v
			}
		} else {
			for i, v := range now {
				next[i] = 2*(next[i]/half-v) - before[i]
			}
		}
		before, now = now, next
	}
	it.q = now
	return nil
}

// filterFloor is the smallest lower end of a filter, as an eigenvalue relative to the
// largest.
const filterFloor = 1e-10

// ritz turns the block into the best approximations of eigenvectors in its span. It
// sets the eigenvalues, and the residual of the first r.
func (it *iteration) ritz(r int) error {
	n, b := it.n, it.block
	ax, err := it.times(it.q)
	if err != nil {
		return err
	}
	ax = unpadded(ax, b, n)
	var left syrk.Left64
	left.Pack(it.q, b, n, it.ld)
	small := make([]float64, b*b)
	if err := multiplyInto(it.ctx, small, b, &left, b, ax, b, n); err != nil {
		return err
	}
	turn, values, err := dense(small, b, b)
	if err != nil {
		return err
	}
	left.Pack(turn, b, b, b)
	q, ay := make([]float64, b*it.ld), make([]float64, b*it.ld)
	if err := multiplyInto(it.ctx, q, it.ld, &left, b, transposed(unpadded(it.q, b, n), b, n), n, b); err != nil {
		return err
	}
	if err := multiplyInto(it.ctx, ay, it.ld, &left, b, transposed(ax, b, n), n, b); err != nil {
		return err
	}
	it.q, it.values, it.residual = q, values, 0
	for k := range r {
		row := ay[k*it.ld:][:n]
		addScaled(row, -values[k], q[k*it.ld:][:n])
		it.residual = max(it.residual, math.Sqrt(dot(row, row)))
	}
	return nil
}
