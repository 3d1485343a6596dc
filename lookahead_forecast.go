package eci

import (
	"fmt"
	"math"
	"slices"

	"example.com/eci/internal/dots"
	"example.com/eci/internal/stat"
)

// Forecast is what [Lookahead] expects training on a source to do to retrieval: a
// change of nDCG at the cutoff. A change of 0.01 is one point of the usual tables.
// It is safe for concurrent use as long as no goroutine changes it.
type Forecast struct {
	// Gain is the expected change: the mean over queries of the mean over the steps of
	// the walk. StandardError is the standard error of the mean over queries. T is
	// their ratio Gain/StandardError (0 if both are 0). StepError is the standard
	// error over the triples that the steps were made from, by a delete-a-fold
	// jackknife of the steps. The 95% interval [Low, High] and all comparisons with
	// other sources include both variances.
	Gain, StandardError, StepError, Low, High, T float64
	// After is the curve: the mean change after each step.
	After []float64
	// Queries is the number of queries evaluated, Triples the number of triples walked
	// on. For a Target, InPool is the number of triples with a document of its pool.
	Queries, Triples, InPool int
	// Random and Shuffled compare the source with negatives that took no mining, on
	// the same pairs of query and positive. Random uses random documents of the pool,
	// Shuffled the negatives of another query. They are paired differences of Gain,
	// source minus control, and nil if there was nothing to compare with.
	Random, Shuffled *Difference
	// Harms reports whether Gain is below 0 at 95%. Overtrains reports whether the
	// curve falls from one step to the next at 95%. Still reports whether no step was
	// made for some queries, because every triple had weight 0.
	Harms, Overtrains, Still bool
	// Norms are the Frobenius norms of the adapters after the last step, one for each
	// fold of queries.
	Norms []float64
	// Deviations are the contributions of the queries to StandardError, and
	// StepDeviations those of the folds to StepError. The sum of their squares is the
	// square of the error. Sources share queries and folds, so the sum of the squared
	// differences of two sources is the square of the error of their difference.
	// Deviations is nil for fewer than two queries; then there is no interval.
	Deviations, StepDeviations []float64
}

// Difference is a difference of two figures with its standard error and 95% interval
// [Low, High]. Probability is the probability that it is above 0.
// It is safe for concurrent use as long as no goroutine changes it.
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

// take fills in the changes of every query after each step, gains[x] having one
// for each step, and the deviations of the steps.
func (f *Forecast) take(gains [][]float64, steps []float64) {
	if f.Queries = len(gains); f.Queries == 0 {
		return
	}
	mean := make([]float64, len(gains))
	f.After = make([]float64, len(gains[0]))
	for x, after := range gains {
		for k, g := range after {
			mean[x] += g / float64(len(after))
			f.After[k] += g / float64(len(gains))
		}
	}
	f.Gain, f.Deviations = stat.MeanWithDeviations(mean)
	if f.Deviations != nil {
		f.StepDeviations = steps
	}
	f.StandardError, f.StepError = math.Sqrt(dots.Inner(f.Deviations, f.Deviations)), math.Sqrt(dots.Inner(f.StepDeviations, f.StepDeviations))
	d := differenceOf(f.Gain, f.shares(), nil, f.freedom())
	f.Low, f.High = d.Low, d.High
	if f.StandardError > 0 {
		f.T = f.Gain / f.StandardError
	}
	f.Harms = f.Deviations != nil && f.High < 0
	for k := 1; k < len(f.After); k++ {
		step := make([]float64, len(gains))
		for x, after := range gains {
			step[x] = after[k] - after[k-1]
		}
		change, deviations := stat.MeanWithDeviations(step)
		if fall := differenceOf(change, deviations, nil, len(gains)-1); deviations != nil && fall.High < 0 {
			f.Overtrains = true
		}
	}
}

// shares returns the deviations of the queries, then those of the steps.
func (f *Forecast) shares() []float64 {
	if f.Deviations == nil {
		return nil
	}
	return slices.Concat(f.Deviations, f.StepDeviations)
}

// freedom returns the degrees of freedom of the combined variance of queries and
// steps, by Satterthwaite (1946).
func (f *Forecast) freedom() int {
	queries, steps := f.StandardError*f.StandardError, f.StepError*f.StepError
	n, m := float64(len(f.Deviations)-1), float64(len(f.StepDeviations)-1)
	if steps == 0 || m < 1 {
		return len(f.Deviations) - 1
	}
	return int((queries + steps) * (queries + steps) / (queries*queries/n + steps*steps/m))
}

// standardError returns the combined standard error of queries and steps.
func (f *Forecast) standardError() float64 { return math.Hypot(f.StandardError, f.StepError) }

// differenceOf returns the difference of two figures with deviations over the same
// queries and steps. b is nil for a single figure. Without deviations there is no
// interval.
func differenceOf(value float64, a, b []float64, freedom int) Difference {
	d := Difference{Value: value}
	if a == nil {
		return d
	}
	if b == nil {
		b = make([]float64, len(a))
	}
	d.StandardError = stat.PairedError(a, b)
	d.Low, d.High, d.Probability = stat.DifferenceInterval(value, d.StandardError, freedom)
	return d
}

// Over returns the paired difference f minus other of two forecasts for the same
// queries, or nil if they are for different numbers of queries.
func (f *Forecast) Over(other *Forecast) *Difference {
	if f == nil || other == nil || len(f.Deviations) != len(other.Deviations) || len(f.StepDeviations) != len(other.StepDeviations) {
		return nil
	}
	d := differenceOf(f.Gain-other.Gain, f.shares(), other.shares(), min(f.freedom(), other.freedom()))
	return &d
}

// control returns the comparison that decides whether mining was worth it: with random
// documents, else with another query's negatives. It is nil without either.
func (f *Forecast) control() (name string, d *Difference) {
	switch {
	case f == nil:
		return "", nil
	case f.Random != nil:
		return "random", f.Random
	}
	return "shuffled", f.Shuffled
}
