package vecfile

import (
	"fmt"
	"strings"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/quote"
)

// Array is rows of vectors of equal dimension.
type Array interface {
	Rows() int
	Dimension() int
	AppendRow(dst []float32, i int) ([]float32, error)
	Close() error
}

// Table is an array of vectors with an ID for each row.
type Table struct {
	name string
	rows map[string]int
	data Array
}

// NewTable combines an array with the IDs of its rows. It returns fault.RowCount if
// the numbers of IDs and rows differ, and fault.Malformed for an ID that is empty or
// occurs twice.
func NewTable(name string, ids []string, data Array) (*Table, error) {
	return newTable(name, ids, data, false)
}

// newTable is like NewTable, for IDs or for texts. A text may occur twice.
func newTable(name string, ids []string, data Array, texts bool) (*Table, error) {
	if texts && len(ids) != data.Rows() {
		return nil, fmt.Errorf("eci: %s: %w: %d texts, %d rows; texts with line breaks need one JSON list, in a file .json", name, fault.RowCount, len(ids), data.Rows())
	}
	if len(ids) != data.Rows() {
		return nil, fmt.Errorf("eci: %s: %w: %d ids, %d rows", name, fault.RowCount, len(ids), data.Rows())
	}
	t := &Table{name: name, rows: make(map[string]int, len(ids)), data: data}
	for i, id := range ids {
		if id == "" {
			return nil, &fault.RowError{File: name, Row: i + 1, Err: fmt.Errorf("%w: empty id", fault.Malformed)}
		}
		first, ok := t.rows[id]
		if ok && texts {
			continue
		}
		if ok {
			return nil, &fault.RowError{File: name, Row: i + 1, Err: fmt.Errorf("%w: id %q is also that of row %d", fault.Malformed, quote.Clip(id), first+1)}
		}
		t.rows[id] = i
	}
	return t, nil
}

// Append appends the vector of an ID to dst. If there is none, it returns
// fault.MissingVector.
func (t *Table) Append(dst []float32, id string) ([]float32, error) {
	row, ok := t.rows[id]
	if !ok {
		if whole, float := strings.CutSuffix(id, ".0"); float {
			if _, ok := t.rows[whole]; ok {
				return dst, fmt.Errorf("%w: %q is not in %s, which has %q: %s", fault.MissingVector, quote.Clip(id), t.name, quote.Clip(whole), fault.FloatIDs)
			}
		}
		return dst, fmt.Errorf("%w: %q is not in %s", fault.MissingVector, quote.Clip(id), t.name)
	}
	return t.data.AppendRow(dst, row)
}

// Len returns the number of vectors.
func (t *Table) Len() int { return len(t.rows) }

// Dimension returns d, the length of every vector.
func (t *Table) Dimension() int { return t.data.Dimension() }

// Stored returns the type of the numbers in the file, such as float32, int8 or
// ubinary, or "" if it is not known.
func (t *Table) Stored() string {
	data := t.data
	if all, ok := data.(parts); ok {
		data = all[0]
	}
	if f, ok := data.(*File); ok {
		return f.kind.String()
	}
	return ""
}

// Close closes the table's array.
func (t *Table) Close() error { return t.data.Close() }
