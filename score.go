package eci

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"example.com/eci/internal/cores"
	"example.com/eci/internal/ctxerr"
	"example.com/eci/internal/fault"
	"example.com/eci/internal/lookahead"
	"example.com/eci/internal/stat"
)

// Score is what a scorer finds out about one source.
// Goroutines may share one that none of them changes.
type Score struct {
	// Source is the source's name and Value its score: S in nats for [Sem], the
	// measure's own unit for a [Baseline]. Higher ranks first.
	Source string
	Value  float64

	// StandardError is the grouped jackknife's, Low and High the ends of the 95%
	// interval Value -+ t(Groups-1) StandardError, and Jackknife the
	// bias-corrected value, which extrapolates to unlimited triples. All are 0
	// when Groups, the number of jackknife groups with triples, is below 2; then
	// there is no interval.
	StandardError, Low, High, Jackknife float64
	Groups                              int

	// Totals are the sums over all triples that were scored.
	Totals Totals
	// Components are the names of the factors in Totals.Factors.
	Components []string

	// Trace is tr M. Bound is d/2 ln(1 + tr M/eps^2), the score of an isotropic M
	// of that trace, in nats; Diversity is Value/Bound, in [0, 1];
	// EffectiveDimension is sum a l/(1 + a l), in [0, d]. For Sem only.
	Trace, Bound, Diversity, EffectiveDimension float64

	// Dropped is the number of triples at which a [Race] dropped the source, 0 if
	// none did. Its Value is then projected to the full budget.
	Dropped int

	// Baselines holds the values of all baseline measures, by name.
	Baselines map[string]float64
	// Controls compares the source with negatives that took no mining, Artifact says
	// whether its negatives can be told without the query. Nil for a Baseline, in a
	// Race and with Sem.NoChecks.
	Controls *Controls
	Artifact *Artifact
	// Skipped counts rows left out, by reason: see [Skip]; "no positive" and "no
	// negative" are rows of files that give no triple.
	Skipped map[string]int

	// Forecast is what training on the source would do to retrieval; nil unless the
	// scorer is a [Lookahead], which ranks by its Gain.
	Forecast *Forecast

	// Matrix is M with its groups, for mixtures and merges; nil for a Baseline and with
	// Sem.ReleaseMatrix.
	Matrix *Matrix

	// Deviations are the groups' shares in StandardError: the sum of their squares
	// is its square, and, because sources share the groups, the sum of the squared
	// differences of two sources is that of their difference. Without them a source
	// has no interval, no paired difference and no probability of being the best.
	// [NewScore] fills them.
	Deviations []float64

	sample *lookahead.Source // that the forecast walked on
}

// NewScore returns the score of a source with all that the delete-a-group
// jackknife gives: standard error, interval, bias-corrected value and deviations.
// It is what a [Scorer] of one's own returns to get intervals, paired differences
// and probabilities. without[g] is the value without the triples of group g, and
// triples[g] the number of triples of that group. Sources that are ranked together
// must be grouped alike: by [Group], which depends on the query alone. With fewer
// than two groups that have triples there is no interval.
//
// It fails with ErrSettings when the two slices differ in length, when a count is
// negative or when a value is not finite.
func NewScore(source string, value float64, without []float64, triples []int) (*Score, error) {
	if len(without) != len(triples) {
		return nil, fmt.Errorf("eci: score of %q: %w: %d values without a group, counts of %d groups", source, ErrSettings, len(without), len(triples))
	}
	for g, n := range triples {
		if n < 0 || n > 0 && !finite(without[g]) || !finite(value) {
			return nil, fmt.Errorf("eci: score of %q: %w: value %v, without group %d of %d triples %v", source, ErrSettings, value, g, n, without[g])
		}
	}
	s := &Score{Source: source, Value: value}
	for _, n := range triples {
		s.Totals.Triples += n
	}
	s.interval(without, triples)
	return s, nil
}

// check refuses what cannot be ranked or printed.
func (s *Score) check() error {
	if s == nil {
		return fmt.Errorf("%w: it returned neither a score nor an error", ErrScore)
	}
	t := &s.Totals
	switch {
	case !finite(s.Value):
		return fmt.Errorf("%w: the score is %v", ErrScore, s.Value)
	case s.StandardError < 0:
		return fmt.Errorf("%w: the standard error is %v", ErrScore, s.StandardError)
	case len(t.Factors) != len(s.Components):
		return fmt.Errorf("%w: %d components, %d sums in Totals.Factors", ErrScore, len(s.Components), len(t.Factors))
	case t.Triples < 0 || s.Groups < 0 || s.Dropped < 0:
		return fmt.Errorf("%w: a negative number of triples or groups", ErrScore)
	case s.Artifact != nil && s.Artifact.Triples > 0 && len(s.Artifact.Rows) == 0:
		return fmt.Errorf("%w: an artifact without rows", ErrScore)
	}
	numbers := slices.Concat(s.Deviations, t.Factors, slices.Collect(maps.Values(s.Baselines)), []float64{
		s.StandardError, s.Low, s.High, s.Jackknife, s.Trace, s.Bound, s.Diversity, s.EffectiveDimension,
		t.Weight, t.WeightSquares, t.PositiveSimilarity, t.NegativeSimilarity, t.Overlap, t.Loss, t.Gradient, t.Trace,
	})
	if c := s.Controls; c != nil {
		for _, c := range [...]Control{c.Shuffled, c.Random} {
			numbers = append(numbers, c.Value, c.Difference, c.StandardError, c.Low, c.High, c.Probability)
		}
	}
	if a := s.Artifact; a != nil {
		numbers = append(numbers, a.AUC)
		for _, row := range a.Rows {
			numbers = append(numbers, row.Margin)
		}
	}
	if slices.ContainsFunc(numbers, func(x float64) bool { return !finite(x) }) {
		return fmt.Errorf("%w: a figure next to the score is NaN or infinite", ErrScore)
	}
	if _, err := json.Marshaler(s).MarshalJSON(); err != nil { // what is made of large numbers may not be finite
		return fmt.Errorf("%w: %w", ErrScore, err)
	}
	return nil
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// accumulator takes in the weighed triples of one source. Everything is summed
// by group, each group in the order of its triples, so that groups can be worked
// on concurrently without changing a bit.
type accumulator struct {
	run       *run
	totals    []Totals // by group
	matrix    *Matrix  // nil for a measure
	negatives map[fingerprint]uint16
	rows      [][]int32    // by group: rows of the current batch
	checks    *checkSample // nil without checks
	exact     bool         // sums in float64
	expected  int          // triples; 0 where that is not known
}

// severalGroups marks a negative text that occurs in more than one group.
const severalGroups = math.MaxUint16

func newAccumulator(r *run, source Source) *accumulator {
	a := &accumulator{
		run:       r,
		totals:    make([]Totals, r.settings.Groups),
		negatives: make(map[fingerprint]uint16),
		rows:      make([][]int32, r.settings.Groups),
	}
	for g := range a.totals {
		a.totals[g].Factors = make([]float64, len(r.settings.Components))
	}
	if n := r.sampled(); n > 0 {
		a.checks = newCheckSample(n)
	}
	sample := r.samples[source.Name]
	a.exact = r.exactSums(sample)
	if sample != nil {
		a.expected = sample.size()
	}
	return a
}

func (a *accumulator) add(b *batch) error {
	r := a.run
	if a.matrix == nil && r.measure == nil {
		m, err := NewMatrix(MatrixConfig{Dimension: r.dimension, Groups: r.settings.Groups, Epsilon2: r.settings.Epsilon2, Settings: r.hash})
		if err != nil {
			return err
		}
		m.cores = r.cores
		m.expect(a.expected)
		a.matrix = m
	}
	for g := range a.rows {
		a.rows[g] = a.rows[g][:0]
	}
	for i := range b.rows {
		row := &b.rows[i]
		a.rows[row.group] = append(a.rows[row.group], int32(i))
		if g, ok := a.negatives[row.fingerprints[2]]; !ok {
			a.negatives[row.fingerprints[2]] = uint16(row.group)
		} else if g != uint16(row.group) {
			a.negatives[row.fingerprints[2]] = severalGroups
		}
		if a.checks != nil {
			a.checks.offer(row, row.hash)
		}
	}
	cores.Each(0, len(a.rows), func(next func() int) {
		scratch := make([]float64, r.dimension)
		for g := next(); g < len(a.rows); g = next() {
			for _, i := range a.rows[g] {
				a.addRow(g, &b.rows[i], scratch)
			}
		}
	})
	return nil
}

func (a *accumulator) addRow(g int, row *batchRow, scratch []float64) {
	t := &a.totals[g]
	var square float64
	switch {
	case a.matrix == nil:
		square = row.residual(scratch, 1)
	case a.exact:
		square = row.residual(a.matrix.row(g), math.Sqrt(row.weight))
	default:
		square = row.fastResidual(a.matrix.fastRow(g))
	}
	t.count(row, square, a.run.settings.Temperature)
}

// count adds one triple with |r|^2.
func (t *Totals) count(row *batchRow, square, temperature float64) {
	e := &row.evidence
	t.Triples++
	if e.Margin > 0 {
		t.Safe++
	}
	if row.rec.PositiveText == row.rec.NegativeText {
		t.Identical++
	}
	t.Weight += row.weight
	t.WeightSquares += float64(row.weight * row.weight)
	t.PositiveSimilarity += e.PositiveSimilarity
	t.NegativeSimilarity += e.NegativeSimilarity
	t.Overlap += e.Overlap
	value, gradient := loss(e.Margin, temperature, math.Sqrt(square))
	t.Loss += value
	t.Gradient += gradient
	t.Trace += float64(row.weight * square)
	for k, f := range row.factors {
		t.Factors[k] += f
	}
}

// Name returns the name of the score.
func (r *run) Name() string {
	switch {
	case r.measure != nil:
		return r.measure.Name
	case r.forecaster != nil:
		return new(Lookahead).Name()
	}
	return new(Sem).Name()
}

// Annotate says what the scores were taken under.
func (r *run) Annotate(ranking *Ranking) {
	ranking.Calibration, ranking.Seed, ranking.Embedded = r.calibration, r.settings.Seed, r.vectors.sent()
	ranking.Notes = append(append(ranking.Notes, r.budgetNotes()...), r.sharedNotes()...)
	if r.forecaster != nil {
		r.forecaster.annotate(ranking)
	}
}

// Score scores one surveyed source.
func (r *run) Score(ctx context.Context, source Source) (*Score, error) {
	if r.settings.Checkpoint != "" {
		if s, err := r.restore(source); s != nil || err != nil {
			return s, err
		}
	}
	a := newAccumulator(r, source)
	pass := r.reading()
	if err := r.collect(ctx, source, a, pass); err != nil {
		return nil, err
	}
	if a.matrix != nil {
		a.matrix.settle()
	}
	s, err := a.score(ctx, source, pass.skipped)
	if err == nil && a.checks != nil {
		r.tidyMemory(a)
		err = source.wrap(nil, r.inspect(ctx, s, a.checks.sorted()))
	}
	if r.settings.ReleaseMatrix && s != nil {
		s.Matrix = nil
	}
	r.tidyMemory(a)
	if err == nil && r.settings.Checkpoint != "" {
		err = r.store(source, s)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// inspect takes checks and forecast from the triples that were kept.
func (r *run) inspect(ctx context.Context, s *Score, rows []*checked) (err error) {
	if !r.settings.NoChecks {
		if err := r.check(ctx, s, rows[:min(len(rows), checkedTriples)]); err != nil {
			return err
		}
	}
	if r.forecaster != nil {
		s.Forecast, s.sample, err = r.forecaster.forecast(ctx, s.Source, rows[:min(len(rows), r.walked())], !r.settings.NoChecks)
	}
	return err
}

// check fills controls and artifact check.
func (r *run) check(ctx context.Context, s *Score, rows []*checked) (err error) {
	if s.Controls, err = r.controls(ctx, rows, r.exactSums(r.samples[s.Source])); err != nil {
		return err
	}
	if err = ctxerr.Of(ctx); err != nil {
		return err
	}
	s.Artifact, err = r.artifact(rows)
	return err
}

// collect adds the triples of a source to an accumulator.
func (r *run) collect(ctx context.Context, source Source, a *accumulator, pass *reading) error {
	return r.overlapped(ctx, source, pass, func(b *batch) error {
		if err := r.weigh(source, b); err != nil {
			return err
		}
		return a.add(b)
	}, func(b *batch) { r.progress("score", source, b.done) })
}

// score is the score of all triples added so far; more may be added later.
func (a *accumulator) score(ctx context.Context, source Source, skipped map[string]int) (*Score, error) {
	r := a.run
	s := &Score{Source: source.Name, Skipped: skipped, Baselines: make(map[string]float64)}
	for _, c := range r.settings.Components {
		s.Components = append(s.Components, c.Name())
	}
	for g := range a.totals {
		s.Totals.Add(&a.totals[g])
	}
	s.Totals.UniqueNegatives = len(a.negatives)
	if s.Totals.Triples == 0 {
		return nil, &RowError{Source: source.Name, Err: fmt.Errorf("%w to score%s", ErrEmptySource, skippedNote(s.Skipped))}
	}
	for _, m := range Measures() {
		s.Baselines[m.Name] = m.Value(s.Totals)
	}
	without := make([]float64, r.settings.Groups)
	if r.measure != nil {
		s.Value = r.measure.Value(s.Totals)
		a.leaveOut(s.Totals, func(g int, t Totals) { without[g] = r.measure.Value(t) })
	} else if err := a.information(ctx, s, &without); err != nil {
		return nil, &RowError{Source: source.Name, Err: err}
	}
	s.interval(without, a.groupTriples())
	return s, nil
}

// information fills S, its replicates and the diagnostics of the matrix.
func (a *accumulator) information(ctx context.Context, s *Score, without *[]float64) (err error) {
	m := a.matrix
	s.Matrix = m
	sums := m.added()
	effective := sums.effectiveAhead()
	if s.Value, *without, err = sums.logDets(ctx); err != nil {
		return err
	}
	if s.EffectiveDimension, err = effective(); err != nil {
		return err
	}
	s.Trace = s.Totals.mean(s.Totals.Trace)
	d := float64(m.config.Dimension)
	s.Bound = d / 2 * math.Log1p(s.Trace/m.config.Epsilon2)
	if s.Bound > 0 {
		s.Diversity = max(0, min(1, s.Value/s.Bound))
	}
	return nil
}

// interval fills what the jackknife gives.
func (s *Score) interval(without []float64, triples []int) {
	j, ok := stat.GroupJackknife(s.Value, without, triples)
	s.Groups = j.Groups
	if !ok {
		return
	}
	s.Jackknife, s.StandardError, s.Deviations = j.Corrected, j.StandardError, j.Deviations
	s.Low, s.High = j.Interval(s.Value)
}

func (a *accumulator) groupTriples() []int {
	n := make([]int, len(a.totals))
	for g := range a.totals {
		n[g] = a.totals[g].Triples
	}
	return n
}

// leaveOut calls fn with the totals of all groups but g, for every g.
func (a *accumulator) leaveOut(all Totals, fn func(g int, t Totals)) {
	only := make([]int, len(a.totals)) // negatives that occur in this group alone
	for _, g := range a.negatives {
		if g != severalGroups {
			only[g]++
		}
	}
	for g := range a.totals {
		var t Totals
		for h := range a.totals {
			if h != g {
				t.Add(&a.totals[h])
			}
		}
		t.UniqueNegatives = all.UniqueNegatives - only[g]
		fn(g, t)
	}
}

// Baseline is a [Scorer] that ranks by a [Measure], on the same triples, vectors
// and budgets as the Sem it holds.
// Goroutines may share it under the conditions of Sem.
type Baseline struct {
	Sem     Sem
	Measure Measure
}

// Name returns the measure's name.
func (b *Baseline) Name() string { return b.Measure.Name }

// Score scores one source. The Sem must be calibrated. A Measure without Value is
// ErrSettings.
func (b *Baseline) Score(ctx context.Context, source Source) (*Score, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	return b.Sem.scoreAlone(ctx, &b.Measure, source)
}

// Prepare surveys, equalizes budgets and calibrates as [Sem.Prepare] does.
func (b *Baseline) Prepare(ctx context.Context, sources ...Source) (Scorer, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	return b.Sem.prepare(ctx, &b.Measure, sources)
}

func (b *Baseline) check() error {
	if b == nil {
		return fault.Nil("Baseline")
	}
	if b.Measure.Value == nil {
		return fmt.Errorf("eci: baseline %q: %w: Measure.Value is nil; use one of Measures", b.Measure.Name, ErrSettings)
	}
	return nil
}
