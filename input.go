package eci

import (
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"path/filepath"
	"strings"

	"example.com/eci/internal/cores"
	"example.com/eci/internal/textfile"
	"example.com/eci/internal/tripleio"
)

// Files opens files of training triples as sources. It finds the format of each file
// from its content. The zero value reads every format whose rows contain their texts.
// docs/formats.md lists the formats.
//
// Files are streamed, and read again on every pass. Memory grows with the longest row,
// with the indexes of the corpus and of the queries (16 bytes for each text) and with
// the relevance judgments, but not with the size of the file.
// It is safe for concurrent use as long as no goroutine changes it.
type Files struct {
	// Format overrides the format found from the content. For a CSV or TSV with a
	// header of unknown names and the columns query, positive and negatives in this
	// order, use FormatTriplet.
	Format Format
	// Fields names the fields or columns of the user's own format.
	Fields Fields

	// Corpus and Queries are files with the texts of rows that contain IDs: JSONL like
	// BEIR's (_id, title, text), TSV of ID and text, or TSV with a header. The text of
	// a document with a title is title + " " + text. A plain file is read in place; a
	// compressed one is loaded.
	Corpus, Queries string
	// Qrels is a file of relevance judgments, TREC's or BEIR's, or a folder of them.
	// TREC runs need it.
	Qrels string
	// BEIR is a folder in BEIR's layout. Its corpus.jsonl, queries.jsonl and qrels are
	// used where Corpus, Queries or Qrels is empty.
	BEIR string

	// Note, if not nil, is called with what was inferred about a file, such as which
	// columns hold what, once for each file. Print it, and nothing is inferred
	// silently.
	Note func(message string)
	// Extra keeps the fields of a row that have no place in a triple, such as scores,
	// prompts and labels, in [Record].Extra.
	Extra bool

	// MaxNegatives limits the negatives of a row, or of a query of a TREC run. The
	// first ones are kept. 0 keeps all.
	MaxNegatives int
	// TextBytes limits how much of a compressed corpus or of compressed judgments is
	// loaded. 0 means 2 GiB.
	TextBytes int64
	// Decoders decompress files, by extension without the dot: zst, parquet, bz2, xz,
	// zip. A decoder of parquet returns JSONL with one object for each row. It
	// receives the file itself and can read at random. gz needs no decoder. The module
	// example.com/eci/formats has decoders for zst and parquet.
	Decoders map[string]func(io.Reader) (io.ReadCloser, error)
	// FS is the file system of all paths. Nil means the machine's, in which "-" is
	// standard input.
	FS fs.FS
	// Spool holds what comes from pipes of the machine's file system. Nil means a new
	// one for each call. See [Spool] for how long it waits.
	Spool *Spool
}

// Fields names the fields or columns of a user's own format. Positive and Negative may
// hold a text, a list of texts, or objects with title and text. If the field Negative
// does not exist, numbered fields are used: for "bad", they are bad_1, bad_2 and so
// on. Empty names keep those of the format.
// It is safe for concurrent use as long as no goroutine changes it.
type Fields struct {
	Query, Positive, Negative string
}

// Sources opens files and returns one source for each source of negatives in them, in
// the order of the paths. Each triple is a *[Record] with its file and row. Within a
// row, they are ordered by positive, then by negative.
//
// A source has the name of its file, without folder and extension. A file may hold
// several sources, named in MS MARCO's "neg" or in the field "source". It is read once
// to find them, and they come in the order of their first appearance. They keep their
// names or, with several paths, are called file/name.
//
// Errors say which file and row, and what to try. They wrap ErrFormat for a file of no
// known format, ErrMalformed, ErrMissingField or ErrEmptySource. The source yields the
// errors of later rows and continues after them, so that [Skip] can leave them out. An
// ID without a text is ErrMissingField.
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

// sourceOfFile yields the records of a file as triples, without a copy. Records are
// read while earlier ones are processed.
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

// config returns the configuration of the reader of files.
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

// Relevant reads the relevance judgments, from Qrels or BEIR, for [Linter].Relevant.
// It returns the IDs of the documents with a grade above 0 by the ID of the query, in
// the order of the files, or nil if neither is set. Errors are those of
// [Files.Sources].
func (f *Files) Relevant() (map[string][]string, error) { return f.config().Relevant() }

// Documents returns the documents of a file, for [Lookahead.Pool]. The file is a
// corpus (JSONL like BEIR's, with _id, title and text; TSV of ID and text, with or
// without a header), or has one ID on each line. It is taken for a file of IDs if its
// name ends in .ids, or if its first line is not a JSON object and has no tab. The
// sequence may be ranged over more than once. It yields a [RowError] for a line it
// cannot read, and ends.
func (f *Files) Documents(path string) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		config := f.config()
		err := config.Documents(path, func(id, text string) bool { return yield(Document{ID: id, Text: text}, nil) })
		if err != nil {
			yield(Document{}, err)
		}
	}
}

// Target reads a retrieval task: its queries, documents and judgments. They come from
// Queries, Corpus and Qrels, or from a folder in BEIR's layout. All three are
// required. Errors are those of [Files.Sources].
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

// JSONL returns a source read from a file with one JSON object on each line. There are
// three shapes, recognized by their fields:
//
//	{"query_id":"1","query":"q","positive_id":"7","positive":"p","negative_id":"9","negative":"n"}
//	{"anchor":"q","positive":"p","negative":"n"}
//	{"anchor":"q","positive":"p","negative_1":"n1","negative_2":"n2"}
//
// IDs are optional strings or numbers. The query may be called query, anchor, question
// or sentence1. The positive may be called positive, pos or answer. An n-tuple gives
// one triple for every negative, in the order of their numbers. Other fields are
// ignored and blank lines are skipped. The source has the name of the file, without
// folder and extension. The file is opened only when the source is read, and read
// again on every pass. [Files] reads these shapes and many others.
func JSONL(file string) Source {
	return jsonl(nil, file, strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)))
}

// JSONLFrom is like [JSONL] for a file in fsys, such as an embedded one.
func JSONLFrom(fsys fs.FS, file string) Source {
	return jsonl(fsys, file, strings.TrimSuffix(path.Base(file), path.Ext(file)))
}

func jsonl(fsys fs.FS, file, name string) Source {
	return sourceOfFile(tripleio.JSONL(*(&Files{FS: fsys}).opener(), file, name))
}
