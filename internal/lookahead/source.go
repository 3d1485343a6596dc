package lookahead

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"example.com/eci/internal/dots"
	"example.com/eci/internal/syrk"
)

// A row is a triple whose vectors are numbered by first occurrence.
type row struct {
	q, p, n int
	group   int
	// plus and minus are the cosines q.p and q.n at the start. outsideP and outsideN
	// are their parts outside the axes.
	plus, minus        float64
	outsideP, outsideN float64
}

// prepared is a source in the axes of a space.
type prepared struct {
	rows []row
	n    int         // distinct vectors
	z    []float64   // their coordinates, a row of r each
	left syrk.Left64 // the same, packed
	perp []float64   // 1 - |z|² of each
}

// prepare checks a source and projects its vectors.
func (s *Space) prepare(ctx context.Context, source Source) (*prepared, error) {
	if len(source.Triples) == 0 {
		return nil, errors.New("lookahead: the source has no triples")
	}
	number := make([]int, len(source.Vectors)) // 1 and more for vectors that are used
	var indexes []int
	of := func(index int) int {
		if number[index] == 0 {
			indexes = append(indexes, index)
			number[index] = len(indexes)
		}
		return number[index] - 1
	}
	p := &prepared{rows: make([]row, len(source.Triples))}
	for i, t := range source.Triples {
		if min(t.Query, t.Positive, t.Negative) < 0 || max(t.Query, t.Positive, t.Negative) >= len(source.Vectors) {
			return nil, fmt.Errorf("lookahead: triple %d refers to vectors %d, %d and %d of %d", i, t.Query, t.Positive, t.Negative, len(source.Vectors))
		}
		if t.Group < 0 {
			return nil, fmt.Errorf("lookahead: triple %d: group %d is negative", i, t.Group)
		}
		p.rows[i] = row{q: of(t.Query), p: of(t.Positive), n: of(t.Negative), group: t.Group}
	}
	lengths, err := norms(ctx, "vector", source.Vectors, s.d, func(i int) bool { return number[i] > 0 })
	if err != nil {
		return nil, err
	}
	p.n = len(indexes)
	if p.z, err = s.axes.project(ctx, source.Vectors, lengths, indexes); err != nil {
		return nil, err
	}
	r := s.axes.r
	p.left.Pack(p.z, p.n, r, r)
	p.perp = make([]float64, p.n)
	for i := range p.perp {
		z := p.z[i*r:][:r]
		p.perp[i] = 1 - dot(z, z)
	}
	return p, each(ctx, chunks(len(p.rows), rowBlock), func(b int) {
		for i := b * rowBlock; i < min((b+1)*rowBlock, len(p.rows)); i++ {
			w, t := &p.rows[i], source.Triples[i]
			qq, pp, nn, qp, qn := dots.Five(source.Vectors[t.Query], source.Vectors[t.Positive], source.Vectors[t.Negative])
			w.plus, w.minus = qp/math.Sqrt(qq*pp), qn/math.Sqrt(qq*nn)
			q := p.z[w.q*r:][:r]
			w.outsideP = w.plus - dot(q, p.z[w.p*r:][:r])
			w.outsideN = w.minus - dot(q, p.z[w.n*r:][:r])
		}
	})
}

// moved holds the vectors of a source as mapped by one adapter.
type moved struct {
	z       []float64 // coordinates of the adapted unit vectors, a row of r each
	inverse []float64 // 1 / |x'|, or 0 where nothing is left
}

// move maps all vectors of a source by M.
func (p *prepared) move(m []float64, r int) *moved {
	to := &moved{z: make([]float64, p.n*r), inverse: make([]float64, p.n)}
	ld := roundUp(r, syrk.Pad)
	var right syrk.Right64
	right.Pack(m, r, r, r)
	c := make([]float64, rowBlock*ld)
	for first := 0; first < p.n; first += rowBlock {
		some := min(rowBlock, p.n-first)
		clear(c)
		syrk.Multiply64(c, ld, &p.left, first, some, &right, 0, r, 0)
		for i := range some {
			z := c[i*ld:][:r]
			square := p.perp[first+i] + dot(z, z)
			if square <= shortest {
				continue
			}
			inverse := 1 / math.Sqrt(square)
			to.inverse[first+i] = inverse
			for k, v := range z {
				to.z[(first+i)*r+k] = v * inverse
			}
		}
	}
	return to
}

// stay returns the vectors as they are.
func (p *prepared) stay() *moved {
	return &moved{z: p.z, inverse: slices.Repeat([]float64{1}, p.n)}
}

// Append appends the first n triples of a sample, or all that there are.
func (to *Source) Append(from *Source, n int) {
	to.Disjoint = to.Disjoint && from.Disjoint
	offset := len(to.Vectors)
	to.Vectors = append(to.Vectors, from.Vectors...)
	for _, t := range from.Triples[:min(n, len(from.Triples))] {
		t.Query, t.Positive, t.Negative = t.Query+offset, t.Positive+offset, t.Negative+offset
		to.Triples = append(to.Triples, t)
	}
}
