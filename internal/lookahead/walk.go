package lookahead

import (
	"context"
	"math"
	"slices"

	"example.com/eci/internal/syrk"
)

// A walker is one adapter on its way.
type walker struct {
	list []int     // numbers of the triples it learns from
	m    []float64 // M = I + W, r x r
	fold Fold
}

// Walk takes the steps of every fold on a source and returns what they do to the
// queries of the space. It can be called concurrently.
func (s *Space) Walk(ctx context.Context, source Source) (*Result, error) {
	p, err := s.prepare(ctx, source)
	if err != nil {
		return nil, err
	}
	walkers := s.walkers(p, source.Disjoint)
	result := &Result{Gains: make([][]float64, len(s.queries))}
	for i := range result.Gains {
		result.Gains[i] = make([]float64, s.settings.Steps)
	}
	views := make([]*view, len(walkers))
	for step := range s.settings.Steps {
		if err := s.advance(ctx, p, walkers, step == 0); err != nil {
			return nil, err
		}
		err = each(ctx, len(walkers), func(i int) {
			views[i] = new(view)
			views[i].look(walkers[i].m, s.axes.r)
		})
		if err == nil {
			err = s.measure(ctx, views)
		}
		if err == nil {
			err = s.rankAll(ctx, views, s.viewOf(source.Disjoint), func(q int, best []ranked) {
				result.Gains[q][step] = s.ndcg(q, best) - s.frozen[q]
			})
		}
		if err != nil {
			return nil, err
		}
	}
	for _, w := range walkers {
		w.fold.Norm = distance(w.m, s.axes.r)
		result.Folds = append(result.Folds, w.fold)
	}
	result.summarize(s.settings.Steps)
	return result, nil
}

// viewOf returns which walk serves an evaluated query.
func (s *Space) viewOf(disjoint bool) func(q int) int {
	if disjoint {
		return func(int) int { return 0 }
	}
	return func(q int) int { return s.fold(s.queries[q].group) }
}

// walkers returns one walker a fold, at the start, or a single one.
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

// advance takes one half step with every walker. At the first all are at the same
// point, so that their Gram matrices are parts of one.
func (s *Space) advance(ctx context.Context, p *prepared, walkers []*walker, first bool) error {
	if first {
		all := make([]int, len(p.rows))
		for i := range all {
			all[i] = i
		}
		now, gradients := s.gradients(p, p.stay(), all)
		f := p.factor(now, s.axes.r, gradients, all)
		k, err := f.gram(ctx)
		if err != nil {
			return err
		}
		return each(ctx, len(walkers), func(i int) {
			w := walkers[i]
			s.step(w, k.part(w.list), f.part(w.list), part(gradients, w.list))
		})
	}
	return each(ctx, len(walkers), func(i int) {
		w := walkers[i]
		now, gradients := s.gradients(p, p.move(w.m, s.axes.r), w.list)
		f := p.factor(now, s.axes.r, gradients, w.list)
		k, err := f.gram(ctx)
		if err != nil {
			return // the context has ended, which each returns
		}
		s.step(w, k, f, part(gradients, w.list))
	})
}

// gradients returns the gradients of the listed triples, by number.
func (s *Space) gradients(p *prepared, now *moved, list []int) (*moved, []gradient) {
	gradients := make([]gradient, len(p.rows))
	for _, i := range list {
		gradients[i] = now.gradient(&p.rows[i], s.axes.r, s.settings.MarginScale)
	}
	return now, gradients
}

func part[T any](all []T, list []int) []T {
	some := make([]T, len(list))
	for i, number := range list {
		some[i] = all[number]
	}
	return some
}

// part returns the factors of the triples that are listed.
func (f *factors) part(list []int) *factors {
	if len(list) == f.n {
		return f
	}
	p := &factors{n: len(list), r: f.r}
	for a := range 3 {
		p.signs[a] = part(f.signs[a], list)
		p.w[a] = make([]float64, len(list)*f.r)
		for i, number := range list {
			copy(p.w[a][i*f.r:][:f.r], f.w[a][number*f.r:])
		}
	}
	return p
}

// step solves for X and moves the adapter: M becomes (I + X/2) M.
func (s *Space) step(w *walker, k operator, f *factors, gradients []gradient) {
	omega, curvature := make([]float64, len(gradients)), make([]float64, len(gradients))
	var step Step
	for i, g := range gradients {
		omega[i], curvature[i] = g.omega, g.curvature
		if g.omega == 0 || k.diagonal(i) == 0 {
			step.Weightless++
		}
	}
	if step.Weightless < len(gradients) {
		roots, _ := ridgeRoots(k, curvature, 1, s.axes.r)
		var c []float64
		weightless := step.Weightless
		c, step = solveDual(k, roots, omega)
		step.Weightless = weightless
		margins := make([]float64, len(c))
		k.apply(margins, c)
		if rms := math.Sqrt(dot(margins, margins) / float64(len(c))); rms > 0 {
			for i := range c {
				c[i] *= s.settings.MarginScale / rms
			}
			w.m = advanced(w.m, f.combine(c), s.axes.r)
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

// summarize sets the means.
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
