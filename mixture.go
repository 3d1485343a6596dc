package eci

import (
	"fmt"
	"math"
	"strings"

	"example.com/eci/internal/stat"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
)

// Mixture is the mixture of sources with the highest score.
// Goroutines may share one that none of them changes.
type Mixture struct {
	// Weights are the shares of all sources, in the order of the ranking; they sum
	// to 1.
	Weights []MixtureWeight `json:"weights"`
	// Score is S(sum a_s M_s) in nats, StandardError and the 95% interval
	// [Low, High] the infinitesimal grouped jackknife's.
	Score         float64 `json:"score"`
	StandardError float64 `json:"standard_error"`
	Low           float64 `json:"low"`
	High          float64 `json:"high"`
	// Gap is the Kiefer-Wolfowitz duality gap max_s g_s - sum_s a_s g_s, with g the
	// gradient of S: no mixture of these sources scores more than Score + Gap.
	Gap float64 `json:"gap"`
	// Iterations is the number of steps taken, at most 50.
	Iterations int `json:"iterations"`
	// Gain compares it with the best single source.
	Gain Gain `json:"gain"`
	// AtBudget is S at the number of triples of one source, every query taken from
	// one source, in these proportions.
	AtBudget float64 `json:"at_budget"`
}

// MixtureWeight is the share of one source in a mixture, in [0, 1], with the
// standard error and the 95% interval of the grouped jackknife of the optimum
// (one Newton step for each group left out).
// Goroutines may share one that none of them changes.
type MixtureWeight struct {
	Source        string  `json:"source"`
	Weight        float64 `json:"weight"`
	StandardError float64 `json:"standard_error"`
	Low           float64 `json:"low"`
	High          float64 `json:"high"`
}

const (
	mixtureIterations = 50
	mixtureGap        = 1e-3 // nats; well below what matters
)

// String names the shares of at least one percent and the gain, on one line.
func (m *Mixture) String() string {
	var shares []string
	for _, w := range m.Weights {
		if w.Weight >= 0.005 {
			shares = append(shares, fmt.Sprintf("%.0f%% %s", 100*w.Weight, w.Source))
		}
	}
	return fmt.Sprintf("%s: %.2f, %s", strings.Join(shares, ", "), m.Score, m.Gain)
}

// Mixture maximises the score over all mixtures of the ranked sources, from
// their matrices alone. The score is concave in the weights (D-optimal design),
// so the optimum is global, and the gap certifies how near it is. Projected
// quasi-Newton steps need one factorisation each. Errors are those of
// [Ranking.Hybrids].
func (r *Ranking) Mixture() (*Mixture, error) {
	p, err := r.parts()
	if err != nil {
		return nil, err
	}
	o := &optimum{parts: p}
	iterations, err := o.climb()
	if err != nil {
		return nil, err
	}
	m := &Mixture{Score: o.f.logDet, Gap: o.gap(), Iterations: iterations}
	c := o.f.combine(o.weights, p.matrices)
	if c.ok {
		half := stat.TQuantile(c.Groups-1) * c.StandardError
		m.StandardError, m.Low, m.High = c.StandardError, c.score-half, c.score+half
	}
	if m.Weights, err = o.intervals(c); err != nil {
		return nil, err
	}
	if m.AtBudget, err = p.inProportion(o.weights); err != nil {
		return nil, err
	}
	singles, err := p.evaluate(subsets(len(p.matrices), 1))
	if err != nil {
		return nil, err
	}
	best := 0
	for s := range singles {
		if singles[s].score > singles[best].score {
			best = s
		}
	}
	m.Gain = gainOver(p.names[best], c, singles[best], m.AtBudget)
	return m, nil
}

// optimum is a point of the simplex with score and gradient, and the
// approximation B of minus the Hessian that quasi-Newton steps build up.
type optimum struct {
	*parts
	weights  []float64
	gradient []float64
	f        *information
}

// at evaluates the score and its gradient g_s = a/2 tr(W M_s).
func (o *optimum) at(weights []float64) (*information, []float64, error) {
	d := o.config.Dimension
	sum := make([]float64, d*d)
	o.mix(sum, weights)
	f, err := invert(d, o.config.Epsilon2, sum)
	if err != nil {
		return nil, nil, err
	}
	gradient := make([]float64, len(o.means))
	parallel(len(gradient), func(lo, hi int) {
		for s := lo; s < hi; s++ {
			gradient[s] = f.slope(o.means[s])
		}
	})
	return f, gradient, nil
}

// gap is the Kiefer-Wolfowitz gap at the present weights, at least 0.
func (o *optimum) gap() float64 {
	most, mean := math.Inf(-1), 0.0
	for s, g := range o.gradient {
		most = max(most, g)
		mean += o.weights[s] * g
	}
	return max(0, most-mean)
}

// climb maximises the score from equal weights.
func (o *optimum) climb() (iterations int, err error) {
	k := len(o.means)
	o.weights = make([]float64, k)
	for s := range o.weights {
		o.weights[s] = 1 / float64(k)
	}
	if o.f, o.gradient, err = o.at(o.weights); err != nil {
		return 0, err
	}
	b := o.curvature()
	for ; iterations < mixtureIterations && o.gap() > mixtureGap; iterations++ {
		target := stat.SimplexMaximum(o.gradient, b, o.weights)
		var slope float64
		for s := range target {
			slope += o.gradient[s] * (target[s] - o.weights[s])
		}
		if !(slope > 0) {
			break // rounding: nothing is left to gain
		}
		// Armijo's rule; the score is concave, so short steps always gain.
		for step := 1.0; ; step /= 2 {
			if step < 1e-9 {
				return iterations, nil
			}
			next := make([]float64, k)
			for s := range next {
				next[s] = o.weights[s] + step*(target[s]-o.weights[s])
			}
			f, gradient, err := o.at(next)
			if err != nil {
				return 0, err
			}
			if f.logDet < o.f.logDet+1e-4*step*slope {
				continue
			}
			updateCurvature(b, o.weights, next, o.gradient, gradient)
			o.weights, o.gradient, o.f = next, gradient, f
			break
		}
	}
	return iterations, nil
}

// curvature is a first guess of minus the Hessian, a^2/2 tr(W M_s W M_t), from
// the gradients alone: as if all M_s had one range of the effective dimension,
// and most of their curvature in common.
func (o *optimum) curvature() []float64 {
	k := len(o.gradient)
	var dimension float64
	for s, g := range o.gradient {
		dimension += 2 * o.weights[s] * g // tr(W a M)
	}
	b := make([]float64, k*k)
	for s, g := range o.gradient {
		for t, h := range o.gradient {
			b[s*k+t] = 2 * g * h / max(dimension, 1e-300)
			if s != t {
				b[s*k+t] *= 0.7
			}
		}
	}
	return b
}

// updateCurvature is the BFGS update of b for the step from x to y, skipped where
// rounding has eaten the curvature.
func updateCurvature(b, x, y, gx, gy []float64) {
	k := len(x)
	step, change, bs := make([]float64, k), make([]float64, k), make([]float64, k)
	var ys, sbs float64
	for i := range k {
		step[i], change[i] = y[i]-x[i], gx[i]-gy[i]
		ys += step[i] * change[i]
	}
	for i := range k {
		for j := range k {
			bs[i] += b[i*k+j] * step[j]
		}
		sbs += step[i] * bs[i]
	}
	if !(ys > 1e-12*sbs) || !(sbs > 0) {
		return
	}
	for i := range k {
		for j := range k {
			b[i*k+j] += change[i]*change[j]/ys - bs[i]*bs[j]/sbs
		}
	}
}

// intervals takes the jackknife of the weights: without group j the gradient
// moves to first order, and the optimum to that of the quadratic model with the
// exact Hessian.
func (o *optimum) intervals(c combination) ([]MixtureWeight, error) {
	k, groups := len(o.weights), o.config.Groups
	out := make([]MixtureWeight, k)
	for s, w := range o.weights {
		out[s] = MixtureWeight{Source: o.names[s], Weight: w, Low: w, High: w}
	}
	if !c.ok {
		return out, nil
	}
	active := o.contenders()
	h, second := o.hessian(active)
	n := len(active)
	without := make([][]float64, n) // by contender and group
	for i := range without {
		without[i] = make([]float64, groups)
	}
	changes := make([][]float64, n)
	for i, s := range active {
		changes[i] = o.f.linearised(o.matrices[s])
	}
	triples := make([]int, groups)
	gradient, weights := make([]float64, n), make([]float64, n)
	for j := range groups {
		for i, s := range active {
			weights[i] = o.weights[s]
			triples[j] += o.matrices[s].groups[j].triples
		}
		for i, s := range active {
			gradient[i] = o.gradient[s] + changes[i][j]
			for l, t := range active {
				m := o.matrices[t]
				inGroup, all := m.groups[j].triples, m.Triples()
				if inGroup > 0 && inGroup < all {
					gradient[i] -= weights[l] * (float64(inGroup)*h[i*n+l] - second[(i*n+l)*groups+j]) / float64(all-inGroup)
				}
			}
		}
		for i, x := range stat.SimplexMaximum(gradient, h, weights) {
			without[i][j] = x
		}
	}
	for i, s := range active {
		jack, ok := stat.GroupJackknife(o.weights[s], without[i], triples)
		if !ok {
			continue
		}
		half := stat.TQuantile(jack.Groups-1) * jack.StandardError
		out[s].StandardError = jack.StandardError
		out[s].Low, out[s].High = clamp(o.weights[s]-half, 0, 1), clamp(o.weights[s]+half, 0, 1)
	}
	return out, nil
}

// contenders are the sources in the optimum and those whose gradient is within a
// tenth of the highest, so that another sample could bring them in.
func (o *optimum) contenders() (active []int) {
	most := 0.0
	for _, g := range o.gradient {
		most = max(most, g)
	}
	for s, g := range o.gradient {
		if o.weights[s] > 0 || g >= 0.9*most {
			active = append(active, s)
		}
	}
	return active
}

// hessian returns minus the Hessian among the contenders, a^2/2 tr(P_s M_t) with
// P_s = W M_s W, n x n, and its parts a^2/2 tr(P_s B_tj) by group, n x n x G.
func (o *optimum) hessian(active []int) (h, second []float64) {
	d, n, groups := o.config.Dimension, len(active), o.config.Groups
	square := func(upper []float64) blas64.General {
		full := blas64.General{Rows: d, Cols: d, Stride: d, Data: make([]float64, d*d)}
		for i := range d {
			for j := i; j < d; j++ {
				full.Data[i*d+j], full.Data[j*d+i] = upper[i*d+j], upper[i*d+j]
			}
		}
		return full
	}
	w := square(o.f.inverse)
	h, second = make([]float64, n*n), make([]float64, n*n*groups)
	half := blas64.General{Rows: d, Cols: d, Stride: d, Data: make([]float64, d*d)}
	p := &information{d: d, scale: o.f.scale * o.f.scale, inverse: make([]float64, d*d)}
	whole := blas64.General{Rows: d, Cols: d, Stride: d, Data: p.inverse}
	for i, s := range active {
		blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, w, square(o.means[s]), 0, half)
		blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, half, w, 0, whole)
		parallel(groups, func(lo, hi int) {
			for j := lo; j < hi; j++ {
				for l, t := range active {
					second[(i*n+l)*groups+j] = p.slope(o.matrices[t].groups[j].sum)
				}
			}
		})
		for l, t := range active {
			for j := range groups {
				h[i*n+l] += second[(i*n+l)*groups+j]
			}
			h[i*n+l] /= float64(max(o.matrices[t].Triples(), 1))
		}
	}
	for i := range n { // rounding must not make it asymmetric
		for l := range i {
			mean := (h[i*n+l] + h[l*n+i]) / 2
			h[i*n+l], h[l*n+i] = mean, mean
		}
	}
	return h, second
}

// turns is the number of ways in which a mixture at the budget of one source is
// drawn and averaged.
const turns = 8

// inProportion scores a mixture at the number of triples of one source: group j
// is taken from the source in whose share of [0, 1) the j-th point of a
// golden-ratio sequence falls.
func (p *parts) inProportion(weights []float64) (float64, error) {
	d, mean := p.config.Dimension, 0.0
	values, errs := make([]float64, turns), make([]error, turns)
	parallel(turns, func(lo, hi int) {
		scratch := make([]float64, d*d)
		for turn := lo; turn < hi; turn++ {
			clear(scratch)
			n := 0
			for j := range p.config.Groups {
				_, u := math.Modf((float64(j)+0.5)*math.Phi + float64(turn)/turns)
				s, sum := 0, weights[0]
				for u >= sum && s < len(weights)-1 {
					s++
					sum += weights[s]
				}
				g := &p.matrices[s].groups[j]
				n += g.triples
				for k, x := range g.sum {
					scratch[k] += x
				}
			}
			if n == 0 {
				continue
			}
			for k := range scratch {
				scratch[k] /= float64(n)
			}
			f, err := newInformation(d, p.config.Epsilon2, scratch)
			if err != nil {
				errs[turn] = err
				continue
			}
			values[turn] = f.logDet
		}
	})
	for turn := range turns {
		if errs[turn] != nil {
			return 0, errs[turn]
		}
		mean += values[turn] / turns
	}
	return mean, nil
}
