package cosine

import (
	"math"

	"example.com/eci/internal/cores"
	"example.com/eci/internal/syrk"
)

// Scales are what [ScalesOf] takes over pairs.
type Scales struct {
	Margin, Midpoint, Spread float64 // sigma_m, mu, sigma
}

// Unit is a vector with 1/|x|.
type Unit struct {
	Data    []float32
	Inverse float64
}

// ScalesOf takes sigma_m, mu and sigma over pairs i of queries[i] and
// positives[i], and over every two pairs of different queries, told apart by
// their keys:
//
//	s+_i = q_i.p_i, s0_ij = q_i.p_j
//	sigma_m = SD of s+_i - s0_ij over all such i, j
//	mu      = (mean s+ + mean s0) / 2
//	sigma   = sqrt((var s+ + var s0) / 2)
//
// Deviations are population standard deviations. They are taken about the mean of
// s0, in two passes over one block of rows at a time, and do not depend on the
// number of cores. Without two different queries there is no s0, and all scales
// are 0.
func ScalesOf(queries, positives []Unit, keys []uint64) Scales {
	n := len(queries)
	if n == 0 {
		return Scales{}
	}
	var own, strange, margins spread
	for i, b := 0, (block{}); i < n; i += blockRows {
		rows := min(blockRows, n-i)
		b.fill(queries[i:i+rows], positives)
		for r := range rows {
			line := b.values[r*b.stride:][:n]
			positive := line[i+r]
			own.add(positive)
			for j, s := range line {
				if keys[j] != keys[i+r] {
					strange.add(s)
					margins.add(positive - s)
				}
			}
		}
	}
	if strange.n == 0 {
		return Scales{}
	}
	return Scales{
		Margin:   margins.deviation(),
		Midpoint: (own.mean + strange.mean) / 2,
		Spread:   math.Sqrt((own.square/own.n + strange.square/strange.n) / 2),
	}
}

// blockRows is the number of queries whose similarities are taken at once,
// documentRows that of the documents that are packed together.
const (
	blockRows    = 64
	documentRows = 4 * syrk.RightBlock
)

// block holds the cosines of a block of queries and all documents.
type block struct {
	queries   syrk.Left64
	documents []syrk.Right64
	rows      []float64
	values    []float64 // stride of them a query
	stride    int
}

// fill sets values[r*stride+j] to the cosine of queries[r] and documents[j]. The
// documents are packed at the first call only: they must be the same at every call.
func (b *block) fill(queries, documents []Unit) {
	n, d := len(documents), len(queries[0].Data)
	if b.documents == nil {
		b.documents = make([]syrk.Right64, (n+documentRows-1)/documentRows)
		cores.All(len(b.documents), func(lo, hi int) {
			var rows []float64
			for i := lo; i < hi; i++ {
				part := documents[i*documentRows : min(n, (i+1)*documentRows)]
				rows = appendUnit(rows[:0], part)
				b.documents[i].Pack(rows, len(part), d, d)
			}
		})
		b.stride = len(b.documents) * documentRows
		b.values = make([]float64, blockRows*b.stride)
	}
	b.rows = appendUnit(b.rows[:0], queries)
	b.queries.Pack(b.rows, len(queries), d, d)
	clear(b.values)
	cores.All(len(b.documents), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			first := i * documentRows
			syrk.Multiply64(b.values[first:], b.stride, &b.queries, 0, len(queries), &b.documents[i], 0, min(documentRows, n-first), 0)
		}
	})
}

// appendUnit appends the vectors at unit length, in float64, row by row.
func appendUnit(dst []float64, vectors []Unit) []float64 {
	for _, v := range vectors {
		for _, x := range v.Data {
			dst = append(dst, float64(x)*v.Inverse)
		}
	}
	return dst
}

// spread accumulates mean and population variance by Welford's recurrence, in
// the order of the calls.
type spread struct {
	n, mean, square float64
}

func (s *spread) add(x float64) {
	s.n++
	delta := x - s.mean
	s.mean += delta / s.n
	s.square += delta * (x - s.mean)
}

func (s *spread) deviation() float64 {
	if s.n == 0 {
		return 0
	}
	return math.Sqrt(s.square / s.n)
}
