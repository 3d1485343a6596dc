package eci

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// Filter says which triples of a source to keep. A triple must pass every criterion
// that is set; the zero value keeps all. Common filters were measured to gain nothing
// over a random share of the same size (docs/evidence.md), so compare the two with
// [Lookahead] before you train: see [RandomShare].
// Goroutines may share one that none of them changes.
type Filter struct {
	// Margin keeps triples with s+ - s- of at least this much, in cosine units.
	Margin *float64
	// PositiveShare keeps triples with s- of at most this share of s+, as the
	// positive-aware filters of miners do: 0.95 is usual. A triple with s+ of 0 or
	// less is kept if s- is no greater. 0 means any.
	PositiveShare float64
	// Suspicion keeps triples with a [Suspect] score below this, in (0, 1]. 0 means
	// any.
	Suspicion float64
	// Window keeps negatives by their rank; see [Window]. The zero value means any.
	Window Window
	// Keep keeps triples by what the caller knows of them, such as a score of a
	// cross-encoder. Nil means any.
	Keep func(*Record) bool
}

// Validate refuses criteria that make no sense.
func (f *Filter) Validate() error {
	switch {
	case f.Margin != nil && math.IsNaN(*f.Margin):
		return fmt.Errorf("eci: filter: %w: the margin is NaN", ErrSettings)
	case !(f.PositiveShare >= 0) || math.IsInf(f.PositiveShare, 0):
		return fmt.Errorf("eci: filter: %w: a share of %v of the positive's similarity; use a positive number, or 0 for any", ErrSettings, f.PositiveShare)
	case !(f.Suspicion >= 0 && f.Suspicion <= 1):
		return fmt.Errorf("eci: filter: %w: a suspicion of %v is not in [0, 1]", ErrSettings, f.Suspicion)
	}
	return f.Window.validate()
}

// Filter returns a source of the same name and order with the triples that f keeps.
// Similarities and suspicion need vectors and a Calibration, as [Sem.Suspects] does:
// then the source is read once now, and memory holds 8 bytes for each triple kept.
// Without these criteria nothing is embedded. Triples are the source's own.
func (s *Sem) Filter(ctx context.Context, f Filter, source Source) (Source, error) {
	if err := f.Validate(); err != nil {
		return Source{}, err
	}
	source = f.Window.Of(source)
	if f.Keep != nil {
		source = kept(source, f.Keep)
	}
	if f.Margin == nil && f.PositiveShare == 0 && f.Suspicion == 0 {
		return source, nil
	}
	keep := make(map[uint64]struct{})
	for suspect, err := range s.Suspects(ctx, source, 0) {
		if err != nil {
			return Source{}, err
		}
		if f.passes(suspect) {
			keep[suspect.Record.hash(0)] = struct{}{}
		}
	}
	return kept(source, func(rec *Record) bool { _, ok := keep[rec.hash(0)]; return ok }), nil
}

// passes reports whether a triple is near enough.
func (f *Filter) passes(s *Suspect) bool {
	return (f.Margin == nil || s.Margin >= *f.Margin) &&
		(f.PositiveShare == 0 || s.NegativeSimilarity <= f.PositiveShare*math.Max(0, s.PositiveSimilarity) ||
			s.PositiveSimilarity <= 0 && s.NegativeSimilarity <= s.PositiveSimilarity) &&
		(f.Suspicion == 0 || s.Score < f.Suspicion)
}

// kept is a source without the triples that keep refuses. Errors pass.
func kept(source Source, keep func(*Record) bool) Source {
	return Source{Name: source.Name, Triples: func(yield func(Triple, error) bool) {
		var rec Record
		row := 0
		for triple, err := range source.Triples {
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

// Window is a range of ranks, counted from 1: First to Last, both included. A
// negative's rank is its place among the triples of its query and positive, by id
// where both have one, else by text, in the order of the source: miners write the
// best first. Last 0 means no end. The zero value is every rank.
// It is a value, which goroutines may share.
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

// Of returns a source of the same name with the negatives of these ranks. Memory
// holds a fingerprint and a count for every pair of query and positive.
func (w Window) Of(source Source) Source {
	if w.First <= 1 && w.Last == 0 {
		return source
	}
	return Source{Name: source.Name, Triples: func(yield func(Triple, error) bool) {
		ranks := make(map[uint64]int)
		kept(source, func(rec *Record) bool {
			key := pairKey(rec)
			ranks[key]++
			return ranks[key] >= w.First && (w.Last == 0 || ranks[key] <= w.Last)
		}).Triples(yield)
	}}
}

// pairKey tells pairs of query and positive apart, by 64 bits.
func pairKey(rec *Record) uint64 {
	if rec.QueryID != "" && rec.PositiveID != "" {
		return mix64(fnv1a(mix64(fnv1a(fnvOffset, rec.QueryID)), rec.PositiveID))
	}
	return tripleHash(1, fingerprintOf(rec.QueryText), fingerprintOf(rec.PositiveText), fingerprint{})
}

// Windows returns a source for each window, named after the source and the window,
// such as "bm25 1-10": rank them to see how many negatives to take, and from where.
func Windows(source Source, windows ...Window) ([]Source, error) {
	var out []Source
	for _, w := range windows {
		if err := w.validate(); err != nil {
			return nil, err
		}
		part := w.Of(source)
		part.Name = fmt.Sprintf("%s %v", source.Name, w)
		out = append(out, part)
	}
	return out, nil
}

// RandomShare returns a source with a random share of the triples of a source, as
// many as count, in its order: what a filter that keeps as many has to beat. The
// share depends on texts and seed alone, and it is another one than that of
// [Sem.Seed]. Triples with equal texts may come as one, so that some more are kept.
// The source is read once now; memory holds 8 bytes for each triple.
func RandomShare(ctx context.Context, source Source, count int, seed uint64) (Source, error) {
	hash := func(rec *Record) uint64 { return mix64(rec.hash(seed) ^ 0x9e3779b97f4a7c15) }
	var hashes []uint64
	pass := newReading(SkipMalformed | SkipEmptyText)
	err := source.each(ctx, pass, nil, func(rec *Record) error {
		hashes = append(hashes, hash(rec))
		return nil
	})
	if err != nil {
		return Source{}, err
	}
	if count < 1 || count > len(hashes) {
		return Source{}, &RowError{Source: source.Name, Err: fmt.Errorf("%w: a share of %d of %d triples", ErrSettings, count, len(hashes))}
	}
	slices.Sort(hashes)
	limit := hashes[count-1]
	return kept(source, func(rec *Record) bool { return hash(rec) <= limit }), nil
}

// Relabeled is a source in which suspects are positives.
// Goroutines may share one that none of them changes.
type Relabeled struct {
	Source
	// Suspects is the number of triples whose negative was a suspect, and Lost that
	// of those that no negative is left for. Added is the number of new triples.
	Suspects, Lost, Added int
}

// Relabel makes positives of negatives that are suspects of at least threshold, as
// relabeling of false negatives does. A triple whose negative is a suspect is left
// out; the negatives that are left of its query and positive follow once more with
// the suspect as their positive. Triples of one query and positive must stand
// together, as files have them. Calibration must be set. The source is read twice
// now; memory holds 8 bytes for each suspect.
func (s *Sem) Relabel(ctx context.Context, source Source, threshold float64) (*Relabeled, error) {
	found := make(map[uint64]struct{})
	for suspect, err := range s.Suspects(ctx, source, threshold) {
		if err != nil {
			return nil, err
		}
		found[suspect.Record.hash(0)] = struct{}{}
	}
	out := &Relabeled{}
	out.Source = Source{Name: source.Name, Triples: func(yield func(Triple, error) bool) {
		relabel(source, found, &Relabeled{}, yield)
	}}
	var failed error
	relabel(source, found, out, func(_ Triple, err error) bool {
		if skip, _ := skipReason(err); err != nil && skip&s.Skip == 0 {
			failed = source.wrap(nil, err)
		}
		return failed == nil
	})
	return out, failed
}

// relabel yields the triples of a source, those of each query and positive with
// their suspects turned over, and counts.
func relabel(source Source, suspects map[uint64]struct{}, count *Relabeled, yield func(Triple, error) bool) {
	var honest, found []Record // of the query and positive at hand
	flush := func() bool {
		defer func() { honest, found = nil, nil }()
		for i := range honest {
			if !yield(&honest[i], nil) {
				return false
			}
		}
		count.Suspects += len(found)
		for _, suspect := range found {
			if len(honest) == 0 {
				count.Lost++
			}
			for _, rec := range honest {
				rec.PositiveID, rec.PositiveText, rec.PositiveVector = suspect.NegativeID, suspect.NegativeText, suspect.NegativeVector
				if count.Added++; !yield(&rec, nil) {
					return false
				}
			}
		}
		return true
	}
	pair, row := uint64(0), 0
	for triple, err := range source.Triples {
		row++
		if r, ok := triple.(*Record); err != nil || triple == nil || ok && r == nil {
			if !flush() || !yield(triple, err) {
				return
			}
			continue
		}
		rec := recordOf(triple, row)
		if key := pairKey(&rec); key != pair {
			if !flush() {
				return
			}
			pair = key
		}
		if _, ok := suspects[rec.hash(0)]; ok {
			found = append(found, rec)
		} else {
			honest = append(honest, rec)
		}
	}
	flush()
}

// recordOf is a triple as a record of its own.
func recordOf(triple Triple, row int) Record {
	if r, ok := triple.(*Record); ok {
		return *r
	}
	var rec Record
	rec.fill(triple, row, new([]float32))
	return rec
}

// BatchOrder is an order of triples for training with in-batch negatives.
// Goroutines may share one that none of them changes.
type BatchOrder struct {
	// Triples are the numbers of the triples, from 1, in the new order.
	Triples []int
	// Full is the number of batches of the asked size, which come first, and Left
	// that of the triples behind them, which make smaller batches that may not be
	// joined.
	Full, Left int
}

// openBatches bounds how many batches a triple may be put in.
const openBatches = 1024

// Batches orders the triples of a source so that no batch of size consecutive ones
// has a query, a positive or a negative twice, nor a positive that is a negative of
// another triple. Each triple goes to the first batch that has room for it. Texts are
// compared as they are. Memory holds three fingerprints for each triple.
func Batches(ctx context.Context, source Source, size int) (*BatchOrder, error) {
	if size < 2 {
		return nil, fmt.Errorf("eci: batches: %w: a batch of %d; use 2 or more", ErrSettings, size)
	}
	type open struct {
		rows  []int
		texts map[fingerprint]struct{}
	}
	var batches []*open
	var left []int
	order := &BatchOrder{}
	number := 0
	err := source.each(ctx, newReading(0), nil, func(rec *Record) error {
		number++
		query := fingerprintOf("\x00" + rec.QueryText) // which may be the text of a passage
		keys := [...]fingerprint{query, fingerprintOf(rec.PositiveText), fingerprintOf(rec.NegativeText)}
		at := slices.IndexFunc(batches, func(b *open) bool {
			return !slices.ContainsFunc(keys[:], func(key fingerprint) bool { _, taken := b.texts[key]; return taken })
		})
		if at < 0 && len(batches) == openBatches {
			left = append(left, number)
			return nil
		}
		if at < 0 {
			batches, at = append(batches, &open{texts: make(map[fingerprint]struct{})}), len(batches)
		}
		b := batches[at]
		b.rows = append(b.rows, number)
		for _, key := range keys {
			b.texts[key] = struct{}{}
		}
		if len(b.rows) == size {
			order.Triples = append(order.Triples, b.rows...)
			order.Full++
			batches = slices.Delete(batches, at, at+1)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, b := range batches {
		order.Triples = append(order.Triples, b.rows...)
	}
	order.Triples = append(order.Triples, left...)
	order.Left = number - order.Full*size
	return order, nil
}
