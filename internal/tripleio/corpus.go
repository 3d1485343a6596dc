package tripleio

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/hash64"
	"example.com/eci/internal/jsonrow"
	"example.com/eci/internal/quote"
	"example.com/eci/internal/textfile"
)

// textFile returns the texts of a corpus or of a file of queries by ID. A plain file
// is not loaded. An index of 16 bytes for each ID finds the line, which is read on
// demand. A compressed file cannot be read at random and is loaded, up to a limit. A
// textFile does not change after it was made, so readers may share it.
type textFile struct {
	files  *Config
	path   string
	kind   string // "document" or "query", for errors
	index  []textOffset
	loaded map[string]string
	layout textLayout
}

// textOffset says where the line of an ID begins. The ID is compared when the line is
// read, so that IDs with the same hash are distinguished.
type textOffset struct {
	hash   uint64
	offset int64
}

// textLayout says how a line holds ID and text: as a JSON object, or in columns.
type textLayout struct {
	json            bool
	query           bool
	header          bool // the first line names the columns
	id, title, text int  // columns; -1 for none
}

func textHash(id string) uint64 { return hash64.Mix(hash64.FNV1a(hash64.Offset, id)) }

// openTexts reads a file once, checks every line and records the position of each ID.
// An ID with two different texts is an error that names both rows.
func (f *Config) openTexts(path string, query bool) (*textFile, error) {
	t := &textFile{files: f, path: path, kind: "document", layout: textLayout{query: query}}
	if query {
		t.kind = "query"
	}
	s, err := f.Open(path)
	if err != nil {
		return nil, &fault.RowError{File: path, Err: err}
	}
	defer s.Close()
	whole := t.layout.whole(s) != 0
	if s.Random() && !whole {
		err = t.scan(s, func(id, _ string, _ int, offset int64) error {
			t.index = append(t.index, textOffset{textHash(id), offset})
			return nil
		})
		if err == nil {
			err = t.sort()
		}
		return t, err
	}
	t.loaded = make(map[string]string)
	size := int64(0)
	rows := make(map[string]int)
	err = t.scan(s, func(id, text string, row int, _ int64) error {
		if first, ok := rows[id]; ok && t.loaded[id] == text {
			return nil
		} else if ok {
			return fmt.Errorf("%w: %s id %q is also that of row %d, with another text; keep one of the two", fault.Malformed, t.kind, quote.Clip(id), first)
		}
		rows[id], t.loaded[id] = row, text
		if size += int64(len(id) + len(text) + 64); whole {
			return f.fits(size)
		}
		return f.Fits(s, size)
	})
	return t, err
}

// scan calls fn with every ID and text of the file, in order.
func (t *textFile) scan(s *textfile.Stream, fn func(id, text string, row int, offset int64) error) error {
	if kind := t.layout.whole(s); kind != 0 {
		return t.scanWhole(kind, s, fn)
	}
	lines := jsonrow.Lines{R: s.Reader}
	var reader textReader
	for {
		offset := lines.End
		line, err := lines.Next()
		if err == io.EOF && lines.Row > 1 {
			return nil
		}
		if err == io.EOF {
			err = fmt.Errorf("%w: the file is empty", fault.Format)
		}
		if err == nil {
			err = textfile.CheckUTF8(line)
		}
		if err == nil && lines.Row == 1 {
			err = t.layout.detect(line)
		}
		if err == nil && (lines.Row > 1 || !t.layout.header) && len(bytes.TrimSpace(line)) > 0 {
			var id, text string
			if id, text, err = reader.parse(&t.layout, line); err == nil {
				err = fn(id, text, lines.Row, offset)
			}
		}
		if err != nil {
			return &fault.RowError{File: t.path, Row: lines.Row, Err: err}
		}
	}
}

// sort sorts the index and looks for an ID with two different texts.
func (t *textFile) sort() error {
	slices.SortFunc(t.index, func(a, b textOffset) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.offset, b.offset))
	})
	var reader *textReader
	for i := 1; i < len(t.index); i++ {
		for k := i - 1; k >= 0 && t.index[k].hash == t.index[i].hash; k-- {
			if reader == nil {
				var err error
				if reader, err = t.reader(); err != nil {
					return err
				}
				defer reader.Close()
			}
			first, text, err := reader.at(t.index[k].offset)
			if err != nil {
				return err
			}
			second, other, err := reader.at(t.index[i].offset)
			if err != nil {
				return err
			}
			if first == second && text != other {
				rows, err := t.rowsAt(t.index[k].offset, t.index[i].offset)
				if err != nil {
					return err
				}
				return &fault.RowError{File: t.path, Row: rows[1], Err: fmt.Errorf("%w: %s id %q is also that of row %d, with another text; keep one of the two", fault.Malformed, t.kind, quote.Clip(first), rows[0])}
			}
		}
	}
	return nil
}

// rowsAt counts lines to turn two offsets into rows.
func (t *textFile) rowsAt(offsets ...int64) ([]int, error) {
	s, err := t.files.Open(t.path)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	lines, rows := jsonrow.Lines{R: s.Reader}, make([]int, len(offsets))
	for i, offset := range offsets {
		for lines.End <= offset {
			if _, err := lines.Next(); err != nil {
				return nil, &fault.RowError{File: t.path, Row: lines.Row, Err: err}
			}
		}
		rows[i] = lines.Row
	}
	return rows, nil
}

// textReader reads the texts of a file during one pass over a source.
type textReader struct {
	file       *textFile
	raw        fs.File
	buffer     []byte
	object     jsonrow.Object
	cells      []string
	cache      map[string]string
	cacheBytes int
}

// reader opens the file for one pass; nil stays nil.
func (t *textFile) reader() (*textReader, error) {
	if t == nil {
		return nil, nil
	}
	r := &textReader{file: t}
	if t.loaded == nil {
		raw, err := t.files.Raw(t.path)
		if err != nil {
			return nil, &fault.RowError{File: t.path, Err: err}
		}
		r.raw, r.cache = raw, make(map[string]string)
	}
	return r, nil
}

// Close closes the file.
func (r *textReader) Close() error {
	if r == nil || r.raw == nil {
		return nil
	}
	return r.raw.Close()
}

// text returns the text of an ID, or fault.MissingField.
func (r *textReader) text(id string) (string, error) {
	text, ok, err := r.find(id)
	if ok || err != nil {
		return text, err
	}
	other := id + ".0"
	if whole, float := strings.CutSuffix(id, ".0"); float {
		other = whole
	}
	if isDigits(strings.TrimSuffix(id, ".0")) {
		if _, ok, _ := r.find(other); ok {
			return "", fmt.Errorf("%w: no text: %s id %q is not in %s, which has %q: %s", fault.MissingField, r.file.kind, quote.Clip(id), r.file.path, quote.Clip(other), fault.FloatIDs)
		}
	}
	return "", fmt.Errorf("%w: no text: %s id %q is not in %s", fault.MissingField, r.file.kind, quote.Clip(id), r.file.path)
}

// find returns the text of an ID, and whether there is one.
func (r *textReader) find(id string) (text string, ok bool, err error) {
	known := r.cache
	if r.file.loaded != nil {
		known = r.file.loaded
	}
	if text, ok := known[id]; ok {
		return text, true, nil
	}
	hash, index := textHash(id), r.file.index
	i, _ := slices.BinarySearchFunc(index, hash, func(e textOffset, hash uint64) int { return cmp.Compare(e.hash, hash) })
	for ; i < len(index) && index[i].hash == hash; i++ {
		found, text, err := r.at(index[i].offset)
		if err != nil {
			return "", false, err
		}
		if found == id {
			if r.cacheBytes += len(id) + len(text) + 64; r.cacheBytes > 4<<20 {
				clear(r.cache)
				r.cacheBytes = 0
			}
			r.cache[id] = text
			return text, true, nil
		}
	}
	return "", false, nil
}

// at reads the line at an offset.
func (r *textReader) at(offset int64) (id, text string, err error) {
	if r.buffer == nil {
		r.buffer = make([]byte, 4096)
	}
	have := 0
	for {
		n, err := r.raw.(io.ReaderAt).ReadAt(r.buffer[have:], offset+int64(have))
		end := bytes.IndexByte(r.buffer[have:have+n], '\n')
		have += n
		switch {
		case end >= 0:
			have += end - n
		case err == nil && have < jsonrow.MaxLine:
			r.buffer = append(r.buffer, make([]byte, len(r.buffer))...)
			continue
		case err != io.EOF:
			return "", "", &fault.RowError{File: r.file.path, Err: fmt.Errorf("offset %d: %w", offset, cmp.Or(err, fault.Format))}
		}
		line := bytes.TrimSuffix(r.buffer[:have], []byte("\r"))
		if offset == 0 {
			line = bytes.TrimPrefix(line, jsonrow.ByteOrderMark)
		}
		if id, text, err = r.parse(&r.file.layout, line); err != nil {
			return "", "", &fault.RowError{File: r.file.path, Err: fmt.Errorf("offset %d: %w; was the file changed meanwhile?", offset, err)}
		}
		return id, text, nil
	}
}

var (
	queryIDs  = []string{"_id", "query_id", "qid", "id"}
	queryText = []string{"text", "query", "query_text", "question"}
)

// detect finds the layout of ID and text from the first line of the file.
func (l *textLayout) detect(line []byte) error {
	trimmed := bytes.TrimSpace(line)
	if len(trimmed) > 0 && trimmed[0] == '{' {
		l.json = true
		return nil
	}
	cells := strings.Split(string(line), "\t")
	if *l = l.columns(cells); l.header {
		return nil
	}
	if len(cells) != 2 {
		return fmt.Errorf("%w: want a JSON object with _id and text, or two columns id and text with a tab between, or a header with the columns id, text and perhaps title; this line has %d columns", fault.Format, len(cells))
	}
	l.id, l.title, l.text = 0, -1, 1
	return nil
}

// columns returns the layout of a table with this first row. The row is a header if it
// names ID and text.
func (l textLayout) columns(cells []string) textLayout {
	ids, texts := documentIDs, documentText
	if l.query {
		ids, texts = queryIDs, queryText
	}
	column := func(names []string) int {
		return slices.IndexFunc(cells, func(cell string) bool { return slices.Contains(names, strings.TrimSpace(cell)) })
	}
	l.id, l.title, l.text = column(ids), column([]string{"title"}), column(texts)
	l.header = l.id >= 0 && l.text >= 0
	return l
}

// parse reads ID and text from a line.
func (r *textReader) parse(l *textLayout, line []byte) (id, text string, err error) {
	if !l.json {
		return r.parseColumns(l, line)
	}
	if err := r.object.Parse(bytes.TrimSpace(line)); err != nil {
		return "", "", err
	}
	ids, texts := documentIDs, documentText
	if l.query {
		ids, texts = queryIDs, queryText
	}
	if id, err = r.object.ID(ids...); err != nil {
		return "", "", err
	}
	if id == "" {
		if err := byID(&r.object); err != nil && !r.object.Has(texts) {
			return "", "", err
		}
		return "", "", r.object.Missing(ids...)
	}
	if !r.object.Has(texts) {
		return "", "", r.object.Missing(texts...)
	}
	if l.query {
		text, err = r.object.Text(texts...)
	} else {
		text, err = titledText(&r.object)
	}
	return id, text, err
}

func (r *textReader) parseColumns(l *textLayout, line []byte) (id, text string, err error) {
	if !l.header { // a tab in the text is part of it
		id, text, ok := strings.Cut(string(line), "\t")
		if id == "" || !ok {
			return "", "", fmt.Errorf("%w: want an id, a tab and a text", fault.Malformed)
		}
		return id, text, nil
	}
	r.cells = splitTSV(r.cells[:0], string(line))
	return l.cells(r.cells)
}

// cells reads ID and text from a row of a table with a header.
func (l *textLayout) cells(cells []string) (id, text string, err error) {
	if need := max(l.id, l.text, l.title); len(cells) <= need {
		return "", "", fmt.Errorf("%w: %d columns, the header has at least %d", fault.Malformed, len(cells), need+1)
	}
	if id = cells[l.id]; id == "" {
		return "", "", fmt.Errorf("%w: the id is empty", fault.Malformed)
	}
	if text = cells[l.text]; l.title >= 0 {
		text = titled(cells[l.title], text)
	}
	return id, text, nil
}

// byID explains how to write a corpus that is one object with a text or document for
// each ID.
func byID(o *jsonrow.Object) error {
	if len(o.Fields) == 0 {
		return nil
	}
	value := "value"
	for _, f := range o.Fields {
		switch string(f.Name) {
		case "query", "anchor", "positive", "negative", "pos", "neg":
			return fmt.Errorf("%w: these are rows of triples; a corpus has objects with _id and text, one a line", fault.Format)
		}
		switch f.Value[0] {
		case '{':
			value = "value.text"
		case '"':
		default:
			return nil
		}
	}
	return fmt.Errorf("%w: it looks like one object with every text under its id: write one object a line: jq -c 'to_entries[] | {_id: .key, text: .%s}'", fault.Format, value)
}

// closeAll closes readers that may be nil.
func closeAll(readers ...*textReader) (all error) {
	for _, r := range readers {
		all = errors.Join(all, r.Close())
	}
	return all
}
