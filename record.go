package eci

import (
	"encoding/json"
	"fmt"

	"example.com/eci/internal/hash64"
	"example.com/eci/internal/jsonrow"
	"example.com/eci/internal/sketch"
	"example.com/eci/internal/textcheck"
	"example.com/eci/internal/tripleio"
)

// Record is the concrete [Triple] that readers yield. It has texts and, optionally,
// IDs and vectors. Its JSON form is this project's own JSONL format, in which IDs,
// source and vectors are optional. Use a pointer to it as a Triple.
// It is safe for concurrent use as long as no goroutine changes it.
type Record struct {
	QueryID      string `json:"query_id,omitempty"`
	QueryText    string `json:"query"`
	PositiveID   string `json:"positive_id,omitempty"`
	PositiveText string `json:"positive"`
	NegativeID   string `json:"negative_id,omitempty"`
	NegativeText string `json:"negative"`
	SourceName   string `json:"source,omitempty"`

	// Vectors of length d, of any positive norm; nil if not available.
	QueryVector    []float32 `json:"query_vector,omitempty"`
	PositiveVector []float32 `json:"positive_vector,omitempty"`
	NegativeVector []float32 `json:"negative_vector,omitempty"`

	// File and Row (1-based) say where the record was read.
	File string `json:"-"`
	Row  int    `json:"-"`

	// Extra holds the fields of the row that have no place in a triple, if
	// [Files].Extra asks for them, and fields that a writer is to add.
	Extra []Extra `json:"-"`
}

// Extra is a field of a row other than texts, IDs and vectors: a teacher's score, a
// prompt, a weight. Of says what it belongs to: "" is the row, "positive" or
// "negative" that document, as with lists of scores. Value is JSON.
// It is a plain value and safe for concurrent use.
type Extra = tripleio.Extra

// UnmarshalJSON reads a record. It returns ErrMalformed, and leaves r unchanged, if it
// cannot. A null in a vector is an error, because a []float32 would read it as 0.
func (r *Record) UnmarshalJSON(data []byte) error {
	type plain Record
	in := struct {
		*plain
		Query    json.RawMessage `json:"query_vector"`
		Positive json.RawMessage `json:"positive_vector"`
		Negative json.RawMessage `json:"negative_vector"`
	}{plain: &plain{File: r.File, Row: r.Row}}
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("eci: record: %w: %w", ErrMalformed, err)
	}
	for _, v := range []struct {
		name string
		raw  json.RawMessage
		to   *[]float32
	}{
		{"query_vector", in.Query, &in.QueryVector},
		{"positive_vector", in.Positive, &in.PositiveVector},
		{"negative_vector", in.Negative, &in.NegativeVector},
	} {
		if len(v.raw) == 0 || v.raw[0] == 'n' {
			continue
		}
		var err error
		if *v.to, err = jsonrow.AppendNumbers(nil, v.name, v.raw); err != nil {
			return fmt.Errorf("eci: record: %w", err)
		}
	}
	*r = Record(*in.plain)
	return nil
}

// Query returns the query's text.
func (r *Record) Query() string { return r.QueryText }

// Positive returns the text of the passage labeled relevant.
func (r *Record) Positive() string { return r.PositiveText }

// Negative returns the text of the candidate negative.
func (r *Record) Negative() string { return r.NegativeText }

// IDs returns the IDs of query, positive and negative, each empty if unknown.
func (r *Record) IDs() (query, positive, negative string) {
	return r.QueryID, r.PositiveID, r.NegativeID
}

// Vectors returns the vectors of query, positive and negative, each nil if not
// available.
func (r *Record) Vectors() (query, positive, negative []float32) {
	return r.QueryVector, r.PositiveVector, r.NegativeVector
}

// Location returns the file and the 1-based row the record was read from.
func (r *Record) Location() (file string, row int) { return r.File, r.Row }

// fill copies what a Triple offers. Strings are immutable. The caller may reuse its
// vectors, so they are appended to arena; if arena is nil, they remain the caller's.
// row is the position to report if the triple has none.
func (r *Record) fill(t Triple, row int, arena *[]float32) {
	*r = Record{QueryText: t.Query(), PositiveText: t.Positive(), NegativeText: t.Negative(), Row: row}
	if own, ok := t.(*Record); ok {
		r.Extra = own.Extra
	}
	if t, ok := t.(Identified); ok {
		r.QueryID, r.PositiveID, r.NegativeID = t.IDs()
	}
	if t, ok := t.(Located); ok {
		if file, row := t.Location(); row > 0 {
			r.File, r.Row = file, row
		}
	}
	if t, ok := t.(Embedded); ok {
		r.QueryVector, r.PositiveVector, r.NegativeVector = t.Vectors()
		if arena == nil {
			return
		}
		for _, v := range [...]*[]float32{&r.QueryVector, &r.PositiveVector, &r.NegativeVector} {
			if *v != nil {
				start := len(*arena)
				*arena = append(*arena, *v...)
				*v = (*arena)[start:len(*arena):len(*arena)]
			}
		}
	}
}

// check returns an error for an empty text.
func (r *Record) check() error {
	for _, side := range [...]struct{ name, text string }{
		{"query", r.QueryText}, {"positive", r.PositiveText}, {"negative", r.NegativeText},
	} {
		if textcheck.Blank(side.text) {
			return fmt.Errorf("%w: the %s is empty", ErrEmptyText, side.name)
		}
	}
	return nil
}

// fingerprint identifies a text.
type fingerprint = hash64.Fingerprint

// queryKey identifies the query of a triple in every source: FNV-1a-64 of its id,
// or of its text where it has none.
func (r *Record) queryKey() uint64 {
	if r.QueryID != "" {
		return hash64.FNV1a(hash64.Offset, r.QueryID)
	}
	return hash64.FNV1a(hash64.Offset, r.QueryText)
}

// group returns the query's jackknife group, the same in every source.
func (r *Record) group(groups int) int { return int(r.queryKey() % uint64(groups)) }

// digest continues a digest over texts, IDs and, if requested, vectors. It is fast and
// serves to compare two passes over a source. One changed text goes unnoticed with
// probability 2^-32.
func (r *Record) digest(h uint64, vectors bool) uint64 {
	for _, s := range [...]string{r.QueryText, r.PositiveText, r.NegativeText, r.QueryID, r.PositiveID, r.NegativeID} {
		h = hash64.Mix(h ^ uint64(len(s))<<32 ^ uint64(sketch.Sum(s)))
	}
	if vectors {
		for _, v := range [...][]float32{r.QueryVector, r.PositiveVector, r.NegativeVector} {
			h = hash64.Mix(h ^ uint64(len(v))<<32 ^ uint64(sketch.Sums(v)))
		}
	}
	return h
}

// Group returns the jackknife group of a triple, in 0..groups-1. It is the FNV-1a-64
// hash of the query's ID, or of its text if it has no ID, modulo groups. A query has
// the same group in every source. A [Scorer] that leaves out one group at a time can
// therefore be paired with any other. groups must be positive.
func Group(t Triple, groups int) int {
	key := ""
	if t, ok := t.(Identified); ok {
		key, _, _ = t.IDs()
	}
	if key == "" {
		key = t.Query()
	}
	return int(hash64.FNV1a(hash64.Offset, key) % uint64(groups))
}

// hash returns the [tripleHash] of the three texts.
func (r *Record) hash(seed uint64) uint64 {
	return hash64.Triple(seed, hash64.FingerprintOf(r.QueryText), hash64.FingerprintOf(r.PositiveText), hash64.FingerprintOf(r.NegativeText))
}

// pair returns a 64-bit hash of query and positive.
func (r *Record) pair() uint64 {
	if r.QueryID != "" && r.PositiveID != "" {
		return hash64.Mix(hash64.FNV1a(hash64.Mix(hash64.FNV1a(hash64.Offset, r.QueryID)), r.PositiveID))
	}
	return hash64.Triple(1, hash64.FingerprintOf(r.QueryText), hash64.FingerprintOf(r.PositiveText), fingerprint{})
}
