package eci

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
)

// Selection says which triples of a source to choose: those that together carry
// the most information. At least one of Count and PerQuery must be set.
//
// The objective is f(T) = 1/2 ln det(I + a/K sum_T w r rT) with a = d/eps^2 and K
// the number of triples to choose, so that the full choice is worth its own S. f
// is monotone and submodular; the greedy choice with Count alone is at least
// 1-1/e of the best possible (Nemhauser, Wolsey, Fisher 1978), with PerQuery at
// least 1/2 (Fisher, Nemhauser, Wolsey 1978), with Stream at least 1/2 - Epsilon
// (Badanidiyuru and others 2014, sieve streaming).
// Goroutines may share one that none of them changes.
type Selection struct {
	// Count is the number of triples to choose; 0 means as many as PerQuery allows.
	Count int
	// PerQuery is the most triples (negatives) of one query; 0 means no limit.
	PerQuery int
	// Stream chooses in one pass without keeping the pool, for pools that do not
	// fit into memory. It needs Count and excludes PerQuery.
	Stream bool
	// Epsilon is the precision of Stream, in (0, 0.5): smaller is better and
	// slower; 0 means 0.2.
	Epsilon float64
	// PoolBytes limits the memory for the pool without Stream; 0 means 1 GiB.
	PoolBytes int64
}

// Selected is a chosen triple.
// Goroutines may share one that none of them changes.
type Selected struct {
	// Record is a copy of the triple without its vectors.
	*Record
	// Weight is w and Margin s+ - s-, as in [Weighted].
	Weight, Margin float64
	// Gain is what the triple added to f when it was chosen, in nats, and Total is
	// f after it.
	Gain, Total float64
}

// Select yields the chosen triples of a source in the order of the choice: by
// descending gain, except with Stream, where it is that of the source. Nothing is
// yielded before the source has been read. The Sem must be calibrated. Asking for
// more triples than there are is ErrSettings, and so is a pool beyond PoolBytes.
// Ties go to the triple that comes first. The result does not depend on the
// number of cores.
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
	r, err := s.weigher(source)
	if err != nil {
		return err
	}
	if selection.Stream {
		return r.sieve(ctx, selection, source, yield)
	}
	pool, err := r.candidates(ctx, selection, source)
	if err != nil {
		return err
	}
	return source.wrap(nil, pool.greedy(ctx, yield))
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

// candidates is a pool of triples to choose from.
type candidates struct {
	d       int
	count   int // K
	quota   int // a query, 0 for no limit
	records []Record
	weights []float64
	margins []float64
	queries []uint64    // by candidate
	rows    [][]float32 // sqrt(w) r, then scaled by sqrt(a/K)
}

// candidates reads the pool of a source.
func (r *run) candidates(ctx context.Context, selection Selection, source Source) (*candidates, error) {
	p := &candidates{d: r.dimension, count: selection.Count, quota: selection.PerQuery}
	var bytes int64
	scratch := make([]float64, r.dimension)
	perQuery := make(map[uint64]int)
	allowed := 0
	err := r.batches(ctx, source, make(map[string]int), func(b *batch) error {
		if err := r.weigh(source, b); err != nil {
			return err
		}
		for i := range b.rows {
			row := &b.rows[i]
			rec := row.rec
			bytes += int64(4*r.dimension + len(rec.QueryText) + len(rec.PositiveText) + len(rec.NegativeText) + 512)
			if bytes > selection.PoolBytes {
				return fmt.Errorf("%w: a pool of more than %d bytes after %d triples; raise Selection.PoolBytes, or set Stream", ErrSettings, selection.PoolBytes, len(p.records))
			}
			rec.QueryVector, rec.PositiveVector, rec.NegativeVector = nil, nil, nil
			row.residual(scratch, math.Sqrt(row.weight))
			p.rows = append(p.rows, narrow(make([]float32, r.dimension), scratch, 1))
			p.records = append(p.records, rec)
			p.weights = append(p.weights, row.weight)
			p.margins = append(p.margins, row.evidence.Margin)
			key := rec.queryKey()
			p.queries = append(p.queries, key)
			if perQuery[key]++; p.quota == 0 || perQuery[key] <= p.quota {
				allowed++
			}
		}
		return nil
	})
	if err != nil {
		return nil, source.wrap(nil, err)
	}
	if p.count == 0 {
		p.count = allowed
	}
	if p.count > allowed || allowed == 0 {
		return nil, &RowError{Source: source.Name, Err: fmt.Errorf("%w: %d triples asked for, there are %d to choose from", ErrSettings, p.count, allowed)}
	}
	scale := float32(math.Sqrt(float64(p.d) / r.Epsilon2 / float64(p.count)))
	for _, row := range p.rows {
		for k := range row {
			row[k] *= scale
		}
	}
	return p, nil
}

// narrow writes scale times src to dst.
func narrow(dst []float32, src []float64, scale float64) []float32 {
	for k, x := range src {
		dst[k] = float32(scale * x)
	}
	return dst
}

// queryKey identifies the query: a hash of its id, or else of its text.
func (r *Record) queryKey() uint64 {
	if r.QueryID != "" {
		return fnv1a(fnvOffset, r.QueryID)
	}
	return fnv1a(fnvOffset, r.QueryText)
}

// chosen is a set T and what it takes to price another row l: with
// W = (I + sum l lT)^-1 the row adds 1/2 ln(1 + lT W l). W falls by u uT with
// every row that is added; the last d of the u are kept, so that the value of a
// row can be brought up to date by what was added since.
type chosen struct {
	d, size int
	inverse []float64 // W, d x d, full
	updates []float64 // u of additions size-d..size-1, in a ring of d rows
	total   float64   // f(T)
}

func newChosen(d int) *chosen {
	c := &chosen{d: d, inverse: make([]float64, d*d), updates: make([]float64, d*d)}
	for i := range d {
		c.inverse[i*d+i] = 1
	}
	return c
}

// refresh returns lT W l given its value e when T had the given size.
func (c *chosen) refresh(l []float32, e float64, size int) float64 {
	if c.size-size > c.d/2 {
		var sum float64
		for i := range c.d {
			sum += float64(float64(l[i]) * dotMixed(c.inverse[i*c.d:(i+1)*c.d], l))
		}
		return max(0, min(e, sum)) // rounding must not raise it
	}
	for t := size; t < c.size; t++ {
		x := dotMixed(c.updates[t%c.d*c.d:][:c.d], l)
		e -= float64(x * x)
	}
	return max(0, e)
}

// add puts a row with up-to-date value e into T and returns its gain.
func (c *chosen) add(l []float32, e float64) float64 {
	u := c.updates[c.size%c.d*c.d:][:c.d]
	root := 1 / math.Sqrt(1+e)
	for i := range u {
		u[i] = root * dotMixed(c.inverse[i*c.d:(i+1)*c.d], l)
	}
	for i, x := range u {
		row := c.inverse[i*c.d : (i+1)*c.d]
		for k, y := range u {
			row[k] -= float64(x * y)
		}
	}
	c.size++
	gain := math.Log1p(e) / 2
	c.total += gain
	return gain
}

func squared(l []float32) float64 { return dot(l, l) }

// dotMixed is the inner product of a float64 and a float32 vector.
func dotMixed(x []float64, y []float32) float64 {
	y = y[:len(x)]
	var a, b, c, d float64
	i := 0
	for ; i+4 <= len(x); i += 4 {
		a += float64(x[i] * float64(y[i]))
		b += float64(x[i+1] * float64(y[i+1]))
		c += float64(x[i+2] * float64(y[i+2]))
		d += float64(x[i+3] * float64(y[i+3]))
	}
	for ; i < len(x); i++ {
		a += float64(x[i] * float64(y[i]))
	}
	return (a + b) + (c + d)
}

// priced is a candidate with its value when T had a size. Values only fall as T
// grows, so the first of the queue that is up to date is the best of all (Minoux
// 1978).
type priced struct {
	candidate, size int
	value           float64
}

type queue []priced

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].value > q[j].value || q[i].value == q[j].value && q[i].candidate < q[j].candidate
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(priced)) }
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// refreshed is the number of candidates brought up to date at once.
const refreshed = 32

// greedy chooses the candidate with the highest gain, again and again.
func (p *candidates) greedy(ctx context.Context, yield func(*Selected, error) bool) error {
	t := newChosen(p.d)
	q := make(queue, len(p.rows))
	parallel(len(p.rows), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			q[i] = priced{candidate: i, value: squared(p.rows[i])}
		}
	})
	heap.Init(&q)
	taken := make(map[uint64]int)
	stale := make([]priced, 0, refreshed)
	for t.size < p.count && len(q) > 0 {
		if err := stopped(ctx); err != nil {
			return err
		}
		if top := q[0]; top.size == t.size {
			heap.Pop(&q)
			i := top.candidate
			if p.quota > 0 && taken[p.queries[i]] == p.quota {
				continue
			}
			taken[p.queries[i]]++
			gain := t.add(p.rows[i], top.value)
			if !yield(&Selected{Record: &p.records[i], Weight: p.weights[i], Margin: p.margins[i], Gain: gain, Total: t.total}, nil) {
				return errStopped
			}
			continue
		}
		stale = stale[:0]
		for len(q) > 0 && len(stale) < refreshed && q[0].size < t.size {
			next := heap.Pop(&q).(priced)
			if p.quota == 0 || taken[p.queries[next.candidate]] < p.quota {
				stale = append(stale, next)
			}
		}
		parallel(len(stale), func(lo, hi int) {
			for i := lo; i < hi; i++ {
				s := &stale[i]
				s.value, s.size = t.refresh(p.rows[s.candidate], s.value, s.size), t.size
			}
		})
		for _, s := range stale {
			heap.Push(&q, s)
		}
	}
	return nil
}
