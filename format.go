package eci

import "example.com/eci/internal/jsonrow"

import (
	"errors"
	"fmt"
	"strings"

	"example.com/eci/internal/quote"
)

// Format is a file format for triples, found by [Files] from a file's content.
// The names are stable and fit for command-line flags. docs/formats.md shows a
// line of each.
// It is a value, which goroutines may share.
type Format string

// The formats. Those marked W are also written by [Write].
const (
	// FormatAuto, the zero value, means found from the content.
	FormatAuto Format = ""
	// FormatRecord is this project's own JSONL: query, positive and negative,
	// optionally with query_id, positive_id, negative_id, source and vectors. W.
	FormatRecord Format = "eci"
	// FormatTriplet is that of sentence-transformers: anchor, positive, negative,
	// as JSONL, CSV or TSV with a header. W (JSONL).
	FormatTriplet Format = "triplet"
	// FormatNTuple is the same with negative_1, negative_2 and so on. W (JSONL).
	FormatNTuple Format = "n-tuple"
	// FormatMultiSource is the JSONL of ids of sentence-transformers' MS MARCO
	// hard negatives: qid, pos and, for each source by name, a list in neg.
	FormatMultiSource Format = "multi-source"
	// FormatFlagEmbedding is JSONL with query and the lists pos and neg. W.
	FormatFlagEmbedding Format = "flagembedding"
	// FormatTevatron is Tevatron's JSONL with passages in the row: query,
	// positive_passages, negative_passages. W.
	FormatTevatron Format = "tevatron"
	// FormatTevatronIDs is Tevatron's JSONL with ids of a corpus: query_text,
	// positive_document_ids, negative_document_ids.
	FormatTevatronIDs Format = "tevatron-ids"
	// FormatNeMo is JSONL with query, pos_doc and neg_doc, strings or lists.
	FormatNeMo Format = "nemo"
	// FormatDPR is one JSON list of objects with question, positive_ctxs and
	// hard_negative_ctxs.
	FormatDPR Format = "dpr"
	// FormatTriplesTSV is MS MARCO's query, positive, negative without a header.
	FormatTriplesTSV Format = "triples-tsv"
	// FormatTripleIDsTSV is the same with ids (qidpidtriples).
	FormatTripleIDsTSV Format = "triple-ids-tsv"
	// FormatRun is a TREC run, which becomes a source with relevance judgements.
	FormatRun Format = "trec-run"
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
	FormatMultiSource:   {[]string{"query", "query_text"}, []string{"qid"}, []string{"pos"}, []string{"neg"}, true},
	FormatFlagEmbedding: {[]string{"query"}, []string{"query_id", "id"}, []string{"pos"}, []string{"neg"}, false},
	FormatTevatron:      {[]string{"query"}, []string{"query_id"}, []string{"positive_passages"}, []string{"negative_passages"}, false},
	FormatTevatronIDs:   {[]string{"query_text", "query"}, []string{"query_id"}, []string{"positive_document_ids"}, []string{"negative_document_ids"}, true},
	FormatNeMo:          {[]string{"query", "question"}, []string{"query_id", "question_id"}, []string{"pos_doc"}, []string{"neg_doc"}, false},
	FormatDPR:           {[]string{"question", "query"}, []string{"query_id"}, []string{"positive_ctxs"}, []string{"hard_negative_ctxs"}, false},
}

// known reports whether f is a format, and one that reads JSON objects.
func (f Format) known() (ok, json bool) {
	switch f {
	case FormatAuto, FormatTriplesTSV, FormatTripleIDsTSV, FormatRun:
		return true, false
	case FormatRecord, FormatTriplet, FormatNTuple:
		return true, true
	}
	_, ok = shapes[f]
	return ok, ok
}

// flat reports whether the row holds its texts as fields, and not as lists.
func (f Format) flat() bool {
	return f == FormatRecord || f == FormatTriplet || f == FormatNTuple
}

// formatOf tells the format of a JSON object by its fields, or FormatAuto.
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
		return FormatTevatron
	case has("positive_document_ids", "negative_document_ids"):
		return FormatTevatronIDs
	case has("positive_ctxs", "hard_negative_ctxs"):
		return FormatDPR
	case has("pos_doc", "neg_doc"):
		return FormatNeMo
	case has("pos") && has("neg"):
		if neg, _ := o.Get("neg"); neg[0] == '{' {
			return FormatMultiSource
		}
		return FormatFlagEmbedding
	case !has(flatShape.positive...) && !has("positive_id"), !has(flatShape.query...) && !has("query_id"):
		return FormatAuto
	case has("query") && (has("negative") || has("negative_id")):
		return FormatRecord
	case has("negative"):
		return FormatTriplet
	case len(o.Numbered("negative_")) > 0:
		return FormatNTuple
	}
	return FormatAuto
}

// unknownObject says what an object without a format may be instead.
func unknownObject(o *jsonrow.Object) error {
	_, vector := o.Value("vector")
	_, embedding := o.Value("embedding")
	_, text := o.Value("text")
	switch {
	case vector || embedding:
		return fmt.Errorf("%w: these are vectors, not triples: open them with OpenVectors", ErrFormat)
	case text:
		return fmt.Errorf("%w: this is a corpus or a file of queries, not of triples: set Files.Corpus or Files.Queries to it", ErrFormat)
	}
	return fmt.Errorf("%w: no known format has the fields %s; set Files.Fields to the names of query, positive and negative", ErrFormat, o.Names())
}

// unknownText says what a line that is no row of a table may be instead.
func unknownText(line string) error {
	words := strings.Fields(line)
	switch {
	case len(words) == 4 && isNumber(words[3]), strings.HasPrefix(line, "query-id\tcorpus-id"):
		return fmt.Errorf("%w: these are relevance judgements (qrels): set Files.Qrels to the file and give a TREC run", ErrFormat)
	case len(words) == 6 && isNumber(words[3]) && isNumber(words[4]):
		return fmt.Errorf("%w: it looks like a TREC run whose second column is not Q0: set Files.Format to FormatRun", ErrFormat)
	}
	return fmt.Errorf("%w: the first line is neither a JSON object nor a row of a table with tabs or commas: %q", ErrFormat, quote.Clip(line))
}

// mixed adds to a missing field that the row has the fields of another format.
func mixed(err error, want Format, o *jsonrow.Object) error {
	if got := formatOf(o); errors.Is(err, ErrMissingField) && got != FormatAuto && got != want && !(got.flat() && want.flat()) {
		return fmt.Errorf("%w: the row looks like %s, the file is read as %s; split files of mixed formats", err, got, want)
	}
	return err
}
