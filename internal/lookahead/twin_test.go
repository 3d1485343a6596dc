package lookahead_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"example.com/eci/internal/lookahead"
	"gonum.org/v1/gonum/mat"
)

// A problem is a pool, queries and a source, small enough for the twin.
type problem struct {
	pool     [][]float32
	queries  []lookahead.Query
	source   lookahead.Source
	settings lookahead.Settings
}

// newProblem draws a problem. Some documents are repeated, some queries have
// several relevant documents or ignore some.
func newProblem(seed uint64, d, documents, queries, triples, axes int) *problem {
	random := rand.New(rand.NewPCG(seed, 3))
	vector := func(near []float32, share float64) []float32 {
		v := make([]float32, d)
		for k := range v {
			v[k] = float32(random.NormFloat64() / math.Sqrt(float64(k+2)))
			if near != nil {
				v[k] = float32(share)*near[k] + float32(1-share)*v[k]
			}
		}
		v[0] += 0.5 // a common direction
		return v
	}
	p := &problem{settings: lookahead.Settings{MarginScale: 0.2, Axes: axes, Cutoff: 5, Folds: 3}}
	for i := range documents {
		if i > 3 && i%9 == 0 {
			p.pool = append(p.pool, p.pool[i-3])
			continue
		}
		p.pool = append(p.pool, vector(nil, 0))
	}
	for i := range queries {
		q := lookahead.Query{Group: i % 32, Relevant: []int{random.IntN(documents)}}
		q.Vector = vector(p.pool[q.Relevant[0]], 0.4)
		for random.IntN(3) == 0 {
			q.Relevant = append(q.Relevant, random.IntN(documents))
		}
		for range random.IntN(3) {
			if other := random.IntN(documents); !slices.Contains(q.Relevant, other) {
				q.Ignored = append(q.Ignored, other)
			}
		}
		p.queries = append(p.queries, q)
	}
	for _, q := range p.queries {
		p.source.Vectors = append(p.source.Vectors, q.Vector)
	}
	p.source.Vectors = append(p.source.Vectors, p.pool...)
	for range triples {
		q := random.IntN(queries)
		p.source.Triples = append(p.source.Triples, lookahead.Triple{
			Query: q, Positive: queries + p.queries[q].Relevant[0], Negative: queries + random.IntN(documents), Group: p.queries[q].Group,
		})
	}
	return p
}

func (p *problem) space(t testing.TB) *lookahead.Space {
	t.Helper()
	space, err := lookahead.NewSpace(t.Context(), p.pool, p.queries, p.settings)
	if err != nil {
		t.Fatal(err)
	}
	return space
}

func (p *problem) walk(t testing.TB) *lookahead.Result {
	t.Helper()
	r, err := p.space(t).Walk(t.Context(), p.source)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A twin does what the package does without any of its savings: full vectors,
// written-out Γ, one dense system for all r x r unknowns, full sorts.
type twin struct {
	*problem
	v *mat.Dense // d x r
	r int
}

func newTwin(p *problem) *twin {
	n, d := len(p.pool), len(p.pool[0])
	x := mat.NewDense(n, d, nil)
	for i, v := range p.pool {
		x.SetRow(i, unit(v))
	}
	for k := range d {
		column := mat.Col(nil, k, x)
		m := mat.Sum(mat.NewVecDense(n, column)) / float64(n)
		for i := range column {
			column[i] -= m
		}
		x.SetCol(k, column)
	}
	var svd mat.SVD
	svd.Factorize(x, mat.SVDThin)
	var v mat.Dense
	svd.VTo(&v)
	r := min(d, p.settings.Axes)
	return &twin{p, mat.DenseCopyOf(v.Slice(0, d, 0, r)), r}
}

// adapt maps a vector by x -> unit(x + V W Vᵀ x) and returns the adapted vector
// and its part in the axes.
func (w *twin) adapt(x []float32, adapter *mat.Dense) (full, z *mat.VecDense) {
	u := mat.NewVecDense(len(x), unit(x))
	var in, change mat.VecDense
	in.MulVec(w.v.T(), u)
	in.MulVec(adapter, mat.VecDenseCopyOf(&in))
	change.MulVec(w.v, &in)
	full = new(mat.VecDense)
	full.AddVec(u, &change)
	full.ScaleVec(1/mat.Norm(full, 2), full)
	z = new(mat.VecDense)
	z.MulVec(w.v.T(), full)
	return full, z
}

// gamma returns Γ = r qᵀ + a pᵀ - b nᵀ, ω and h of a triple.
func (w *twin) gamma(t lookahead.Triple, adapter *mat.Dense) (gamma *mat.Dense, omega, h float64) {
	q, zq := w.adapt(w.source.Vectors[t.Query], adapter)
	p, zp := w.adapt(w.source.Vectors[t.Positive], adapter)
	n, zn := w.adapt(w.source.Vectors[t.Negative], adapter)
	plus, minus := mat.Dot(q, p), mat.Dot(q, n)
	var r, a, b mat.VecDense
	r.SubVec(zp, zn)
	r.AddScaledVec(&r, -(plus - minus), zq)
	a.AddScaledVec(zq, -plus, zp)
	b.AddScaledVec(zq, -minus, zn)
	gamma = new(mat.Dense)
	var outer mat.Dense
	gamma.Outer(1, &r, zq)
	outer.Outer(1, &a, zp)
	gamma.Add(gamma, &outer)
	outer.Outer(-1, &b, zn)
	gamma.Add(gamma, &outer)
	omega = 1 / (1 + math.Exp((plus-minus)/w.settings.MarginScale))
	return gamma, omega, omega * (1 - omega) / w.settings.MarginScale
}

// system returns H + λ, with λ = share/r Σ h ‖Γ‖², and Σ ω Γ of the triples of
// other folds, in vec(X), and their Γ.
func (w *twin) system(fold int, adapter *mat.Dense, share float64) (system *mat.Dense, right *mat.VecDense, gammas []*mat.VecDense) {
	size := w.r * w.r
	system, right = mat.NewDense(size, size, nil), mat.NewVecDense(size, nil)
	var lambda float64
	for _, t := range w.source.Triples {
		if !w.source.Disjoint && t.Group%w.settings.Folds == fold {
			continue
		}
		gamma, omega, h := w.gamma(t, adapter)
		g := mat.NewVecDense(size, gamma.RawMatrix().Data)
		var outer mat.Dense
		outer.Outer(h, g, g)
		system.Add(system, &outer)
		right.AddScaledVec(right, omega, g)
		lambda += share * h * mat.Dot(g, g) / float64(w.r)
		gammas = append(gammas, g)
	}
	for i := range size {
		system.Set(i, i, system.At(i, i)+lambda)
	}
	return system, right, gammas
}

// step returns the adapter after one half step more.
func (w *twin) step(t *testing.T, fold int, adapter *mat.Dense) *mat.Dense {
	system, right, gammas := w.system(fold, adapter, 1)
	var x mat.VecDense
	if err := x.SolveVec(system, right); err != nil {
		t.Fatal(err)
	}
	var squares float64
	for _, g := range gammas {
		squares += mat.Dot(g, &x) * mat.Dot(g, &x)
	}
	x.ScaleVec(w.settings.MarginScale/math.Sqrt(squares/float64(len(gammas))), &x)
	xm := mat.NewDense(w.r, w.r, x.RawVector().Data)
	var next mat.Dense
	next.Mul(xm, adapter)
	next.Add(&next, xm)
	next.Scale(0.5, &next)
	next.Add(&next, adapter)
	return &next
}

// order returns the documents, best first, and all cosines.
func (w *twin) order(q lookahead.Query, adapter *mat.Dense) (order []int, cosines []float64) {
	x, _ := w.adapt(q.Vector, adapter)
	for i, v := range w.pool {
		y, _ := w.adapt(v, adapter)
		cosines = append(cosines, mat.Dot(x, y))
		if !slices.Contains(q.Ignored, i) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case cosines[a] > cosines[b]+1e-14: // equal documents have equal cosines here too, except for rounding
			return -1
		case cosines[b] > cosines[a]+1e-14:
			return 1
		}
		return 0
	})
	return order, cosines
}

func (w *twin) ndcg(q lookahead.Query, adapter *mat.Dense) float64 {
	relevant := slices.Compact(slices.Sorted(slices.Values(q.Relevant)))
	order, _ := w.order(q, adapter)
	var sum, ideal float64
	for rank := range w.settings.Cutoff {
		gain := 1 / math.Log2(float64(rank)+2)
		if rank < len(order) && slices.Contains(relevant, order[rank]) {
			sum += gain
		}
		if rank < len(relevant) {
			ideal += gain
		}
	}
	return sum / ideal
}

func TestWalkAgreesWithTwin(t *testing.T) {
	for _, c := range []struct {
		why                                     string
		seed                                    uint64
		d, documents, queries, triples, axes, n int
		disjoint                                bool
	}{
		{why: "as many axes as dimensions", seed: 1, d: 6, documents: 40, queries: 30, triples: 60, axes: 6},
		{why: "fewer axes", seed: 2, d: 12, documents: 300, queries: 40, triples: 100, axes: 5},
		{why: "few triples", seed: 3, d: 9, documents: 31, queries: 12, triples: 7, axes: 7},
		{why: "one walk", seed: 4, d: 12, documents: 50, queries: 40, triples: 50, axes: 5, disjoint: true},
		{why: "hardly more documents than the cutoff", seed: 5, d: 8, documents: 10, queries: 20, triples: 30, axes: 4},
	} {
		t.Run(c.why, func(t *testing.T) {
			p := newProblem(c.seed, c.d, c.documents, c.queries, c.triples, c.axes)
			p.source.Disjoint = c.disjoint
			space := p.space(t)
			r, err := space.Walk(t.Context(), p.source)
			if err != nil {
				t.Fatal(err)
			}
			w := newTwin(p)
			if space.Axes() != w.r {
				t.Fatalf("%d axes, twin %d", space.Axes(), w.r)
			}
			for k := range r.Folds {
				adapter := mat.NewDense(w.r, w.r, nil)
				for step := range 3 {
					adapter = w.step(t, k, adapter)
					for i, index := range space.Evaluated() {
						q := p.queries[index]
						if !c.disjoint && q.Group%p.settings.Folds != k {
							continue
						}
						frozen := w.ndcg(q, mat.NewDense(w.r, w.r, nil))
						if math.Abs(space.Frozen()[i]-frozen) > 1e-12 {
							t.Errorf("query %d has frozen nDCG %v, twin %v", index, space.Frozen()[i], frozen)
						}
						if want := w.ndcg(q, adapter) - frozen; math.Abs(r.Gains[i][step]-want) > 1e-12 {
							t.Errorf("query %d gains %v after step %d, twin %v", index, r.Gains[i][step], step, want)
						}
					}
				}
				if norm := mat.Norm(adapter, 2); math.Abs(r.Folds[k].Norm-norm) > 1e-9*norm {
					t.Errorf("fold %d has norm %v, twin %v", k, r.Folds[k].Norm, norm)
				}
			}
			compareSummary(t, r)
		})
	}
}

// compareSummary checks the means.
func compareSummary(t *testing.T, r *lookahead.Result) {
	t.Helper()
	means := make([]float64, len(r.Gains))
	for i := range means {
		means[i] = r.Mean(i)
	}
	var gain, squares float64
	for _, m := range means {
		gain += m / float64(len(means))
	}
	for _, m := range means {
		squares += (m - gain) * (m - gain)
	}
	n := float64(len(means))
	if math.Abs(r.Gain-gain) > 1e-12 || math.Abs(r.StandardError-math.Sqrt(squares/(n-1)/n)) > 1e-12 {
		t.Errorf("gain %v ± %v, want %v ± %v", r.Gain, r.StandardError, gain, math.Sqrt(squares/(n-1)/n))
	}
	var curve float64
	for _, x := range r.Curve {
		curve += x / float64(len(r.Curve))
	}
	if math.Abs(curve-gain) > 1e-12 {
		t.Errorf("the curve's mean is %v, the gain %v", curve, gain)
	}
}

// Γ is the derivative of the margin in the adapter of the vectors as they are.
func TestTwinGammaIsTheDerivative(t *testing.T) {
	p := newProblem(1, 7, 20, 10, 5, 7) // all dimensions are axes, so vectors can be adapted twice
	w := newTwin(p)
	random := rand.New(rand.NewPCG(1, 1))
	change := mat.NewDense(w.r, w.r, nil)
	for i := range w.r {
		for j := range w.r {
			change.Set(i, j, random.NormFloat64())
		}
	}
	still := mat.NewDense(w.r, w.r, nil)
	for _, triple := range p.source.Triples {
		gamma, _, _ := w.gamma(triple, still)
		margin := func(step float64) float64 {
			var adapter mat.Dense
			adapter.Scale(step, change)
			q, _ := w.adapt(p.source.Vectors[triple.Query], &adapter)
			pos, _ := w.adapt(p.source.Vectors[triple.Positive], &adapter)
			n, _ := w.adapt(p.source.Vectors[triple.Negative], &adapter)
			return mat.Dot(q, pos) - mat.Dot(q, n)
		}
		const h = 1e-5
		var along mat.Dense
		along.MulElem(gamma, change)
		if want := (margin(h) - margin(-h)) / (2 * h); math.Abs(mat.Sum(&along)-want) > 1e-8 {
			t.Errorf("<Γ, E> = %v, by differences %v", mat.Sum(&along), want)
		}
	}
}

// influences computes the influence of all triples of the twin's source.
func (w *twin) influences(t *testing.T) []float64 {
	folds := w.settings.Folds
	if w.source.Disjoint {
		folds = 1
	}
	influence := make([]float64, len(w.source.Triples))
	for k := range folds {
		adapter := mat.NewDense(w.r, w.r, nil)
		for range 4 {
			adapter = w.step(t, k, adapter)
		}
		g := mat.NewDense(w.r, w.r, nil)
		for _, q := range w.queries {
			if w.source.Disjoint || q.Group%folds == k {
				w.addGradient(g, q, adapter)
			}
		}
		system, _, _ := w.system(k, adapter, 0.25)
		var y mat.VecDense
		if err := y.SolveVec(system, mat.NewVecDense(w.r*w.r, g.RawMatrix().Data)); err != nil {
			t.Fatal(err)
		}
		for i, triple := range w.source.Triples {
			if w.source.Disjoint || triple.Group%folds != k {
				gamma, omega, _ := w.gamma(triple, adapter)
				influence[i] += omega * mat.Dot(mat.NewVecDense(w.r*w.r, gamma.RawMatrix().Data), &y)
			}
		}
	}
	return influence
}

// addGradient adds the derivative of a query's mean relevant cosine less that of
// the 10 nearest others.
func (w *twin) addGradient(g *mat.Dense, q lookahead.Query, adapter *mat.Dense) {
	relevant := slices.Compact(slices.Sorted(slices.Values(q.Relevant)))
	order, cosines := w.order(q, adapter)
	others := slices.DeleteFunc(order, func(i int) bool { return slices.Contains(relevant, i) })
	others = others[:min(10, len(others))]
	_, zq := w.adapt(q.Vector, adapter)
	for side, documents := range [][]int{relevant, others} {
		for _, document := range documents {
			weight := (1 - 2*float64(side)) / float64(len(documents))
			_, zd := w.adapt(w.pool[document], adapter)
			for _, term := range []struct {
				weight float64
				x, y   mat.Vector
			}{{1, zq, zd}, {1, zd, zq}, {-cosines[document], zq, zq}, {-cosines[document], zd, zd}} {
				var outer mat.Dense
				outer.Outer(weight*term.weight, term.x, term.y)
				g.Add(g, &outer)
			}
		}
	}
}

func TestInfluenceAgreesWithTwin(t *testing.T) {
	for _, c := range []struct {
		why       string
		documents int
		disjoint  bool
	}{
		{"folds", 60, false},
		{"one walk", 60, true},
		{"fewer than ten other documents", 9, false},
	} {
		t.Run(c.why, func(t *testing.T) {
			p := newProblem(11, 10, c.documents, 30, 50, 5)
			p.source.Disjoint = c.disjoint
			in, err := p.space(t).Influence(t.Context(), p.source)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]float64, len(p.source.Triples))
			if err := in.Score(t.Context(), got, p.source); err != nil {
				t.Fatal(err)
			}
			stored(t, in, got, p.source)
			want := newTwin(p).influences(t)
			largest := 0.0
			for _, x := range want {
				largest = max(largest, math.Abs(x))
			}
			for i := range want {
				if math.Abs(got[i]-want[i]) > 1e-9*largest {
					t.Errorf("triple %d has influence %v, twin %v", i, got[i], want[i])
				}
			}
		})
	}
}
