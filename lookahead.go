package eci

import (
	"context"
	"fmt"
	"iter"
	"math"

	"example.com/eci/internal/fault"
)

// Lookahead is the [Scorer] to rank by. It forecasts what training on a source would
// do to retrieval. On a bounded sample of a source's triples it takes three half
// Gauss-Newton steps of a small adapter, in closed form. After each step it measures
// how nDCG changes for queries that had no part in the step. Nothing is trained. Apart
// from the texts of a Pool, it embeds no text that S does not need. See
// docs/method.md.
//
// A ranking by Lookahead also shows S and its parts: what a source could teach, and
// whether that helps.
//
// The zero value with Sem.Embedder or Sem.Vectors is the documented default. Use does
// not change a Lookahead. It is safe for concurrent use under the same conditions as
// its Sem.
type Lookahead struct {
	// Sem says how triples are read, weighted and budgeted, where vectors come from
	// and what a checkpoint keeps.
	Sem Sem
	// Pool holds the documents that queries are searched in. Their order breaks ties.
	// It may be ranged over more than once. A larger pool is reduced to the 4,096
	// documents of least hash and every relevant document. Nil means the labeled
	// positives of the sources. The sources' negatives are never in the pool, because
	// generated passages in it would halve the agreement with training.
	Pool iter.Seq2[Document, error]
	// Relevant lists the IDs of the documents known to answer a query, by the query's
	// ID (qrels), in addition to the positives of the triples. A relevant document
	// that is in neither counts as a competitor, so give all that are known.
	Relevant map[string][]string
	// Triples is the number of triples of each source to walk on, those of least hash.
	// 0 means 512, Unlimited means all. 2,048 were no more informative.
	Triples int
	// Target is the retrieval task that the sources are to help, if it is not the task
	// of their own queries. Pool and Relevant are then the target's.
	Target *Target
	// Cutoff is the k of nDCG@k: 0 means 10.
	Cutoff int
	// Axes is the number of principal axes of the pool that the adapter acts in, at
	// most 4,096. 0 means 128.
	Axes int
}

// LookaheadReport says what the forecasts of a ranking are based on.
// It is safe for concurrent use as long as no goroutine changes it.
type LookaheadReport struct {
	// Metric is the unit of the forecasts, such as "nDCG@10". Target is the name of
	// the [Target] that they are for, if there is one.
	Metric string `json:"metric"`
	Target string `json:"target,omitempty"`
	// Queries is the number of labeled queries evaluated. Pool is the number of
	// documents they were searched in. Corpus reports whether a pool was given.
	Queries int  `json:"queries"`
	Pool    int  `json:"pool"`
	Corpus  bool `json:"corpus"`
	// Frozen is the mean of the metric before any step.
	Frozen float64 `json:"frozen"`
	// Axes is the number of axes in use. Triples is the largest number of triples of a
	// source that were walked on.
	Axes    int `json:"axes"`
	Triples int `json:"triples"`
	// Doubts are reasons not to rely on the forecasts. Notes are other remarks on
	// them.
	Doubts []string `json:"doubts,omitempty"`
	Notes  []string `json:"notes,omitempty"`
}

// Unit returns the unit of the forecasts in words, such as "nDCG@10 on scifact".
func (r *LookaheadReport) Unit() string {
	if r.Target == "" {
		return r.Metric
	}
	return r.Metric + " on " + r.Target
}

const (
	mostQueries = 4096
	foldGroups  = 32 // a query's fold is its group of 32, modulo the folds
	folds       = 5
)

// Name returns "lookahead".
func (l *Lookahead) Name() string { return "lookahead" }

// Score forecasts a single source. Its own labeled pairs serve for the calibration,
// unless Sem has one, and for the pool, unless there is one.
func (l *Lookahead) Score(ctx context.Context, source Source) (*Score, error) {
	prepared, err := l.Prepare(ctx, source)
	if err != nil {
		return nil, err
	}
	return prepared.Score(ctx, source)
}

// Prepare surveys all sources and prepares the pool and the labeled queries.
func (l *Lookahead) Prepare(ctx context.Context, sources ...Source) (Scorer, error) {
	settings, err := l.resolve()
	if err != nil {
		return nil, err
	}
	e, err := l.Sem.engine(nil)
	if err != nil {
		return nil, err
	}
	e.ahead = &settings
	return e.run(ctx, sources)
}

// resolve fills in the defaults.
func (l *Lookahead) resolve() (Lookahead, error) {
	const walkedTriples = 512
	if l == nil {
		return Lookahead{}, fault.Nil("Lookahead")
	}
	s := *l
	switch s.Triples {
	case 0:
		s.Triples = walkedTriples
	case Unlimited:
		s.Triples = math.MaxInt
	}
	if s.Cutoff == 0 {
		s.Cutoff = 10
	}
	if s.Axes == 0 {
		s.Axes = 128
	}
	switch {
	case s.Triples < 1:
		return s, fmt.Errorf("eci: lookahead: %w: %d triples; use a positive number, 0 for %d or Unlimited", ErrSettings, l.Triples, walkedTriples)
	case s.Cutoff < 1 || s.Cutoff > 1<<20:
		return s, fmt.Errorf("eci: lookahead: %w: a cutoff of %d; nDCG@k needs a k from 1 to %d", ErrSettings, l.Cutoff, 1<<20)
	case s.Target != nil && (s.Pool != nil || s.Relevant != nil):
		return s, fmt.Errorf("eci: lookahead: %w: with a Target, Pool and Relevant are the target's; set Target.Pool and Target.Relevant", ErrSettings)
	case s.Axes < 1 || s.Axes > 4096:
		return s, fmt.Errorf("eci: lookahead: %w: %d axes are not in 1..4096", ErrSettings, l.Axes)
	}
	return s, nil
}
