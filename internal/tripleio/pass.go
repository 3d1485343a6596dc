package tripleio

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/jsonrow"
	"example.com/eci/internal/quote"
	"example.com/eci/internal/textfile"
)

// rows yields the rows of a file with their line or element number. A row is valid
// until the next. After an error that is not about a single row, it ends.
type rows func(yield func(line int, r *row, err error) bool)

func (in *input) jsonRows(s *textfile.Stream) jsonrow.Objects {
	return jsonrow.NewObjects(s.Reader, in.layout)
}

func (in *input) openTable(s *textfile.Stream) table {
	if in.comma != 0 {
		return newCSVTable(s.Reader, in.comma)
	}
	return &tsvTable{Lines: jsonrow.Lines{R: s.Reader}, quotes: in.header}
}

// rows reads the rows of an open file. If the file has several sources, it reads those
// of one.
func (in *input) rows(s *textfile.Stream, pick string) rows {
	switch {
	case in.format == Run:
		return runRows(in.runLines(s), in.judged)
	case in.table && in.columns.label > 0:
		return in.pairRows(in.tableRows(s))
	case in.table:
		return in.tableRows(s)
	case in.format == LabeledPair:
		return in.pairRows(in.objectRows(s, pick))
	}
	return in.objectRows(s, pick)
}

// guessed reports whether the fields were found by their names alone: the user named
// neither them nor a format.
func (in *input) guessed() bool {
	return !in.strict && in.Format == Auto && in.Fields == (Fields{})
}

// objectRows reads the rows of a JSON file.
func (in *input) objectRows(s *textfile.Stream, pick string) rows {
	return func(yield func(line int, r *row, err error) bool) {
		objects := in.jsonRows(s)
		d := rowDecoder{format: in.format, shape: in.shape, strict: in.strict, keep: in.Extra, sample: in.sampling, pick: pick, queries: in.queries != nil, corpus: in.corpus != nil, labels: in.guessed()}
		for {
			raw, line, err := objects.Next()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(line, nil, err)
				return
			}
			r, err := d.decode(raw)
			if err != nil {
				r = nil
			}
			if !yield(line, r, err) {
				return
			}
		}
	}
}

func (in *input) tableRows(s *textfile.Stream) rows {
	return func(yield func(line int, r *row, err error) bool) {
		var r row
		var names []string
		var check labelCheck
		label := -1
		t := in.openTable(s)
		for header := in.header; ; header = false {
			cells, line, err := t.next()
			if err == io.EOF {
				return
			}
			if err == nil && header {
				names = slices.Clone(cells)
				if in.guessed() && in.columns.label == 0 {
					label = labelColumn(names)
				}
				continue
			}
			if err == nil {
				err = in.columns.row(&r, cells)
			}
			if err == nil && label >= 0 {
				err = check.same(names[label], cells[label])
			}
			if err == nil && in.Extra {
				in.cellExtras(&r, names, cells)
			}
			if !yield(line, &r, err) || err != nil && !errors.Is(err, fault.Malformed) {
				return
			}
		}
	}
}

// cellExtras collects the cells of a row that are neither texts nor IDs of it.
func (in *input) cellExtras(r *row, names, cells []string) {
	c := &in.columns
	used := append([]int{c.query, c.queryID, c.positive, c.positiveID, c.negID, c.source}, c.negatives...)
	var d rowDecoder
	for k, name := range names {
		if name = strings.TrimSpace(name); name == "" { // the index written by pandas
			continue
		}
		if !slices.Contains(used, k) && cells[k] != "" {
			d.extra(r, name, cellValue(cells[k]))
		}
	}
}

// source returns a source of the file. pick names the one to read if there are
// several.
func (in *input) source(name, pick string) Source {
	read := new(tallied)
	return Source{Name: name, Tally: read.last.Load, Records: func(yield func(*Record, error) bool) {
		if err := in.pass(pick, read, yield); err != nil {
			yield(nil, err)
		}
	}}
}

// stream opens the file. Its rows are checked one by one, except the lines of a run.
func (in *input) stream() (*textfile.Stream, error) {
	if in.format == Run {
		return in.Open(in.path)
	}
	return in.OpenRows(in.path)
}

// pass reads the file once. It returns an error that it did not yield.
func (in *input) pass(pick string, read *tallied, yield func(*Record, error) bool) error {
	s, err := in.stream()
	if err != nil {
		return &fault.RowError{File: in.path, Err: err}
	}
	defer s.Close()
	queries, err := in.queries.reader()
	if err != nil {
		return err
	}
	documents, err := in.corpus.reader()
	if err != nil {
		queries.Close()
		return err
	}
	defer closeAll(queries, documents)
	e := expansion{path: in.path, max: in.MaxNegatives, queries: queries, documents: documents, yield: yield}
	tally, ended := new(Tally), true
	in.rows(s, pick)(func(line int, r *row, err error) bool {
		if err == nil && !in.strict && in.format != MultiSource {
			switch {
			case in.split && r.source == "":
				err = fmt.Errorf("%w: no source in this row, but in the first one", fault.MissingField)
			case in.split && r.source != pick:
				return true
			case !in.split && r.source != "":
				err = fmt.Errorf("%w: source %q in this row, but none in the first one: give it to every row", fault.Malformed, quote.Clip(r.source))
			}
		}
		if err != nil {
			if tally.Rows++; in.strict && tally.Rows == 1 {
				err = fmt.Errorf("%w; JSONL reads three shapes of JSON lines only: Files finds out which of the other formats it is", err)
			}
			ended = yield(nil, &fault.RowError{File: in.path, Row: line, Err: err})
			return ended
		}
		in.count(tally, line, r)
		ended = e.expand(line, r, pick)
		return ended
	})
	if ended {
		read.last.Store(tally)
	}
	if empty := tally.Positives.Rows + tally.Negatives.Rows; ended && empty > 0 && empty == tally.Rows {
		return in.withoutTriples(empty)
	}
	return nil
}

// withoutTriples returns the error for a file in which no row has a negative and a
// positive. Trainers fail on such files.
func (in *input) withoutTriples(rows int) error {
	hint := ""
	switch in.format {
	case Run:
		return &fault.RowError{File: in.path, Err: fmt.Errorf("%w: no query of the run has both a relevant document and a retrieved one that is not relevant", fault.EmptySource)}
	case DPR:
		hint = "; if the negatives are in negative_ctxs, set Files.Fields.Negative to negative_ctxs"
	}
	return &fault.RowError{File: in.path, Err: fmt.Errorf("%w: all %d rows have an empty list of negatives or positives%s", fault.EmptySource, rows, hint)}
}

// picks reads the file once to find the names of its sources. Bad rows are reported
// only when triples are read.
func (in *input) picks() (names []string, err error) {
	s, err := in.stream()
	if err != nil {
		return nil, &fault.RowError{File: in.path, Err: err}
	}
	defer s.Close()
	const maxSources = 1000 // each requires a pass over the file
	known := make(map[string]bool)
	add := func(name string, line int) {
		if name == "" || known[name] {
			return
		}
		known[name] = true
		if names = append(names, name); len(names) > maxSources && err == nil {
			err = &fault.RowError{File: in.path, Row: line, Err: fmt.Errorf("%w: more than %d sources in one file, each of which would be read on its own: does the field with their names hold an id of the row?", fault.Format, maxSources)}
		}
	}
	if in.format != MultiSource {
		in.rows(s, "")(func(line int, r *row, rowErr error) bool {
			switch {
			case rowErr == nil:
				add(r.source, line)
			case skippable(rowErr):
			default:
				err = &fault.RowError{File: in.path, Row: line, Err: rowErr}
			}
			return err == nil
		})
		return names, err
	}
	objects := in.jsonRows(s)
	var o, lists jsonrow.Object
	for {
		raw, line, rowErr := objects.Next()
		if rowErr == io.EOF {
			break
		}
		if rowErr != nil {
			return nil, &fault.RowError{File: in.path, Row: line, Err: rowErr}
		}
		if o.Parse(raw) != nil {
			continue
		}
		if _, raw, ok := o.First(in.shape.negative); ok && raw[0] == '{' && lists.Parse(raw) == nil {
			for _, f := range lists.Fields {
				add(string(f.Name), line)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	if len(names) == 0 {
		return nil, &fault.RowError{File: in.path, Err: fmt.Errorf("%w: no row names a source of negatives", fault.EmptySource)}
	}
	return names, nil
}

// skippable reports whether an error is about one row and others follow.
func skippable(err error) bool {
	kind, _ := fault.Reason(err)
	return kind != 0
}

// expansion makes triples from rows: for each positive, one with every negative.
type expansion struct {
	path               string
	max                int
	queries, documents *textReader
	yield              func(*Record, error) bool
}

func (e *expansion) expand(line int, r *row, source string) bool {
	fail := func(p *passage, err error) bool {
		at := line
		if p.line > 0 {
			at = p.line
		}
		return e.yield(nil, &fault.RowError{File: e.path, Row: at, Err: err})
	}
	negatives := r.negatives
	if e.max > 0 && len(negatives) > e.max {
		negatives = negatives[:e.max]
	}
	if len(negatives) == 0 || len(r.positives) == 0 {
		return true // counted by its caller
	}
	if err := lookUp(&r.query, e.queries); err != nil {
		return fail(&r.query, err)
	}
	found := negatives[:0]
	for i := range negatives {
		n := negatives[i]
		if err := lookUp(&n, e.documents); err != nil {
			if !fail(&n, err) {
				return false
			}
			continue
		}
		found = append(found, n)
	}
	for i := range r.positives {
		p := &r.positives[i]
		if err := lookUp(p, e.documents); err != nil {
			if !fail(p, err) {
				return false
			}
			continue
		}
		records := make([]Record, len(found))
		for k, n := range found {
			records[k] = Record{
				QueryID: r.query.id, QueryText: r.query.text, QueryVector: r.query.vector,
				PositiveID: p.id, PositiveText: p.text, PositiveVector: p.vector,
				NegativeID: n.id, NegativeText: n.text, NegativeVector: n.vector,
				SourceName: source, File: e.path, Row: line, Extra: extrasOf(r, p, &n),
			}
			if n.line > 0 {
				records[k].Row = n.line
			}
			if !e.yield(&records[k], nil) {
				return false
			}
		}
	}
	return true
}

// lookUp sets the text of a passage that is an ID.
func lookUp(p *passage, from *textReader) (err error) {
	if !p.bare {
		return nil
	}
	if from == nil {
		return fmt.Errorf("%w: the row has id %q and no text: set Files.Corpus and Files.Queries", fault.MissingField, quote.Clip(p.id))
	}
	p.text, err = from.text(p.id)
	return err
}
