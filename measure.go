package eci

import (
	"context"
	"math"
)

// Measure is a simple statistic of a source that serves as a baseline or control
// for ECI. Value must be finite for any totals, with 0 for no triples; a higher
// value ranks first.
// Goroutines may share one whose Value may be called by several at once.
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

// Baseline is a [Scorer] that ranks by a [Measure], on the same triples, vectors
// and budgets as the Sem it holds.
// Goroutines may share it under the conditions of Sem.
type Baseline struct {
	Sem     Sem
	Measure Measure
}

// Name returns the measure's name.
func (b *Baseline) Name() string { return b.Measure.Name }

// Score scores one source; the Sem must be calibrated.
func (b *Baseline) Score(ctx context.Context, source Source) (*Score, error) {
	return scoreAlone(ctx, &b.Sem, &b.Measure, source)
}

// Prepare surveys, equalises budgets and calibrates as [Sem.Prepare] does.
func (b *Baseline) Prepare(ctx context.Context, sources ...Source) (Scorer, error) {
	return prepare(ctx, &b.Sem, &b.Measure, sources)
}
