package tripleio

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/jsonrow"
	"example.com/eci/internal/quote"
	"example.com/eci/internal/textfile"
)

// Fields names the fields of a user's own format; "" is the format's own name.
type Fields struct {
	Query, Positive, Negative string
}

// Config is what a reader of triples is told.
type Config struct {
	textfile.Opener
	Format Format
	Fields Fields
	// Corpus and Queries are the files with texts, Qrels a file or folder of
	// relevance judgments. BEIR is a folder with those that are empty.
	Corpus, Queries, Qrels, BEIR string
	MaxNegatives                 int // of a row; 0 means all
}

// Source is the triples of one source of negatives in a file.
type Source struct {
	Name string
	// Records reads the file anew. After the error of a row it goes on.
	Records iter.Seq2[*Record, error]
}

// Sources opens files and returns a source for every source of negatives in them.
func (c Config) Sources(paths ...string) ([]Source, error) {
	o := &opener{Config: c}
	if err := o.check(paths); err != nil {
		return nil, err
	}
	var sources []Source
	from := make(map[string]string)
	for _, path := range paths {
		found, err := o.sources(path, len(paths) > 1)
		if err != nil {
			return nil, err
		}
		for _, s := range found {
			if other, ok := from[s.Name]; ok {
				return nil, fmt.Errorf("eci: %s and %s: %w: both would be source %q: rename a file, or open them apart and set Source.Name", other, path, fault.SourceName, quote.Clip(s.Name))
			}
			from[s.Name] = path
			sources = append(sources, s)
		}
	}
	return sources, nil
}

// sources opens one file. With several files, those of one with several sources
// have its name in front.
func (c *opener) sources(path string, several bool) ([]Source, error) {
	in, err := c.inspect(path)
	if err != nil {
		return nil, err
	}
	name := textfile.Stem(path)
	if !in.split {
		return []Source{in.source(name, "")}, nil
	}
	picks, err := in.picks()
	if err != nil {
		return nil, err
	}
	var found []Source
	for _, pick := range picks {
		called := pick
		if several {
			called = name + "/" + pick
		}
		found = append(found, in.source(called, pick))
	}
	return found, nil
}

// JSONL is a source of one file with a flat object for each triple or n-tuple,
// whose texts are strings. It is opened when it is read.
func JSONL(from textfile.Opener, file, name string) Source {
	in := &input{opener: &opener{Config: Config{Opener: from}}, path: file, format: Records, shape: flatShape, strict: true}
	return in.source(name, "")
}

// opener is the settings with what all files of a call share.
type opener struct {
	Config
	corpus, queries *textFile
	judged          qrels
}

func (c *opener) check(paths []string) error {
	if len(paths) == 0 {
		return fmt.Errorf("eci: %w: give at least one file", fault.NoSources)
	}
	if ok, _ := c.Format.known(); !ok {
		return fmt.Errorf("eci: %w: unknown format %q", fault.Settings, c.Format)
	}
	if c.MaxNegatives < 0 || c.Limit < 0 {
		return fmt.Errorf("eci: %w: MaxNegatives is %d and TextBytes %d; neither can be negative", fault.Settings, c.MaxNegatives, c.Limit)
	}
	return c.beir()
}

// texts opens corpus and queries, once for all files, when a file needs them.
func (c *opener) texts(path string) (err error) {
	if c.Corpus == "" || c.Queries == "" {
		return fmt.Errorf("eci: %s: %w: its rows hold ids: set Files.Corpus and Files.Queries to the files with the texts, or Files.BEIR to their folder", path, fault.MissingField)
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
	s, err := c.Open(path)
	if err != nil {
		return nil, &fault.RowError{File: path, Err: err}
	}
	defer s.Close()
	in := &input{opener: c, path: path, format: c.Format}
	row, err := in.detect(s)
	if err != nil {
		return nil, &fault.RowError{File: path, Row: row, Err: err}
	}
	switch {
	case in.format == TevatronIDs && c.Queries == "":
		// The query's text stands in the row.
		if c.Corpus == "" {
			return nil, fmt.Errorf("eci: %s: %w: its rows hold ids of documents: set Files.Corpus to the file with their texts", path, fault.MissingField)
		}
		if c.corpus == nil {
			c.corpus, err = c.openTexts(c.Corpus, false)
		}
	case in.shape.ids, in.columns.ids, in.format == Run:
		err = c.texts(path)
	case c.Corpus != "" && c.Queries != "": // for rows without texts
		err = c.texts(path)
	}
	if err == nil && in.format == Run && c.judged == nil {
		if c.Qrels == "" {
			return nil, fmt.Errorf("eci: %s: %w: a TREC run says what was retrieved, not what is relevant: set Files.Qrels to the relevance judgments", path, fault.MissingField)
		}
		c.judged, err = c.openQrels(c.Qrels)
	}
	return in, err
}

// detect reads up to the first row and tells the format by it. row is where an
// error arose.
func (in *input) detect(s *textfile.Stream) (row int, err error) {
	head, err := s.Peek(textfile.BufferSize)
	if err != nil && err != io.EOF && len(head) == 0 {
		return 1, err
	}
	text := bytes.TrimSpace(bytes.TrimPrefix(head, jsonrow.ByteOrderMark))
	if len(text) == 0 {
		return 0, fmt.Errorf("%w: the file is empty", fault.EmptySource)
	}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	_, wantJSON := in.Format.known()
	in.list = text[0] == '[' && !bytes.Contains(first, []byte("\t"))
	if in.list || text[0] == '{' || wantJSON && !in.Format.flat() {
		return in.detectJSON(s)
	}
	return in.detectText(s, string(bytes.TrimSuffix(first, []byte("\r"))))
}

func (in *input) detectJSON(s *textfile.Stream) (int, error) {
	raw, row, err := in.jsonRows(s).Next()
	if err == io.EOF {
		return 0, fmt.Errorf("%w: the list is empty", fault.EmptySource)
	}
	var o jsonrow.Object
	if err == nil {
		err = o.Parse(raw)
	}
	if err != nil {
		return row, err
	}
	if in.format == Auto {
		in.format = formatOf(&o)
	}
	if in.format == Auto && in.Fields != (Fields{}) {
		in.format = Triplet
	}
	_, wantJSON := in.format.known()
	switch {
	case in.format == Auto:
		return row, unknownObject(&o)
	case !wantJSON:
		return row, fmt.Errorf("%w: the file holds JSON, which is not the format %s that was asked for", fault.Format, in.format)
	}
	in.setShape()
	in.split = in.format == MultiSource || in.format.flat() && o.Has([]string{"source"})
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

func (in *input) detectText(s *textfile.Stream, first string) (int, error) {
	words := strings.Fields(first)
	if in.format == Auto && len(words) == 6 && (words[1] == "Q0" || words[1] == "q0" || words[1] == "0") && isNumber(words[3]) && isNumber(words[4]) {
		in.format = Run
	}
	if in.format == Run {
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
	if !in.comma && in.format == Auto && len(cells) == 3 {
		c, err := headerColumns(cells, in.shape, in.Fields != (Fields{}))
		if err != nil || c.numbered || !isHeader(cells, in.shape) {
			// Three texts or ids of which none is a known name.
			in.format = TriplesTSV
			if isDigits(cells[0]) && isDigits(cells[1]) && isDigits(cells[2]) {
				in.format = TripleIDsTSV
			}
			if err != nil && isHeader(cells, in.shape) {
				return 1, err
			}
		}
	}
	if in.format == TriplesTSV || in.format == TripleIDsTSV {
		in.columns = tripleColumns(in.format == TripleIDsTSV)
		return 0, nil
	}
	in.header = true
	header, row, err := in.openTable(s).next()
	if err != nil {
		return row, err
	}
	if !in.comma && in.format == Auto && !isHeader(header, in.shape) {
		return row, fmt.Errorf("%w: %d columns and none called query or positive: put a header in front, or, if it is one, set Files.Format to FormatTriplet", fault.Format, len(header))
	}
	in.format = Triplet
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
