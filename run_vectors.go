package eci

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"example.com/eci/internal/cosine"
	"example.com/eci/internal/ctxerr"
	"example.com/eci/internal/hash64"
	"example.com/eci/internal/quote"
	"example.com/eci/internal/textcache"
)

// vector is one embedding; its data may come later than its place.
type vector struct {
	data []float32
}

// vectorSource finds the vectors of texts: their own, those of a table by id,
// or the Embedder's, each distinct text once as long as the cache holds it.
type vectorSource struct {
	tables    Vectors
	embedder  Embedder
	batchSize int
	first     int // components that count; 0 for all
	whole     int // components of a vector before that; 0 until one is seen
	dimension int // components after that; 0 until a vector is seen
	cache     [2]*textcache.Cache[*vector]
	embedded  int        // texts that the embedder was asked for
	kept      *DiskCache // before the embedder, with a checkpoint
	before    int        // embedded before there was kept
	scratch   []float32
}

func newVectorSource(s *settings) *vectorSource {
	v := &vectorSource{tables: s.Vectors, embedder: s.Embedder, batchSize: s.BatchSize, first: s.Dimensions}
	// Queries are few and repeat most.
	v.cache[queryRole] = textcache.New[*vector](s.CacheBytes / 4)
	v.cache[documentRole] = textcache.New[*vector](s.CacheBytes - s.CacheBytes/4)
	return v
}

// keep puts a disk cache before the embedder.
func (v *vectorSource) keep(c *DiskCache) { v.embedder, v.kept, v.before = c, c, v.embedded }

// sent is the number of texts sent to the embedder.
func (v *vectorSource) sent() int {
	if v.kept == nil {
		return v.embedded
	}
	return v.before + v.kept.Stats().Misses
}

// close releases what a checkpoint holds.
func (v *vectorSource) close() error {
	if v.kept == nil {
		return nil
	}
	return v.kept.Close()
}

// accept checks the dimension and returns the components that count. Finiteness and
// norm are checked where all three vectors of a triple are gone through, see
// [batch.similarities].
func (v *vectorSource) accept(data []float32) ([]float32, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrDimension)
	}
	if v.whole == 0 {
		if len(data) < v.first {
			return nil, fmt.Errorf("%w: %d components, fewer than the %d of Sem.Dimensions; lower it, or embed with more", ErrDimension, len(data), v.first)
		}
		v.whole = len(data)
	}
	if len(data) != v.whole {
		return nil, fmt.Errorf("%w: %d components, others have %d; were all made with one encoder?", ErrDimension, len(data), v.whole)
	}
	v.dimension = v.whole
	if v.first > 0 {
		v.dimension = v.first
	}
	return data[:v.dimension:v.dimension], nil
}

// in appends the vector that tables hold for a text to dst: that of its id, or else that
// of the text itself, because tables of texts know no ids. key is what it was found by.
func (at side) in(tables Vectors, dst []float32) (vector []float32, key string, err error) {
	if vector, err = at.by(at.id, tables, dst); !errors.Is(err, ErrMissingVector) {
		return vector, at.id, err
	}
	if at.id == at.text {
		return dst, "", fmt.Errorf("the row has no id for it, and its text is not known either: %w; give the row ids (query_id, positive_id, negative_id), or give OpenVectors the texts of its vectors", err)
	}
	if at.text != "" {
		if byText, missing := at.by(at.text, tables, dst); missing == nil {
			return byText, at.text, nil
		}
	}
	return dst, "", err
}

// by appends the vector of a key to dst.
func (at side) by(key string, tables Vectors, dst []float32) ([]float32, error) {
	if at.role == queryRole {
		return tables.AppendQuery(dst, key)
	}
	return tables.AppendDocument(dst, key)
}

// check tells whether a record's vectors can be had without an embedder and are
// good, for runs that leave out rows where they are not.
func (v *vectorSource) check(rec *Record) error {
	for k, at := range rec.sides() {
		data, err := at.vector, error(nil)
		if data == nil && v.tables != nil && at.id != "" {
			v.scratch, _, err = at.in(v.tables, v.scratch[:0])
			data = v.scratch
			if err != nil && v.embedder != nil {
				continue
			}
		}
		if data == nil && v.embedder != nil {
			continue
		}
		if err == nil && data == nil {
			err = v.none(at)
		}
		if err == nil {
			if data, err = v.accept(data); err == nil {
				_, err = cosine.InverseNorm(data)
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", sideNames[k], err)
		}
	}
	return nil
}

// none explains that there is no way to a vector.
func (v *vectorSource) none(at side) error {
	switch {
	case v.tables != nil && (at.id == "" || at.id == at.text):
		return fmt.Errorf("%w: the row has no id to look one up by, its text is in no table, and there is no Embedder", ErrMissingVector)
	case v.tables == nil:
		return fmt.Errorf("%w: set Sem.Vectors or Sem.Embedder, or let the triples carry vectors", ErrMissingVector)
	}
	return fmt.Errorf("%w for id %q", ErrMissingVector, at.id)
}

// side is one of the three texts of a triple.
type side struct {
	role     role
	id, text string
	vector   []float32
}

var sideNames = [3]string{"query", "positive", "negative"}

// texts are the three texts as the triple has them.
func (r *Record) texts() [3]side {
	return [3]side{
		{queryRole, r.QueryID, r.QueryText, r.QueryVector},
		{documentRole, r.PositiveID, r.PositiveText, r.PositiveVector},
		{documentRole, r.NegativeID, r.NegativeText, r.NegativeVector},
	}
}

// sides are the three texts as tables know them; one without an id is looked up by
// itself.
func (r *Record) sides() [3]side {
	texts := r.texts()
	for k := range texts {
		texts[k].id = cmp.Or(texts[k].id, texts[k].text)
	}
	return texts
}

// embed fills the vectors of distinct texts of one role, in calls of at most
// batchSize texts, and keeps them.
func (v *vectorSource) embed(ctx context.Context, r role, texts []string, into []*vector) error {
	for start := 0; start < len(texts); start += v.batchSize {
		end := min(start+v.batchSize, len(texts))
		copies := make([]string, end-start)
		for i, text := range texts[start:end] {
			copies[i] = strings.Clone(text)
		}
		vectors, err := v.call(ctx, r, copies)
		var bad *TextError
		if errors.As(err, &bad) {
			return &TextError{Index: start + bad.Index, Text: bad.Text, Err: bad.Err}
		}
		if err != nil {
			return err
		}
		v.embedded += len(copies)
		for i, data := range vectors {
			data, err := v.accept(data)
			if err == nil {
				_, err = cosine.InverseNorm(data)
			}
			switch {
			case errors.Is(err, ErrNotFinite), errors.Is(err, ErrZeroVector):
				return &TextError{Index: start + i, Text: texts[start+i], Err: err}
			case err != nil:
				return fmt.Errorf("%w: %s %q: %w", ErrEmbedder, r, quote.Excerpt(texts[start+i]), err)
			}
			// The embedder may reuse its slices.
			into[start+i].data = append([]float32(nil), data...)
			v.cache[r].Put(texts[start+i], into[start+i], int64(4*len(data)+48))
		}
	}
	return nil
}

// call embeds one batch and checks the count.
func (v *vectorSource) call(ctx context.Context, r role, texts []string) ([][]float32, error) {
	if err := ctxerr.Of(ctx); err != nil {
		return nil, err
	}
	want, first := len(texts), texts[0]
	vectors, err := r.embed(ctx, v.embedder, texts)
	if cause := ctxerr.Of(ctx); err != nil && cause != nil && !errors.Is(err, context.Cause(ctx)) {
		err = fmt.Errorf("%w: %w", cause, bareError{err})
	}
	if err != nil {
		return nil, fmt.Errorf("%w on %d texts of role %s, the first %q: %w", ErrEmbedder, want, r, quote.Excerpt(first), bareError{err})
	}
	if len(vectors) != want {
		return nil, fmt.Errorf("%w: %d for %d texts of role %s", ErrEmbedderCount, len(vectors), want, r)
	}
	return vectors, nil
}

// find points the row's three vectors at their values, or at where the embedder
// will put them.
func (e *engine) find(b *batch, row *batchRow) error {
	for k, at := range row.rec.sides() {
		v, err := e.findOne(b, at)
		if err != nil {
			return fmt.Errorf("%s: %w", sideNames[k], err)
		}
		row.vectors[k] = v
	}
	return nil
}

func (e *engine) findOne(b *batch, at side) (*vector, error) {
	source := e.vectors
	if at.vector != nil {
		return b.accept(source, at.vector)
	}
	if source.tables != nil && at.id != "" {
		if v, ok := b.tables[tableKey{at.role, at.id}]; ok {
			return v, nil
		}
		start := len(b.arena)
		arena, key, err := at.in(source.tables, b.arena)
		if err == nil {
			b.arena = arena
			v, err := b.accept(source, arena[start:len(arena):len(arena)])
			if err == nil {
				b.tables[tableKey{at.role, key}] = v
			}
			return v, err
		}
		if source.embedder == nil {
			return nil, err
		}
	}
	if source.embedder == nil {
		return nil, source.none(at)
	}
	if v, ok := source.cache[at.role].Get(at.text); ok {
		return v, nil
	}
	return b.pending[at.role].add(at.text), nil
}

// accept checks a vector and gives it a place in the batch.
func (b *batch) accept(source *vectorSource, data []float32) (*vector, error) {
	data, err := source.accept(data)
	if err != nil {
		return nil, err
	}
	if len(b.vectors) == cap(b.vectors) {
		// Earlier rows point into the full slab, which lives on with them.
		b.vectors = make([]vector, 0, 3*triplesPerBatch)
	}
	b.vectors = append(b.vectors, vector{data})
	return &b.vectors[len(b.vectors)-1], nil
}

// rowOf returns the first row of the batch with the text of role k that an error
// is of, or nil.
func (b *batch) rowOf(k role, err error) *Record {
	var bad *TextError
	if !errors.As(err, &bad) {
		return nil
	}
	for i := range b.rows {
		for _, at := range b.rows[i].rec.sides() {
			if at.role == k && at.text == bad.Text {
				return &b.rows[i].rec
			}
		}
	}
	return nil
}

// Embeddable has the Embedder embed every text of the sources that has no vector
// otherwise, and returns the sources with an error in place of each row with a text
// that it cannot embed: ErrNotFinite, which SkipBadVector covers. Where there is no
// such text the sources are returned as they are. A failure that no single text is to
// blame for is an error. Put a [DiskCache] around the Embedder, or texts are sent
// again by the run that follows. Memory holds a fingerprint of every text.
func (s *Sem) Embeddable(ctx context.Context, sources ...Source) ([]Source, error) {
	if s.Embedder == nil {
		return sources, nil
	}
	resolved, err := settings(*s).resolve()
	if err != nil {
		return nil, err
	}
	t := &trial{vectors: newVectorSource(resolved), seen: make(map[textKey]bool), bad: make(map[textKey]bool)}
	for _, source := range sources {
		err := source.walk(ctx, nil, func(rec *Record, err error) error {
			if err != nil || rec.check() != nil {
				return nil // for the run that follows
			}
			for _, at := range rec.sides() {
				t.add(at)
			}
			return t.flush(ctx, textsPerCall)
		})
		if err == nil {
			err = source.wrap(nil, t.flush(ctx, 1))
		}
		if err != nil {
			return nil, err
		}
	}
	if len(t.bad) == 0 {
		return sources, nil
	}
	out := make([]Source, len(sources))
	for i, source := range sources {
		out[i] = t.without(source)
	}
	return out, nil
}

// trial finds the texts that an embedder cannot embed.
type trial struct {
	vectors   *vectorSource
	seen, bad map[textKey]bool
	pending   [2][]string // by role
}

// add takes in a text that the embedder will be asked for.
func (t *trial) add(at side) {
	key := textKey{at.role, hash64.FingerprintOf(at.text)}
	if t.seen[key] || !t.embedded(at) {
		return
	}
	t.seen[key] = true
	t.pending[at.role] = append(t.pending[at.role], strings.Clone(at.text))
}

// embedded reports whether the vector of a text comes from the embedder.
func (t *trial) embedded(at side) bool {
	if at.vector != nil || t.vectors.tables == nil || at.id == "" {
		return at.vector == nil
	}
	_, _, err := at.in(t.vectors.tables, nil)
	return err != nil
}

// flush embeds the texts of each role of which there are least or more.
func (t *trial) flush(ctx context.Context, least int) error {
	for k, texts := range t.pending {
		if len(texts) < least {
			continue
		}
		t.pending[k] = nil
		failed := 0
		for sent := len(texts); len(texts) > 0; {
			into := make([]*vector, len(texts))
			for i := range into {
				into[i] = new(vector)
			}
			err := t.vectors.embed(ctx, role(k), texts, into)
			if err == nil {
				break
			}
			var bad *TextError
			if failed++; !errors.As(err, &bad) || failed == sent && sent > 1 { // all of them: the encoder is broken
				return err
			}
			t.bad[textKey{role(k), hash64.FingerprintOf(bad.Text)}] = true
			texts = slices.Delete(texts, bad.Index, bad.Index+1)
		}
	}
	return nil
}

// without puts an error in the place of rows with a bad text.
func (t *trial) without(source Source) Source {
	triples := source.Triples
	return Source{Name: source.Name, tally: source.tally, Triples: func(yield func(Triple, error) bool) {
		row := 0
		for triple, err := range triples {
			row++
			if err == nil && triple != nil {
				err = t.refuse(triple, row)
			}
			if err != nil {
				triple = nil
			}
			if !yield(triple, err) {
				return
			}
		}
	}}
}

// refuse returns the error of a triple with a bad text.
func (t *trial) refuse(triple Triple, row int) error {
	if r, ok := triple.(*Record); ok && r == nil {
		return nil
	}
	var rec Record
	rec.fill(triple, row, nil)
	for k, at := range rec.sides() {
		if t.bad[textKey{at.role, hash64.FingerprintOf(at.text)}] && t.embedded(at) {
			return &RowError{File: rec.File, Row: rec.Row, Err: fmt.Errorf("%s: %w: the encoder cannot embed %q", sideNames[k], ErrNotFinite, quote.Excerpt(at.text))}
		}
	}
	return nil
}

// textKey is a text in one role, which is what an encoder is asked for.
type textKey struct {
	role role
	text fingerprint
}
