package lookahead

import (
	"context"
	"errors"
	"math"

	"example.com/eci/internal/syrk"
)

const (
	// rankTolerance is the smallest variance along an axis, relative to the largest,
	// that is used. Smaller variances are rounding noise.
	rankTolerance = 1e-12
	// spreadTolerance is the variance along the first axis up to which unit vectors
	// count as equal. Vectors that differ by one float32 have at least 1e-15.
	spreadTolerance = 1e-24
)

// axes are the principal axes of a pool, d x r, as rows of right.
type axes struct {
	d, r  int
	rows  []float64 // r x d
	right syrk.Right64
}

// newAxes returns the first principal axes of the centered pool of unit vectors, up to
// most of them.
func newAxes(ctx context.Context, pool [][]float32, lengths []float64, d, most int) (*axes, error) {
	n := len(pool)
	x := centered(pool, lengths, d)
	a := &axes{d: d}
	var values []float64
	var err error
	if n >= d {
		a.rows, values, err = principal(ctx, transposed(x, n, d), d, n, min(most, d))
	} else if a.rows, values, err = principal(ctx, x, n, d, min(most, n)); err == nil {
		err = a.unfold(ctx, x, n, len(values))
	}
	if err != nil {
		return nil, err
	}
	if values[0] <= spreadTolerance*float64(n) {
		return nil, errors.New("lookahead: all documents of the pool have the same vector")
	}
	for a.r < len(values) && values[a.r] > rankTolerance*values[0] {
		a.r++
	}
	a.rows = a.rows[:a.r*d]
	a.right.Pack(a.rows, a.r, d, d)
	return a, nil
}

// centered returns the unit vectors minus their mean, one in each row.
func centered(pool [][]float32, lengths []float64, d int) []float64 {
	x, mean := make([]float64, len(pool)*d), make([]float64, d)
	for i, v := range pool {
		row := x[i*d:][:d]
		unitInto(row, v, lengths[i])
		addScaled(mean, 1/float64(len(pool)), row)
	}
	for i := range pool {
		addScaled(x[i*d:][:d], -1, mean)
	}
	return x
}

func transposed(x []float64, rows, columns int) []float64 {
	const block = 16 // rows whose cache lines are filled together
	to := make([]float64, len(x))
	for first := 0; first < rows; first += block {
		last := min(first+block, rows)
		for j := range columns {
			for i := first; i < last; i++ {
				to[j*rows+i] = x[i*columns+j]
			}
		}
	}
	return to
}

// unfold turns eigenvectors u of X Xᵀ, r rows of n, into those of Xᵀ X.
func (a *axes) unfold(ctx context.Context, x []float64, n, r int) error {
	var left syrk.Left64
	left.Pack(a.rows, r, n, n)
	ld := roundUp(a.d, syrk.Pad)
	to := make([]float64, roundUp(r, syrk.Pad)*ld)
	if err := multiplyInto(ctx, to, ld, &left, r, transposed(x, n, a.d), a.d, n); err != nil {
		return err
	}
	if err := orthonormalize(ctx, to, r, a.d); err != nil {
		return err
	}
	a.rows = unpadded(to, r, a.d)
	return nil
}

// unpadded returns a copy of n rows of length d without padding. In rows, their
// distance is d rounded up to a multiple of syrk.Pad.
func unpadded(rows []float64, n, d int) []float64 {
	to := make([]float64, 0, n*d)
	for i := range n {
		to = append(to, rows[i*roundUp(d, syrk.Pad):][:d]...)
	}
	return to
}

// multiplyInto writes A Bᵀ for the m rows of a and the n rows of b, of the given
// depth. The memory must be zeros, with room for m and n rounded up to multiples of
// syrk.Pad and ldc elements in each row.
func multiplyInto(ctx context.Context, to []float64, ldc int, a *syrk.Left64, m int, b []float64, n, depth int) error {
	const block = 4 * syrk.RightBlock
	return each(ctx, chunks(n, block), func(i int) {
		first := i * block
		some := min(block, n-first)
		var right syrk.Right64
		right.Pack(b[first*depth:], some, depth, depth)
		for x := 0; x < m; x += rowBlock {
			syrk.Multiply64(to[x*ldc+first:], ldc, a, x, min(rowBlock, m-x), &right, 0, some, 0)
		}
	})
}

// outer returns the symmetric matrix X Xᵀ of n rows of the given depth.
func outer(ctx context.Context, x []float64, n, depth int) ([]float64, error) {
	const block = 4 * syrk.RightBlock
	to := make([]float64, n*n)
	var right syrk.Right64
	right.Pack(x, n, depth, depth)
	err := each(ctx, chunks(n, block), func(b int) {
		first := b * block
		rows := min(block, n-first)
		var left syrk.Left64
		left.Pack(x[first*depth:], rows, depth, depth)
		ldc := roundUp(n-first, syrk.Pad)
		c := make([]float64, roundUp(rows, syrk.Pad)*ldc)
		for j := first; j < n; j += block {
			syrk.Multiply64(c[j-first:], ldc, &left, 0, rows, &right, j, min(block, n-j), 0)
		}
		for i := range rows {
			copy(to[(first+i)*n+first+i:][:n-first-i], c[i*ldc+i:])
		}
	})
	for i := range n {
		for j := range i {
			to[i*n+j] = to[j*n+i]
		}
	}
	return to, err
}

// orthonormalize makes n rows of length d orthonormal, one block after the other.
// Their distance is d rounded up to a multiple of syrk.Pad. The remainder of a row
// that depends on earlier ones is noise of unit length, or zero. The memory of rows
// has room for n rounded up to a multiple of syrk.Pad.
func orthonormalize(ctx context.Context, rows []float64, n, d int) error {
	ld := roundUp(d, syrk.Pad)
	for range 2 { // twice is enough
		for first := 0; first < n; first += syrk.RightBlock {
			last := min(first+syrk.RightBlock, n)
			for i := first; i < last; i++ {
				row := rows[i*ld:][:d]
				normalize(row)
				for j := first; j < i; j++ {
					before := rows[j*ld:][:d]
					addScaled(row, -dot(row, before), before)
				}
				normalize(row)
			}
			if err := deflate(ctx, rows[last*ld:], n-last, rows[first*ld:last*ld], last-first, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// deflate subtracts from n rows their projection on m orthonormal ones.
func deflate(ctx context.Context, rows []float64, n int, basis []float64, m, d int) error {
	const block = 48
	ld := roundUp(d, syrk.Pad)
	var across, along syrk.Right64
	across.Pack(basis, m, d, ld)
	along.Pack(transposed(unpadded(basis, m, d), m, d), d, m, m)
	return each(ctx, chunks(n, block), func(b int) {
		part := rows[b*block*ld:]
		some := min(block, n-b*block)
		var left syrk.Left64
		left.Pack(part, some, d, ld)
		var p [block * syrk.RightBlock]float64
		syrk.Multiply64(p[:], syrk.RightBlock, &left, 0, some, &across, 0, m, 0)
		for i := range p {
			p[i] = -p[i]
		}
		left.Pack(p[:], some, m, syrk.RightBlock)
		syrk.Multiply64(part, ld, &left, 0, some, &along, 0, d, 0)
	})
}

func normalize(x []float64) {
	if square := dot(x, x); square > 0 {
		inverse := 1 / math.Sqrt(square)
		for k := range x {
			x[k] *= inverse
		}
	}
}
