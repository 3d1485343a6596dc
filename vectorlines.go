package eci

import "example.com/eci/internal/jsonrow"

import (
	"fmt"
	"io"

	"example.com/eci/internal/quote"
)

// memoryArray is rows of one length, one behind the other.
type memoryArray struct {
	data []float32
	cols int
}

func (m *memoryArray) Rows() int      { return len(m.data) / m.cols }
func (m *memoryArray) Dimension() int { return m.cols }
func (m *memoryArray) Close() error   { return nil }

func (m *memoryArray) AppendRow(dst []float32, i int) ([]float32, error) {
	if i < 0 || i >= m.Rows() {
		return dst, fmt.Errorf("eci: %w: row %d of %d", ErrMissingVector, i, m.Rows())
	}
	return append(dst, m.data[i*m.cols:(i+1)*m.cols]...), nil
}

// ReadVectorLines reads vectors from JSONL, plain or .gz, one object a line:
//
//	{"id":"d1","vector":[0.1,-0.2]}
//
// The id, a string or a number, may be called id, _id, docid or query_id, the
// vector vector or embedding; other fields are ignored. Components are rounded
// to the nearest float32. The table is in memory: 4 bytes a component. Prefer
// .npy or .safetensors for millions of vectors. Errors have the row and wrap
// ErrMalformed, ErrMissingField, ErrDimension or ErrFormat.
func ReadVectorLines(path string) (*VectorTable, error) {
	return readVectorLines(path, path, &Files{})
}

func readVectorLines(name, path string, files *Files) (*VectorTable, error) {
	s, err := files.open(path)
	if err != nil {
		return nil, &RowError{File: name, Err: err}
	}
	defer s.Close()
	lines := jsonrow.NewObjects(s.Reader, false)
	m := &memoryArray{}
	t := &VectorTable{name: name, rows: make(map[string]int), data: m}
	var o jsonrow.Object
	places := make([]int, 0, 1024)
	for {
		raw, row, err := lines.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = files.fits(s, 4*int64(len(m.data)))
		}
		if err == nil {
			err = o.Parse(raw)
		}
		var id string
		if err == nil {
			id, err = o.ID("id", "_id", "docid", "query_id")
		}
		if err == nil && id == "" {
			err = o.Missing("id")
		}
		if first, ok := t.rows[id]; err == nil && ok {
			err = fmt.Errorf("%w: id %q is also that of row %d", ErrMalformed, quote.Clip(id), places[first])
		}
		from := len(m.data)
		if err == nil {
			m.data, err = appendVector(m.data, &o)
		}
		if got := len(m.data) - from; err == nil && m.cols == 0 {
			m.cols = got
		} else if err == nil && got != m.cols {
			err = fmt.Errorf("%w: %d components, the rows before have %d", ErrDimension, got, m.cols)
		}
		if err != nil {
			return nil, &RowError{File: name, Row: row, Err: err}
		}
		t.rows[id] = len(places)
		places = append(places, row)
	}
	if len(places) == 0 {
		return nil, &RowError{File: name, Err: fmt.Errorf("%w: no vectors", ErrFormat)}
	}
	return t, nil
}

// appendVector appends the components of an object's vector, at least one.
func appendVector(dst []float32, o *jsonrow.Object) ([]float32, error) {
	name, raw, ok := o.First([]string{"vector", "embedding"})
	if !ok {
		return dst, o.Missing("vector", "embedding")
	}
	from := len(dst)
	dst, err := jsonrow.AppendNumbers(dst, name, raw)
	if n := len(dst) - from; err == nil && (n == 0 || n > maxDimension) {
		err = fmt.Errorf("%w: %d components", ErrDimension, n)
	}
	return dst, err
}
