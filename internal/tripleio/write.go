package tripleio

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/textfile"
)

// Writer writes records as JSONL in one format. If the format's rows hold several
// negatives, consecutive records with the same query and positive become one row.
type Writer struct {
	Rows int // written so far
	// Negatives is the number of negatives in every n-tuple. 0 means as many as there
	// are. With Pad, the negatives of a shorter n-tuple are repeated; without it, the
	// n-tuple is left out.
	Negatives int
	Pad       bool
	Short     int // n-tuples left out
	Cut       int // negatives left out of longer n-tuples

	format      Format
	least, most int             // negatives of an n-tuple
	dropped     map[string]bool // extra fields that have no place in the format

	w       *bufio.Writer // whose errors are sticky and found when it is flushed
	scratch bytes.Buffer
	json    *json.Encoder
	encode  func(*Writer, []Record) error
	grouped bool
	group   []Record
	tailed  []byte
}

// common returns the value of an extra field for a row of several triples: the one
// that all share. For a field of a document, and for numbers that differ, it returns a
// list with one value for each negative, and lists is true. It returns nil if there is
// no such value.
func common(group []Record, e Extra) (value []byte, lists bool) {
	if e.Of == "positive" {
		return []byte("[" + string(e.Value) + "]"), false
	}
	same, numbers := true, true
	values := make([]string, len(group))
	for i := range group {
		values[i] = "null"
		for _, other := range group[i].Extra {
			if other.Name == e.Name && other.Of == e.Of {
				values[i] = string(other.Value)
			}
		}
		same = same && values[i] == string(e.Value)
		numbers = numbers && (values[i] == "null" || isNumber(values[i]) || values[i] == "true" || values[i] == "false")
	}
	switch {
	case len(group) == 1 && e.Of == "", e.Of == "" && same:
		return e.Value, false
	case e.Of == "negative", numbers:
		return []byte("[" + strings.Join(values, ",") + "]"), true
	}
	return nil, false
}

// NewWriter returns a Writer, or an error for a format that can only be read.
func NewWriter(w io.Writer, format Format) (*Writer, error) {
	t := &Writer{w: bufio.NewWriterSize(w, textfile.BufferSize), format: format, dropped: make(map[string]bool)}
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
	if t.format == NTuple && !t.width() {
		t.group = t.group[:0]
		return nil
	}
	if err := t.encode(t, t.group); err != nil {
		return fmt.Errorf("eci: row %d: %w", t.Rows+1, err)
	}
	t.Rows++
	t.group = t.group[:0]
	return nil
}

// width adjusts an n-tuple to its number of negatives, or reports that it is left out.
func (t *Writer) width() bool {
	n := len(t.group)
	switch {
	case t.Negatives == 0:
	case n > t.Negatives:
		t.Cut += n - t.Negatives
		t.group = t.group[:t.Negatives]
	case n < t.Negatives && !t.Pad:
		t.Short++
		return false
	case n < t.Negatives:
		for k := n; k < t.Negatives; k++ {
			t.group = append(t.group, t.group[k-n])
		}
	}
	n = len(t.group)
	if t.Rows == 0 {
		t.least, t.most = n, n
	}
	t.least, t.most = min(t.least, n), max(t.most, n)
	return true
}

// Notes returns notes on what the rows lack.
func (t *Writer) Notes() (notes []string) {
	if len(t.dropped) > 0 {
		notes = append(notes, fmt.Sprintf("not written, because %s has no place for it: %s", t.format, strings.Join(slices.Sorted(maps.Keys(t.dropped)), ", ")))
	}
	if t.most > t.least {
		notes = append(notes, fmt.Sprintf("rows have %d to %d negatives; sentence-transformers wants one number: set Output.Negatives", t.least, t.most))
	}
	if t.Short > 0 {
		notes = append(notes, fmt.Sprintf("%d rows with fewer than %d negatives were left out", t.Short, t.Negatives))
	}
	if t.Cut > 0 {
		notes = append(notes, fmt.Sprintf("%d negatives of rows with more than %d were left out", t.Cut, t.Negatives))
	}
	return notes
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
	if len(group[0].Extra) == 0 {
		return t.value(&group[0], "\n")
	}
	r := group[0]
	r.Extra = slices.Clone(r.Extra)
	for i, e := range r.Extra {
		if e.Of != "" {
			r.Extra[i] = Extra{Name: e.Of + "_" + e.Name, Value: e.Value}
		}
	}
	return t.object(&r, func(e Extra) string { return e.Name }, []Record{r})
}

// object writes an object, followed by the extra fields of a group. called gives their
// names. If a name begins with neg_, the values of the negatives are written as a
// list.
func (t *Writer) object(v any, called func(e Extra) string, group []Record) error {
	t.scratch.Reset()
	if err := t.json.Encode(v); err != nil {
		return fmt.Errorf("%w: %w", fault.Malformed, err)
	}
	taken, done := map[string]bool{}, map[string]bool{}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(bytes.TrimSpace(t.scratch.Bytes()), &fields); err != nil {
		return fmt.Errorf("%w: %w", fault.Malformed, err)
	}
	for name := range fields {
		taken[name] = true
	}
	extras := bytes.Buffer{}
	for i := range group {
		for _, e := range group[i].Extra {
			name, key := called(e), e.Of+"\x00"+e.Name
			if done[key] || taken[name] {
				continue
			}
			done[key] = true
			value, lists := common(group, e)
			if lists {
				name = called(Extra{Name: e.Name, Of: "negative"})
			}
			if value == nil || taken[name] {
				t.dropped[e.Name] = true
				continue
			}
			taken[name] = true
			quoted, _ := json.Marshal(name) // strings can always be encoded
			fmt.Fprintf(&extras, ",%s:%s", quoted, value)
		}
	}
	t.tail(extras.Bytes())
	return nil
}

// tail is written before the closing brace of the current object, and a line break
// after it.
func (t *Writer) tail(extras []byte) {
	t.tailed = append(t.tailed[:0], bytes.TrimSuffix(bytes.TrimSpace(t.scratch.Bytes()), []byte("}"))...)
	t.tailed = append(append(t.tailed, extras...), "}\n"...)
	t.w.Write(t.tailed)
}

func (t *Writer) triplet(group []Record) error {
	return t.value(struct {
		Anchor   string          `json:"anchor"`
		Positive string          `json:"positive"`
		Negative string          `json:"negative"`
		Label    json.RawMessage `json:"label,omitempty"`
		Score    json.RawMessage `json:"score,omitempty"`
		Scores   json.RawMessage `json:"scores,omitempty"`
	}{group[0].QueryText, group[0].PositiveText, group[0].NegativeText, t.kept(group, "label"), t.kept(group, "score"), t.scores(group)}, "\n")
}

// kept returns the row's own value of a field that sentence-transformers does not take
// for an input. It takes every other field for one, so those are not written.
func (t *Writer) kept(group []Record, name string) (value json.RawMessage) {
	for i := range group {
		for _, e := range group[i].Extra {
			switch {
			case e.Of == "" && e.Name == name:
				if v, lists := common(group, e); v != nil && !lists {
					value = v
				}
			case e.Of == "" && (e.Name == "label" || e.Name == "score"), e.Of != "" && e.Name == "score":
			default:
				t.dropped[e.Name] = true
			}
		}
	}
	return value
}

// scores returns the list of the scores of the positive and of every negative, or nil
// if one is missing.
func (t *Writer) scores(group []Record) json.RawMessage {
	find := func(r *Record, of string) string {
		for _, e := range r.Extra {
			if e.Name == "score" && e.Of == of {
				return string(e.Value)
			}
		}
		return ""
	}
	scores := []string{find(&group[0], "positive")}
	for i := range group {
		scores = append(scores, find(&group[i], "negative"))
	}
	if slices.Contains(scores, "") {
		if slices.ContainsFunc(scores, func(s string) bool { return s != "" }) {
			t.dropped["score"] = true
		}
		return nil
	}
	return json.RawMessage("[" + strings.Join(scores, ",") + "]")
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
	for _, f := range []struct {
		name  string
		value json.RawMessage
	}{{"label", t.kept(group, "label")}, {"score", t.kept(group, "score")}, {"scores", t.scores(group)}} {
		if f.value != nil {
			t.w.WriteString(`,"` + f.name + `":`)
			t.w.Write(f.value)
		}
	}
	_, err := t.w.WriteString("}\n")
	return err
}

func (t *Writer) flagEmbedding(group []Record) error {
	negatives, ids, named := make([]string, len(group)), make([]string, len(group)), false
	for i := range group {
		negatives[i], ids[i] = group[i].NegativeText, group[i].NegativeID
		named = named || ids[i] != ""
	}
	row := struct {
		ID          string   `json:"query_id,omitempty"`
		Query       string   `json:"query"`
		Positives   []string `json:"pos"`
		Negatives   []string `json:"neg"`
		PositiveIDs []string `json:"pos_ids,omitempty"`
		NegativeIDs []string `json:"neg_ids,omitempty"`
	}{ID: group[0].QueryID, Query: group[0].QueryText, Positives: []string{group[0].PositiveText}, Negatives: negatives}
	if group[0].PositiveID != "" {
		row.PositiveIDs = []string{group[0].PositiveID}
	}
	if named {
		row.NegativeIDs = ids
	}
	return t.object(row, func(e Extra) string {
		switch e.Of {
		case "positive":
			return "pos_" + plural(e.Name)
		case "negative":
			return "neg_" + plural(e.Name)
		}
		return e.Name
	}, group)
}

// plural returns the name of a list of what is called name.
func plural(name string) string {
	if strings.HasSuffix(name, "s") {
		return name
	}
	return name + "s"
}

func (t *Writer) tevatron(group []Record) error {
	negatives := make([]json.RawMessage, len(group))
	for i := range group {
		negatives[i] = passageOf(group[i].NegativeID, group[i].NegativeText, group[i].Extra, "negative")
	}
	positive := passageOf(group[0].PositiveID, group[0].PositiveText, group[0].Extra, "positive")
	bare := make([]Record, len(group))
	for i := range group {
		bare[i].Extra = slices.DeleteFunc(slices.Clone(group[i].Extra), func(e Extra) bool { return e.Of != "" })
	}
	return t.object(struct {
		ID        string            `json:"query_id"`
		Query     string            `json:"query"`
		Positives []json.RawMessage `json:"positive_passages"`
		Negatives []json.RawMessage `json:"negative_passages"`
	}{group[0].QueryID, group[0].QueryText, []json.RawMessage{positive}, negatives}, func(e Extra) string {
		if e.Of == "negative" { // numbers that differ
			return "negative_" + plural(e.Name)
		}
		return e.Name
	}, bare)
}

// passageOf returns a passage of Tevatron with the extra fields of its document.
func passageOf(id, text string, extra []Extra, of string) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	// Strings can always be encoded.
	e.Encode(struct {
		ID    string `json:"docid"`
		Title string `json:"title"`
		Text  string `json:"text"`
	}{id, "", text})
	raw := bytes.TrimSuffix(bytes.TrimSpace(b.Bytes()), []byte("}"))
	for _, f := range extra {
		if f.Of == of && f.Name != "docid" && f.Name != "title" && f.Name != "text" {
			name, _ := json.Marshal(f.Name)
			raw = fmt.Appendf(raw, ",%s:%s", name, f.Value)
		}
	}
	return append(raw, '}')
}
