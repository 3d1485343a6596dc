package tripleio

import (
	"fmt"
	"slices"
	"strings"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/jsonrow"
	"example.com/eci/internal/quote"
)

// labelNames are the names of fields that no trainer takes for a text. Next to a query,
// a positive and a negative they are margins or scores, unless their values are 0 and 1.
var labelNames = []string{"label", "labels", "score", "scores"}

// labelCheck watches the label of rows that also have a positive and a negative. If it
// is 1 for some rows and 0 for others, it may say which of the two texts is the
// negative, and reading both by their names would swap them without a word.
type labelCheck struct {
	first string // the label of the first row, as 0 or 1
	off   bool   // it is a margin, or a score
}

// same returns an error for a label that contradicts that of the first row.
func (c *labelCheck) same(name, value string) error {
	value = strings.TrimSpace(value)
	if c.off || value == "" {
		return nil
	}
	binary := ""
	switch positive, err := labelOf(value); {
	case err == nil && positive:
		binary = "1"
	case err == nil:
		binary = "0"
	}
	if strings.HasPrefix(normal(name), "score") && value != "0" && value != "1" {
		binary = ""
	}
	if binary == "" {
		c.off = true
		return nil
	}
	if c.first == "" {
		c.first = binary
	}
	if binary == c.first {
		return nil
	}
	return fmt.Errorf("%w: %s is %s, and the first row's is %s: does it say which text is the negative? Split or swap the rows by it; to read the columns as they are called, set Files.Format to FormatTriplet", fault.Malformed, quote.Clip(name), value, c.first)
}

// object checks the label of a JSON row.
func (c *labelCheck) object(o *jsonrow.Object) error {
	if c.off {
		return nil
	}
	name, ok := firstOf(o, labelNames)
	if !ok {
		return nil
	}
	raw, _ := o.Get(name)
	if raw[0] == '[' || raw[0] == '{' || jsonrow.Null(raw) {
		return nil
	}
	return c.same(name, idOf(raw))
}

// labelColumn returns the column of a label, or -1.
func labelColumn(header []string) int {
	return slices.IndexFunc(header, func(name string) bool { return slices.Contains(labelNames, normal(name)) })
}

// pairColumns returns the columns of a table of labeled pairs, if it is one. A user who
// names the fields gives the label in the place of the negative.
func (in *input) pairColumns(rows [][]string) (columns, bool) {
	header := rows[0]
	pick := func(own string, names []string) int {
		if own != "" {
			return slices.IndexFunc(header, func(name string) bool { return strings.EqualFold(strings.TrimSpace(name), own) })
		}
		for _, want := range names {
			if k := slices.IndexFunc(header, func(name string) bool { return normal(name) == want }); k >= 0 {
				return k
			}
		}
		return -1
	}
	c := columns{width: len(header), query: pick(in.Fields.Query, aliases[queryRole]), positive: pick(in.Fields.Positive, labeledDocuments), queryID: pick("", []string{"query_id", "qid"}), positiveID: pick("", runDocuments), negID: -1, source: -1}
	c.label = 1 + pick(in.Fields.Negative, labelsOfPairs)
	if c.query < 0 || c.positive < 0 || c.label == 0 {
		return c, false
	}
	switch {
	case in.format == LabeledPair:
		return c, true
	case in.format != Auto:
		return c, false
	case in.Fields.Negative != "":
		return c, in.mayLabel() && areLabels(column(rows[1:], c.label-1))
	}
	f := find(header)
	return c, f.negative == "" && f.negativeID == "" && len(f.numbered) == 0 || in.Fields == (Fields{}) && !f.complete()
}

// mayLabel reports whether the field that the user named as the negative may hold
// labels: it is no name of negatives or ids, and there is no corpus in which 0 and 1
// could be ids.
func (in *input) mayLabel() bool {
	name := in.Fields.Negative
	if slices.Contains(labelsOfPairs, normal(name)) {
		return true
	}
	return in.Corpus == "" && !isIDName(name) && meaningOf(name).role == noRole
}

// areLabels reports whether the cells of a column are labels of documents.
func areLabels(cells []string) bool {
	for _, cell := range cells {
		if _, err := labelOf(cell); err != nil {
			return false
		}
	}
	return len(cells) > 0
}

// labeledFormat distinguishes the two formats with a label for each document. A user
// who names the fields gives the label in the place of the negative.
func labeledFormat(o *jsonrow.Object, own Fields) (Format, shape) {
	pick := func(own string, names []string) (string, bool) {
		if own != "" {
			_, ok := o.Get(own)
			return own, ok
		}
		return firstOf(o, names)
	}
	query, okQuery := pick(own.Query, aliases[queryRole])
	label, okLabel := pick(own.Negative, labelsOfPairs)
	document, okDocument := pick(own.Positive, labeledDocuments)
	if passages, ok := o.Get(document); okQuery && okDocument && ok && selected(passages) {
		return LabeledList, shape{query: []string{query}, queryID: []string{"query_id", "qid"}, positive: []string{document}, negative: []string{document}}
	}
	if !okQuery || !okLabel || !okDocument {
		return Auto, shape{}
	}
	s := shape{query: []string{query}, queryID: []string{"query_id", "qid"}, positive: []string{document}, negative: []string{label}}
	labels, _ := o.Get(label)
	documents, _ := o.Get(document)
	if _, err := labelsOf(labels); own.Negative != "" && err != nil {
		return Auto, shape{}
	}
	switch {
	case labels[0] == '[' && documents[0] == '[':
		return LabeledList, s
	case labels[0] != '[' && documents[0] == '"':
		return LabeledPair, s
	}
	return Auto, shape{}
}

// ownLabels reports whether the user's fields are those of labeled documents: the
// negative is a label, or there is none, but a label.
func (in *input) ownLabels(o *jsonrow.Object) bool {
	if in.Fields.Negative == "" {
		f := find(namesOf(o))
		if f.negative != "" || f.negativeID != "" || len(f.numbered) > 0 {
			return false
		}
	}
	format, s := labeledFormat(o, in.Fields)
	if format == Auto || in.Fields.Negative != "" && (!in.mayLabel() || !in.allLabels()) {
		return false
	}
	in.format, in.shape = format, s
	in.noteLabeled(s)
	return true
}

// allLabels reports whether the first rows of a JSON file all have labels in the field
// that the user named as the negative. One row alone may have an ID there.
func (in *input) allLabels() bool {
	s, err := in.stream()
	if err != nil {
		return false
	}
	defer s.Close()
	objects := in.jsonRows(s)
	var o jsonrow.Object
	for range sampleRows {
		raw, _, err := objects.Next()
		if err != nil || o.Parse(raw) != nil {
			break // reported when the row is read
		}
		if value, ok := o.Get(in.Fields.Negative); ok {
			if _, err := labelsOf(value); err != nil {
				return false
			}
		}
	}
	return true
}

// noteLabeled reports which fields are taken for a document and its label.
func (in *input) noteLabeled(s shape) {
	label := s.negative[0]
	if label == s.positive[0] { // MS MARCO's object of both
		label += ".is_selected"
	}
	in.note("columns: query = %s, document = %s, label = %s", s.query[0], s.positive[0], label)
}
