package eci

import "example.com/eci/internal/jsonrow"

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"example.com/eci/internal/quote"
)

// Files opens files of training triples as sources, in the formats that people
// have; the format of each is found from its content. The zero value reads
// every format whose rows hold their texts. docs/formats.md lists the formats.
//
// The rows of a file are streamed, and read anew on every pass: memory grows
// with the longest row, the index of a corpus (16 bytes a document), the file of
// queries likewise, and the relevance judgements, but not with the file.
// Goroutines may share one that none of them changes.
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
	// Qrels is a file of relevance judgements, TREC's or BEIR's, or a folder of
	// such, for TREC runs.
	Qrels string
	// BEIR is a folder in BEIR's layout. It stands for those of Corpus, Queries
	// and Qrels that are empty: corpus.jsonl, queries.jsonl and qrels.
	BEIR string

	// MaxNegatives keeps the first so many negatives of a row: for a TREC run, of
	// a query. 0 keeps all.
	MaxNegatives int
	// TextBytes limits what is loaded of a compressed corpus, or of judgements
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
// Goroutines may share one that none of them changes.
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
// Errors of later rows are yielded by the source, which goes on behind them, so
// that [Skip] can leave them out. An id without a text is ErrMissingField.
func (f *Files) Sources(paths ...string) ([]Source, error) {
	c := &opener{Files: *f}
	c.Spool = cmp.Or(c.Spool, new(Spool))
	if err := c.check(paths); err != nil {
		return nil, err
	}
	var sources []Source
	from := make(map[string]string)
	for _, path := range paths {
		in, err := c.inspect(path)
		if err != nil {
			return nil, err
		}
		name := sourceName(path)
		found := []Source{in.source(name, "")}
		if in.split {
			picks, err := in.picks()
			if err != nil {
				return nil, err
			}
			found = found[:0]
			for _, pick := range picks {
				name := pick
				if len(paths) > 1 {
					name = sourceName(path) + "/" + pick
				}
				found = append(found, in.source(name, pick))
			}
		}
		for _, s := range found {
			if other, ok := from[s.Name]; ok {
				return nil, fmt.Errorf("eci: %s and %s: %w: both would be source %q: rename a file, or open them apart and set Source.Name", other, path, ErrSourceName, quote.Clip(s.Name))
			}
			from[s.Name] = path
			sources = append(sources, s)
		}
	}
	return sources, nil
}

// opener is a copy of the settings with what all files of a call share.
type opener struct {
	Files
	corpus, queries *textFile
	judged          qrels
}

func (c *opener) check(paths []string) error {
	if len(paths) == 0 {
		return fmt.Errorf("eci: %w: give at least one file", ErrNoSources)
	}
	if ok, _ := c.Format.known(); !ok {
		return fmt.Errorf("eci: %w: unknown format %q", ErrSettings, c.Format)
	}
	if c.MaxNegatives < 0 || c.TextBytes < 0 {
		return fmt.Errorf("eci: %w: MaxNegatives is %d and TextBytes %d; neither can be negative", ErrSettings, c.MaxNegatives, c.TextBytes)
	}
	return c.beir()
}

// texts opens corpus and queries, once for all files, when a file needs them.
func (c *opener) texts(path string) (err error) {
	if c.Corpus == "" || c.Queries == "" {
		return fmt.Errorf("eci: %s: %w: its rows hold ids: set Files.Corpus and Files.Queries to the files with the texts, or Files.BEIR to their folder", path, ErrMissingField)
	}
	if c.queries == nil {
		if c.queries, err = c.openTexts(c.Queries, true); err != nil {
			return err
		}
	}
	if c.corpus == nil {
		c.corpus, err = c.openTexts(c.Corpus, false)
	}
	return err
}

// input is one file and what was found about it.
type input struct {
	*opener
	path    string
	format  Format
	shape   shape
	strict  bool
	list    bool    // one JSON list instead of lines
	comma   bool    // CSV
	table   bool    // CSV or TSV
	header  bool    // whose first row has names
	columns columns // of a table
	split   bool    // several sources in one file
}

// inspect finds the format of a file from its first row.
func (c *opener) inspect(path string) (*input, error) {
	s, err := c.open(path)
	if err != nil {
		return nil, &RowError{File: path, Err: err}
	}
	defer s.Close()
	in := &input{opener: c, path: path, format: c.Format}
	row, err := in.detect(s)
	if err != nil {
		return nil, &RowError{File: path, Row: row, Err: err}
	}
	switch {
	case in.format == FormatTevatronIDs && c.Queries == "":
		// The query's text stands in the row.
		if c.Corpus == "" {
			return nil, fmt.Errorf("eci: %s: %w: its rows hold ids of documents: set Files.Corpus to the file with their texts", path, ErrMissingField)
		}
		if c.corpus == nil {
			c.corpus, err = c.openTexts(c.Corpus, false)
		}
	case in.shape.ids, in.columns.ids, in.format == FormatRun:
		err = c.texts(path)
	case c.Corpus != "" && c.Queries != "": // for rows without texts
		err = c.texts(path)
	}
	if err == nil && in.format == FormatRun && c.judged == nil {
		if c.Qrels == "" {
			return nil, fmt.Errorf("eci: %s: %w: a TREC run says what was retrieved, not what is relevant: set Files.Qrels to the relevance judgements", path, ErrMissingField)
		}
		c.judged, err = c.openQrels(c.Qrels)
	}
	return in, err
}

// detect reads up to the first row and tells the format by it. row is where an
// error arose.
func (in *input) detect(s *stream) (row int, err error) {
	head, err := s.Peek(bufferSize)
	if err != nil && err != io.EOF && len(head) == 0 {
		return 1, err
	}
	text := bytes.TrimSpace(bytes.TrimPrefix(head, jsonrow.ByteOrderMark))
	if len(text) == 0 {
		return 0, fmt.Errorf("%w: the file is empty", ErrEmptySource)
	}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	_, wantJSON := in.Format.known()
	in.list = text[0] == '[' && !bytes.Contains(first, []byte("\t"))
	if in.list || text[0] == '{' || wantJSON && !in.Format.flat() {
		return in.detectJSON(s)
	}
	return in.detectText(s, string(bytes.TrimSuffix(first, []byte("\r"))))
}

func (in *input) detectJSON(s *stream) (int, error) {
	raw, row, err := in.jsonRows(s).Next()
	if err == io.EOF {
		return 0, fmt.Errorf("%w: the list is empty", ErrEmptySource)
	}
	var o jsonrow.Object
	if err == nil {
		err = o.Parse(raw)
	}
	if err != nil {
		return row, err
	}
	if in.format == FormatAuto {
		in.format = formatOf(&o)
	}
	if in.format == FormatAuto && in.Fields != (Fields{}) {
		in.format = FormatTriplet
	}
	_, wantJSON := in.format.known()
	switch {
	case in.format == FormatAuto:
		return row, unknownObject(&o)
	case !wantJSON:
		return row, fmt.Errorf("%w: the file holds JSON, which is not the format %s that was asked for", ErrFormat, in.format)
	}
	in.setShape()
	in.split = in.format == FormatMultiSource || in.format.flat() && o.Has([]string{"source"})
	return row, nil
}

// setShape takes the names of the format's fields, or the user's.
func (in *input) setShape() {
	in.shape = flatShape
	if s, ok := shapes[in.format]; ok {
		in.shape = s
	}
	for _, f := range []struct {
		name string
		dst  *[]string
	}{{in.Fields.Query, &in.shape.query}, {in.Fields.Positive, &in.shape.positive}, {in.Fields.Negative, &in.shape.negative}} {
		if f.name != "" {
			*f.dst = []string{f.name}
		}
	}
}

func (in *input) detectText(s *stream, first string) (int, error) {
	words := strings.Fields(first)
	if in.format == FormatAuto && len(words) == 6 && (words[1] == "Q0" || words[1] == "q0" || words[1] == "0") && isNumber(words[3]) && isNumber(words[4]) {
		in.format = FormatRun
	}
	if in.format == FormatRun {
		return 0, nil
	}
	tab, comma := strings.Contains(first, "\t"), strings.Contains(first, ",")
	if !tab && !comma || len(words) == 4 && isNumber(words[3]) || strings.HasPrefix(first, "query-id\tcorpus-id") {
		return 1, unknownText(first)
	}
	name := strings.ToLower(in.path)
	in.table, in.comma = true, !tab || comma && (strings.HasSuffix(name, ".csv") || strings.Contains(name, ".csv."))
	in.setShape()
	cells := strings.Split(first, "\t")
	if !in.comma && in.format == FormatAuto && len(cells) == 3 {
		c, err := headerColumns(cells, in.shape, in.Fields != (Fields{}))
		if err != nil || c.numbered || !isHeader(cells, in.shape) {
			// Three texts or ids of which none is a known name.
			in.format = FormatTriplesTSV
			if isDigits(cells[0]) && isDigits(cells[1]) && isDigits(cells[2]) {
				in.format = FormatTripleIDsTSV
			}
			if err != nil && isHeader(cells, in.shape) {
				return 1, err
			}
		}
	}
	if in.format == FormatTriplesTSV || in.format == FormatTripleIDsTSV {
		in.columns = tripleColumns(in.format == FormatTripleIDsTSV)
		return 0, nil
	}
	in.header = true
	header, row, err := in.openTable(s).next()
	if err != nil {
		return row, err
	}
	if !in.comma && in.format == FormatAuto && !isHeader(header, in.shape) {
		return row, fmt.Errorf("%w: %d columns and none called query or positive: put a header in front, or, if it is one, set Files.Format to FormatTriplet", ErrFormat, len(header))
	}
	in.format = FormatTriplet
	in.columns, err = headerColumns(header, in.shape, in.Fields != (Fields{}))
	in.split = in.columns.source >= 0
	return row, err
}

// isHeader reports whether a cell is the name of a column that is known.
func isHeader(cells []string, s shape) bool {
	return slices.ContainsFunc(cells, func(cell string) bool {
		return slices.ContainsFunc(slices.Concat(s.query, s.positive, s.negative), func(name string) bool {
			return strings.EqualFold(strings.TrimSpace(cell), name)
		})
	})
}

func isDigits(s string) bool {
	s = strings.TrimSpace(s)
	return s != "" && strings.Trim(s, "0123456789") == ""
}
