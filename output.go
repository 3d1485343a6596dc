package eci

import (
	"fmt"
	"io"
	"iter"

	"example.com/eci/internal/tripleio"
)

// Write streams triples, such as those of a source, to w as JSONL and returns the
// number of rows written. The format is FormatRecord, FormatTriplet, FormatNTuple,
// FormatFlagEmbedding or FormatTevatron.
//
// If rows of the format hold several negatives, consecutive triples with the same
// query and positive, by text and ID, become one row. The n-tuples of one file may
// therefore differ in length; [Files] reads them. FormatRecord keeps IDs, source and
// vectors, and FormatTevatron keeps IDs. The others contain only texts. A title
// remains part of its text. The bytes depend only on the triples. HTML is not escaped,
// and invalid UTF-8 becomes U+FFFD.
//
// If the iterator yields an error, Write stops after it has written the rows before
// it. Check err, so that you do not mistake such a file for a complete one.
func Write(w io.Writer, format Format, triples iter.Seq2[Triple, error]) (rows int, err error) {
	rows, _, err = (&Output{Format: format}).Write(w, triples)
	return rows, err
}

// Output writes triples with options that [Write] does not have.
// It is safe for concurrent use as long as no goroutine changes it.
type Output struct {
	// Format is as for [Write].
	Format Format
	// Negatives is the number of negatives in every row of FormatNTuple, which
	// sentence-transformers requires to be equal. Longer rows are cut to the first
	// ones, and shorter rows are left out. 0 writes all negatives of each row.
	Negatives int
	// Pad fills shorter rows with their own negatives, starting with the first.
	Pad bool
}

// Write is like the function [Write]. In addition it writes the fields of
// [Record].Extra that have a place in the format. FormatRecord, FormatFlagEmbedding
// and FormatTevatron write all of them. FormatFlagEmbedding writes those of documents
// as lists, a score as pos_scores and neg_scores. FormatTevatron writes those of
// documents in the passages. FormatTriplet and FormatNTuple write only label, score
// and scores, because their trainer takes every other field for a text. notes say what
// was not written and whether n-tuples differ in length.
func (o *Output) Write(w io.Writer, triples iter.Seq2[Triple, error]) (rows int, notes []string, err error) {
	out, err := tripleio.NewWriter(w, tripleio.Format(o.Format))
	if err != nil {
		return 0, nil, err
	}
	if o.Negatives < 0 {
		return 0, nil, fmt.Errorf("eci: %w: Output.Negatives is %d", ErrSettings, o.Negatives)
	}
	out.Negatives, out.Pad = o.Negatives, o.Pad
	rows, err = o.write(out, triples)
	return rows, out.Notes(), err
}

func (*Output) write(out *tripleio.Writer, triples iter.Seq2[Triple, error]) (rows int, err error) {
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
