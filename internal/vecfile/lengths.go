package vecfile

import (
	"fmt"
	"math"

	"example.com/eci/internal/dots"
	"example.com/eci/internal/fault"
)

// Lengths returns the mean, the standard deviation and the maximum of the Euclidean
// lengths of the rows of a table. It uses all rows, or most of them at equal distances
// if there are more.
func (t *Table) Lengths(most int) (mean, deviation, longest float64, err error) {
	rows, step := t.data.Rows(), 1
	if most > 0 && rows > most {
		step = rows / most
	}
	var row []float32
	var sum, squares float64
	n := 0
	for i := 0; i < rows; i += step {
		if row, err = t.data.AppendRow(row[:0], i); err != nil {
			return 0, 0, 0, err
		}
		length := math.Sqrt(dots.Inner(row, row))
		if math.IsNaN(length) || math.IsInf(length, 0) {
			return 0, 0, 0, &fault.RowError{File: t.name, Row: i + 1, Err: fault.NotFinite}
		}
		n++
		sum, squares, longest = sum+length, squares+length*length, max(longest, length)
	}
	if n == 0 {
		return 0, 0, 0, nil
	}
	mean = sum / float64(n)
	return mean, math.Sqrt(max(0, squares/float64(n)-mean*mean)), longest, nil
}

// Lengthened returns the table with one more component, which gives every row the
// given length. With 0 the component is 0. For every query with 0, the cosines with
// documents of equal length have the order of the dot products. The result shares the
// array.
func (t *Table) Lengthened(length float64) *Table {
	return &Table{name: t.name, rows: t.rows, data: &lengthened{t.data, t.name, length}}
}

type lengthened struct {
	Array
	name   string // of its table, for errors
	length float64
}

func (a *lengthened) Dimension() int { return a.Array.Dimension() + 1 }

func (a *lengthened) AppendRow(dst []float32, i int) ([]float32, error) {
	start := len(dst)
	dst, err := a.Array.AppendRow(dst, i)
	switch {
	case err != nil:
		return dst, err
	case a.length == 0:
		return append(dst, 0), nil
	}
	own := math.Sqrt(dots.Inner(dst[start:], dst[start:]))
	if own == 0 { // otherwise it would be nearest to no query, and equally near to each
		return dst[:start], &fault.RowError{File: a.name, Row: i + 1, Err: fault.ZeroVector}
	}
	if !(own <= a.length*(1+1e-6)) {
		return dst[:start], &fault.RowError{File: a.name, Row: i + 1, Err: fmt.Errorf("%w: length %g, above %g, the greatest when the table was opened", fault.Malformed, own, a.length)}
	}
	return append(dst, float32(math.Sqrt(max(0, (a.length-own)*(a.length+own))))), nil
}
