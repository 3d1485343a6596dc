package eci

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"

	"example.com/eci/internal/dots"
	"example.com/eci/internal/stat"
)

// compare fills in Pairs.
func (r *Ranking) compare() {
	for i, a := range r.Ranked {
		for _, b := range r.Ranked[i+1:] {
			p := Pair{Better: a.Source, Worse: b.Source, Difference: a.figure().value - b.figure().value}
			if x, y := a.figure(), b.figure(); x.paired(y) {
				both := a.pairedError(b.Score)
				p.Low, p.High, p.Probability = stat.DifferenceInterval(p.Difference, both, min(x.freedom, y.freedom))
				p.StandardError = both
				if f, g := a.Forecast, b.Forecast; f != nil && g != nil {
					p.StandardError, p.StepError = stat.PairedError(f.Deviations, g.Deviations), stat.PairedError(f.StepDeviations, g.StepDeviations)
				}
			}
			r.Pairs = append(r.Pairs, p)
		}
	}
}

// draws is the number of samples from the joint distribution of the figures. With it,
// the Monte Carlo error of a probability is below 0.004.
const draws = 20000

// simulate fills in the probabilities of being best and the rank intervals.
func (r *Ranking) simulate() {
	n := len(r.Ranked)
	for i := range r.Ranked {
		r.Ranked[i].RankLow, r.Ranked[i].RankHigh = 1, n
	}
	j, ok := r.joint(r.Ranked)
	if !ok {
		return
	}
	best := make([]float64, n)
	widest := make([]float64, draws) // the largest difference of two errors, in its own standard errors
	for draw := range draws {
		j.draw()
		for i := range n {
			for k := range i {
				if se := j.errors[i*n+k]; se > 0 {
					widest[draw] = max(widest[draw], math.Abs(j.noise[i]-j.noise[k])/se)
				}
			}
		}
		tied := j.leaders()
		for _, i := range tied {
			best[i] += 1 / float64(len(tied))
		}
	}
	slices.Sort(widest)
	critical := widest[int(math.Ceil(0.95*draws))-1]
	for i := range r.Ranked {
		r.Ranked[i].BestProbability = best[i] / draws
		for k := range r.Ranked {
			switch lead := j.means[k] - j.means[i]; {
			case lead > critical*j.errors[i*n+k]:
				r.Ranked[i].RankLow++
			case -lead > critical*j.errors[i*n+k]:
				r.Ranked[i].RankHigh--
			}
		}
	}
}

// BestOf returns the source with the highest figure among those named, for example
// those that can be paid for. It also returns the probability that no other of them is
// truly better: 0 without intervals, 1 for a single name. Errors are ErrSourceName for
// a name that is not in the ranking or is given twice, and ErrNoSources without names.
func (r *Ranking) BestOf(names ...string) (best Ranked, probability float64, err error) {
	if len(names) == 0 {
		return Ranked{}, 0, fmt.Errorf("eci: best of none: %w", ErrNoSources)
	}
	var some []Ranked
	for i, name := range names {
		s, ok := r.Find(name)
		if !ok || slices.Contains(names[:i], name) {
			return Ranked{}, 0, fmt.Errorf("eci: best of %q: %w: %q is not in the ranking, or is named twice", names, ErrSourceName, name)
		}
		some = append(some, s)
	}
	slices.SortFunc(some, func(a, b Ranked) int { return cmp.Compare(a.Rank, b.Rank) })
	if len(some) == 1 {
		return some[0], 1, nil
	}
	j, ok := r.joint(some)
	if !ok {
		return some[0], 0, nil
	}
	first := 0.0
	for range draws {
		j.draw()
		if tied := j.leaders(); tied[0] == 0 {
			first += 1 / float64(len(tied))
		}
	}
	return some[0], first / draws, nil
}

// joint draws from the joint distribution of the figures of sources. Sources share
// groups or queries, so the errors are normal with the covariances of the deviations,
// divided by the root of a chi-square for the degrees of freedom.
type joint struct {
	random        *rand.Rand
	means, errors []float64    // of the figures; of the differences of every two, n x n
	factor        mat.TriDense // U of the pivoted U^T U of the covariances
	pivot         []int
	freedom       int
	normal        []float64
	noise, values []float64 // of the last draw
	tolerance     float64   // of values that are equal except for rounding
	tied          []int
}

// joint fails without intervals over the same groups or queries.
func (r *Ranking) joint(ranked []Ranked) (*joint, bool) {
	n := len(ranked)
	j := &joint{
		random: rand.New(rand.NewPCG(r.Seed, 0x9e3779b97f4a7c15)), freedom: math.MaxInt,
		means: make([]float64, n), errors: make([]float64, n*n),
		normal: make([]float64, n), noise: make([]float64, n), values: make([]float64, n),
	}
	covariance := mat.NewSymDense(n, nil)
	first := ranked[0].figure()
	for i := range ranked {
		a := ranked[i].figure()
		if !first.paired(a) {
			return nil, false
		}
		j.means[i], j.freedom = a.value, min(j.freedom, a.freedom)
		for k := range i + 1 {
			b := ranked[k].figure()
			covariance.SetSym(i, k, dots.Inner(a.deviations, b.deviations))
			j.errors[i*n+k] = ranked[i].pairedError(ranked[k].Score)
			j.errors[k*n+i] = j.errors[i*n+k]
			j.tolerance = max(j.tolerance, 1e-6*j.errors[i*n+k])
		}
	}
	var cholesky mat.PivotedCholesky
	cholesky.Factorize(covariance, -1)
	cholesky.UTo(&j.factor)
	j.pivot = cholesky.ColumnPivots(nil)
	return j, true
}

// leaders returns the indices of the highest values of the last draw, in order. Sources
// with the same triples have the same values except for rounding, and share a draw.
func (j *joint) leaders() []int {
	highest := slices.Max(j.values)
	j.tied = j.tied[:0]
	for i, v := range j.values {
		if v >= highest-j.tolerance {
			j.tied = append(j.tied, i)
		}
	}
	return j.tied
}

// draw fills in noise and values.
func (j *joint) draw() {
	for i := range j.normal {
		j.normal[i] = j.random.NormFloat64()
	}
	var chi float64
	// With mostFreedom or more, Student's t is treated as normal. At 200 degrees of
	// freedom the 97.5% quantiles are 1.972 and 1.960.
	const mostFreedom = 1000
	if j.freedom < mostFreedom {
		for range j.freedom {
			x := j.random.NormFloat64()
			chi += x * x
		}
		chi /= float64(j.freedom)
	} else {
		chi = 1
	}
	scale := 1 / math.Sqrt(chi)
	for column, i := range j.pivot {
		sum := 0.0
		for row := range column + 1 {
			sum += j.factor.At(row, column) * j.normal[row]
		}
		j.noise[i] = scale * sum
		j.values[i] = j.means[i] + j.noise[i]
	}
}
