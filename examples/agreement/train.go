package main

import (
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
	epochs      int     // passes over the smallest source's triples
	rate, decay float64 // of Adam
	temperature float64 // of InfoNCE
	folds       int     // of the cross-validation over queries
	seeds       int     // trainings of every fold
}

func (s settings) check() error {
	switch {
	case s.rank < 1 || s.batch < 1 || s.epochs < 1 || s.seeds < 1 || s.folds < 2:
		return fmt.Errorf("rank, batch, epochs and seeds must be at least 1, folds at least 2")
	case s.ways < 1 || s.ways > s.batch || s.batch%s.ways != 0:
		return fmt.Errorf("ways must divide the batch of %d", s.batch)
	case !(s.temperature > 0) || !(s.rate > 0) || !(s.decay >= 0):
		return fmt.Errorf("temperature and rate must be positive, decay at least 0")
	}
	return nil
}

const cutoff = 10 // of nDCG

// measure trains adapters on every source, cross-validated over queries, and
// returns nDCG@10 on held-out queries, by source and query, the mean over seeds;
// and that of the frozen encoder, by query.
func (c *collection) measure(s settings, progress func(done, all int)) (trained [][]float64, frozen []float64) {
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
				if job >= jobs {
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
				if progress != nil {
					progress(int(done.Add(1)), jobs)
				}
			}
		})
	}
	wait.Wait()
	for source := range c.sources {
		mean := make([]float64, len(c.names))
		for seed := range s.seeds {
			for q, x := range results[source*s.seeds+seed] {
				mean[q] += x / float64(s.seeds)
			}
		}
		trained = append(trained, mean)
	}
	return trained, frozen
}

// fit trains one adapter on the triples of a source whose query is not in the
// held-out fold. Sources of equal size see their triples in the same order, so
// that the differences between them are not those of the shuffle.
func (c *collection) fit(source int, s settings, fold []int, held, seed int) *adapter {
	random := rand.New(rand.NewPCG(uint64(seed), uint64(held)))
	a := newAdapter(c.d, s.rank, random)
	fewest := math.MaxInt
	var triples []triple
	for i := range c.sources {
		n := 0
		for _, t := range c.sources[i].triples {
			if fold[t.query] != held {
				n++
				if i == source {
					triples = append(triples, t)
				}
			}
		}
		fewest = min(fewest, n)
	}
	steps := s.epochs * ((fewest + s.batch - 1) / s.batch)
	if len(triples) == 0 {
		return a
	}
	size := s.batch
	b := a.newBatch(size)
	gradient := make([]float64, len(a.params))
	optimiser := newAdam(len(a.params), s.rate, s.decay)
	var order []int
	for step := range steps {
		// Linear decay to 0 leaves the last steps to settle.
		optimiser.rate = s.rate * float64(steps-step) / float64(steps)
		for i := range size {
			if len(order) == 0 {
				order = random.Perm(len(triples))
			}
			t := triples[order[0]]
			order = order[1:]
			b.query[i] = t.query
			copy(b.q.Data[i*c.d:(i+1)*c.d], c.queries.Data[t.query*c.d:])
			copy(b.p.Data[i*c.d:(i+1)*c.d], c.documents.Data[t.positive*c.d:])
			copy(b.neg.Data[i*c.d:(i+1)*c.d], c.documents.Data[t.negative*c.d:])
		}
		a.loss(b, s.ways, s.temperature, gradient)
		optimiser.update(a.params, gradient)
	}
	return a
}

// evaluate writes nDCG@10 of the queries over the whole corpus.
func (c *collection) evaluate(a *adapter, queries []int, result []float64) {
	n := len(queries)
	if n == 0 {
		return
	}
	m := func(cols int) blas64.General { return matrix(n, cols, make([]float64, n*cols)) }
	q, f := m(c.d), m(c.d)
	for i, row := range queries {
		copy(q.Data[i*c.d:(i+1)*c.d], c.queries.Data[row*c.d:])
	}
	a.apply(q, m(a.r), f, make([]float64, n))
	scores := m(c.searched.Rows)
	blas64.Gemm(blas.NoTrans, blas.Trans, 1, f, c.searched, 0, scores)
	for i, row := range queries {
		ranking := top(scores.Data[i*c.searched.Rows:(i+1)*c.searched.Rows], cutoff)
		result[row] = ndcg(ranking, c.gains[row], cutoff)
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
