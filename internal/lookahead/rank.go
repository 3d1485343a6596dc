package lookahead

import (
	"context"
	"math"
	"slices"
	"sync"

	"example.com/eci/internal/syrk"
)

// shortest is the squared length below which a vector that an adapter has mapped
// has no direction: its cosines count as 0. Unit vectors get there only by an
// adapter that is singular.
const shortest = 1e-14

// A view is the pool as one adapter shows it.
type view struct {
	m       []float64 // M = I + W, r x r
	d       []float64 // D = MᵀM - I, r x r
	inverse []float64 // 1 / |y'| of every document
}

// A ranked document has a position in the pool and a score: its cosine times the
// length of the query, which is the same for all documents.
type ranked struct {
	score    float64
	document int
}

// still returns the view of the adapter that changes nothing.
func (s *Space) still() *view {
	r := s.axes.r
	v := &view{m: make([]float64, r*r), d: make([]float64, r*r), inverse: make([]float64, s.stride)}
	for k := range r {
		v.m[k*r+k] = 1
	}
	for i := range v.inverse {
		v.inverse[i] = 1
	}
	return v
}

// look sets what follows from M, apart from the lengths.
func (v *view) look(m []float64, r int) {
	v.m = m
	v.d = make([]float64, r*r)
	var scratch syrk.Scratch64
	syrk.Accumulate64(v.d, r, m, r, &scratch)
	for i := range r {
		v.d[i*r+i]--
		for j := range i {
			v.d[i*r+j] = v.d[j*r+i]
		}
	}
}

// measure sets the lengths of the documents in some views:
// |y'|² = 1 + yᵀDy = 1 + 2 Σ y_i (T y)_i, where T is the upper triangle of D with
// half of the diagonal.
func (s *Space) measure(ctx context.Context, views []*view) error {
	r := s.axes.r
	triangles := make([]syrk.Left64, len(views))
	for i, v := range views {
		v.inverse = make([]float64, s.stride)
		t := slices.Clone(v.d)
		for k := range r {
			t[k*r+k] /= 2
			clear(t[k*r : k*r+k])
		}
		triangles[i].Pack(t, r, r, r)
	}
	blocks := chunks(s.documents, docBlock)
	return each(ctx, len(views)*blocks, func(i int) {
		first := i % blocks * docBlock
		s.lengths(&triangles[i/blocks], views[i/blocks].inverse, first, min(docBlock, s.documents-first))
	})
}

func (s *Space) lengths(triangle *syrk.Left64, inverse []float64, first, n int) {
	var sums [docBlock]float64
	memory := products.Get().(*productMemory)
	defer products.Put(memory)
	for i := 0; i < s.axes.r; i += syrk.Pad {
		rows := min(syrk.Pad, s.axes.r-i)
		c := memory[:syrk.Pad*docBlock]
		clear(c)
		syrk.Multiply64(c, docBlock, triangle, i, rows, &s.right, first, n, i)
		for k := range rows {
			z := s.z[(i+k)*s.stride+first:][:n]
			ty := c[k*docBlock:][:n]
			to := sums[:n]
			for j, v := range z {
				to[j] += v * ty[j]
			}
		}
	}
	for j, sum := range sums[:n] {
		if square := 1 + 2*sum; square > shortest {
			inverse[first+j] = 1 / math.Sqrt(square)
		}
	}
}

// productMemory holds the scores of one block of queries and documents.
type productMemory [queryBlock * docBlock]float64

var products = sync.Pool{New: func() any { return new(productMemory) }}

// rankAll ranks the pool for every evaluated query as the view of that number
// shows it, and gives the best of them, at most as many as the cutoff, to take.
// Take is called concurrently, once for each query.
func (s *Space) rankAll(ctx context.Context, views []*view, viewOf func(q int) int, take func(q int, best []ranked)) error {
	of := make([][]int, len(views))
	for q := range s.queries {
		of[viewOf(q)] = append(of[viewOf(q)], q)
	}
	type block struct {
		view    *view
		queries []int
	}
	var blocks []block
	for i, queries := range of {
		for part := range slices.Chunk(queries, queryBlock) {
			blocks = append(blocks, block{views[i], part})
		}
	}
	return each(ctx, len(blocks), func(i int) {
		s.rankBlock(blocks[i].view, blocks[i].queries, s.settings.Cutoff, take)
	})
}

// rankBlock ranks the pool for at most queryBlock queries.
func (s *Space) rankBlock(v *view, queries []int, cutoff int, take func(q int, best []ranked)) {
	r := s.axes.r
	moved := s.differences(v, queries)
	memory := products.Get().(*productMemory)
	defer products.Put(memory)
	best := make([]selection, len(queries))
	for i := range best {
		best[i].limit = cutoff
	}
	var left syrk.Left64
	left.Pack(moved, len(queries), r, r)
	for first := 0; first < s.documents; first += docBlock {
		n := min(docBlock, s.documents-first)
		for i, q := range queries {
			copy(memory[i*docBlock:][:n], s.cosines[q*s.stride+first:])
		}
		syrk.Multiply64(memory[:], docBlock, &left, 0, len(queries), &s.right, first, n, 0)
		inverse := v.inverse[first:][:n]
		for i, q := range queries {
			scores := memory[i*docBlock:][:n]
			for j := range scores {
				scores[j] *= inverse[j]
			}
			for _, document := range s.queries[q].ignored {
				if document >= first && document < first+n {
					scores[document-first] = math.Inf(-1)
				}
			}
			best[i].add(scores, first)
		}
	}
	for i, q := range queries {
		take(q, best[i].best)
	}
}

// differences returns D z of some queries, a row each.
func (s *Space) differences(v *view, queries []int) []float64 {
	r := s.axes.r
	ld := roundUp(r, syrk.Pad)
	rows := make([]float64, len(queries)*r)
	for i, q := range queries {
		copy(rows[i*r:], s.zq[q*r:][:r])
	}
	var left syrk.Left64
	var right syrk.Right64
	left.Pack(rows, len(queries), r, r)
	right.Pack(v.d, r, r, r)
	c := make([]float64, roundUp(len(queries), syrk.Pad)*ld)
	syrk.Multiply64(c, ld, &left, 0, len(queries), &right, 0, r, 0)
	for i := range queries {
		copy(rows[i*r:][:r], c[i*ld:])
	}
	return rows
}

// A selection keeps the best of the documents that are added, those of equal
// score in the order in which they come.
type selection struct {
	limit int
	best  []ranked
}

// add takes the scores of the documents from position first on. Documents of
// score -Inf are left out.
func (b *selection) add(scores []float64, first int) {
	least := math.Inf(-1)
	if len(b.best) == b.limit {
		least = b.best[b.limit-1].score
	}
	for j, score := range scores {
		if score > least {
			b.insert(ranked{score, first + j})
			if len(b.best) == b.limit {
				least = b.best[b.limit-1].score
			}
		}
	}
}

func (b *selection) insert(r ranked) {
	if len(b.best) < b.limit {
		b.best = append(b.best, r)
	}
	i := len(b.best) - 1
	for ; i > 0 && b.best[i-1].score < r.score; i-- {
		b.best[i] = b.best[i-1]
	}
	b.best[i] = r
}

// ndcg returns the nDCG of a ranking for an evaluated query.
func (s *Space) ndcg(q int, best []ranked) float64 {
	var sum float64
	for rank, r := range best {
		if _, found := slices.BinarySearch(s.queries[q].relevant, r.document); found {
			sum += discount(rank)
		}
	}
	return sum / s.queries[q].ideal
}
