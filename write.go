package eci

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"math"
	"strconv"
)

// Write streams triples, such as a source's, to w as JSONL in one of the
// formats FormatRecord, FormatTriplet, FormatNTuple, FormatFlagEmbedding and
// FormatTevatron, and returns the number of rows written.
//
// Where a row holds several negatives, consecutive triples of the same query
// and positive, by text and id, become one row; n-tuples of one file may so
// differ in length, which [Files] reads. FormatRecord keeps ids, source and
// vectors, FormatTevatron ids; the others hold texts only. A title stays part of
// its text. The bytes depend on the triples alone; HTML is not escaped, invalid
// UTF-8 becomes U+FFFD.
//
// An error of the iterator ends the writing: behind the rows that came before
// it, so that a file is not mistaken for a complete one, check err.
func Write(w io.Writer, format Format, triples iter.Seq2[Triple, error]) (rows int, err error) {
	var encode func(*tripleWriter, []Record) error
	switch format {
	case FormatRecord:
		encode = (*tripleWriter).record
	case FormatTriplet:
		encode = (*tripleWriter).triplet
	case FormatNTuple:
		encode = (*tripleWriter).nTuple
	case FormatFlagEmbedding:
		encode = (*tripleWriter).flagEmbedding
	case FormatTevatron:
		encode = (*tripleWriter).tevatron
	default:
		return 0, fmt.Errorf("eci: %w: format %q is not written; want %q, %q, %q, %q or %q", ErrSettings, format, FormatRecord, FormatTriplet, FormatNTuple, FormatFlagEmbedding, FormatTevatron)
	}
	grouped := format == FormatNTuple || format == FormatFlagEmbedding || format == FormatTevatron
	buffer := bufio.NewWriterSize(w, bufferSize)
	t := &tripleWriter{w: buffer}
	t.json = json.NewEncoder(&t.scratch)
	t.json.SetEscapeHTML(false)
	var group []Record
	flush := func() error {
		if len(group) == 0 {
			return nil
		}
		if err := encode(t, group); err != nil {
			return fmt.Errorf("eci: row %d: %w", rows+1, err)
		}
		rows++
		group = group[:0]
		return nil
	}
	triple := 0
	for next, err := range triples {
		triple++
		if r, ok := next.(*Record); err == nil && (next == nil || ok && r == nil) {
			err = &RowError{Row: triple, Err: fmt.Errorf("%w: the iterator yielded a nil triple", ErrMalformed)}
		}
		if err != nil {
			if other := flush(); other != nil {
				return rows, other
			}
			if other := buffer.Flush(); other != nil {
				return rows, fmt.Errorf("eci: %w", other)
			}
			return rows, err
		}
		var r Record
		// Vectors are copied only where they are written: at once.
		r.fill(next, triple, nil)
		if own, ok := next.(*Record); ok {
			r.SourceName = own.SourceName
		}
		if len(group) > 0 && !(grouped && sameRow(&group[0], &r)) {
			if err := flush(); err != nil {
				return rows, err
			}
		}
		group = append(group, r)
	}
	if err := flush(); err != nil {
		return rows, err
	}
	if err := buffer.Flush(); err != nil {
		return rows, fmt.Errorf("eci: %w", err)
	}
	return rows, nil
}

func sameRow(a, b *Record) bool {
	return a.QueryID == b.QueryID && a.QueryText == b.QueryText && a.PositiveID == b.PositiveID && a.PositiveText == b.PositiveText
}

// tripleWriter writes one row of a format for a group of triples that share
// query and positive. Write errors of w are sticky and found when it is flushed.
type tripleWriter struct {
	w       *bufio.Writer
	scratch bytes.Buffer
	json    *json.Encoder
}

// value writes v as one JSON value, followed by end.
func (t *tripleWriter) value(v any, end string) error {
	t.scratch.Reset()
	if err := t.json.Encode(v); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	t.w.Write(bytes.TrimSuffix(t.scratch.Bytes(), []byte("\n")))
	_, err := t.w.WriteString(end)
	return err
}

func (t *tripleWriter) record(group []Record) error {
	for _, v := range [][]float32{group[0].QueryVector, group[0].PositiveVector, group[0].NegativeVector} {
		for _, x := range v {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				return ErrNotFinite // JSON has no such number
			}
		}
	}
	return t.value(&group[0], "\n")
}

func (t *tripleWriter) triplet(group []Record) error {
	return t.value(struct {
		Anchor   string `json:"anchor"`
		Positive string `json:"positive"`
		Negative string `json:"negative"`
	}{group[0].QueryText, group[0].PositiveText, group[0].NegativeText}, "\n")
}

func (t *tripleWriter) nTuple(group []Record) error {
	t.w.WriteString(`{"anchor":`)
	if err := t.value(group[0].QueryText, `,"positive":`); err != nil {
		return err
	}
	if err := t.value(group[0].PositiveText, ""); err != nil {
		return err
	}
	for i := range group {
		t.w.WriteString(`,"negative_` + strconv.Itoa(i+1) + `":`)
		if err := t.value(group[i].NegativeText, ""); err != nil {
			return err
		}
	}
	_, err := t.w.WriteString("}\n")
	return err
}

func (t *tripleWriter) flagEmbedding(group []Record) error {
	negatives := make([]string, len(group))
	for i := range group {
		negatives[i] = group[i].NegativeText
	}
	return t.value(struct {
		Query     string   `json:"query"`
		Positives []string `json:"pos"`
		Negatives []string `json:"neg"`
	}{group[0].QueryText, []string{group[0].PositiveText}, negatives}, "\n")
}

func (t *tripleWriter) tevatron(group []Record) error {
	type passage struct {
		ID    string `json:"docid"`
		Title string `json:"title"`
		Text  string `json:"text"`
	}
	negatives := make([]passage, len(group))
	for i := range group {
		negatives[i] = passage{group[i].NegativeID, "", group[i].NegativeText}
	}
	return t.value(struct {
		ID        string    `json:"query_id"`
		Query     string    `json:"query"`
		Positives []passage `json:"positive_passages"`
		Negatives []passage `json:"negative_passages"`
	}{group[0].QueryID, group[0].QueryText, []passage{{group[0].PositiveID, "", group[0].PositiveText}}, negatives}, "\n")
}
