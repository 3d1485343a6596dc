package eci

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/eci/internal/sorted"
)

// hashEncoder is an [Embedder] whose vectors depend on role and text alone. It
// counts how often it is asked for each.
type hashEncoder struct {
	seed       uint64
	components int

	mutex sync.Mutex
	asked map[string]int
}

func (e *hashEncoder) vector(role, text string) []float32 {
	h := fnv.New64a()
	h.Write([]byte(role + "\x00" + text))
	random := rand.New(rand.NewPCG(h.Sum64(), e.seed))
	v := make([]float32, e.components)
	for k := range v {
		v[k] = float32(random.NormFloat64())
	}
	return v
}

func (e *hashEncoder) embed(role string, texts []string) [][]float32 {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if e.asked == nil {
		e.asked = make(map[string]int)
	}
	out := make([][]float32, len(texts))
	for i, text := range texts {
		e.asked[role+" "+text]++
		out[i] = e.vector(role, text)
	}
	return out
}

func (e *hashEncoder) EmbedDocuments(_ context.Context, texts []string) ([][]float32, error) {
	return e.embed("document", texts), nil
}

func (e *hashEncoder) EmbedQueries(_ context.Context, texts []string) ([][]float32, error) {
	return e.embed("query", texts), nil
}

func (e *hashEncoder) EmbedQuery(_ context.Context, text string) ([]float32, error) {
	return e.embed("query", []string{text})[0], nil
}

// repeated lists what was asked for more than once.
func (e *hashEncoder) repeated() (texts []string) {
	for _, text := range sorted.Keys(e.asked) {
		if e.asked[text] > 1 {
			texts = append(texts, text)
		}
	}
	return texts
}

// textSources are two sources that share queries and positives, with ids and
// without vectors.
func textSources(queries int) []Source {
	sources := make([]Source, 2)
	for s := range sources {
		var rows []*Record
		for q := range queries {
			for k := range 2 {
				rows = append(rows, &Record{
					QueryID: fmt.Sprint("q", q), QueryText: fmt.Sprint("question ", q),
					PositiveID: fmt.Sprint("p", q), PositiveText: fmt.Sprint("answer ", q),
					NegativeID: fmt.Sprintf("n%d-%d-%d", s, q, k), NegativeText: fmt.Sprintf("passage %d of miner %d for %d", k, s, q),
					File: "rows", Row: len(rows) + 1,
				})
			}
		}
		sources[s] = SourceOf([]string{"one", "two"}[s], rows)
	}
	return sources
}

// withVectors gives triples the encoder's vectors.
func withVectors(e *hashEncoder, sources []Source) []Source {
	out := make([]Source, len(sources))
	for i, s := range sources {
		out[i] = Source{Name: s.Name, Triples: func(yield func(Triple, error) bool) {
			for t, err := range s.Triples {
				r := *t.(*Record)
				r.QueryVector, r.PositiveVector, r.NegativeVector = e.vector("query", r.QueryText), e.vector("document", r.PositiveText), e.vector("document", r.NegativeText)
				if !yield(&r, err) {
					return
				}
			}
		}}
	}
	return out
}

// tablesOf holds the encoder's vectors of sources, by id.
func tablesOf(e *hashEncoder, sources []Source) VectorMap {
	m := VectorMap{Queries: make(map[string][]float32), Documents: make(map[string][]float32)}
	for _, s := range withVectors(e, sources) {
		for t := range s.Triples {
			r := t.(*Record)
			m.Queries[r.QueryID], m.Documents[r.PositiveID], m.Documents[r.NegativeID] = r.QueryVector, r.PositiveVector, r.NegativeVector
		}
	}
	return m
}

// bitsOf is a ranking as JSON, without the count of texts sent.
func bitsOf(t *testing.T, scorer Scorer, sources ...Source) string {
	t.Helper()
	r, err := Rank(t.Context(), scorer, sources...)
	if err != nil {
		t.Fatal(err)
	}
	r.Embedded = 0
	raw, err := r.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestEveryWayToVectorsInEveryMode: where vectors come from, and what of them is
// at hand, changes neither the ranking nor how it ends.
func TestEveryWayToVectorsInEveryMode(t *testing.T) {
	const queries = 60
	texts := textSources(queries)
	encoder := func() *hashEncoder { return &hashEncoder{components: 6} }
	ways := []struct {
		name string
		make func() (Sem, []Source)
	}{
		{"own vectors", func() (Sem, []Source) { return Sem{}, withVectors(encoder(), texts) }},
		{"tables", func() (Sem, []Source) { return Sem{Vectors: tablesOf(encoder(), texts)}, texts }},
		{"embedder", func() (Sem, []Source) { return Sem{Embedder: encoder()}, texts }},
		{"tables of one source, embedder for the other", func() (Sem, []Source) {
			return Sem{Vectors: tablesOf(encoder(), texts[:1]), Embedder: encoder()}, texts
		}},
		// An encoder of more components begins with the same ones.
		{"the first of longer own vectors", func() (Sem, []Source) {
			return Sem{Dimensions: 6}, withVectors(&hashEncoder{components: 9}, texts)
		}},
		{"the first of longer tables", func() (Sem, []Source) {
			return Sem{Dimensions: 6, Vectors: tablesOf(&hashEncoder{components: 9}, texts)}, texts
		}},
		{"the first of a larger embedder", func() (Sem, []Source) {
			return Sem{Dimensions: 6, Embedder: &hashEncoder{components: 9}}, texts
		}},
	}
	modes := []struct {
		name string
		rank func(t *testing.T, sem Sem, sources []Source) string
	}{
		{"fresh", func(t *testing.T, sem Sem, sources []Source) string { return bitsOf(t, &sem, sources...) }},
		{"resumed after the first source", func(t *testing.T, sem Sem, sources []Source) string {
			sem.Checkpoint = filepath.Join(t.TempDir(), "kept")
			ctx, cancel := context.WithCancel(t.Context())
			stopped := sem
			stopped.Progress = func(p Progress) {
				if p.Stage == "score" && p.Source == "two" {
					cancel()
				}
			}
			if _, err := Rank(ctx, &stopped, sources...); err == nil {
				t.Fatal("it was to be stopped")
			}
			return bitsOf(t, &sem, sources...)
		}},
		{"frozen calibration", func(t *testing.T, sem Sem, sources []Source) string {
			calibration, err := sem.Calibrate(t.Context(), sources...)
			if err != nil {
				t.Fatal(err)
			}
			sem.Calibration = calibration
			if e, ok := sem.Embedder.(*hashEncoder); ok {
				sem.Embedder = &hashEncoder{components: e.components}
			}
			return bitsOf(t, &sem, sources...)
		}},
		{"small cache", func(t *testing.T, sem Sem, sources []Source) string {
			sem.CacheBytes = 2000
			return bitsOf(t, &sem, sources...)
		}},
		{"no cache", func(t *testing.T, sem Sem, sources []Source) string {
			sem.CacheBytes = 1
			return bitsOf(t, &sem, sources...)
		}},
		{"part of the triples", func(t *testing.T, sem Sem, sources []Source) string {
			sem.Budget, sem.CacheBytes = 90, 2000
			return bitsOf(t, &sem, sources...)
		}},
		{"race", func(t *testing.T, sem Sem, sources []Source) string { return bitsOf(t, &Race{Sem: sem}, sources...) }},
		{"race, small cache", func(t *testing.T, sem Sem, sources []Source) string {
			sem.CacheBytes = 2000
			return bitsOf(t, &Race{Sem: sem}, sources...)
		}},
		{"baseline", func(t *testing.T, sem Sem, sources []Source) string {
			sem.CacheBytes = 2000
			return bitsOf(t, &Baseline{Sem: sem, Measure: Measures()[0]}, sources...)
		}},
		{"miner test with a reference", func(t *testing.T, sem Sem, sources []Source) string {
			test := MinerTest{Sem: sem, Reference: sources[1:]}
			test.BeatsControls(t.Context(), saying{t}, sources[0])
			return ""
		}},
	}
	for _, mode := range modes {
		for _, checks := range []bool{true, false} {
			var want string
			for _, way := range ways {
				name := fmt.Sprintf("%s/%s/checks %t", mode.name, way.name, checks)
				t.Run(name, func(t *testing.T) {
					sem, sources := way.make()
					sem.NoChecks = !checks
					got := mode.rank(t, sem, sources)
					if checks && !strings.Contains(mode.name, "race") && mode.name != "baseline" && got != "" && !strings.Contains(got, `"controls"`) {
						t.Error("no controls")
					}
					if want == "" {
						want = got
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("differs from own vectors:\n%s", diff)
					}
				})
			}
		}
	}
}

// saying is a TB for assertions that may fail, but not break.
type saying struct{ *testing.T }

func (s saying) Errorf(format string, args ...any) {}

// TestDimensionsOfShorterVectors: fewer components than Dimensions asks for are
// refused where they come from; a calibration of other dimensions, too.
func TestDimensionsOfShorterVectors(t *testing.T) {
	texts := textSources(20)
	short := func() *hashEncoder { return &hashEncoder{components: 6} }
	calibration, err := (&Sem{Dimensions: 4}).Calibrate(t.Context(), withVectors(short(), texts)...)
	if err != nil || calibration.Dimension != 4 {
		t.Fatal(err)
	}
	for reason, test := range map[string]struct {
		sem     Sem
		sources []Source
		says    string
	}{
		"own vectors": {Sem{Dimensions: 7}, withVectors(short(), texts), "fewer than the 7 of Sem.Dimensions"},
		"tables":      {Sem{Dimensions: 7, Vectors: tablesOf(short(), texts)}, texts, "fewer than the 7 of Sem.Dimensions"},
		"an embedder": {Sem{Dimensions: 7, Embedder: short()}, texts, "fewer than the 7 of Sem.Dimensions"},
		// Vectors that are cut already come from elsewhere than those that are not.
		"own of two lengths":   {Sem{Dimensions: 4}, append(withVectors(short(), texts[:1]), withVectors(&hashEncoder{components: 4}, texts[1:])...), "others have 6"},
		"another calibration":  {Sem{Dimensions: 5, Calibration: calibration}, withVectors(short(), texts), "5 components, the calibration 4"},
		"all of a calibration": {Sem{Calibration: calibration}, withVectors(short(), texts), "6 components, the calibration 4"},
	} {
		if _, err := Rank(t.Context(), &test.sem, test.sources...); !errors.Is(err, ErrDimension) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", reason, err)
		}
	}
	sem := Sem{Dimensions: 4, Calibration: calibration}
	if _, err := Rank(t.Context(), &sem, withVectors(short(), texts)...); err != nil {
		t.Error(err)
	}
}

// TestDimensionsOfAForecast: vectors of triples and pool that are cut by Dimensions
// give the forecasts of vectors that were cut before.
func TestDimensionsOfAForecast(t *testing.T) {
	const whole, first = 32, 24
	forecast := func(w *world, dimensions int) string {
		scorer := &Lookahead{Sem: Sem{Dimensions: dimensions}, Pool: w.pool()}
		return bitsOf(t, scorer, w.randomSource("a", 1), w.nearSource("b"))
	}
	w := newWorld(9, 80, 250, whole)
	got := forecast(w, first)
	for _, vectors := range [][][]float32{w.queries, w.documents} {
		for i, v := range vectors {
			vectors[i] = v[:first:first]
		}
	}
	if diff := cmp.Diff(forecast(w, 0), got); diff != "" {
		t.Error(diff)
	}
}
