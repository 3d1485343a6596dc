// Package gram keeps a sum of outer products, sum x xT over rows x of length d, in
// whichever form takes less memory: the rows themselves while they are few, the
// packed upper triangle after that. Both forms give the same bits, because the
// triangle is made from the rows in their order, block by block, whenever it is made.
//
// A Sum is for one goroutine at a time. Methods that are said to only read it may
// be called by several.
package gram

import (
	"slices"

	"example.com/eci/internal/syrk"
)

// Sum is a sum of outer products. The zero value is the empty sum. All methods of
// one Sum must be given the same d.
type Sum struct {
	triangle []float64   // packed upper triangle, row by row; nil while rows are few
	rows     []float64   // pending rows in float64
	blocks   [][]float32 // pending rows in float32; all but the last are full
	expected int         // rows
}

// Expect announces approximately how many rows will come, so that their storage need
// not grow row by row. It does not change any bit.
func (s *Sum) Expect(rows int) { s.expected = rows }

// Scratch is the working memory of the methods: one d x d square and that of the
// kernels. Goroutines must not share one. The zero value is ready.
type Scratch struct {
	square []float64
	fast   syrk.Scratch
	exact  syrk.Scratch64
}

// Square returns d x d numbers with undefined values. They are valid until the next
// use of the scratch.
func (s *Scratch) Square(d int) []float64 {
	if len(s.square) < d*d {
		s.square = make([]float64, d*d)
	}
	return s.square[:d*d]
}

// Triangle returns the length of a packed upper triangle.
func Triangle(d int) int { return d * (d + 1) / 2 }

// exactBlock is the fewest rows that are folded together once there is a triangle.
const exactBlock = 192

// pendingRows is how many float64 rows, and pendingFast how many float32 rows, are
// kept before there is a triangle: as many as a triangle takes, where that is more than
// a block of the kernel.
func pendingRows(d int) int { return max(exactBlock, d/2) }
func pendingFast(d int) int { return (max(d, 1) + syrk.MaxRows - 1) / syrk.MaxRows * syrk.MaxRows }

// RowBytes returns the memory of n rows, in float32 if fast.
func RowBytes(n, d int, fast bool) int64 {
	if fast {
		return 4 * int64(n) * int64(d)
	}
	return 8 * int64(n) * int64(d)
}

// Most returns the largest memory that a Sum takes once it is settled.
func Most(d int, fast bool) int64 {
	pending := pendingRows(d)
	if fast {
		pending = pendingFast(d)
	}
	return max(8*int64(Triangle(d)), RowBytes(pending, d, fast))
}

// Row counts a row and returns its d numbers, which the caller must fill before
// the Sum is used again.
func (s *Sum) Row(d int, scratch *Scratch) []float64 {
	if len(s.rows) >= s.most(pendingRows(d), exactBlock)*d {
		s.Fold(d, scratch)
		if cap(s.rows) > exactBlock*d {
			s.rows = nil
		}
	}
	if n := len(s.rows); n == cap(s.rows) {
		more := make([]float64, n, max(d, min(max(2*n, s.expected*d), s.most(pendingRows(d), exactBlock)*d)))
		copy(more, s.rows)
		s.rows = more
	}
	s.rows = s.rows[:len(s.rows)+d]
	return s.rows[len(s.rows)-d:]
}

// most is how many rows are pending before they are folded: a block of them once
// there is a triangle.
func (s *Sum) most(rows, block int) int {
	if s.triangle != nil {
		return block
	}
	return rows
}

// FastRow is like Row, in float32. The products of at most syrk.MaxRows rows are
// summed in float32, and these sums in float64.
func (s *Sum) FastRow(d int, scratch *Scratch) []float32 {
	last := len(s.blocks) - 1
	if last < 0 || len(s.blocks[last]) == syrk.MaxRows*d {
		if (last+1)*syrk.MaxRows >= s.most(pendingFast(d), syrk.MaxRows) {
			s.Fold(d, scratch)
			clear(s.blocks[:cap(s.blocks)][1:])
		}
		if last = len(s.blocks); cap(s.blocks) > last { // a folded block is used again
			s.blocks = s.blocks[:last+1]
			s.blocks[last] = s.blocks[last][:0]
		} else {
			s.blocks = append(s.blocks, nil)
		}
	}
	b := s.blocks[last]
	if n := len(b); n == cap(b) {
		more := make([]float32, n, max(d, min(max(2*n, (s.expected-last*syrk.MaxRows)*d), syrk.MaxRows*d)))
		copy(more, b)
		b = more
	}
	s.blocks[last] = b[:len(b)+d]
	return s.blocks[last][len(b):]
}

// Empty reports whether there are no rows.
func (s *Sum) Empty() bool { return s.triangle == nil && len(s.rows) == 0 && len(s.blocks) == 0 }

// Upper writes the sum to the upper triangle of c, d x d row-major. It only reads
// the Sum, and the scratch's square may be c.
func (s *Sum) Upper(c []float64, d int, scratch *Scratch) {
	at := 0
	for i := range d {
		row := c[i*d+i : (i+1)*d]
		if s.triangle == nil {
			clear(row)
			continue
		}
		at += copy(row, s.triangle[at:])
	}
	syrk.Accumulate64(c, d, s.rows, len(s.rows)/d, &scratch.exact)
	for _, b := range s.blocks {
		syrk.Accumulate(c, d, b, len(b)/d, &scratch.fast)
	}
}

// Rest writes all less the sum to the upper triangle of c; both are d x d row-major.
// It only reads the Sum.
func (s *Sum) Rest(c, all []float64, d int, scratch *Scratch) {
	var upper []float64
	at := 0
	if len(s.rows) > 0 || len(s.blocks) > 0 {
		upper = scratch.Square(d)
		s.Upper(upper, d, scratch)
	}
	for i := range d {
		to, from := c[i*d+i:(i+1)*d], all[i*d+i:(i+1)*d]
		var row []float64
		switch {
		case upper != nil:
			row = upper[i*d+i : (i+1)*d]
		case s.triangle != nil:
			row = s.triangle[at:][:d-i]
		}
		at += d - i
		copy(to, from[:d-i-len(row)]) // all of it, or nothing
		for k, x := range row {
			to[k] = from[k] - x
		}
	}
}

// Fold turns pending rows into the triangle. It reuses their storage.
func (s *Sum) Fold(d int, scratch *Scratch) {
	if len(s.rows) == 0 && len(s.blocks) == 0 {
		return
	}
	c := scratch.Square(d)
	s.Upper(c, d, scratch)
	if s.triangle == nil {
		s.triangle = make([]float64, Triangle(d))
	}
	at := 0
	for i := range d {
		at += copy(s.triangle[at:], c[i*d+i:(i+1)*d])
	}
	s.rows, s.blocks = s.rows[:0], s.blocks[:0]
}

// Folded returns the same sum as a triangle and leaves s as it is; an empty sum
// stays empty.
func (s *Sum) Folded(d int, scratch *Scratch) Sum {
	if s.Empty() || s.triangle != nil && len(s.rows) == 0 && len(s.blocks) == 0 {
		return *s
	}
	c := *s
	c.triangle = slices.Clone(s.triangle)
	c.Fold(d, scratch)
	return Sum{triangle: c.triangle}
}

// Settle releases the storage of pending rows once no more are expected. The Sum then
// has either a triangle or rows in storage that just fits them, not both.
func (s *Sum) Settle(d int, scratch *Scratch) {
	if s.triangle != nil {
		s.Fold(d, scratch)
		s.rows, s.blocks = nil, nil
		return
	}
	s.rows, s.blocks = slices.Clip(slices.Clone(s.rows)), slices.Clip(s.blocks)
	for i, b := range s.blocks {
		if cap(b) > len(b) {
			s.blocks[i] = slices.Clip(slices.Clone(b))
		}
	}
}

// Clone returns an independent copy.
func (s *Sum) Clone() Sum {
	c := Sum{triangle: slices.Clone(s.triangle), rows: slices.Clone(s.rows)}
	for _, b := range s.blocks {
		c.blocks = append(c.blocks, slices.Clone(b))
	}
	return c
}

// Add adds o, which it only reads. a+b and b+a give the same bits.
func (s *Sum) Add(o *Sum, d int, scratch *Scratch) {
	switch {
	case o.Empty():
		return
	case s.Empty():
		*s = o.Clone()
		return
	}
	s.Fold(d, scratch)
	c := scratch.Square(d)
	o.Upper(c, d, scratch)
	at := 0
	for i := range d {
		for _, x := range c[i*d+i : (i+1)*d] {
			s.triangle[at] += x
			at++
		}
	}
}

// Scale multiplies the sum by alpha.
func (s *Sum) Scale(alpha float64, d int, scratch *Scratch) {
	s.Fold(d, scratch)
	for i := range s.triangle {
		s.triangle[i] *= alpha
	}
}

// AppendRows appends the rows to dst in float64. ok is false when the Sum has a
// triangle, and so no longer the rows.
func (s *Sum) AppendRows(dst []float64) (rows []float64, ok bool) {
	if s.triangle != nil {
		return dst, false
	}
	dst = append(dst, s.rows...)
	for _, b := range s.blocks {
		for _, x := range b {
			dst = append(dst, float64(x))
		}
	}
	return dst, true
}

// Parts returns what the Sum holds, to be stored and handed to [FromParts]: a packed
// triangle or nil, float64 rows and float32 rows.
func (s *Sum) Parts() (triangle, rows []float64, fast [][]float32) {
	return s.triangle, s.rows, s.blocks
}

// FromParts returns the Sum of stored parts, which it keeps: fast holds rows one
// after the other.
func FromParts(triangle, rows []float64, fast []float32, d int) Sum {
	s := Sum{triangle: triangle, rows: rows}
	for b := range slices.Chunk(fast, syrk.MaxRows*d) {
		s.blocks = append(s.blocks, slices.Clip(b)) // a row more must not grow into the next
	}
	return s
}
