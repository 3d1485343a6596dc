package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"example.com/eci"
)

// rowArrays are the vectors of one source in the order of its rows. They result from
// encoding the columns of a data set: anchor.npy, positive.npy and negative.npy, or
// negative_1.npy and so on for n-tuples.
type rowArrays struct {
	dir               string
	anchors, positive eci.VectorArray
	negatives         []eci.VectorArray
	numbered          bool
	rows, triples     int // of the source
}

// anchorNames are the arrays of queries.
var anchorNames = []string{"anchor.npy", "query.npy"}

// hasRowArrays reports whether a folder has arrays in the order of rows.
func hasRowArrays(dir string) bool {
	for _, name := range anchorNames {
		if exists(filepath.Join(dir, name)) {
			return true
		}
	}
	return false
}

// rowVectors opens the arrays of every source, from --vectors or, if there are several
// sources, from a folder in it with the name of the source. It returns false if there
// are none.
func (in *inputs) rowVectors(ctx context.Context, o *opened) (bool, error) {
	found := false
	for i, s := range o.sources {
		dir := filepath.Join(in.vectors, s.Name)
		if len(o.sources) == 1 && hasRowArrays(in.vectors) {
			dir = in.vectors
		}
		if !hasRowArrays(dir) {
			if found || hasRowArrays(in.vectors) {
				return false, usage("--vectors %s: arrays in the order of rows belong to one source: put those of %s into %s", in.vectors, s.Name, dir)
			}
			return false, nil
		}
		found = true
		r := &rowArrays{dir: dir}
		o.closers = append(o.closers, r)
		if err := r.open(); err != nil {
			return false, err
		}
		if err := r.count(ctx, s); err != nil {
			return false, err
		}
		o.sources[i] = r.of(s)
	}
	return found, nil
}

func (r *rowArrays) open() (err error) {
	array := func(names ...string) eci.VectorArray {
		for _, name := range names {
			if path := filepath.Join(r.dir, name); err == nil && exists(path) {
				var a *eci.NPY
				if a, err = eci.OpenNPY(path); err == nil {
					return a
				}
			}
		}
		return nil
	}
	r.anchors, r.positive = array(anchorNames...), array("positive.npy")
	if a := array("negative.npy"); a != nil {
		r.negatives = append(r.negatives, a)
	}
	for k := 1; len(r.negatives) == k-1 && err == nil; k++ {
		if a := array(fmt.Sprintf("negative_%d.npy", k)); a != nil {
			r.negatives, r.numbered = append(r.negatives, a), true
		}
	}
	if err == nil && (r.positive == nil || len(r.negatives) == 0) {
		err = fmt.Errorf("eci: %s: %w: want positive.npy and negative.npy (or negative_1.npy and so on) next to the anchors", r.dir, os.ErrNotExist)
	}
	return err
}

// Close closes the arrays.
func (r *rowArrays) Close() (err error) {
	for _, a := range append([]eci.VectorArray{r.anchors, r.positive}, r.negatives...) {
		if c, ok := a.(io.Closer); ok && a != nil {
			err = errors.Join(err, c.Close())
		}
	}
	return err
}

// count reads the source once and compares the arrays with it.
func (r *rowArrays) count(ctx context.Context, s eci.Source) error {
	file, row := "", 0
	for t, err := range cancelable(ctx, s.Triples) {
		if err != nil {
			return err
		}
		r.triples++
		if at := t.(*eci.Record); at.File != file || at.Row != row || r.rows == 0 {
			r.rows, file, row = r.rows+1, at.File, at.Row
		}
	}
	for i, a := range append([]eci.VectorArray{r.anchors, r.positive}, r.negatives...) {
		if n := a.Rows(); n != r.rows && (n != r.triples || r.numbered && i > 1) {
			return fmt.Errorf("eci: source %q: %w: %s has an array of %d vectors for %d rows with %d triples", s.Name, eci.ErrRowCount, r.dir, n, r.rows, r.triples)
		}
		if a.Dimension() != r.anchors.Dimension() {
			return fmt.Errorf("eci: source %q: %w: %s has arrays of %d and of %d components", s.Name, eci.ErrDimension, r.dir, r.anchors.Dimension(), a.Dimension())
		}
	}
	return nil
}

// of returns the source with the vectors of its rows.
func (r *rowArrays) of(s eci.Source) eci.Source {
	out := s
	out.Triples = func(yield func(eci.Triple, error) bool) {
		triple, row, nth := -1, -1, 0
		var last *eci.Record
		for t, err := range s.Triples {
			var rec eci.Record
			if err == nil {
				rec = *t.(*eci.Record)
				triple, nth = triple+1, nth+1
				if last == nil || last.File != rec.File || last.Row != rec.Row {
					row, nth = row+1, 0
				}
				last = t.(*eci.Record)
				err = r.fill(&rec, triple, row, nth)
			}
			if err != nil {
				yield(nil, err)
				return // later rows would get the wrong vectors
			}
			if !yield(&rec, nil) {
				return
			}
		}
	}
	return out
}

// fill reads the vectors of one triple, number nth of its row.
func (r *rowArrays) fill(rec *eci.Record, triple, row, nth int) (err error) {
	negative := r.negatives[0]
	if r.numbered {
		if nth >= len(r.negatives) {
			return &eci.RowError{File: rec.File, Row: rec.Row, Err: fmt.Errorf("%w: negative %d of the row, and arrays for %d in %s", eci.ErrMissingVector, nth+1, len(r.negatives), r.dir)}
		}
		negative = r.negatives[nth]
	}
	for _, side := range []struct {
		from eci.VectorArray
		to   *[]float32
	}{{r.anchors, &rec.QueryVector}, {r.positive, &rec.PositiveVector}, {negative, &rec.NegativeVector}} {
		at := row
		if side.from.Rows() == r.triples && !(r.numbered && side.to == &rec.NegativeVector) {
			at = triple
		}
		if *side.to, err = side.from.AppendRow(nil, at); err != nil {
			return err
		}
	}
	return nil
}
