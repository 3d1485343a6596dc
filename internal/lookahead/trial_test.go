package lookahead_test

import (
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"example.com/eci/internal/lookahead"
)

// bestTwin chooses by sorting every pair separately.
func bestTwin(pairs []uint64, scores []float64, share float64) (place []int32, kept []bool) {
	place, kept = make([]int32, len(pairs)), make([]bool, len(pairs))
	for _, pair := range pairs {
		var rows []int
		for i := range pairs {
			if pairs[i] == pair {
				rows = append(rows, i)
			}
		}
		slices.SortStableFunc(rows, func(a, b int) int {
			switch {
			case scores[a] > scores[b]:
				return -1
			case scores[a] < scores[b]:
				return 1
			}
			return 0
		})
		for rank, i := range rows {
			place[i], kept[i] = int32(rank+1), rank < max(1, int(math.Round(share*float64(len(rows)))))
		}
	}
	return place, kept
}

func TestBestAgreesWithTwin(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 3))
	for range 500 {
		n := random.IntN(30)
		pairs, scores := make([]uint64, n), make([]float64, n)
		for i := range pairs {
			pairs[i], scores[i] = uint64(random.IntN(6)), float64(random.IntN(4)) // ties
		}
		share := random.Float64()
		place, kept := lookahead.Best(pairs, scores, share)
		wantPlace, wantKept := bestTwin(pairs, scores, share)
		if !slices.Equal(place, wantPlace) || !slices.Equal(kept, wantKept) {
			t.Fatalf("pairs %v, scores %v, share %v: %v %v, want %v %v", pairs, scores, share, place, kept, wantPlace, wantKept)
		}
	}
}

// pairsOf puts the triples of a problem into pairs of three.
func pairsOf(p *problem) []uint64 {
	pairs := make([]uint64, len(p.source.Triples))
	for i, t := range p.source.Triples {
		pairs[i] = uint64(t.Query)<<32 | uint64(i%3)
	}
	return pairs
}

// What a fold's own queries and triples are must not reach the choice for it:
// other vectors for them, and other relevant documents, change nothing. The
// selections are of the same triples, and those say nothing of the fold.
func TestNothingOfAFoldReachesItsOwnChoice(t *testing.T) {
	const fold = 2
	p := newProblem(4, 24, 300, 80, 300, 16)
	want, err := p.space(t).Choose(t.Context(), fold, p.source, pairsOf(p), 0.5, 2)
	if err != nil {
		t.Fatal(err)
	}
	own := make(map[int]bool) // vectors of triples of the fold
	for _, triple := range p.source.Triples {
		if triple.Group%p.settings.Folds == fold {
			own[triple.Query], own[triple.Negative], own[triple.Positive] = true, true, true
		}
	}
	for _, triple := range p.source.Triples {
		if triple.Group%p.settings.Folds != fold {
			delete(own, triple.Query)
			delete(own, triple.Negative)
			delete(own, triple.Positive)
		}
	}
	if len(own) == 0 {
		t.Fatal("no vector is the fold's alone")
	}
	random := rand.New(rand.NewPCG(7, 7))
	other := func(v []float32) []float32 {
		v = slices.Clone(v)
		for k := range v {
			v[k] = float32(random.NormFloat64())
		}
		return v
	}
	for i := range own {
		p.source.Vectors[i] = other(p.source.Vectors[i])
	}
	for i := range p.queries {
		if q := &p.queries[i]; q.Group%p.settings.Folds == fold {
			q.Vector, q.Relevant = other(q.Vector), []int{random.IntN(300)}
			q.Ignored = nil
		}
	}
	got, err := p.space(t).Choose(t.Context(), fold, p.source, pairsOf(p), 0.5, 2)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Chosen, want.Chosen) || !slices.Equal(got.Opposite, want.Opposite) || !reflect.DeepEqual(got.Random, want.Random) {
		t.Error("the choice for a fold depends on the fold")
	}
	for _, i := range slices.Concat(got.All, got.Chosen) {
		if p.source.Triples[i].Group%p.settings.Folds == fold {
			t.Errorf("triple %d of the fold is chosen for it", i)
		}
	}
}

func TestTrialSameBitsOnAnyNumberOfCores(t *testing.T) {
	p := newProblem(5, 24, 300, 80, 300, 16)
	var want *lookahead.Trial
	for _, cores := range []int{1, 2, 7} {
		before := runtime.GOMAXPROCS(cores)
		got, err := p.space(t).Trial(t.Context(), p.source, pairsOf(p), 0.5, 2, nil)
		runtime.GOMAXPROCS(before)
		if err != nil {
			t.Fatal(err)
		}
		if want != nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%d cores: another trial", cores)
		}
		want = got
	}
	if n := len(want.All); n == 0 || len(want.Chosen) != n || len(want.Random) != n || len(want.Opposite) != n {
		t.Errorf("%d, %d, %d and %d queries", len(want.Chosen), len(want.Random), n, len(want.Opposite))
	}
}
