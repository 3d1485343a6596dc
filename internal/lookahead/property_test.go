package lookahead_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"testing"

	"example.com/eci/internal/lookahead"
	"gonum.org/v1/gonum/mat"
)

// score returns the influences of a problem's own triples.
func (p *problem) score(t testing.TB) []float64 {
	t.Helper()
	in, err := p.space(t).Influence(t.Context(), p.source)
	if err != nil {
		t.Fatal(err)
	}
	scores := make([]float64, len(p.source.Triples))
	if err := in.Score(t.Context(), scores, p.source); err != nil {
		t.Fatal(err)
	}
	return scores
}

func TestSameBitsOnAnyNumberOfCores(t *testing.T) {
	p := newProblem(1, 40, 700, 150, 400, 30)
	want, scores := p.walk(t), p.score(t)
	for _, cores := range []int{1, 2, 7} {
		before := runtime.GOMAXPROCS(cores)
		got, other := p.walk(t), p.score(t)
		runtime.GOMAXPROCS(before)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%d cores: another result", cores)
		}
		if !slices.Equal(other, scores) {
			t.Errorf("%d cores: other influences", cores)
		}
	}
}

// Sources can be walked at the same time on one space.
func TestConcurrentWalks(t *testing.T) {
	p := newProblem(1, 20, 200, 60, 100, 12)
	space := p.space(t)
	want, err := space.Walk(t.Context(), p.source)
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			if got, err := space.Walk(t.Context(), p.source); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("another result (%v)", err)
			}
		})
	}
	wait.Wait()
}

// Scores do not depend on the batch that a triple comes in.
func TestScoresOfBatches(t *testing.T) {
	p := newProblem(2, 20, 200, 60, 130, 12)
	whole := p.score(t)
	in, err := p.space(t).Influence(t.Context(), p.source)
	if err != nil {
		t.Fatal(err)
	}
	for first := 0; first < len(whole); first += 37 {
		last := min(first+37, len(whole))
		batch := lookahead.Source{Vectors: p.source.Vectors, Triples: p.source.Triples[first:last]}
		scores := make([]float64, last-first)
		if err := in.Score(t.Context(), scores, batch); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(scores, whole[first:last]) {
			t.Errorf("triples %d to %d: other bits", first, last)
		}
	}
}

func TestOrderOfTriplesDoesNotMatter(t *testing.T) {
	p := newProblem(3, 30, 300, 100, 200, 20)
	want := p.walk(t)
	random := rand.New(rand.NewPCG(1, 1))
	random.Shuffle(len(p.source.Triples), func(i, j int) {
		p.source.Triples[i], p.source.Triples[j] = p.source.Triples[j], p.source.Triples[i]
	})
	got := p.walk(t)
	if math.Abs(got.Gain-want.Gain) > 1e-9 {
		t.Errorf("gain %v, in another order %v", want.Gain, got.Gain)
	}
	for k := range want.Folds {
		if math.Abs(got.Folds[k].Norm-want.Folds[k].Norm) > 1e-10*want.Folds[k].Norm {
			t.Errorf("norm %v, in another order %v", want.Folds[k].Norm, got.Folds[k].Norm)
		}
	}
}

// Lengths of the vectors that are given do not matter.
func TestLengthsDoNotMatter(t *testing.T) {
	p := newProblem(3, 30, 300, 100, 200, 20)
	want := p.walk(t)
	for i, v := range p.source.Vectors {
		scaled := slices.Clone(v)
		for k := range scaled {
			scaled[k] *= []float32{1, 2, 4}[i%3] // a power of two changes no bit of the direction
		}
		p.source.Vectors[i] = scaled
	}
	if got := p.walk(t); got.Gain != want.Gain || got.Folds[0].Norm != want.Folds[0].Norm {
		t.Errorf("gain %v, with other lengths %v", want.Gain, got.Gain)
	}
}

func TestRotationChangesLittle(t *testing.T) {
	p := newProblem(4, 48, 400, 200, 300, 32)
	want := p.walk(t)
	random := rand.New(rand.NewPCG(9, 9))
	d := len(p.pool[0])
	square := mat.NewDense(d, d, nil)
	for i := range d {
		for j := range d {
			square.Set(i, j, random.NormFloat64())
		}
	}
	var qr mat.QR
	qr.Factorize(square)
	var turn mat.Dense
	qr.QTo(&turn)
	rotated := map[*float32][]float32{} // repeated documents stay the same
	rotate := func(v []float32) []float32 {
		if r, ok := rotated[&v[0]]; ok {
			return r
		}
		var to mat.VecDense
		to.MulVec(&turn, mat.NewVecDense(d, unit(v)))
		r := make([]float32, d)
		for k := range r {
			r[k] = float32(to.AtVec(k))
		}
		rotated[&v[0]] = r
		return r
	}
	for i := range p.pool {
		p.pool[i] = rotate(p.pool[i])
	}
	for i := range p.queries {
		p.queries[i].Vector = rotate(p.queries[i].Vector)
	}
	for i := range p.source.Vectors {
		p.source.Vectors[i] = rotate(p.source.Vectors[i])
	}
	if got := p.walk(t); math.Abs(got.Gain-want.Gain) > 1e-4 || math.Abs(got.Folds[0].Norm-want.Folds[0].Norm) > 1e-5*want.Folds[0].Norm {
		t.Errorf("gain %v and norm %v, rotated %v and %v", want.Gain, want.Folds[0].Norm, got.Gain, got.Folds[0].Norm)
	}
}

// Of equal documents the first in the pool is ranked first, before and after the
// walk.
func TestTiesKeepTheOrderOfThePool(t *testing.T) {
	p := newProblem(5, 16, 60, 40, 60, 8)
	p.pool[50] = p.pool[10]
	for i := range p.queries {
		p.queries[i].Ignored = nil
		p.queries[i].Relevant = []int{10}
	}
	first := p.space(t)
	a, err := first.Walk(t.Context(), p.source)
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.queries {
		p.queries[i].Relevant = []int{50}
	}
	second := p.space(t)
	b, err := second.Walk(t.Context(), p.source)
	if err != nil {
		t.Fatal(err)
	}
	below := map[float64]float64{0: 0} // nDCG one rank further down
	for rank := range 5 {
		below[1/math.Log2(float64(rank)+2)] = 1 / math.Log2(float64(rank)+3)
	}
	below[1/math.Log2(6)] = 0 // beyond the cutoff of 5
	lookup := func(x float64) float64 {
		for have, want := range below {
			if math.Abs(have-x) < 1e-12 {
				return want
			}
		}
		t.Fatalf("%v is no nDCG of one document", x)
		return 0
	}
	for q := range first.Frozen() {
		if got, want := second.Frozen()[q], lookup(first.Frozen()[q]); math.Abs(got-want) > 1e-12 {
			t.Errorf("query %d: nDCG %v with the second of two equal documents, want %v", q, got, want)
		}
		for step := range a.Curve {
			got, want := second.Frozen()[q]+b.Gains[q][step], lookup(first.Frozen()[q]+a.Gains[q][step])
			if math.Abs(got-want) > 1e-12 {
				t.Errorf("query %d, step %d: nDCG %v with the second of two equal documents, want %v", q, step, got, want)
			}
		}
	}
}

// What is relevant for the queries of a fold does not reach the influence of its
// own triples, and does reach that of others.
func TestNothingOfAFoldReachesItself(t *testing.T) {
	p := newProblem(6, 20, 200, 60, 120, 12)
	before := p.score(t)
	const fold = 1
	for i := range p.queries {
		if q := &p.queries[i]; q.Group%p.settings.Folds == fold {
			q.Relevant, q.Ignored = []int{(q.Relevant[0] + 57) % len(p.pool)}, nil
		}
	}
	after := p.score(t)
	changed := 0
	for i, triple := range p.source.Triples {
		switch own := triple.Group%p.settings.Folds == fold; {
		case own && before[i] != after[i]:
			t.Errorf("triple %d is of the fold and has influence %v, then %v", i, before[i], after[i])
		case !own && before[i] != after[i]:
			changed++
		}
	}
	if changed == 0 {
		t.Error("no influence has changed")
	}
}

// A query without a relevant document is left out, and said to be.
func TestLeftOut(t *testing.T) {
	p := newProblem(7, 10, 40, 30, 50, 6)
	want := p.walk(t)
	p.queries = slices.Insert(p.queries, 4, lookahead.Query{Vector: p.queries[0].Vector})
	space := p.space(t)
	got, err := space.Walk(t.Context(), p.source)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(space.LeftOut(), []int{4}) || len(space.Evaluated()) != 30 || slices.Contains(space.Evaluated(), 4) {
		t.Errorf("left out %v, evaluated %v", space.LeftOut(), space.Evaluated())
	}
	if !reflect.DeepEqual(got, want) {
		t.Error("a query that is left out changes the result")
	}
}

func TestCanceled(t *testing.T) {
	p := newProblem(7, 10, 40, 30, 50, 6)
	ctx, cancel := context.WithCancel(t.Context())
	space := p.space(t)
	cancel()
	if _, err := space.Walk(ctx, p.source); !errors.Is(err, context.Canceled) {
		t.Errorf("Walk returns %v", err)
	}
	if _, err := space.Influence(ctx, p.source); !errors.Is(err, context.Canceled) {
		t.Errorf("Influence returns %v", err)
	}
	if _, err := lookahead.NewSpace(ctx, p.pool, p.queries, p.settings); !errors.Is(err, context.Canceled) {
		t.Errorf("NewSpace returns %v", err)
	}
}

// A space of some queries gives what the whole space gives for them.
func TestSubset(t *testing.T) {
	p := newProblem(8, 12, 90, 40, 60, 6)
	p.queries = append(p.queries, lookahead.Query{Vector: p.queries[0].Vector})
	whole := p.space(t)
	all, err := whole.Walk(t.Context(), p.source)
	if err != nil {
		t.Fatal(err)
	}
	some := []int{30, 2, 40, 17, 39}
	space, err := whole.Subset(some)
	if err != nil {
		t.Fatal(err)
	}
	r, err := space.Walk(t.Context(), p.source)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(space.Evaluated(), []int{2, 17, 30, 39}) || !slices.Equal(space.LeftOut(), []int{40}) {
		t.Fatalf("evaluated %v, left out %v", space.Evaluated(), space.LeftOut())
	}
	for i, index := range space.Evaluated() {
		at := slices.Index(whole.Evaluated(), index)
		if !slices.Equal(r.Gains[i], all.Gains[at]) || space.Frozen()[i] != whole.Frozen()[at] {
			t.Errorf("query %d gains %v of %v, in the whole space %v of %v", index, r.Gains[i], space.Frozen()[i], all.Gains[at], whole.Frozen()[at])
		}
	}
	for _, bad := range [][]int{nil, {40}, {41}, {-1}, {3, 3}, {40, 40, 1}} {
		if _, err := whole.Subset(bad); err == nil {
			t.Errorf("Subset(%v) returns no error", bad)
		}
	}
}

// A longer walk begins like a shorter one.
func TestWithSteps(t *testing.T) {
	p := newProblem(8, 12, 90, 40, 60, 6)
	space := p.space(t)
	short, err := space.Walk(t.Context(), p.source)
	if err != nil {
		t.Fatal(err)
	}
	longer, err := space.WithSteps(5)
	if err != nil {
		t.Fatal(err)
	}
	long, err := longer.Walk(t.Context(), p.source)
	if err != nil {
		t.Fatal(err)
	}
	if len(long.Curve) != 5 || !slices.Equal(long.Curve[:3], short.Curve) {
		t.Errorf("curves %v and %v", short.Curve, long.Curve)
	}
	if _, err := space.WithSteps(-1); err == nil {
		t.Error("a walk of -1 steps: no error")
	}
}
