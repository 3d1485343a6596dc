package eci

import (
	"fmt"
	"math"

	"example.com/eci/internal/cores"
	"example.com/eci/internal/dots"
	"example.com/eci/internal/stat"
)

// Mix returns the matrix of a mixture, M = sum_s weights[s] M_s, with the groups of
// its parts. Weights must be finite, at least 0 and not all 0. Mix divides them by
// their sum. The matrices must be compatible as for [Matrix.Merge]; Mix does not
// change them. The mixture's number of triples is the sum over all parts. Errors are
// ErrNoSources without a matrix, ErrSettings for invalid weights or a nil matrix, and
// ErrIncompatible.
func Mix(weights []float64, matrices ...*Matrix) (*Matrix, error) {
	sum, err := checkMixture(weights, matrices)
	if err != nil {
		return nil, err
	}
	total := 0
	for _, m := range matrices {
		total += m.Triples()
	}
	mixed, err := NewMatrix(matrices[0].config)
	if err != nil {
		return nil, err
	}
	for s, m := range matrices {
		part := m.Clone()
		if n := part.Triples(); n > 0 {
			if err := part.Scale(weights[s] / sum * float64(total) / float64(n)); err != nil {
				return nil, err
			}
		}
		if err := mixed.Merge(part); err != nil {
			return nil, err
		}
	}
	return mixed, nil
}

func checkMixture(weights []float64, matrices []*Matrix) (sum float64, err error) {
	if len(matrices) == 0 {
		return 0, fmt.Errorf("eci: mixture: %w: give at least one matrix", ErrNoSources)
	}
	if len(weights) != len(matrices) {
		return 0, fmt.Errorf("eci: mixture: %w: %d weights for %d matrices", ErrSettings, len(weights), len(matrices))
	}
	for s, w := range weights {
		if matrices[s] == nil {
			return 0, fmt.Errorf("eci: mixture: %w: matrix %d is nil", ErrSettings, s+1)
		}
		if !(w >= 0) || math.IsInf(w, 0) {
			return 0, fmt.Errorf("eci: mixture: %w: weight %v is not finite and at least 0", ErrSettings, w)
		}
		sum += w
		if err := matrices[0].compatible(matrices[s]); err != nil {
			return 0, err
		}
	}
	if !(sum > 0) || math.IsInf(sum, 0) {
		return 0, fmt.Errorf("eci: mixture: %w: the weights sum to %v", ErrSettings, sum)
	}
	return sum, nil
}

// Gain is the difference between the score of a combination and that of its best
// single source, in nats.
// It is safe for concurrent use as long as no goroutine changes it.
type Gain struct {
	// Over is the name of the best single source.
	Over string `json:"over"`
	// Value is the difference with all triples of the members. StandardError and the
	// 95% interval [Low, High] come from the paired infinitesimal jackknife.
	// Probability is the probability that the gain is real. With fewer than two groups
	// of queries there is no interval, and all four are 0.
	Value         float64 `json:"value"`
	StandardError float64 `json:"standard_error"`
	Low           float64 `json:"low"`
	High          float64 `json:"high"`
	Probability   float64 `json:"probability"`
	// AtBudget is the difference with the number of triples of one source.
	AtBudget float64 `json:"at_budget"`
}

// String returns the gain with its interval, if it has one.
func (g Gain) String() string {
	if g.StandardError == 0 {
		return fmt.Sprintf("%+.2f over %s, without an interval; %+.2f with no more triples", g.Value, g.Over, g.AtBudget)
	}
	return fmt.Sprintf("%+.2f over %s (%+.2f to %+.2f); %+.2f with no more triples", g.Value, g.Over, g.Low, g.High, g.AtBudget)
}

// combination is the score of some triples with its jackknife.
type combination struct {
	score float64
	stat.Jackknife
	ok bool // there is an interval
}

// interval returns the standard error and the 95% interval, or zeros without one.
func (c *combination) interval() (standardError, low, high float64) {
	if !c.ok {
		return 0, 0, 0
	}
	low, high = c.Interval(c.score)
	return c.StandardError, low, high
}

// gainOver compares a combination with its best member.
func (c *combination) gainOver(name string, single *combination, atBudget float64) Gain {
	g := Gain{Over: name, Value: c.score - single.score, AtBudget: atBudget - single.score}
	if !c.ok || !single.ok {
		return g
	}
	g.StandardError = stat.PairedError(c.Deviations, single.Deviations)
	g.Low, g.High, g.Probability = stat.DifferenceInterval(g.Value, g.StandardError, min(c.Groups, single.Groups)-1)
	return g
}

// information is I + a M with its factorization: what the derivatives of S need.
type information struct {
	d       int
	scale   float64   // a = d/eps^2
	logDet  float64   // S
	inverse []float64 // W = (I + a M)^-1, upper triangle of d x d
}

// invert factorizes and inverts I + a M. m is the upper triangle of M; its storage
// becomes that of W.
func (config MatrixConfig) invert(m []float64) (*information, error) {
	d, epsilon2 := config.Dimension, config.Epsilon2
	f := &information{d: d, scale: float64(d) / epsilon2, inverse: m}
	addIdentity(m, d, f.scale)
	var err error
	f.logDet, err = invertUpper(m, d)
	return f, err
}

// slope returns <W, B> a/2 for the upper triangle of a symmetric B: the
// derivative of S in the direction B.
func (f *information) slope(b []float64) float64 {
	if b == nil { // an empty group
		return 0
	}
	var diagonal, above float64
	d := f.d
	for i := range d {
		w, row := f.inverse[i*d+i:(i+1)*d], b[i*d+i:(i+1)*d]
		diagonal += w[0] * row[0]
		above += dots.Inner(w[1:], row[1:])
	}
	return f.scale / 2 * (diagonal + 2*above)
}

// linearized returns S_(-j) - S of the infinitesimal jackknife for every group j. This
// is the first-order change of S when the group is left out of m, whatever else S
// consists of. Since M_(-j) - M = (m_j M - B_j)/(N - m_j), it needs inner products
// only; the exact jackknife needs a factorization for every group. A group that is
// empty, or has all triples, changes nothing.
func (f *information) linearized(m *Matrix) []float64 {
	slopes, triples := make([]float64, len(m.groups)), m.GroupTriples()
	cores.All(len(m.groups), func(lo, hi int) {
		scratch := scratches.Get().(*scratch)
		defer scratches.Put(scratch)
		for j := lo; j < hi; j++ {
			slopes[j] = f.slope(m.groups[j].upper(f.d, scratch))
		}
	})
	return f.linearize(slopes, triples)
}

// linearize turns the slopes in the directions B_j into the changes, in place.
func (f *information) linearize(slopes []float64, triples []int) []float64 {
	n, all := 0, 0.0
	for j, s := range slopes {
		n += triples[j]
		all += s
	}
	for j, k := range triples {
		if k == 0 || k == n {
			slopes[j] = 0
			continue
		}
		slopes[j] = (float64(k)*all/float64(n) - slopes[j]) / float64(n-k)
	}
	return slopes
}

// combine computes the infinitesimal jackknife of S of a mixture.
func (f *information) combine(weights []float64, matrices []*Matrix) combination {
	changes := make([]float64, len(matrices[0].groups))
	triples := make([]int, len(changes))
	for s, m := range matrices {
		if weights[s] == 0 {
			continue
		}
		for j, change := range f.linearized(m) {
			changes[j] += weights[s] * change
			triples[j] += m.groups[j].triples
		}
	}
	return f.jackknife(changes, triples)
}

// jackknife records the changes of S by group.
func (f *information) jackknife(changes []float64, triples []int) combination {
	c := combination{score: f.logDet}
	for j := range changes {
		changes[j] += f.logDet
	}
	c.Jackknife, c.ok = stat.GroupJackknife(f.logDet, changes, triples)
	return c
}

// meanScore returns S of the mean of n triples, given the upper triangle of their
// sum, which it overwrites.
func (config MatrixConfig) meanScore(sum []float64, n int) (float64, error) {
	d := config.Dimension
	for k := range sum {
		sum[k] /= float64(n)
	}
	addIdentity(sum, d, float64(d)/config.Epsilon2)
	return halfLogDet(sum, d)
}
