package eci

import (
	"context"
	"math"

	"example.com/eci/internal/stat"
)

// Scorer scores one source. A higher score ranks first. [Sem] and [Baseline] are
// implementations in this package.
//
// [Rank] calls it from one goroutine. A Sem, a Baseline and a Race are safe for
// concurrent use. A Scorer that Prepare returned is not: only one goroutine may use it
// at a time.
type Scorer interface {
	// Name is a short identifier for tables, such as "eci".
	Name() string
	// Score reads the source at least once and returns its score. On an error it
	// returns no partial result.
	Score(ctx context.Context, source Source) (*Score, error)
}

// Annotator is implemented by scorers that know more about a ranking than the scores
// say. They are usually those that a [Preparer] returns. [Rank] calls Annotate once
// from one goroutine, with all scores in order, before it compares them. A scorer may
// set Calibration, Seed, Embedded, Race and further notes.
type Annotator interface {
	Annotate(ranking *Ranking)
}

// Preparer is implemented by scorers that must see all sources before they can score
// one of them. [Sem] needs it to calibrate and to equalize budgets. Rank calls Prepare
// once from one goroutine, and scores with the Scorer that it returns.
type Preparer interface {
	Prepare(ctx context.Context, sources ...Source) (Scorer, error)
}

// Ranking is the verdict on several sources, best first.
//
// All its methods only read. It is safe for concurrent use as long as no goroutine
// changes it.
type Ranking struct {
	// Scorer is the name of the score.
	Scorer string
	// Ranked holds one entry for each source, by descending score. Ties are sorted by
	// name.
	Ranked []Ranked
	// Pairs compares every source with each source ranked below it.
	Pairs []Pair
	// Calibration is the calibration of the scores. It is nil for a Scorer of the
	// caller's own.
	Calibration *Calibration
	// Budget is the largest number of triples scored of any source. Seed is that of
	// the sample.
	Budget int
	Seed   uint64
	// Lookahead says what the forecasts are based on, and Verdict what to do. Both are
	// nil unless the scorer is a [Lookahead].
	Lookahead *LookaheadReport
	Verdict   *Verdict
	// Race describes the race, if there was one.
	Race *RaceReport
	// Embedded counts the texts that were sent to the Embedder.
	Embedded int
	// Notes say in plain words what to know before acting on the ranking.
	Notes []string

	forecaster *forecaster // of a Lookahead, for mixtures
}

// Ranked is one source in a ranking.
// It is safe for concurrent use as long as no goroutine changes it.
type Ranked struct {
	*Score
	// Rank is the place, from 1. BestProbability is the probability that no other
	// source has a higher expected figure. With 95% probability, the intervals
	// [RankLow, RankHigh] contain the true ranks of all sources at once: a source is
	// below those that are better by the simultaneous critical value, and above those
	// that are worse. Both come from the joint t distribution of the figures. Without
	// intervals, BestProbability is 0 and the rank interval is all ranks.
	Rank              int
	BestProbability   float64
	RankLow, RankHigh int
}

// Pair compares two sources of a ranking.
// It is safe for concurrent use as long as no goroutine changes it.
type Pair struct {
	// Better is ranked above Worse.
	Better, Worse string
	// Difference is the difference of their scores or gains, at least 0. StandardError
	// is its standard error by the paired grouped jackknife, or over the queries. For
	// gains, StepError is the paired error of the steps; see [Forecast]. [Low, High]
	// is the 95% interval from both errors. Probability is the probability that Better
	// is truly better. All are 0 without intervals.
	Difference, StandardError, StepError, Low, High, Probability float64
}

// RaceReport describes the course of a race.
// It is safe for concurrent use as long as no goroutine changes it.
type RaceReport struct {
	// Share is the share of the queries that had been read at the end, in (0, 1].
	Share float64 `json:"share"`
	// Boundary is c: a source is dropped when it trails by this number of standard
	// errors (of a normal distribution).
	Boundary float64 `json:"boundary"`
	// Looks are the looks taken.
	Looks []RaceLook `json:"looks"`
	// Texts is the number of distinct texts, queries and documents, of all sources at
	// the budget. Read is the number of them that the race looked at. With an Embedder
	// and an empty cache, they are the texts encoded without a race and with it.
	Texts int `json:"texts"`
	Read  int `json:"texts_read"`
}

// RaceLook is one look of a race.
// It is safe for concurrent use as long as no goroutine changes it.
type RaceLook struct {
	// Share is the share of queries read. Triples is the largest number of triples of
	// any source.
	Share   float64 `json:"share"`
	Triples int     `json:"triples"`
	// Dropped are the sources dropped at this look, by name.
	Dropped []string `json:"dropped,omitempty"`
}

// Best returns the source that is ranked first. For an empty ranking it returns rank 0
// and an empty score.
func (r *Ranking) Best() Ranked {
	if len(r.Ranked) == 0 {
		return Ranked{Score: &Score{}}
	}
	return r.Ranked[0]
}

// Find returns the entry of a source by name.
func (r *Ranking) Find(name string) (Ranked, bool) {
	for _, s := range r.Ranked {
		if s.Source == name {
			return s, true
		}
	}
	return Ranked{}, false
}

// figure is the value that a source is ranked by.
type figure struct {
	value, standardError float64
	deviations           []float64 // nil: no interval
	freedom              int       // degrees of freedom of the interval
}

// figure returns the gain of the forecast if there is one, else the score.
func (s *Score) figure() figure {
	if f := s.Forecast; f != nil {
		return figure{f.Gain, f.standardError(), f.shares(), f.freedom()}
	}
	return figure{s.Value, s.StandardError, s.Deviations, s.Groups - 1}
}

// paired reports whether two figures have intervals over the same groups or queries.
func (a figure) paired(b figure) bool {
	return a.deviations != nil && len(a.deviations) == len(b.deviations)
}

// pairedError returns the standard error of the difference of two such scores. Scores
// that a race took at different looks share only a part of their triples. Their error
// is computed as if unpaired, which is never too small for positively correlated
// sources. Forecasts of different looks are paired over the queries they share.
func (a *Score) pairedError(b *Score) float64 {
	x, y := a.figure(), b.figure()
	if a.Forecast == nil && a.Dropped != b.Dropped && a.Dropped+b.Dropped > 0 && a.Totals.Triples != b.Totals.Triples {
		return math.Hypot(x.standardError, y.standardError)
	}
	return stat.PairedError(x.deviations, y.deviations)
}
