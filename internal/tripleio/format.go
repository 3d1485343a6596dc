package tripleio

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/jsonrow"
	"example.com/eci/internal/quote"
)

// Format is a file format for triples. The root package documents each.
type Format string

// The formats.
const (
	Auto          Format = ""
	Records       Format = "eci"
	Triplet       Format = "triplet"
	NTuple        Format = "n-tuple"
	MultiSource   Format = "multi-source"
	FlagEmbedding Format = "flagembedding"
	Tevatron      Format = "tevatron"
	TevatronIDs   Format = "tevatron-ids"
	NeMo          Format = "nemo"
	DPR           Format = "dpr"
	TriplesTSV    Format = "triples-tsv"
	TripleIDsTSV  Format = "triple-ids-tsv"
	Run           Format = "trec-run"
	Arrays        Format = "arrays"
	NWay          Format = "n-way"
	Messages      Format = "ms-swift"
	LabeledPair   Format = "labeled-pair"
	LabeledList   Format = "labeled-list"
)

// shape names the fields of a JSON format. ids means that the documents are given only
// by ID.
type shape struct {
	query, queryID, positive, negative []string
	ids                                bool

	queryIDs               bool     // the query is also an ID
	positiveID, negativeID []string // of flat rows; nil for the usual names
	numbered               []string // prefixes of numbered negatives; nil for the negative's name and "_"
}

var flatShape = shape{
	query:    []string{"query", "anchor", "question", "sentence1"},
	queryID:  []string{"query_id"},
	positive: []string{"positive", "pos", "answer"},
	negative: []string{"negative"},
}

// shapes has the formats with one row for a query and lists of documents.
var shapes = map[Format]shape{
	MultiSource: {query: []string{"query", "query_text"}, queryID: []string{"qid"}, positive: []string{"pos"}, negative: []string{"neg"}, ids: true},
	FlagEmbedding: {query: []string{"query"}, queryID: []string{"query_id", "id"}, positive: []string{"pos"}, negative: []string{"neg"},
		positiveID: []string{"pos_ids", "pos_id"}, negativeID: []string{"neg_ids", "neg_id"}},
	Tevatron:    {query: []string{"query"}, queryID: []string{"query_id"}, positive: []string{"positive_passages"}, negative: []string{"negative_passages"}},
	TevatronIDs: {query: []string{"query_text", "query"}, queryID: []string{"query_id"}, positive: []string{"positive_document_ids"}, negative: []string{"negative_document_ids"}, ids: true},
	NeMo:        {query: []string{"query", "question"}, queryID: []string{"query_id", "question_id"}, positive: []string{"pos_doc"}, negative: []string{"neg_doc"}},
	DPR:         {query: []string{"question", "query"}, queryID: []string{"query_id"}, positive: []string{"positive_ctxs"}, negative: []string{"hard_negative_ctxs"}},
	Arrays:      {},
	NWay:        {query: []string{"query", "query_text"}, queryID: []string{"query_id", "qid"}, positive: []string{"document_ids", "doc_ids"}, ids: true},
	Messages:    {query: []string{"messages"}, queryID: []string{"query_id", "id"}, positive: []string{"positive_messages"}, negative: []string{"negative_messages", "rejected_messages", "rejected_response"}},
	LabeledPair: {queryID: []string{"query_id", "qid"}},
	LabeledList: {queryID: []string{"query_id", "qid"}},
}

// known reports whether f is a format, and whether it reads JSON objects.
func (f Format) known() (ok, json bool) {
	switch f {
	case Auto, TriplesTSV, TripleIDsTSV, Run:
		return true, false
	case Records, Triplet, NTuple:
		return true, true
	}
	_, ok = shapes[f]
	return ok, ok
}

// flat reports whether the row holds its texts in fields rather than in lists.
func (f Format) flat() bool {
	return f == Records || f == Triplet || f == NTuple
}

// formatOf returns the format of a JSON object according to its fields, or Auto.
func formatOf(o *jsonrow.Object) Format {
	has := func(names ...string) bool {
		for _, name := range names {
			if _, ok := o.Get(name); ok {
				return true
			}
		}
		return false
	}
	switch {
	case has("messages") && has("positive_messages", "negative_messages", "rejected_messages", "rejected_response"):
		return Messages
	case has("document_ids", "doc_ids", "documents") && has("query_id", "qid", "query") && has("scores", "score") && !has("labels", "label"):
		return NWay
	case has("positive_passages", "negative_passages"):
		return Tevatron
	case has("positive_document_ids", "negative_document_ids"):
		return TevatronIDs
	case has("positive_ctxs", "hard_negative_ctxs"):
		return DPR
	case has("pos_doc", "neg_doc"):
		return NeMo
	case has("pos") && has("neg"):
		if neg, _ := o.Get("neg"); neg[0] == '{' {
			return MultiSource
		}
		if !has("query") {
			return Auto
		}
		return FlagEmbedding
	case !has(flatShape.positive...) && !has("positive_id"), !has(flatShape.query...) && !has("query_id"):
		return Auto
	case has("query") && (has("negative") || has("negative_id")):
		return Records
	case has("negative"):
		return Triplet
	case len(o.Numbered("negative_")) > 0:
		return NTuple
	}
	return Auto
}

// selected reports whether a value is an object with the lists passage_text and
// is_selected, the passages in the data set MS MARCO.
func selected(raw []byte) bool {
	found := 0
	return raw[0] == '{' && jsonrow.EachField(raw, func(name, value []byte) error {
		if (string(name) == "passage_text" || string(name) == "is_selected") && value[0] == '[' {
			found++
		}
		return nil
	}) == nil && found == 2
}

// labelsOfPairs are names of the label of a document.
var labelsOfPairs = []string{"label", "labels", "relevance", "is_relevant"}

// labeledDocuments are names of a labeled document, or of a list of them.
var labeledDocuments = []string{"passage", "passages", "document", "documents", "doc", "docs", "text", "texts", "sentence2", "answer", "answers", "response", "responses", "positive", "candidates", "candidate"}

// firstOf returns the first field of an object that is one of names, compared in the
// form of [normal].
func firstOf(o *jsonrow.Object, names []string) (string, bool) {
	for _, want := range names {
		for _, f := range o.Fields {
			if normal(string(f.Name)) == want {
				return string(f.Name), true
			}
		}
	}
	return "", false
}

// unknownObject says what an object without a format may be.
func unknownObject(o *jsonrow.Object, layout jsonrow.Layout) error {
	_, vector := o.Value("vector")
	_, embedding := o.Value("embedding")
	_, text := o.Value("text")
	switch {
	case len(o.Fields) == 0:
		return fmt.Errorf("%w: the first object is empty", fault.Format)
	case vector || embedding:
		return fmt.Errorf("%w: these are vectors, not triples: open them with OpenVectors", fault.Format)
	case text:
		return fmt.Errorf("%w: this is a corpus or a file of queries, not of triples: set Files.Corpus or Files.Queries to it", fault.Format)
	}
	if err := scoredPairs(namesOf(o)); err != nil {
		return err
	}
	if name := nested(o); name != "" {
		path := "." + name
		switch {
		case layout.Field != "":
			path = "." + layout.Field + "[]" + path
		case layout.List:
			path = ".[]" + path
		}
		return fmt.Errorf("%w: the fields of a row are in the field %q: write what is in it, one object a line, such as with jq -c %s", fault.Format, quote.Clip(name), quote.Clip(path))
	}
	if _, ok := firstOf(o, labelsOfPairs); ok {
		return fmt.Errorf("%w: no known format of JSON rows has the fields %s; set Files.Fields to the names of query, document and label, the label as Negative", fault.Format, o.Names())
	}
	return fmt.Errorf("%w: no known format of JSON rows has the fields %s; set Files.Fields to the names of query, positive and negative", fault.Format, o.Names())
}

// nested returns the field whose object has the fields of a row, or "".
func nested(o *jsonrow.Object) string {
	var inner jsonrow.Object
	for _, f := range o.Fields {
		if f.Value[0] != '{' || inner.Parse(f.Value) != nil {
			continue
		}
		if in := find(namesOf(&inner)); in.complete() || formatOf(&inner) != Auto {
			return string(f.Name)
		}
	}
	return ""
}

// scoredPairs says what is missing in rows of a query, one document and its score.
func scoredPairs(names []string) error {
	has := func(words []string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(words, normal(name)) })
	}
	if has(aliases[queryRole]) && has(labeledDocuments) && has([]string{"score", "scores", "similarity", "similarity_score"}) {
		return fmt.Errorf("%w: a query, a document and its score in a row: which are the positives? Add a field called label, 1 for a positive and 0 for a negative", fault.MissingField)
	}
	return nil
}

// unknownText says what a line that is not a row of a table may be.
func unknownText(line string) error {
	words := strings.Fields(line)
	switch {
	case strings.HasPrefix(line, "sep="):
		return fmt.Errorf("%w: the first line, %q, is one for a spreadsheet: delete it", fault.Format, quote.Clip(line))
	case len(words) == 4 && isNumber(words[3]), strings.HasPrefix(line, "query-id\tcorpus-id"):
		return fmt.Errorf("%w: these are relevance judgments (qrels): set Files.Qrels to the file and give a TREC run", fault.Format)
	case len(words) == 6 && isNumber(words[3]) && isNumber(words[4]):
		return fmt.Errorf("%w: it looks like a TREC run whose second column is not Q0: set Files.Format to FormatRun", fault.Format)
	}
	return fmt.Errorf("%w: the first line is neither a JSON object nor a row of a table with tabs or commas: %q; docs/formats.md lists what is read", fault.Format, quote.Clip(line))
}

// mixed adds to the error for a missing field that the row has the fields of another
// format.
func mixed(err error, want Format, o *jsonrow.Object, strict bool) error {
	if strict {
		return err
	}
	if got := formatOf(o); errors.Is(err, fault.MissingField) && got != Auto && got != want && !(got.flat() && want.flat()) {
		return fmt.Errorf("%w: the row looks like %s, the file is read as %s; split files of mixed formats", err, got, want)
	}
	return err
}
