package eci_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/eci"
)

// Contract 1: the same triples in the same order under the same settings give
// the same bits for any number of cores and any batch size.
func TestSameBitsOnAnyNumberOfCoresAndBatchSize(t *testing.T) {
	sources := []eci.Source{eci.SourceOf("a", nasty(1, 1300, 40)), eci.SourceOf("b", nasty(2, 1100, 40))}
	embedded := make([]eci.Source, len(sources))
	encoder := &countingEncoder{}
	for i, s := range sources {
		rows := make([]*eci.Record, 0)
		for triple := range s.Triples {
			r := *triple.(*eci.Record)
			// One vector for each text, as a real encoder has.
			r.QueryText, r.PositiveText, r.NegativeText = fmt.Sprint("q", len(rows), r.QueryText), fmt.Sprint("p", len(rows), r.PositiveText), fmt.Sprint("n", i, len(rows), r.NegativeText)
			if i == 1 && encoder.vectors[r.QueryText] != nil {
				r.QueryVector = encoder.vectors[r.QueryText]
			}
			encoder.learn(&r)
			r.QueryVector, r.PositiveVector, r.NegativeVector = nil, nil, nil
			rows = append(rows, &r)
		}
		embedded[i] = eci.SourceOf(s.Name, rows)
	}
	run := func(cores int, sem eci.Sem, sources []eci.Source) string {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
		ranking, err := eci.Rank(t.Context(), &sem, sources...)
		if err != nil {
			t.Fatal(err)
		}
		return asJSON(t, ranking)
	}
	want := run(1, eci.Sem{}, sources)
	for _, cores := range []int{2, 3, 7} {
		if diff := cmp.Diff(want, run(cores, eci.Sem{}, sources)); diff != "" {
			t.Errorf("%d cores:\n%s", cores, diff)
		}
	}
	want = run(1, eci.Sem{Embedder: encoder}, embedded)
	for i, size := range []int{1, 7, 100, 5000} {
		if diff := cmp.Diff(want, run(1+i, eci.Sem{Embedder: encoder, BatchSize: size}, embedded)); diff != "" {
			t.Errorf("batches of %d:\n%s", size, diff)
		}
	}
}

// TestEachTextIsEmbeddedOnce: queries and positives repeat in every source.
func TestEachTextIsEmbeddedOnce(t *testing.T) {
	encoder := &countingEncoder{vectors: make(map[string][]float32)}
	rows := func(name string) (rows []*eci.Record) {
		for i := range 900 {
			r := &eci.Record{QueryText: fmt.Sprint("q", i/3), PositiveText: fmt.Sprint("p", i/3), NegativeText: fmt.Sprint(name, i)}
			for _, text := range []string{r.QueryText, r.PositiveText, r.NegativeText} {
				encoder.vectors[text] = []float32{1, float32(len(text)), float32(text[len(text)-1] - '0'), float32(i % 17)}
			}
			rows = append(rows, r)
		}
		return rows
	}
	ranking, err := eci.Rank(t.Context(), &eci.Sem{Embedder: encoder}, eci.SourceOf("a", rows("a")), eci.SourceOf("b", rows("b")), eci.SourceOf("c", rows("c")))
	if err != nil {
		t.Fatal(err)
	}
	if want := 300 + 300 + 3*900; encoder.texts != want || ranking.Embedded != want {
		t.Errorf("%d texts embedded, the ranking says %d; there are %d distinct ones", encoder.texts, ranking.Embedded, want)
	}
}

// Contract 1: merging is commutative to the bit and within 1e-12 of one pass.
func TestMergeIsCommutativeAndAgreesWithOnePass(t *testing.T) {
	config := eci.MatrixConfig{Dimension: 24, Groups: 6, Settings: "test"}
	build := func(from, to int) *eci.Matrix {
		m, err := eci.NewMatrix(config)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range nasty(9, 900, 24) {
			residual := make([]float64, 24)
			for k := range residual {
				residual[k] = float64(r.PositiveVector[k]) / math.Sqrt(squareOf(r.PositiveVector))
			}
			if i >= from && i < to {
				if err := m.Add(i%6, float64(i%10)/10, residual); err != nil {
					t.Fatal(err)
				}
			}
		}
		return m
	}
	all, left, right, other := build(0, 900), build(0, 333), build(333, 900), build(333, 900)
	if err := left.Merge(right); err != nil {
		t.Fatal(err)
	}
	if err := other.Merge(build(0, 333)); err != nil {
		t.Fatal(err)
	}
	l, o, one := left.Symmetric(), other.Symmetric(), all.Symmetric()
	for i := range 24 {
		for j := range i + 1 {
			if l.At(i, j) != o.At(i, j) {
				t.Fatalf("merging in another order changes %d,%d: %v and %v", i, j, l.At(i, j), o.At(i, j))
			}
			if math.Abs(l.At(i, j)-one.At(i, j)) > 1e-12*math.Sqrt(one.At(i, i)*one.At(j, j)) {
				t.Errorf("%d,%d: merged %v, in one pass %v", i, j, l.At(i, j), one.At(i, j))
			}
		}
	}
	if right.Triples() != 567 {
		t.Errorf("merging changed its argument: %d triples", right.Triples())
	}
	a, err := left.LogDet()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := all.LogDet(); err != nil || !relative(a, b, 1e-12) {
		t.Errorf("merged score %v, in one pass %v (%v)", a, b, err)
	}
}

func squareOf(v []float32) (s float64) {
	for _, x := range v {
		s += float64(x) * float64(x)
	}
	return s
}

// Contract 3: the caller's data is never changed, and texts given to an Embedder
// are copies.
func TestCallersDataIsNotChanged(t *testing.T) {
	rows, untouched := nasty(4, 300, 12), nasty(4, 300, 12)
	if _, err := eci.Rank(t.Context(), &eci.Sem{}, eci.SourceOf("a", rows)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(untouched, rows); diff != "" {
		t.Error(diff)
	}
	vandal := &vandalEncoder{}
	want, err := eci.Rank(t.Context(), &eci.Sem{Embedder: &vandalEncoder{tame: true}, BatchSize: 16}, texts("a", 100))
	if err != nil {
		t.Fatal(err)
	}
	got, err := eci.Rank(t.Context(), &eci.Sem{Embedder: vandal, BatchSize: 16}, texts("a", 100))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(asJSON(t, want), asJSON(t, got)); diff != "" {
		t.Errorf("an Embedder that changes what it is given and reuses what it returned changes the result:\n%s", diff)
	}
}

// vandalEncoder overwrites the slice of texts and reuses its vectors.
type vandalEncoder struct {
	tame bool
	kept [][]float32
}

func (e *vandalEncoder) EmbedDocuments(_ context.Context, texts []string) ([][]float32, error) {
	if e.tame || e.kept == nil || len(e.kept) < len(texts) {
		e.kept = make([][]float32, len(texts))
		for i := range e.kept {
			e.kept[i] = make([]float32, 4)
		}
	}
	for i, text := range texts {
		copy(e.kept[i], []float32{1, float32(len(text)), float32(text[0]), float32(text[len(text)-1])})
		if !e.tame {
			texts[i] = "changed"
		}
	}
	return e.kept[:len(texts)], nil
}

func (e *vandalEncoder) EmbedQuery(ctx context.Context, text string) ([]float32, error) {
	out, err := e.EmbedDocuments(ctx, []string{text})
	if err != nil {
		return nil, err
	}
	return slices.Clone(out[0]), nil
}

// Contract 4: memory does not grow with the number of triples.
func TestMemoryDoesNotGrowWithTriples(t *testing.T) {
	if eci.UnderRace {
		t.Skip("sync.Pool forgets at random under the race detector, so working memory is made anew")
	}
	endless := func(n int) eci.Source {
		return eci.Source{Name: "endless", Triples: func(yield func(eci.Triple, error) bool) {
			rows := nasty(5, 64, 16)
			for i := range n {
				if !yield(rows[i%len(rows)], nil) {
					return
				}
			}
		}}
	}
	allocated := func(n int) uint64 {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		if _, err := eci.Rank(t.Context(), &eci.Sem{}, endless(n)); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	allocated(100) // what is allocated once in a process
	// All that was ever allocated, collected or not, so that the test does not
	// depend on when the collector runs.
	few, many := allocated(4_000), allocated(24_000)
	if grown := float64(many-few) / 20_000; grown > 200 {
		t.Errorf("%.0f bytes allocated per triple, want less than a tenth of what one holds", grown)
	}
}

// TestBudgetIsNestedAndByText: the same triple is always in or always out.
func TestBudgetIsNestedAndByText(t *testing.T) {
	rows := nasty(6, 400, 6)
	for i, r := range rows {
		r.NegativeText += fmt.Sprint(" ", i)
	}
	inside := func(budget int, rows []*eci.Record) map[string]bool {
		in := make(map[string]bool)
		probe := &probeComponent{seen: in}
		// The checks weigh triples of their own making.
		sem := &eci.Sem{Budget: budget, Seed: 3, Components: []eci.Component{probe}, NoChecks: true}
		if _, err := eci.Rank(t.Context(), sem, eci.SourceOf("a", rows)); err != nil {
			t.Fatal(err)
		}
		if len(in) != budget {
			t.Errorf("%d triples in a budget of %d", len(in), budget)
		}
		return in
	}
	small, large := inside(50, rows), inside(200, rows)
	for text := range small {
		if !large[text] {
			t.Errorf("%q is in a budget of 50 but not of 200", text)
		}
	}
	slices.Reverse(rows)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(small)), slices.Sorted(maps.Keys(inside(50, rows)))); diff != "" {
		t.Errorf("the sample depends on the order of the triples:\n%s", diff)
	}
	// Equal budgets are the smallest source's.
	ranking, err := eci.Rank(t.Context(), &eci.Sem{}, eci.SourceOf("a", rows), eci.SourceOf("b", rows[:123]))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range ranking.Ranked {
		if s.Totals.Triples != 123 {
			t.Errorf("%s: %d triples, want the smallest source's 123", s.Source, s.Totals.Triples)
		}
	}
}

// probeComponent notes the negatives it is asked about.
type probeComponent struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (*probeComponent) Name() string { return "probe" }

func (p *probeComponent) Weight(e *eci.Evidence) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[e.Record.NegativeText] = true
	return 1
}
