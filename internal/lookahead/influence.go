package lookahead

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"example.com/eci/internal/syrk"
)

const (
	influenceSteps  = 4    // half steps to the state at which influence is taken
	influenceShare  = 0.25 // of the ridge of a step
	influenceOthers = 10   // nearest documents that are not relevant
	scoreBlock      = 64   // triples of a batch that are scored together
)

// An Influence computes, for any triple, how much learning from it would help the
// queries of the other folds, at the state that a walk of four half steps on a sample
// has reached:
//
//	I = Σ ω <Γ, (H + λ)⁻¹ g>  over the folds other than the triple's
//
// Here g is the validation gradient of a fold's queries: the derivative of the mean
// cosine of their relevant documents minus that of the 10 nearest others. H = Σ h Γ<Γ,
// .> and λ = Σ h ‖Γ‖² / 4r are over the sample's triples of the other folds. Its
// methods do not change it.
type Influence struct {
	space    *Space
	disjoint bool
	states   []state
	folds    []Fold
}

// A state is the state of one fold with its adapter.
type state struct {
	m []float64 // M, r x r
	// y is Mᵀ (H + λ)⁻¹ g M, and d is MᵀM - I. Both apply to the vectors at the start.
	y, d []float64
	// forms holds y and d, packed one below the other.
	forms syrk.Right64
}

// Influence walks on a sample and prepares to score triples. It holds the sample in
// memory. Its linear systems grow with the square of the sample, up to 2,048 triples.
// A sample that is Disjoint gives the influence on all queries.
func (s *Space) Influence(ctx context.Context, sample Source) (*Influence, error) {
	p, err := s.prepare(ctx, sample)
	if err != nil {
		return nil, err
	}
	walkers := s.walkers(p, sample.Disjoint)
	for step := range influenceSteps {
		if err := s.advance(ctx, p, walkers, step == 0); err != nil {
			return nil, err
		}
	}
	gradients, err := s.validation(ctx, walkers, sample.Disjoint)
	if err != nil {
		return nil, err
	}
	in := &Influence{space: s, disjoint: sample.Disjoint, states: make([]state, len(walkers)), folds: make([]Fold, len(walkers))}
	err = each(ctx, len(walkers), func(k int) {
		w := walkers[k]
		in.states[k].m = w.m
		if now, err := s.at(ctx, p, w.m, w.list); err == nil {
			in.states[k].solve(ctx, now, gradients[k], s)
		} // otherwise the context has ended, which each returns
		w.fold.Norm = distance(w.m, s.axes.r)
		in.folds[k] = w.fold
	})
	if err != nil {
		return nil, err
	}
	return in, nil
}

// Dimension returns the length of the vectors that it scores.
func (in *Influence) Dimension() int { return in.space.d }

// Folds describes the walks.
func (in *Influence) Folds() []Fold { return slices.Clone(in.folds) }

// solve sets y for the gradient g.
func (st *state) solve(ctx context.Context, now *point, g []float64, s *Space) {
	r := s.axes.r
	st.d = newView(st.m, r).d
	roots, lambda := now.ridge(influenceShare)
	y := make([]float64, r*r)
	if lambda > 0 {
		// (H + λ)⁻¹ g = (g - Σ Γ R y) / λ with (I + R K R) y = R <Γ, g>.
		b := make([]float64, len(roots))
		now.factors.against(ctx, b, g)
		for i, root := range roots {
			b[i] *= root
		}
		c, _, _ := conjugate(now.gram, roots, b)
		for i, root := range roots {
			c[i] *= root
		}
		copy(y, g)
		addScaled(y, -1, now.factors.combine(ctx, c))
		for i := range y {
			y[i] *= s.settings.MarginScale / lambda // curvature is without 1/σ
		}
	}
	st.y = sandwich(transposed(st.m, r, r), y, r)
	st.pack(r)
}

// sandwich returns A X Aᵀ for a symmetric X.
func sandwich(a, x []float64, r int) []float64 {
	ld := roundUp(r, syrk.Pad)
	c := make([]float64, ld*ld)
	var left syrk.Left64
	var right syrk.Right64
	right.Pack(a, r, r, r)
	for range 2 { // X Aᵀ, whose transpose is A X, and then again
		left.Pack(x, r, r, r)
		clear(c)
		syrk.Multiply64(c, ld, &left, 0, r, &right, 0, r, 0)
		x = transposed(unpadded(c, r, r), r, r)
	}
	return x
}

// Score writes the influence of every triple of a batch to dst. The triples need not
// be part of the sample. For a disjoint sample, groups do not matter.
func (in *Influence) Score(ctx context.Context, dst []float64, batch Source) error {
	if len(dst) != len(batch.Triples) {
		return fmt.Errorf("lookahead: %d scores for %d triples", len(dst), len(batch.Triples))
	}
	if len(dst) == 0 {
		return ctx.Err()
	}
	p, err := in.space.prepare(ctx, batch)
	if err != nil {
		return err
	}
	return each(ctx, chunks(len(dst), scoreBlock), func(b int) {
		first := b * scoreBlock
		last := min(first+scoreBlock, len(dst))
		in.scoreRows(dst[first:last], p, p.rows[first:last])
	})
}

// scoring is the working memory of one block of triples.
type scoring struct {
	number     map[int]int // of the block's distinct vectors
	z, forms   []float64   // of each: its coordinates, and y z next to d z
	left       syrk.Left64
	quadratics []quadratic
}

// A quadratic is zᵀyz and the inverse length of one vector at one state.
type quadratic struct{ y, inverse float64 }

var scorings = sync.Pool{New: func() any { return &scoring{number: map[int]int{}} }}

// scoreRows writes the influence of some triples.
func (in *Influence) scoreRows(dst []float64, p *prepared, rows []row) {
	r := in.space.axes.r
	ld := roundUp(2*r, syrk.Pad)
	m := scorings.Get().(*scoring)
	defer scorings.Put(m)
	clear(m.number)
	m.z = m.z[:0]
	for i := range rows {
		for _, v := range [3]int{rows[i].q, rows[i].p, rows[i].n} {
			if _, ok := m.number[v]; !ok {
				m.number[v] = len(m.number)
				m.z = append(m.z, p.z[v*r:][:r]...)
			}
		}
	}
	n := len(m.number)
	m.left.Pack(m.z, n, r, r)
	m.forms = grown(m.forms, roundUp(n, syrk.Pad)*ld)
	clear(dst)
	for k := range in.states {
		clear(m.forms)
		m.quadratics = m.quadratics[:0]
		syrk.Multiply64(m.forms, ld, &m.left, 0, n, &in.states[k].forms, 0, 2*r, 0)
		for i := range n {
			z, form := m.z[i*r:][:r], m.forms[i*ld:][:2*r]
			of := quadratic{y: dot(z, form[:r])}
			if square := 1 + dot(z, form[r:]); square > shortest {
				of.inverse = 1 / math.Sqrt(square)
			}
			m.quadratics = append(m.quadratics, of)
		}
		for i := range rows {
			if in.disjoint || in.space.fold(rows[i].group) != k {
				dst[i] += in.score(m, &rows[i], r, ld)
			}
		}
	}
}

// score returns ω <Γ, Y> at one state.
func (in *Influence) score(m *scoring, w *row, r, ld int) float64 {
	numberQ, numberP, numberN := m.number[w.q], m.number[w.p], m.number[w.n]
	form := m.forms[numberQ*ld:][:2*r]
	p, n := m.z[numberP*r:][:r], m.z[numberN*r:][:r]
	ofQ, ofP, ofN := m.quadratics[numberQ], m.quadratics[numberP], m.quadratics[numberN]
	plus := (w.plus + dot(form[r:], p)) * ofQ.inverse * ofP.inverse
	minus := (w.minus + dot(form[r:], n)) * ofQ.inverse * ofN.inverse
	omega := sigmoid(-(plus - minus) / in.space.settings.MarginScale)
	return omega * (2*ofQ.inverse*(dot(form[:r], p)*ofP.inverse-dot(form[:r], n)*ofN.inverse) -
		(plus-minus)*ofQ.y*ofQ.inverse*ofQ.inverse -
		plus*ofP.y*ofP.inverse*ofP.inverse +
		minus*ofN.y*ofN.inverse*ofN.inverse)
}

// validation returns the validation gradient of every walker's queries at its state.
func (s *Space) validation(ctx context.Context, walkers []*walker, disjoint bool) ([][]float64, error) {
	views, err := s.views(ctx, walkers)
	if err != nil {
		return nil, err
	}
	nearest := make([][]ranked, len(s.queries))
	err = s.rank(ctx, ranking{
		views: views, viewOf: s.viewOf(disjoint),
		limit: func(int) int { return influenceOthers },
		without: func(q int) []int {
			return slices.Concat(s.queries[q].ignored, s.queries[q].relevant)
		},
		take: func(q int, best []ranked) { nearest[q] = best },
	})
	if err != nil {
		return nil, err
	}
	gradients := make([][]float64, len(walkers))
	return gradients, each(ctx, len(walkers), func(k int) {
		var queries []int
		for q := range s.queries {
			if s.viewOf(disjoint)(q) == k {
				queries = append(queries, q)
			}
		}
		gradients[k] = s.gradient(views[k], queries, nearest)
	})
}

// gradient returns the sum over queries of the derivative of the mean cosine of the
// relevant documents minus that of the nearest others:
//
//	ds(q, d) = q dᵀ + d qᵀ - s (q qᵀ + d dᵀ)
//
// It adds half of it; the transpose completes it. It works on the vectors at the
// start. Multiplying by M on both sides gives the result for the adapted unit vectors.
func (s *Space) gradient(v *view, queries []int, nearest [][]ranked) []float64 {
	r := s.axes.r
	half := newOuterSum(r)
	moved, zd, sum := make([]float64, r), make([]float64, r), make([]float64, r)
	for _, q := range queries {
		zq := s.zq[s.queries[q].row*r:][:r]
		for k := range moved {
			moved[k] = dot(v.d[k*r:][:r], zq)
		}
		square := 1 + dot(moved, zq)
		if square <= shortest {
			continue
		}
		inverseQ := 1 / math.Sqrt(square)
		clear(sum)
		var cosines float64
		at := func(document int) []float64 {
			for k := range zd {
				zd[k] = s.z[k*s.stride+document]
			}
			return zd
		}
		add := func(document int, cosine, weight float64) {
			zd, inverse := at(document), v.inverse[document]
			addScaled(sum, weight*inverse, zd)
			cosines += weight * cosine
			half.add(-weight*cosine/2*inverse*inverse, zd, zd)
		}
		relevant := s.queries[q].relevant
		for i, cosine := range s.queries[q].cosines {
			cosine = (cosine + dot(moved, at(relevant[i]))) * inverseQ * v.inverse[relevant[i]]
			add(relevant[i], cosine, 1/float64(len(relevant)))
		}
		for _, other := range nearest[q] {
			add(other.document, other.score*inverseQ, -1/float64(len(nearest[q])))
		}
		addScaled(sum, -cosines/2*inverseQ, zq)
		half.add(inverseQ, zq, sum)
	}
	g := half.value()
	for i := range r {
		for j := range i + 1 {
			g[i*r+j] += g[j*r+i]
			g[j*r+i] = g[i*r+j]
		}
	}
	return sandwich(v.m, g, r)
}

// An outerSum is Σ weight x yᵀ over any number of pairs of vectors of length r.
type outerSum struct {
	r, ld, n int
	x, y     []float64 // the pairs still to be added, one in each column
	sum      []float64
}

// outerDepth is how many pairs are added at a time.
const outerDepth = 192

func newOuterSum(r int) *outerSum {
	ld := roundUp(r, syrk.Pad)
	return &outerSum{r: r, ld: ld, x: make([]float64, r*outerDepth), y: make([]float64, r*outerDepth), sum: make([]float64, ld*ld)}
}

func (o *outerSum) add(weight float64, x, y []float64) {
	for k := range o.r {
		o.x[k*outerDepth+o.n], o.y[k*outerDepth+o.n] = weight*x[k], y[k]
	}
	if o.n++; o.n == outerDepth {
		o.flush()
	}
}

func (o *outerSum) flush() {
	var left syrk.Left64
	var right syrk.Right64
	left.Pack(o.x, o.r, o.n, outerDepth)
	right.Pack(o.y, o.r, o.n, outerDepth)
	syrk.Multiply64(o.sum, o.ld, &left, 0, o.r, &right, 0, o.r, 0)
	o.n = 0
}

// value returns the sum, r x r.
func (o *outerSum) value() []float64 {
	o.flush()
	return unpadded(o.sum, o.r, o.r)
}
