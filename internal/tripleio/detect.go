package tripleio

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/jsonrow"
	"example.com/eci/internal/textfile"
)

const (
	sampleRows  = 200
	sampleBytes = 1 << 20
)

// whole reports whether a line is one JSON value and nothing else.
func whole(line []byte) bool {
	end, err := jsonrow.SkipValue(line, 0, 1)
	return err == nil && jsonrow.SkipSpace(line, end) == len(line)
}

// layoutOf finds out from the beginning of a JSON file how its rows follow one
// another.
func layoutOf(text []byte) jsonrow.Layout {
	first, rest, more := bytes.Cut(text, []byte("\n"))
	first = bytes.TrimSpace(first)
	rest = bytes.TrimSpace(rest)
	inside := byte(0)
	if i := jsonrow.SkipSpace(text, 1); i < len(text) {
		inside = text[i]
	}
	switch {
	case text[0] == '[' && (inside == '{' || inside == ']'):
		return jsonrow.Layout{List: true}
	case text[0] == '[' && inside == '[':
		// A list of rows, or rows that are lists.
		return jsonrow.Layout{List: !whole(first) || !more || len(rest) == 0 || rest[0] != '['}
	case text[0] == '[':
		return jsonrow.Layout{Values: !whole(first) && bytes.HasSuffix(first, []byte("[")) || !whole(first) && bytes.HasSuffix(first, []byte(","))}
	}
	last := first[len(first)-1]
	// An object after a comma begins where a row was cut short.
	return jsonrow.Layout{Values: last == '{' || last == '[' || last == ',' && len(rest) > 0 && rest[0] != '{'}
}

// rowFields are the names of the field that has all rows, if the file is one JSON
// object.
var rowFields = []string{"data", "train", "rows", "examples", "instances", "samples", "items", "dataset", "records", "triples", "triplets"}

// document checks a file that is one JSON object. It may have the list of rows in a
// field, or be a run.
func (in *input) document() (bool, error) {
	s, err := in.stream()
	if err != nil {
		return false, err
	}
	defer s.Close()
	members, err := jsonrow.Members(s.Reader, 10000)
	if err != nil && len(members) == 0 {
		return false, nil
	}
	for _, name := range rowFields {
		for _, m := range members {
			if normal(m.Name) == name && m.Kind == '[' && (m.Inside == '{' || m.Inside == '[') {
				in.layout = jsonrow.Layout{Field: m.Name}
				return true, nil
			}
		}
	}
	scores := func(m jsonrow.Member) bool {
		return m.Kind == '{' && (m.Inside == '-' || m.Inside-'0' <= 9) || in.Qrels != "" && m.Kind == '[' && (m.Inside == '"' || m.Inside-'0' <= 9)
	}
	if (in.Format == Auto || in.Format == Run) && len(members) > 0 && !slices.ContainsFunc(members, func(m jsonrow.Member) bool { return !scores(m) && m.Inside != 0 }) &&
		slices.ContainsFunc(members, scores) {
		if in.Qrels == "" {
			return false, fmt.Errorf("%w: it looks like a run, or relevance judgments, as one JSON object: set Files.Qrels to the judgments and give a run", fault.MissingField)
		}
		in.format, in.entries = Run, true
		return true, nil
	}
	return false, nil
}

// detectJSON detects the format of JSON rows.
func (in *input) detectJSON(s *textfile.Stream) (int, error) {
	objects := in.jsonRows(s)
	raw, row, err := objects.Next()
	if err == io.EOF {
		return 0, fmt.Errorf("%w: the list is empty", fault.EmptySource)
	}
	if err == nil && raw[0] == '[' {
		if err := in.detectArrays(raw); err != nil || in.Format != Auto {
			return row, err
		}
		return row, onlyRow(raw, objects)
	}
	var o jsonrow.Object
	if err == nil {
		err = o.Parse(raw)
	}
	if in.layout.Field == "" && !in.layout.List && formatOf(&o) == Auto && !in.hasFields(&o) {
		switch ok, docErr := in.document(); {
		case docErr != nil:
			return 0, docErr
		case in.entries:
			return 0, nil
		case ok:
			again, err := in.stream()
			if err != nil {
				return 0, err
			}
			defer again.Close()
			return in.detectJSON(again)
		}
	}
	if err != nil {
		return row, err
	}
	return row, in.detectObject(&o)
}

// onlyRow refuses one long list that is the whole file: it is more often a corpus than
// one query with that many negatives.
func onlyRow(raw []byte, rest jsonrow.Objects) error {
	const many = 100
	elements := 0
	err := jsonrow.EachElement(raw, func(k int, element []byte) error {
		if elements = k; element[0] != '"' {
			return errStopped
		}
		return nil
	})
	if err != nil || elements <= many {
		return nil
	}
	if _, _, err := rest.Next(); err != io.EOF {
		return nil
	}
	return fmt.Errorf("%w: the file is one list of %d texts: if it is one row, of a query, a positive and negatives, set Files.Format to FormatArrays", fault.Format, elements)
}

// hasFields reports whether an object has one of the user's own fields.
func (in *input) hasFields(o *jsonrow.Object) bool {
	for _, name := range []string{in.Fields.Query, in.Fields.Positive, in.Fields.Negative} {
		if _, ok := o.Get(name); ok && name != "" {
			return true
		}
	}
	return false
}

// detectArrays checks that rows of lists may be read.
func (in *input) detectArrays(raw []byte) error {
	if end, err := jsonrow.SkipValue(raw, 0, 1); err != nil || jsonrow.SkipSpace(raw, end) < len(raw) {
		if err == nil {
			err = fmt.Errorf("something follows the list")
		}
		return fmt.Errorf("%w: not a JSON list: %w", fault.Format, err)
	}
	if in.format != Auto && in.format != Arrays {
		return fmt.Errorf("%w: the rows are JSON lists, which is not the format %s that was asked for", fault.Format, in.format)
	}
	in.format = Arrays
	return nil
}

// detectObject detects the format from the fields of the first object.
func (in *input) detectObject(o *jsonrow.Object) error {
	if in.format == Auto {
		if in.format = formatOf(o); in.Fields == (Fields{}) && in.format.otherNames(o) && in.named(o) {
			return nil
		}
	}
	general := in.format == Auto
	if general && in.Fields != (Fields{}) && in.ownLabels(o) {
		return nil
	}
	if general && in.Fields != (Fields{}) {
		in.format = Triplet
	}
	if in.format == Auto && in.Qrels != "" && in.runObject(o) {
		return nil
	}
	if in.format == Auto {
		if in.named(o) {
			return nil
		}
	} else if general {
		in.fill(o)
	}
	if _, pos := o.Get("pos"); in.format == Auto && pos {
		if _, query := o.Get("query"); query { // negatives are in later rows, or missing there too
			in.format = FlagEmbedding
		}
	}
	_, wantJSON := in.format.known()
	switch {
	case in.format == Auto:
		return unknownObject(o, in.layout)
	case !wantJSON:
		return fmt.Errorf("%w: the file holds JSON, which is not the format %s that was asked for", fault.Format, in.format)
	}
	in.setShape()
	if in.format == NWay && !o.Has(in.shape.positive) && in.Fields.Positive == "" { // texts
		in.shape.positive, in.shape.ids = []string{"documents"}, false
		in.note("columns: positive = the first of documents, negatives = the others")
	}
	if in.format == LabeledPair || in.format == LabeledList {
		var format Format
		if format, in.shape = labeledFormat(o, in.Fields); format != in.format {
			return fmt.Errorf("%w: no query, document and label in the fields %s", fault.Format, o.Names())
		}
	}
	in.split = in.format == MultiSource || in.format.flat() && o.Has([]string{"source"})
	return nil
}

// otherNames reports whether an object has some names of a format of lists, but a
// different name for the query or the positive.
func (f Format) otherNames(o *jsonrow.Object) bool {
	if f == Auto || f.flat() || f == MultiSource || f == NWay || f == Messages {
		return false
	}
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { _, ok := o.Get(name); return ok })
	}
	s := shapes[f]
	return !has(s.query...) && !has(s.queryID...) || !has(s.positive...)
}

// names returns the names of an object's fields.
func namesOf(o *jsonrow.Object) []string {
	names := make([]string, len(o.Fields))
	for i, f := range o.Fields {
		names[i] = string(f.Name)
	}
	return names
}

// named finds the fields of an object by the names that people use for them.
func (in *input) named(o *jsonrow.Object) bool {
	f := find(namesOf(o))
	if !f.complete() {
		format, s := labeledFormat(o, in.Fields)
		if format == Auto {
			return false
		}
		in.format, in.shape = format, s
		in.noteLabeled(s)
		return true
	}
	in.format, in.shape = Triplet, f.shape()
	in.split = o.Has([]string{"source"})
	in.note("%s", f.say())
	return true
}

// fill finds the fields that the user did not name.
func (in *input) fill(o *jsonrow.Object) {
	f := find(namesOf(o))
	if in.Fields.Query == "" && f.query != "" {
		in.Fields.Query = f.query
	}
	if in.Fields.Positive == "" && f.positive != "" && f.doubt == nil {
		in.Fields.Positive = f.positive
	}
	if in.Fields.Negative == "" && f.negative != "" {
		in.Fields.Negative = f.negative
	}
}

// shape returns the shape for reading rows with these fields.
func (f *found) shape() shape {
	s := shape{queryID: []string{"query_id"}, positiveID: []string{"positive_id"}, negativeID: []string{"negative_id"}}
	for _, at := range []struct {
		to   *[]string
		name string
	}{{&s.query, f.query}, {&s.positive, f.positive}, {&s.negative, f.negative}, {&s.queryID, f.queryID}, {&s.positiveID, f.positiveID}, {&s.negativeID, f.negativeID}} {
		if at.name != "" {
			*at.to = []string{at.name}
		}
	}
	if f.negative == "" && len(f.numbered) > 0 {
		s.numbered = []string{strings.TrimRight(f.numbered[0], "0123456789")}
	}
	return s
}

// setShape uses the names of the format's fields, or the user's.
func (in *input) setShape() {
	in.shape = flatShape
	if s, ok := shapes[in.format]; ok {
		in.shape = s
	}
	for _, f := range []struct {
		name    string
		dst, id *[]string
	}{{in.Fields.Query, &in.shape.query, &in.shape.queryID}, {in.Fields.Positive, &in.shape.positive, &in.shape.positiveID}, {in.Fields.Negative, &in.shape.negative, &in.shape.negativeID}} {
		switch {
		case f.name == "":
		case isIDName(f.name) && in.format.flat():
			*f.dst, *f.id = nil, []string{f.name}
		default:
			*f.dst = []string{f.name}
		}
	}
}

// runObject recognizes the rows of a run as JSON objects.
func (in *input) runObject(o *jsonrow.Object) bool {
	query, ok := firstOf(o, []string{"query_id", "qid", "query"})
	document, ok2 := firstOf(o, runDocuments)
	score, ok3 := firstOf(o, []string{"score", "similarity", "rank"})
	if !ok || !ok2 || !ok3 {
		return false
	}
	in.format, in.order = Run, byScore
	if normal(score) == "rank" {
		in.order = byRank
	}
	in.shape = shape{queryID: []string{query}, positiveID: []string{document}, negativeID: []string{score}}
	in.note("columns: query = %s, document = %s, %s = %s", query, document, map[order]string{byRank: "rank", byScore: "score"}[in.order], score)
	return true
}

// runDocuments are the names of the document in a run.
var runDocuments = []string{"doc_id", "docid", "corpus_id", "document_id", "pid", "passage_id", "docno"}

// note reports what was inferred.
func (in *input) note(format string, args ...any) {
	if in.Note != nil {
		in.Note(in.path + ": " + fmt.Sprintf(format, args...))
	}
}
