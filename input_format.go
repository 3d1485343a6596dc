package eci

import "example.com/eci/internal/tripleio"

// Format is a file format for triples. [Files] finds it from a file's content. The
// names are stable and suitable for command-line flags. docs/formats.md shows a line
// of each.
// It is a plain value and safe for concurrent use.
type Format string

// The formats. [Write] also writes those marked W.
const (
	// FormatAuto, the zero value, means that the format is found from the content.
	FormatAuto = Format(tripleio.Auto)
	// FormatRecord is this project's own JSONL: query, positive and negative, and
	// optionally query_id, positive_id, negative_id, source and vectors. W.
	FormatRecord = Format(tripleio.Records)
	// FormatTriplet is the format of sentence-transformers: anchor, positive,
	// negative, as JSONL, or as CSV or TSV with a header. W (JSONL).
	FormatTriplet = Format(tripleio.Triplet)
	// FormatNTuple is the same with negative_1, negative_2 and so on. W (JSONL).
	FormatNTuple = Format(tripleio.NTuple)
	// FormatMultiSource is the JSONL of sentence-transformers' MS MARCO hard
	// negatives. It has IDs in qid and pos, and in neg a list for each source by name.
	FormatMultiSource = Format(tripleio.MultiSource)
	// FormatFlagEmbedding is JSONL with query and the lists pos and neg. W.
	FormatFlagEmbedding = Format(tripleio.FlagEmbedding)
	// FormatTevatron is Tevatron's JSONL with passages in the rows: query,
	// positive_passages, negative_passages. W.
	FormatTevatron = Format(tripleio.Tevatron)
	// FormatTevatronIDs is Tevatron's JSONL with IDs of a corpus: query_text,
	// positive_document_ids, negative_document_ids.
	FormatTevatronIDs = Format(tripleio.TevatronIDs)
	// FormatNeMo is JSONL with query, pos_doc and neg_doc, strings or lists.
	FormatNeMo = Format(tripleio.NeMo)
	// FormatDPR is one JSON list of objects with question, positive_ctxs and
	// hard_negative_ctxs.
	FormatDPR = Format(tripleio.DPR)
	// FormatTriplesTSV is MS MARCO's query, positive, negative without a header.
	FormatTriplesTSV = Format(tripleio.TriplesTSV)
	// FormatTripleIDsTSV is the same with IDs (qidpidtriples).
	FormatTripleIDsTSV = Format(tripleio.TripleIDsTSV)
	// FormatRun is a TREC run. It becomes a source with relevance judgments.
	FormatRun = Format(tripleio.Run)
	// FormatArrays has one JSON list in each row: ["query", "positive", "negative",
	// ...], or the same with IDs, like ColBERT's triples and n-way examples.
	FormatArrays = Format(tripleio.Arrays)
	// FormatNWay is JSONL with query_id, document_ids and scores, as PyLate trains on
	// it. The first document is the positive.
	FormatNWay = Format(tripleio.NWay)
	// FormatMessages is ms-swift's JSONL with messages, positive_messages and
	// negative_messages.
	FormatMessages = Format(tripleio.Messages)
	// FormatLabeledPair is JSONL with a query, a document and its label, 1 or 0, in
	// every row. The pairs of a file are kept in memory.
	FormatLabeledPair = Format(tripleio.LabeledPair)
	// FormatLabeledList is JSONL with a query, a list of documents and a list of
	// labels.
	FormatLabeledList = Format(tripleio.LabeledList)
)
