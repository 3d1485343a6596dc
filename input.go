package eci

import (
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"iter"

	"example.com/eci/internal/cores"
	"example.com/eci/internal/textfile"
	"example.com/eci/internal/tripleio"
)

// Files opens files of training triples as sources, in the formats that people
// have; the format of each is found from its content. The zero value reads
// every format whose rows hold their texts. docs/formats.md lists the formats.
//
// The rows of a file are streamed, and read anew on every pass. Memory grows with
// the longest row, with the indexes of the corpus and of the queries (16 bytes a
// text) and with the relevance judgments, but not with the file.
// It is safe for concurrent use as long as no goroutine changes it.
type Files struct {
	// Format overrides what is found from the content. A CSV or TSV with a header
	// of unknown names and a query, a positive and negatives in that order is
	// FormatTriplet.
	Format Format
	// Fields are the names of the user's own fields or columns.
	Fields Fields

	// Corpus and Queries are files with the texts of rows that hold ids: JSONL as
	// BEIR's (_id, title, text), TSV of id and text, or TSV with a header. The
	// text of a document is title + " " + text where there is a title. A plain
	// file is read in place, a compressed one is loaded.
	Corpus, Queries string
	// Qrels is a file of relevance judgments, TREC's or BEIR's, or a folder of
	// such, for TREC runs.
	Qrels string
	// BEIR is a folder in BEIR's layout. Its corpus.jsonl, queries.jsonl and qrels
	// are used for those of Corpus, Queries and Qrels that are empty.
	BEIR string

	// Note, where set, is told what was inferred of a file, such as which columns hold
	// what, once for each file; nothing is inferred silently where it is printed.
	Note func(message string)
	// Extra keeps the fields of a row that triples have no place for, such as scores,
	// prompts and labels, in [Record].Extra.
	Extra bool

	// MaxNegatives is the most negatives of a row, or of a query of a TREC run. The
	// first ones are kept. 0 keeps all.
	MaxNegatives int
	// TextBytes limits what is loaded of a compressed corpus, or of judgments
	// that are; 0 means 2 GiB.
	TextBytes int64
	// Decoders undo compression, by the name of an extension: zst, parquet, bz2,
	// xz, zip. A decoder of parquet returns JSONL with an object for each row; it
	// is given the file itself, so that it can read at random. gz needs none.
	// The module example.com/eci/formats has decoders for zst and parquet.
	Decoders map[string]func(io.Reader) (io.ReadCloser, error)
	// FS is the file system that all paths are of; nil means the machine's, where
	// "-" is standard input.
	FS fs.FS
	// Spool holds what comes from pipes, of the machine's file system only; nil
	// means one for each call. See there for how long it waits.
	Spool *Spool
}

// Fields names the fields, or columns of a table, of a user's own format.
// Positive and Negative may hold a text, a list of texts, or of objects with
// title and text; a Negative that is not there is looked for with a number:
// with Negative "bad", bad_1, bad_2. Empty names keep those of the format.
// It is safe for concurrent use as long as no goroutine changes it.
type Fields struct {
	Query, Positive, Negative string
}

// Sources opens files and returns a source for every source of negatives in
// them, in the order of the paths. Each triple is a *[Record] with its file and
// row: for each positive of a row, in order, every negative, in order.
//
// A source has the name of its file, without folder and extension. A file that
// holds several sources, by name in MS MARCO's "neg" or in the field "source",
// is read once to find them, in the order they first appear; they have those
// names, or, with several paths, file/name.
//
// Errors say which file and row and what to try; they wrap ErrFormat for a file
// that is no known format, ErrMalformed, ErrMissingField or ErrEmptySource.
// The source yields the errors of later rows and goes on after them, so that
// [Skip] can leave them out. An id without a text is ErrMissingField.
func (f *Files) Sources(paths ...string) ([]Source, error) {
	read, err := f.config().Sources(paths...)
	if err != nil {
		return nil, err
	}
	sources := make([]Source, len(read))
	for i, s := range read {
		sources[i] = sourceOfFile(s)
	}
	return sources, nil
}

// sourceOfFile yields the records of a file as triples, without a copy. They are
// read while those before are worked on.
func sourceOfFile(s tripleio.Source) Source {
	records := cores.Ahead(s.Records)
	return Source{Name: s.Name, tally: s.Tally, Triples: func(yield func(Triple, error) bool) {
		for r, err := range records {
			var t Triple
			if err == nil {
				t = (*Record)(r)
			}
			if !yield(t, err) {
				return
			}
		}
	}}
}

// config is what the reader of files is told.
func (f *Files) config() tripleio.Config {
	return tripleio.Config{
		Opener: *f.opener(), Format: tripleio.Format(f.Format), Fields: tripleio.Fields(f.Fields),
		Corpus: f.Corpus, Queries: f.Queries, Qrels: f.Qrels, BEIR: f.BEIR, MaxNegatives: f.MaxNegatives,
		Note: f.Note, Extra: f.Extra,
	}
}

// opener opens the files of one call.
func (f *Files) opener() *textfile.Opener {
	return &textfile.Opener{FS: f.FS, OpenFile: cmp.Or(f.Spool, new(Spool)).Open, Decoders: f.Decoders, Limit: f.TextBytes}
}

// Relevant reads the relevance judgments, Qrels or those of BEIR, for
// [Linter].Relevant: by the id of each query, the ids of the documents with a
// grade above 0, in the order of the files; nil where neither is set. Errors are
// those of [Files.Sources].
func (f *Files) Relevant() (map[string][]string, error) { return f.config().Relevant() }

// Documents returns the documents of a file, for [Lookahead.Pool]: a corpus
// (JSONL as BEIR's, with _id, title and text; TSV of id and text, with or without
// a header), or ids alone, one a line. A file is of ids if its name ends in .ids
// or if its first line is neither a JSON object nor has a tab. The sequence may be
// ranged over more than once and yields a [RowError] for a line it cannot read,
// and ends.
func (f *Files) Documents(path string) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		config := f.config()
		err := config.Documents(path, func(id, text string) bool { return yield(Document{ID: id, Text: text}, nil) })
		if err != nil {
			yield(Document{}, err)
		}
	}
}

// Target reads a retrieval task: its queries, documents and judgments from Queries,
// Corpus and Qrels, or from a folder in BEIR's layout, all three of which must be
// there. Errors are those of [Files.Sources].
func (f *Files) Target(name string) (*Target, error) {
	config, err := f.config().Layout()
	if err != nil {
		return nil, err
	}
	if config.Queries == "" || config.Corpus == "" || config.Qrels == "" {
		return nil, fmt.Errorf("eci: target %q: %w: set Files.Corpus, Files.Queries and Files.Qrels, or Files.BEIR to their folder", name, ErrMissingField)
	}
	t := &Target{Name: name, Queries: f.Documents(config.Queries), Pool: f.Documents(config.Corpus)}
	t.Relevant, err = config.Relevant()
	return t, err
}
