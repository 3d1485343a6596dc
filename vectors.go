package eci

import "example.com/eci/internal/jsonrow"

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"example.com/eci/internal/quote"
)

// Vectors gives precomputed embeddings by id. Implementations must be safe for
// concurrent use.
type Vectors interface {
	// AppendQuery appends the vector of a query to dst and returns the extended
	// slice; ErrMissingVector (wrapped or not) when there is none.
	AppendQuery(dst []float32, id string) ([]float32, error)
	// AppendDocument does the same for a positive or negative.
	AppendDocument(dst []float32, id string) ([]float32, error)
}

// VectorTable is an array of vectors with an id for each row.
// Goroutines may share it, until it is closed.
type VectorTable struct {
	name string
	rows map[string]int
	data VectorArray
}

// NewVectorTable joins an array with its ids, one a row. It refuses, with
// ErrRowCount, ids that differ in number from the rows, and, with ErrMalformed,
// an empty id or one given twice.
func NewVectorTable(name string, ids []string, data VectorArray) (*VectorTable, error) {
	if len(ids) != data.Rows() {
		return nil, fmt.Errorf("eci: %s: %w: %d ids, %d rows", name, ErrRowCount, len(ids), data.Rows())
	}
	t := &VectorTable{name: name, rows: make(map[string]int, len(ids)), data: data}
	for i, id := range ids {
		if id == "" {
			return nil, &RowError{File: name, Row: i + 1, Err: fmt.Errorf("%w: empty id", ErrMalformed)}
		}
		if first, ok := t.rows[id]; ok {
			return nil, &RowError{File: name, Row: i + 1, Err: fmt.Errorf("%w: id %q is also that of row %d", ErrMalformed, quote.Clip(id), first+1)}
		}
		t.rows[id] = i
	}
	return t, nil
}

// Append appends the vector of an id to dst, or fails with ErrMissingVector.
func (t *VectorTable) Append(dst []float32, id string) ([]float32, error) {
	row, ok := t.rows[id]
	if !ok {
		return dst, fmt.Errorf("%w: id %q is not in %s", ErrMissingVector, quote.Clip(id), t.name)
	}
	return t.data.AppendRow(dst, row)
}

// Len returns the number of vectors.
func (t *VectorTable) Len() int { return len(t.rows) }

// Dimension returns d, the length of every vector.
func (t *VectorTable) Dimension() int { return t.data.Dimension() }

// VectorFiles is the usual pair of vector tables, one for queries and one for
// the documents that serve as positives and negatives. It implements [Vectors].
// Goroutines may share it, until it is closed.
type VectorFiles struct {
	Queries, Documents *VectorTable
}

// OpenVectors opens the vectors of queries and of documents in a directory, of
// each the first of these that is there (corpus likewise):
//
//	queries.npy          with queries.ids, one id a line
//	queries.safetensors  with queries.ids
//	queries.jsonl        {"id":"q1","vector":[0.1,-0.2]}, or .jsonl.gz; see ReadVectorLines
//	queries-*.npy        all of them as one table, each with its .ids; likewise .safetensors
//
// The rows of arrays are read from the file when they are asked for; Close
// releases it. JSONL is read into memory.
func OpenVectors(dir string) (*VectorFiles, error) {
	return openVectors(dir, os.DirFS(dir), func(name string) (VectorArray, error) {
		path := filepath.Join(dir, name)
		if strings.HasSuffix(name, ".npy") {
			return asArray(OpenNPY(path))
		}
		return asArray(OpenSafetensors(path))
	})
}

// ReadVectors reads the files that [OpenVectors] opens from a file system, such
// as an embedded one, into memory.
func ReadVectors(fsys fs.FS) (*VectorFiles, error) {
	return openVectors("", fsys, func(name string) (VectorArray, error) {
		raw, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("eci: %w", err)
		}
		if strings.HasSuffix(name, ".npy") {
			return asArray(NewNPY(name, bytes.NewReader(raw), int64(len(raw))))
		}
		return asArray(NewSafetensors(name, bytes.NewReader(raw), int64(len(raw))))
	})
}

// asArray keeps a nil pointer from becoming an interface that is not nil.
func asArray[A VectorArray](a A, err error) (VectorArray, error) {
	if err != nil {
		return nil, err
	}
	return a, nil
}

// openTable opens the first kind of file that there is for stem. dir goes in
// front of the names in errors.
func openTable(dir string, fsys fs.FS, stem string, open func(name string) (VectorArray, error)) (*VectorTable, error) {
	for _, extension := range []string{".npy", ".safetensors"} {
		if _, err := fs.Stat(fsys, stem+extension); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return openArray(dir, fsys, stem, extension, open)
	}
	for _, extension := range []string{".jsonl", ".jsonl.gz"} {
		if _, err := fs.Stat(fsys, stem+extension); !errors.Is(err, fs.ErrNotExist) {
			return readVectorLines(filepath.Join(dir, stem+extension), stem+extension, &Files{FS: fsys})
		}
	}
	if t, err := openParts(dir, fsys, stem, open); t != nil || err != nil {
		return t, err
	}
	return nil, fmt.Errorf("eci: %s: %w: want %s.npy or %[3]s.safetensors with %[3]s.ids, one id a line, or %[3]s.jsonl with id and vector (and so for queries and corpus)", cmp.Or(dir, "vectors"), fs.ErrNotExist, stem)
}

// openArray opens an array and the ids of its rows.
func openArray(dir string, fsys fs.FS, stem, extension string, open func(name string) (VectorArray, error)) (*VectorTable, error) {
	data, err := open(stem + extension)
	if err != nil {
		return nil, err
	}
	return (&Files{FS: fsys}).withIDs(data, filepath.Join(dir, stem+".ids"), stem+".ids")
}

// withIDs joins an array with the ids in a file, and closes the array where it
// fails. name is for errors.
func (f *Files) withIDs(data VectorArray, name, path string) (*VectorTable, error) {
	ids, err := f.readIDs(name, path)
	if err == nil {
		var t *VectorTable
		if t, err = NewVectorTable(name, ids, data); err == nil {
			return t, nil
		}
	}
	data.Close()
	return nil, err
}

// readIDs reads one id a line; a trailing newline ends the last one.
func (f *Files) readIDs(name, path string) (ids []string, err error) {
	s, err := f.open(path)
	if err != nil {
		return nil, &RowError{File: name, Err: fmt.Errorf("the ids of the vectors, one a line: %w", err)}
	}
	defer s.Close()
	lines := jsonrow.Lines{R: s.Reader}
	for {
		line, err := lines.Next()
		if err == io.EOF {
			return ids, nil
		}
		if err == nil {
			err = f.fits(s, lines.End)
		}
		if err != nil {
			return nil, &RowError{File: name, Row: lines.Row, Err: err}
		}
		ids = append(ids, string(bytes.TrimSpace(line)))
	}
}

func openVectors(dir string, fsys fs.FS, open func(name string) (VectorArray, error)) (*VectorFiles, error) {
	queries, err := openTable(dir, fsys, "queries", open)
	if err != nil {
		return nil, err
	}
	documents, err := openTable(dir, fsys, "corpus", open)
	if err != nil {
		queries.Close()
		return nil, err
	}
	v := &VectorFiles{Queries: queries, Documents: documents}
	if q, d := queries.Dimension(), documents.Dimension(); q != d {
		v.Close()
		return nil, fmt.Errorf("eci: %w: queries have %d components, documents %d; were both made with one encoder?", ErrDimension, q, d)
	}
	return v, nil
}

// OpenVectorTable opens an .npy or, by its extension, a .safetensors file and
// reads its ids, one a line.
func OpenVectorTable(path, idsPath string) (*VectorTable, error) {
	open := func() (VectorArray, error) { return asArray(OpenNPY(path)) }
	if strings.EqualFold(filepath.Ext(path), ".safetensors") {
		open = func() (VectorArray, error) { return asArray(OpenSafetensors(path)) }
	}
	data, err := open()
	if err != nil {
		return nil, err
	}
	return new(Files).withIDs(data, idsPath, idsPath)
}

// AppendQuery appends the vector of a query; see [Vectors].
func (v *VectorFiles) AppendQuery(dst []float32, id string) ([]float32, error) {
	return v.Queries.Append(dst, id)
}

// AppendDocument appends the vector of a positive or negative; see [Vectors].
func (v *VectorFiles) AppendDocument(dst []float32, id string) ([]float32, error) {
	return v.Documents.Append(dst, id)
}

// Close releases both tables; they must not be used afterwards.
func (v *VectorFiles) Close() error {
	return errors.Join(v.Queries.Close(), v.Documents.Close())
}

// Close releases the table's array.
func (t *VectorTable) Close() error { return t.data.Close() }
