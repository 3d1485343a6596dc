package eci

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/hash64"
	"example.com/eci/internal/stat"
)

// Race is a [Scorer] for [Rank] that reads growing, nested samples of queries. It
// drops a source as soon as the source can no longer be the best. Texts are sent to a
// paid encoder only while the answer is open.
//
// At each look k, with a share t_k of the queries read, the score of each source is
// projected to the full budget: S + (J - S)(1 - t). J is the jackknife estimate; its
// distance from S is the part of S that shrinks like 1/N. A source is dropped when the
// leader's projection exceeds its own by more than c standard errors of their paired
// difference. c is Pocock's boundary for these looks at the one-sided level
// ErrorRate/(m-1) for m sources, adapted to Student's t. The probability of dropping
// the truly best source at any look is then at most ErrorRate (union bound over its
// m-1 rivals), to the extent that scores are normal and the projection holds. The
// documentation of the intervals reports a simulation.
//
// The calibration, unless Sem has one, is computed from the first look's triples of
// all sources and then frozen. A race ends when one source is left or all triples have
// been read. [Ranking.Race] reports where it ended. It is safe for concurrent use
// under the same conditions as a [Sem].
type Race struct {
	// Sem is the method, with its vectors or Embedder, of a race by S.
	Sem Sem
	// Lookahead, if not nil, makes it a race by forecasts, with Lookahead.Sem. Each
	// look forecasts for the queries read so far, from the triples of those queries.
	Lookahead *Lookahead
	// ErrorRate is the probability of dropping the best source, in (0, 0.5]; 0
	// means 0.05.
	ErrorRate float64
	// Indifference is a difference that does not matter, at least 0, in nats or, for
	// forecasts, in nDCG. A source is dropped when it cannot be better than the leader
	// by more than this.
	Indifference float64
	// Looks are the shares of queries at which sources may be dropped: ascending, in
	// (0, 1], the last being 1. Nil means 1/8, 3/16, 1/4, 3/8, 1/2, 3/4, 1.
	Looks []float64
}

// summary describes in plain words what a race did.
func (r *RaceReport) summary() []string {
	lines := []string{fmt.Sprintf("race: over with %.0f%% of the queries and %d of %d distinct texts read", 100*r.Share, r.Read, r.Texts)}
	for _, look := range r.Looks {
		if len(look.Dropped) > 0 {
			lines = append(lines, fmt.Sprintf("race: dropped at %d triples: %s; scores are projected to the budget", look.Triples, strings.Join(look.Dropped, ", ")))
		}
	}
	return lines
}

// Name returns the score's name.
func (r *Race) Name() string {
	if r.Lookahead != nil {
		return r.Lookahead.Name()
	}
	return r.Sem.Name()
}

// Score scores one source on all its triples, as [Sem.Score] does. A single source has
// no rival.
func (r *Race) Score(ctx context.Context, source Source) (*Score, error) {
	if r == nil {
		return nil, fault.Nil("Race")
	}
	if r.Lookahead != nil {
		return r.Lookahead.Score(ctx, source)
	}
	return r.Sem.Score(ctx, source)
}

// Prepare runs the race.
func (r *Race) Prepare(ctx context.Context, sources ...Source) (Scorer, error) {
	if r == nil {
		return nil, fault.Nil("Race")
	}
	race := *r
	if race.ErrorRate == 0 {
		race.ErrorRate = 0.05
	}
	if race.Looks == nil {
		race.Looks = []float64{1. / 8, 3. / 16, 1. / 4, 3. / 8, 1. / 2, 3. / 4, 1}
	}
	if err := race.check(); err != nil {
		return nil, err
	}
	var ahead *Lookahead
	if race.Lookahead != nil && race.Lookahead.Target != nil {
		return nil, fmt.Errorf("eci: race: %w: a race reads growing parts of the sources' own queries; rank for a Target without one", ErrSettings)
	}
	if race.Lookahead != nil {
		settings, err := race.Lookahead.resolve()
		if err != nil {
			return nil, err
		}
		ahead, race.Sem = &settings, settings.Sem
	}
	race.Sem.NoChecks = true // they would send texts of the whole budget to the encoder
	e, err := race.Sem.engine(nil)
	if err != nil {
		return nil, err
	}
	e.ahead = ahead
	survey, err := e.survey(ctx, sources)
	if err != nil {
		return nil, err
	}
	done := &raced{run: &run{surveyed: survey, frozen: e.frozen}, scores: make(map[string]*Score)}
	if err := done.race(ctx, &race, sources); err != nil {
		done.close()
		return nil, err
	}
	return done, nil
}

func (r *Race) check() error {
	if !(r.ErrorRate > 0 && r.ErrorRate <= 0.5) {
		return fmt.Errorf("eci: race: %w: error rate %v is not in (0, 0.5]", ErrSettings, r.ErrorRate)
	}
	if !(r.Indifference >= 0) || math.IsInf(r.Indifference, 0) {
		return fmt.Errorf("eci: race: %w: indifference %v is not finite and at least 0", ErrSettings, r.Indifference)
	}
	last := 0.0
	for _, share := range r.Looks {
		if !(share > last && share <= 1) {
			return fmt.Errorf("eci: race: %w: looks %v do not ascend in (0, 1]", ErrSettings, r.Looks)
		}
		last = share
	}
	if last != 1 {
		return fmt.Errorf("eci: race: %w: the last look of %v is not 1", ErrSettings, r.Looks)
	}
	return nil
}

// upTo is the hash below which a share of all queries lies.
func (band) upTo(share float64) uint64 {
	if share >= 1 {
		return 1 << 63
	}
	return uint64(share * (1 << 63))
}

// raced is a finished race. It returns the scores of the race.
type raced struct {
	*run   // not calibrated until enough queries have been read
	report RaceReport
	scores map[string]*Score
}

// Score returns the score of a source in the race.
func (r *raced) Score(_ context.Context, source Source) (*Score, error) {
	return r.scores[source.Name], nil
}

// Annotate adds the report of the race.
func (r *raced) Annotate(ranking *Ranking) {
	r.run.Annotate(ranking)
	ranking.Race = &r.report
}

// entrant is a source that is still in the race.
type entrant struct {
	source    Source
	sum       *accumulator
	pass      *reading
	score     *Score
	projected float64
}

func (r *raced) race(ctx context.Context, settings *Race, sources []Source) error {
	running := make([]*entrant, len(sources))
	for i, s := range sources {
		running[i] = &entrant{source: s, sum: newAccumulator(r.run, s)}
	}
	if len(sources) > 1 {
		r.report.Boundary = stat.Pocock(settings.Looks, settings.ErrorRate/float64(len(sources)-1))
	}
	read := make(map[textKey]struct{})
	r.band = band{on: true, seed: r.settings.Seed}
	for _, share := range settings.Looks {
		r.band.low, r.band.high = r.band.high, r.band.upTo(share)
		if r.frozen == nil {
			if !r.several() && share < 1 { // the next band joins this one
				r.band.high = 0
				continue
			}
			var err error
			if r.frozen, err = r.calibrate(ctx); err != nil {
				return err
			}
		}
		triples := 0
		for _, e := range running {
			e.pass = r.reading() // each meets all bad rows again
			if err := r.collect(ctx, e.source, e.sum, e.pass); err != nil {
				return err
			}
			if err := r.distinct(ctx, e.source, read); err != nil {
				return err
			}
			triples = max(triples, e.triples())
		}
		look := RaceLook{Share: share, Triples: triples}
		if triples > 0 {
			if err := r.lookAhead(ctx); err != nil {
				return err
			}
			for _, e := range running {
				if err := r.look(ctx, e); err != nil {
					return err
				}
			}
			running, look.Dropped = r.drop(running, settings.Indifference)
		}
		r.report.Looks = append(r.report.Looks, look)
		r.report.Share = share
		if len(running) == 1 && len(sources) > 1 {
			break
		}
	}
	for _, e := range running {
		r.finish(e, 0)
	}
	r.padForecasts()
	r.report.Read = len(read)
	return r.countTexts(ctx, sources)
}

// several reports whether the band has labeled pairs of two different queries, the
// minimum for a calibration.
func (r *raced) several() bool {
	first, found := uint64(0), false
	for _, p := range r.labels.pairs.Sorted() {
		switch {
		case !r.band.holdsKey(p.key):
		case found && p.key != first:
			return true
		default:
			first, found = p.key, true
		}
	}
	return false
}

// look scores what has been read so far and projects the score to the budget. An
// entrant has no score as long as none of its queries have been read.
func (r *raced) look(ctx context.Context, e *entrant) (err error) {
	n, all := e.triples(), r.samples[e.source.Name].size()
	if n == 0 && r.band.high < r.band.upTo(1) {
		return nil
	}
	if e.score, err = e.sum.score(ctx, e.source, e.pass.skipped); err != nil {
		return err
	}
	e.projected = e.score.Value
	if e.score.Deviations != nil && n < all {
		e.projected += (e.score.Jackknife - e.score.Value) * (1 - float64(n)/float64(all))
	}
	if r.forecaster != nil {
		return e.source.wrap(nil, r.inspect(ctx, e.score, e.sum.checks.sorted()))
	}
	return nil
}

// lookAhead prepares the forecasts for the queries read so far.
func (r *raced) lookAhead(ctx context.Context) (err error) {
	if r.ahead == nil {
		return nil
	}
	read := r.band
	read.low = 0
	var queries []*labeledQuery
	for _, q := range r.labels.queries.Sorted() {
		if read.holdsKey(q.key) {
			queries = append(queries, q)
		}
	}
	r.forecaster, err = r.newForecaster(ctx, queries)
	return err
}

// padForecasts makes forecasts of different looks comparable. Queries are read in the
// order in which they are listed, so those of an earlier look come first. The others
// contribute nothing to its standard error.
func (r *raced) padForecasts() {
	most := 0
	for _, s := range r.scores {
		if s.Forecast != nil {
			most = max(most, len(s.Forecast.Deviations))
		}
	}
	for _, s := range r.scores {
		if f := s.Forecast; f != nil && f.Deviations != nil {
			f.Deviations = append(slices.Clip(f.Deviations), make([]float64, most-len(f.Deviations))...)
		}
	}
}

// standing is the value by which entrants are compared.
func (e *entrant) standing() float64 {
	if f := e.score.Forecast; f != nil {
		return f.Gain
	}
	return e.projected
}

func (e *entrant) triples() int {
	n := 0
	for g := range e.sum.totals {
		n += e.sum.totals[g].Triples
	}
	return n
}

// usable reports whether a source can be compared with others. A standard error from
// fewer than 8 jackknife groups is unreliable.
func (e *entrant) usable() bool {
	const fewestGroups = 8
	return e.score != nil && e.score.figure().deviations != nil && e.score.Groups >= fewestGroups
}

// drop removes the sources that can no longer be best.
func (r *raced) drop(running []*entrant, indifference float64) (left []*entrant, dropped []string) {
	var leader *entrant
	for _, e := range running {
		if e.usable() && (leader == nil || e.standing() > leader.standing() || e.standing() == leader.standing() && e.source.Name < leader.source.Name) {
			leader = e
		}
	}
	for _, e := range running {
		if leader == nil || e == leader || !e.usable() {
			left = append(left, e)
			continue
		}
		t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(min(e.score.figure().freedom, leader.score.figure().freedom))}
		critical := t.Quantile(distuv.UnitNormal.CDF(r.report.Boundary))
		if leader.standing()-e.standing()+indifference > critical*leader.score.pairedError(e.score) {
			dropped = append(dropped, e.source.Name)
			r.finish(e, e.score.Totals.Triples)
		} else {
			left = append(left, e)
		}
	}
	slices.Sort(dropped)
	return left, dropped
}

// finish records an entrant's score, projected to the full budget.
func (r *raced) finish(e *entrant, dropped int) {
	s := e.score
	shift := e.projected - s.Value
	s.Value, s.Dropped = e.projected, dropped
	if s.Deviations != nil {
		s.Low, s.High = s.Low+shift, s.High+shift
	}
	r.scores[e.source.Name] = s
}

// distinct records the texts in the current band of a source.
func (r *raced) distinct(ctx context.Context, source Source, seen map[textKey]struct{}) error {
	admit := r.admission(r.samples[source.Name])
	return source.each(ctx, r.reading(), nil, func(rec *Record) error {
		if admit(rec) && r.band.holds(rec) {
			for _, at := range rec.sides() {
				seen[textKey{at.role, hash64.FingerprintOf(at.text)}] = struct{}{}
			}
		}
		return nil
	})
}

// countTexts counts the distinct texts of all sources at the budget.
func (r *raced) countTexts(ctx context.Context, sources []Source) error {
	r.band = band{}
	all := make(map[textKey]struct{})
	for _, s := range sources {
		if err := r.distinct(ctx, s, all); err != nil {
			return err
		}
	}
	r.report.Texts = len(all)
	return nil
}
