package lookahead_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
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

// Degenerate problems have a defined result: no NaN, no panic.
func TestDegenerate(t *testing.T) {
	for _, c := range []struct {
		why    string
		change func(p *problem)
		still  bool // the adapter does not move
	}{
		{"negatives that are the positives", func(p *problem) {
			for i := range p.source.Triples {
				p.source.Triples[i].Negative = p.source.Triples[i].Positive
			}
		}, true},
		{"negatives with the vectors of the positives", func(p *problem) {
			for i := range p.source.Triples {
				t := &p.source.Triples[i]
				p.source.Vectors = append(p.source.Vectors, slices.Clone(p.source.Vectors[t.Positive]))
				t.Negative = len(p.source.Vectors) - 1
			}
		}, true},
		{"margins so wide that no loss is left", func(p *problem) {
			p.settings.MarginScale = 1e-5
			for i := range p.source.Triples { // the negatives are opposite to the positives
				t := &p.source.Triples[i]
				opposite := slices.Clone(p.source.Vectors[t.Query])
				for k := range opposite {
					opposite[k] = -opposite[k]
				}
				p.source.Vectors = append(p.source.Vectors, opposite)
				t.Positive, t.Negative = t.Query, len(p.source.Vectors)-1
			}
		}, true},
		{"margins so wrong that the loss has no curvature", func(p *problem) {
			p.settings.MarginScale = 1e-5
			for i := range p.source.Triples {
				t := &p.source.Triples[i]
				t.Positive, t.Negative = len(p.queries)+(i+1)%len(p.pool), t.Query
			}
		}, false},
		{"a margin scale far too large", func(p *problem) { p.settings.MarginScale = 1e6 }, false},
		{"one triple", func(p *problem) { p.source.Triples = p.source.Triples[:1] }, false},
		{"the same triple again and again", func(p *problem) {
			for i := range p.source.Triples {
				p.source.Triples[i] = p.source.Triples[0]
			}
		}, false},
		{"all triples in one fold", func(p *problem) {
			for i := range p.source.Triples {
				p.source.Triples[i].Group = 0
			}
		}, false},
		{"all queries in one fold", func(p *problem) {
			for i := range p.queries {
				p.queries[i].Group = 3
			}
		}, false},
		{"one query", func(p *problem) { p.queries = p.queries[:1] }, false},
		{"more axes than documents", func(p *problem) { p.settings.Axes = 0; p.pool = p.pool[:7]; p.limit(7) }, false},
		{"two documents", func(p *problem) { p.pool = p.pool[:2]; p.limit(2) }, false},
		{"many equal documents", func(p *problem) {
			for i := range p.pool[4:] {
				p.pool[4+i] = p.pool[i%4]
			}
		}, false},
		{"everything is relevant", func(p *problem) {
			for i := range p.queries {
				p.queries[i].Ignored, p.queries[i].Relevant = nil, nil
				for document := range p.pool {
					p.queries[i].Relevant = append(p.queries[i].Relevant, document)
				}
			}
		}, false},
		{"everything else is ignored", func(p *problem) {
			for i := range p.queries {
				q := &p.queries[i]
				q.Ignored, q.Relevant = nil, []int{0}
				for document := range p.pool[1:] {
					q.Ignored = append(q.Ignored, document+1)
				}
			}
		}, false},
		{"a cutoff beyond the pool", func(p *problem) { p.settings.Cutoff = 1000 }, false},
		{"queries that are documents", func(p *problem) {
			for i := range p.queries {
				p.queries[i].Vector = p.pool[i%len(p.pool)]
			}
		}, false},
		{"tiny and huge vectors", func(p *problem) {
			for i, v := range p.source.Vectors {
				p.source.Vectors[i] = slices.Clone(v)
				for k := range v {
					p.source.Vectors[i][k] *= []float32{1e-15, 1, 1e15}[i%3]
				}
			}
		}, false},
	} {
		for _, disjoint := range []bool{false, true} {
			t.Run(c.why, func(t *testing.T) {
				p := newProblem(7, 10, 40, 30, 50, 6)
				p.source.Disjoint = disjoint
				c.change(p)
				checkDefined(t, p, c.still)
			})
		}
	}
}

// limit leaves out what refers to documents that are no more.
func (p *problem) limit(documents int) {
	for i := range p.queries {
		q := &p.queries[i]
		beyond := func(document int) bool { return document >= documents }
		q.Relevant, q.Ignored = slices.DeleteFunc(q.Relevant, beyond), slices.DeleteFunc(q.Ignored, beyond)
	}
	p.queries[0].Relevant, p.queries[0].Ignored = []int{1}, nil
}

func checkDefined(t *testing.T, p *problem, still bool) {
	t.Helper()
	r := p.walk(t)
	numbers := append([]float64{r.Gain}, r.Curve...)
	for _, f := range r.Folds {
		numbers = append(numbers, f.Norm)
		if still != (f.Norm == 0) && f.Triples > 0 {
			t.Errorf("norm %v", f.Norm)
		}
		for _, step := range f.Steps {
			numbers = append(numbers, step.Residual)
			if still && step.Weightless != f.Triples {
				t.Errorf("%d of %d triples are without weight", step.Weightless, f.Triples)
			}
		}
	}
	for _, gains := range r.Gains {
		numbers = append(numbers, gains...)
	}
	if len(r.Gains) > 1 {
		numbers = append(numbers, r.StandardError)
	} else if !math.IsInf(r.StandardError, 1) {
		t.Errorf("one query has the standard error %v", r.StandardError)
	}
	for _, x := range append(numbers, p.score(t)...) {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			t.Fatalf("%v among the results", x)
		}
	}
}

func TestErrors(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		change func(p *problem)
		want   string
	}{
		{func(p *problem) { p.pool = nil }, "no documents"},
		{func(p *problem) { p.pool = p.pool[:1]; p.limit(1); p.queries[0].Relevant = []int{0} }, "same vector"},
		{func(p *problem) { p.pool[3] = p.pool[3][:4] }, "document 3 has 4 dimensions, want 10"},
		{func(p *problem) { p.pool[3] = []float32{nan, 0, 0, 0, 0, 0, 0, 0, 0, 0} }, "document 3 has no direction"},
		{func(p *problem) { p.pool[3] = make([]float32, 10) }, "document 3 has no direction"},
		{func(p *problem) { p.pool[0] = nil }, "document"},
		{func(p *problem) { p.queries[2].Vector = []float32{inf, 0, 0, 0, 0, 0, 0, 0, 0, 0} }, "query 2 has no direction"},
		{func(p *problem) { p.queries[2].Relevant = []int{40} }, "query 2: position"},
		{func(p *problem) { p.queries[2].Ignored = []int{-1} }, "query 2: position"},
		{func(p *problem) { p.queries[2].Ignored = p.queries[2].Relevant }, "both relevant and ignored"},
		{func(p *problem) { p.queries[2].Group = -1 }, "query 2: group"},
		{func(p *problem) { p.queries = nil }, "no query"},
		{func(p *problem) { p.settings.MarginScale = 0 }, "margin scale"},
		{func(p *problem) { p.settings.MarginScale = math.NaN() }, "margin scale"},
		{func(p *problem) { p.settings.MarginScale = math.Inf(1) }, "margin scale"},
		{func(p *problem) { p.settings.Folds = 1 }, "folds"},
		{func(p *problem) { p.settings.Steps = -1 }, "steps"},
		{func(p *problem) { p.source.Triples = nil }, "no triples"},
		{func(p *problem) { p.source.Triples[5].Negative = 1000 }, "triple 5"},
		{func(p *problem) { p.source.Triples[5].Query = -1 }, "triple 5"},
		{func(p *problem) { p.source.Triples[5].Group = -1 }, "triple 5"},
		{func(p *problem) { p.source.Vectors[p.source.Triples[5].Positive] = []float32{1} }, "1 dimensions"},
		{func(p *problem) { p.source.Vectors[p.source.Triples[5].Positive] = make([]float32, 10) }, "no direction"},
	} {
		t.Run(c.want, func(t *testing.T) {
			p := newProblem(7, 10, 40, 30, 50, 6)
			c.change(p)
			space, err := lookahead.NewSpace(t.Context(), p.pool, p.queries, p.settings)
			if err == nil {
				_, err = space.Walk(t.Context(), p.source)
				if _, other := space.Influence(t.Context(), p.source); other == nil || err == nil || other.Error() != err.Error() {
					t.Errorf("Walk returns %v, Influence %v", err, other)
				}
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestScoreErrors(t *testing.T) {
	p := newProblem(7, 10, 40, 30, 50, 6)
	in, err := p.space(t).Influence(t.Context(), p.source)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Score(t.Context(), make([]float64, 3), p.source); err == nil {
		t.Error("3 scores for 50 triples: no error")
	}
	if err := in.Score(t.Context(), nil, lookahead.Source{}); err != nil {
		t.Errorf("an empty batch: %v", err)
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

func TestCancelled(t *testing.T) {
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
