package ecibeam

import (
	"bytes"
	"cmp"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"example.com/eci"
)

func init() {
	beam.RegisterDoFn(&labelsFn{})
	beam.RegisterDoFn(&reasonsFn{})
	beam.RegisterDoFn(&skippedFn{})
	register.Emitter1[string]()
}

// Summary is everything that a ranking needs from a pipeline: plain data of a few
// megabytes, for one machine.
type Summary struct {
	Settings Settings
	// Calibration is the JSON of an [eci.Calibration].
	Calibration []byte
	// Budget is the largest number of triples scored of any source.
	Budget int
	// Sources are in the order of their names.
	Sources []SourceSummary
	// Labels are rows with the labeled pairs and queries of least hash.
	Labels []eci.Record
	// Skipped counts the rows that were set aside, by source and reason, and the rows of
	// files that have no positive or no negative and so give no triple.
	Skipped map[string]map[string]int
	// Rules counts the rows that a rule of lint applies to, by source and rule, among all
	// rows that were not set aside. "" counts these rows. It has only the rules of
	// [eci.Linter.RowRules], and is nil with [Settings].NoLint.
	Rules map[string]map[eci.LintKind]int
}

// SourceSummary is what a pipeline finds out about one source.
type SourceSummary struct {
	Name string
	// Value is S in nats. Without is its value without each group, and GroupTriples
	// the number of triples in each. Both have length G.
	Value        float64
	Without      []float64
	GroupTriples []int
	// Totals are sums over all triples in the budget.
	Totals eci.Totals
	// EffectiveDimension is that of [eci.Score].
	EffectiveDimension float64
	// Config is that of the matrix. Matrix is its binary form, or nil if it is larger
	// than [Settings].MatrixBytes.
	Config eci.MatrixConfig
	Matrix []byte
	// Sample holds the triples of least hash in the budget, or of all rows with
	// [Settings].ChoiceSample.
	Sample []eci.Record
}

// MarshalBinary returns the stored form, which UnmarshalBinary reads.
func (s *Summary) MarshalBinary() ([]byte, error) {
	pieces, err := s.pieces()
	return storePieces(summaryMagic, pieces), err
}

func (s *Summary) pieces() ([]piece, error) {
	var out []piece
	add := func(kind pieceKind, source string, x any) error {
		raw, err := encodeGob(x)
		out = append(out, split(kind, source, raw)...)
		return err
	}
	err := errors.Join(add(pieceSettings, "", s.Settings), add(pieceBudget, "", admission{Budget: s.Budget}))
	out = append(out, split(pieceCalibration, "", s.Calibration)...)
	for _, x := range s.Sources {
		matrix, sample := x.Matrix, x.Sample
		x.Matrix, x.Sample = nil, nil
		err = errors.Join(err, add(pieceSource, x.Name, x))
		if matrix != nil {
			out = append(out, split(pieceMatrix, x.Name, matrix)...)
		}
		for _, r := range sample {
			out = append(out, piece{pieceSample, x.Name, 0, 1, encodeRecord(r)})
		}
	}
	for _, r := range s.Labels {
		out = append(out, piece{pieceLabel, "", 0, 1, encodeRecord(r)})
	}
	for source, reasons := range s.Skipped {
		out = append(out, piece{pieceSkipped, source, 0, 1, encodeCounts(countsOf(reasons))})
	}
	for source, rules := range s.Rules {
		out = append(out, piece{pieceLint, source, 0, 1, encodeCounts(countsOf(rules))})
	}
	return out, err
}

func countsOf[K ~string](m map[K]int) counts {
	c := make(counts)
	for name, n := range m {
		c[string(name)] = int64(n)
	}
	return c
}

// UnmarshalBinary replaces s with what MarshalBinary stored. It returns ErrFormat, and
// leaves s unchanged, if it cannot.
func (s *Summary) UnmarshalBinary(data []byte) error {
	pieces, err := readPieces(summaryMagic, data)
	if err != nil {
		return err
	}
	out, err := assembled(pieces)
	if err != nil {
		return fmt.Errorf("eci/beam: summary: %w", err)
	}
	*s = *out
	return nil
}

// heap holds pieces by what they belong to.
type heap struct {
	whole map[valueOf][]piece
	rows  map[valueOf][]eci.Record
}

type valueOf struct {
	kind   pieceKind
	source string
}

func sorted(pieces []piece) (*heap, error) {
	h := &heap{make(map[valueOf][]piece), make(map[valueOf][]eci.Record)}
	for _, p := range pieces {
		at := valueOf{p.Kind, p.Source}
		if p.Kind != pieceSample && p.Kind != pieceLabel {
			h.whole[at] = append(h.whole[at], p)
			continue
		}
		r, err := decodeRecord(p.Data)
		if err != nil {
			return nil, err
		}
		h.rows[at] = append(h.rows[at], r)
	}
	return h, nil
}

// read reads a required value.
func (h *heap) read(kind pieceKind, source string, into any) error {
	raw, err := joined(h.whole[valueOf{kind, source}])
	if err != nil {
		return err
	}
	if err := gob.NewDecoder(bytes.NewReader(raw)).Decode(into); err != nil {
		return fmt.Errorf("%w: %w", eci.ErrFormat, err)
	}
	return nil
}

// assembled restores a summary from its pieces.
func assembled(pieces []piece) (*Summary, error) {
	h, err := sorted(pieces)
	if err != nil {
		return nil, err
	}
	out := &Summary{Skipped: make(map[string]map[string]int)}
	var a admission
	if err = cmp.Or(h.read(pieceSettings, "", &out.Settings), h.read(pieceBudget, "", &a)); err != nil {
		return nil, err
	}
	out.Budget = a.Budget
	if out.Calibration, err = joined(h.whole[valueOf{pieceCalibration, ""}]); err != nil {
		return nil, err
	}
	if out.Calibration == nil {
		return nil, fmt.Errorf("%w: there is no calibration", eci.ErrFormat)
	}
	for at := range h.whole {
		switch at.kind {
		case pieceSource:
			x := SourceSummary{}
			if err := h.read(pieceSource, at.source, &x); err != nil {
				return nil, err
			}
			if x.Matrix, err = joined(h.whole[valueOf{pieceMatrix, at.source}]); err != nil {
				return nil, err
			}
			x.Sample = byPlace(h.rows[valueOf{pieceSample, at.source}])
			out.Sources = append(out.Sources, x)
		case pieceSkipped:
			if out.Skipped[at.source], err = counted[string](h, at); err != nil {
				return nil, err
			}
		case pieceLint:
			if out.Rules == nil {
				out.Rules = make(map[string]map[eci.LintKind]int)
			}
			if out.Rules[at.source], err = counted[eci.LintKind](h, at); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(out.Sources, func(a, b SourceSummary) int { return cmp.Compare(a.Name, b.Name) })
	out.Labels = byPlace(h.rows[valueOf{pieceLabel, ""}])
	return out, nil
}

// counted returns the sum of a source's counts of a kind.
func counted[K ~string](h *heap, at valueOf) (map[K]int, error) {
	out := make(map[K]int)
	for _, p := range h.whole[at] {
		c, err := decodeCounts(p.Data)
		if err != nil {
			return nil, err
		}
		for name, n := range c {
			out[K(name)] += int(n)
		}
	}
	return out, nil
}

// byPlace sorts rows by where they were read, and keeps one of each.
func byPlace(rows []eci.Record) []eci.Record {
	slices.SortFunc(rows, func(a, b eci.Record) int { return compareRows(&a, &b) })
	return slices.CompactFunc(rows, func(a, b eci.Record) bool { return compareRows(&a, &b) == 0 })
}

// RankSources calibrates, scores and collects the results. It returns a PCollection of
// the pieces of a [Summary] for [WriteSummary]; none is larger than 2 MiB or a row.
// bad is a PCollection of the [DeadRow]s that were set aside. The ranking counts them.
// Without one, pass beam.PCollection{}.
func RankSources(s beam.Scope, settings Settings, rows, bad beam.PCollection) beam.PCollection {
	s = s.Scope("eci.RankSources")
	c := CalibrateSources(s, settings, rows)
	all := []beam.PCollection{
		ScoreSources(s, settings, rows, c), c.calibration, c.budget, beam.ParDo(s, &labelsFn{}, c.labels),
	}
	if bad.IsValid() {
		reasons := beam.CombinePerKey(s, &countsFn{}, beam.ParDo(s, &reasonsFn{}, bad))
		all = append(all, beam.ParDo(s, &skippedFn{}, reasons))
	}
	if !settings.NoLint {
		rules := beam.CombinePerKey(s, &countsFn{}, beam.ParDo(s, &lintFn{Settings: Settings{Tokenizer: settings.Tokenizer}}, rows))
		all = append(all, beam.ParDo(s, &lintedFn{}, rules))
	}
	return beam.Flatten(s, all...)
}

// labelsFn makes pieces of the labels.
type labelsFn struct{}

func (labelsFn) ProcessElement(_ string, r eci.Record, emit func(piece)) {
	emit(piece{pieceLabel, "", 0, 1, encodeRecord(r)})
}

// reasonsFn counts a row that was set aside.
type reasonsFn struct{}

func (reasonsFn) ProcessElement(d DeadRow, emit func(string, counts)) {
	emit(d.Source, counts{d.Reason: int64(max(1, d.Rows))})
}

// skippedFn makes pieces of the counts of a source.
type skippedFn struct{}

func (skippedFn) ProcessElement(source string, c counts, emit func(piece)) {
	emit(piece{pieceSkipped, source, 0, 1, encodeCounts(c)})
}

// Rank makes the ranking of a summary. It computes checks and forecasts from the
// samples. With Settings.Lookahead, lookahead may hold a Pool, Relevant and a Target,
// which are read on this machine, and Sem.Vectors and Sem.Embedder for them. Its other
// fields, and those that Settings has, are not used. It may be nil.
func (s *Summary) Rank(ctx context.Context, lookahead *eci.Lookahead) (*eci.Ranking, error) {
	sem, err := s.Sem()
	if err != nil {
		return nil, err
	}
	scorer := &summarized{summary: s, name: sem.Name()}
	sources := s.samples()
	switch {
	case s.Settings.Lookahead:
		l := eci.Lookahead{Sem: *sem, Triples: s.Settings.Triples, Cutoff: s.Settings.Cutoff, Axes: s.Settings.Axes}
		if lookahead != nil {
			if lookahead.Target != nil && lookahead.Target.LeaveOut {
				return nil, errLeaveOut
			}
			l.Pool, l.Relevant, l.Target = lookahead.Pool, lookahead.Relevant, lookahead.Target
			l.Sem.Vectors, l.Sem.Embedder = lookahead.Sem.Vectors, lookahead.Sem.Embedder
		}
		scorer.name = l.Name()
		scorer.inner, err = l.Prepare(ctx, sources...)
	case !sem.NoChecks:
		scorer.inner, err = sem.Prepare(ctx, sources...)
	default:
		scorer.calibration = sem.Calibration
	}
	if err != nil {
		return nil, err
	}
	return eci.Rank(ctx, scorer, sources...)
}

var errLeaveOut = fmt.Errorf("eci/beam: %w: Target.LeaveOut: the pipeline has read the rows; leave those with a query of the target out before it", eci.ErrSettings)

// Sem is the scorer of the pipeline, with its calibration.
func (s *Summary) Sem() (*eci.Sem, error) {
	sem, err := s.Settings.calibrated(s.Calibration)
	if err != nil {
		return nil, err
	}
	if sem.Budget = s.Budget; s.Budget == math.MaxInt {
		sem.Budget = eci.Unlimited
	}
	return sem, nil
}

// Samples returns the triples of least hash that the pipeline kept for each source,
// with their vectors, in the order in which they were read. They are for reports,
// linters and anything else that examines single triples. Sources without any are left
// out.
func (s *Summary) Samples() []eci.Source {
	var out []eci.Source
	for i := range s.Sources {
		if rows := labelRows(s.Sources[i].Sample); len(rows) > 0 {
			out = append(out, eci.SourceOf(s.Sources[i].Name, rows))
		}
	}
	return out
}

// samples returns small sources with the triples of least hash of each, and the
// labels. The library draws from them the samples that it would draw from all rows.
// Rows that are kept for their labels have larger hashes than the sample of their
// source, unless that is the whole source, or the texts of a row that is the last in it.
// The library may draw these in place of that row, so they get its vectors.
func (s *Summary) samples() []eci.Source {
	labels := make(map[string][]eci.Record)
	for _, r := range s.Labels {
		labels[r.SourceName] = append(labels[r.SourceName], r)
	}
	sources := make([]eci.Source, len(s.Sources))
	for i := range s.Sources {
		name := s.Sources[i].Name
		rows := labelRows(s.Sources[i].Sample)
		in, negative := make(map[fingerprint]bool), make(map[uint64][]float32)
		for _, r := range rows {
			in[rowKey(r)], negative[textsOf(r)] = true, r.NegativeVector
		}
		for _, r := range labelRows(labels[name]) {
			if k := rowKey(r); !in[k] {
				in[k] = true
				if v := negative[textsOf(r)]; v != nil {
					r.NegativeVector = v
				}
				rows = append(rows, r)
			}
		}
		slices.SortFunc(rows, compareRowPointers)
		sources[i] = eci.SourceOf(name, rows)
	}
	return sources
}

// textsOf hashes the texts of a row.
func textsOf(r *eci.Record) uint64 {
	return tripleHash(0, fingerprintOf(r.QueryText), fingerprintOf(r.PositiveText), fingerprintOf(r.NegativeText))
}

// summarized is the scorer of sources whose sums are known. inner computes from the
// samples whatever is based on samples.
type summarized struct {
	summary     *Summary
	name        string
	inner       eci.Scorer
	calibration *eci.Calibration
}

func (s *summarized) Name() string { return s.name }

func (s *summarized) Score(ctx context.Context, source eci.Source) (*eci.Score, error) {
	i := slices.IndexFunc(s.summary.Sources, func(x SourceSummary) bool { return x.Name == source.Name })
	if i < 0 {
		return nil, &eci.RowError{Source: source.Name, Err: fmt.Errorf("%w to score", eci.ErrEmptySource)}
	}
	from := &s.summary.Sources[i]
	score, err := from.score(s.summary)
	if err != nil || s.inner == nil {
		return score, err
	}
	sampled, err := s.inner.Score(ctx, source)
	if err != nil {
		return nil, err
	}
	// Keep what is based on samples, and with it what is not known here.
	all := *sampled
	all.Value, all.StandardError, all.Low, all.High, all.Jackknife = score.Value, score.StandardError, score.Low, score.High, score.Jackknife
	all.Groups, all.Deviations, all.Totals, all.Components = score.Groups, score.Deviations, score.Totals, score.Components
	all.Trace, all.Bound, all.Diversity, all.EffectiveDimension = score.Trace, score.Bound, score.Diversity, score.EffectiveDimension
	all.Baselines, all.Skipped, all.Matrix = score.Baselines, score.Skipped, score.Matrix
	return &all, nil
}

// score returns the score of the sums.
func (s *SourceSummary) score(of *Summary) (*eci.Score, error) {
	score, err := eci.NewScore(s.Name, s.Value, s.Without, s.GroupTriples)
	if err != nil {
		return nil, err
	}
	sem, err := of.Settings.sem()
	if err != nil {
		return nil, err
	}
	for _, c := range sem.Components {
		score.Components = append(score.Components, c.Name())
	}
	score.Totals, score.EffectiveDimension = s.Totals, s.EffectiveDimension
	d := float64(s.Config.Dimension)
	score.Trace = s.Totals.Trace / float64(s.Totals.Triples)
	score.Bound = d / 2 * math.Log1p(score.Trace/s.Config.Epsilon2)
	if score.Bound > 0 {
		score.Diversity = min(1, max(0, s.Value/score.Bound))
	}
	score.Baselines = make(map[string]float64)
	for _, m := range eci.Measures() {
		score.Baselines[m.Name] = m.Value(s.Totals)
	}
	if score.Skipped = of.Skipped[s.Name]; score.Skipped == nil {
		score.Skipped = make(map[string]int)
	}
	if s.Matrix == nil {
		score.Matrix, err = eci.NewMatrix(s.Config)
		return score, err
	}
	score.Matrix = new(eci.Matrix)
	return score, score.Matrix.UnmarshalBinary(s.Matrix)
}

// Annotate adds the calibration of the scores, and what is left out.
func (s *summarized) Annotate(r *eci.Ranking) {
	if a, ok := s.inner.(eci.Annotator); ok {
		a.Annotate(r)
	} else {
		r.Calibration, r.Seed = s.calibration, s.summary.Settings.Seed
	}
	if r.Lookahead != nil && r.Lookahead.Target != "" {
		r.Notes = append(r.Notes, "triples that have a query of the target were counted among those of least hash that were kept, not among all")
	}
	var large []string
	for i := range s.summary.Sources {
		if s.summary.Sources[i].Matrix == nil {
			large = append(large, s.summary.Sources[i].Name)
		}
	}
	if large != nil {
		r.Notes = append(r.Notes, fmt.Sprintf("no mixtures of %s: their matrices are larger than Settings.MatrixBytes and were not kept", strings.Join(large, ", ")))
	}
}
