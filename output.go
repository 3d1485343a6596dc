package eci

import (
	"fmt"
	"io"
	"iter"

	"example.com/eci/internal/tripleio"
)

// Write streams triples, such as a source's, to w as JSONL in one of the
// formats FormatRecord, FormatTriplet, FormatNTuple, FormatFlagEmbedding and
// FormatTevatron, and returns the number of rows written.
//
// Where a row holds several negatives, consecutive triples of the same query
// and positive, by text and id, become one row. The n-tuples of one file may
// therefore differ in length; [Files] reads them. FormatRecord keeps ids, source
// and vectors, FormatTevatron ids; the others hold texts only. A title stays part
// of its text. The bytes depend on the triples alone; HTML is not escaped, invalid
// UTF-8 becomes U+FFFD.
//
// An error of the iterator ends the writing, after the rows before it are written.
// Check err, so that such a file is not mistaken for a complete one.
func Write(w io.Writer, format Format, triples iter.Seq2[Triple, error]) (rows int, err error) {
	rows, _, err = (&Output{Format: format}).Write(w, triples)
	return rows, err
}

// Output writes triples with what [Write] has no arguments for.
// It is safe for concurrent use as long as no goroutine changes it.
type Output struct {
	// Format is as for [Write].
	Format Format
	// Negatives is the number of negatives of every row of FormatNTuple, as
	// sentence-transformers wants it: of longer rows the first ones are kept, shorter
	// rows are left out. 0 writes as many as there are.
	Negatives int
	// Pad fills shorter rows up with their own negatives, from the first on.
	Pad bool
}

// Write is the function [Write]. The fields of [Record].Extra are written where the
// format has a place for them: all by FormatRecord, FormatFlagEmbedding (those of
// documents as lists, pos_scores and neg_scores for a score) and FormatTevatron (in
// the passages); only label, score and scores by FormatTriplet and FormatNTuple,
// whose trainer takes every other field for a text. notes say what was not written
// and whether n-tuples differ in length.
func (o *Output) Write(w io.Writer, triples iter.Seq2[Triple, error]) (rows int, notes []string, err error) {
	out, err := tripleio.NewWriter(w, tripleio.Format(o.Format))
	if err != nil {
		return 0, nil, err
	}
	if o.Negatives < 0 {
		return 0, nil, fmt.Errorf("eci: %w: Output.Negatives is %d", ErrSettings, o.Negatives)
	}
	out.Negatives, out.Pad = o.Negatives, o.Pad
	rows, err = writeTriples(out, triples)
	return rows, out.Notes(), err
}

func writeTriples(out *tripleio.Writer, triples iter.Seq2[Triple, error]) (rows int, err error) {
	triple := 0
	for next, err := range triples {
		triple++
		own, ok := next.(*Record)
		if err == nil && (next == nil || ok && own == nil) {
			err = &RowError{Row: triple, Err: fmt.Errorf("%w: the iterator yielded a nil triple", ErrMalformed)}
		}
		if err != nil {
			if other := out.Flush(); other != nil {
				return out.Rows, other
			}
			return out.Rows, err
		}
		var r Record
		r.fill(next, triple, nil)
		if own != nil {
			r.SourceName = own.SourceName
		}
		if err := out.Add(tripleio.Record(r)); err != nil {
			return out.Rows, err
		}
	}
	err = out.Flush()
	return out.Rows, err
}
