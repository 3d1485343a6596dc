package eci

import (
	"context"
	"math"

	"example.com/eci/internal/stat"
)

// Scorer scores one source. A higher score ranks first. Implementations in this
// package are [Sem] and [Baseline].
//
// [Rank] calls it from one goroutine. Goroutines may share a Sem, a Baseline and a
// Race; a Scorer that Prepare returned is for one goroutine at a time.
type Scorer interface {
	// Name is a short identifier for tables, such as "eci".
	Name() string
	// Score reads the source once or more and returns its score, or an error
	// and nothing half-counted.
	Score(ctx context.Context, source Source) (*Score, error)
}

// Annotator is implemented by scorers, usually those that [Preparer] returns, that
// know more about a ranking than the scores say: [Rank] calls Annotate once, with
// all scores in their order, before it compares them. A scorer may set
// Calibration, Seed, Embedded, Race and further notes.
// Rank calls it from one goroutine.
type Annotator interface {
	Annotate(ranking *Ranking)
}

// Preparer is implemented by scorers that must see all sources before they can
// score one of them, as [Sem] must to calibrate and to equalise budgets. Rank
// calls Prepare once and scores with the Scorer that it returns.
// Rank calls it from one goroutine.
type Preparer interface {
	Prepare(ctx context.Context, sources ...Source) (Scorer, error)
}

// Ranking is the verdict on several sources, best first.
//
// Goroutines may share a Ranking that none of them changes; all methods only read.
type Ranking struct {
	// Scorer is the name of the score.
	Scorer string
	// Ranked holds one entry for each source, by descending score, ties by name.
	Ranked []Ranked
	// Pairs compares every source with every one ranked below it.
	Pairs []Pair
	// Calibration is what the scores were taken under; nil for a Scorer of the
	// user's own.
	Calibration *Calibration
	// Budget is the most triples scored of any source, Seed that of the sample.
	Budget int
	Seed   uint64
	// Lookahead says what the forecasts rest on, and Verdict what to do; nil unless
	// the scorer is a [Lookahead].
	Lookahead *LookaheadReport
	Verdict   *Verdict
	// Race says how the race went, if it was one.
	Race *RaceReport
	// Embedded counts the texts that were sent to the Embedder.
	Embedded int
	// Notes say in plain words what a reader should know before acting.
	Notes []string

	forecaster *forecaster // of a Lookahead, for mixtures
}

// Ranked is one source in a ranking.
// Goroutines may share one that none of them changes.
type Ranked struct {
	*Score
	// Rank is the place, from 1, and BestProbability the probability that no other
	// source has a higher expected figure. The intervals [RankLow, RankHigh] hold the
	// true ranks of all sources at once with 95% (each source is below those that
	// are better by the simultaneous critical value, and above those that are
	// worse). Both come from the joint t distribution of the figures; without
	// intervals BestProbability is 0 and the rank interval is all ranks.
	Rank              int
	BestProbability   float64
	RankLow, RankHigh int
}

// Pair compares two sources of a ranking.
// Goroutines may share one that none of them changes.
type Pair struct {
	// Better is ranked above Worse.
	Better, Worse string
	// Difference is the difference of their scores or gains, at least 0, and
	// StandardError that of the paired grouped jackknife, or over the queries. For
	// gains StepError adds the paired error of the steps; see [Forecast].
	// [Low, High] is the 95% interval by both, and Probability that of Better being
	// truly better. All are 0 without intervals.
	Difference, StandardError, StepError, Low, High, Probability float64
}

// RaceReport says how a race went.
// Goroutines may share one that none of them changes.
type RaceReport struct {
	// Share is the share of the queries that was read in the end, in (0, 1].
	Share float64 `json:"share"`
	// Boundary is c, the number of standard errors (of a normal distribution) that
	// drop a source.
	Boundary float64 `json:"boundary"`
	// Looks are the looks taken.
	Looks []RaceLook `json:"looks"`
	// Texts is the number of distinct texts of all sources at the budget, queries
	// and documents, and Read how many of them the race looked at: with an Embedder
	// and an empty cache, the texts encoded without a race and with it.
	Texts int `json:"texts"`
	Read  int `json:"texts_read"`
}

// RaceLook is one look of a race.
// Goroutines may share one that none of them changes.
type RaceLook struct {
	// Share is the share of queries read, Triples the most triples of any source.
	Share   float64 `json:"share"`
	Triples int     `json:"triples"`
	// Dropped are the sources dropped at this look, by name.
	Dropped []string `json:"dropped,omitempty"`
}

// Best returns the source that is ranked first; of an empty ranking, rank 0 and an
// empty score.
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

// figure is what a source is ranked by.
type figure struct {
	value, standardError float64
	deviations           []float64 // nil: no interval
	freedom              int       // degrees of freedom of the interval
}

// figure is the gain of a forecast, where there is one, else the score.
func (s *Score) figure() figure {
	if f := s.Forecast; f != nil {
		return figure{f.Gain, f.standardError(), f.shares(), f.freedom()}
	}
	return figure{s.Value, s.StandardError, s.Deviations, s.Groups - 1}
}

// paired reports whether two figures have intervals over the same groups or
// queries.
func (a figure) paired(b figure) bool {
	return a.deviations != nil && len(a.deviations) == len(b.deviations)
}

// pairedError is the standard error of the difference of two such scores.
// Scores that a race took at different looks share only a part of their triples:
// theirs counts as unpaired, which is never too small for positively correlated
// sources. Forecasts of different looks are paired over the queries they share.
func (a *Score) pairedError(b *Score) float64 {
	x, y := a.figure(), b.figure()
	if a.Forecast == nil && a.Dropped != b.Dropped && a.Dropped+b.Dropped > 0 && a.Totals.Triples != b.Totals.Triples {
		return math.Hypot(x.standardError, y.standardError)
	}
	return stat.PairedError(x.deviations, y.deviations)
}
