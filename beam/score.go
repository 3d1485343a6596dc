package ecibeam

import (
	"bytes"
	"cmp"
	"context"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/transforms/stats"

	"example.com/eci"
)

func init() {
	register.DoFn8x1[context.Context, eci.Record, func(*piece) bool, func(string, part), func(string, totals),
		func(string, []byte), func(string, ranked), func(string, keys), error](&weighFn{})
	beam.RegisterDoFn(&formsFn{})
	beam.RegisterDoFn(&foldFn{})
	beam.RegisterDoFn(&untileFn{})
	beam.RegisterDoFn(&countNegativesFn{})
	beam.RegisterDoFn(&sampleRowsFn{})
	beam.RegisterDoFn(&limitsFn{})
	beam.RegisterDoFn(&withinFn{})
	beam.RegisterDoFn(&drawFn{})
	beam.RegisterDoFn(&assembleFn{})
	register.Combiner1[part](&tilesFn{})
	register.Combiner1[totals](&totalsFn{})
	register.Emitter2[string, part]()
	register.Emitter2[string, totals]()
	register.Emitter2[string, int64]()
	register.Iter1[part]()
	register.Iter1[totals]()
	register.Iter1[int64]()
	register.Iter1[admission]()
}

// ScoreSources scores the rows that are in the budget, as [eci.Sem.Score] does, and
// returns a PCollection of the pieces of one [SourceSummary] for each source.
//
// Triples are weighted where they are read, and added to the sums of their source and
// group. For every source and group, a bundle sends either the rows sqrt(w) r or the
// triangle of their sum, whichever has fewer numbers. The triangle is sent in tiles of
// 2 MiB, 4 d^2 bytes in all, whatever the number of triples; tiles are combined. In
// addition, 14 bytes are sent for each distinct negative, and up to 1,024 triples for
// each source and bundle.
func ScoreSources(s beam.Scope, settings Settings, rows beam.PCollection, c Calibrated) beam.PCollection {
	s = s.Scope("eci.ScoreSources")
	must(settings.check())
	settings.Calibration = nil
	frozen := beam.SideInput{Input: beam.Flatten(s, c.calibration, c.budget)}
	parts, sums, negatives, sampled, least := beam.ParDo5(s, &weighFn{Settings: settings}, rows, frozen)
	few, tiles := beam.ParDo2(s, &formsFn{}, parts)
	few, folded := beam.ParDo2(s, &foldFn{}, beam.GroupByKey(s, few))
	tiles = beam.ParDo(s, &untileFn{}, beam.CombinePerKey(s, &tilesFn{}, beam.Flatten(s, tiles, folded)))
	unique := stats.SumPerKey(s, beam.ParDo(s, &countNegativesFn{}, beam.GroupByKey(s, negatives)))
	samples := beam.ParDo(s, &sampleRowsFn{}, leastRows(s, settings, sampled, least))
	together := beam.CoGroupByKey(s, beam.CombinePerKey(s, &totalsFn{}, sums), few, tiles, unique)
	return beam.Flatten(s, samples, beam.ParDo(s, &assembleFn{settings}, together))
}

// weighFn weights the rows in the budget in batches within a bundle, and adds them up.
// From one bundle to the next it keeps only the calibration, so that a repeated bundle
// gives the same result.
type weighFn struct {
	Settings Settings

	weigher *eci.Weigher
	budget  admission
	pending []*eci.Record
	sums    bundleSums
	samples map[string]*bounded
	// negatives holds the distinct negatives of a source and shard that were not sent,
	// packed. seen holds those that the bundle remembers.
	negatives map[string][]byte
	seen      map[seenNegative]bool
}

type seenNegative struct {
	source string
	text   fingerprint
}

// rowsPerBatch is the number of rows of a bundle that a worker holds, each about 9 kB
// at d = 768.
const rowsPerBatch = 256

func (fn *weighFn) StartBundle(ctx context.Context, _ func(*piece) bool, _ func(string, part), _ func(string, totals), _ func(string, []byte), _ func(string, ranked), _ func(string, keys)) {
	bundles.Inc(ctx, 1)
	// A bundle that failed may have left rows behind.
	fn.pending = fn.pending[:0]
	fn.sums.reset(fn.sums.config)
	fn.samples, fn.negatives, fn.seen = make(map[string]*bounded), make(map[string][]byte), make(map[seenNegative]bool)
}

func (fn *weighFn) ProcessElement(ctx context.Context, r eci.Record, frozen func(*piece) bool, parts func(string, part), sums func(string, totals), negatives func(string, []byte), sample func(string, ranked), least func(string, keys)) error {
	if err := fn.prepare(frozen); err != nil {
		return err
	}
	n := fingerprintOf(r.NegativeText)
	hash := tripleHash(fn.Settings.Seed, fingerprintOf(r.QueryText), fingerprintOf(r.PositiveText), n)
	in := fn.budget.admits(hash, &r)
	if in || fn.Settings.ChoiceSample > 0 { // a choice is made from all rows
		fn.sample(hash, &r)
	}
	if !in {
		return nil
	}
	fn.negative(r.SourceName, n, negatives)
	if fn.pending = append(fn.pending, &r); len(fn.pending) < rowsPerBatch {
		return nil
	}
	if err := fn.weigh(ctx); err != nil {
		return err
	}
	if fn.sums.bytes > fn.Settings.workerBytes() {
		fn.sums.send(parts, sums)
	}
	return nil
}

// sample offers a row to the sample of its source.
func (fn *weighFn) sample(hash uint64, r *eci.Record) {
	b := fn.samples[r.SourceName]
	if b == nil {
		b = newBounded(fn.Settings.size(sampleOf + r.SourceName))
		fn.samples[r.SourceName] = b
	}
	if b.admits(hash) {
		b.add(hash, rowKey(r), r)
	}
}

// prepare reads calibration and budget, once.
func (fn *weighFn) prepare(frozen func(*piece) bool) error {
	if fn.weigher != nil {
		return nil
	}
	byKind := make(map[pieceKind][]piece)
	for p := (piece{}); frozen(&p); p = (piece{}) {
		byKind[p.Kind] = append(byKind[p.Kind], p)
	}
	raw, err := joined(byKind[pieceBudget])
	if err != nil {
		return err
	}
	if fn.budget, err = decodeAdmission(raw); err != nil {
		return err
	}
	if raw, err = joined(byKind[pieceCalibration]); err != nil {
		return err
	}
	sem, err := fn.Settings.calibrated(raw)
	if err != nil {
		return err
	}
	if fn.weigher, err = sem.NewWeigher(); err == nil {
		fn.sums.reset(fn.weigher.Config())
	}
	return err
}

// negative names a negative that the bundle has not met, to count it once.
func (fn *weighFn) negative(source string, text fingerprint, emit func(string, []byte)) {
	at := seenNegative{source, text}
	if fn.seen[at] {
		return
	}
	if len(fn.seen) == mostSeen {
		clear(fn.seen)
	}
	fn.seen[at] = true
	shard := string(text[:1]) + source
	if fn.negatives[shard] = append(fn.negatives[shard], text[:]...); len(fn.negatives[shard]) >= packBytes {
		emit(shard, fn.negatives[shard])
		fn.negatives[shard] = nil
	}
}

func (fn *weighFn) FinishBundle(ctx context.Context, frozen func(*piece) bool, parts func(string, part), sums func(string, totals), negatives func(string, []byte), sample func(string, ranked), least func(string, keys)) error {
	if err := fn.weigh(ctx); err != nil {
		return err
	}
	fn.sums.send(parts, sums)
	for shard, packed := range fn.negatives {
		if len(packed) > 0 {
			negatives(shard, packed)
		}
	}
	for source, b := range fn.samples {
		b.send(sampleOf+source, sample, least)
	}
	fn.samples, fn.negatives, fn.seen = nil, nil, nil
	return nil
}

// weigh weights the pending rows and adds them to the sums of the bundle.
func (fn *weighFn) weigh(ctx context.Context) error {
	if len(fn.pending) == 0 {
		return nil
	}
	slices.SortStableFunc(fn.pending, func(a, b *eci.Record) int { return cmp.Compare(a.SourceName, b.SourceName) })
	for rest := fn.pending; len(rest) > 0; {
		name, n := rest[0].SourceName, 1
		for n < len(rest) && rest[n].SourceName == name {
			n++
		}
		if err := fn.weigher.Weigh(ctx, name, rest[:n], func(w *eci.Weighted) error { return fn.sums.add(name, w) }); err != nil {
			return err
		}
		weighedN.Inc(ctx, int64(n))
		rest = rest[n:]
	}
	clear(fn.pending)
	fn.pending = fn.pending[:0]
	return nil
}

// calibrated returns the scorer under a calibration in JSON.
func (s Settings) calibrated(raw []byte) (*eci.Sem, error) {
	sem, err := s.sem()
	if err != nil {
		return nil, err
	}
	sem.Calibration = new(eci.Calibration)
	return sem, json.Unmarshal(raw, sem.Calibration)
}

// countNegativesFn counts the distinct negatives of a source in one of 256 shards.
type countNegativesFn struct{}

func (countNegativesFn) ProcessElement(key string, packed func(*[]byte) bool, emit func(string, int64)) {
	seen := make(map[fingerprint]struct{})
	for data := ([]byte)(nil); packed(&data); data = nil {
		for f := range slices.Chunk(data, len(fingerprint{})) {
			seen[fingerprint(f)] = struct{}{}
		}
	}
	emit(key[1:], int64(len(seen)))
}

// formsFn separates rows from tiles.
type formsFn struct{}

func (formsFn) ProcessElement(key string, p part, rows, tiles func(string, part)) {
	if p.Tile < 0 {
		rows(key, p)
		return
	}
	tiles(key, p)
}

// sampleRowsFn makes pieces of the samples of sources.
type sampleRowsFn struct{}

func (sampleRowsFn) ProcessElement(name string, r eci.Record, emit func(piece)) {
	if source, ok := sourceOf(name); ok {
		emit(piece{pieceSample, source, 0, 1, encodeRecord(r)})
	}
}

// assembleFn computes the score of a source and its replicates.
type assembleFn struct{ Settings Settings }

func (fn *assembleFn) ProcessElement(_ context.Context, source string, sums func(*totals) bool, few, tiles func(*part) bool, unique func(*int64) bool, emit func(piece)) error {
	var t totals
	if !sums(&t) {
		return &eci.RowError{Source: source, Err: fmt.Errorf("%w to score", eci.ErrEmptySource)}
	}
	out := SourceSummary{Name: source, Config: t.Config}
	for g := range t.ByGroup { // in the order of the groups, whatever order they arrived in
		out.GroupTriples = append(out.GroupTriples, t.ByGroup[g].Triples)
		if t.ByGroup[g].Triples > 0 {
			out.Totals.Add(&t.ByGroup[g])
		}
	}
	var n int64
	unique(&n)
	out.Totals.UniqueNegatives = int(n)
	matrix, raw, err := matrixOf(t, few, tiles)
	if err == nil {
		out.Value, out.Without, err = matrix.LogDets()
	}
	if err == nil {
		out.EffectiveDimension, err = matrix.EffectiveDimension()
	}
	if err != nil {
		return &eci.RowError{Source: source, Err: err}
	}
	var stored bytes.Buffer
	if err := gob.NewEncoder(&stored).Encode(out); err != nil {
		return err
	}
	for _, p := range split(pieceSource, source, stored.Bytes()) {
		emit(p)
	}
	if int64(len(raw)) <= cmp.Or(fn.Settings.MatrixBytes, 64<<20) {
		for _, p := range split(pieceMatrix, source, raw) {
			emit(p)
		}
	}
	return nil
}
