package vecfile

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/quote"
)

// openParts opens the arrays stem-*.npy or, without any, stem-*.safetensors as one
// table: encoders that run on several machines write one array each. It returns
// nil when there are none. dir goes in front of the names in errors.
func openParts(dir string, fsys fs.FS, stem string, open func(name string) (*File, error)) (*Table, error) {
	for _, extension := range []string{".npy", ".safetensors"} {
		names, err := fs.Glob(fsys, stem+"-*"+extension)
		if err != nil {
			return nil, fmt.Errorf("eci: %s: %w", dir, err)
		}
		if len(names) == 0 {
			continue
		}
		joined := &Table{name: filepath.Join(dir, stem+"-*.ids"), rows: map[string]int{}}
		var all parts
		for _, name := range names {
			var part *Table
			if part, err = openArray(dir, fsys, strings.TrimSuffix(name, extension), extension, open); err == nil {
				if err = joined.join(part, all); err != nil {
					part.Close()
				}
			}
			if err != nil {
				all.Close()
				return nil, err
			}
			all = append(all, part.data)
		}
		joined.data = all
		return joined, nil
	}
	return nil, nil
}

// join adds the ids of a part that follows the arrays before it.
func (t *Table) join(part *Table, before parts) error {
	if len(before) > 0 && part.Dimension() != before.Dimension() {
		return fmt.Errorf("eci: %s: %w: %d components, %d in the parts before it; were all made with one encoder?", part.name, fault.Dimension, part.Dimension(), before.Dimension())
	}
	first := -1 // row of the first id that an earlier part has, for one error on every run
	var twice string
	start := before.Rows()
	for id, row := range part.rows {
		if _, ok := t.rows[id]; !ok {
			t.rows[id] = start + row
		} else if first < 0 || row < first {
			first, twice = row, id
		}
	}
	if first >= 0 {
		return &fault.RowError{File: part.name, Row: first + 1, Err: fmt.Errorf("%w: id %q is also in a part before it", fault.Malformed, quote.Clip(twice))}
	}
	return nil
}

// parts is several arrays of one dimension as one, part after part.
type parts []Array

func (p parts) Rows() int {
	rows := 0
	for _, part := range p {
		rows += part.Rows()
	}
	return rows
}

func (p parts) Dimension() int { return p[0].Dimension() }

func (p parts) AppendRow(dst []float32, i int) ([]float32, error) {
	left := i
	for _, part := range p {
		if left < part.Rows() {
			return part.AppendRow(dst, left)
		}
		left -= part.Rows()
	}
	return dst, fmt.Errorf("eci: %w: row %d of %d", fault.MissingVector, i, p.Rows())
}

func (p parts) Close() error {
	var errs []error
	for _, part := range p {
		errs = append(errs, part.Close())
	}
	return errors.Join(errs...)
}
