package eci

import (
	"fmt"
	"math"

	"example.com/eci/internal/stat"
)

// Forecast is what [Lookahead] expects training on a source to do to retrieval,
// in nDCG at the cutoff. A change of 0.01 is one point of the usual tables.
// Goroutines may share one that none of them changes.
type Forecast struct {
	// Gain is the expected change, a mean over queries of the mean over the steps
	// of the walk. StandardError is that of the mean over queries, [Low, High] the
	// 95% interval and T their ratio Gain/StandardError (0 when both are 0).
	Gain, StandardError, Low, High, T float64
	// After is the curve: the mean change after each step.
	After []float64
	// Queries is the number of queries that were looked at, Triples the number of
	// triples walked on.
	Queries, Triples int
	// Random and Shuffled compare the source with negatives that took no mining, on
	// the same pairs of query and positive: random documents of the pool, and the
	// negatives of another query. They are paired differences of Gain, source minus
	// control; nil where there was nothing to compare with.
	Random, Shuffled *Difference
	// Harms reports whether Gain is below 0 at 95%, and Overtrains whether the curve
	// falls from one step to the next at 95%.
	Harms, Overtrains bool
	// Norms are the Frobenius norms of the adapters after the last step, one for
	// each fold of queries.
	Norms []float64
	// Deviations are the queries' shares in the standard error: the sum of their
	// squares is its square, and, because sources share the queries, the sum of the
	// squared differences of two sources is that of their difference. Nil for fewer
	// than two queries.
	Deviations []float64
}

// Difference is a difference of two figures with its standard error and 95%
// interval [Low, High]; Probability is that of its being above 0.
// Goroutines may share one that none of them changes.
type Difference struct {
	Value         float64 `json:"difference"`
	StandardError float64 `json:"standard_error"`
	Low           float64 `json:"low"`
	High          float64 `json:"high"`
	Probability   float64 `json:"probability"`
}

// String returns the difference with its sign and interval.
func (d Difference) String() string {
	return fmt.Sprintf("%+.3f (%+.3f to %+.3f)", d.Value, d.Low, d.High)
}

// newForecast takes the changes of every query after each step: gains[x] has one
// for each step.
func newForecast(gains [][]float64, triples int) *Forecast {
	f := &Forecast{Queries: len(gains), Triples: triples}
	if len(gains) == 0 {
		return f
	}
	steps := len(gains[0])
	mean := make([]float64, len(gains))
	f.After = make([]float64, steps)
	for x, after := range gains {
		for k, g := range after {
			mean[x] += g / float64(steps)
			f.After[k] += g / float64(len(gains))
		}
	}
	f.Gain, f.Deviations = meanWithDeviations(mean)
	d := differenceOf(f.Gain, f.Deviations, nil)
	f.StandardError, f.Low, f.High = d.StandardError, d.Low, d.High
	if f.StandardError > 0 {
		f.T = f.Gain / f.StandardError
	}
	f.Harms = f.Deviations != nil && f.High < 0
	for k := 1; k < steps; k++ {
		step := make([]float64, len(gains))
		for x, after := range gains {
			step[x] = after[k] - after[k-1]
		}
		change, deviations := meanWithDeviations(step)
		if fall := differenceOf(change, deviations, nil); deviations != nil && fall.High < 0 {
			f.Overtrains = true
		}
	}
	return f
}

// meanWithDeviations returns the mean of x and (x - mean)/sqrt(n (n-1)), nil for
// fewer than two.
func meanWithDeviations(x []float64) (mean float64, deviations []float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += v / n
	}
	if len(x) < 2 {
		return mean, nil
	}
	deviations = make([]float64, len(x))
	for i, v := range x {
		deviations[i] = (v - mean) / math.Sqrt(n*(n-1))
	}
	return mean, deviations
}

// differenceOf is a difference of two figures with deviations over the same
// queries; b is nil for a figure by itself. Without deviations there is no
// interval.
func differenceOf(value float64, a, b []float64) Difference {
	d := Difference{Value: value}
	if a == nil {
		return d
	}
	if b == nil {
		b = make([]float64, len(a))
	}
	d.StandardError = stat.PairedError(a, b)
	d.Low, d.High, d.Probability = stat.DifferenceInterval(value, d.StandardError, len(a)-1)
	return d
}

// over is the paired difference of two forecasts for the same queries.
func (f *Forecast) over(other *Forecast) *Difference {
	if f == nil || other == nil || f.Queries == 0 || f.Queries != other.Queries {
		return nil
	}
	d := differenceOf(f.Gain-other.Gain, f.Deviations, other.Deviations)
	return &d
}

// control is the stronger of the two controls: the smaller difference, or nil.
func (f *Forecast) control() (name string, d *Difference) {
	if f == nil || f.Random == nil && f.Shuffled == nil {
		return "", nil
	}
	if f.Random == nil || f.Shuffled != nil && f.Shuffled.Value < f.Random.Value {
		return "shuffled", f.Shuffled
	}
	return "random", f.Random
}
