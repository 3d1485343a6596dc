package eci

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// JSONL is a source read from a file with one JSON object a line, in any of
// three shapes, told apart by their fields:
//
//	{"query_id":"1","query":"q","positive_id":"7","positive":"p","negative_id":"9","negative":"n"}
//	{"anchor":"q","positive":"p","negative":"n"}
//	{"anchor":"q","positive":"p","negative_1":"n1","negative_2":"n2"}
//
// Ids are optional strings or numbers. The query may be called query, anchor,
// question or sentence1, the positive positive, pos or answer. An n-tuple gives
// one triple for every negative, in the order of their numbers. Other fields
// are ignored, blank lines skipped. The source's name is the file's, without
// folder and extension. The file is read anew on every pass.
func JSONL(file string) Source {
	return jsonl(file, strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), func() (io.ReadCloser, error) { return openFile(file) })
}

// JSONLFrom is [JSONL] for a file of a file system, such as an embedded one.
func JSONLFrom(fsys fs.FS, file string) Source {
	return jsonl(file, strings.TrimSuffix(path.Base(file), path.Ext(file)), func() (io.ReadCloser, error) {
		f, err := fsys.Open(file)
		if err != nil {
			return nil, fmt.Errorf("%w", err)
		}
		return f, nil
	})
}

// openFile opens a file for reading and refuses a directory.
func openFile(name string) (*os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("eci: %w", err)
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		f.Close()
		return nil, fmt.Errorf("eci: %s: %w: is a directory", name, ErrFormat)
	}
	return f, nil
}

// maxLine bounds the memory that one line may take.
const maxLine = 64 << 20

func jsonl(file, name string, open func() (io.ReadCloser, error)) Source {
	return Source{Name: name, Triples: func(yield func(Triple, error) bool) {
		f, err := open()
		if err != nil {
			yield(nil, &RowError{File: file, Err: err})
			return
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(make([]byte, 0, 64<<10), maxLine)
		row := 0
		for lines.Scan() {
			row++
			line := bytes.TrimSpace(lines.Bytes())
			if row == 1 {
				line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
			}
			if len(line) == 0 {
				continue
			}
			records, err := parseLine(line)
			if err != nil {
				if !yield(nil, &RowError{File: file, Row: row, Err: err}) {
					return
				}
				continue
			}
			for i := range records {
				records[i].File, records[i].Row = file, row
				if !yield(&records[i], nil) {
					return
				}
			}
		}
		if err := lines.Err(); err != nil {
			if errors.Is(err, bufio.ErrTooLong) {
				err = fmt.Errorf("%w: a line of more than %d MB; is this JSONL?", ErrFormat, maxLine>>20)
			}
			yield(nil, &RowError{File: file, Row: row + 1, Err: err})
		}
	}}
}

// parseLine reads one object in any of the three shapes.
func parseLine(line []byte) ([]Record, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		return nil, fmt.Errorf("%w: not a JSON object: %w", ErrMalformed, err)
	}
	base, err := parseBase(fields)
	if err != nil {
		return nil, err
	}
	if base.NegativeText, err = textField(fields, "negative"); err == nil {
		if base.NegativeID, err = idField(fields, "negative_id"); err == nil {
			base.NegativeVector, err = vectorField(fields, "negative_vector")
		}
		return []Record{base}, err
	} else if !errors.Is(err, ErrMissingField) {
		return nil, err
	}
	var numbers []int
	for name := range fields {
		if suffix, ok := strings.CutPrefix(name, "negative_"); ok {
			if k, err := strconv.Atoi(suffix); err == nil && k >= 0 && strconv.Itoa(k) == suffix {
				numbers = append(numbers, k)
			}
		}
	}
	if len(numbers) == 0 {
		return nil, missing(fields, "negative", "negative_1")
	}
	slices.Sort(numbers)
	records := make([]Record, len(numbers))
	for i, k := range numbers {
		records[i] = base
		if records[i].NegativeText, err = textField(fields, "negative_"+strconv.Itoa(k)); err != nil {
			return nil, err
		}
	}
	return records, nil
}

// parseBase reads everything but the negatives.
func parseBase(fields map[string]json.RawMessage) (r Record, err error) {
	if r.QueryText, err = textField(fields, "query", "anchor", "question", "sentence1"); err != nil {
		return r, err
	}
	if r.PositiveText, err = textField(fields, "positive", "pos", "answer"); err != nil {
		return r, err
	}
	if r.QueryID, err = idField(fields, "query_id"); err != nil {
		return r, err
	}
	if r.PositiveID, err = idField(fields, "positive_id"); err != nil {
		return r, err
	}
	if r.QueryVector, err = vectorField(fields, "query_vector"); err != nil {
		return r, err
	}
	r.PositiveVector, err = vectorField(fields, "positive_vector")
	return r, err
}

// textField returns the first of the named fields that is there.
func textField(fields map[string]json.RawMessage, names ...string) (text string, err error) {
	for _, name := range names {
		raw, ok := fields[name]
		if !ok || bytes.Equal(raw, []byte("null")) {
			continue
		}
		if err := json.Unmarshal(raw, &text); err != nil {
			return "", fmt.Errorf("%w: field %q is not a string", ErrMalformed, name)
		}
		return text, nil
	}
	return "", missing(fields, names...)
}

func missing(fields map[string]json.RawMessage, names ...string) error {
	have := make([]string, 0, len(fields))
	for name := range fields {
		have = append(have, name)
	}
	slices.Sort(have)
	return fmt.Errorf("%w: want %s, have %s", ErrMissingField, strings.Join(names, " or "), strings.Join(have, ", "))
}

// idField returns an optional id, a string or a number.
func idField(fields map[string]json.RawMessage, name string) (string, error) {
	raw, ok := fields[name]
	if !ok || bytes.Equal(raw, []byte("null")) {
		return "", nil
	}
	if raw[0] != '"' {
		var n json.Number
		if err := json.Unmarshal(raw, &n); err != nil {
			return "", fmt.Errorf("%w: field %q is neither string nor number", ErrMalformed, name)
		}
		return n.String(), nil
	}
	var id string
	if err := json.Unmarshal(raw, &id); err != nil {
		return "", fmt.Errorf("%w: field %q: %w", ErrMalformed, name, err)
	}
	return id, nil
}

// vectorField returns an optional vector.
func vectorField(fields map[string]json.RawMessage, name string) ([]float32, error) {
	raw, ok := fields[name]
	if !ok {
		return nil, nil
	}
	var v []float32
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, fmt.Errorf("%w: field %q is not a list of numbers", ErrMalformed, name)
	}
	return v, nil
}
