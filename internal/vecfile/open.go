package vecfile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/jsonrow"
	"example.com/eci/internal/textfile"
)

// openTable opens the first kind of file that there is for stem. dir goes in
// front of the names in errors.
func openTable(dir string, fsys fs.FS, stem string, open func(name string) (*File, error)) (*Table, error) {
	for _, extension := range []string{".npy", ".safetensors"} {
		if _, err := fs.Stat(fsys, stem+extension); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return openArray(dir, fsys, stem, extension, open)
	}
	for _, extension := range []string{".jsonl", ".jsonl.gz"} {
		if _, err := fs.Stat(fsys, stem+extension); !errors.Is(err, fs.ErrNotExist) {
			return ReadLines(filepath.Join(dir, stem+extension), stem+extension, &textfile.Opener{FS: fsys})
		}
	}
	if t, err := openParts(dir, fsys, stem, open); t != nil || err != nil {
		return t, err
	}
	return nil, fmt.Errorf("eci: %s: %w: want %s.npy or %[3]s.safetensors with %[3]s.ids, one id a line, or %[3]s.jsonl with id and vector (and so for queries and corpus)", cmp.Or(dir, "vectors"), fs.ErrNotExist, stem)
}

// openArray opens an array and the ids of its rows.
func openArray(dir string, fsys fs.FS, stem, extension string, open func(name string) (*File, error)) (*Table, error) {
	data, err := open(stem + extension)
	if err != nil {
		return nil, err
	}
	return withIDs(data, filepath.Join(dir, stem+".ids"), stem+".ids", &textfile.Opener{FS: fsys})
}

// withIDs joins an array with the ids in a file, and closes the array where it
// fails. name is for errors.
func withIDs(data Array, name, path string, from *textfile.Opener) (*Table, error) {
	ids, err := readIDs(name, path, from)
	if err == nil {
		var t *Table
		if t, err = NewTable(name, ids, data); err == nil {
			return t, nil
		}
	}
	data.Close()
	return nil, err
}

// readIDs reads one id a line; a trailing newline ends the last one.
func readIDs(name, path string, from *textfile.Opener) (ids []string, err error) {
	s, err := from.Open(path)
	if err != nil {
		return nil, &fault.RowError{File: name, Err: fmt.Errorf("the ids of the vectors, one a line: %w", err)}
	}
	defer s.Close()
	lines := jsonrow.Lines{R: s.Reader}
	for {
		line, err := lines.Next()
		if err == io.EOF {
			return ids, nil
		}
		if err == nil {
			err = from.Fits(s, lines.End)
		}
		if err != nil {
			return nil, &fault.RowError{File: name, Row: lines.Row, Err: err}
		}
		ids = append(ids, string(bytes.TrimSpace(line)))
	}
}

// OpenPair opens the tables called queries and corpus in a file system. open opens
// an array by its name. dir goes in front of the names in errors.
func OpenPair(dir string, fsys fs.FS, open func(name string) (*File, error)) (queries, documents *Table, err error) {
	if queries, err = openTable(dir, fsys, "queries", open); err != nil {
		return nil, nil, err
	}
	if documents, err = openTable(dir, fsys, "corpus", open); err != nil {
		queries.Close()
		return nil, nil, err
	}
	if q, d := queries.Dimension(), documents.Dimension(); q != d {
		queries.Close()
		documents.Close()
		return nil, nil, fmt.Errorf("eci: %w: queries have %d components, documents %d; were both made with one encoder?", fault.Dimension, q, d)
	}
	return queries, documents, nil
}

// OpenTable opens an .npy or, by its extension, a .safetensors file and the ids of
// its rows.
func OpenTable(path, ids string, from *textfile.Opener) (*Table, error) {
	data, err := Open(path)
	if err != nil {
		return nil, err
	}
	return withIDs(data, ids, ids, from)
}

// Open opens an .npy or, by its extension, a .safetensors file.
func Open(path string) (*File, error) {
	if strings.EqualFold(filepath.Ext(path), ".safetensors") {
		return OpenSafetensors(path)
	}
	return OpenNPY(path)
}

// Read opens a file of the same kinds from a file system, in memory.
func Read(fsys fs.FS, name string) (*File, error) {
	raw, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("eci: %w", err)
	}
	if strings.EqualFold(filepath.Ext(name), ".safetensors") {
		return NewSafetensors(name, bytes.NewReader(raw), int64(len(raw)))
	}
	return NewNPY(name, bytes.NewReader(raw), int64(len(raw)))
}
