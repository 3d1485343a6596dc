package eci

import "example.com/eci/internal/jsonrow"

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"strings"
)

// Documents returns the documents of a file, for [Lookahead.Pool]: a corpus
// (JSONL as BEIR's, with _id, title and text; TSV of id and text, with or without
// a header), or ids alone, one a line. A file is of ids if its name ends in .ids
// or if its first line is neither a JSON object nor has a tab. The sequence may be
// ranged over more than once and yields a [RowError] for a line it cannot read,
// and ends.
func (f *Files) Documents(path string) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		if err := f.documents(path, yield); err != nil && !errors.Is(err, errStopped) {
			yield(Document{}, err)
		}
	}
}

func (f *Files) documents(path string, yield func(Document, error) bool) error {
	s, err := f.open(path)
	if err != nil {
		return &RowError{File: path, Err: err}
	}
	defer s.Close()
	head, err := s.Peek(4096)
	if err != nil && err != io.EOF {
		return &RowError{File: path, Err: err}
	}
	first, _, _ := bytes.Cut(bytes.TrimPrefix(head, []byte(jsonrow.ByteOrderMark)), []byte("\n"))
	if strings.HasSuffix(path, ".ids") || !bytes.HasPrefix(bytes.TrimSpace(first), []byte("{")) && !bytes.Contains(first, []byte("\t")) {
		return eachID(path, &jsonrow.Lines{R: s.Reader}, yield)
	}
	t := &textFile{files: f, path: path, kind: "document"}
	return t.scan(s, func(id, text string, _ int, _ int64) error {
		if !yield(Document{ID: id, Text: text}, nil) {
			return errStopped
		}
		return nil
	})
}

// eachID yields the ids of a file that has one a line; blank lines are passed over.
func eachID(path string, lines *jsonrow.Lines, yield func(Document, error) bool) error {
	for {
		line, err := lines.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return &RowError{File: path, Row: lines.Row, Err: err}
		}
		if id := string(bytes.TrimSpace(line)); id != "" && !yield(Document{ID: id}, nil) {
			return errStopped
		}
	}
}
