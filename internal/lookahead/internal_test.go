package lookahead

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// start returns a space and a source of random vectors, with all triples at the
// start.
func start(t *testing.T, triples int) (*Space, Source, *prepared, *point) {
	t.Helper()
	const d, documents, queries = 20, 150, 70
	vectors := gaussian(3, documents+queries, d, documents+queries, 0.5)
	looked := make([]Query, queries)
	for i := range looked {
		looked[i] = Query{Vector: vectors[documents+i], Group: i, Relevant: []int{i, 2 * i}}
	}
	random := rand.New(rand.NewPCG(5, 5))
	source := Source{Vectors: vectors}
	for range triples {
		q := random.IntN(queries)
		source.Triples = append(source.Triples, Triple{Query: documents + q, Positive: q, Negative: random.IntN(documents), Group: q})
	}
	s, err := NewSpace(t.Context(), vectors[:documents], looked, Settings{MarginScale: 0.3, Axes: 11})
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.prepare(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	now, err := s.at(t.Context(), p, nil, allOf(p))
	if err != nil {
		t.Fatal(err)
	}
	return s, source, p, now
}

// The factors of every triple make up Γ = e qᵀ + q eᵀ - m q qᵀ - s⁺ p pᵀ + s⁻ n nᵀ,
// also where p and n are so close that Γ is small.
func TestFactors(t *testing.T) {
	s, _, p, _ := start(t, 40)
	r := s.axes.r
	near := p.z[p.rows[7].p*r:][:r]
	copy(p.z[p.rows[7].n*r:][:r], near)
	p.z[p.rows[7].n*r] += 1e-9
	p.rows[7].minus = p.rows[7].plus - 1e-10
	p.rows[7].outsideP = p.rows[7].plus - dot(p.z[p.rows[7].q*r:][:r], near)
	p.rows[7].outsideN = p.rows[7].minus - dot(p.z[p.rows[7].q*r:][:r], p.z[p.rows[7].n*r:][:r])
	now, err := s.at(t.Context(), p, nil, allOf(p))
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range p.rows {
		q, pos, neg := p.z[w.q*r:][:r], p.z[w.p*r:][:r], p.z[w.n*r:][:r]
		plus, minus := dot(q, pos)+w.outsideP, dot(q, neg)+w.outsideN
		one := make([]float64, len(p.rows))
		one[i] = 1
		got := now.factors.combine(t.Context(), one)
		var largest float64
		for _, x := range got {
			largest = max(largest, math.Abs(x))
		}
		for a := range r {
			for b := range r {
				e := func(k int) float64 { return pos[k] - neg[k] }
				want := e(a)*q[b] + q[a]*e(b) - (plus-minus)*q[a]*q[b] - plus*(pos[a]*pos[b]-neg[a]*neg[b]) - (plus-minus)*neg[a]*neg[b]
				if math.Abs(got[a*r+b]-want) > 1e-13*largest+1e-16 {
					t.Fatalf("triple %d: Γ(%d, %d) is %v, want %v", i, a, b, got[a*r+b], want)
				}
			}
		}
		if k := now.gram.diagonal(i); math.Abs(k-dot(got, got)) > 1e-12*k {
			t.Errorf("triple %d: ‖Γ‖² is %v, want %v", i, k, dot(got, got))
		}
	}
	if tiny := now.gram.diagonal(7); tiny > 1e-16 || tiny == 0 {
		t.Errorf("the small Γ has ‖Γ‖² = %v", tiny)
	}
}

// K written out and by way of Σ x Γ are the same operator, and a part of K is K of
// a part.
func TestOperators(t *testing.T) {
	s, _, p, now := start(t, 211)
	k := now.gram.(*gram)
	other := &implicit{t.Context(), now.factors}
	x, a, b := make([]float64, k.n), make([]float64, k.n), make([]float64, k.n)
	for i := range x {
		x[i] = math.Sin(float64(i))
	}
	k.apply(a, x)
	other.apply(b, x)
	for i := range x {
		if math.Abs(a[i]-b[i]) > 1e-12*math.Sqrt(dot(a, a)) {
			t.Errorf("element %d is %v and %v", i, a[i], b[i])
		}
		if math.Abs(k.diagonal(i)-other.diagonal(i)) > 1e-13*k.diagonal(i) {
			t.Errorf("diagonal %d is %v and %v", i, k.diagonal(i), other.diagonal(i))
		}
	}
	list := []int{3, 5, 60, 61, 130, 210}
	some, err := s.at(t.Context(), p, nil, list)
	if err != nil {
		t.Fatal(err)
	}
	if part := now.part(list); !reflect.DeepEqual(part, some) {
		t.Error("a part of a point differs from the point of a part")
	}
}

// Beyond the limit K is not written out; the walk is the same.
func TestManyTriples(t *testing.T) {
	s, source, _, _ := start(t, 600)
	want, err := s.Walk(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	// Every triple as often changes nothing but the numbers of triples.
	source.Triples = slices.Repeat(source.Triples, 5)
	got, err := s.Walk(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	if got.Folds[0].Triples <= explicitLimit {
		t.Fatalf("%d triples are not many", got.Folds[0].Triples)
	}
	if math.Abs(got.Gain-want.Gain) > 1e-9 {
		t.Errorf("gain %v, five times the triples %v", want.Gain, got.Gain)
	}
	for k := range want.Folds {
		if math.Abs(got.Folds[k].Norm-want.Folds[k].Norm) > 1e-9*want.Folds[k].Norm {
			t.Errorf("norm %v, five times the triples %v", want.Folds[k].Norm, got.Folds[k].Norm)
		}
	}
}

// Cosines that are computed again for every ranking equal those that are kept.
func TestCosinesAreTheSameBits(t *testing.T) {
	s, source, _, _ := start(t, 100)
	want, err := s.Walk(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	s.cosines = cosines{}
	pool := source.Vectors[:s.documents]
	queries := source.Vectors[s.documents:]
	for i := range s.queries {
		s.queries[i].cosines = nil
	}
	err = s.compare(t.Context(), pool, lengthsOf(t, pool), queries, lengthsOf(t, queries), 0)
	if err != nil {
		t.Fatal(err)
	}
	if s.cosines.all != nil {
		t.Fatal("the cosines are kept")
	}
	got, err := s.Walk(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Error("other gains without kept cosines")
	}
}

func TestEigen3(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		var a [3][3]float64
		for i := range 3 {
			for j := range i + 1 {
				a[i][j] = random.NormFloat64() * math.Pow(10, float64(random.IntN(20)-15))
				a[j][i] = a[i][j]
			}
		}
		b := a
		v := eigen3(&b)
		var size float64
		for i := range 3 {
			for j := range 3 {
				size = max(size, math.Abs(a[i][j]))
			}
		}
		for i := range 3 {
			for j := range 3 {
				var have, product float64
				for k := range 3 {
					have += v[i][k] * b[k][k] * v[j][k]
					product += v[k][i] * v[k][j]
				}
				want := 0.0
				if i == j {
					want = 1
				}
				if math.Abs(have-a[i][j]) > 1e-14*size || math.Abs(product-want) > 1e-14 {
					t.Fatalf("%v: element (%d, %d) is %v, the vectors' product %v", a, i, j, have, product)
				}
			}
		}
	}
}

// A selection gives the first of the sorted list, with any limit.
func TestSelection(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		scores := make([]float64, 1+random.IntN(60))
		for i := range scores {
			scores[i] = float64(random.IntN(12))
			if random.IntN(8) == 0 {
				scores[i] = math.Inf(-1)
			}
		}
		b := selection{limit: 1 + random.IntN(20)}
		half := len(scores) / 2
		b.add(scores[:half], 0)
		b.add(scores[half:], half)
		var want []ranked
		for i, score := range scores {
			if !math.IsInf(score, -1) {
				want = append(want, ranked{score, i})
			}
		}
		slices.SortStableFunc(want, func(x, y ranked) int { return int(y.score - x.score) })
		if want = want[:min(len(want), b.limit)]; !slices.Equal(b.best, want) {
			t.Fatalf("%v of %v, want %v", b.best, scores, want)
		}
	}
}
