package tripleio

import (
	"encoding/json"
	"fmt"
	"strings"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/jsonrow"
	"example.com/eci/internal/quote"
	"example.com/eci/internal/textfile"
)

// row is one query with its documents, as in a file. Its triples combine each positive
// in turn with every negative in turn.
type row struct {
	query                passage
	positives, negatives []passage
	source               string
	extra                []Extra
	lines                int // rows of the file that it is made of, where there are several
}

// passage is a query or a document: a text, or the ID of a text to look up.
type passage struct {
	id, text string
	vector   []float32
	bare     bool // the text is in a corpus
	number   bool // a JSON number in place of a text, in a sample
	line     int  // where it is; 0 means the row's own line
	extra    []Extra
}

// rowDecoder reads the rows of one JSON format. The row that decode returns is valid
// until the next call.
type rowDecoder struct {
	format  Format
	shape   shape
	strict  bool   // texts are strings only, as documented for JSONL
	queries bool   // a query without text may be looked up by ID
	corpus  bool   // so may a document
	keep    bool   // fields that have no place in a triple
	sample  bool   // numbers may take the place of texts
	labels  bool   // a label next to a positive and a negative is checked
	pick    string // the source to read of a file with several

	// The row's own object, one of its fields, one of its documents.
	object, inner, element jsonrow.Object
	row                    row
	prefixes               []string
	pairs                  bool // the row's texts are pairs of an instruction and a text
	label                  labelCheck
}

func (d *rowDecoder) decode(raw []byte) (*row, error) {
	o := &d.object
	d.row = row{positives: d.row.positives[:0], negatives: d.row.negatives[:0]}
	d.pairs = false
	if err := textfile.CheckUTF8(raw); err != nil {
		return nil, err
	}
	if d.format == Arrays {
		return &d.row, d.array(raw)
	}
	if err := o.Parse(raw); err != nil {
		return nil, err
	}
	if name := o.Repeated(); name != "" {
		return nil, fmt.Errorf("%w: the field %q is there twice, with different values; keep one of them", fault.Malformed, quote.Clip(name))
	}
	var err error
	switch {
	case d.format.flat():
		if err = d.flat(o); err == nil && d.labels {
			err = d.label.object(o)
		}
	case d.format == Messages:
		err = d.conversations(o)
	case d.format == NWay:
		err = d.nWay(o)
	case d.format == LabeledPair, d.format == LabeledList:
		err = d.labeled(o)
	default:
		err = d.lists(o)
	}
	if err != nil {
		return nil, mixed(err, d.format, o, d.strict)
	}
	if d.keep {
		d.extras(o)
	}
	return &d.row, nil
}

// flat reads a row whose texts are fields. The fields are checked in a fixed order, so
// that the same one of several faults is always reported.
func (d *rowDecoder) flat(o *jsonrow.Object) (err error) {
	r := &d.row
	if err = d.query(o); err != nil {
		return err
	}
	if r.positives, err = d.documents(o, r.positives, d.shape.positive, orNames(d.shape.positiveID, positiveIDs)); err != nil {
		return err
	}
	if r.query.vector, err = o.Vector("query_vector"); err != nil {
		return err
	}
	for i := range r.positives {
		if r.positives[i].vector, err = o.Vector("positive_vector"); err != nil {
			return err
		}
	}
	if !d.strict {
		if r.source, err = o.Text("source"); err != nil {
			return err
		}
	}
	if !o.Has(d.shape.negative) {
		if tuple, err := d.nTuple(o); tuple || err != nil {
			return err
		}
	}
	names := d.shape.negative
	if len(names) == 1 {
		names = []string{names[0], names[0] + "_1"}
	}
	if r.negatives, err = d.documents(o, r.negatives, names, orNames(d.shape.negativeID, negativeIDs)); err != nil {
		return err
	}
	for i := range r.negatives {
		if r.negatives[i].vector, err = o.Vector("negative_vector"); err != nil {
			return err
		}
	}
	return nil
}

// The usual names for the IDs of single texts.
var positiveIDs, negativeIDs = []string{"positive_id"}, []string{"negative_id"}

func orNames(own, usual []string) []string {
	if own != nil {
		return own
	}
	return usual
}

// nTuple reads the numbered negatives of a row and reports whether it has any.
func (d *rowDecoder) nTuple(o *jsonrow.Object) (found bool, err error) {
	prefixes := d.shape.numbered
	if prefixes == nil {
		d.prefixes = d.prefixes[:0]
		for _, name := range d.shape.negative {
			d.prefixes = append(d.prefixes, name+"_")
		}
		prefixes = d.prefixes
	}
	for _, prefix := range prefixes {
		for _, f := range o.Numbered(prefix) {
			found = true
			switch {
			case !jsonrow.Null(f.Value):
				d.row.negatives, err = d.appendField(d.row.negatives, string(f.Name), f.Value, "")
			case d.strict:
				err = o.Missing(string(f.Name))
			} // else a shorter n-tuple, padded
			if err != nil {
				return true, err
			}
		}
	}
	return found, nil
}

// lists reads a row with a list of positives and a list of negatives. In a file of
// many sources, the negatives are an object of lists.
func (d *rowDecoder) lists(o *jsonrow.Object) (err error) {
	r := &d.row
	if err = d.query(o); err != nil {
		return err
	}
	if r.positives, err = d.documents(o, r.positives, d.shape.positive, d.shape.positiveID); err != nil {
		return err
	}
	if d.format != MultiSource {
		r.negatives, err = d.documents(o, r.negatives, d.shape.negative, d.shape.negativeID)
		return err
	}
	name, raw, ok := o.First(d.shape.negative)
	if !ok {
		return o.Missing(d.shape.negative...)
	}
	if raw[0] != '{' {
		return fmt.Errorf("%w: field %q is not an object with a list for each source", fault.Malformed, quote.Clip(name))
	}
	if err := d.inner.Parse(raw); err != nil {
		return err
	}
	if raw, ok = d.inner.Value(d.pick); ok {
		r.negatives, err = d.appendDocuments(r.negatives, d.pick, raw)
	}
	return err
}

// query reads text and ID of the query.
func (d *rowDecoder) query(o *jsonrow.Object) (err error) {
	q := &d.row.query
	if q.id, err = o.ID(d.shape.queryID...); err != nil {
		return err
	}
	name, raw, ok := o.First(d.shape.query)
	switch {
	case ok && !d.strict && isTalk(raw):
		q.text, err = d.spoken(raw)
		return err
	case ok && !d.strict && raw[0] == '{' && d.within(raw, q):
		return nil
	case ok && d.format.flat() && !d.strict && (raw[0] == '[' || raw[0] == '{'):
		return fmt.Errorf("%w: field %q is no text: if the file has its rows by column, as to_dict and to_json of pandas write them, write one object a row: to_json(path, orient=\"records\", lines=True)", fault.Malformed, quote.Clip(name))
	case ok && (d.shape.queryIDs || d.sample && raw[0] != '"' && raw[0] != '['):
		q.bare, q.number = true, raw[0] != '"'
		q.id, err = o.ID(name)
		return err
	case ok && raw[0] == '[':
		q.text, err = d.queryPair(name, raw)
		return err
	case ok || q.id == "" || !d.queries && !d.shape.ids:
		q.text, err = o.RequiredText(d.shape.query...)
		if err != nil && q.id != "" && len(d.shape.query) == 0 {
			err = fmt.Errorf("%w: the row has a query's id and no text: set Files.Queries to the file with the texts", fault.MissingField)
		}
		return err
	}
	q.bare = true
	return nil
}

// within reads a query that is an object with a text and perhaps an ID, and reports
// whether it is one.
func (d *rowDecoder) within(raw []byte, q *passage) bool {
	p, end, err := d.document(raw, 0)
	if err != nil || p.bare || jsonrow.SkipSpace(raw, end) != len(raw) {
		return false
	}
	if q.text = p.text; q.id == "" {
		q.id = p.id
	}
	return true
}

// queryPair returns the text of a query that is a list of an instruction and the text,
// as in INSTRUCTOR and GritLM, or of the text alone.
func (d *rowDecoder) queryPair(name string, raw []byte) (string, error) {
	texts, err := stringsOf(raw)
	if err == nil && (len(texts) == 0 || len(texts) > 2) {
		err = fmt.Errorf("a list of %d; want an instruction and a text", len(texts))
	}
	if err != nil {
		return "", fmt.Errorf("%w: field %q: %w", fault.Malformed, quote.Clip(name), err)
	}
	d.pairs = len(texts) == 2
	if d.keep && d.pairs && texts[0] != "" {
		value, _ := json.Marshal(texts[0]) // strings can always be encoded
		d.row.extra = append(d.row.extra, Extra{Name: "instruction", Value: value})
	}
	return texts[len(texts)-1], nil
}

// stringsOf returns the elements of a validated list of strings.
func stringsOf(raw []byte) (texts []string, err error) {
	err = jsonrow.EachElement(raw, func(k int, element []byte) error {
		if element[0] != '"' {
			return fmt.Errorf("element %d is not a text", k)
		}
		texts = append(texts, jsonrow.Unquote(element))
		return nil
	})
	return texts, err
}

// documents appends the documents of the first of the named fields that exists.
// idNames are fields with their IDs.
func (d *rowDecoder) documents(o *jsonrow.Object, dst []passage, names, idNames []string) ([]passage, error) {
	idName, idRaw, hasID := o.First(idNames)
	id := ""
	if hasID && idRaw[0] != '[' {
		var err error
		if id, err = o.ID(idName); err != nil {
			return dst, err
		}
	}
	name, raw, ok := o.First(names)
	switch {
	case ok:
		start := len(dst)
		dst, err := d.appendField(dst, name, raw, id)
		if err == nil && hasID && idRaw[0] == '[' {
			d.pairIDs(dst[start:], idRaw)
		}
		return dst, err
	case hasID && (d.corpus || d.sample):
		return d.appendIDs(dst, idName, idRaw)
	case hasID && !d.strict && len(names) == 0:
		return dst, fmt.Errorf("%w: %s holds ids: set Files.Corpus to the file with their texts", fault.MissingField, idName)
	}
	if !d.strict {
		for _, name := range names {
			if _, null := o.Get(name); null && d.meansList(name) {
				return dst, nil // pandas and parquet write an empty list like this
			}
		}
	}
	if len(names) == 0 {
		names = idNames
	}
	return dst, o.Missing(names...)
}

// meansList reports whether a field of the format contains a list.
func (d *rowDecoder) meansList(name string) bool {
	n := normal(name)
	return !d.format.flat() || d.shape.numbered == nil && (strings.HasSuffix(n, "s") || n == "pos" || n == "neg")
}

// pairIDs gives documents their IDs if the numbers match.
func (d *rowDecoder) pairIDs(documents []passage, raw []byte) {
	n := 0
	if jsonrow.EachElement(raw, func(int, []byte) error { n++; return nil }) != nil || n != len(documents) {
		return
	}
	jsonrow.EachElement(raw, func(k int, id []byte) error {
		switch {
		case documents[k-1].id != "" || jsonrow.Null(id):
		case id[0] == '"':
			documents[k-1].id = jsonrow.Unquote(id)
		case id[0] == '-' || id[0]-'0' <= 9:
			documents[k-1].id = string(id)
		}
		return nil
	})
}

// appendIDs appends documents given by their IDs, one or a list.
func (d *rowDecoder) appendIDs(dst []passage, name string, raw []byte) ([]passage, error) {
	ids := d.shape.ids
	d.shape.ids = true
	dst, err := d.appendDocuments(dst, name, raw)
	d.shape.ids = ids
	return dst, err
}

// appendField appends the documents of one field. id is that of a single text.
func (d *rowDecoder) appendField(dst []passage, name string, raw []byte, id string) ([]passage, error) {
	switch {
	case raw[0] == '"' && !d.shape.ids:
		return append(dst, passage{id: id, text: jsonrow.Unquote(raw)}), nil
	case d.strict:
		return dst, fmt.Errorf("%w: field %q is not a string", fault.Malformed, quote.Clip(name))
	}
	return d.appendDocuments(dst, name, raw)
}

// appendDocuments appends one document or a list of them.
func (d *rowDecoder) appendDocuments(dst []passage, name string, raw []byte) ([]passage, error) {
	if d.pairs && raw[0] == '[' {
		return d.appendPairs(dst, name, raw)
	}
	if isTalk(raw) { // of a preference: what was answered
		text, err := d.said(raw, "assistant")
		if err == nil && text == "" {
			text, err = d.spoken(raw)
		}
		if err != nil {
			return dst, fmt.Errorf("%w: field %q: %w", fault.Malformed, quote.Clip(name), err)
		}
		return append(dst, passage{text: text}), nil
	}
	if raw[0] != '[' {
		p, _, err := d.document(raw, 0)
		if err != nil {
			return dst, fmt.Errorf("%w: field %q: %w", fault.Malformed, quote.Clip(name), err)
		}
		return append(dst, p), nil
	}
	i := jsonrow.SkipSpace(raw, 1)
	for k := 1; raw[i] != ']'; k++ {
		p, end, err := d.document(raw, i)
		if err != nil {
			return dst, fmt.Errorf("%w: field %q: element %d: %w", fault.Malformed, quote.Clip(name), k, err)
		}
		dst = append(dst, p)
		if i = jsonrow.SkipSpace(raw, end); raw[i] == ',' {
			i = jsonrow.SkipSpace(raw, i+1)
		}
	}
	return dst, nil
}

var (
	documentIDs  = []string{"docid", "_id", "id", "pid", "passage_id", "psg_id", "doc_id"}
	documentText = []string{"text", "contents", "passage", "content", "body", "document"}
)

// document reads the validated value at raw[i] and returns where it ends. The value is
// a text, an ID, or an object with ID, title and text.
func (d *rowDecoder) document(raw []byte, i int) (p passage, end int, err error) {
	o := &d.element
	if raw[i] == '{' {
		end, err = o.ParseAt(raw, i)
	} else {
		end, err = jsonrow.SkipValue(raw, i, 1)
	}
	if err != nil {
		return p, end, err
	}
	switch c := raw[i]; {
	case c == '"' && !d.shape.ids:
		return passage{text: jsonrow.Unquote(raw[i:end])}, end, nil
	case c == '"':
		return passage{id: jsonrow.Unquote(raw[i:end]), bare: true}, end, nil
	case c == '-' && raw[i+1] == 'I':
		return p, end, fmt.Errorf("it is neither a text nor an object")
	case c == '-' || c-'0' <= 9:
		if d.sample && !d.shape.ids {
			return passage{id: string(raw[i:end]), bare: true, number: true}, end, nil
		}
		if !d.shape.ids {
			return p, end, fmt.Errorf("it is a number, not a text")
		}
		return passage{id: string(raw[i:end]), bare: true}, end, nil
	case c == '[' && d.shape.ids: // an ID and a score
		return d.scored(raw, i, end)
	case c == 'n':
		return p, end, fmt.Errorf("it is null, not a text")
	case c != '{':
		return p, end, fmt.Errorf("it is neither a text nor an object")
	}
	if p.id, err = o.ID(documentIDs...); err != nil {
		return p, end, err
	}
	if d.keep {
		p.extra = elementExtras(o)
	}
	if p.bare = !o.Has(documentText); p.bare {
		if p.id == "" || !d.corpus {
			return p, end, o.Missing(documentText...)
		}
		return p, end, nil
	}
	p.text, err = titledText(o)
	return p, end, err
}

// titledText returns the text that encoders receive: title + " " + text if there is a
// title.
func titledText(o *jsonrow.Object) (string, error) {
	title, err := o.Text("title")
	if err != nil {
		return "", err
	}
	text, err := o.Text(documentText...)
	return titled(title, text), err
}

func titled(title, text string) string {
	switch {
	case blank(title):
		return text
	case blank(text):
		return title
	}
	return title + " " + text
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }
