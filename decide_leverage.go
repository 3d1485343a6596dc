package eci

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"

	"example.com/eci/internal/cores"
	"example.com/eci/internal/dots"
)

// Leveraged is a triple with its leverage. It is valid until the iterator advances.
// Only the goroutine that ranges over the sequence may use it.
type Leveraged struct {
	Weighted
	// Leverage is h = (a w rT (I + a M)^-1 r)/N with a = d/eps^2, in [0, 1). It is the
	// triple's share of the effective dimension. A high value means influential, not
	// good.
	Leverage float64
	// Loss is how much S drops, in nats, without the triple's term in M and with N
	// unchanged: -1/2 ln(1 - h), exactly.
	Loss float64
}

// Leverage yields every triple of a source, in order, with its leverage in the matrix
// under the frozen Calibration. The matrix is usually that of the source's own
// [Score].
//
// With the matrix of another source, h says how well that source covers the triple's
// direction. It is then not a share and can be 1 or more; Loss is +Inf for h >= 1.
// Adding the triple would gain 1/2 ln(1 + h).
//
// Errors are ErrIncompatible if dimension, calibration or components differ, and
// ErrEmptySource for a nil or empty matrix. Skipped rows are left out. Budget does not
// apply.
func (s *Sem) Leverage(ctx context.Context, matrix *Matrix, source Source) iter.Seq2[*Leveraged, error] {
	return func(yield func(*Leveraged, error) bool) {
		err := s.leverage(ctx, matrix, source, yield)
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, err)
		}
	}
}

func (s *Sem) leverage(ctx context.Context, matrix *Matrix, source Source, yield func(*Leveraged, error) bool) error {
	r, err := s.weigher(source, 2)
	if err != nil {
		return err
	}
	switch {
	case matrix == nil || matrix.Triples() == 0:
		return &RowError{Source: source.Name, Err: fmt.Errorf("%w: the matrix for the leverage is nil or empty", ErrEmptySource)}
	case matrix.config.Settings != r.hash:
		return &RowError{Source: source.Name, Err: fmt.Errorf("%w: the matrix was made under another calibration or other components", ErrIncompatible)}
	case matrix.config.Dimension != r.dimension:
		return &RowError{Source: source.Name, Err: fmt.Errorf("%w: the matrix has dimension %d, the calibration %d", ErrIncompatible, matrix.config.Dimension, r.dimension)}
	}
	d := r.dimension
	sum, n := matrix.total()
	scale := float64(d) / matrix.config.Epsilon2 / float64(n)
	addIdentity(sum, d, scale)
	factor, ok := lapack64.Potrf(blas64.Symmetric{N: d, Stride: d, Data: sum, Uplo: blas.Upper})
	if !ok {
		return &RowError{Source: source.Name, Err: ErrSingular}
	}
	rows := make([]float64, triplesPerBatch*d)
	return r.batches(ctx, source, r.reading(), func(b *batch) error {
		if err := r.weigh(source, b); err != nil {
			return err
		}
		// Solved for at once; fixed, so that the bits do not depend on the number of cores.
		const leverageRows = 32
		leverages := make([]float64, len(b.rows))
		cores.All((len(b.rows)+leverageRows-1)/leverageRows, func(lo, hi int) {
			for c := lo; c < hi; c++ {
				from, to := c*leverageRows, min((c+1)*leverageRows, len(b.rows))
				block := rows[from*d : to*d]
				for i := from; i < to; i++ {
					b.rows[i].residual(block[(i-from)*d:(i-from+1)*d], math.Sqrt(b.rows[i].weight))
				}
				// Rows x with x U = r solve UT xT = rT, so that |x|^2 = rT (UT U)^-1 r.
				blas64.Trsm(blas.Right, blas.NoTrans, 1, factor, blas64.General{Rows: to - from, Cols: d, Stride: d, Data: block})
				for i := from; i < to; i++ {
					x := block[(i-from)*d : (i-from+1)*d]
					leverages[i] = scale * dots.Inner(x, x)
				}
			}
		})
		for i := range b.rows {
			row := &b.rows[i]
			l := Leveraged{Weighted: row.weighted(), Leverage: leverages[i], Loss: math.Inf(1)}
			if l.Leverage < 1 {
				l.Loss = -math.Log1p(-l.Leverage) / 2
			}
			if !yield(&l, nil) {
				return errStopped
			}
		}
		return nil
	})
}
