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
	out, err := tripleio.NewWriter(w, tripleio.Format(format))
	if err != nil {
		return 0, err
	}
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
