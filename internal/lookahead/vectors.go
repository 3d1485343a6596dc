package lookahead

import (
	"context"
	"fmt"
	"math"
	"sync"

	"example.com/eci/internal/syrk"
)

// rowBlock is how many vectors are converted and multiplied at a time.
const rowBlock = 96

// unitInto writes x / |x| to dst. It rounds every element once.
func unitInto(dst []float64, x []float32, norm float64) {
	for k, v := range x {
		dst[k] = float64(v) / norm
	}
}

// norms returns the lengths of the vectors that are used. They must have d finite
// elements that are not all zero. kind is for the error, which is that of the first
// invalid vector.
func norms(ctx context.Context, kind string, vectors [][]float32, d int, used func(i int) bool) ([]float64, error) {
	lengths := make([]float64, len(vectors))
	const some = 256
	failures := make([]error, chunks(len(vectors), some))
	err := each(ctx, len(failures), func(b int) {
		for i := b * some; i < min((b+1)*some, len(vectors)) && failures[b] == nil; i++ {
			if used == nil || used(i) {
				lengths[i], failures[b] = norm(kind, i, vectors[i], d)
			}
		}
	})
	for _, failure := range failures {
		if failure != nil {
			return nil, failure
		}
	}
	return lengths, err
}

func norm(kind string, i int, x []float32, d int) (float64, error) {
	if len(x) != d {
		return 0, fmt.Errorf("lookahead: %s %d has %d dimensions, want %d", kind, i, len(x), d)
	}
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	if !(sum > 0) || math.IsInf(sum, 1) {
		return 0, fmt.Errorf("lookahead: %s %d has no direction: its squared length is %v", kind, i, sum)
	}
	return math.Sqrt(sum), nil
}

// projection is the working memory of one block of vectors.
type projection struct {
	rows, z []float64
	left    syrk.Left64
}

var projections = sync.Pool{New: func() any { return new(projection) }}

// project returns the coordinates of unit vectors in the axes, one row of r for each
// index.
func (a *axes) project(ctx context.Context, vectors [][]float32, lengths []float64, indexes []int) ([]float64, error) {
	ld := roundUp(a.r, syrk.Pad)
	z := make([]float64, len(indexes)*a.r)
	err := each(ctx, chunks(len(indexes), rowBlock), func(b int) {
		part := indexes[b*rowBlock : min((b+1)*rowBlock, len(indexes))]
		m := projections.Get().(*projection)
		defer projections.Put(m)
		m.rows, m.z = grown(m.rows, rowBlock*a.d), grown(m.z, rowBlock*ld)
		clear(m.z)
		for i, index := range part {
			unitInto(m.rows[i*a.d:][:a.d], vectors[index], lengths[index])
		}
		m.left.Pack(m.rows, len(part), a.d, a.d)
		syrk.Multiply64(m.z, ld, &m.left, 0, len(part), &a.right, 0, a.r, 0)
		for i := range part {
			copy(z[(b*rowBlock+i)*a.r:][:a.r], m.z[i*ld:])
		}
	})
	return z, err
}

// grown returns n elements, those of x if it has that many.
func grown(x []float64, n int) []float64 {
	if cap(x) < n {
		return make([]float64, n)
	}
	return x[:n]
}

// dot returns the sum of products of two slices of equal length, in a fixed order.
func dot(x, y []float64) float64 {
	y = y[:len(x)]
	var s0, s1, s2, s3 float64
	for len(x) >= 4 {
		a, b := (*[4]float64)(x), (*[4]float64)(y)
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
		x, y = x[4:], y[4:]
	}
	for k, v := range x {
		s0 += v * y[k]
	}
	return (s0 + s2) + (s1 + s3)
}

// addScaled adds a x to dst.
func addScaled(dst []float64, a float64, x []float64) {
	x = x[:len(dst)]
	for k := range dst {
		dst[k] += a * x[k]
	}
}
