package main

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"

	"example.com/eci/internal/adapter"
)

const cutoff = 10 // of nDCG

// settings of the training. The same for every source: a source that needs others
// to shine is measured at these.
type settings = adapter.Settings

// measure trains adapters on every source, cross-validated over queries. It returns
// nDCG@10 on held-out queries by source and query, as the mean over seeds, and that of
// the frozen encoder by query. progress may be called from any goroutine.
func (c *collection) measure(ctx context.Context, s settings, progress func(done, all int)) (trained [][]float64, frozen []float64, err error) {
	fold := make([]int, len(c.names))
	for q, id := range c.names {
		fold[q] = foldOf(id, s.Folds)
	}
	frozen = make([]float64, len(c.names))
	everything := make([]int, len(c.names))
	for q := range everything {
		everything[q] = q
	}
	c.task.Evaluate(adapter.New(c.d, 1, rand.New(rand.NewPCG(0, 0))), everything, cutoff, frozen)

	// One job is one training. Each writes to its own rows, so the result does not
	// depend on the order of jobs.
	jobs := len(c.sources) * s.Folds * s.Seeds
	results := make([][]float64, len(c.sources)*s.Seeds)
	for i := range results {
		results[i] = make([]float64, len(c.names))
	}
	var next, done atomic.Int64
	var wait sync.WaitGroup
	for range min(jobs, runtime.GOMAXPROCS(0)) {
		wait.Go(func() {
			for {
				job := int(next.Add(1)) - 1
				if job >= jobs || ctx.Err() != nil {
					return
				}
				source, rest := job/(s.Folds*s.Seeds), job%(s.Folds*s.Seeds)
				held, seed := rest/s.Seeds, rest%s.Seeds
				var test []int
				for q, f := range fold {
					if f == held {
						test = append(test, q)
					}
				}
				var triples []adapter.Triple
				for _, t := range c.sources[source].triples {
					if fold[t.Query] != held {
						triples = append(triples, t)
					}
				}
				a := c.task.Fit(s, triples, rand.New(rand.NewPCG(uint64(seed), uint64(held))))
				c.task.Evaluate(a, test, cutoff, results[source*s.Seeds+seed])
				progress(int(done.Add(1)), jobs)
			}
		})
	}
	wait.Wait()
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	for source := range c.sources {
		mean := make([]float64, len(c.names))
		for seed := range s.Seeds {
			for q, x := range results[source*s.Seeds+seed] {
				mean[q] += x / float64(s.Seeds)
			}
		}
		trained = append(trained, mean)
	}
	return trained, frozen, nil
}

// paired returns the mean of x - y and its standard error over queries.
func paired(x, y []float64) (mean, standardError float64) {
	n := float64(len(x))
	for i := range x {
		mean += (x[i] - y[i]) / n
	}
	if n < 2 {
		return mean, 0
	}
	var square float64
	for i := range x {
		square += (x[i] - y[i] - mean) * (x[i] - y[i] - mean)
	}
	return mean, math.Sqrt(square / (n - 1) / n)
}
