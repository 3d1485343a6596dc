package vecfile

import (
	"bytes"
	"cmp"
	"encoding/json"
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

// openTable opens the first kind of file that exists for stem. dir is prefixed to the
// names in errors.
func openTable(dir string, fsys fs.FS, stem string, open func(name string) (*File, error)) (*Table, error) {
	for _, extension := range []string{".npy", ".safetensors"} {
		if _, err := fs.Stat(fsys, stem+extension); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return openArray(dir, fsys, stem, extension, open)
	}
	if t, err := openNPZ(dir, fsys, stem); t != nil || err != nil {
		return t, err
	}
	for _, extension := range []string{".jsonl", ".jsonl.gz"} {
		if _, err := fs.Stat(fsys, stem+extension); !errors.Is(err, fs.ErrNotExist) {
			return ReadLines(filepath.Join(dir, stem+extension), stem+extension, &textfile.Opener{FS: fsys})
		}
	}
	if t, err := openParts(dir, fsys, stem, open); t != nil || err != nil {
		return t, err
	}
	return nil, fmt.Errorf("eci: %s: %w: want %s.npy, %[3]s.npz or %[3]s.safetensors with %[3]s.ids, one id a line, or %[3]s.txt, one text a line, or %[3]s.jsonl with id and vector (and so for queries and corpus)%[4]s", cmp.Or(dir, "vectors"), fs.ErrNotExist, stem, has(fsys))
}

// openArray opens an array and the IDs of its rows.
func openArray(dir string, fsys fs.FS, stem, extension string, open func(name string) (*File, error)) (*Table, error) {
	data, err := open(stem + extension)
	if err != nil {
		return nil, err
	}
	return withIDs(data, dir, fsys, stem)
}

// sideFiles are the extensions of the files that say which row is whose. They have IDs
// or texts, one on each line or as one JSON list.
var sideFiles = []string{".ids", ".txt", ".json"}

// Beside returns a file system in which the IDs and texts of side come before files'
// own.
func Beside(files, side fs.FS) fs.FS { return &beside{files, side} }

type beside struct{ files, side fs.FS }

// Open opens a file of IDs or texts from side, if side has any for the same array, and
// everything else from files.
func (b *beside) Open(name string) (fs.File, error) {
	for _, extension := range sideFiles {
		stem, ok := strings.CutSuffix(name, extension)
		if !ok {
			continue
		}
		for _, other := range sideFiles {
			if _, err := fs.Stat(b.side, stem+other); err == nil {
				return b.side.Open(name)
			}
		}
	}
	return b.files.Open(name)
}

// withIDs combines an array with the IDs or texts of its rows from a file next to it.
// On an error it closes the array.
func withIDs(data Array, dir string, fsys fs.FS, stems ...string) (*Table, error) {
	for _, stem := range stems {
		for _, extension := range sideFiles {
			if _, err := fs.Stat(fsys, stem+extension); err == nil {
				return joined(data, filepath.Join(dir, stem+extension), stem+extension, &textfile.Opener{FS: fsys})
			}
		}
	}
	data.Close()
	return nil, fmt.Errorf("eci: %s: %w: want the ids of the vectors in %s.ids, one a line, or their texts in %[3]s.txt, one a line, or in %[3]s.json, one list%[4]s", cmp.Or(dir, "vectors"), fs.ErrNotExist, stems[0], has(fsys))
}

// joined combines an array with the IDs or texts in a file. On an error it closes the
// array. name is used in error messages.
func joined(data Array, name, path string, from *textfile.Opener) (*Table, error) {
	ids, err := readIDs(name, path, from)
	if err == nil {
		var t *Table
		if t, err = newTable(name, ids, data, !strings.HasSuffix(path, ".ids")); err == nil {
			return t, nil
		}
	}
	data.Close()
	return nil, err
}

// readIDs reads one ID on each line. A trailing newline ends the last one.
func readIDs(name, path string, from *textfile.Opener) (ids []string, err error) {
	s, err := from.Open(path)
	if err != nil {
		return nil, &fault.RowError{File: name, Err: fmt.Errorf("the ids of the vectors, one a line: %w", err)}
	}
	defer s.Close()
	if strings.HasSuffix(path, ".json") {
		return readList(name, s, from)
	}
	bare := strings.HasSuffix(path, ".ids")
	lines := jsonrow.Lines{R: s.Reader}
	for {
		line, err := lines.Next()
		if err == io.EOF {
			return ids, nil
		}
		if err == nil {
			err = from.Fits(s, lines.End)
		}
		if err == nil {
			err = textfile.CheckUTF8(line)
		}
		if err != nil {
			return nil, &fault.RowError{File: name, Row: lines.Row, Err: err}
		}
		if bare {
			line = bytes.TrimSpace(line)
		}
		ids = append(ids, string(line))
	}
}

// readList reads IDs or texts from one JSON list.
func readList(name string, s *textfile.Stream, from *textfile.Opener) (ids []string, err error) {
	var loaded countingReader
	loaded.r, loaded.fits = s, func(n int64) error { return from.Fits(s, n) }
	if err := json.NewDecoder(&loaded).Decode(&ids); err != nil {
		return nil, &fault.RowError{File: name, Err: fmt.Errorf("%w: want one JSON list of texts: %w", fault.Format, err)}
	}
	return ids, nil
}

// countingReader limits how much is read.
type countingReader struct {
	r    io.Reader
	n    int64
	fits func(n int64) error
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.n += int64(n); err == nil {
		err = c.fits(c.n)
	}
	return n, err
}

// OpenPair opens the tables called queries and corpus in a file system. open opens an
// array by its name. dir is prefixed to the names in errors.
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
		hint := "were both made with one encoder?"
		if q == 8*d && documents.Stored() == "int8" || d == 8*q && queries.Stored() == "int8" {
			hint = "packed bits in int8 (precision binary) are not read: save them as ubinary, (bits.astype('i2') + 128).astype('u1')"
		}
		return nil, nil, fmt.Errorf("eci: %s: %w: queries have %d components, documents %d; %s", cmp.Or(dir, "vectors"), fault.Dimension, q, d, hint)
	}
	return queries, documents, nil
}

// OpenTable opens an .npy file or, by its extension, a .safetensors file, and the IDs
// of its rows.
func OpenTable(path, ids string, from *textfile.Opener) (*Table, error) {
	data, err := Open(path)
	if err != nil {
		return nil, err
	}
	return joined(data, ids, ids, from)
}

// Open opens an .npy or, by its extension, a .safetensors file.
func Open(path string) (*File, error) {
	if strings.EqualFold(filepath.Ext(path), ".safetensors") {
		return OpenSafetensors(path)
	}
	return OpenNPY(path)
}

// Read reads a file of the same kinds from a file system into memory.
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
