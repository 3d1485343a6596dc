package eci

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"example.com/eci/internal/sorted"
)

// Rank scores every source with one scorer and compares them. It needs at least one
// source. Names must be distinct. If any source fails, Rank returns an error and no
// ranking.
func Rank(ctx context.Context, scorer Scorer, sources ...Source) (*Ranking, error) {
	if err := checkSources(sources); err != nil {
		return nil, err
	}
	if scorer == nil {
		return nil, fmt.Errorf("eci: %w: the scorer is nil; use &eci.Lookahead{Sem: eci.Sem{...}}", ErrSettings)
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

// rankPrepared is Rank for a scorer that needs no preparation.
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
		// A source that a race dropped ranks below those it did not, whatever its
		// score.
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

// note fills in Notes.
func (r *Ranking) note() {
	say := func(format string, args ...any) { r.Notes = append(r.Notes, fmt.Sprintf(format, args...)) }
	if len(r.Ranked) == 1 {
		say("one source only: there is nothing to compare it with")
	}
	for _, s := range r.sparse() {
		say("%s", s)
	}
	if r.Race != nil {
		for _, s := range r.Race.summary() {
			say("%s", s)
		}
	}
	for _, s := range r.Ranked {
		if s.Totals.Triples < r.Budget && s.Dropped == 0 {
			say("%s: %d triples against %d of the largest; scores grow with the number of triples", s.Source, s.Totals.Triples, r.Budget)
		}
		if n := s.Totals.Identical; n > 0 {
			say("%s: %d negatives equal their own positive; they count as triples and add nothing", s.Source, n)
		}
		for _, reason := range sorted.Keys(s.Skipped) {
			say("%s: %d rows left out: %s", s.Source, s.Skipped[reason], reason)
		}
	}
	if r.Lookahead != nil {
		r.lookaheadNotes(say)
		return
	}
	r.checkNotes(say)
	for _, name := range []string{"disjoint", "unique"} {
		if best, ok := r.bestBy(name); ok && best != r.Best().Source {
			say("baseline %q would choose %s, not %s", name, best, r.Best().Source)
		}
	}
}

// lookaheadNotes returns the notes on the forecasts. It does not repeat the verdict.
func (r *Ranking) lookaheadNotes(say func(format string, args ...any)) {
	for _, warning := range r.Verdict.Warnings {
		say("%s", warning)
	}
	if r.Verdict.Action != ActionUnknown {
		for _, doubt := range r.Lookahead.Doubts {
			say("%s", doubt)
		}
	}
	for _, note := range r.Lookahead.Notes {
		say("%s", note)
	}
	var weak, blind []string
	for _, s := range r.Ranked {
		if s.Forecast.Still {
			say("%s: every triple weighs nothing for some queries, so that no step was made for them", s.Source)
		}
		switch shuffled := s.Forecast.Shuffled; {
		case s.Forecast.Harms:
		case !s.beatsRandom():
			weak = append(weak, s.Source)
		case shuffled != nil && !(shuffled.Low > 0):
			blind = append(blind, s.Source)
		}
	}
	if weak != nil {
		say("not shown to be better than random documents: %s", strings.Join(weak, ", "))
	}
	if blind != nil {
		say("another query's negatives may do as well: %s", strings.Join(blind, ", "))
	}
	r.artifactNotes(say)
}

// checkNotes reports sources that do not beat their controls, and artifacts.
func (r *Ranking) checkNotes(say func(format string, args ...any)) {
	var weak []string
	for _, s := range r.Ranked {
		if names := s.Controls.unbeaten(); names != nil {
			weak = append(weak, fmt.Sprintf("%s (%s)", s.Source, strings.Join(names, ", ")))
		}
	}
	if weak != nil {
		say("not better than random negatives: %s", strings.Join(weak, "; "))
	}
	r.artifactNotes(say)
}

func (r *Ranking) artifactNotes(say func(format string, args ...any)) {
	for _, s := range r.Ranked {
		if a := s.Artifact; a != nil && a.AUC > artifactAUC {
			say("%s: its negatives can be told from positives without the query (AUC %.2f); a retriever may learn the writer, not the task. Easiest: %s", s.Source, a.AUC, a.Rows[0].place())
		}
	}
}

// sparse names the sources whose interval has too few groups, on one line for each
// number of groups, in ascending order.
func (r *Ranking) sparse() []string {
	names := make(map[int][]string)
	of := 0
	for _, s := range r.Ranked {
		if s.Groups < 2 || s.Deviations != nil && s.Groups < len(s.Deviations) {
			names[s.Groups] = append(names[s.Groups], s.Source)
		}
		of = max(of, len(s.Deviations))
	}
	var lines []string
	for _, groups := range slices.Sorted(maps.Keys(names)) {
		who := strings.Join(names[groups], ", ")
		if len(names[groups]) == len(r.Ranked) && len(r.Ranked) > 1 {
			who = "all sources"
		}
		if groups < 2 {
			lines = append(lines, who+": fewer than two groups of queries, so there is no interval")
		} else {
			lines = append(lines, fmt.Sprintf("%s: queries in %d of %d groups; the intervals are wide for it", who, groups, of))
		}
	}
	return lines
}

// bestBy returns the source with the highest baseline if it is strictly ahead, else
// "".
func (r *Ranking) bestBy(name string) (string, bool) {
	best, value, tied := "", math.Inf(-1), false
	for _, s := range r.Ranked {
		v, ok := s.Baselines[name]
		switch {
		case !ok || r.Scorer == name:
			return "", false
		case v > value:
			best, value, tied = s.Source, v, false
		case v == value:
			tied = true
		}
	}
	return best, !tied
}
