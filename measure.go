package eci

import "math"

// Measure is a simple statistic of a source, a baseline for ECI. Value must return a
// finite number for any totals, and 0 for no triples. A higher value ranks first. A
// Measure is safe for concurrent use if its Value is.
type Measure struct {
	Name  string
	Value func(t Totals) float64
}

// Measures returns the baselines, in the order of the reports:
//
//	v1         ln(1+N) times the harmonic mean of hardness (mean s-, at least 0)
//	           and safety (share of positive margins), after ECI v1's abstract
//	hardness   mean s-, in [-1, 1]
//	margin     mean s+ - s-, in [-2, 2]
//	infonce    mean InfoNCE loss ln(1 + exp(-m/T)), in nats, T = Sem.Temperature
//	gradient   mean norm of that loss's gradient at the query
//	trace      tr M: the weights and residuals without the log-determinant
//	unique     share of distinct negatives, in [0, 1]
//	disjoint   mean 1 - ovl(p,n), in [0, 1]
func Measures() []Measure {
	return []Measure{
		{"v1", func(t Totals) float64 {
			hardness, safety := max(0, t.mean(t.NegativeSimilarity)), t.mean(float64(t.Safe))
			if hardness+safety == 0 {
				return 0
			}
			return math.Log1p(float64(t.Triples)) * 2 * hardness * safety / (hardness + safety)
		}},
		{"hardness", func(t Totals) float64 { return t.mean(t.NegativeSimilarity) }},
		{"margin", func(t Totals) float64 { return t.mean(t.PositiveSimilarity - t.NegativeSimilarity) }},
		{"infonce", func(t Totals) float64 { return t.mean(t.Loss) }},
		{"gradient", func(t Totals) float64 { return t.mean(t.Gradient) }},
		{"trace", func(t Totals) float64 { return t.mean(t.Trace) }},
		{"unique", func(t Totals) float64 { return t.mean(float64(t.UniqueNegatives)) }},
		{"disjoint", func(t Totals) float64 { return t.mean(float64(t.Triples) - t.Overlap) }},
	}
}

// Totals are sums over scored triples. All except UniqueNegatives are additive over
// disjoint sets of triples.
// It is safe for concurrent use as long as no goroutine changes it.
type Totals struct {
	// Triples is N. UniqueNegatives is the number of distinct negative texts,
	// Identical the number of negatives with the text of their positive, and Safe the
	// number of positive margins.
	Triples, UniqueNegatives, Identical, Safe int
	// Weight is sum w, WeightSquares sum w^2.
	Weight, WeightSquares float64
	// Sums of s+, s-, ovl(p,n), the InfoNCE loss, its gradient's norm, and w |r|^2.
	PositiveSimilarity, NegativeSimilarity, Overlap, Loss, Gradient, Trace float64
	// Factors are the sums of the components' factors.
	Factors []float64
}

// EffectiveTriples returns (sum w)^2 / sum w^2, in [1, N]. It returns 0 if all weights
// are 0.
func (t Totals) EffectiveTriples() float64 {
	if t.WeightSquares == 0 {
		return 0
	}
	return t.Weight * t.Weight / t.WeightSquares
}

// mean divides a sum by the number of triples. It returns 0 if there are none.
func (t Totals) mean(sum float64) float64 {
	if t.Triples == 0 {
		return 0
	}
	return sum / float64(t.Triples)
}

// Add adds the sums of other triples. It also adds UniqueNegatives, which is correct
// if the triples share no negative.
func (t *Totals) Add(o *Totals) {
	t.Triples += o.Triples
	t.UniqueNegatives += o.UniqueNegatives
	t.Identical += o.Identical
	t.Safe += o.Safe
	t.Weight += o.Weight
	t.WeightSquares += o.WeightSquares
	t.PositiveSimilarity += o.PositiveSimilarity
	t.NegativeSimilarity += o.NegativeSimilarity
	t.Overlap += o.Overlap
	t.Loss += o.Loss
	t.Gradient += o.Gradient
	t.Trace += o.Trace
	if t.Factors == nil {
		t.Factors = make([]float64, len(o.Factors))
	}
	for i, f := range o.Factors {
		t.Factors[i] += f
	}
}
