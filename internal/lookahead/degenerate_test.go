package lookahead_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"example.com/eci/internal/lookahead"
)

// Degenerate problems have a defined result: no NaN, no panic.
var degenerate = []struct {
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
}

func TestDegenerate(t *testing.T) {
	for _, c := range degenerate {
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
