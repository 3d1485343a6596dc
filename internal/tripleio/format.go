package tripleio

import (
	"errors"
	"fmt"
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
)

// shape names the fields of a JSON format. ids says that the documents are
// given by id only.
type shape struct {
	query, queryID, positive, negative []string
	ids                                bool
}

var flatShape = shape{
	query:    []string{"query", "anchor", "question", "sentence1"},
	queryID:  []string{"query_id"},
	positive: []string{"positive", "pos", "answer"},
	negative: []string{"negative"},
}

// shapes has the formats of one row for a query with lists of documents.
var shapes = map[Format]shape{
	MultiSource:   {[]string{"query", "query_text"}, []string{"qid"}, []string{"pos"}, []string{"neg"}, true},
	FlagEmbedding: {[]string{"query"}, []string{"query_id", "id"}, []string{"pos"}, []string{"neg"}, false},
	Tevatron:      {[]string{"query"}, []string{"query_id"}, []string{"positive_passages"}, []string{"negative_passages"}, false},
	TevatronIDs:   {[]string{"query_text", "query"}, []string{"query_id"}, []string{"positive_document_ids"}, []string{"negative_document_ids"}, true},
	NeMo:          {[]string{"query", "question"}, []string{"query_id", "question_id"}, []string{"pos_doc"}, []string{"neg_doc"}, false},
	DPR:           {[]string{"question", "query"}, []string{"query_id"}, []string{"positive_ctxs"}, []string{"hard_negative_ctxs"}, false},
}

// known reports whether f is a format, and one that reads JSON objects.
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

// flat reports whether the row holds its texts as fields, and not as lists.
func (f Format) flat() bool {
	return f == Records || f == Triplet || f == NTuple
}

// formatOf tells the format of a JSON object by its fields, or Auto.
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

// unknownObject says what an object without a format may be instead.
func unknownObject(o *jsonrow.Object) error {
	_, vector := o.Value("vector")
	_, embedding := o.Value("embedding")
	_, text := o.Value("text")
	switch {
	case vector || embedding:
		return fmt.Errorf("%w: these are vectors, not triples: open them with OpenVectors", fault.Format)
	case text:
		return fmt.Errorf("%w: this is a corpus or a file of queries, not of triples: set Files.Corpus or Files.Queries to it", fault.Format)
	}
	return fmt.Errorf("%w: no known format has the fields %s; set Files.Fields to the names of query, positive and negative", fault.Format, o.Names())
}

// unknownText says what a line that is no row of a table may be instead.
func unknownText(line string) error {
	words := strings.Fields(line)
	switch {
	case len(words) == 4 && isNumber(words[3]), strings.HasPrefix(line, "query-id\tcorpus-id"):
		return fmt.Errorf("%w: these are relevance judgments (qrels): set Files.Qrels to the file and give a TREC run", fault.Format)
	case len(words) == 6 && isNumber(words[3]) && isNumber(words[4]):
		return fmt.Errorf("%w: it looks like a TREC run whose second column is not Q0: set Files.Format to FormatRun", fault.Format)
	}
	return fmt.Errorf("%w: the first line is neither a JSON object nor a row of a table with tabs or commas: %q", fault.Format, quote.Clip(line))
}

// mixed adds to a missing field that the row has the fields of another format.
func mixed(err error, want Format, o *jsonrow.Object) error {
	if got := formatOf(o); errors.Is(err, fault.MissingField) && got != Auto && got != want && !(got.flat() && want.flat()) {
		return fmt.Errorf("%w: the row looks like %s, the file is read as %s; split files of mixed formats", err, got, want)
	}
	return err
}
