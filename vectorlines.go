package eci

import (
	"fmt"
	"io"
	"strconv"

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
	lines := jsonLines{lineReader{r: s.Reader}}
	m := &memoryArray{}
	t := &VectorTable{name: name, rows: make(map[string]int), data: m}
	var o jsonObject
	places := make([]int, 0, 1024)
	for {
		raw, row, err := lines.next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = files.fits(s, 4*int64(len(m.data)))
		}
		if err == nil {
			err = o.parse(raw)
		}
		var id string
		if err == nil {
			id, err = idField(&o, "id", "_id", "docid", "query_id")
		}
		if err == nil && id == "" {
			err = missing(&o, "id")
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
func appendVector(dst []float32, o *jsonObject) ([]float32, error) {
	name, raw, ok := firstValue(o, []string{"vector", "embedding"})
	if !ok {
		return dst, missing(o, "vector", "embedding")
	}
	from := len(dst)
	dst, err := appendNumbers(dst, name, raw)
	if n := len(dst) - from; err == nil && (n == 0 || n > maxDimension) {
		err = fmt.Errorf("%w: %d components", ErrDimension, n)
	}
	return dst, err
}

// appendNumbers appends the numbers of a validated JSON list, the value of a
// field. A null is no number.
func appendNumbers(dst []float32, name string, raw []byte) ([]float32, error) {
	if raw[0] != '[' {
		return dst, fmt.Errorf("%w: field %q is not a list of numbers", ErrMalformed, name)
	}
	err := eachElement(raw, func(k int, number []byte) error {
		x, err := strconv.ParseFloat(string(number), 32)
		if number[0] != '-' && number[0]-'0' > 9 || err != nil {
			return fmt.Errorf("%w: field %q: component %d is no number that float32 holds: %s", ErrMalformed, name, k, quote.Clip(number))
		}
		dst = append(dst, float32(x))
		return nil
	})
	return dst, err
}
