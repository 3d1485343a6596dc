package tripleio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/jsonrow"
)

// errStopped ends a reading if the receiver wants no more.
var errStopped = errors.New("stopped")

// Documents yields the ID and text of every document of a file: a corpus, or only IDs,
// one on each line. It ends with the first error.
func (f *Config) Documents(path string, yield func(id, text string) bool) error {
	if err := f.documents(path, yield); err != nil && !errors.Is(err, errStopped) {
		return err
	}
	return nil
}

func (f *Config) documents(path string, yield func(id, text string) bool) error {
	s, err := f.Open(path)
	if err != nil {
		return &fault.RowError{File: path, Err: err}
	}
	defer s.Close()
	head, err := s.Peek(4096)
	if err != nil && err != io.EOF {
		return &fault.RowError{File: path, Err: err}
	}
	first, _, _ := bytes.Cut(bytes.TrimPrefix(head, []byte(jsonrow.ByteOrderMark)), []byte("\n"))
	t := &textFile{files: f, path: path, kind: "document"}
	if strings.HasSuffix(path, ".ids") || t.layout.whole(s) == 0 && !bytes.HasPrefix(bytes.TrimSpace(first), []byte("{")) && !bytes.Contains(first, []byte("\t")) {
		if bytes.HasPrefix(bytes.TrimSpace(first), []byte("[")) && !strings.HasSuffix(path, ".ids") {
			return &fault.RowError{File: path, Row: 1, Err: fmt.Errorf("%w: a list of what are no objects; want objects with _id and text, or one id a line", fault.Format)}
		}
		return eachID(path, &jsonrow.Lines{R: s.Reader}, yield)
	}
	return t.scan(s, func(id, text string, _ int, _ int64) error {
		if !yield(id, text) {
			return errStopped
		}
		return nil
	})
}

// eachID yields the IDs of a file with one on each line. Blank lines are skipped.
func eachID(path string, lines *jsonrow.Lines, yield func(id, text string) bool) error {
	for {
		line, err := lines.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return &fault.RowError{File: path, Row: lines.Row, Err: err}
		}
		if id := string(bytes.TrimSpace(line)); id != "" && !yield(id, "") {
			return errStopped
		}
	}
}
