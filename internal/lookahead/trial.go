package lookahead

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
)

// Best chooses within every pair the share of its triples with the highest
// scores, at least one: pairs[i] is the pair that triple i belongs to. It returns
// each triple's place within its pair, from 1, and whether it is kept. Among equal
// scores the first triple comes first; a NaN comes last.
func Best(pairs []uint64, scores []float64, share float64) (place []int32, kept []bool) {
	order := make([]int32, len(pairs))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(pairs[a], pairs[b]), cmp.Compare(scores[b], scores[a]), cmp.Compare(a, b))
	})
	place, kept = make([]int32, len(pairs)), make([]bool, len(pairs))
	for first := 0; first < len(order); {
		last := first
		for last < len(order) && pairs[order[last]] == pairs[order[first]] {
			last++
		}
		quota := max(1, int(math.Floor(share*float64(last-first)+0.5)))
		for rank, i := range order[first:last] {
			place[i], kept[i] = int32(rank+1), rank < quota
		}
		first = last
	}
	return place, kept
}

// A Trial is what a choice of triples would have done, on queries that took no
// part in it: the change of nDCG after four half steps on each selection.
type Trial struct {
	// Chosen, Random, All and Opposite hold the change for every query that was
	// looked at: after the chosen triples, as many drawn blindly from the same pairs
	// (the mean over draws), all of them, and as many with the lowest influence.
	Chosen, Random, All, Opposite []float64
	// Triples is the number of triples that were chosen from, over the folds, and
	// Kept that of the chosen ones.
	Triples, Kept int
}

// Trial chooses in nested folds. For every fold of queries the influence of the
// triples of the other folds is taken on the queries of those, the share kept
// within every pair, and the walk looked at on the fold's own queries, of which
// nothing was used. For a disjoint source all triples serve in every fold. It
// returns an error when no fold has both queries and triples outside it.
func (s *Space) Trial(ctx context.Context, source Source, pairs []uint64, share float64, draws int) (*Trial, error) {
	t := &Trial{}
	for k := range s.settings.Folds {
		if err := s.tryFold(ctx, t, k, source, pairs, share, draws); err != nil {
			return nil, err
		}
	}
	if len(t.All) == 0 {
		return nil, errors.New("lookahead: no fold of queries has triples outside it")
	}
	return t, nil
}

// tryFold adds the queries of one fold to a trial.
func (s *Space) tryFold(ctx context.Context, t *Trial, k int, source Source, pairs []uint64, share float64, draws int) error {
	var held, others []int
	for q := range s.queries {
		if s.fold(s.queries[q].group) == k {
			held = append(held, s.evaluated[q])
		} else {
			others = append(others, s.evaluated[q])
		}
	}
	rest := Source{Vectors: source.Vectors, Disjoint: source.Disjoint}
	var of []uint64
	for i, triple := range source.Triples {
		if source.Disjoint || s.fold(triple.Group) != k {
			rest.Triples, of = append(rest.Triples, triple), append(of, pairs[i])
		}
	}
	if len(held) == 0 || len(others) == 0 || len(rest.Triples) == 0 {
		return nil
	}
	from, err := s.Subset(others)
	if err != nil {
		return err
	}
	influence, err := from.Influence(ctx, rest)
	if err != nil {
		return err
	}
	scores := make([]float64, len(rest.Triples))
	if err := influence.Score(ctx, scores, rest); err != nil {
		return err
	}
	on, err := s.Subset(held)
	if err != nil {
		return err
	}
	on.settings.Steps, on.settings.StepQueries = influenceSteps, 0
	after := func(by []float64, share float64) ([]float64, int, error) { return on.after(ctx, rest, of, by, share) }
	chosen, kept, err := after(scores, share)
	if err != nil {
		return err
	}
	all, _, err := after(scores, 1)
	if err != nil {
		return err
	}
	random := make([]float64, len(held))
	for draw := range draws {
		blind, _, err := after(drawn(len(of), uint64(k*draws+draw)), share)
		if err != nil {
			return err
		}
		addScaled(random, 1/float64(draws), blind)
	}
	for i := range scores {
		scores[i] = -scores[i]
	}
	opposite, _, err := after(scores, share)
	if err != nil {
		return err
	}
	t.Chosen, t.Random = append(t.Chosen, chosen...), append(t.Random, random...)
	t.All, t.Opposite = append(t.All, all...), append(t.Opposite, opposite...)
	t.Triples, t.Kept = t.Triples+len(of), t.Kept+kept
	return nil
}

// after returns the change of nDCG of every query after the walk on the best share
// of the triples.
func (s *Space) after(ctx context.Context, source Source, pairs []uint64, scores []float64, share float64) (gains []float64, n int, err error) {
	_, kept := Best(pairs, scores, share)
	some := Source{Vectors: source.Vectors, Disjoint: true}
	for i, keep := range kept {
		if keep {
			some.Triples = append(some.Triples, source.Triples[i])
		}
	}
	result, err := s.Walk(ctx, some)
	if err != nil {
		return nil, 0, err
	}
	gains = make([]float64, len(result.Gains))
	for x, after := range result.Gains {
		gains[x] = after[len(after)-1]
	}
	return gains, len(some.Triples), nil
}

// drawn are n scores that depend on nothing but their seed (the finalizer of
// SplitMix64, Steele, Lea and Flood 2014).
func drawn(n int, seed uint64) []float64 {
	scores := make([]float64, n)
	for i := range scores {
		x := (seed+1)*0x9e3779b97f4a7c15 + uint64(i)*0xbf58476d1ce4e5b9
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		scores[i] = float64((x ^ x>>31) >> 11)
	}
	return scores
}
