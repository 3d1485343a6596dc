package lookahead

import (
	"context"
	"math"

	"example.com/eci/internal/dots"
	"example.com/eci/internal/syrk"
)

// cosineLimit is how many bytes of frozen cosines a space keeps. If there are more,
// they are computed again for every ranking, with the same bits.
const cosineLimit = 1 << 29

// cosines are the cosines of the evaluated queries with the frozen documents: either
// all of them, or the vectors to compute them from.
type cosines struct {
	all     []float64    // queries x stride
	pool    syrk.Right64 // the unit vectors of the pool
	queries unitVectors  // those that are evaluated
}

// unitVectors are vectors with their lengths.
type unitVectors struct {
	vectors [][]float32
	lengths []float64
}

// compare computes the frozen cosines, or keeps the vectors if the cosines take more
// than limit bytes.
func (s *Space) compare(ctx context.Context, pool [][]float32, lengths []float64, queries [][]float32, lengthsOfQueries []float64, limit int) error {
	for i := range s.queries {
		for _, document := range s.queries[i].relevant {
			qq, dd, _, qd, _ := dots.Five(queries[s.evaluated[i]], pool[document], pool[document])
			s.queries[i].cosines = append(s.queries[i].cosines, qd/math.Sqrt(qq*dd))
		}
	}
	rows := make([]float64, len(pool)*s.d)
	err := each(ctx, chunks(len(pool), rowBlock), func(b int) {
		for i := b * rowBlock; i < min((b+1)*rowBlock, len(pool)); i++ {
			unitInto(rows[i*s.d:][:s.d], pool[i], lengths[i])
		}
	})
	if err != nil {
		return err
	}
	s.cosines.pool.Pack(rows, len(pool), s.d, s.d)
	s.cosines.queries = unitVectors{part(queries, s.evaluated), part(lengthsOfQueries, s.evaluated)}
	if len(s.evaluated) > limit/8/s.stride {
		return nil
	}
	all := make([]float64, roundUp(len(s.evaluated), queryBlock)*s.stride)
	numbers := make([]int, len(s.evaluated))
	for i := range numbers {
		numbers[i] = i
	}
	err = each(ctx, chunks(len(numbers), queryBlock), func(b int) {
		take := s.frozenScores(numbers[b*queryBlock : min((b+1)*queryBlock, len(numbers))])
		var memory productMemory
		for first := 0; first < s.documents; first += docBlock {
			n := min(docBlock, s.documents-first)
			take(memory[:], first, n)
			for i := range queryBlock {
				copy(all[(b*queryBlock+i)*s.stride+first:][:n], memory[i*docBlock:])
			}
		}
	})
	s.cosines = cosines{all: all}
	return err
}

// frozenScores returns a function that writes the frozen cosines of some queries with
// n documents, starting at position first, at distance docBlock.
func (s *Space) frozenScores(queries []int) func(to []float64, first, n int) {
	if s.cosines.all != nil {
		return func(to []float64, first, n int) {
			for i, q := range queries {
				copy(to[i*docBlock:][:n], s.cosines.all[s.queries[q].row*s.stride+first:])
			}
		}
	}
	rows := make([]float64, len(queries)*s.d)
	for i, q := range queries {
		at := s.queries[q].row
		unitInto(rows[i*s.d:][:s.d], s.cosines.queries.vectors[at], s.cosines.queries.lengths[at])
	}
	var left syrk.Left64
	left.Pack(rows, len(queries), s.d, s.d)
	return func(to []float64, first, n int) {
		clear(to[:roundUp(len(queries), syrk.Pad)*docBlock])
		syrk.Multiply64(to, docBlock, &left, 0, len(queries), &s.cosines.pool, first, n, 0)
	}
}
