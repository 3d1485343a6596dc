package eci

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// note fills Notes.
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
		for _, reason := range sortedKeys(s.Skipped) {
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

// lookaheadNotes says what bears on the forecasts. What the verdict says is not
// said again.
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
		say("no better than random documents, as far as is shown: %s", strings.Join(weak, ", "))
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
		say("not better than negatives taken blindly: %s", strings.Join(weak, "; "))
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

// sparse says for which sources the interval lacks groups, in one line for each
// number of groups, by ascending number.
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

// bestBy returns the source with the highest baseline, if one is strictly ahead.
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
