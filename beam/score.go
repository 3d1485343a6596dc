package ecibeam

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/transforms/stats"

	"example.com/eci"
)

func init() {
	beam.RegisterDoFn(&admitFn{})
	beam.RegisterDoFn(&tiesFn{})
	beam.RegisterDoFn(&weighFn{})
	beam.RegisterDoFn(&bySourceFn{})
	beam.RegisterDoFn(&negativesFn{})
	beam.RegisterDoFn(&countNegativesFn{})
	beam.RegisterDoFn(&ungroupFn{})
	beam.RegisterDoFn(&assembleFn{})
	register.Combiner3[sums, weighed, sums](&sumFn{})
	register.Combiner3[bounded, eci.Record, bounded](&sampleFn{})
	register.Function2x1(either)
	register.Emitter1[SourceSummary]()
	register.Emitter2[string, eci.Record]()
	register.Emitter2[string, weighed]()
	register.Emitter2[string, sums]()
	register.Iter1[eci.Record]()
	register.Iter1[sums]()
	register.Iter1[SourceSummary]()
}

// ScoreSources scores the rows that are in the budget, as [eci.Sem.Score] does, and
// returns a PCollection of one [SourceSummary] for each source.
//
// Triples are weighed where they are read, and added to the [eci.Matrix] of their
// source and group by a combiner that is lifted before the shuffle: each bundle
// sends one matrix, of 4 d^2 bytes, for every source and group that it met, whatever
// the number of its triples. Beside these travel 14 bytes for each distinct
// negative and up to 1,024 triples of each source.
func ScoreSources(s beam.Scope, settings Settings, rows beam.PCollection, c Calibrated) beam.PCollection {
	s = s.Scope("eci.ScoreSources")
	must(settings.check())
	budget := beam.SideInput{Input: c.budget}
	below, ties := beam.ParDo2(s, &admitFn{Seed: settings.Seed}, rows, budget)
	admitted := beam.Flatten(s, below, beam.ParDo(s, &tiesFn{}, beam.GroupByKey(s, ties), budget))

	weighed := beam.ParDo(s, &weighFn{Settings: settings}, admitted, beam.SideInput{Input: c.Calibration})
	groups := beam.CombinePerKey(s, &sumFn{}, weighed)
	distinct := beam.CombinePerKey(s, either, beam.ParDo(s, &negativesFn{}, admitted))
	unique := stats.SumPerKey(s, beam.ParDo(s, &countNegativesFn{}, distinct))
	samples := beam.CombinePerKey(s, &sampleFn{Seed: settings.Seed, Most: settings.sampled()}, beam.ParDo(s, &bySourceFn{}, admitted))
	parts := beam.CoGroupByKey(s, beam.ParDo(s, &ungroupFn{}, groups), unique, samples)
	return beam.ParDo(s, &assembleFn{settings}, parts)
}

// admitFn lets in the rows in the budget. Those of the very hash where it ends are
// few, and are chosen among together.
type admitFn struct{ Seed uint64 }

func (fn *admitFn) ProcessElement(r eci.Record, a admission, below func(eci.Record), ties func(string, eci.Record)) {
	c, ok := a.Cuts[r.SourceName]
	if !ok {
		below(r)
		return
	}
	switch h := hashOf(fn.Seed, &r); {
	case h < c.Limit:
		below(r)
	case h == c.Limit:
		ties(r.SourceName, r)
	}
}

// tiesFn takes the first of rows of equal hash.
type tiesFn struct{}

func (tiesFn) ProcessElement(source string, rows func(*eci.Record) bool, a admission, emit func(eci.Record)) {
	var all []eci.Record
	var r eci.Record
	for rows(&r) {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b eci.Record) int { return compareRows(&a, &b) })
	for _, r := range all[:min(len(all), a.Cuts[source].Ties)] {
		emit(r)
	}
}

// weighed is a triple on its way into the sums of its group.
type weighed struct {
	Config   eci.MatrixConfig
	Group    int
	Totals   eci.Totals // of this triple
	Residual []float64  // sqrt(w) r
}

// weighFn weighs rows in batches within a bundle. It holds nothing from one bundle
// to the next but the calibration, so that a bundle that is tried again gives what
// it gave before.
type weighFn struct {
	Settings Settings

	weigher *eci.Weigher
	pending []*eci.Record
}

// rowsPerBatch is what a worker holds of a bundle: about 9 kB a row at d = 768.
const rowsPerBatch = 256

func (fn *weighFn) StartBundle(ctx context.Context, _ []byte, _ func(string, weighed)) {
	fn.pending = fn.pending[:0] // of a bundle that failed
	bundles.Inc(ctx, 1)
}

func (fn *weighFn) ProcessElement(ctx context.Context, r eci.Record, calibration []byte, emit func(string, weighed)) error {
	fn.pending = append(fn.pending, &r)
	if len(fn.pending) < rowsPerBatch {
		return nil
	}
	return fn.flush(ctx, calibration, emit)
}

func (fn *weighFn) FinishBundle(ctx context.Context, calibration []byte, emit func(string, weighed)) error {
	if len(fn.pending) == 0 {
		return nil
	}
	return fn.flush(ctx, calibration, emit)
}

func (fn *weighFn) flush(ctx context.Context, calibration []byte, emit func(string, weighed)) error {
	if fn.weigher == nil {
		sem, err := fn.Settings.calibrated(calibration)
		if err != nil {
			return err
		}
		if fn.weigher, err = sem.NewWeigher(); err != nil {
			return err
		}
	}
	slices.SortStableFunc(fn.pending, func(a, b *eci.Record) int { return cmp.Compare(a.SourceName, b.SourceName) })
	config := fn.weigher.Config()
	for rest := fn.pending; len(rest) > 0; {
		name, n := rest[0].SourceName, 1
		for n < len(rest) && rest[n].SourceName == name {
			n++
		}
		err := fn.weigher.Weigh(ctx, name, rest[:n], func(w *eci.Weighted) error {
			out := weighed{Config: config, Residual: make([]float64, config.Dimension)}
			w.AddTo(&out.Totals, out.Residual)
			out.Group = w.Group
			emit(strconv.Itoa(w.Group)+"/"+name, out)
			return nil
		})
		if err != nil {
			return err
		}
		weighedN.Inc(ctx, int64(n))
		rest = rest[n:]
	}
	clear(fn.pending)
	fn.pending = fn.pending[:0]
	return nil
}

// calibrated is the scorer under a calibration in JSON.
func (s Settings) calibrated(raw []byte) (*eci.Sem, error) {
	sem, err := s.sem()
	if err != nil {
		return nil, err
	}
	sem.Calibration = new(eci.Calibration)
	return sem, json.Unmarshal(raw, sem.Calibration)
}

// sums are those of one group of one source.
type sums struct {
	totals eci.Totals
	matrix *eci.Matrix // nil before the first triple
}

// sumFn adds triples to the sums of their group.
type sumFn struct{}

func (fn *sumFn) CreateAccumulator() sums { return sums{} }

func (fn *sumFn) AddInput(s sums, w weighed) (sums, error) {
	if s.matrix == nil {
		var err error
		if s.matrix, err = eci.NewMatrix(w.Config); err != nil {
			return s, err
		}
	}
	s.totals.Add(&w.Totals)
	return s, s.matrix.Add(w.Group, 1, w.Residual)
}

func (fn *sumFn) MergeAccumulators(a, b sums) (sums, error) {
	switch {
	case b.matrix == nil:
		return a, nil
	case a.matrix == nil:
		return b, nil
	}
	a.totals.Add(&b.totals)
	return a, a.matrix.Merge(b.matrix)
}

func (fn *sumFn) ExtractOutput(s sums) sums { return s }

// negativesFn names the negatives of a source, to count them once.
type negativesFn struct{}

func (negativesFn) ProcessElement(r eci.Record, emit func(string, int64)) {
	f := fingerprintOf(r.NegativeText)
	emit(string(f[:])+r.SourceName, 1)
}

// either is one of two equal values.
func either(a, b int64) int64 { return max(a, b) }

type countNegativesFn struct{}

func (countNegativesFn) ProcessElement(key string, _ int64, emit func(string, int64)) {
	emit(key[len(fingerprint{}):], 1)
}

type bySourceFn struct{}

func (bySourceFn) ProcessElement(r eci.Record, emit func(string, eci.Record)) { emit(r.SourceName, r) }

// sampleFn keeps the triples of a source of least hash.
type sampleFn struct {
	Seed uint64
	Most int
}

func (fn *sampleFn) CreateAccumulator() bounded { return newBounded(fn.Most, true) }

func (fn *sampleFn) AddInput(b bounded, r eci.Record) bounded {
	if fn.Most > 0 {
		b.add(hashOf(fn.Seed, &r), rowKey(&r), &r)
	}
	return b
}

func (fn *sampleFn) MergeAccumulators(a, b bounded) bounded { a.merge(b); return a }
func (fn *sampleFn) ExtractOutput(b bounded) bounded        { return b }

// ungroupFn brings the groups of a source together.
type ungroupFn struct{}

func (ungroupFn) ProcessElement(key string, s sums, emit func(string, sums)) {
	_, source, _ := strings.Cut(key, "/")
	emit(source, s)
}

// assembleFn takes the score of a source and its replicates.
type assembleFn struct{ Settings Settings }

func (fn *assembleFn) ProcessElement(_ context.Context, source string, groups func(*sums) bool, unique func(*int64) bool, samples func(*bounded) bool, emit func(SourceSummary)) error {
	out := SourceSummary{Name: source}
	var matrix *eci.Matrix
	var byGroup []eci.Totals
	for s := (sums{}); groups(&s); {
		if matrix == nil {
			matrix = s.matrix.Clone()
			byGroup = make([]eci.Totals, matrix.Config().Groups)
		} else if err := matrix.Merge(s.matrix); err != nil {
			return err
		}
		byGroup[slices.IndexFunc(s.matrix.GroupTriples(), func(n int) bool { return n > 0 })] = s.totals
	}
	if matrix == nil {
		return &eci.RowError{Source: source, Err: fmt.Errorf("%w to score", eci.ErrEmptySource)}
	}
	for g := range byGroup { // in the order of the groups, whatever they arrived in
		if byGroup[g].Triples > 0 {
			out.Totals.Add(&byGroup[g])
		}
	}
	var n int64
	unique(&n)
	out.Totals.UniqueNegatives = int(n)
	out.Config, out.GroupTriples = matrix.Config(), matrix.GroupTriples()
	var err error
	if out.Value, out.Without, err = matrix.LogDets(); err != nil {
		return &eci.RowError{Source: source, Err: err}
	}
	if out.EffectiveDimension, err = matrix.EffectiveDimension(); err != nil {
		return &eci.RowError{Source: source, Err: err}
	}
	if out.Matrix, err = matrix.MarshalBinary(); err != nil {
		return err
	}
	if int64(len(out.Matrix)) > cmp.Or(fn.Settings.MatrixBytes, 64<<20) {
		out.Matrix = nil
	}
	var sample bounded
	if samples(&sample) {
		out.Sample = sample.rows()
	}
	emit(out)
	return nil
}
