package vecfile

import (
	"fmt"
	"io"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/jsonrow"
	"example.com/eci/internal/quote"
	"example.com/eci/internal/textfile"
)

// memoryArray holds rows of equal length, one after the other.
type memoryArray struct {
	data []float32
	cols int
}

func (m *memoryArray) Rows() int      { return len(m.data) / m.cols }
func (m *memoryArray) Dimension() int { return m.cols }
func (m *memoryArray) Close() error   { return nil }

func (m *memoryArray) AppendRow(dst []float32, i int) ([]float32, error) {
	if i < 0 || i >= m.Rows() {
		return dst, fmt.Errorf("eci: %w: row %d of %d", fault.MissingVector, i, m.Rows())
	}
	return append(dst, m.data[i*m.cols:(i+1)*m.cols]...), nil
}

// ReadLines reads a table from JSONL with one object for each vector. name is used in
// error messages.
func ReadLines(name, path string, from *textfile.Opener) (*Table, error) {
	s, err := from.Open(path)
	if err != nil {
		return nil, &fault.RowError{File: name, Err: err}
	}
	defer s.Close()
	lines := jsonrow.NewObjects(s.Reader, jsonrow.Layout{})
	m := &memoryArray{}
	t := &Table{name: name, rows: make(map[string]int), data: m}
	var o jsonrow.Object
	places := make([]int, 0, 1024)
	for {
		raw, row, err := lines.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = from.Fits(s, 4*int64(len(m.data)))
		}
		if err == nil {
			err = textfile.CheckUTF8(raw)
		}
		if err == nil {
			err = o.Parse(raw)
		}
		var id string
		if err == nil {
			id, err = o.ID("id", "_id", "docid", "query_id")
		}
		if err == nil && id == "" { // then by its text
			id, err = o.Text("text", "query", "sentence", "passage", "document")
		}
		if err == nil && id == "" {
			err = o.Missing("id")
		}
		if first, ok := t.rows[id]; err == nil && ok {
			err = fmt.Errorf("%w: id %q is also that of row %d", fault.Malformed, quote.Clip(id), places[first])
		}
		start := len(m.data)
		if err == nil {
			m.data, err = appendVector(m.data, &o)
		}
		if got := len(m.data) - start; err == nil && m.cols == 0 {
			m.cols = got
		} else if err == nil && got != m.cols {
			err = fmt.Errorf("%w: %d components, the rows before have %d", fault.Dimension, got, m.cols)
		}
		if err != nil {
			return nil, &fault.RowError{File: name, Row: row, Err: err}
		}
		t.rows[id] = len(places)
		places = append(places, row)
	}
	if len(places) == 0 {
		return nil, &fault.RowError{File: name, Err: fmt.Errorf("%w: no vectors", fault.Format)}
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
	if n := len(dst) - from; err == nil && (n == 0 || n > MaxDimension) {
		err = fmt.Errorf("%w: %d components", fault.Dimension, n)
	}
	return dst, err
}
