package eci

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

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
	// gains StepError is the paired error of the steps beside it; see [Forecast].
	// [Low, High] is the 95% interval by both, and Probability that of Better being
	// truly better. All are 0 without intervals.
	Difference, StandardError, StepError, Low, High, Probability float64
}

// Rank scores every source with one scorer and compares them. It needs at least
// one source; names must be distinct. On an error nothing is returned.
func Rank(ctx context.Context, scorer Scorer, sources ...Source) (*Ranking, error) {
	if err := checkSources(sources); err != nil {
		return nil, err
	}
	if scorer == nil {
		return nil, fmt.Errorf("eci: %w: the scorer is nil; use &eci.Sem{...}", ErrSettings)
	}
	if p, ok := scorer.(Preparer); ok {
		prepared, err := p.Prepare(ctx, sources...)
		if err != nil {
			return nil, err
		}
		if prepared == nil {
			return nil, fmt.Errorf("eci: scorer %q: %w: Prepare returned a nil Scorer", scorer.Name(), ErrScore)
		}
		scorer = prepared
	}
	ranking, err := rankPrepared(ctx, scorer, sources)
	if c, ok := scorer.(interface{ close() error }); ok {
		if closeErr := c.close(); closeErr != nil && err == nil {
			ranking.Notes = append(ranking.Notes, fmt.Sprintf("the checkpoint lacks vectors, which will be embedded again: %v", closeErr))
		}
	}
	return ranking, err
}

// rankPrepared is Rank with a scorer that needs no preparation.
func rankPrepared(ctx context.Context, scorer Scorer, sources []Source) (*Ranking, error) {
	ranking := &Ranking{Scorer: scorer.Name()}
	if ranking.Scorer == "" {
		return nil, fmt.Errorf("eci: %w: the scorer %T has no name", ErrSettings, scorer)
	}
	for _, source := range sources {
		s, err := scorer.Score(ctx, source)
		if err != nil {
			return nil, err
		}
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("eci: source %q: scorer %q: %w", source.Name, ranking.Scorer, err)
		}
		for _, other := range ranking.Ranked {
			if other.Score == s {
				return nil, fmt.Errorf("eci: source %q: scorer %q: %w: the Score of source %q was returned again; make one for each", source.Name, ranking.Scorer, ErrScore, other.Source)
			}
		}
		s.Source = source.Name
		ranking.Ranked = append(ranking.Ranked, Ranked{Score: s})
		ranking.Budget = max(ranking.Budget, s.Totals.Triples)
	}
	slices.SortFunc(ranking.Ranked, func(a, b Ranked) int {
		// What a race dropped is below what it did not, whatever its score.
		return cmp.Or(cmp.Compare(min(a.Dropped, 1), min(b.Dropped, 1)),
			cmp.Compare(b.figure().value, a.figure().value), cmp.Compare(a.Source, b.Source))
	})
	for i := range ranking.Ranked {
		ranking.Ranked[i].Rank = i + 1
	}
	if a, ok := scorer.(Annotator); ok {
		a.Annotate(ranking)
	}
	ranking.compare()
	ranking.simulate()
	ranking.note()
	return ranking, nil
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
