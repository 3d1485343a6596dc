package eci

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/stat/combin"

	"example.com/eci/internal/cores"
	"example.com/eci/internal/gram"
	"example.com/eci/internal/stat"
)

// Mixture is the mixture of sources with the highest score.
// It is safe for concurrent use as long as no goroutine changes it.
type Mixture struct {
	// Weights are the shares of all sources, in the order of the ranking. They sum
	// to 1.
	Weights []MixtureWeight `json:"weights"`
	// Score is S(sum a_s M_s) in nats. StandardError and the 95% interval [Low, High]
	// come from the infinitesimal grouped jackknife.
	Score         float64 `json:"score"`
	StandardError float64 `json:"standard_error"`
	Low           float64 `json:"low"`
	High          float64 `json:"high"`
	// Gap is the Kiefer-Wolfowitz duality gap max_s g_s - sum_s a_s g_s, with g the
	// gradient of S: no mixture of these sources scores more than Score + Gap.
	Gap float64 `json:"gap"`
	// Iterations is the number of steps taken, at most 50.
	Iterations int `json:"iterations"`
	// Gain compares the mixture with the best single source.
	Gain Gain `json:"gain"`
	// AtBudget is S with the number of triples of one source. Each query is taken from
	// one source, in these proportions.
	AtBudget float64 `json:"at_budget"`
}

// MixtureWeight is the share of one source in a mixture, in [0, 1], with the
// standard error and the 95% interval of the grouped jackknife of the optimum
// (one Newton step for each group left out).
// It is safe for concurrent use as long as no goroutine changes it.
type MixtureWeight struct {
	Source        string  `json:"source"`
	Weight        float64 `json:"weight"`
	StandardError float64 `json:"standard_error"`
	Low           float64 `json:"low"`
	High          float64 `json:"high"`
}

// String returns the shares of at least half a percent and the gain on one line.
func (m *Mixture) String() string {
	var shares []string
	for _, w := range m.Weights {
		if w.Weight >= 0.005 {
			shares = append(shares, fmt.Sprintf("%.0f%% %s", 100*w.Weight, w.Source))
		}
	}
	return fmt.Sprintf("%s: %.2f, %s", strings.Join(shares, ", "), m.Score, m.Gain)
}

// Mixture maximizes the score over all mixtures of the ranked sources, from their
// matrices alone. The score is concave in the weights (D-optimal design), so the
// optimum is global. Gap certifies how near the result is to it. Errors are those of
// [Ranking.Hybrids].
func (r *Ranking) Mixture() (*Mixture, error) {
	p, err := r.parts()
	if err != nil {
		return nil, err
	}
	o, iterations, err := p.optimum()
	if err != nil {
		return nil, err
	}
	c := o.State.combine(o.X, p.matrices)
	m := &Mixture{Score: o.Value, Gap: o.Gap(), Iterations: iterations}
	m.StandardError, m.Low, m.High = c.interval()
	m.Weights = o.intervals(c.ok)
	m.AtBudget, err = p.inProportion(o.X)
	if err != nil {
		return nil, err
	}
	singles, err := p.singles()
	if err != nil {
		return nil, err
	}
	all := combin.Combinations(len(singles), len(singles))[0]
	m.Gain = p.gain(&c, all, singles, m.AtBudget)
	return m, nil
}

// optimum is the best mixture of parts.
type optimum struct {
	*parts
	stat.Point[*information]
}

// optimum maximizes the score, starting from equal weights.
func (p *parts) optimum() (*optimum, int, error) {
	weights := make([]float64, len(p.means))
	for s := range weights {
		weights[s] = 1 / float64(len(weights))
	}
	start, err := p.at(weights)
	if err != nil {
		return nil, 0, err
	}
	const (
		most = 50
		gap  = 1e-3 // nats; well below what matters
	)
	end, iterations, err := stat.Ascend(start, p.curvature(start), gap, most, p.at)
	return &optimum{p, end}, iterations, err
}

// at evaluates the score and its gradient g_s = a/2 tr(W M_s).
func (p *parts) at(weights []float64) (stat.Point[*information], error) {
	point := stat.Point[*information]{X: weights, Gradient: make([]float64, len(weights))}
	d := p.config.Dimension
	sum := make([]float64, d*d)
	p.mix(sum, weights)
	f, err := p.config.invert(sum)
	if err != nil {
		return point, err
	}
	point.Value, point.State = f.logDet, f
	cores.All(len(weights), func(lo, hi int) {
		for s := lo; s < hi; s++ {
			point.Gradient[s] = f.slope(p.means[s])
		}
	})
	return point, nil
}

// curvature is a first guess of minus the Hessian, a^2/2 tr(W M_s W M_t), from
// the gradients alone: as if all M_s had one range of the effective dimension,
// and most of their curvature in common.
func (*parts) curvature(p stat.Point[*information]) []float64 {
	k := len(p.Gradient)
	var dimension float64
	for s, g := range p.Gradient {
		dimension += 2 * p.X[s] * g // tr(W a M)
	}
	b := make([]float64, k*k)
	for s, g := range p.Gradient {
		for t, h := range p.Gradient {
			b[s*k+t] = 2 * g * h / max(dimension, 1e-300)
			if s != t {
				b[s*k+t] *= 0.7
			}
		}
	}
	return b
}

// intervals computes the jackknife of the weights. Without group j, the gradient moves
// to first order, and the optimum moves to that of the quadratic model with the exact
// Hessian. If the score has no interval, neither have the weights.
func (o *optimum) intervals(ok bool) []MixtureWeight {
	out := make([]MixtureWeight, len(o.X))
	for s, w := range o.X {
		out[s] = MixtureWeight{Source: o.names[s], Weight: w, Low: w, High: w}
	}
	if !ok {
		return out
	}
	active := o.contenders()
	without, triples := o.withoutGroups(active)
	for i, s := range active {
		w := &out[s]
		j, ok := stat.GroupJackknife(w.Weight, without[i], triples)
		if !ok {
			continue
		}
		w.StandardError = j.StandardError
		low, high := j.Interval(w.Weight)
		w.Low, w.High = max(0, min(1, low)), max(0, min(1, high))
	}
	return out
}

// withoutGroups returns the weights of the contenders without each group, by
// contender and group, and the triples of the contenders in each group.
func (o *optimum) withoutGroups(active []int) (without [][]float64, triples []int) {
	n, groups := len(active), o.config.Groups
	h, second := o.hessian(active)
	without, changes, weights := make([][]float64, n), make([][]float64, n), make([]float64, n)
	for i, s := range active {
		without[i] = make([]float64, groups)
		changes[i] = o.State.linearized(o.matrices[s])
		weights[i] = o.X[s]
	}
	triples = make([]int, groups)
	gradient := make([]float64, n)
	for j := range groups {
		for i, s := range active {
			triples[j] += o.matrices[s].groups[j].triples
			gradient[i] = o.Gradient[s] + changes[i][j]
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
	return without, triples
}

// contenders returns the sources in the optimum and those whose gradient is within a
// tenth of the highest. Another sample could bring the latter in.
func (o *optimum) contenders() (active []int) {
	most := 0.0
	for _, g := range o.Gradient {
		most = max(most, g)
	}
	for s, g := range o.Gradient {
		if o.X[s] > 0 || g >= 0.9*most {
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
	w := square(o.State.inverse)
	h, second = make([]float64, n*n), make([]float64, n*n*groups)
	half := blas64.General{Rows: d, Cols: d, Stride: d, Data: make([]float64, d*d)}
	turned := make([]*information, n)
	for i, s := range active {
		p := &information{d: d, scale: o.State.scale * o.State.scale, inverse: make([]float64, d*d)}
		blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, w, square(o.means[s]), 0, half)
		blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, half, w, 0, blas64.General{Rows: d, Cols: d, Stride: d, Data: p.inverse})
		turned[i] = p
	}
	cores.All(n*groups, func(lo, hi int) { // a group that holds rows is summed once
		working := scratches.Get().(*scratch)
		defer scratches.Put(working)
		for at := lo; at < hi; at++ {
			l, j := at/groups, at%groups
			upper := o.matrices[active[l]].groups[j].upper(d, working)
			for i, p := range turned {
				second[(i*n+l)*groups+j] = p.slope(upper)
			}
		}
	})
	for i := range active {
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

// inProportion scores a mixture with as many triples as one source has: group j is
// taken from the source in whose share of [0, 1) the j-th point of a golden-ratio
// sequence falls.
func (p *parts) inProportion(weights []float64) (float64, error) {
	const ways = 8 // ways of drawing, which are averaged
	values, errs := make([]float64, ways), make([]error, ways)
	cores.All(ways, func(lo, hi int) {
		d := p.config.Dimension
		scratch, working := make([]float64, d*d), scratches.Get().(*scratch)
		defer scratches.Put(working)
		for turn := lo; turn < hi; turn++ {
			clear(scratch)
			n := 0
			for j := range p.config.Groups {
				_, u := math.Modf((float64(j)+0.5)*math.Phi + float64(turn)/ways)
				g := &p.matrices[stat.Share(weights, u)].groups[j]
				n += g.triples
				gram.AddRows(scratch, g.upper(d, working), d, 0, d)
			}
			if n > 0 {
				values[turn], errs[turn] = p.config.meanScore(scratch, n)
			}
		}
	})
	mean := 0.0
	for _, value := range values {
		mean += value / ways
	}
	return mean, cmp.Or(errs...)
}
