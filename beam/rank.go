package ecibeam

import (
	"bytes"
	"cmp"
	"context"
	"encoding/gob"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/transforms/stats"

	"example.com/eci"
)

func init() {
	beam.RegisterDoFn(&summaryFn{})
	beam.RegisterDoFn(&reasonsFn{})
	register.Iter1[[]byte]()
	register.Iter1[admission]()
	register.Emitter1[string]()
}

// Summary is all that a ranking needs of a pipeline: plain data, of a few
// megabytes, for one machine.
type Summary struct {
	Settings Settings
	// Calibration is the JSON of an [eci.Calibration].
	Calibration []byte
	// Budget is the most triples scored of any source.
	Budget int
	// Sources are in the order of their names.
	Sources []SourceSummary
	// Labels are rows with the labeled pairs and queries of least hash.
	Labels []eci.Record
	// Skipped counts the rows that were set aside, by source and reason.
	Skipped map[string]map[string]int
}

// SourceSummary is what a pipeline finds out about one source.
type SourceSummary struct {
	Name string
	// Value is S in nats, Without its value without each group, GroupTriples the
	// number of triples of each, length G.
	Value        float64
	Without      []float64
	GroupTriples []int
	// Totals are sums over all triples in the budget.
	Totals eci.Totals
	// EffectiveDimension is that of [eci.Score].
	EffectiveDimension float64
	// Config is that of the matrix, Matrix its binary form; nil if it is larger than
	// [Settings].MatrixBytes.
	Config eci.MatrixConfig
	Matrix []byte
	// Sample holds the triples of least hash in the budget.
	Sample []eci.Record
}

// MarshalBinary returns the stored form, which UnmarshalBinary reads.
func (s *Summary) MarshalBinary() ([]byte, error) {
	type plain Summary
	var out bytes.Buffer
	out.WriteString(summaryMagic)
	err := gob.NewEncoder(&out).Encode((*plain)(s))
	return out.Bytes(), err
}

const summaryMagic = "ECIB1"

// UnmarshalBinary replaces s by what MarshalBinary stored; on an error, ErrFormat,
// s is unchanged.
func (s *Summary) UnmarshalBinary(data []byte) error {
	type plain Summary
	rest, ok := bytes.CutPrefix(data, []byte(summaryMagic))
	if !ok {
		return fmt.Errorf("eci/beam: summary: %w: it does not begin with %q", eci.ErrFormat, summaryMagic)
	}
	var in plain
	if err := gob.NewDecoder(bytes.NewReader(rest)).Decode(&in); err != nil {
		return fmt.Errorf("eci/beam: summary: %w: %w", eci.ErrFormat, err)
	}
	*s = Summary(in)
	return nil
}

// RankSources calibrates, scores and brings the results together: a PCollection of
// one []byte, a [Summary] in its stored form. bad is a PCollection of the [DeadRow]s
// that were set aside, to be counted in the ranking; without one, give
// beam.PCollection{}.
func RankSources(s beam.Scope, settings Settings, rows, bad beam.PCollection) beam.PCollection {
	s = s.Scope("eci.RankSources")
	c := CalibrateSources(s, settings, rows)
	scores := ScoreSources(s, settings, rows, c)
	if !bad.IsValid() {
		bad = beam.CreateList(s, []DeadRow{})
	}
	skipped := stats.Count(s, beam.ParDo(s, &reasonsFn{}, bad))
	skipped = beam.ParDo(s, widen, skipped)
	return beam.ParDo(s, &summaryFn{settings}, beam.Impulse(s), beam.SideInput{Input: c.Calibration}, beam.SideInput{Input: c.budget},
		beam.SideInput{Input: scores}, beam.SideInput{Input: c.pairs}, beam.SideInput{Input: c.queries}, beam.SideInput{Input: skipped})
}

func init() { register.Function2x2(widen) }

func widen(key string, n int) (string, int64) { return key, int64(n) }

// reasonsFn names source and reason of a row that was set aside.
type reasonsFn struct{}

func (reasonsFn) ProcessElement(d DeadRow, emit func(string)) { emit(d.Reason + "/" + d.Source) }

// summaryFn brings everything together.
type summaryFn struct{ Settings Settings }

func (fn *summaryFn) ProcessElement(_ []byte, calibration func(*[]byte) bool, budget func(*admission) bool, scores func(*SourceSummary) bool, pairs, queries func(*bounded) bool, skipped func(*string, *int64) bool, emit func([]byte)) error {
	out := Summary{Settings: fn.Settings, Skipped: make(map[string]map[string]int)}
	var a admission
	calibration(&out.Calibration)
	budget(&a)
	out.Budget = a.Budget
	for s := (SourceSummary{}); scores(&s); s = (SourceSummary{}) {
		out.Sources = append(out.Sources, s)
	}
	slices.SortFunc(out.Sources, func(a, b SourceSummary) int { return cmp.Compare(a.Name, b.Name) })
	var b bounded
	if pairs(&b) {
		out.Labels = append(out.Labels, b.rows()...)
	}
	if queries(&b) {
		out.Labels = append(out.Labels, b.rows()...)
	}
	slices.SortFunc(out.Labels, func(a, b eci.Record) int { return compareRows(&a, &b) })
	out.Labels = slices.CompactFunc(out.Labels, func(a, b eci.Record) bool { return compareRows(&a, &b) == 0 })
	var key string
	for n := int64(0); skipped(&key, &n); {
		reason, source, _ := strings.Cut(key, "/")
		if out.Skipped[source] == nil {
			out.Skipped[source] = make(map[string]int)
		}
		out.Skipped[source][reason] = int(n)
	}
	raw, err := out.MarshalBinary()
	if err == nil {
		emit(raw)
	}
	return err
}

// Rank makes the ranking of a summary. Checks and forecasts are taken here, from
// the samples; with Settings.Lookahead, lookahead may hold a Pool and Relevant,
// which are read on this machine; its Sem and what Settings has are not used. It
// may be nil.
func (s *Summary) Rank(ctx context.Context, lookahead *eci.Lookahead) (*eci.Ranking, error) {
	sem, err := s.Settings.calibrated(s.Calibration)
	if err != nil {
		return nil, err
	}
	if sem.Budget = s.Budget; s.Budget == math.MaxInt {
		sem.Budget = eci.Unlimited
	}
	scorer := &summarized{summary: s, name: sem.Name()}
	sources := s.samples()
	switch {
	case s.Settings.Lookahead:
		l := eci.Lookahead{Sem: *sem, Triples: s.Settings.Triples, Cutoff: s.Settings.Cutoff, Axes: s.Settings.Axes}
		if lookahead != nil {
			l.Pool, l.Relevant = lookahead.Pool, lookahead.Relevant
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

// samples are small sources that hold of each the triples of least hash, and the
// labels. The library draws from them the samples that it would draw from all rows:
// rows that are there for their labels have larger hashes than the sample of their
// source, unless that is the whole source.
func (s *Summary) samples() []eci.Source {
	labels := make(map[string][]eci.Record)
	for _, r := range s.Labels {
		labels[r.SourceName] = append(labels[r.SourceName], r)
	}
	sources := make([]eci.Source, len(s.Sources))
	for i := range s.Sources {
		name := s.Sources[i].Name
		rows := labelRows(s.Sources[i].Sample)
		in := make(map[fingerprint]bool)
		for _, r := range rows {
			in[rowKey(r)] = true
		}
		for _, r := range labelRows(labels[name]) {
			if k := rowKey(r); !in[k] {
				in[k] = true
				rows = append(rows, r)
			}
		}
		slices.SortFunc(rows, compareRowPointers)
		sources[i] = eci.SourceOf(name, rows)
	}
	return sources
}

// summarized is the scorer of sources whose sums are known. inner takes from the
// samples what rests on samples.
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
	// What rests on samples is kept, and with it what cannot be seen from here.
	all := *sampled
	all.Value, all.StandardError, all.Low, all.High, all.Jackknife = score.Value, score.StandardError, score.Low, score.High, score.Jackknife
	all.Groups, all.Deviations, all.Totals, all.Components = score.Groups, score.Deviations, score.Totals, score.Components
	all.Trace, all.Bound, all.Diversity, all.EffectiveDimension = score.Trace, score.Bound, score.Diversity, score.EffectiveDimension
	all.Baselines, all.Skipped, all.Matrix = score.Baselines, score.Skipped, score.Matrix
	return &all, nil
}

// score is what the sums give.
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

// Annotate says what the scores were taken under, and what is left out.
func (s *summarized) Annotate(r *eci.Ranking) {
	if a, ok := s.inner.(eci.Annotator); ok {
		a.Annotate(r)
	} else {
		r.Calibration, r.Seed = s.calibration, s.summary.Settings.Seed
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
