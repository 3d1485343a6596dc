package tripleio

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/jsonrow"
	"example.com/eci/internal/quote"
	"example.com/eci/internal/textfile"
)

// table is the rows of a CSV or TSV file. next returns the cells, valid until the next
// call, and the line on which the row begins.
type table interface {
	next() (cells []string, line int, err error)
}

// csvTable follows RFC 4180: cells in double quotes may contain commas and line
// breaks.
type csvTable struct {
	*csv.Reader
	limit *rowLimit
}

func newCSVTable(r *bufio.Reader, comma rune) *csvTable {
	if mark, _ := r.Peek(3); bytes.Equal(mark, jsonrow.ByteOrderMark) {
		r.Discard(3)
	}
	limit := &rowLimit{r: r}
	c := &csvTable{csv.NewReader(bufio.NewReaderSize(limit, textfile.BufferSize)), limit}
	c.Comma = comma
	c.FieldsPerRecord = -1 // counted here, for a better message
	c.ReuseRecord = true
	return c
}

func (c *csvTable) next() ([]string, int, error) {
	c.limit.left = jsonrow.MaxLine + textfile.BufferSize
	cells, err := c.Read()
	for err == nil && len(cells) > 1 && !slices.ContainsFunc(cells, func(cell string) bool { return cell != "" }) {
		cells, err = c.Read() // after an empty row of a spreadsheet
	}
	var parse *csv.ParseError
	switch {
	case errors.As(err, &parse):
		return nil, parse.StartLine, fmt.Errorf("%w: %w in line %d; put a text with quotes in quotes, and double those in it", fault.Malformed, parse.Err, parse.Line)
	case err != nil:
		return nil, 0, err
	}
	line, _ := c.FieldPos(0)
	return cells, line, nil
}

// rowLimit fails if one row takes too many bytes, as it does after an unclosed quote.
type rowLimit struct {
	r    io.Reader
	left int
}

func (l *rowLimit) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("%w: a row of more than %d MB; is a quote not closed?", fault.Format, jsonrow.MaxLine>>20)
	}
	n, err := l.r.Read(p)
	l.left -= n
	return n, err
}

// tsvTable has one row on each line. With quotes, cells in double quotes are read
// without them, and doubled ones inside are halved, as pandas writes them. Without
// quotes, every character except the tab is itself.
type tsvTable struct {
	jsonrow.Lines
	cells  []string
	quotes bool
	blanks bool // words separated by blanks instead
}

func (t *tsvTable) next() ([]string, int, error) {
	for {
		line, err := t.Lines.Next()
		if err != nil {
			return nil, t.Row, err
		}
		if len(line) == 0 {
			continue
		}
		if t.blanks {
			t.cells = append(t.cells[:0], strings.Fields(string(line))...)
		} else if t.quotes {
			t.cells = splitTSV(t.cells[:0], string(line))
		} else {
			t.cells = t.cells[:0]
			for rest, more := string(line), true; more; {
				var cell string
				cell, rest, more = strings.Cut(rest, "\t")
				t.cells = append(t.cells, cell)
			}
		}
		return t.cells, t.Row, nil
	}
}

// splitTSV appends the cells of a line to dst.
func splitTSV(dst []string, line string) []string {
	for {
		if text, rest, ok := cutQuoted(line); ok {
			if dst = append(dst, text); rest == "" {
				return dst
			}
			line = rest[1:]
			continue
		}
		cell, rest, more := strings.Cut(line, "\t")
		if dst = append(dst, cell); !more {
			return dst
		}
		line = rest
	}
}

// cutQuoted reads a quoted cell that ends before a tab or the end of the line.
func cutQuoted(line string) (text, rest string, ok bool) {
	if line == "" || line[0] != '"' {
		return "", "", false
	}
	doubled := false
	for i := 1; i < len(line); i++ {
		switch {
		case line[i] != '"':
		case i+1 < len(line) && line[i+1] == '"':
			doubled = true
			i++
		case i+1 == len(line) || line[i+1] == '\t':
			if text = line[1:i]; doubled {
				text = strings.ReplaceAll(text, `""`, `"`)
			}
			return text, line[i+1:], true
		default:
			return "", "", false // a text that begins with a quoted word
		}
	}
	return "", "", false
}

// columns says which column of a table contains what; -1 means none.
type columns struct {
	width                                               int
	query, queryID, positive, positiveID, negID, source int
	negatives                                           []int
	lists                                               []int // columns whose cells are lists
	numbered                                            bool  // empty negatives are padding
	ids, queryIDs                                       bool  // the cells are ids
	label                                               int   // 1 + the column with the label of a pair's document; 0 for none
}

// tripleColumns are the columns of MS MARCO's files without a header.
func tripleColumns(ids bool) columns {
	return columns{width: 3, query: 0, positive: 1, negatives: []int{2}, queryID: -1, positiveID: -1, negID: -1, source: -1, ids: ids, queryIDs: ids}
}

// errUnnamed is the error for a header whose names do not identify the columns.
var errUnnamed = errors.New("columns without known names")

func isMissingNames(err error) bool { return errors.Is(err, errUnnamed) }

// headerColumns reads a header, by the user's own names if there are any, else by the
// known names.
func headerColumns(header []string, s shape, named bool) (columns, error) {
	seen := make(map[string]int, len(header))
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(name))
		k, again := seen[name]
		seen[name] = i
		if again {
			return columns{}, fmt.Errorf("%w: columns %d and %d are both called %q: rename one", fault.Malformed, k+1, i+1, quote.Clip(header[i]))
		}
	}
	f := find(header)
	if named {
		f.own(header, s)
	}
	places := make(map[string]int, len(header)) // a search for each of a million columns would not end
	for i, name := range slices.Backward(header) {
		places[name] = i
	}
	at := func(name string) int {
		if name == "" {
			return -1
		}
		return places[name]
	}
	c := columns{width: len(header), query: at(f.query), positive: at(f.positive), queryID: at(f.queryID), positiveID: at(f.positiveID), negID: at(f.negativeID), source: -1}
	if k, ok := seen["source"]; ok {
		c.source = k
	}
	if f.negative != "" {
		c.negatives = []int{at(f.negative)}
	} else {
		c.numbered = true
		for _, name := range f.numbered {
			c.negatives = append(c.negatives, at(name))
		}
	}
	switch {
	case f.complete():
		return c, nil
	case f.doubt != nil:
		return c, fmt.Errorf("%w: columns %s may each be the positive: set Files.Fields to their names", fault.MissingField, strings.Join(f.doubt, " and "))
	case !named && scoredPairs(header) != nil:
		return c, scoredPairs(header)
	case f.query+f.positive+f.negative+f.queryID+f.positiveID+f.negativeID != "" || len(f.numbered) > 0 || named:
		return c, fmt.Errorf("%w: the header %s lacks a column for the query, the positive or the negative: set Files.Fields to their names", fault.MissingField, quote.Names(header))
	case len(header) < 3:
		return c, fmt.Errorf("%w: want three columns or more, for query, positive and negatives; the header has %d", fault.MissingField, len(header))
	}
	for _, name := range header {
		if strings.Contains(strings.TrimSpace(name), " ") {
			return c, fmt.Errorf("%w: the first row seems to be texts, not column names: %q; put a header such as anchor,positive,negative in front", fault.Format, quote.Clip(name))
		}
	}
	return c, errUnnamed
}

// own replaces names of f with the user's. If there is no column with the name of the
// negative itself, it looks for numbered ones.
func (f *found) own(header []string, s shape) {
	column := func(names []string) string {
		for _, want := range names {
			for _, name := range header {
				if strings.EqualFold(strings.TrimSpace(name), want) {
					return name
				}
			}
		}
		return ""
	}
	usual := func(names, usual []string) bool { return len(names) == len(usual) && slices.Equal(names, usual) }
	for _, r := range []struct {
		names, ids, flat []string
		text, id         *string
	}{
		{s.query, s.queryID, flatShape.query, &f.query, &f.queryID},
		{s.positive, s.positiveID, flatShape.positive, &f.positive, &f.positiveID},
		{s.negative, s.negativeID, flatShape.negative, &f.negative, &f.negativeID},
	} {
		switch {
		case usual(r.names, r.flat):
			continue
		case len(r.names) == 0:
			*r.text, *r.id = "", column(r.ids)
		default:
			*r.text = column(r.names)
		}
		if r.text == &f.positive {
			f.doubt = nil
		}
		if r.text == &f.negative {
			f.numbered = nil
			if f.negative == "" && len(r.names) > 0 {
				f.numbered = numberedColumns(header, r.names[0])
			}
		}
	}
}

// numberedColumns returns the columns called prefix, or prefix and "_", followed by a
// number, in the order of the numbers.
func numberedColumns(header []string, prefix string) (names []string) {
	numbers := map[string]int{}
	for _, name := range header {
		n := strings.ToLower(strings.TrimSpace(name))
		suffix, ok := strings.CutPrefix(n, strings.ToLower(prefix))
		if k, err := strconv.Atoi(strings.TrimPrefix(suffix, "_")); ok && err == nil && k >= 0 {
			names, numbers[name] = append(names, name), k
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return numbers[a] - numbers[b] })
	return names
}

// row turns cells into a row.
func (c *columns) row(r *row, cells []string) error {
	*r = row{positives: r.positives[:0], negatives: r.negatives[:0]}
	if len(cells) != c.width {
		hint := "is there a tab, a comma or a line break inside a text?"
		if strings.HasPrefix(strings.TrimSpace(cells[0]), "{") {
			hint = "it looks like JSON: split files of mixed formats"
		}
		return fmt.Errorf("%w: columns: %d here, %d in the first row; %s", fault.Malformed, len(cells), c.width, hint)
	}
	for _, cell := range cells {
		if !utf8.ValidString(cell) {
			return textfile.CheckUTF8([]byte(cell))
		}
	}
	at := func(k int) string {
		if k < 0 {
			return ""
		}
		return cells[k]
	}
	of := func(k, id int, ids bool) passage {
		switch {
		case k < 0:
			return passage{id: strings.TrimSpace(at(id)), bare: true}
		case ids:
			return passage{id: strings.TrimSpace(cells[k]), bare: true}
		}
		return passage{id: at(id), text: cells[k]}
	}
	r.query = of(c.query, c.queryID, c.queryIDs)
	if c.label > 0 {
		return c.pair(r, of(c.positive, c.positiveID, c.ids), cells[c.label-1])
	}
	var err error
	place, ids := c.positive, c.ids
	if place < 0 {
		place, ids = c.positiveID, true
	}
	if r.positives, err = c.documents(r.positives, cells, place, ids, of(c.positive, c.positiveID, c.ids)); err != nil {
		return err
	}
	for _, k := range c.negatives {
		if c.numbered && cells[k] == "" {
			continue
		}
		id := -1
		if !c.numbered {
			id = c.negID
		}
		if r.negatives, err = c.documents(r.negatives, cells, k, c.ids, of(k, id, c.ids)); err != nil {
			return err
		}
	}
	if len(c.negatives) == 0 {
		if r.negatives, err = c.documents(r.negatives, cells, c.negID, true, of(-1, c.negID, true)); err != nil {
			return err
		}
	}
	r.source = at(c.source)
	return nil
}

// pair adds the document of a labeled pair.
func (c *columns) pair(r *row, document passage, label string) error {
	positive, err := labelOf(label)
	if err != nil {
		return fmt.Errorf("%w: %w", fault.Malformed, err)
	}
	if positive {
		r.positives = append(r.positives, document)
	} else {
		r.negatives = append(r.negatives, document)
	}
	return nil
}
