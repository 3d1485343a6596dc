package eci

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"example.com/eci/internal/ctxerr"
	"example.com/eci/internal/design"
	"example.com/eci/internal/fault"
	"example.com/eci/internal/hash64"
	"example.com/eci/internal/quote"
	"example.com/eci/internal/tripleio"
)

// Source is a named stream of triples whose negatives were found in one way. Triples
// must be restartable: it is ranged over two or three times, each time from the start
// and in the same order. An error that it yields ends the run, unless it is a
// [RowError] that a [Skip] policy covers. The iterator may continue after such an
// error.
//
// A Source is safe for concurrent use if several goroutines may range over its Triples
// at once and nobody changes the rows. The sources that this package makes allow it.
type Source struct {
	Name    string
	Triples iter.Seq2[Triple, error]

	// kept means that all triples are *Record values that nobody changes while the
	// source is in use. Their vectors need no copy.
	kept bool

	// tally, if not nil, returns what the last complete reading of Triples found out
	// about the rows of the files. Some rows give no triple.
	tally func() *tripleio.Tally
}

// SourceOf returns a source of the caller's own rows. The slice is neither copied nor
// changed. It must not change while the source is in use.
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

// SourceSeq returns a source of an iterator over the caller's own row type. The
// iterator must be restartable (see [Source]).
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

// checkSources rejects what cannot be ranked: no sources, and names that are empty or
// used twice.
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

// reading is one pass over a source: which rows it leaves out and what it has found.
// Two passes over the same source are compared by their digests.
type reading struct {
	skip    Skip
	usable  func(rec *Record) error // nil means that every row is
	vectors bool                    // of the triples are digested

	triples int            // not left out
	skipped map[string]int // rows left out, by reason
	digest  uint64         // of all rows, in order
}

// reading begins a reading that leaves out what s covers.
func (s Skip) reading() *reading { return &reading{skip: s, skipped: make(map[string]int)} }

// each reads a source once, row by row, and calls fn with every triple that passes the
// checks. rec is valid until fn returns. Its vectors are appended to arena and valid
// until the caller truncates it. Without an arena they are the triple's own and valid
// until fn returns. An error from fn ends the reading.
func (s Source) each(ctx context.Context, pass *reading, arena *[]float32, fn func(rec *Record) error) error {
	err := s.walk(ctx, arena, func(rec *Record, err error) error {
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
		policy, reason := fault.Reason(err)
		if Skip(policy)&pass.skip == 0 {
			return err
		}
		pass.skipped[reason]++
		pass.digest = hash64.Mix(hash64.FNV1a(pass.digest, err.Error()))
		return nil
	})
	if err == nil {
		pass.barren(s)
	}
	return err
}

// rows returns what the last complete reading found out about the rows of the files,
// or nil.
func (s Source) rows() *tripleio.Tally {
	if s.tally == nil {
		return nil
	}
	return s.tally()
}

// Barren returns the number of rows of the source's files that have no positive, and
// the number that have a positive but no negative. Neither kind gives a triple. The
// counts are those of the last complete reading. Both are 0 before it, and for a
// source that does not come from files.
func (s Source) Barren() (withoutPositive, withoutNegative int) {
	if rows := s.rows(); rows != nil {
		return rows.Positives.Rows, rows.Negatives.Rows
	}
	return 0, 0
}

// barren counts the rows that gave no triple.
func (pass *reading) barren(s Source) {
	withoutPositive, withoutNegative := s.Barren()
	if withoutPositive > 0 {
		pass.skipped["no positive"] = withoutPositive
	}
	if withoutNegative > 0 {
		pass.skipped["no negative"] = withoutNegative
	}
}

// same returns ErrUnstableSource if a later pass differs from the first.
func (first *reading) same(source Source, later *reading) error {
	switch {
	case first.triples != later.triples:
		return source.unstable(first.triples, later.triples)
	case first.digest != later.digest:
		return &RowError{Source: source.Name, Err: fmt.Errorf("%w: as many triples, but other texts, ids or vectors, or others left out; do not change rows while they are in use", ErrUnstableSource)}
	}
	return nil
}

// unstable is the error for a source that had another number of triples at first.
func (s Source) unstable(first, second int) error {
	return &RowError{Source: s.Name, Err: fmt.Errorf("%w: %d triples at first, then %v; Triples must start anew each time it is ranged over", ErrUnstableSource, first, second)}
}

// walk reads a source once and calls fn with every row as it is, or with the
// error that stands in its place. An error that fn returns ends the reading and
// is given its place.
func (s Source) walk(ctx context.Context, arena *[]float32, fn func(rec *Record, err error) error) error {
	var rec Record
	row := 0
	for t, err := range s.Triples {
		row++
		// Check at every row: the next one may be slow to come.
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

// wrap adds source, file and row to an error that does not have them.
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

// only returns the source without the triples that keep rejects. It passes errors on.
func (s Source) only(keep func(*Record) bool) Source {
	return Source{Name: s.Name, Triples: func(yield func(Triple, error) bool) {
		var rec Record
		row := 0
		for triple, err := range s.Triples {
			row++
			if r, ok := triple.(*Record); err == nil && triple != nil && !(ok && r == nil) {
				at := r
				if !ok {
					rec.fill(triple, row, nil)
					at = &rec
				}
				if !keep(at) {
					continue
				}
			}
			if !yield(triple, err) {
				return
			}
		}
	}}
}

// Window is a range of ranks, counted from 1: First to Last, both included. Last 0
// means no end. The zero value is every rank. A negative's rank is its place among the
// triples of its query and positive, in the order of the source; miners write the best
// first. Queries and positives are compared by ID if both have one, else by text.
// It is a plain value and safe for concurrent use.
type Window struct{ First, Last int }

// String returns the window as "11-30", "11-" or "11".
func (w Window) String() string {
	switch w.Last {
	case 0:
		return fmt.Sprintf("%d-", max(1, w.First))
	case w.First:
		return fmt.Sprint(w.Last)
	}
	return fmt.Sprintf("%d-%d", max(1, w.First), w.Last)
}

func (w Window) validate() error {
	if w.First < 0 || w.Last < 0 || w.Last > 0 && w.Last < w.First {
		return fmt.Errorf("eci: window: %w: ranks %d to %d; they are counted from 1, 0 as the last means no end", ErrSettings, w.First, w.Last)
	}
	return nil
}

// Of returns a source of the same name with the negatives of these ranks. It uses
// memory for a fingerprint and a count for every pair of query and positive.
func (w Window) Of(source Source) Source {
	if w.First <= 1 && w.Last == 0 {
		return source
	}
	return Source{Name: source.Name, Triples: func(yield func(Triple, error) bool) {
		ranks := make(map[uint64]int)
		source.only(func(rec *Record) bool {
			key := rec.pair()
			ranks[key]++
			return ranks[key] >= w.First && (w.Last == 0 || ranks[key] <= w.Last)
		}).Triples(yield)
	}}
}

// Windows returns a source for each window, named after the source and the window,
// such as "bm25 1-10". Rank them to see how many negatives to take, and from where.
func (s Source) Windows(windows ...Window) ([]Source, error) {
	var out []Source
	for _, w := range windows {
		if err := w.validate(); err != nil {
			return nil, err
		}
		part := w.Of(s)
		part.Name = fmt.Sprintf("%s %v", s.Name, w)
		out = append(out, part)
	}
	return out, nil
}

// RandomShare returns a source with about count randomly chosen triples, in the order
// of s. A filter that keeps the same number of triples has to beat it. The choice
// depends only on texts and seed, and differs from that of [Sem.Seed]. Triples with
// equal texts may be chosen together, so that the source has slightly more than count.
// RandomShare reads the source once. It uses 8 bytes of memory for each triple.
func (s Source) RandomShare(ctx context.Context, count int, seed uint64) (Source, error) {
	hash := func(rec *Record) uint64 { return hash64.Mix(rec.hash(seed) ^ 0x9e3779b97f4a7c15) }
	var hashes []uint64
	pass := (SkipMalformed | SkipEmptyText).reading()
	err := s.each(ctx, pass, nil, func(rec *Record) error {
		hashes = append(hashes, hash(rec))
		return nil
	})
	if err != nil {
		return Source{}, err
	}
	if count < 1 || count > len(hashes) {
		return Source{}, &RowError{Source: s.Name, Err: fmt.Errorf("%w: a share of %d of %d triples", ErrSettings, count, len(hashes))}
	}
	slices.Sort(hashes)
	limit := hashes[count-1]
	return s.only(func(rec *Record) bool { return hash(rec) <= limit }), nil
}

// BatchOrder is an order of triples for training with in-batch negatives.
// It is safe for concurrent use as long as no goroutine changes it.
type BatchOrder struct {
	// Triples are the numbers of the triples, from 1, in the new order.
	Triples []int
	// Full is the number of batches of the requested size, which come first. Left is
	// the number of triples after them. Those make smaller batches that must not be
	// joined.
	Full, Left int
}

// Batches orders the triples of a source for batches of size consecutive triples. No
// batch has the same query, positive or negative twice, and no positive in it is a
// negative of another triple. Each triple goes to the first batch that has room for
// it. Texts are compared as they are. Batches uses memory for three fingerprints for
// each triple.
func (s Source) Batches(ctx context.Context, size int) (*BatchOrder, error) {
	if size < 2 {
		return nil, fmt.Errorf("eci: batches: %w: a batch of %d; use 2 or more", ErrSettings, size)
	}
	order := design.NewBatches[fingerprint](size)
	err := s.each(ctx, Skip(0).reading(), nil, func(rec *Record) error {
		query := hash64.FingerprintOf("\x00" + rec.QueryText) // which may be the text of a passage
		order.Add(query, hash64.FingerprintOf(rec.PositiveText), hash64.FingerprintOf(rec.NegativeText))
		return nil
	})
	if err != nil {
		return nil, err
	}
	triples, full := order.Order()
	return &BatchOrder{Triples: triples, Full: full, Left: len(triples) - full*size}, nil
}
