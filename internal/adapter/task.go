package adapter

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
)

// Settings configures a training.
type Settings struct {
	Rank        int     // of the adapter
	Ways        int     // positives told apart in a batch; 1: the hard negative alone
	Batch       int     // triples in a step
	Steps       int     // of every training, however many triples there are
	Rate        float64 // of Adam at the start; falls to 0
	Temperature float64 // of InfoNCE
	Folds       int     // of a cross-validation over queries
	Seeds       int     // trainings of every fold
}

// Check returns an error for settings that make no sense.
func (s Settings) Check() error {
	switch {
	case s.Rank < 1 || s.Batch < 1 || s.Steps < 1 || s.Seeds < 1 || s.Folds < 2:
		return fmt.Errorf("rank, batch, steps and seeds must be at least 1, folds at least 2")
	case s.Ways < 1 || s.Ways > s.Batch || s.Batch%s.Ways != 0:
		return fmt.Errorf("ways of %d must divide the batch of %d", s.Ways, s.Batch)
	case !(s.Temperature > 0) || !(s.Rate > 0):
		return fmt.Errorf("temperature and rate must be positive")
	}
	return nil
}

// Defaults were chosen on Cranfield, where their gains have the sign and size of those
// of a larger training.
var Defaults = Settings{Rank: 32, Ways: 1, Batch: 32, Steps: 100, Rate: 3e-4, Temperature: 0.05, Folds: 5, Seeds: 2}

// Triple holds rows of a [Task]: one of its queries and two of its documents.
type Triple struct{ Query, Positive, Negative int }

// Task is the data to train on and to search. All rows have unit length. It is safe
// for concurrent use as long as no goroutine changes it.
type Task struct {
	Queries   blas64.General // those that are asked, and those of triples
	Searched  blas64.General // the pool
	Documents blas64.General // positives and negatives of triples
	// Gains holds, by query, the relevance of documents by row of Searched.
	Gains []map[int]float64
}

// Units returns vectors scaled to unit length, one in each row. A zero vector stays
// zero.
func Units(vectors [][]float32) blas64.General {
	if len(vectors) == 0 {
		return blas64.General{}
	}
	m := Matrix(len(vectors), len(vectors[0]), make([]float64, len(vectors)*len(vectors[0])))
	for i, v := range vectors {
		unit := Row(m, i)
		for k, x := range v {
			unit[k] = float64(x)
		}
		if norm := math.Sqrt(Dot(unit, unit)); norm > 0 {
			for k := range unit {
				unit[k] /= norm
			}
		}
	}
	return m
}

// Fit trains one adapter. Sources of equal size see their triples in the same order
// from the same random numbers, so that differences between them do not come from the
// shuffle. Without triples the adapter equals the frozen encoder.
func (t *Task) Fit(s Settings, triples []Triple, random *rand.Rand) *Adapter {
	a := New(t.Queries.Cols, s.Rank, random)
	if len(triples) == 0 {
		return a
	}
	b := a.newBatch(s.Batch)
	gradient := make([]float64, len(a.params))
	optimizer := newAdam(len(a.params), s.Rate)
	var order []int
	for step := range s.Steps {
		// Linear decay to 0 lets the last steps settle.
		optimizer.rate = s.Rate * float64(s.Steps-step) / float64(s.Steps)
		for i := range s.Batch {
			if len(order) == 0 {
				order = random.Perm(len(triples))
			}
			of := triples[order[0]]
			order = order[1:]
			b.set(i, of.Query, Row(t.Queries, of.Query), Row(t.Documents, of.Positive), Row(t.Documents, of.Negative))
		}
		a.loss(b, s.Ways, s.Temperature, gradient)
		optimizer.update(a.params, gradient)
	}
	return a
}

// Evaluate writes nDCG at the cutoff to result for some queries, given by their rows.
func (t *Task) Evaluate(a *Adapter, queries []int, cutoff int, result []float64) {
	d, n, all := t.Queries.Cols, len(queries), len(queries)+t.Searched.Rows
	m := func(rows, cols int) blas64.General { return Matrix(rows, cols, make([]float64, rows*cols)) }
	x, f := m(all, d), m(all, d)
	for i, q := range queries {
		copy(Row(x, i), Row(t.Queries, q))
	}
	copy(x.Data[n*d:], t.Searched.Data)
	a.apply(x, m(all, a.r), f, make([]float64, all))
	scores := m(n, t.Searched.Rows)
	blas64.Gemm(blas.NoTrans, blas.Trans, 1, Matrix(n, d, f.Data[:n*d]), Matrix(t.Searched.Rows, d, f.Data[n*d:]), 0, scores)
	for i, q := range queries {
		result[q] = NDCG(Top(Row(scores, i), cutoff), t.Gains[q], cutoff)
	}
}
