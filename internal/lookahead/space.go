package lookahead

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"example.com/eci/internal/syrk"
)

const (
	queryBlock = 32                   // queries that are ranked together
	docBlock   = 10 * syrk.RightBlock // documents that are ranked together
)

// A Space is a pool of documents and the queries to evaluate, with everything that
// does not depend on a source: the axes, the projections, the frozen cosines. Its
// methods do not change it, so walks on several sources may run concurrently.
type Space struct {
	settings Settings
	axes     *axes
	d        int

	documents int
	stride    int          // documents, rounded up to a multiple of syrk.Pad
	z         []float64    // r x stride: the documents in the axes, axis by axis
	right     syrk.Right64 // the same, packed

	evaluated, leftOut []int
	queries            []query   // those that are evaluated
	frozen             []float64 // their nDCG before any step
	zq                 []float64 // coordinates in the axes, a row of r each
	cosines            cosines
}

// A query is an evaluated query.
type query struct {
	row               int // of its coordinates and cosines
	group             int
	relevant, ignored []int     // sorted
	cosines           []float64 // with the relevant documents, frozen
	ideal             float64
}

// NewSpace prepares a pool and queries. Documents with equal scores are ranked in the
// pool's order. Vectors need not have unit length.
//
// It returns an error if a vector is empty, not finite, zero or of a different
// dimension than the first, if all documents are the same, if a position is out of
// range, or if no query has a relevant document.
func NewSpace(ctx context.Context, pool [][]float32, queries []Query, settings Settings) (*Space, error) {
	settings, err := settings.resolve()
	if err != nil {
		return nil, err
	}
	if len(pool) == 0 {
		return nil, errors.New("lookahead: the pool has no documents")
	}
	s := &Space{settings: settings, d: len(pool[0]), documents: len(pool)}
	if err := s.label(queries); err != nil {
		return nil, err
	}
	lengths, err := norms(ctx, "document", pool, s.d, nil)
	if err != nil {
		return nil, err
	}
	vectors := make([][]float32, len(queries))
	for i := range queries {
		vectors[i] = queries[i].Vector
	}
	lengthsOfQueries, err := norms(ctx, "query", vectors, s.d, nil)
	if err != nil {
		return nil, err
	}
	if s.axes, err = newAxes(ctx, pool, lengths, s.d, settings.Axes); err != nil {
		return nil, err
	}
	if err := s.place(ctx, pool, lengths); err != nil {
		return nil, err
	}
	if s.zq, err = s.axes.project(ctx, vectors, lengthsOfQueries, s.evaluated); err != nil {
		return nil, err
	}
	if err := s.compare(ctx, pool, lengths, vectors, lengthsOfQueries, cosineLimit); err != nil {
		return nil, err
	}
	s.frozen = make([]float64, len(s.queries))
	err = s.evaluate(ctx, []*view{s.still()}, func(int) int { return 0 }, func(q int, ndcg float64) {
		s.frozen[q] = ndcg
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// label copies what is known about the queries.
func (s *Space) label(queries []Query) error {
	for i := range queries {
		q := query{group: queries[i].Group}
		if q.group < 0 {
			return fmt.Errorf("lookahead: query %d: group %d is negative", i, q.group)
		}
		q.relevant = slices.Compact(slices.Sorted(slices.Values(queries[i].Relevant)))
		q.ignored = slices.Compact(slices.Sorted(slices.Values(queries[i].Ignored)))
		for _, list := range [][]int{q.relevant, q.ignored} {
			if len(list) > 0 && (list[0] < 0 || list[len(list)-1] >= s.documents) {
				return fmt.Errorf("lookahead: query %d: positions %d to %d in a pool of %d documents", i, list[0], list[len(list)-1], s.documents)
			}
		}
		for _, document := range q.ignored {
			if _, found := slices.BinarySearch(q.relevant, document); found {
				return fmt.Errorf("lookahead: query %d: document %d is both relevant and ignored", i, document)
			}
		}
		if len(q.relevant) == 0 {
			s.leftOut = append(s.leftOut, i)
			continue
		}
		for rank := range min(s.settings.Cutoff, len(q.relevant)) {
			q.ideal += discount(rank)
		}
		q.row = len(s.evaluated)
		s.evaluated = append(s.evaluated, i)
		s.queries = append(s.queries, q)
	}
	if len(s.queries) == 0 {
		return errors.New("lookahead: no query has a relevant document in the pool")
	}
	return nil
}

// place projects the pool.
func (s *Space) place(ctx context.Context, pool [][]float32, lengths []float64) error {
	indexes := make([]int, len(pool))
	for i := range indexes {
		indexes[i] = i
	}
	rows, err := s.axes.project(ctx, pool, lengths, indexes)
	if err != nil {
		return err
	}
	r := s.axes.r
	s.stride = roundUp(len(pool), syrk.Pad)
	s.right.Pack(rows, len(pool), r, r)
	s.z = make([]float64, r*s.stride)
	for i := range pool {
		for k, v := range rows[i*r:][:r] {
			s.z[k*s.stride+i] = v
		}
	}
	return nil
}

// Subset returns the space with some of its queries, given by their indexes in the
// call of [NewSpace]. It shares memory with s. It returns an error if an index occurs
// twice or is not in s, or if none of the queries is evaluated.
func (s *Space) Subset(queries []int) (*Space, error) {
	to := *s
	to.evaluated, to.leftOut, to.queries, to.frozen = nil, nil, nil, nil
	position := map[int]int{}
	for q, index := range s.evaluated {
		position[index] = q
	}
	for _, index := range slices.Sorted(slices.Values(queries)) {
		q, ok := position[index]
		if delete(position, index); ok {
			to.evaluated = append(to.evaluated, index)
			to.queries = append(to.queries, s.queries[q])
			to.frozen = append(to.frozen, s.frozen[q])
		} else if slices.Contains(s.leftOut, index) && !slices.Contains(to.leftOut, index) {
			to.leftOut = append(to.leftOut, index)
		} else {
			return nil, fmt.Errorf("lookahead: query %d is unknown or occurs twice", index)
		}
	}
	if len(to.queries) == 0 {
		return nil, errors.New("lookahead: no query has a relevant document in the pool")
	}
	return &to, nil
}

// WithSteps returns the space for walks with a different number of half steps. It
// shares memory with s.
func (s *Space) WithSteps(steps int) (*Space, error) {
	to := *s
	to.settings.Steps = steps
	var err error
	to.settings, err = to.settings.resolve()
	return &to, err
}

// WithoutStepError returns the space for walks whose Result has no StepDeviations.
// They take half the time. It shares memory with s.
func (s *Space) WithoutStepError() *Space {
	to := *s
	to.settings.StepQueries = 0
	return &to
}

// Evaluated returns the indexes of the queries that are evaluated: those with a
// relevant document in the pool.
func (s *Space) Evaluated() []int { return slices.Clone(s.evaluated) }

// LeftOut returns the indexes of the queries without a relevant document.
func (s *Space) LeftOut() []int { return slices.Clone(s.leftOut) }

// Frozen returns the nDCG of the evaluated queries before any step.
func (s *Space) Frozen() []float64 { return slices.Clone(s.frozen) }

// Axes returns the number of axes: the smallest of the setting, the dimension and
// the rank of the centered pool.
func (s *Space) Axes() int { return s.axes.r }

// fold returns the fold of a group.
func (s *Space) fold(group int) int { return group % s.settings.Folds }

func discount(rank int) float64 { return 1 / math.Log2(float64(rank)+2) }
