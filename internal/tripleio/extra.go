package tripleio

import (
	"encoding/json"
	"slices"
	"strings"

	"example.com/eci/internal/jsonrow"
)

// Extra is a field of a row that has no place in a triple. The root package documents
// it.
type Extra struct {
	Name  string
	Of    string // "", "positive" or "negative"
	Value json.RawMessage
}

// ownFields are the fields of a row that are read elsewhere.
var ownFields = []string{"source", "query_vector", "positive_vector", "negative_vector"}

// extras collects the fields of the row other than its texts and IDs. A list with an
// element for each document is split.
func (d *rowDecoder) extras(o *jsonrow.Object) {
	r := &d.row
	for i, f := range o.Fields {
		name := string(f.Name)
		again := slices.ContainsFunc(o.Fields[i+1:], func(later jsonrow.Field) bool { return string(later.Name) == name })
		if again || jsonrow.Null(f.Value) || d.reads(name) {
			continue
		}
		d.extra(r, name, slices.Clone(f.Value))
	}
}

// reads reports whether a field is one of the texts or IDs of the row.
func (d *rowDecoder) reads(name string) bool {
	s := &d.shape
	for _, names := range [][]string{s.query, s.queryID, s.positive, s.negative, orNames(s.positiveID, positiveIDs), orNames(s.negativeID, negativeIDs), ownFields} {
		if slices.Contains(names, name) {
			return true
		}
	}
	prefixes := s.numbered
	if prefixes == nil {
		prefixes = d.prefixes
	}
	return d.format.flat() && slices.ContainsFunc(prefixes, func(prefix string) bool {
		rest, ok := strings.CutPrefix(name, prefix)
		return ok && isDigits(rest)
	})
}

// extra adds a field to the row, to its positives or to its negatives.
func (d *rowDecoder) extra(r *row, name string, value []byte) {
	n := normal(name)
	for _, side := range []struct {
		of        string
		prefixes  []string
		documents []passage
	}{{"positive", []string{"positive_", "pos_"}, r.positives}, {"negative", []string{"hard_negative_", "negative_", "neg_"}, r.negatives}} {
		for _, prefix := range side.prefixes {
			rest, ok := strings.CutPrefix(n, prefix)
			if !ok || rest == "" || !spread(side.documents, singular(rest), side.of, value) {
				continue
			}
			return
		}
	}
	if n == "score" || n == "scores" || n == "label" || n == "labels" {
		all := slices.Concat(r.positives, r.negatives)
		if value[0] == '[' && spread(all, singular(n), "", value) {
			for i := range all {
				of := "positive"
				if i >= len(r.positives) {
					of = "negative"
				}
				last := len(all[i].extra) - 1
				all[i].extra[last].Of = of
			}
			copy(r.positives, all)
			copy(r.negatives, all[len(r.positives):])
			return
		}
	}
	r.extra = append(r.extra, Extra{Name: name, Value: value})
}

// spread gives every document its element of a list. A single document gets the value
// itself.
func spread(documents []passage, name, of string, value []byte) bool {
	if value[0] != '[' {
		if len(documents) != 1 {
			return false
		}
		documents[0].extra = append(documents[0].extra, Extra{name, of, value})
		return true
	}
	n := 0
	if jsonrow.EachElement(value, func(int, []byte) error { n++; return nil }) != nil || n != len(documents) || n == 0 {
		return false
	}
	jsonrow.EachElement(value, func(k int, element []byte) error {
		p := &documents[k-1]
		switch {
		case name == "id" && p.id == "" && !jsonrow.Null(element):
			p.id = idOf(element)
		case !jsonrow.Null(element) && name != "id":
			p.extra = append(p.extra, Extra{name, of, slices.Clone(element)})
		case of == "": // keeps its place for the caller
			p.extra = append(p.extra, Extra{name, of, []byte("null")})
		}
		return nil
	})
	return true
}

// singular returns the name for one element of the list called name.
func singular(name string) string {
	if bare, ok := strings.CutSuffix(name, "s"); ok && bare != "" && !strings.HasSuffix(bare, "s") {
		return bare
	}
	return name
}

// elementExtras returns the fields of a document's object other than ID, title and
// text.
func elementExtras(o *jsonrow.Object) (extra []Extra) {
	for _, f := range o.Fields {
		name := string(f.Name)
		if slices.Contains(documentIDs, name) || slices.Contains(documentText, name) || name == "title" || jsonrow.Null(f.Value) {
			continue
		}
		extra = append(extra, Extra{Name: name, Value: slices.Clone(f.Value)})
	}
	return extra
}

// extrasOf returns the extra fields of one triple of a row.
func extrasOf(r *row, p, n *passage) []Extra {
	if len(r.extra)+len(p.extra)+len(n.extra) == 0 {
		return nil
	}
	all := slices.Clone(r.extra)
	for _, e := range p.extra {
		e.Of = "positive"
		all = append(all, e)
	}
	for _, e := range n.extra {
		e.Of = "negative"
		all = append(all, e)
	}
	return all
}

// cellValue returns a cell of a table as JSON: a number or a list as it is, everything
// else as a string.
func cellValue(cell string) []byte {
	if strings.HasPrefix(cell, "[") && json.Valid([]byte(cell)) {
		return []byte(cell)
	}
	if end, err := jsonrow.SkipValue([]byte(cell), 0, 1); err == nil && end == len(cell) && isNumber(cell) && !jsonrow.Null([]byte(cell)) {
		return []byte(cell)
	}
	value, _ := json.Marshal(cell) // strings can always be encoded
	return value
}
