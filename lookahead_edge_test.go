package eci

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/eci/internal/hash64"
)

// world is a made-up retrieval task: queries near their one positive, documents in
// clusters, and negatives of several kinds.
type world struct {
	random    *rand.Rand
	d         int
	queries   [][]float32
	documents [][]float32 // the positive of query i is document i
}

func newWorld(seed uint64, queries, documents, d int) *world {
	w := &world{random: rand.New(rand.NewPCG(seed, 1)), d: d}
	var centers [][]float32
	for range max(1, documents/10) {
		centers = append(centers, w.vector(nil, 1))
	}
	for i := range documents {
		w.documents = append(w.documents, w.vector(centers[i%len(centers)], 0.7))
	}
	for i := range queries {
		w.queries = append(w.queries, w.vector(w.documents[i], 1.6))
	}
	return w
}

// vector is a center with noise.
func (w *world) vector(center []float32, noise float64) []float32 {
	v := make([]float32, w.d)
	for k := range v {
		v[k] = float32(noise * w.random.NormFloat64())
		if center != nil {
			v[k] += center[k]
		}
	}
	return v
}

// source has each query with negatives from pick, which returns a document's place.
func (w *world) source(name string, perQuery int, pick func(query, k int) int) Source {
	var rows []*Record
	for q := range w.queries {
		for k := range perQuery {
			n := pick(q, k)
			rows = append(rows, &Record{
				QueryID: fmt.Sprint("q", q), QueryText: fmt.Sprint("query number ", q), QueryVector: w.queries[q],
				PositiveID: fmt.Sprint("d", q), PositiveText: fmt.Sprint("passage number ", q), PositiveVector: w.documents[q],
				NegativeID: fmt.Sprint("d", n), NegativeText: fmt.Sprint("passage number ", n), NegativeVector: w.documents[n],
			})
		}
	}
	return SourceOf(name, rows)
}

func (w *world) randomSource(name string, seed uint64) Source {
	return w.source(name, 3, func(q, k int) int {
		return (q + 1 + int(hash64.Mix(seed^uint64(1000*q+k))%uint64(len(w.documents)-1))) % len(w.documents)
	})
}

// nearSource has the k-th documents of the query's own cluster.
func (w *world) nearSource(name string) Source {
	clusters := max(1, len(w.documents)/10)
	return w.source(name, 3, func(q, k int) int { return (q + clusters*(k+1)) % len(w.documents) })
}

func (w *world) pool() iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		for i, v := range w.documents {
			if !yield(Document{ID: fmt.Sprint("d", i), Text: fmt.Sprint("passage number ", i), Vector: v}, nil) {
				return
			}
		}
	}
}

// TestScoresDoNotDependOnTheCompany: at a fixed budget and with the same labeled
// pairs, adding or removing a source changes nothing of another, nor of the
// comparison of two others.
func TestScoresDoNotDependOnTheCompany(t *testing.T) {
	w := newWorld(1, 80, 250, 24)
	sources := []Source{w.randomSource("a", 1), w.nearSource("b"), w.randomSource("c", 2), w.randomSource("d", 3)}
	of := func(sources ...Source) (scores map[string]string, pairs map[string]Pair) {
		ranking, err := Rank(t.Context(), &Lookahead{Sem: Sem{Budget: 150}}, sources...)
		if err != nil {
			t.Fatal(err)
		}
		scores, pairs = make(map[string]string), make(map[string]Pair)
		for _, s := range ranking.Ranked {
			var o object
			s.Score.fields(&o)
			raw, err := o.done()
			if err != nil {
				t.Fatal(err)
			}
			scores[s.Source] = string(raw)
		}
		for _, p := range ranking.Pairs {
			pairs[p.Better+" over "+p.Worse] = p
		}
		return scores, pairs
	}
	scores, pairs := of(sources...)
	for left := range sources {
		var others []Source
		for i, s := range sources {
			if i != left {
				others = append(others, s)
			}
		}
		fewer, fewerPairs := of(others...)
		for name, score := range fewer {
			if diff := cmp.Diff(scores[name], score); diff != "" {
				t.Errorf("%s depends on %s:\n%s", name, sources[left].Name, diff)
			}
		}
		for name, p := range fewerPairs {
			if pairs[name] != p {
				t.Errorf("%s depends on %s: %+v, %+v", name, sources[left].Name, pairs[name], p)
			}
		}
	}
}

// TestLookaheadEdges: each is a clear note or error, never a number that looks sure.
func TestLookaheadEdges(t *testing.T) {
	usual := newWorld(2, 80, 250, 24)
	few, small := newWorld(3, 20, 250, 24), newWorld(4, 80, 90, 24)
	easy := newWorld(5, 80, 250, 24)
	for q := range easy.queries {
		easy.queries[q] = easy.documents[q]
	}
	hopeless := newWorld(6, 80, 250, 24)
	for q := range hopeless.queries {
		for k, x := range hopeless.documents[q] {
			hopeless.queries[q][k] = -x
		}
	}
	oneFold := newWorld(7, 300, 400, 24)
	var fold []*Record
	for triple := range oneFold.randomSource("a", 1).Triples {
		if r := triple.(*Record); r.queryKey()%foldGroups%folds == 0 {
			fold = append(fold, r)
		}
	}
	var nameless []*Record
	for triple := range usual.randomSource("a", 1).Triples {
		r := *triple.(*Record)
		r.QueryID = ""
		nameless = append(nameless, &r)
	}
	twins := func(yield func(Document, error) bool) {
		for d, err := range usual.pool() {
			if !yield(d, err) {
				return
			}
		}
		yield(Document{ID: "copy", Text: "passage number 3", Vector: usual.documents[3]}, nil)
	}
	for _, test := range []struct {
		reason  string
		scorer  Lookahead
		source  Source
		note    string
		doubted bool
	}{
		{"as it should be", Lookahead{Pool: usual.pool(), Relevant: map[string][]string{"q1": {"d1"}}}, usual.randomSource("a", 1), "", false},
		{"few queries", Lookahead{Pool: few.pool()}, few.randomSource("a", 1), "20 labeled queries are too few", true},
		{"a small pool", Lookahead{}, small.randomSource("a", 1), "a pool of 80 documents is too small", true},
		{"nothing to gain", Lookahead{Pool: easy.pool()}, easy.randomSource("a", 1), "nothing to gain", true},
		{"no signal", Lookahead{Pool: hopeless.pool()}, hopeless.randomSource("a", 1), "finds nothing", true},
		{"one fold", Lookahead{Pool: oneFold.pool()}, SourceOf("a", fold), "in one fold", true},
		{"no judgments beyond the triples", Lookahead{Pool: usual.pool()}, usual.randomSource("a", 1), "--qrels", false},
		{"fewer dimensions than axes", Lookahead{Pool: usual.pool()}, usual.randomSource("a", 1), "24 axes, fewer than 128", false},
		{"equal documents", Lookahead{Pool: twins}, usual.randomSource("a", 1), "have the text of another", false},
		{"queries without an id", Lookahead{Pool: usual.pool(), Relevant: map[string][]string{"q1": {"d1"}}}, SourceOf("a", nameless), "have no id", false},
	} {
		ranking, err := Rank(t.Context(), &test.scorer, test.source)
		if err != nil {
			t.Errorf("%s: %v", test.reason, err)
			continue
		}
		table := ranking.String()
		if !strings.Contains(table, test.note) || strings.Contains(table, "NaN") || strings.Contains(table, "Inf") {
			t.Errorf("%s: want a note with %q and finite numbers:\n%s", test.reason, test.note, table)
		}
		if doubted := ranking.Verdict.Action == ActionUnknown; doubted != test.doubted {
			t.Errorf("%s: the verdict is %+v", test.reason, ranking.Verdict)
		}
	}
	bad := func(yield func(Document, error) bool) { yield(Document{}, nil) }
	missing := func(yield func(Document, error) bool) { yield(Document{ID: "gone"}, nil) }
	same := newWorld(8, 80, 250, 24)
	for i := range same.documents {
		same.documents[i] = same.documents[0]
	}
	for _, test := range []struct {
		reason string
		scorer Lookahead
		source Source
		kind   error
		says   string
	}{
		{"negative triples", Lookahead{Triples: -7}, usual.randomSource("a", 1), ErrSettings, "-7 triples"},
		{"a negative cutoff", Lookahead{Cutoff: -1}, usual.randomSource("a", 1), ErrSettings, "cutoff"},
		{"too many axes", Lookahead{Axes: 5000}, usual.randomSource("a", 1), ErrSettings, "axes"},
		{"a document without id and text", Lookahead{Pool: bad}, usual.randomSource("a", 1), ErrMissingField, "document 1"},
		{"a document without a vector", Lookahead{Pool: missing}, usual.randomSource("a", 1), ErrMissingVector, "pool"},
		{"a pool that fails", Lookahead{Pool: func(yield func(Document, error) bool) { yield(Document{}, ErrMalformed) }}, usual.randomSource("a", 1), ErrMalformed, "pool"},
	} {
		_, err := Rank(t.Context(), &test.scorer, test.source)
		if !errors.Is(err, test.kind) || !strings.HasPrefix(err.Error(), "eci: ") || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", test.reason, err)
		}
	}
}

// TestLookaheadForms: alone, resumed from a checkpoint and on one core it gives the
// same bits.
func TestLookaheadForms(t *testing.T) {
	w := newWorld(9, 80, 250, 24)
	sources := []Source{w.randomSource("a", 1), w.nearSource("b"), w.randomSource("c", 2)}
	bits := func(scorer Scorer) string {
		ranking, err := Rank(t.Context(), scorer, sources...)
		if err != nil {
			t.Fatal(err)
		}
		mix, err := ranking.ForecastMix(t.Context(), map[string]float64{"a": 1, "b": 2})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := ranking.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(string(raw), mix.Gain, mix.After, mix.StandardError)
	}
	const few = 160 // triples of each source
	want := bits(&Lookahead{Pool: w.pool(), Triples: few})
	kept := &Lookahead{Pool: w.pool(), Triples: few, Sem: Sem{Checkpoint: t.TempDir()}}
	for _, what := range []string{"with a checkpoint", "resumed"} {
		if diff := cmp.Diff(want, bits(kept)); diff != "" {
			t.Errorf("%s:\n%s", what, diff)
		}
	}
	other := *kept
	other.Cutoff = 5
	fresh := &Lookahead{Pool: w.pool(), Triples: few, Cutoff: 5}
	if diff := cmp.Diff(bits(fresh), bits(&other)); diff != "" {
		t.Errorf("a checkpoint of another cutoff was used:\n%s", diff)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if diff := cmp.Diff(want, bits(&Lookahead{Pool: w.pool(), Triples: few})); diff != "" {
		t.Errorf("on one core:\n%s", diff)
	}
}

// TestForecastMix: a single source is its own mixture, and halves are what
// walking on halves gives.
func TestForecastMix(t *testing.T) {
	w := newWorld(10, 80, 250, 24)
	ranking, err := Rank(t.Context(), &Lookahead{Pool: w.pool(), Triples: 100}, w.randomSource("a", 1), w.nearSource("b"))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := ranking.Find("a")
	alone, err := ranking.ForecastMix(t.Context(), map[string]float64{"a": 3, "b": 0})
	if err != nil || math.Abs(alone.Gain-a.Forecast.Gain) > 1e-12 || alone.Triples != 100 {
		t.Errorf("alone: %+v, %v, want %v", alone, err, a.Forecast.Gain)
	}
	half, err := ranking.ForecastMix(t.Context(), map[string]float64{"a": 1, "b": 1})
	if err != nil || half.Triples != 100 {
		t.Errorf("halves: %+v, %v", half, err)
	}
	if d := half.Over(a.Forecast); d == nil || d.Value != half.Gain-a.Forecast.Gain || !(d.Low < d.Value && d.Value < d.High) {
		t.Errorf("halves over a: %+v", d)
	}
	for _, test := range []struct {
		reason string
		shares map[string]float64
		kind   error
	}{
		{"nobody", map[string]float64{"x": 1}, ErrSourceName},
		{"nothing", map[string]float64{"a": 0}, ErrSettings},
		{"negative", map[string]float64{"a": -1, "b": 2}, ErrSettings},
		{"not finite", map[string]float64{"a": math.Inf(1)}, ErrSettings},
	} {
		if _, err := ranking.ForecastMix(t.Context(), test.shares); !errors.Is(err, test.kind) {
			t.Errorf("%s: %v", test.reason, err)
		}
	}
	byS, err := Rank(t.Context(), &Sem{}, w.randomSource("a", 1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := byS.ForecastMix(t.Context(), map[string]float64{"a": 1}); !errors.Is(err, ErrIncompatible) {
		t.Error("a ranking without forecasts:", err)
	}
}

// TestRaceByForecast drops a source whose negatives are its positives' twins, and
// keeps the best; the forecasts of those that stay are those of a ranking.
func TestRaceByForecast(t *testing.T) {
	w := newWorld(11, 400, 600, 32)
	// Negatives that are copies of the query: to push them away spoils retrieval.
	poison := w.source("poison", 2, func(q, k int) int { return q })
	var rows []*Record
	for triple := range poison.Triples {
		r := *triple.(*Record)
		r.NegativeID, r.NegativeText = r.NegativeID+"-twin", r.NegativeText+" again"
		r.NegativeVector = w.vector(r.PositiveVector, 0.02)
		rows = append(rows, &r)
	}
	sources := []Source{SourceOf("poison", rows), w.nearSource("near"), w.randomSource("random", 1)}
	race := &Race{Lookahead: &Lookahead{Pool: w.pool()}}
	ranking, err := Rank(t.Context(), race, sources...)
	if err != nil {
		t.Fatal(err)
	}
	poisoned, _ := ranking.Find("poison")
	if poisoned.Dropped == 0 || poisoned.Rank != 3 || ranking.Race.Share > 1 {
		t.Errorf("poison was not dropped: %+v\n%s", ranking.Race, ranking)
	}
	if ranking.Scorer != "lookahead" || ranking.Best().Forecast == nil || len(ranking.Pairs) != 3 || ranking.Pairs[1].StandardError == 0 {
		t.Errorf("no comparison: %+v", ranking.Pairs)
	}
	whole, err := Rank(t.Context(), &Lookahead{Pool: w.pool(), Sem: Sem{NoChecks: true}}, sources...)
	if err != nil {
		t.Fatal(err)
	}
	if ranking.Best().Source != whole.Best().Source {
		t.Errorf("the race chose %s, the ranking %s", ranking.Best().Source, whole.Best().Source)
	}
}

// TestMinerGains: assertions by forecast hold for a helpful source and fail with
// the table for a harmful one, and for too few queries.
func TestMinerGains(t *testing.T) {
	w := newWorld(12, 200, 400, 32)
	var rows []*Record
	for triple := range w.source("poison", 2, func(q, k int) int { return q }).Triples {
		r := *triple.(*Record)
		r.NegativeID, r.NegativeText = r.NegativeID+"-twin", r.NegativeText+" again"
		r.NegativeVector = w.vector(r.PositiveVector, 0.02)
		rows = append(rows, &r)
	}
	poison, near := SourceOf("poison", rows), w.nearSource("near")
	m := &MinerTest{Lookahead: Lookahead{Pool: w.pool()}}
	for _, test := range []struct {
		reason string
		holds  bool
		assert func(t TB) bool
		says   string
	}{
		{"no worse than a great loss", true, func(t TB) bool { return m.GainAtLeast(context.Background(), t, -0.5, near, poison) }, ""},
		{"a gain that nothing has", false, func(t TB) bool { return m.GainAtLeast(context.Background(), t, 0.9, near) }, "P(at least 0.9) 0.000"},
		{"a poisoned source", false, func(t TB) bool { return m.GainAtLeast(context.Background(), t, 0, poison) }, "poison would change nDCG@10"},
		{"better than a poisoned one", true, func(t TB) bool { return m.Improves(context.Background(), t, near, poison) }, ""},
		{"a poisoned one is not", false, func(t TB) bool { return m.Improves(context.Background(), t, poison, near) }, "poison is not shown to improve on near"},
		{"a pool that is too small", false, func(t TB) bool {
			return (&MinerTest{}).GainAtLeast(context.Background(), t, -1, newWorld(13, 60, 100, 16).nearSource("near"))
		}, "No verdict"},
	} {
		said := &sayings{}
		if held := test.assert(said); held != test.holds || held != (said.text == "") || !strings.Contains(said.text, test.says) {
			t.Errorf("%s: held %v, said %s", test.reason, held, said.text)
		}
	}
}

// sayings is a TB that remembers.
type sayings struct{ text string }

func (s *sayings) Helper()                           {}
func (s *sayings) Name() string                      { return "TestMiner" }
func (s *sayings) Errorf(format string, args ...any) { s.text += fmt.Sprintf(format, args...) }
func (s *sayings) Fatalf(format string, args ...any) {
	s.text += "fatal: " + fmt.Sprintf(format, args...)
}

// TestPoolOfTexts: a pool of texts, whose vectors are known by them, has the labeled
// positives of rows without ids, which else would compete with themselves.
func TestPoolOfTexts(t *testing.T) {
	p := &pool{byID: map[string]int{"a text": 3}, byText: map[fingerprint]int{}, corpus: true}
	if i, ok := p.find("", "a text"); i != 3 || !ok {
		t.Errorf("place %d, found %v", i, ok)
	}
	if _, ok := p.find("", "another"); ok {
		t.Error("a text that is not there was found")
	}
}

// TestTargetVectorsByText: documents of a target that have ids are found by their texts
// where its vectors are known by texts.
func TestTargetVectorsByText(t *testing.T) {
	a := &aim{Target: &Target{Vectors: VectorMap{Documents: map[string][]float32{"a text": {1, 2}}}}}
	var v []float32
	if err := a.vector(documentRole, &v, "d1", "a text"); err != nil || len(v) != 2 {
		t.Errorf("vector %v, error %v", v, err)
	}
	v = nil
	if err := a.vector(documentRole, &v, "d1", "another"); !errors.Is(err, ErrMissingVector) {
		t.Errorf("vector %v, error %v", v, err)
	}
}
