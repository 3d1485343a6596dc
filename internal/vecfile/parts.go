package vecfile

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/quote"
)

// openParts opens the arrays stem-*.npy or, if there are none, stem-*.safetensors as
// one table. Encoders that run on several machines write one array each. It returns
// nil if there are none. dir is prefixed to the names in errors.
func openParts(dir string, fsys fs.FS, stem string, open func(name string) (*File, error)) (*Table, error) {
	for _, extension := range []string{".npy", ".safetensors"} {
		names, err := fs.Glob(fsys, stem+`[_\-]*`+extension)
		if err != nil {
			return nil, fmt.Errorf("eci: %s: %w", dir, err)
		}
		if len(names) == 0 {
			continue
		}
		slices.SortStableFunc(names, byNumber)
		if _, err := fs.Stat(fsys, strings.TrimSuffix(names[0], extension)+".ids"); errors.Is(err, fs.ErrNotExist) {
			return openJoined(dir, fsys, stem, names, open)
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

// byNumber orders the names of parts by the first number in which they differ, so that
// part 10 comes after part 9.
func byNumber(a, b string) int {
	for {
		i := 0
		for i < len(a) && i < len(b) && a[i] == b[i] && (a[i] < '0' || a[i] > '9') {
			i++
		}
		a, b = a[i:], b[i:]
		x, restA := leadingNumber(a)
		y, restB := leadingNumber(b)
		switch {
		case x < 0 || y < 0:
			return strings.Compare(a, b)
		case x != y:
			return x - y
		}
		a, b = restA, restB
	}
}

// leadingNumber returns the number at the start of a text, or -1, and the rest.
func leadingNumber(s string) (int, string) {
	i := 0
	for i < len(s) && i < 9 && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	n, err := strconv.Atoi(s[:i])
	if err != nil {
		return -1, s
	}
	return n, s[i:]
}

// openJoined opens parts that share one file of IDs or texts.
func openJoined(dir string, fsys fs.FS, stem string, names []string, open func(name string) (*File, error)) (*Table, error) {
	var all parts
	for _, name := range names {
		part, err := open(name)
		if err == nil && len(all) > 0 && part.Dimension() != all.Dimension() {
			part.Close()
			err = fmt.Errorf("eci: %s: %w: %d components, %d in the parts before it; were all made with one encoder?", filepath.Join(dir, name), fault.Dimension, part.Dimension(), all.Dimension())
		}
		if err != nil {
			all.Close()
			return nil, err
		}
		all = append(all, part)
	}
	return withIDs(all, dir, fsys, stem, strings.TrimSuffix(names[0], filepath.Ext(names[0])))
}

// join adds the IDs of a part that comes after the arrays before it.
func (t *Table) join(part *Table, before parts) error {
	if len(before) > 0 && part.Dimension() != before.Dimension() {
		return fmt.Errorf("eci: %s: %w: %d components, %d in the parts before it; were all made with one encoder?", part.name, fault.Dimension, part.Dimension(), before.Dimension())
	}
	first := -1 // row of the first ID that an earlier part has, for the same error on every run
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

// parts joins several arrays of equal dimension, part after part.
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
