package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
)

// settings of the training. The same for every source: a source that needs
// others to shine is measured at these.
type settings struct {
	rank        int     // r of the adapter
	ways        int     // positives told apart in a batch; 1: the hard negative alone
	batch       int     // triples in a step
	steps       int     // of every training, however many triples there are
	rate        float64 // of Adam
	temperature float64 // of InfoNCE
	folds       int     // of the cross-validation over queries
	seeds       int     // trainings of every fold
}

func (s settings) check() error {
	switch {
	case s.rank < 1 || s.batch < 1 || s.steps < 1 || s.seeds < 1 || s.folds < 2:
		return fmt.Errorf("rank, batch, steps and seeds must be at least 1, folds at least 2")
	case s.ways < 1 || s.ways > s.batch || s.batch%s.ways != 0:
		return fmt.Errorf("ways of %d must divide the batch of %d", s.ways, s.batch)
	case !(s.temperature > 0) || !(s.rate > 0):
		return fmt.Errorf("temperature and rate must be positive")
	}
	return nil
}

const cutoff = 10 // of nDCG

// measure trains adapters on every source, cross-validated over queries, and
// returns nDCG@10 on held-out queries, by source and query, the mean over seeds;
// and that of the frozen encoder, by query. progress is called from any goroutine.
func (c *collection) measure(ctx context.Context, s settings, progress func(done, all int)) (trained [][]float64, frozen []float64, err error) {
	fold := make([]int, len(c.names))
	for q, id := range c.names {
		fold[q] = foldOf(id, s.folds)
	}
	frozen = make([]float64, len(c.names))
	everything := make([]int, len(c.names))
	for q := range everything {
		everything[q] = q
	}
	c.evaluate(newAdapter(c.d, 1, rand.New(rand.NewPCG(0, 0))), everything, frozen)

	// One job is one training. Each writes to rows of its own, so that the result
	// does not depend on their order.
	jobs := len(c.sources) * s.folds * s.seeds
	results := make([][]float64, len(c.sources)*s.seeds)
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
				source, rest := job/(s.folds*s.seeds), job%(s.folds*s.seeds)
				held, seed := rest/s.seeds, rest%s.seeds
				var test []int
				for q, f := range fold {
					if f == held {
						test = append(test, q)
					}
				}
				a := c.fit(source, s, fold, held, seed)
				c.evaluate(a, test, results[source*s.seeds+seed])
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
		for seed := range s.seeds {
			for q, x := range results[source*s.seeds+seed] {
				mean[q] += x / float64(s.seeds)
			}
		}
		trained = append(trained, mean)
	}
	return trained, frozen, nil
}

// fit trains one adapter on the triples of a source whose query is not in the
// held-out fold. Sources of equal size see their triples in the same order, so
// that the differences between them are not those of the shuffle.
func (c *collection) fit(source int, s settings, fold []int, held, seed int) *adapter {
	random := rand.New(rand.NewPCG(uint64(seed), uint64(held)))
	a := newAdapter(c.d, s.rank, random)
	var triples []triple
	for _, t := range c.sources[source].triples {
		if fold[t.query] != held {
			triples = append(triples, t)
		}
	}
	if len(triples) == 0 {
		return a
	}
	b := a.newBatch(s.batch)
	gradient := make([]float64, len(a.params))
	optimizer := newAdam(len(a.params), s.rate)
	var order []int
	for step := range s.steps {
		// Linear decay to 0 leaves the last steps to settle.
		optimizer.rate = s.rate * float64(s.steps-step) / float64(s.steps)
		for i := range s.batch {
			if len(order) == 0 {
				order = random.Perm(len(triples))
			}
			t := triples[order[0]]
			order = order[1:]
			b.set(i, t.query, row(c.queries, t.query), row(c.documents, t.positive), row(c.documents, t.negative))
		}
		a.loss(b, s.ways, s.temperature, gradient)
		optimizer.update(a.params, gradient)
	}
	return a
}

// evaluate writes nDCG@10 of the queries over the whole corpus.
func (c *collection) evaluate(a *adapter, queries []int, result []float64) {
	n, all := len(queries), len(queries)+c.searched.Rows
	m := func(rows, cols int) blas64.General { return matrix(rows, cols, make([]float64, rows*cols)) }
	x, f := m(all, c.d), m(all, c.d)
	for i, q := range queries {
		copy(row(x, i), row(c.queries, q))
	}
	copy(x.Data[n*c.d:], c.searched.Data)
	a.apply(x, m(all, a.r), f, make([]float64, all))
	scores := m(n, c.searched.Rows)
	blas64.Gemm(blas.NoTrans, blas.Trans, 1, matrix(n, c.d, f.Data[:n*c.d]), matrix(c.searched.Rows, c.d, f.Data[n*c.d:]), 0, scores)
	for i, q := range queries {
		result[q] = ndcg(top(row(scores, i), cutoff), c.gains[q], cutoff)
	}
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
