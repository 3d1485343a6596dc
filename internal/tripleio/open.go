package tripleio

import (
	"bytes"
	"fmt"
	"io"
	"iter"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/jsonrow"
	"example.com/eci/internal/quote"
	"example.com/eci/internal/textfile"
)

// Fields names the fields of a user's own format. "" means the format's own name.
type Fields struct {
	Query, Positive, Negative string
}

// Config configures a reader of triples.
type Config struct {
	textfile.Opener
	Format Format
	Fields Fields
	// Corpus and Queries are the files with texts. Qrels is a file or folder of
	// relevance judgments. BEIR is a folder with those of the three that are empty.
	Corpus, Queries, Qrels, BEIR string
	MaxNegatives                 int // of a row; 0 means all
	// Extra keeps the fields that have no place in a triple.
	Extra bool
	// Note, if not nil, is called with what was inferred about a file.
	Note func(message string)
}

// Source is the triples of one source of negatives in a file.
type Source struct {
	Name string
	// Records reads the file again on each call. It continues after the error of a
	// row.
	Records iter.Seq2[*Record, error]
	// Tally returns the tally of the last complete reading of Records, or nil before
	// it.
	Tally func() *Tally
}

// Sources opens files and returns one source for each source of negatives in them.
func (c Config) Sources(paths ...string) ([]Source, error) {
	o := &opener{Config: c}
	if err := o.check(paths); err != nil {
		return nil, err
	}
	groups, err := o.groups(paths)
	if err != nil {
		return nil, err
	}
	var sources []Source
	from := make(map[string]string)
	for _, g := range groups {
		found, err := o.sources(g, len(groups) > 1)
		if err != nil {
			return nil, err
		}
		for _, s := range found {
			if other, ok := from[s.Name]; ok {
				return nil, fmt.Errorf("eci: %s and %s: %w: both would be source %q: give one a name, name=file", other, g.paths[0], fault.SourceName, quote.Clip(s.Name))
			}
			from[s.Name] = g.paths[0]
			sources = append(sources, s)
		}
	}
	return sources, nil
}

// sources opens the files of one group. If there are several groups, the sources of a
// group with several are prefixed with its name.
func (c *opener) sources(g group, several bool) ([]Source, error) {
	var order []string
	parts := make(map[string][]Source)
	for _, path := range g.paths {
		in, err := c.inspect(path)
		if err != nil {
			return nil, err
		}
		picks := []string{""}
		if in.split {
			if picks, err = in.picks(); err != nil {
				return nil, err
			}
		}
		for _, pick := range picks {
			name := g.name
			switch {
			case pick != "" && several:
				name = g.name + "/" + pick
			case pick != "" && !g.named, pick != "" && len(picks) > 1:
				name = pick
			}
			if parts[name] == nil {
				order = append(order, name)
			}
			parts[name] = append(parts[name], in.source(name, pick))
		}
	}
	found := make([]Source, len(order))
	for i, name := range order {
		found[i] = concatenated(name, parts[name])
	}
	return found, nil
}

// JSONL returns a source of one file with a flat object for each triple or n-tuple,
// whose texts are strings. The file is opened when it is read.
func JSONL(from textfile.Opener, file, name string) Source {
	in := &input{opener: &opener{Config: Config{Opener: from}}, path: file, format: Records, shape: flatShape, strict: true}
	return in.source(name, "")
}

// opener is the settings with the state that all files of a call share.
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

// texts opens corpus and queries when a file needs them, once for all files.
func (c *opener) texts(path string) (err error) {
	if c.Corpus == "" || c.Queries == "" {
		return fmt.Errorf("eci: %s: %w: its rows hold ids: set Files.Corpus and Files.Queries to the files with the texts, or Files.BEIR to their folder", path, fault.MissingField)
	}
	return c.given()
}

// given opens the files of texts that were given for lookups.
func (c *opener) given() (err error) {
	if c.queries == nil && c.Queries != "" {
		c.queries, err = c.openTexts(c.Queries, true)
	}
	if err == nil && c.corpus == nil && c.Corpus != "" {
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
	layout  jsonrow.Layout
	entries bool    // one JSON object whose fields are the queries of a run
	comma   rune    // of CSV; 0 for TSV
	table   bool    // CSV or TSV
	header  bool    // whose first row has names
	columns columns // of a table
	order   order   // of a run with three columns
	// sampling allows numbers in place of texts, for a first look.
	sampling bool
	split    bool // several sources in one file
}

// inspect finds the format of a file from its first rows.
func (c *opener) inspect(path string) (*input, error) {
	in := &input{opener: c, path: path, format: c.Format}
	row, err := in.detect()
	if err != nil {
		return nil, &fault.RowError{File: path, Row: row, Err: err}
	}
	if err := in.open(); err != nil {
		return nil, err
	}
	return in, in.idsOrTexts()
}

// open opens the files of texts and judgments that the rows need.
func (in *input) open() (err error) {
	c := in.opener
	switch {
	case in.format == TevatronIDs && c.Queries == "":
		// The row contains the query's text.
		if c.Corpus == "" {
			return fmt.Errorf("eci: %s: %w: its rows hold ids of documents: set Files.Corpus to the file with their texts", in.path, fault.MissingField)
		}
		if c.corpus == nil {
			c.corpus, err = c.openTexts(c.Corpus, false)
		}
	case in.shape.ids && !in.table, in.columns.ids && in.columns.queryIDs, in.format == Run:
		err = c.texts(in.path)
	case in.columns.ids && c.Corpus == "":
		return fmt.Errorf("eci: %s: %w: its rows hold ids of documents: set Files.Corpus to the file with their texts; if they are texts, set Files.Format to FormatTriplesTSV", in.path, fault.MissingField)
	default: // for rows without texts
		err = c.given()
	}
	if err == nil && in.format == Run && c.judged == nil {
		if c.Qrels == "" {
			return fmt.Errorf("eci: %s: %w: a TREC run says what was retrieved, not what is relevant: set Files.Qrels to the relevance judgments", in.path, fault.MissingField)
		}
		c.judged, err = c.openQrels(c.Qrels)
	}
	return err
}

// detect reads the first rows and finds the format from them. row is where an error
// occurred.
func (in *input) detect() (row int, err error) {
	s, err := in.stream()
	if err != nil {
		return 0, err
	}
	defer s.Close()
	head, err := s.Peek(textfile.BufferSize)
	if err != nil && err != io.EOF && len(head) == 0 {
		return 1, err
	}
	text := bytes.TrimSpace(bytes.TrimPrefix(head, jsonrow.ByteOrderMark))
	if len(text) == 0 {
		return 0, fmt.Errorf("%w: the file is empty", fault.EmptySource)
	}
	if bytes.IndexByte(text, '\n') < 0 && bytes.Count(text, []byte("\r")) > 1 {
		return 0, fmt.Errorf("%w: its lines end with a carriage return alone, as old programs write them; convert it: tr '\\r' '\\n'", fault.Format)
	}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	_, wantJSON := in.Format.known()
	list := text[0] == '[' && (!bytes.Contains(first, []byte("\t")) || whole(first))
	if list || text[0] == '{' || wantJSON && !in.Format.flat() && in.Format != LabeledPair {
		in.layout = layoutOf(text)
		return in.detectJSON(s)
	}
	return in.detectText(s, string(bytes.TrimSuffix(first, []byte("\r"))))
}
