package eci

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"

	"example.com/eci/internal/cores"
	"example.com/eci/internal/ctxerr"
	"example.com/eci/internal/design"
)

// Selection says how many triples of a source to choose. The chosen triples together
// carry the most information. Set Count, PerQuery or both.
//
// The objective is f(T) = 1/2 ln det(I + a/K sum_T w r rT) with a = d/eps^2 and K the
// number of triples to choose. So f of the complete choice is its own S. f is monotone
// and submodular. The greedy choice with Count alone is at least 1-1/e of the best
// possible (Nemhauser, Wolsey, Fisher 1978), with PerQuery at least 1/2 (Fisher,
// Nemhauser, Wolsey 1978), and with Stream at least 1/2 - Epsilon (Badanidiyuru and
// others 2014, sieve streaming).
// It is safe for concurrent use as long as no goroutine changes it.
type Selection struct {
	// Count is the number of triples to choose. 0 means as many as PerQuery allows.
	Count int
	// PerQuery is the most triples (negatives) of one query. 0 means no limit.
	PerQuery int
	// Stream chooses in one pass and does not keep the pool, for pools that do not fit
	// in memory. It requires Count and excludes PerQuery.
	Stream bool
	// Epsilon is the precision of Stream, in (0, 0.5). Smaller is better and slower.
	// 0 means 0.2.
	Epsilon float64
	// PoolBytes limits the memory of the pool without Stream. 0 means 1 GiB.
	PoolBytes int64
}

// Selected is a chosen triple.
// It is safe for concurrent use as long as no goroutine changes it.
type Selected struct {
	// Record is a copy of the triple without its vectors.
	*Record
	// Weight is w and Margin s+ - s-, as in [Weighted].
	Weight, Margin float64
	// Gain is what the triple added to f when it was chosen, in nats. Total is f
	// after that.
	Gain, Total float64
}

// Select yields the chosen triples of a source by descending gain or, with Stream, in
// the order of the source. It reads the whole source before it yields the first.
// Calibration must be set. It fails with ErrSettings if more triples are asked for
// than the source has, or if the pool exceeds PoolBytes. The first of equal triples
// wins. The result does not depend on the number of cores.
func (s *Sem) Select(ctx context.Context, selection Selection, source Source) iter.Seq2[*Selected, error] {
	return func(yield func(*Selected, error) bool) {
		err := s.choose(ctx, selection, source, yield)
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, err)
		}
	}
}

func (s *Sem) choose(ctx context.Context, selection Selection, source Source, yield func(*Selected, error) bool) error {
	if err := selection.check(); err != nil {
		return err
	}
	squares := 2 // W and its last updates
	if selection.Stream {
		// For every guess that may be open at the same time.
		squares *= 2 + int(math.Log(2*float64(selection.Count))/math.Log1p(selection.Epsilon))
	}
	r, err := s.weigher(source, squares)
	if err != nil {
		return err
	}
	if selection.Stream {
		return r.stream(ctx, selection, source, yield)
	}
	return r.greedy(ctx, selection, source, yield)
}

func (s *Selection) check() error {
	if s.Epsilon == 0 {
		s.Epsilon = 0.2
	}
	if s.PoolBytes == 0 {
		s.PoolBytes = 1 << 30
	}
	switch {
	case s.Count < 0 || s.PerQuery < 0 || s.PoolBytes < 0:
		return fmt.Errorf("eci: selection: %w: count %d, %d a query, %d bytes", ErrSettings, s.Count, s.PerQuery, s.PoolBytes)
	case s.Count == 0 && s.PerQuery == 0:
		return fmt.Errorf("eci: selection: %w: set Count, PerQuery or both", ErrSettings)
	case s.Stream && (s.PerQuery > 0 || s.Count == 0):
		return fmt.Errorf("eci: selection: %w: Stream chooses by Count alone", ErrSettings)
	case !(s.Epsilon > 0 && s.Epsilon < 0.5):
		return fmt.Errorf("eci: selection: %w: epsilon %v is not in (0, 0.5)", ErrSettings, s.Epsilon)
	}
	return nil
}

// candidates are the triples to choose from, with their rows sqrt(w) r.
type candidates struct {
	design.Pool
	selected []Selected // without gains
	allowed  int        // how many the quota allows
}

// greedy chooses from all triples of a source, kept in memory.
func (r *run) greedy(ctx context.Context, selection Selection, source Source, yield func(*Selected, error) bool) error {
	c, err := r.candidates(ctx, selection, source)
	if err != nil {
		return source.wrap(nil, err)
	}
	count := selection.Count
	if count == 0 {
		count = c.allowed
	}
	if count > c.allowed || c.allowed == 0 {
		return source.tooFew(count, c.allowed)
	}
	scale := float32(r.rowScale(count))
	for _, row := range c.Rows {
		for k := range row {
			row[k] *= scale
		}
	}
	proceed := func() error { return ctxerr.Of(ctx) }
	return source.wrap(nil, c.Greedy(count, cores.All, proceed, func(i int, gain, total float64) error {
		s := c.selected[i]
		s.Gain, s.Total = gain, total
		if !yield(&s, nil) {
			return errStopped
		}
		return nil
	}))
}

// candidates reads the pool of a source.
func (r *run) candidates(ctx context.Context, selection Selection, source Source) (*candidates, error) {
	c := &candidates{Pool: design.Pool{Quota: selection.PerQuery}}
	var bytes int64
	scratch := make([]float64, r.dimension)
	perQuery := make(map[uint64]int)
	err := r.batches(ctx, source, r.reading(), func(b *batch) error {
		if err := r.weigh(source, b); err != nil {
			return err
		}
		for i := range b.rows {
			row := &b.rows[i]
			rec := &row.rec
			bytes += int64(4*r.dimension + len(rec.QueryText) + len(rec.PositiveText) + len(rec.NegativeText) + 512)
			if bytes > selection.PoolBytes {
				return fmt.Errorf("%w: a pool of more than %d bytes after %d triples; raise Selection.PoolBytes, or set Stream", ErrSettings, selection.PoolBytes, len(c.Rows))
			}
			l := make([]float32, r.dimension)
			row.information(l, scratch, 1)
			key := rec.queryKey()
			c.Rows, c.Keys, c.selected = append(c.Rows, l), append(c.Keys, key), append(c.selected, row.selected())
			perQuery[key]++
			if c.Quota == 0 || perQuery[key] <= c.Quota {
				c.allowed++
			}
		}
		return nil
	})
	return c, err
}

// stream chooses in one pass over a source.
func (r *run) stream(ctx context.Context, selection Selection, source Source, yield func(*Selected, error) bool) error {
	sieve := design.NewSieve[Selected](r.dimension, selection.Count, selection.Epsilon)
	scale, seen := r.rowScale(selection.Count), 0
	rows, scratch := make([][]float32, triplesPerBatch), make([]float64, r.dimension)
	for i := range rows {
		rows[i] = make([]float32, r.dimension)
	}
	err := r.batches(ctx, source, r.reading(), func(b *batch) error {
		if err := r.weigh(source, b); err != nil {
			return err
		}
		seen += len(b.rows)
		for i := range b.rows {
			b.rows[i].information(rows[i], scratch, scale)
		}
		sieve.Offer(rows[:len(b.rows)], cores.All, func(i int, gain, total float64) Selected {
			s := b.rows[i].selected()
			s.Gain, s.Total = gain, total
			return s
		})
		return nil
	})
	if err != nil {
		return source.wrap(nil, err)
	}
	if seen < selection.Count {
		return source.tooFew(selection.Count, seen)
	}
	best := sieve.Best()
	for i := range best {
		if !yield(&best[i], nil) {
			return errStopped
		}
	}
	return nil
}

// rowScale is sqrt(a/K), by which rows sqrt(w) r of a choice of K are multiplied.
func (r *run) rowScale(count int) float64 {
	return math.Sqrt(float64(r.dimension) / r.settings.Epsilon2 / float64(count))
}

// information writes scale sqrt(w) r to dst.
func (row *batchRow) information(dst []float32, scratch []float64, scale float64) {
	row.residual(scratch, math.Sqrt(row.weight))
	for k, x := range scratch {
		dst[k] = float32(scale * x)
	}
}

// selected copies the fields of a triple that are kept.
func (row *batchRow) selected() Selected {
	rec := row.rec
	rec.QueryVector, rec.PositiveVector, rec.NegativeVector = nil, nil, nil
	return Selected{Record: &rec, Weight: row.weight, Margin: row.evidence.Margin}
}

func (s Source) tooFew(asked, have int) error {
	return &RowError{Source: s.Name, Err: fmt.Errorf("%w: %d triples asked for, there are %d to choose from", ErrSettings, asked, have)}
}
