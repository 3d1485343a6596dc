package eci

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
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
type VectorTable struct {
	name string
	rows map[string]int
	data *NPY
}

// NewVectorTable joins an array with its ids, one a row. It refuses, with
// ErrRowCount, ids that differ in number from the rows, and, with ErrMalformed,
// an empty id or one given twice.
func NewVectorTable(name string, ids []string, data *NPY) (*VectorTable, error) {
	if len(ids) != data.Rows() {
		return nil, fmt.Errorf("eci: %s: %w: %d ids, %d rows", name, ErrRowCount, len(ids), data.Rows())
	}
	t := &VectorTable{name: name, rows: make(map[string]int, len(ids)), data: data}
	for i, id := range ids {
		if id == "" {
			return nil, &RowError{File: name, Row: i + 1, Err: fmt.Errorf("%w: empty id", ErrMalformed)}
		}
		if first, ok := t.rows[id]; ok {
			return nil, &RowError{File: name, Row: i + 1, Err: fmt.Errorf("%w: id %q is also that of row %d", ErrMalformed, id, first+1)}
		}
		t.rows[id] = i
	}
	return t, nil
}

// Append appends the vector of an id to dst, or fails with ErrMissingVector.
func (t *VectorTable) Append(dst []float32, id string) ([]float32, error) {
	row, ok := t.rows[id]
	if !ok {
		return dst, fmt.Errorf("%w: id %q is not in %s", ErrMissingVector, id, t.name)
	}
	return t.data.AppendRow(dst, row)
}

// Len returns the number of vectors.
func (t *VectorTable) Len() int { return len(t.rows) }

// Dimension returns d, the length of every vector.
func (t *VectorTable) Dimension() int { return t.data.Dimension() }

// VectorFiles is the usual pair of vector tables, one for queries and one for
// the documents that serve as positives and negatives. It implements [Vectors].
type VectorFiles struct {
	Queries, Documents *VectorTable
}

// OpenVectors opens queries.npy, queries.ids, corpus.npy and corpus.ids in a
// directory. The arrays are memory-mapped; Close releases them.
func OpenVectors(dir string) (*VectorFiles, error) {
	return openVectors(func(stem string) (*VectorTable, error) {
		return OpenVectorTable(filepath.Join(dir, stem+".npy"), filepath.Join(dir, stem+".ids"))
	})
}

// ReadVectors reads the files that [OpenVectors] opens from a file system, such
// as an embedded one, into memory.
func ReadVectors(fsys fs.FS) (*VectorFiles, error) {
	return openVectors(func(stem string) (*VectorTable, error) {
		raw, err := fs.ReadFile(fsys, stem+".npy")
		if err != nil {
			return nil, fmt.Errorf("eci: %w", err)
		}
		data, err := NewNPY(stem+".npy", bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			return nil, err
		}
		f, err := fsys.Open(stem + ".ids")
		if err != nil {
			return nil, fmt.Errorf("eci: %w", err)
		}
		defer f.Close()
		ids, err := readIDs(stem+".ids", f)
		if err != nil {
			return nil, err
		}
		return NewVectorTable(stem+".ids", ids, data)
	})
}

func openVectors(open func(stem string) (*VectorTable, error)) (*VectorFiles, error) {
	// A file that is not there is the newcomer's first mistake.
	wanted := func(err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w; wanted are queries.npy, queries.ids, corpus.npy and corpus.ids in one directory", err)
		}
		return err
	}
	queries, err := open("queries")
	if err != nil {
		return nil, wanted(err)
	}
	documents, err := open("corpus")
	if err != nil {
		queries.Close()
		return nil, wanted(err)
	}
	v := &VectorFiles{Queries: queries, Documents: documents}
	if q, d := queries.Dimension(), documents.Dimension(); q != d {
		v.Close()
		return nil, fmt.Errorf("eci: %w: queries have %d components, documents %d; were both made with one encoder?", ErrDimension, q, d)
	}
	return v, nil
}

// OpenVectorTable memory-maps an .npy file and reads its ids, one a line.
func OpenVectorTable(npyPath, idsPath string) (*VectorTable, error) {
	data, err := OpenNPY(npyPath)
	if err != nil {
		return nil, err
	}
	t, err := func() (*VectorTable, error) {
		f, err := openFile(idsPath)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		ids, err := readIDs(idsPath, f)
		if err != nil {
			return nil, err
		}
		return NewVectorTable(idsPath, ids, data)
	}()
	if err != nil {
		data.Close()
		return nil, err
	}
	return t, nil
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

// readIDs reads one id a line; a trailing newline ends the last one.
func readIDs(name string, r io.Reader) ([]string, error) {
	var ids []string
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		ids = append(ids, strings.TrimSpace(lines.Text()))
	}
	if err := lines.Err(); err != nil {
		return nil, &RowError{File: name, Row: len(ids) + 1, Err: fmt.Errorf("%w: %w", ErrFormat, err)}
	}
	return ids, nil
}
