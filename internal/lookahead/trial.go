package lookahead

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"

	"example.com/eci/internal/hash64"
)

// Best chooses within every pair the share of its triples with the highest scores, at
// least one. pairs[i] is the pair of triple i. It returns each triple's place within
// its pair, from 1, and whether it is kept. Triples with equal scores are in order;
// NaN comes last.
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

// A Trial is an estimate of the effect of a choice of triples, on queries that took no
// part in it: the change of nDCG after four half steps on each selection.
type Trial struct {
	// Chosen, Random, All and Opposite hold the change for every evaluated query:
	// after the chosen triples, after the same number drawn blindly from the same
	// pairs (the mean over draws), after all of them, and after the same number with
	// the lowest influence.
	Chosen, Random, All, Opposite []float64
}

// Selections are the triples that a trial compares for one fold of queries, as
// ascending places in the source.
type Selections struct {
	// Held are the queries to evaluate, by their place in [NewSpace]'s list.
	Held []int
	// Chosen, All and Opposite are selections of triples; Random has one for each
	// draw.
	Chosen, All, Opposite []int
	Random                [][]int
}

// Trial chooses in nested folds. For every fold of queries, it computes the influence
// of the triples of the other folds on the queries of the other folds, and keeps the
// share within every pair. It uses nothing of the fold itself. For a disjoint source,
// all triples serve in every fold. measure returns the change of nDCG of the held
// queries after learning from some triples; nil means the walk of four half steps.
// Trial returns an error if no fold has both queries in it and triples outside it.
func (s *Space) Trial(ctx context.Context, source Source, pairs []uint64, share float64, draws int, measure func(held, triples []int) ([]float64, error)) (*Trial, error) {
	t := &Trial{}
	for k := range s.settings.Folds {
		selections, err := s.Choose(ctx, k, source, pairs, share, draws)
		if err != nil {
			return nil, err
		}
		if selections == nil {
			continue
		}
		after := measure
		if after == nil {
			on, err := s.Subset(selections.Held)
			if err != nil {
				return nil, err
			}
			on.settings.Steps, on.settings.StepQueries = influenceSteps, 0
			after = func(_, triples []int) ([]float64, error) { return on.after(ctx, source, triples) }
		}
		if err := t.add(selections, after); err != nil {
			return nil, err
		}
	}
	if len(t.All) == 0 {
		return nil, errors.New("lookahead: no fold of queries has triples outside it")
	}
	return t, nil
}

// Choose returns the selections for the queries of one fold, or nil if the fold has no
// queries, or nothing is outside it.
func (s *Space) Choose(ctx context.Context, k int, source Source, pairs []uint64, share float64, draws int) (*Selections, error) {
	to := &Selections{}
	var others []int
	for q := range s.queries {
		if s.fold(s.queries[q].group) == k {
			to.Held = append(to.Held, s.evaluated[q])
		} else {
			others = append(others, s.evaluated[q])
		}
	}
	rest := Source{Vectors: source.Vectors, Disjoint: source.Disjoint}
	var of []uint64
	for i, triple := range source.Triples {
		if source.Disjoint || s.fold(triple.Group) != k {
			rest.Triples, of, to.All = append(rest.Triples, triple), append(of, pairs[i]), append(to.All, i)
		}
	}
	if len(to.Held) == 0 || len(others) == 0 || len(to.All) == 0 {
		return nil, nil
	}
	from, err := s.Subset(others)
	if err != nil {
		return nil, err
	}
	influence, err := from.Influence(ctx, rest)
	if err != nil {
		return nil, err
	}
	scores := make([]float64, len(of))
	if err := influence.Score(ctx, scores, rest); err != nil {
		return nil, err
	}
	best := func(scores []float64) (places []int) {
		_, kept := Best(of, scores, share)
		for i, keep := range kept {
			if keep {
				places = append(places, to.All[i])
			}
		}
		return places
	}
	to.Chosen = best(scores)
	for i := range scores {
		scores[i] = -scores[i]
	}
	to.Opposite = best(scores)
	for draw := range draws {
		to.Random = append(to.Random, best(drawn(len(of), uint64(k*draws+draw))))
	}
	return to, nil
}

// add measures the selections of one fold.
func (t *Trial) add(s *Selections, after func(held, triples []int) ([]float64, error)) error {
	for _, of := range []struct {
		into  *[]float64
		draws [][]int
	}{{&t.Chosen, [][]int{s.Chosen}}, {&t.Random, s.Random}, {&t.All, [][]int{s.All}}, {&t.Opposite, [][]int{s.Opposite}}} {
		sum := make([]float64, len(s.Held))
		for _, triples := range of.draws {
			gains, err := after(s.Held, triples)
			if err != nil {
				return err
			}
			addScaled(sum, 1/float64(len(of.draws)), gains)
		}
		*of.into = append(*of.into, sum...)
	}
	return nil
}

// after returns the change of nDCG of every query after the walk on some triples.
func (s *Space) after(ctx context.Context, source Source, triples []int) ([]float64, error) {
	some := Source{Vectors: source.Vectors, Disjoint: true}
	for _, i := range triples {
		some.Triples = append(some.Triples, source.Triples[i])
	}
	result, err := s.Walk(ctx, some)
	if err != nil {
		return nil, err
	}
	gains := make([]float64, len(result.Gains))
	for x, after := range result.Gains {
		gains[x] = after[len(after)-1]
	}
	return gains, nil
}

// drawn returns n scores that depend only on their seed.
func drawn(n int, seed uint64) []float64 {
	scores := make([]float64, n)
	for i := range scores {
		scores[i] = float64(hash64.Mix(seed*0x9e3779b97f4a7c15+uint64(i)*0xbf58476d1ce4e5b9) >> 11)
	}
	return scores
}
