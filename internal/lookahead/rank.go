package lookahead

import (
	"context"
	"math"
	"slices"
	"sync"

	"example.com/eci/internal/syrk"
)

// shortest is the squared length below which a mapped vector has no direction. Its
// cosines count as 0. A unit vector becomes that short only under a singular adapter.
const shortest = 1e-14

// A view is the pool as mapped by one adapter.
type view struct {
	m       []float64 // M = I + W, r x r
	d       []float64 // D = MᵀM - I, r x r
	right   syrk.Right64
	inverse []float64 // 1 / |y'| of every document
}

// A ranked document has a position in the pool and a score: its cosine times the
// length of the query. That length is the same for all documents.
type ranked struct {
	score    float64
	document int
}

// still returns the view under the adapter that changes nothing.
func (s *Space) still() *view {
	v := newView(identity(s.axes.r), s.axes.r)
	v.inverse = slices.Repeat([]float64{1}, s.stride)
	return v
}

// newView sets what follows from M, except for the lengths.
func newView(m []float64, r int) *view {
	v := &view{m: m, d: make([]float64, r*r)}
	var scratch syrk.Scratch64
	syrk.Accumulate64(v.d, r, m, r, &scratch)
	for i := range r {
		v.d[i*r+i]--
		for j := range i {
			v.d[i*r+j] = v.d[j*r+i]
		}
	}
	v.right.Pack(v.d, r, r, r)
	return v
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

// skipped marks a view in which a query is not evaluated.
const skipped = -1

// A ranking ranks the pool for evaluated queries.
type ranking struct {
	views  []*view
	viewOf func(q int) int // the view in which a query is ranked, or skipped
	// limit is how many of the best documents are found, not counting those that
	// without returns for a query.
	limit   func(q int) int
	without func(q int) []int
	// take receives them. It is called concurrently, once for each query.
	take func(q int, best []ranked)
}

// rank ranks the pool for all evaluated queries.
func (s *Space) rank(ctx context.Context, k ranking) error {
	of := make([][]int, len(k.views))
	for q := range s.queries {
		if view := k.viewOf(q); view != skipped {
			of[view] = append(of[view], q)
		}
	}
	type block struct {
		view    *view
		queries []int
	}
	var blocks []block
	for i, queries := range of {
		for part := range slices.Chunk(queries, queryBlock) {
			blocks = append(blocks, block{k.views[i], part})
		}
	}
	return each(ctx, len(blocks), func(i int) {
		s.rankBlock(blocks[i].view, blocks[i].queries, &k)
	})
}

// evaluate passes the nDCG of every evaluated query to take, as in rank.
func (s *Space) evaluate(ctx context.Context, views []*view, viewOf func(q int) int, take func(q int, ndcg float64)) error {
	return s.rank(ctx, ranking{
		views: views, viewOf: viewOf,
		limit:   func(int) int { return s.settings.Cutoff },
		without: func(q int) []int { return s.queries[q].ignored },
		take:    func(q int, best []ranked) { take(q, s.ndcg(q, best)) },
	})
}

// rankBlock ranks the pool for at most queryBlock queries.
func (s *Space) rankBlock(v *view, queries []int, k *ranking) {
	memory := products.Get().(*productMemory)
	defer products.Put(memory)
	best := make([]selection, len(queries))
	for i, q := range queries {
		best[i].limit = k.limit(q)
	}
	frozen := s.frozenScores(queries)
	var left syrk.Left64
	s.differences(v, queries, &left)
	for first := 0; first < s.documents; first += docBlock {
		n := min(docBlock, s.documents-first)
		frozen(memory[:], first, n)
		syrk.Multiply64(memory[:], docBlock, &left, 0, len(queries), &s.right, first, n, 0)
		inverse := v.inverse[first:][:n]
		for i, q := range queries {
			scores := memory[i*docBlock:][:n]
			for j := range scores {
				scores[j] *= inverse[j]
			}
			for _, document := range k.without(q) {
				if document >= first && document < first+n {
					scores[document-first] = math.Inf(-1)
				}
			}
			best[i].add(scores, first)
		}
	}
	for i, q := range queries {
		k.take(q, best[i].best)
	}
}

// differences packs D z of some queries.
func (s *Space) differences(v *view, queries []int, to *syrk.Left64) {
	r := s.axes.r
	ld := roundUp(r, syrk.Pad)
	rows := make([]float64, len(queries)*r)
	for i, q := range queries {
		copy(rows[i*r:], s.zq[s.queries[q].row*r:][:r])
	}
	to.Pack(rows, len(queries), r, r)
	c := make([]float64, roundUp(len(queries), syrk.Pad)*ld)
	syrk.Multiply64(c, ld, to, 0, len(queries), &v.right, 0, r, 0)
	to.Pack(c, len(queries), r, ld)
}

// A selection keeps the best of the documents that are added. Documents of equal score
// are kept in the order in which they come.
type selection struct {
	limit int
	best  []ranked
}

// add adds the scores of the documents from position first on. It leaves out documents
// with score -Inf.
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
