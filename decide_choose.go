package eci

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"

	"example.com/eci/internal/adapter"
	"example.com/eci/internal/ctxerr"
	"example.com/eci/internal/fault"
	"example.com/eci/internal/hash64"
	"example.com/eci/internal/least"
	"example.com/eci/internal/lookahead"
	"example.com/eci/internal/stat"
)

// Choose selects the triples of a source to train on. The influence of a triple is how
// much learning from it would help labeled queries other than its own, at the state
// that a short walk on the source has reached. For every pair of query and positive,
// the share of triples with the highest influence is kept. docs/choosing.md reports
// what was measured.
//
// A choice is specific to one encoder and one source. It does not find false
// negatives; use a [Linter] for that. Before any training, the choice is tested on
// queries that took no part in it; see [ChoiceCheck].
//
// Use does not change a Choose. It is safe for concurrent use under the same
// conditions as its Sem.
type Choose struct {
	// Lookahead says where vectors, pool and judgments come from. With a Target,
	// influence is measured on the target's queries. Lookahead.Triples and Sem.Budget
	// do not apply: the linear systems are made from Sample triples, and every triple
	// is scored.
	Lookahead Lookahead
	// Keep is the share of triples to keep for each query and positive, in (0, 1]. At
	// least one is kept. 0 means 0.5.
	Keep float64
	// Sample is the number of triples, those of least hash, that the linear systems
	// are made from, at most 8,192. 0 means 2,048. Memory grows with its square.
	Sample int
	// NoCheck skips the check. CheckByTraining trains small adapters on each selection
	// instead of looking ahead. That takes half a minute on two cores rather than
	// seconds, and is more reliable.
	NoCheck, CheckByTraining bool
}

// Choice is the result of a [Choose] for one source. It holds 9 bytes for every
// triple, and no text. It is safe for concurrent use.
type Choice struct {
	// Triples is the number of triples scored, Kept the number of triples kept, and
	// Pairs the number of distinct pairs of query and positive.
	Triples, Kept, Pairs int
	// Target and Metric are those of [LookaheadReport]. Skipped counts the rows left
	// out, by reason.
	Target, Metric string
	Skipped        map[string]int
	// Check is the result of the check; nil with NoCheck.
	Check *ChoiceCheck
	// Doubts are reasons not to rely on the choice. Notes are other remarks on it.
	Doubts, Notes []string

	source    Source
	first     *reading
	pass      func() *reading
	influence []float32
	place     []int32
	kept      []bool
}

// Chosen is a triple with its influence. It is valid as long as the triples of the
// source are.
// Only the goroutine that ranges over the sequence may use it.
type Chosen struct {
	// Triple is the row as yielded by the source.
	Triple
	// Influence is positive for a triple that helps. Its unit is comparable within one
	// source only.
	Influence float64
	// Place is the triple's place by influence among those of its query and positive,
	// from 1. Kept reports whether it is one to train on.
	Place int
	Kept  bool
}

// ChoiceCheck is an estimate of what the choice would do, on queries that took no part
// in it. The folds are nested: influence is computed without a fold's queries and
// triples. The fold's queries are then evaluated after four half steps on each
// selection, or after training an adapter on it. The figures are mean changes of the
// metric.
// It is safe for concurrent use as long as no goroutine changes it.
type ChoiceCheck struct {
	// Trained reports whether adapters were trained.
	Trained bool `json:"trained"`
	// Queries is the number of queries evaluated. Triples is the number of triples to
	// choose from: whole pairs of least hash.
	Queries int `json:"queries"`
	Triples int `json:"triples"`
	// Chosen is the change after training on the chosen share. Random is the change
	// after the same number of triples, drawn blindly from the same pairs. All is the
	// change after all triples, and Opposite after the same number with the lowest
	// influence.
	Chosen   float64 `json:"chosen"`
	Random   float64 `json:"random"`
	All      float64 `json:"all"`
	Opposite float64 `json:"opposite"`
	// OverRandom and OverAll are Chosen minus Random and Chosen minus All, paired.
	OverRandom Difference `json:"over_random"`
	OverAll    Difference `json:"over_all"`
}

// Helps reports whether the choice is shown at 95% to beat a random one.
func (c *ChoiceCheck) Helps() bool { return c != nil && c.OverRandom.Low > 0 }

const trialDraws = 4 // random choices of the check that are averaged

// From scores every triple of a source and chooses. It also evaluates the labeled
// queries and positives of others. It reads the source three times. Each range over
// the choice reads it once more.
func (c *Choose) From(ctx context.Context, source Source, others ...Source) (*Choice, error) {
	settings, r, err := c.prepare(ctx, source, others)
	if err != nil {
		return nil, err
	}
	defer r.close()
	return settings.from(ctx, r, source)
}

// prepare fills in the defaults and finds pool and labeled queries.
func (c *Choose) prepare(ctx context.Context, source Source, others []Source) (*Choose, *run, error) {
	if c == nil {
		return nil, nil, fault.Nil("Choose")
	}
	settings := *c
	settings.Keep = cmp.Or(settings.Keep, 0.5)
	settings.Sample = cmp.Or(settings.Sample, 2048)
	switch {
	case !(settings.Keep > 0 && settings.Keep <= 1):
		return nil, nil, fmt.Errorf("eci: choose: %w: Keep is %v, want a share in (0, 1]", ErrSettings, c.Keep)
	case settings.Sample < 1 || settings.Sample > 8192:
		return nil, nil, fmt.Errorf("eci: choose: %w: Sample is %d, want 1 to 8,192", ErrSettings, c.Sample)
	}
	ahead := settings.Lookahead
	ahead.Sem.Budget, ahead.Sem.NoChecks, ahead.Sem.Checkpoint = Unlimited, true, ""
	scorer, err := ahead.Prepare(ctx, append([]Source{source}, others...)...)
	if err != nil {
		return nil, nil, err
	}
	return &settings, scorer.(*run), nil
}

func (c *Choose) from(ctx context.Context, r *run, source Source) (*Choice, error) {
	report := r.forecaster.report
	choice := &Choice{
		Metric: report.Metric, Target: report.Target, Doubts: report.Doubts, Notes: report.Notes,
		source: source, pass: func() *reading {
			engine, own := *r.engine, *r.surveyed
			engine.vectors = newVectorSource(r.settings) // looking up vectors has working memory
			own.engine = &engine
			return own.reading()
		},
	}
	sample, err := r.sampleForChoice(ctx, source, c)
	if err != nil {
		return nil, err
	}
	influence, err := r.influence(ctx, source, sample.least)
	if err != nil {
		return nil, err
	}
	pairs, err := choice.score(ctx, r, influence)
	if err != nil {
		return nil, err
	}
	scores := make([]float64, len(choice.influence))
	for i, x := range choice.influence {
		scores[i] = float64(x)
	}
	choice.place, choice.kept = lookahead.Best(pairs, scores, c.Keep)
	for i, kept := range choice.kept {
		if kept {
			choice.Kept++
		}
		if choice.place[i] == 1 {
			choice.Pairs++
		}
	}
	if choice.Kept == choice.Triples && c.Keep < 1 {
		choice.Notes = append(slices.Clip(choice.Notes), "every query has one negative for each positive, so there is nothing to choose between: mine more negatives for a query")
	}
	if !c.NoCheck {
		choice.Check, err = sample.check(ctx, r, c)
	}
	return choice, source.wrap(nil, err)
}

// choiceSample holds the triples that a choice is prepared and checked on.
type choiceSample struct {
	least *lookahead.Source // of least hash
	trial *lookahead.Source // whole pairs of least hash; nil without a check
	pairs []uint64          // of trial
}

// pairKey identifies the query and the positive of a triple.
func (r *Record) pairKey() uint64 {
	return hash64.Triple(0, hash64.FingerprintOf(r.QueryText), hash64.FingerprintOf(r.PositiveText), fingerprint{})
}

// sampleForChoice reads the texts of a source. It finds the vectors of the samples
// only, so nothing else is embedded yet.
func (r *run) sampleForChoice(ctx context.Context, source Source, c *Choose) (*choiceSample, error) {
	rows := least.New[Record](c.Sample)
	type pairRows struct {
		key  uint64
		rows []Record
	}
	const (
		trialTriples = 1024
		trialPair    = 64 // triples of one pair
	)
	pairs := least.NewDistinct[pairRows](trialTriples)
	err := source.each(ctx, r.reading(), nil, func(rec *Record) error {
		rows.Offer(rec.hash(r.settings.Seed), func() Record { return rec.kept() })
		if c.NoCheck {
			return nil
		}
		key := rec.pairKey()
		if p := pairs.Offer(hash64.Mix(key^r.settings.Seed), func() pairRows { return pairRows{key: key} }); p != nil && len(p.rows) < trialPair {
			p.rows = append(p.rows, rec.kept())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	sample := &choiceSample{}
	var some []Record
	for _, item := range rows.Sorted() {
		some = append(some, item.Value)
	}
	if sample.least, err = r.located(ctx, source, some); err != nil || c.NoCheck {
		return sample, err
	}
	some = nil
	for _, p := range pairs.Sorted() {
		if len(some) > 0 && len(some)+len(p.rows) > trialTriples {
			break
		}
		some = append(some, p.rows...)
		sample.pairs = append(sample.pairs, slices.Repeat([]uint64{p.key}, len(p.rows))...)
	}
	sample.trial, err = r.located(ctx, source, some)
	return sample, err
}

// kept returns a copy of a record that outlives its row.
func (r *Record) kept() Record {
	c := *r
	c.QueryVector, c.PositiveVector, c.NegativeVector = slices.Clone(r.QueryVector), slices.Clone(r.PositiveVector), slices.Clone(r.NegativeVector)
	return c
}

// located looks up the vectors of records.
func (r *run) located(ctx context.Context, source Source, records []Record) (*lookahead.Source, error) {
	b := newBatch()
	for i := range records {
		b.rows = append(b.rows, batchRow{rec: records[i]})
	}
	if err := r.resolve(ctx, source, b); err != nil {
		return nil, err
	}
	return r.forecaster.sourceOf(source.Name, b.checked(), nil), nil
}

// checked lists the rows of a batch whose vectors are known. The list is valid as long
// as the batch.
func (b *batch) checked() []*checked {
	rows := make([]*checked, len(b.rows))
	for i := range b.rows {
		row := &b.rows[i]
		row.fingerprints[2] = hash64.FingerprintOf(row.rec.NegativeText)
		rows[i] = &checked{row: *row, query: row.rec.queryKey()}
	}
	return rows
}

// score computes the influence of every triple and returns the pairs they belong to.
func (c *Choice) score(ctx context.Context, r *run, influence *Influence) (pairs []uint64, err error) {
	c.first = r.reading()
	err = r.batches(ctx, c.source, c.first, func(b *batch) error {
		done := len(c.influence)
		c.influence = append(c.influence, make([]float32, len(b.rows))...)
		if err := influence.score(ctx, c.influence[done:], c.source, b.checked()); err != nil {
			return err
		}
		for i := range b.rows {
			pairs = append(pairs, b.rows[i].rec.pairKey())
		}
		r.progress("choose", c.source, b.done)
		return nil
	})
	c.Triples, c.Skipped = len(pairs), c.first.skipped
	return pairs, err
}

// check tests the choice on queries that took no part in it.
func (s *choiceSample) check(ctx context.Context, r *run, c *Choose) (*ChoiceCheck, error) {
	var measure func(held, triples []int) ([]float64, error)
	if c.CheckByTraining {
		measure = r.trainer(ctx, s.trial)
	}
	trial, err := r.forecaster.space.Trial(ctx, *s.trial, s.pairs, c.Keep, trialDraws, measure)
	if err != nil {
		return nil, fmt.Errorf("%w: the choice cannot be checked: %w", ErrLookahead, err)
	}
	check := &ChoiceCheck{Trained: c.CheckByTraining, Queries: len(trial.All), Triples: len(s.pairs)}
	var deviations [4][]float64
	for k, of := range []struct {
		into  *float64
		gains []float64
	}{{&check.Chosen, trial.Chosen}, {&check.Random, trial.Random}, {&check.All, trial.All}, {&check.Opposite, trial.Opposite}} {
		*of.into, deviations[k] = stat.MeanWithDeviations(of.gains)
	}
	check.OverRandom = differenceOf(check.Chosen-check.Random, deviations[0], deviations[1], check.Queries-1)
	check.OverAll = differenceOf(check.Chosen-check.All, deviations[0], deviations[2], check.Queries-1)
	return check, nil
}

// trainer measures the effect on queries of training small adapters on some triples.
func (r *run) trainer(ctx context.Context, source *lookahead.Source) func(held, triples []int) ([]float64, error) {
	f := r.forecaster
	settings := adapter.Defaults
	task := &adapter.Task{}
	var vectors [][]float32
	for _, q := range f.looked {
		vectors = append(vectors, q.Vector)
		gains := make(map[int]float64)
		for _, place := range q.Relevant {
			gains[place] = 1
		}
		task.Gains = append(task.Gains, gains)
	}
	asked := len(vectors) // the sample's own vectors follow those of the queries
	task.Queries = adapter.Units(append(vectors, source.Vectors...))
	task.Documents = adapter.Units(source.Vectors)
	vectors = nil
	for _, d := range f.documents {
		vectors = append(vectors, d.vector.data)
	}
	task.Searched = adapter.Units(vectors)
	frozen := make([]float64, asked)
	for i, x := range f.space.Frozen() {
		frozen[f.space.Evaluated()[i]] = x
	}
	done := 0
	return func(held, triples []int) ([]float64, error) {
		rows := make([]adapter.Triple, len(triples))
		for i, t := range triples {
			of := source.Triples[t]
			rows[i] = adapter.Triple{Query: asked + of.Query, Positive: of.Positive, Negative: of.Negative}
		}
		gains := make([]float64, len(held))
		for seed := range settings.Seeds {
			if err := ctxerr.Of(ctx); err != nil {
				return nil, err
			}
			after := make([]float64, asked)
			a := task.Fit(settings, rows, rand.New(rand.NewPCG(uint64(seed), 0)))
			task.Evaluate(a, held, f.settings.Cutoff, after)
			for i, q := range held {
				gains[i] += (after[q] - frozen[q]) / float64(settings.Seeds)
			}
		}
		done++
		if r.settings.Progress != nil {
			r.settings.Progress(Progress{Stage: "training", Triples: done, Total: folds * (3 + trialDraws)})
		}
		return gains, nil
	}
}

// Keep yields the triples to train on, in the order of the source.
func (c *Choice) Keep(ctx context.Context) iter.Seq2[Chosen, error] {
	return func(yield func(Chosen, error) bool) {
		for t, err := range c.All(ctx) {
			if (err != nil || t.Kept) && !yield(t, err) {
				return
			}
		}
	}
}

// All yields every triple that was scored, kept or not, in the order of the source. It
// reads the source again and ends with ErrUnstableSource if the source has changed.
func (c *Choice) All(ctx context.Context) iter.Seq2[Chosen, error] {
	return func(yield func(Chosen, error) bool) {
		var now Triple
		source := c.source
		source.Triples = func(yield func(Triple, error) bool) {
			for t, err := range c.source.Triples {
				if now = t; !yield(t, err) {
					return
				}
			}
		}
		pass, i := c.pass(), 0
		err := source.each(ctx, pass, nil, func(*Record) error {
			if i == len(c.kept) {
				return source.unstable(i, i+1)
			}
			chosen := Chosen{Triple: now, Influence: float64(c.influence[i]), Place: int(c.place[i]), Kept: c.kept[i]}
			i++
			if !yield(chosen, nil) {
				return errStopped
			}
			return nil
		})
		if err == nil {
			err = c.first.same(source, pass)
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(Chosen{}, err)
		}
	}
}
