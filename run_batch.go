package eci

import (
	"context"
	"fmt"
	"math"

	"example.com/eci/internal/cores"
	"example.com/eci/internal/cosine"
	"example.com/eci/internal/ctxerr"
	"example.com/eci/internal/dots"
	"example.com/eci/internal/hash64"
	"example.com/eci/internal/lexicon"
	"example.com/eci/internal/stat"
)

// batch is a run of consecutive triples with what is needed to weigh them. Its
// memory is reused from one batch to the next.
type batch struct {
	rows    []batchRow
	done    int       // triples of the source in this batch and before it
	arena   []float32 // vectors that came with the triples or from tables
	vectors []vector
	tables  map[tableKey]*vector // vectors of this batch from tables, by id
	pending [2]pendingTexts
	words   wordsOfBatch
}

// batchRow is one triple on its way to a weight.
type batchRow struct {
	rec          Record
	group        int
	vectors      [3]*vector           // query, positive, negative
	inverse      [3]float64           // 1/norm of each
	features     [3]*lexicon.Features // the same
	fingerprints [3]fingerprint       // of the texts
	evidence     Evidence
	factors      []float64
	weight       float64
	hash         uint64 // of the triple, for the checks
	err          error
}

// newBatch returns an empty batch.
func newBatch() *batch {
	b := &batch{tables: make(map[tableKey]*vector)}
	for k := range b.pending {
		b.pending[k].index = make(map[string]int)
	}
	b.words.index = make(map[fingerprint]int)
	return b
}

type tableKey struct {
	role role
	id   string
}

// pendingTexts are the distinct texts of one role to embed, in order of
// appearance.
type pendingTexts struct {
	index map[string]int
	texts []string
	into  []*vector
}

func (p *pendingTexts) add(text string) *vector {
	if i, ok := p.index[text]; ok {
		return p.into[i]
	}
	v := new(vector)
	p.index[text] = len(p.texts)
	p.texts = append(p.texts, text)
	p.into = append(p.into, v)
	return v
}

func (p *pendingTexts) reset() {
	clear(p.index)
	p.texts, p.into = p.texts[:0], p.into[:0]
}

// wordsOfBatch are the distinct texts whose features are not cached.
type wordsOfBatch struct {
	index    map[fingerprint]int
	texts    []string
	prints   []fingerprint // of these
	features []*lexicon.Features
}

// triplesPerBatch bounds the memory of a batch; it does not change the result.
const triplesPerBatch = 512

// batches reads the budgeted triples of a source, finds their vectors and calls
// fn with one batch after another. What it has met is compared with the survey.
func (r *run) batches(ctx context.Context, source Source, pass *reading, fn func(b *batch) error) error {
	return r.read(ctx, source, pass, []*batch{newBatch()}, fn)
}

// overlapped is batches with fn in a goroutine of its own, for one batch at a time,
// while the next one is read and its vectors are found. done is called after fn, where
// batches would call it. With one core it is batches.
func (r *run) overlapped(ctx context.Context, source Source, pass *reading, fn func(b *batch) error, done func(b *batch)) error {
	if cores.Of(0) == 1 {
		return r.batches(ctx, source, pass, func(b *batch) error {
			err := fn(b)
			if err == nil {
				done(b)
			}
			return err
		})
	}
	var working *batch
	result := make(chan error, 1)
	finish := func() error {
		if working == nil {
			return nil
		}
		b, err := working, <-result
		if working = nil; err == nil {
			done(b)
		}
		return err
	}
	defer finish() // where the reader panics
	err := r.read(ctx, source, pass, []*batch{newBatch(), newBatch()}, func(b *batch) error {
		if err := finish(); err != nil {
			return err
		}
		working = b
		go func() { result <- fn(b) }()
		return nil
	})
	if earlier := finish(); earlier != nil {
		return source.wrap(nil, earlier)
	}
	return err
}

// read is batches that fills one buffer after the other: each again after as many
// calls of fn as there are others.
func (r *run) read(ctx context.Context, source Source, pass *reading, buffers []*batch, fn func(b *batch) error) error {
	b, calls, done := buffers[0], 0, 0
	var arena []float32 // of the batch
	used := 0           // of it, by rows of the batch
	flush := func() error {
		done += len(b.rows)
		b.arena, b.done = arena, done
		if err := r.resolve(ctx, source, b); err != nil {
			return err
		}
		if err := fn(b); err != nil {
			return err
		}
		calls++
		b = buffers[calls%len(buffers)]
		b.reset()
		arena, used = b.arena, 0
		return ctxerr.Of(ctx)
	}
	own := &arena
	if source.kept {
		own = nil
	}
	sample := r.samples[source.Name]
	admit := r.admission(sample)
	err := source.each(ctx, pass, own, func(rec *Record) error {
		if !admit(rec) || !r.band.holds(rec) {
			arena = arena[:used]
			return nil
		}
		used = len(arena)
		if len(b.rows) < cap(b.rows) {
			b.rows = b.rows[:len(b.rows)+1]
		} else {
			b.rows = append(b.rows, batchRow{})
		}
		row := &b.rows[len(b.rows)-1]
		row.rec, row.group, row.err = *rec, rec.group(r.settings.Groups), nil
		if len(b.rows) == triplesPerBatch {
			return flush()
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(b.rows) > 0 {
		if err := flush(); err != nil {
			return source.wrap(nil, err)
		}
	}
	if sample != nil {
		return sample.survey.same(source, pass)
	}
	return nil
}

func (b *batch) reset() {
	b.rows, b.arena, b.vectors = b.rows[:0], b.arena[:0], b.vectors[:0]
	clear(b.tables)
	for k := range b.pending {
		b.pending[k].reset()
	}
}

// resolve finds the vectors of every row and takes their similarities.
func (r *run) resolve(ctx context.Context, source Source, b *batch) error {
	for i := range b.rows {
		if err := r.find(b, &b.rows[i]); err != nil {
			return source.wrap(&b.rows[i].rec, err)
		}
	}
	for k := range b.pending {
		p := &b.pending[k]
		if err := r.vectors.embed(ctx, role(k), p.texts, p.into); err != nil {
			return source.wrap(b.rowOf(role(k), err), err)
		}
	}
	if err := r.agreeOnDimension(); err != nil {
		return source.wrap(nil, err)
	}
	b.similarities()
	for i := range b.rows {
		if err := b.rows[i].err; err != nil {
			return source.wrap(&b.rows[i].rec, err)
		}
	}
	for i := range b.rows {
		// Negatives differ between sources; the calibration has no marks of them.
		rec := &b.rows[i].rec
		if r.expected.Differs(true, rec.QueryText, rec.QueryVector) || r.expected.Differs(false, rec.PositiveText, rec.PositiveVector) {
			return source.wrap(rec, fmt.Errorf("%w: query or positive had another vector when the calibration was taken, so that was another encoder; %s", ErrIncompatible, otherEncoder))
		}
	}
	return nil
}

// similarities fills inverse norms, cosines and margin of every row, or the error
// of a vector that has no direction, in one pass over the three vectors.
func (b *batch) similarities() {
	cores.All(len(b.rows), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			row := &b.rows[i]
			q, p, n := row.vectors[0].data, row.vectors[1].data, row.vectors[2].data
			qq, pp, nn, qp, qn := dots.Five(q, p, n)
			for k, square := range [...]float64{qq, pp, nn} {
				// Squares of finite float32 neither overflow nor vanish in float64.
				switch {
				case math.IsNaN(square) || math.IsInf(square, 0):
					row.err = fmt.Errorf("%s: %w", sideNames[k], ErrNotFinite)
				case square == 0:
					row.err = fmt.Errorf("%s: %w", sideNames[k], ErrZeroVector)
				}
				row.inverse[k] = 1 / math.Sqrt(square)
			}
			e := &row.evidence
			*e = Evidence{Record: &row.rec}
			e.PositiveSimilarity = qp * row.inverse[0] * row.inverse[1]
			e.NegativeSimilarity = qn * row.inverse[0] * row.inverse[2]
			e.Margin = e.PositiveSimilarity - e.NegativeSimilarity
			row.rec.QueryVector, row.rec.PositiveVector, row.rec.NegativeVector = q, p, n
		}
	})
}

// weigh fills evidence, factors and weight of every row.
func (r *run) weigh(source Source, b *batch) error {
	r.lexical(b)
	if err := r.weighRows(b); err != nil {
		for i := range b.rows {
			if row := &b.rows[i]; row.err != nil {
				return source.wrap(&row.rec, row.err)
			}
		}
	}
	return nil
}

// weighRows takes the factors of rows with similarities and features. It returns
// the first error of a row.
func (r *run) weighRows(b *batch) error {
	cores.All(len(b.rows), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			row := &b.rows[i]
			e := &row.evidence
			e.Calibration = r.calibration
			q, p, n := row.features[0], row.features[1], row.features[2]
			e.Coverage, e.Overlap = lexicon.Coverage(q, n), lexicon.Overlap(p, n)
			row.factors, row.weight = row.factors[:0], 1
			for _, c := range r.settings.Components {
				f := c.Weight(e)
				if !(f >= 0 && f <= 1) {
					row.err = fmt.Errorf("%w: component %q gave %v", ErrWeight, c.Name(), f)
				}
				row.factors = append(row.factors, f)
				row.weight *= f
			}
			row.hash = hash64.Triple(r.settings.Seed, row.fingerprints[0], row.fingerprints[1], row.fingerprints[2])
		}
	})
	for i := range b.rows {
		if err := b.rows[i].err; err != nil {
			return err
		}
	}
	return nil
}

// lexical points every row at the features of its texts, taking those of each
// distinct text once, and fills their fingerprints.
func (r *run) lexical(b *batch) {
	cores.All(len(b.rows), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			for k, at := range b.rows[i].rec.sides() {
				b.rows[i].fingerprints[k] = hash64.FingerprintOf(at.text)
			}
		}
	})
	w := &b.words
	clear(w.index)
	w.texts, w.prints = w.texts[:0], w.prints[:0]
	for i := range b.rows {
		row := &b.rows[i]
		for k, at := range row.rec.sides() {
			f := row.fingerprints[k]
			if row.features[k] = r.features[f]; row.features[k] != nil {
				continue
			}
			if _, ok := w.index[f]; !ok {
				w.index[f] = len(w.texts)
				w.texts, w.prints = append(w.texts, at.text), append(w.prints, f)
			}
		}
	}
	if len(w.texts) == 0 {
		return
	}
	w.features = append(w.features[:0], make([]*lexicon.Features, len(w.texts))...)
	cores.All(len(w.texts), func(lo, hi int) {
		scratch := lexicon.Borrow()
		defer scratch.Return()
		for i := lo; i < hi; i++ {
			w.features[i] = r.lexicon.features(w.texts[i], scratch)
		}
	})
	for i := range b.rows {
		row := &b.rows[i]
		for k, f := range row.fingerprints {
			if row.features[k] == nil {
				row.features[k] = w.features[w.index[f]]
			}
		}
	}
	// Features of a text are never dropped for those of another: a source with more
	// texts than fit would drop each before it comes again.
	const mostBytes, entryBytes = 32 << 20, 48
	for i, f := range w.features {
		if bytes := f.Bytes() + entryBytes; r.featureBytes+bytes <= mostBytes {
			r.featureBytes += bytes
			r.features[w.prints[i]] = f
		}
	}
}

// residual writes scale times the row's residual to dst, and returns its squared
// norm before scaling.
func (row *batchRow) residual(dst []float64, scale float64) float64 {
	q, p, n := row.vectors[0], row.vectors[1], row.vectors[2]
	return cosine.Tangent(dst, q.data, p.data, n.data, row.inverse[0], row.inverse[1], row.inverse[2], row.evidence.Margin, scale)
}

// fastResidual writes sqrt(w) r to dst, rounded to float32, and returns |r|^2.
func (row *batchRow) fastResidual(dst []float32) (square float64) {
	const leastScale = 1e-9 // keeps float32 squares of components normal numbers
	q, p, n := row.vectors[0], row.vectors[1], row.vectors[2]
	scale := math.Sqrt(row.weight)
	if scale < leastScale { // too small to tell |r| from it
		square = dots.Residual(dst, q.data, p.data, n.data, row.evidence.Margin*row.inverse[0], row.inverse[1], row.inverse[2])
		for k := range dst {
			dst[k] *= float32(scale)
		}
		return square
	}
	square = dots.Residual(dst, q.data, p.data, n.data, scale*row.evidence.Margin*row.inverse[0], scale*row.inverse[1], scale*row.inverse[2])
	return square / row.weight
}

func (row *batchRow) weighted() Weighted {
	return Weighted{Evidence: row.evidence, Factors: row.factors, Weight: row.weight, Group: row.group}
}

// loss is the InfoNCE loss of a triple, ln(1 + exp(-m/T)), in nats, and the norm
// of its gradient with respect to the query, sigmoid(-m/T) |r| / T.
func loss(margin, temperature, residualNorm float64) (value, gradient float64) {
	x := -margin / temperature
	return stat.Softplus(x), stat.Sigmoid(x) * residualNorm / temperature
}
