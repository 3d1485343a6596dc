package eci

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"example.com/eci/internal/stat"
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
	// Race says how the race went, if it was one.
	Race *RaceReport
	// Embedded counts the texts that were sent to the Embedder.
	Embedded int
	// Notes say in plain words what a reader should know before acting.
	Notes []string
}

// Ranked is one source in a ranking.
// Goroutines may share one that none of them changes.
type Ranked struct {
	*Score
	// Rank is the place, from 1; BestProbability the probability that no other
	// source has a higher expected score; [RankLow, RankHigh] the 95% interval of
	// the rank. Both from the joint t distribution of the scores under the grouped
	// jackknife; without intervals BestProbability is 0 and the rank interval is
	// all ranks.
	Rank              int
	BestProbability   float64
	RankLow, RankHigh int
}

// Pair compares two sources of a ranking.
// Goroutines may share one that none of them changes.
type Pair struct {
	// Better is ranked above Worse.
	Better, Worse string
	// Difference is the difference of their scores, at least 0; StandardError and
	// the 95% interval [Low, High] are those of the paired grouped jackknife, and
	// Probability is that of Better being truly better. All three are 0 without
	// intervals.
	Difference, StandardError, Low, High, Probability float64
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
			return nil, fmt.Errorf("eci: %w: Prepare returned a nil Scorer", ErrScore)
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
		return nil, fmt.Errorf("eci: %w: its name is empty; return one from Name", ErrScore)
	}
	for _, source := range sources {
		s, err := scorer.Score(ctx, source)
		if err != nil {
			return nil, err
		}
		if err := s.check(source); err != nil {
			return nil, source.wrap(nil, fmt.Errorf("scorer %q: %w", scorer.Name(), err))
		}
		ranking.Ranked = append(ranking.Ranked, Ranked{Score: s})
		ranking.Budget = max(ranking.Budget, s.Totals.Triples)
	}
	switch r := scorer.(type) {
	case *raced:
		ranking.describe(r.run)
		ranking.Race = &r.report
	case *run:
		ranking.describe(r)
	}
	slices.SortFunc(ranking.Ranked, func(a, b Ranked) int {
		// What a race dropped is below what it did not, whatever its score.
		return cmp.Or(cmp.Compare(min(a.Dropped, 1), min(b.Dropped, 1)),
			cmp.Compare(b.Value, a.Value), cmp.Compare(a.Source, b.Source))
	})
	for i := range ranking.Ranked {
		ranking.Ranked[i].Rank = i + 1
	}
	ranking.compare()
	ranking.simulate()
	ranking.note()
	return ranking, nil
}

func (r *Ranking) describe(by *run) {
	r.Calibration, r.Seed, r.Embedded = by.calibration, by.Seed, by.vectors.sent()
}

// Best returns the source that is ranked first.
func (r *Ranking) Best() Ranked { return r.Ranked[0] }

// Find returns the entry of a source by name.
func (r *Ranking) Find(name string) (Ranked, bool) {
	for _, s := range r.Ranked {
		if s.Source == name {
			return s, true
		}
	}
	return Ranked{}, false
}

// compare fills Pairs.
func (r *Ranking) compare() {
	for i, a := range r.Ranked {
		for _, b := range r.Ranked[i+1:] {
			p := Pair{Better: a.Source, Worse: b.Source, Difference: a.Value - b.Value}
			if paired(a.Score, b.Score) {
				p.StandardError = pairedError(a.Score, b.Score)
				p.Low, p.High, p.Probability = stat.DifferenceInterval(p.Difference, p.StandardError, min(a.Groups, b.Groups)-1)
			}
			r.Pairs = append(r.Pairs, p)
		}
	}
}

// paired says whether two scores have intervals over the same groups.
func paired(a, b *Score) bool {
	return a.deviations != nil && len(a.deviations) == len(b.deviations)
}

// pairedError is the standard error of the difference of two such scores.
// Scores that a race took at different looks share only a part of their triples:
// theirs counts as unpaired, which is never too small for positively correlated
// sources.
func pairedError(a, b *Score) float64 {
	if a.Dropped != b.Dropped && a.Dropped+b.Dropped > 0 && a.Totals.Triples != b.Totals.Triples {
		return math.Hypot(a.StandardError, b.StandardError)
	}
	return stat.PairedError(a.deviations, b.deviations)
}

// draws is the number of samples from the joint distribution of the scores; the
// Monte Carlo error of a probability is below 0.004.
const draws = 20000

// simulate fills the probabilities of being best and the rank intervals. Because
// the groups are shared, a joint draw is the vector of scores plus the deviations
// times one standard normal for each group, over the root of a chi-square.
func (r *Ranking) simulate() {
	n := len(r.Ranked)
	groups, df := 0, math.MaxInt
	for i := range r.Ranked {
		s := &r.Ranked[i]
		s.RankLow, s.RankHigh = 1, n
		if s.deviations == nil || i > 0 && len(s.deviations) != groups {
			groups = -1
			continue
		}
		if groups >= 0 {
			groups, df = len(s.deviations), min(df, s.Groups-1)
		}
	}
	if groups <= 0 {
		return
	}
	random := rand.New(rand.NewPCG(r.Seed, 0x9e3779b97f4a7c15))
	best := make([]int, n)
	ranks := make([][]int, n) // by source: how often each rank was drawn
	for i := range ranks {
		ranks[i] = make([]int, n)
	}
	normal, value, order := make([]float64, groups), make([]float64, n), make([]int, n)
	for range draws {
		for g := range normal {
			normal[g] = random.NormFloat64()
		}
		var chi float64
		for range df {
			x := random.NormFloat64()
			chi += x * x
		}
		scale := math.Sqrt(float64(df) / chi)
		for i, s := range r.Ranked {
			sum := 0.0
			for g, d := range s.deviations {
				sum += d * normal[g]
			}
			value[i], order[i] = s.Value+scale*sum, i
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(value[b], value[a]) })
		best[order[0]]++
		for rank, i := range order {
			ranks[i][rank]++
		}
	}
	for i := range r.Ranked {
		s := &r.Ranked[i]
		s.BestProbability = float64(best[i]) / draws
		s.RankLow, s.RankHigh = quantileRank(ranks[i], 0.025), quantileRank(ranks[i], 0.975)
	}
}

// quantileRank returns the rank, from 1, at which the cumulated counts reach a
// share p of the draws.
func quantileRank(counts []int, p float64) int {
	sum := 0
	for rank, c := range counts {
		sum += c
		if float64(sum) >= p*draws {
			return rank + 1
		}
	}
	return len(counts)
}

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
	r.checkNotes(say)
	for _, name := range []string{"disjoint", "unique"} {
		if best, ok := r.bestBy(name); ok && best != r.Best().Source {
			say("baseline %q would choose %s, not %s", name, best, r.Best().Source)
		}
	}
}

// checkNotes reports sources that do not beat their controls, and artefacts.
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
	for _, s := range r.Ranked {
		if a := s.Artefact; a != nil && a.AUC > artefactAUC {
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
		if s.Groups < 2 || s.deviations != nil && s.Groups < len(s.deviations) {
			names[s.Groups] = append(names[s.Groups], s.Source)
		}
		of = max(of, len(s.deviations))
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
