package tripleio

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/jsonrow"
	"example.com/eci/internal/textfile"
)

// A corpus may also be one JSON list of objects, or a CSV with a header. A text in
// them does not start at a line, so these files are loaded.

// whole finds out from the beginning of a file whether to load it. It returns '[' for
// a JSON list, the separator for a CSV, and 0 for lines, which are not loaded.
func (l *textLayout) whole(s *textfile.Stream) byte {
	head, _ := s.Peek(4096)
	head = bytes.TrimSpace(bytes.TrimPrefix(head, jsonrow.ByteOrderMark))
	first, _, _ := bytes.Cut(head, []byte("\n"))
	switch {
	case len(head) == 0 || bytes.Contains(first, []byte("\t")):
		return 0
	case head[0] == '[':
		if i := jsonrow.SkipSpace(head, 1); i < len(head) && (head[i] == '{' || head[i] == ']') {
			return '['
		}
	case head[0] != '{':
		for _, comma := range []byte{',', ';', '|'} {
			if header := l.columns(strings.Split(strings.ReplaceAll(string(bytes.TrimSpace(first)), `"`, ""), string(comma))); header.header {
				return comma
			}
		}
	}
	return 0
}

// scanWhole is scan for files that are loaded.
func (t *textFile) scanWhole(kind byte, s *textfile.Stream, fn func(id, text string, row int, offset int64) error) error {
	if kind == '[' {
		return t.scanList(s, fn)
	}
	table := newCSVTable(s.Reader, rune(kind))
	for n := 0; ; n++ {
		cells, row, err := table.next()
		if err == io.EOF {
			return nil
		}
		if err == nil && n == 0 {
			t.layout = t.layout.columns(cells)
			continue
		}
		var id, text string
		if err == nil {
			id, text, err = t.layout.cells(cells)
		}
		if err == nil {
			err = fn(id, text, row, 0)
		}
		if err != nil {
			return &fault.RowError{File: t.path, Row: row, Err: err}
		}
	}
}

func (t *textFile) scanList(s *textfile.Stream, fn func(id, text string, row int, offset int64) error) error {
	objects := jsonrow.NewObjects(s.Reader, jsonrow.Layout{List: true})
	layout := t.layout
	layout.json = true
	var reader textReader
	for {
		raw, row, err := objects.Next()
		if err == io.EOF {
			return nil
		}
		var id, text string
		if err == nil {
			id, text, err = reader.parse(&layout, raw)
		}
		if err == nil {
			err = fn(id, text, row, 0)
		}
		if err != nil {
			return &fault.RowError{File: t.path, Row: row, Err: err}
		}
	}
}

// fits limits what is loaded, even of a file that could be read at random if it
// consisted of lines.
func (f *Config) fits(loaded int64) error {
	if limit := cmp.Or(f.Limit, 2<<30); loaded > limit {
		return fmt.Errorf("%w: more than %d MB of texts, which must fit in memory unless they are lines of an uncompressed file: write one JSON object a line, or raise Files.TextBytes", fault.Format, limit>>20)
	}
	return nil
}
