package lookahead

import (
	"context"
	"math"
)

// The standard error over queries says how the mean gain would vary with other
// queries, for the same adapters. The gain would also vary with the triples that the
// adapters were made from. That part is computed by a delete-a-fold jackknife of the
// steps: every adapter is made again without the triples of one more fold, and
// evaluated on the same queries. With B folds, and L(-j) the mean gain if no step has
// used fold j,
//
// An adapter without the triples of folds j and k serves the queries of both, so B
// (B-1)/2 walks are enough. A part of the queries is enough too: their own variation
// cancels in the differences.

// stepDeviations returns sqrt((B-1)/B) (L(-j) - mean) for each fold, over the first
// most evaluated queries. Their squares add up to the variance.
func (s *Space) stepDeviations(ctx context.Context, p *prepared, source Source, most int) ([]float64, error) {
	folds := s.settings.Folds
	pairs, of := s.pairWalkers(p, source.Disjoint)
	looked := min(most, len(s.queries))
	without := make([]float64, folds) // sums over queries and steps
	for step := range s.settings.Steps {
		if err := s.advance(ctx, p, pairs, step == 0); err != nil {
			return nil, err
		}
		views, err := s.views(ctx, pairs)
		if err != nil {
			return nil, err
		}
		for j := range folds {
			gains := make([]float64, looked)
			err := s.evaluate(ctx, views, func(q int) int {
				if q >= looked {
					return skipped
				}
				return of(s.fold(s.queries[q].group), j)
			}, func(q int, ndcg float64) { gains[q] = ndcg })
			if err != nil {
				return nil, err
			}
			for _, g := range gains {
				without[j] += g
			}
		}
	}
	deviations := make([]float64, folds)
	center := mean(without)
	n := float64(looked * s.settings.Steps)
	for j, sum := range without {
		deviations[j] = math.Sqrt(float64(folds-1)/float64(folds)) * (sum - center) / n
	}
	return deviations, nil
}

// pairWalkers returns the walkers that leave out the triples of two folds, or of one
// fold if no evaluated query is among the triples. It also returns the walker that
// serves the queries of fold k when fold j is left out. The queries of fold j itself
// are served by the walker that leaves out nothing else.
func (s *Space) pairWalkers(p *prepared, disjoint bool) (walkers []*walker, of func(k, j int) int) {
	folds := s.settings.Folds
	place := make([]int, folds*folds)
	for j := range folds {
		for k := range j + 1 {
			if disjoint && k != j {
				continue
			}
			w := &walker{m: identity(s.axes.r)}
			for i := range p.rows {
				if f := s.fold(p.rows[i].group); f != j && f != k {
					w.list = append(w.list, i)
				}
			}
			w.fold.Triples = len(w.list)
			place[j*folds+k], place[k*folds+j] = len(walkers), len(walkers)
			walkers = append(walkers, w)
		}
	}
	if disjoint {
		return walkers, func(_, j int) int { return place[j*folds+j] }
	}
	return walkers, func(k, j int) int { return place[k*folds+j] }
}
