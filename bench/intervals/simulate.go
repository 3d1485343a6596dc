package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"

	"example.com/eci"
	"gonum.org/v1/gonum/stat/distuv"
)

// setting is one row of the table.
type setting struct {
	queries, groups, replicates, truths int
}

// result says how the intervals of one setting did.
type result struct {
	setting
	truth  []float64 // expected S by source
	scores []coverage
	pairs  []coverage // of sources i < j, in order
	// called counts the replicates in which the source ranked first had
	// BestProbability >= 0.95. wrong counts those in which it was not truly the best.
	called, wrong int
}

// coverage says how often intervals of one quantity held its true value.
type coverage struct {
	name              string
	truth             float64
	held, below       int     // intervals that hold the truth; intervals wholly below it
	corrected, normal int     // intervals about the jackknife's value; with 1.96 for t
	mean, square      float64 // of the estimates
	variance          float64 // mean of the squared standard errors
	jackknife         float64 // mean of the jackknife's values
	n                 int
}

func (c *coverage) add(value, corrected, standardError float64, df int) {
	c.n++
	c.mean += value
	c.square += (value - c.truth) * (value - c.truth)
	c.variance += standardError * standardError
	c.jackknife += corrected
	t := distuv.StudentsT{Sigma: 1, Nu: float64(df)}.Quantile(0.975)
	if math.Abs(value-c.truth) <= t*standardError {
		c.held++
	} else if value < c.truth {
		c.below++
	}
	if math.Abs(corrected-c.truth) <= t*standardError {
		c.corrected++
	}
	if math.Abs(value-c.truth) <= 1.959964*standardError {
		c.normal++
	}
}

// deviation is the standard deviation of the estimates, error the root of the mean
// squared standard error, and bias that of the estimates against the truth.
func (c *coverage) deviation() float64 {
	bias := c.bias()
	return math.Sqrt(max(0, c.square/float64(c.n)-bias*bias))
}
func (c *coverage) error() float64 { return math.Sqrt(c.variance / float64(c.n)) }
func (c *coverage) bias() float64  { return c.mean/float64(c.n) - c.truth }

// simulate draws samples, ranks them with eci.Rank and compares every interval
// with the truth, which is the mean of S over other samples of the same size.
func (p *population) simulate(s setting, seed uint64) (*result, error) {
	truth, err := p.expected(s, seed)
	if err != nil {
		return nil, err
	}
	rankings := make([]*eci.Ranking, s.replicates)
	err = concurrently(s.replicates, func(i int) error {
		drawn := p.draw(rand.New(rand.NewPCG(seed, uint64(2*i))), s.queries)
		sem := p.sem
		sem.Groups, sem.Seed = s.groups, uint64(i)
		r, err := eci.Rank(context.Background(), &sem, p.sources(drawn, fmt.Sprint(i))...)
		if err != nil {
			return err
		}
		for k := range r.Ranked { // the matrices of all replicates would fill the memory
			r.Ranked[k].Matrix = nil
		}
		rankings[i] = r
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := &result{setting: s, truth: truth}
	best := 0
	for i, name := range p.names {
		if truth[i] > truth[best] {
			best = i
		}
		out.scores = append(out.scores, coverage{name: name, truth: truth[i]})
		for j := i + 1; j < len(p.names); j++ {
			out.pairs = append(out.pairs, coverage{name: name + " - " + p.names[j], truth: truth[i] - truth[j]})
		}
	}
	for _, r := range rankings {
		k := 0
		for i, name := range p.names {
			a, _ := r.Find(name)
			out.scores[i].add(a.Value, a.Jackknife, a.StandardError, a.Groups-1)
			for _, other := range p.names[i+1:] {
				b, _ := r.Find(other)
				out.pairs[k].add(a.Value-b.Value, a.Jackknife-b.Jackknife, pairError(r, name, other), min(a.Groups, b.Groups)-1)
				k++
			}
		}
		if first := r.Best(); first.BestProbability >= 0.95 {
			out.called++
			if first.Source != p.names[best] {
				out.wrong++
			}
		}
	}
	return out, nil
}

func pairError(r *eci.Ranking, a, b string) float64 {
	for _, p := range r.Pairs {
		if p.Better == a && p.Worse == b || p.Better == b && p.Worse == a {
			return p.StandardError
		}
	}
	return math.NaN()
}

// expected is the mean S by source over samples that the replicates do not see.
func (p *population) expected(s setting, seed uint64) ([]float64, error) {
	all := make([][]float64, s.truths)
	err := concurrently(s.truths, func(i int) (err error) {
		all[i], err = p.scores(p.draw(rand.New(rand.NewPCG(seed, uint64(2*i+1))), s.queries))
		return err
	})
	if err != nil {
		return nil, err
	}
	mean := make([]float64, len(p.names))
	for _, scores := range all {
		for k, x := range scores {
			mean[k] += x / float64(s.truths)
		}
	}
	return mean, nil
}

// concurrently calls work for 0..n-1 on all cores and returns the first error by
// index.
func concurrently(n int, work func(i int) error) error {
	errs := make([]error, n)
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				errs[i] = work(i)
			}
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
