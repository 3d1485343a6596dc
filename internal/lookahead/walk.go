package lookahead

import (
	"context"
	"math"
	"slices"

	"example.com/eci/internal/syrk"
)

// A walker is one adapter during a walk.
type walker struct {
	list []int     // numbers of the triples it learns from
	m    []float64 // M = I + W, r x r
	fold Fold
}

// Walk takes the steps of every fold on a source and returns their effect on the
// queries of the space. It is safe for concurrent use.
//
// It returns an error if a source has no triples, if an index is out of range, if a
// vector is not finite, zero or of a different dimension than the pool's, or if ctx
// ends.
func (s *Space) Walk(ctx context.Context, source Source) (*Result, error) {
	p, err := s.prepare(ctx, source)
	if err != nil {
		return nil, err
	}
	result := &Result{Gains: make([][]float64, len(s.queries))}
	for i := range result.Gains {
		result.Gains[i] = make([]float64, s.settings.Steps)
	}
	walkers := s.walkers(p, source.Disjoint)
	for step := range s.settings.Steps {
		if err := s.advance(ctx, p, walkers, step == 0); err != nil {
			return nil, err
		}
		views, err := s.views(ctx, walkers)
		if err != nil {
			return nil, err
		}
		err = s.evaluate(ctx, views, s.viewOf(source.Disjoint), func(q int, ndcg float64) {
			result.Gains[q][step] = ndcg - s.frozen[q]
		})
		if err != nil {
			return nil, err
		}
	}
	for _, w := range walkers {
		w.fold.Norm = distance(w.m, s.axes.r)
		result.Folds = append(result.Folds, w.fold)
	}
	result.summarize(s.settings.Steps)
	if s.settings.StepQueries > 0 {
		result.StepDeviations, err = s.stepDeviations(ctx, p, source, s.settings.StepQueries)
	}
	return result, err
}

// views returns the pool as mapped by the walkers' adapters.
func (s *Space) views(ctx context.Context, walkers []*walker) ([]*view, error) {
	views := make([]*view, len(walkers))
	err := each(ctx, len(walkers), func(i int) { views[i] = newView(walkers[i].m, s.axes.r) })
	if err != nil {
		return nil, err
	}
	return views, s.measure(ctx, views)
}

// viewOf returns which walk serves an evaluated query.
func (s *Space) viewOf(disjoint bool) func(q int) int {
	if disjoint {
		return func(int) int { return 0 }
	}
	return func(q int) int { return s.fold(s.queries[q].group) }
}

// walkers returns one walker for each fold, at the start, or a single one.
func (s *Space) walkers(p *prepared, disjoint bool) []*walker {
	folds := s.settings.Folds
	if disjoint {
		folds = 1
	}
	walkers := make([]*walker, folds)
	for k := range walkers {
		w := &walker{m: identity(s.axes.r)}
		for i := range p.rows {
			if disjoint || s.fold(p.rows[i].group) != k {
				w.list = append(w.list, i)
			}
		}
		w.fold.Triples = len(w.list)
		walkers[k] = w
	}
	return walkers
}

func identity(r int) []float64 {
	m := make([]float64, r*r)
	for k := range r {
		m[k*r+k] = 1
	}
	return m
}

// advance takes one half step with every walker. At the first step all are at the same
// point, so their Gram matrices are parts of one.
func (s *Space) advance(ctx context.Context, p *prepared, walkers []*walker, first bool) error {
	var start *point
	if first && len(p.rows) <= explicitLimit {
		var err error
		if start, err = s.at(ctx, p, nil, allOf(p)); err != nil {
			return err
		}
	}
	return each(ctx, len(walkers), func(i int) {
		w := walkers[i]
		if start != nil {
			s.step(ctx, w, start.part(w.list))
		} else if now, err := s.at(ctx, p, w.m, w.list); err == nil {
			s.step(ctx, w, now)
		} // otherwise the context has ended, which each returns
	})
}

func allOf(p *prepared) []int {
	list := make([]int, len(p.rows))
	for i := range list {
		list[i] = i
	}
	return list
}

// step solves for X and moves the adapter: M becomes (I + X/2) M.
func (s *Space) step(ctx context.Context, w *walker, now *point) {
	var step Step
	for i, omega := range now.omega {
		if omega == 0 || now.gram.diagonal(i) == 0 {
			step.Weightless++
		}
	}
	if step.Weightless < len(now.omega) {
		roots, _ := now.ridge(1)
		c, iterations, residual := solveDual(now.gram, roots, now.omega)
		step.Iterations, step.Residual = iterations, residual
		margins := make([]float64, len(c))
		now.gram.apply(margins, c)
		if rms := math.Sqrt(dot(margins, margins) / float64(len(c))); rms > 0 {
			for i := range c {
				c[i] *= s.settings.MarginScale / rms
			}
			w.m = advanced(w.m, now.factors.combine(ctx, c), s.axes.r)
		}
	}
	w.fold.Steps = append(w.fold.Steps, step)
}

// advanced returns (I + X/2) M.
func advanced(m, x []float64, r int) []float64 {
	for i := range x {
		x[i] /= 2
	}
	transposed := make([]float64, r*r)
	for i := range r {
		for j := range r {
			transposed[j*r+i] = m[i*r+j]
		}
	}
	var left syrk.Left64
	var right syrk.Right64
	left.Pack(x, r, r, r)
	right.Pack(transposed, r, r, r)
	ld := roundUp(r, syrk.Pad)
	c := make([]float64, ld*ld)
	for i := range r {
		copy(c[i*ld:][:r], m[i*r:])
	}
	syrk.Multiply64(c, ld, &left, 0, r, &right, 0, r, 0)
	next := make([]float64, 0, r*r)
	for i := range r {
		next = append(next, c[i*ld:][:r]...)
	}
	return next
}

// distance returns the Frobenius norm of M - I.
func distance(m []float64, r int) float64 {
	w := slices.Clone(m)
	for k := range r {
		w[k*r+k]--
	}
	return math.Sqrt(dot(w, w))
}

// summarize computes the means.
func (r *Result) summarize(steps int) {
	r.Curve = make([]float64, steps)
	n := float64(len(r.Gains))
	means := make([]float64, len(r.Gains))
	for i, gains := range r.Gains {
		means[i] = mean(gains)
		for step, gain := range gains {
			r.Curve[step] += gain / n
		}
	}
	r.Gain = mean(means)
	var squares float64
	for _, x := range means {
		squares += (x - r.Gain) * (x - r.Gain)
	}
	r.StandardError = math.Inf(1)
	if len(means) > 1 {
		r.StandardError = math.Sqrt(squares / (n - 1) / n)
	}
}
