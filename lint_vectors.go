package eci

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"example.com/eci/internal/cosine"
	"example.com/eci/internal/hash64"
)

// lintSampled is a triple kept for the rules that look at a whole source.
type lintSampled struct {
	hash  uint64
	rec   Record // with vectors of its own
	query lintKey
}

// lintSample holds the 128 triples with the lowest hashes, in that order, so that it
// depends on the triples alone.
type lintSample struct {
	rows     []*lintSampled
	shuffled float64 // mean cosine of queries and other queries' negatives
	ok       bool    // shuffled is known
}

const lintSampleSize = 128

func (s *lintSample) offer(rec *Record, vectors [3][]float32) {
	hash := rec.hash(0x11)
	at, found := slices.BinarySearchFunc(s.rows, hash, func(row *lintSampled, hash uint64) int { return cmp.Compare(row.hash, hash) })
	if found || at == lintSampleSize {
		return
	}
	if len(s.rows) == lintSampleSize {
		s.rows = s.rows[:lintSampleSize-1]
	}
	kept := &lintSampled{hash: hash, rec: *rec, query: keyOf(rec.QueryText)}
	kept.rec.QueryVector, kept.rec.PositiveVector, kept.rec.NegativeVector = slices.Clone(vectors[0]), slices.Clone(vectors[1]), slices.Clone(vectors[2])
	s.rows = slices.Insert(s.rows, at, kept)
}

func (s *lintSample) conclude() {
	sum, pairs := 0.0, 0
	for i := range s.rows {
		for j := range s.rows {
			if s.rows[i].query != s.rows[j].query {
				sum += cosine.Of(s.rows[i].rec.QueryVector, s.rows[j].rec.NegativeVector)
				pairs++
			}
		}
	}
	if pairs > 0 {
		s.shuffled, s.ok = sum/float64(pairs), true
	}
}

// lintVectors finds the vectors of rows.
type lintVectors struct {
	table     Vectors             // nil for those of the triples
	arena     []float32           // of the current row
	dimension int                 // of the first vector
	first     map[uint64]lintText // by vector: the text that it was first for
}

// lookUp finds the vectors of a row. ok is false when one is missing or bad;
// say is called with every fault.
func (v *lintVectors) lookUp(rec *Record, say func(kind LintKind, k int, note string)) (vectors [3][]float32, ok bool, err error) {
	ok = true
	present := rec.QueryVector != nil || rec.PositiveVector != nil || rec.NegativeVector != nil
	for k, at := range rec.sides() {
		data := at.vector
		if data == nil && v.table != nil && at.id != "" {
			start := len(v.arena)
			var arena []float32
			arena, _, err = at.in(v.table, v.arena)
			switch {
			case errors.Is(err, ErrMissingVector) && at.id == at.text:
				say(LintMissingVector, k, "the "+sideNames[k]+" has no ID, and its text is not among the IDs of the vectors")
				ok = false
				continue
			case errors.Is(err, ErrMissingVector):
				say(LintMissingVector, k, fmt.Sprintf("no vector for ID %q", at.id))
				ok = false
				continue
			case err != nil:
				return vectors, false, fmt.Errorf("%s: %w", sideNames[k], err)
			}
			v.arena = arena
			data = arena[start:len(arena):len(arena)]
		}
		if data == nil {
			if present || v.table != nil {
				say(LintMissingVector, k, "the "+sideNames[k]+" has neither a vector nor an ID to find one by")
			}
			ok = false
			continue
		}
		if v.dimension == 0 {
			v.dimension = len(data)
		}
		_, bad := cosine.InverseNorm(data)
		switch {
		case len(data) == 0 || len(data) != v.dimension:
			say(LintVectorDimension, k, fmt.Sprintf("%d components, the first vector has %d", len(data), v.dimension))
		case errors.Is(bad, ErrNotFinite):
			say(LintVectorNotFinite, k, sideNames[k])
		case errors.Is(bad, ErrZeroVector):
			say(LintVectorZero, k, sideNames[k])
		default:
			vectors[k] = data
			continue
		}
		ok = false
	}
	return vectors, ok, nil
}

// vectors checks each vector on its own and fills the sample.
func (s *lintSurvey) vectors(rec *Record) error {
	if s.settings.vectors == nil && rec.QueryVector == nil && rec.PositiveVector == nil && rec.NegativeVector == nil {
		return nil
	}
	sides := rec.sides()
	vectors, ok, err := s.index.vectors.lookUp(rec, func(kind LintKind, k int, note string) { s.found.addOnce(kind, rec, sides[k].text, note) })
	if err != nil {
		return err
	}
	for k, v := range vectors {
		if v != nil {
			s.unit(rec, k, sides[k].text, v)
			s.constant(rec, sides[k].text, v)
		}
	}
	if ok {
		s.sample.offer(rec, vectors)
	}
	return nil
}

// unit looks for a norm other than 1.
func (s *lintSurvey) unit(rec *Record, k int, text string, v []float32) {
	inverse, _ := cosine.InverseNorm(v)
	if norm := 1 / inverse; math.Abs(norm-1) > 1e-3 {
		s.found.addOnce(LintNotUnit, rec, text, fmt.Sprintf("the %s's norm is %.4g", sideNames[k], norm))
	}
}

// constant looks for a vector that an earlier row had for another text.
func (s *lintSurvey) constant(rec *Record, text string, v []float32) {
	hash := uint64(len(v))
	for _, x := range v {
		hash = hash64.Mix(hash ^ uint64(math.Float32bits(x)))
	}
	tokens := uint64(hash64.Offset)
	s.tokens = s.settings.tokenizer.AppendTokens(s.tokens[:0], text)
	for _, token := range s.tokens {
		tokens = hash64.FNV1a(hash64.FNV1a(tokens, token), " ")
	}
	first, seen := s.index.vectors.first[hash]
	switch {
	case !seen:
		s.index.vectors.first[hash] = lintText{lintKey(tokens), uint32(rec.Row)}
	case first.key != lintKey(tokens):
		s.found.addOnce(LintConstantVector, rec, text, fmt.Sprintf("as another text in row %d", first.row))
	}
}
