package eci

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"example.com/eci/internal/ctxerr"
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
	cache     [2]*cache[*vector]
	embedded  int        // texts that the embedder was asked for
	kept      *DiskCache // before the embedder, with a checkpoint
	before    int        // embedded before there was kept
	scratch   []float32
}

func newVectorSource(s *Sem) *vectorSource {
	v := &vectorSource{tables: s.Vectors, embedder: s.Embedder, batchSize: s.BatchSize, first: s.Dimensions}
	// Queries are few and repeat most.
	v.cache[queryRole] = newCache[*vector](s.CacheBytes / 4)
	v.cache[documentRole] = newCache[*vector](s.CacheBytes - s.CacheBytes/4)
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

// lookup appends the vector that tables hold for an id to dst.
func (v *vectorSource) lookup(dst []float32, r role, id string) ([]float32, error) {
	if r == queryRole {
		return v.tables.AppendQuery(dst, id)
	}
	return v.tables.AppendDocument(dst, id)
}

// check tells whether a record's vectors can be had without an embedder and are
// good, for runs that leave out rows where they are not.
func (v *vectorSource) check(rec *Record) error {
	for k, at := range rec.sides() {
		data, err := at.vector, error(nil)
		if data == nil && v.tables != nil && at.id != "" {
			v.scratch, err = v.lookup(v.scratch[:0], at.role, at.id)
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
				_, err = inverseNorm(data)
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
	case v.tables != nil && at.id == "":
		return fmt.Errorf("%w: the triple has no id to look one up by, and there is no Embedder", ErrMissingVector)
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

func (r *Record) sides() [3]side {
	return [3]side{
		{queryRole, r.QueryID, r.QueryText, r.QueryVector},
		{documentRole, r.PositiveID, r.PositiveText, r.PositiveVector},
		{documentRole, r.NegativeID, r.NegativeText, r.NegativeVector},
	}
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
		if err != nil {
			return err
		}
		v.embedded += len(copies)
		for i, data := range vectors {
			data, err := v.accept(data)
			if err == nil {
				_, err = inverseNorm(data)
			}
			if err != nil {
				return fmt.Errorf("%w: %s %q: %w", ErrEmbedder, r, excerpt(texts[start+i]), err)
			}
			// The embedder may reuse its slices.
			into[start+i].data = append([]float32(nil), data...)
			v.cache[r].put(texts[start+i], into[start+i], int64(4*len(data)+48))
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
	vectors, err := embedTexts(ctx, v.embedder, r, texts)
	if cause := ctxerr.Of(ctx); err != nil && cause != nil && !errors.Is(err, context.Cause(ctx)) {
		err = fmt.Errorf("%w: %w", cause, bareError{err})
	}
	if err != nil {
		return nil, fmt.Errorf("%w on %d texts of role %s, the first %q: %w", ErrEmbedder, want, r, excerpt(first), bareError{err})
	}
	if len(vectors) != want {
		return nil, fmt.Errorf("%w: %d for %d texts of role %s", ErrEmbedderCount, len(vectors), want, r)
	}
	return vectors, nil
}
