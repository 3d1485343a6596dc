package tripleio

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/textfile"
)

// Writer writes records as JSONL in one format. Consecutive ones of the same query
// and positive become one row where the format's rows hold several negatives.
type Writer struct {
	Rows int // written so far

	w       *bufio.Writer // whose errors are sticky and found when it is flushed
	scratch bytes.Buffer
	json    *json.Encoder
	encode  func(*Writer, []Record) error
	grouped bool
	group   []Record
}

// NewWriter returns a Writer, or an error for a format that is only read.
func NewWriter(w io.Writer, format Format) (*Writer, error) {
	t := &Writer{w: bufio.NewWriterSize(w, textfile.BufferSize)}
	switch format {
	case Records:
		t.encode = (*Writer).record
	case Triplet:
		t.encode = (*Writer).triplet
	case NTuple:
		t.encode, t.grouped = (*Writer).nTuple, true
	case FlagEmbedding:
		t.encode, t.grouped = (*Writer).flagEmbedding, true
	case Tevatron:
		t.encode, t.grouped = (*Writer).tevatron, true
	default:
		return nil, fmt.Errorf("eci: %w: format %q is not written; want %q, %q, %q, %q or %q", fault.Settings, format, Records, Triplet, NTuple, FlagEmbedding, Tevatron)
	}
	t.json = json.NewEncoder(&t.scratch)
	t.json.SetEscapeHTML(false)
	return t, nil
}

// Add writes a record. Its vectors are not used after Add returns.
func (t *Writer) Add(r Record) error {
	if len(t.group) > 0 && !sameRow(&t.group[0], &r) {
		if err := t.row(); err != nil {
			return err
		}
	}
	t.group = append(t.group, r)
	if t.grouped {
		return nil
	}
	return t.row()
}

// row writes the group.
func (t *Writer) row() error {
	if len(t.group) == 0 {
		return nil
	}
	if err := t.encode(t, t.group); err != nil {
		return fmt.Errorf("eci: row %d: %w", t.Rows+1, err)
	}
	t.Rows++
	t.group = t.group[:0]
	return nil
}

// Flush writes what is held back.
func (t *Writer) Flush() error {
	if err := t.row(); err != nil {
		return err
	}
	if err := t.w.Flush(); err != nil {
		return fmt.Errorf("eci: %w", err)
	}
	return nil
}

func sameRow(a, b *Record) bool {
	return a.QueryID == b.QueryID && a.QueryText == b.QueryText && a.PositiveID == b.PositiveID && a.PositiveText == b.PositiveText
}

// value writes v as one JSON value, followed by end.
func (t *Writer) value(v any, end string) error {
	t.scratch.Reset()
	if err := t.json.Encode(v); err != nil {
		return fmt.Errorf("%w: %w", fault.Malformed, err)
	}
	t.w.Write(bytes.TrimSuffix(t.scratch.Bytes(), []byte("\n")))
	_, err := t.w.WriteString(end)
	return err
}

func (t *Writer) record(group []Record) error {
	for _, v := range [][]float32{group[0].QueryVector, group[0].PositiveVector, group[0].NegativeVector} {
		for _, x := range v {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				return fault.NotFinite // JSON has no such number
			}
		}
	}
	return t.value(&group[0], "\n")
}

func (t *Writer) triplet(group []Record) error {
	return t.value(struct {
		Anchor   string `json:"anchor"`
		Positive string `json:"positive"`
		Negative string `json:"negative"`
	}{group[0].QueryText, group[0].PositiveText, group[0].NegativeText}, "\n")
}

func (t *Writer) nTuple(group []Record) error {
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

func (t *Writer) flagEmbedding(group []Record) error {
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

func (t *Writer) tevatron(group []Record) error {
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
