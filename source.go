package eci

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"example.com/eci/internal/ctxerr"
	"example.com/eci/internal/quote"
)

// Source is a named stream of triples whose negatives were found in one way.
// Triples must be restartable: it is ranged over two or three times, each time
// from the start and in the same order. An error that it yields ends the run,
// unless it is a [RowError] that a [Skip] policy covers; the iterator may go on
// after such an error.
//
// Goroutines may share a Source whose Triples may be ranged over by several at
// once, as those that this package makes may, if the rows are not changed.
type Source struct {
	Name    string
	Triples iter.Seq2[Triple, error]

	// kept says that all triples are *Record values that nobody changes while the
	// source is in use, so that their vectors need no copy.
	kept bool
}

// SourceOf makes a source of a slice of the caller's own row type. The slice is
// not copied and not changed; it must stay as it is while the source is in use.
func SourceOf[T Triple](name string, rows []T) Source {
	_, kept := any(rows).([]*Record)
	return Source{Name: name, kept: kept, Triples: func(yield func(Triple, error) bool) {
		for i := range rows {
			if !yield(rows[i], nil) {
				return
			}
		}
	}}
}

// SourceSeq makes a source of an iterator over the caller's own row type, which
// must be restartable (see [Source]).
func SourceSeq[T Triple](name string, rows iter.Seq2[T, error]) Source {
	return Source{Name: name, Triples: func(yield func(Triple, error) bool) {
		for row, err := range rows {
			if err != nil {
				if !yield(nil, err) {
					return
				}
				continue
			}
			if !yield(row, nil) {
				return
			}
		}
	}}
}

// checkSources refuses what cannot be ranked: no sources, or names that are
// empty or used twice.
func checkSources(sources []Source) error {
	if len(sources) == 0 {
		return fmt.Errorf("eci: %w: give at least one source, and two or more to compare", ErrNoSources)
	}
	seen := make(map[string]bool, len(sources))
	for i, s := range sources {
		switch {
		case s.Name == "":
			return fmt.Errorf("eci: source %d: %w: the name is empty", i+1, ErrSourceName)
		case seen[s.Name]:
			return fmt.Errorf("eci: source %q: %w: two sources have this name", quote.Clip(s.Name), ErrSourceName)
		case s.Triples == nil:
			return fmt.Errorf("eci: source %q: %w: Triples is nil", s.Name, ErrNoSources)
		}
		seen[s.Name] = true
	}
	return nil
}

// reading is one pass over a source: which rows it leaves out, and what it has
// met. Two of the same source are compared by their digests.
type reading struct {
	skip    Skip
	usable  func(rec *Record) error // nil means that every row is
	vectors bool                    // of the triples are digested

	triples int            // not left out
	skipped map[string]int // rows left out, by reason
	digest  uint64         // of all rows, in order
}

func newReading(skip Skip) *reading { return &reading{skip: skip, skipped: make(map[string]int)} }

// each reads a source once, row by row, and calls fn with every triple that
// passes the checks. rec is valid until fn returns, its vectors until the caller
// truncates the arena they are appended to; without an arena they are the
// triple's own, valid until fn returns. An error of fn ends the reading.
func (s Source) each(ctx context.Context, pass *reading, arena *[]float32, fn func(rec *Record) error) error {
	return s.walk(ctx, arena, func(rec *Record, err error) error {
		if err == nil {
			err = rec.check()
		}
		if err == nil {
			pass.digest = rec.digest(pass.digest, pass.vectors)
			if pass.usable != nil {
				err = pass.usable(rec)
			}
		}
		if err == nil {
			pass.triples++
			return fn(rec)
		}
		policy, reason := skipReason(err)
		if policy&pass.skip == 0 {
			return err
		}
		pass.skipped[reason]++
		pass.digest = mix64(fnv1a(pass.digest, err.Error()))
		return nil
	})
}

// same returns ErrUnstableSource when a later pass has met something else.
func (first *reading) same(source Source, later *reading) error {
	switch {
	case first.triples != later.triples:
		return unstable(source, first.triples, later.triples)
	case first.digest != later.digest:
		return &RowError{Source: source.Name, Err: fmt.Errorf("%w: as many triples, but other texts, ids or vectors, or others left out; do not change rows while they are in use", ErrUnstableSource)}
	}
	return nil
}

// walk reads a source once and calls fn with every row as it is, or with the
// error that stands in its place. An error that fn returns ends the reading and
// is given its place.
func (s Source) walk(ctx context.Context, arena *[]float32, fn func(rec *Record, err error) error) error {
	var rec Record
	row := 0
	for t, err := range s.Triples {
		row++
		// At every row: the next one may be slow to come.
		if err := ctxerr.Of(ctx); err != nil {
			return s.wrap(nil, err)
		}
		if r, ok := t.(*Record); err == nil && (t == nil || ok && r == nil) {
			err = fmt.Errorf("%w: the iterator yielded a nil triple", ErrMalformed)
		}
		if err == nil {
			rec.fill(t, row, arena)
		} else {
			rec = Record{Row: row}
		}
		if err := fn(&rec, err); err != nil {
			return s.wrap(&rec, err)
		}
	}
	return s.wrap(nil, ctxerr.Of(ctx))
}

// wrap adds source, file and row to an error that does not have them yet.
func (s Source) wrap(rec *Record, err error) error {
	if err == nil {
		return nil
	}
	var at *RowError
	if errors.As(err, &at) {
		if at.Source == "" {
			filled := *at
			filled.Source = s.Name
			return &filled
		}
		return err
	}
	e := &RowError{Source: s.Name, Err: err}
	if rec != nil {
		e.File, e.Row = rec.File, rec.Row
	}
	return e
}
