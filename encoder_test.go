package eci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// namedEncoder is a hashEncoder with an identity.
type namedEncoder struct {
	*hashEncoder
	name string
}

func (e *namedEncoder) Identity() string { return e.name }

// noisyEncoder does not give the same bits twice.
type noisyEncoder struct {
	*hashEncoder
	random *rand.Rand
}

func (e *noisyEncoder) shake(vectors [][]float32) [][]float32 {
	for _, v := range vectors {
		for k := range v {
			v[k] *= 1 + float32(1e-4*e.random.NormFloat64())
		}
	}
	return vectors
}

func (e *noisyEncoder) EmbedDocuments(_ context.Context, texts []string) ([][]float32, error) {
	return e.shake(e.embed("document", texts)), nil
}

func (e *noisyEncoder) EmbedQueries(_ context.Context, texts []string) ([][]float32, error) {
	return e.shake(e.embed("query", texts)), nil
}

// TestFrozenCalibrationRefusesAnotherEncoder of the same dimension, for every way
// to vectors.
func TestFrozenCalibrationRefusesAnotherEncoder(t *testing.T) {
	texts := textSources(40)
	fresh := []Source{textSources(80)[1]} // negatives the calibration has not seen
	first, second := &hashEncoder{components: 6}, &hashEncoder{components: 6, seed: 1}
	named := func(name string, seed uint64) *namedEncoder {
		return &namedEncoder{&hashEncoder{components: 6, seed: seed}, name}
	}
	cached := func(e Embedder, identity string) Embedder { return openCache(t, t.TempDir(), e, identity) }
	for _, test := range []struct {
		reason  string
		taken   Sem
		on      []Source
		used    Sem
		scored  []Source
		refused bool
	}{
		{"own vectors, the same", Sem{}, withVectors(first, texts), Sem{}, withVectors(first, fresh), false},
		{"own vectors, others", Sem{}, withVectors(first, texts), Sem{}, withVectors(second, fresh), true},
		{"tables, the same", Sem{Vectors: tablesOf(first, texts)}, texts, Sem{Vectors: tablesOf(first, fresh)}, fresh, false},
		{"tables, others", Sem{Vectors: tablesOf(first, texts)}, texts, Sem{Vectors: tablesOf(second, fresh)}, fresh, true},
		{"an embedder, the same", Sem{Embedder: first}, texts, Sem{Embedder: first}, fresh, false},
		{"an embedder, another", Sem{Embedder: first}, texts, Sem{Embedder: second}, fresh, true},
		{"an embedder with noise", Sem{Embedder: first}, texts, Sem{Embedder: &noisyEncoder{first, rand.New(rand.NewPCG(1, 1))}}, fresh, false},
		{"tables of the embedder", Sem{Embedder: named("a", 0)}, texts, Sem{Vectors: tablesOf(first, fresh)}, fresh, false},
		{"another identity", Sem{Embedder: named("a", 0)}, texts, Sem{Embedder: named("b", 0)}, fresh, true},
		{"a stale identity", Sem{Embedder: named("a", 0)}, texts, Sem{Embedder: named("a", 1)}, fresh, true},
		{"the same, cached", Sem{Embedder: named("a", 0)}, texts, Sem{Embedder: cached(named("a", 0), "")}, fresh, false},
		{"another, cached", Sem{Embedder: cached(named("a", 0), "")}, texts, Sem{Embedder: cached(named("b", 0), "")}, fresh, true},
		{"cached under other names", Sem{Embedder: cached(named("a", 0), "x")}, texts, Sem{Embedder: cached(named("a", 0), "y")}, fresh, true},
	} {
		taken, err := test.taken.Calibrate(t.Context(), test.on...)
		if err != nil {
			t.Fatal(test.reason, err)
		}
		raw, err := json.Marshal(taken)
		if err != nil {
			t.Fatal(err)
		}
		stored := new(Calibration)
		if err := json.Unmarshal(raw, stored); err != nil {
			t.Fatal(err)
		}
		for _, calibration := range []*Calibration{taken, stored} {
			test.used.Calibration = calibration
			_, err := Rank(t.Context(), &test.used, test.scored...)
			weighing := drain(test.used.Weigh(t.Context(), test.scored[0]))
			if test.refused != errors.Is(err, ErrIncompatible) || test.refused != errors.Is(weighing, ErrIncompatible) || !test.refused && (err != nil || weighing != nil) {
				t.Errorf("%s: %v, %v", test.reason, err, weighing)
			}
			any := *calibration
			any.Encoder = nil
			test.used.Calibration = &any
			if _, err := Rank(t.Context(), &test.used, test.scored...); err != nil {
				t.Errorf("%s, without Encoder: %v", test.reason, err)
			}
		}
	}
}

// TestOneTextWithTwoVectors: a text that the sources give different vectors tells
// nothing of the encoder.
func TestOneTextWithTwoVectors(t *testing.T) {
	sources := withVectors(&hashEncoder{components: 6}, textSources(40))
	sources[1] = withVectors(&hashEncoder{components: 6, seed: 3}, textSources(40))[1]
	sem := &Sem{}
	var err error
	if sem.Calibration, err = sem.Calibrate(t.Context(), sources...); err != nil {
		t.Fatal(err)
	}
	if _, err := Rank(t.Context(), sem, sources...); err != nil {
		t.Error("the calibration refuses what it was taken on:", err)
	}
}

// checkpointOf makes a checkpoint of both sources and returns what it ranked.
func checkpointOf(t *testing.T, sem Sem, sources []Source) string {
	t.Helper()
	got := bitsOf(t, &sem, sources...)
	if files, _ := filepath.Glob(filepath.Join(sem.Checkpoint, "*-*.eci")); len(files) < 2 {
		t.Fatal("no checkpoint was made:", files)
	}
	return got
}

// TestCheckpointIsNotUsedForOtherVectors: what was kept for other vectors is not
// what a fresh run finds.
func TestCheckpointIsNotUsedForOtherVectors(t *testing.T) {
	texts := textSources(40)
	first, second := &hashEncoder{components: 6}, &hashEncoder{components: 6, seed: 1}
	// Other vectors in one row, the last.
	one := func(s []Source) []Source {
		out := slices.Clone(s)
		out[1].Triples = func(yield func(Triple, error) bool) {
			for triple, err := range s[1].Triples {
				r := *triple.(*Record)
				if r.QueryID == "q39" {
					r.NegativeVector = second.vector("document", r.NegativeText)
				}
				if !yield(&r, err) {
					return
				}
			}
		}
		return out
	}
	for _, test := range []struct {
		reason     string
		kept, used Sem
		on, now    []Source
	}{
		{"own vectors of another encoder", Sem{}, Sem{}, withVectors(first, texts), withVectors(second, texts)},
		{"own vectors of another dimension", Sem{}, Sem{}, withVectors(first, texts), withVectors(&hashEncoder{components: 7}, texts)},
		{"own vectors of one row", Sem{}, Sem{}, withVectors(first, texts), one(withVectors(first, texts))},
		{"tables of another encoder", Sem{Vectors: tablesOf(first, texts)}, Sem{Vectors: tablesOf(second, texts)}, texts, texts},
		{"another embedder without identity", Sem{Embedder: first}, Sem{Embedder: second}, texts, texts},
		{"an embedder of another dimension", Sem{Embedder: first}, Sem{Embedder: &hashEncoder{components: 7}}, texts, texts},
		{"another identity", Sem{Embedder: &namedEncoder{first, "a"}}, Sem{Embedder: &namedEncoder{second, "b"}}, texts, texts},
		{"a cache of another embedder", Sem{Embedder: openCache(t, t.TempDir(), first, "a")}, Sem{Embedder: openCache(t, t.TempDir(), second, "b")}, texts, texts},
		{"another id", Sem{}, Sem{}, withVectors(first, texts), withVectors(first, []Source{texts[0], renamed(texts[1])})},
	} {
		dir := t.TempDir()
		test.kept.Checkpoint = dir
		checkpointOf(t, test.kept, test.on)
		want := bitsOf(t, &test.used, test.now...)
		test.used.Checkpoint = dir
		if diff := cmp.Diff(want, bitsOf(t, &test.used, test.now...)); diff != "" {
			t.Errorf("%s: a stale checkpoint was used:\n%s", test.reason, diff)
		}
	}
}

// renamed gives the last query another id, so that it falls into another group.
func renamed(s Source) Source {
	return Source{Name: s.Name, Triples: func(yield func(Triple, error) bool) {
		for triple, err := range s.Triples {
			r := *triple.(*Record)
			if r.QueryID == "q39" {
				r.QueryID = "another"
			}
			if !yield(&r, err) {
				return
			}
		}
	}}
}

// TestCheckpointSendsNoTextAgain: neither for a finished source nor for one that
// was not, and the vectors are those of the first time.
func TestCheckpointSendsNoTextAgain(t *testing.T) {
	texts := textSources(60)
	for _, test := range []struct {
		reason   string
		encoder  func() Embedder
		counts   func(Embedder) *hashEncoder
		repeated int // texts by which it is recognized
	}{
		{"with an identity", func() Embedder { return &namedEncoder{&hashEncoder{components: 6}, "a"} }, func(e Embedder) *hashEncoder { return e.(*namedEncoder).hashEncoder }, 0},
		{"without", func() Embedder { return &hashEncoder{components: 6} }, func(e Embedder) *hashEncoder { return e.(*hashEncoder) }, recognizedTexts},
		{"without, and with noise", func() Embedder {
			return &noisyEncoder{&hashEncoder{components: 6}, rand.New(rand.NewPCG(1, 1))}
		}, func(e Embedder) *hashEncoder { return e.(*noisyEncoder).hashEncoder }, recognizedTexts},
	} {
		for _, cache := range []int64{0, 2000} {
			for _, stage := range []string{"calibrate", "score"} {
				encoder := test.encoder()
				sem := Sem{Embedder: encoder, Checkpoint: t.TempDir(), CacheBytes: cache}
				ctx, cancel := context.WithCancel(t.Context())
				stopped := sem
				stopped.Progress = func(p Progress) {
					if p.Stage == stage && (p.Source == "two" || stage == "calibrate") {
						cancel()
					}
				}
				if _, err := Rank(ctx, &stopped, texts...); !errors.Is(err, context.Canceled) {
					t.Fatal(test.reason, err)
				}
				if _, err := Rank(t.Context(), &sem, texts...); err != nil {
					t.Fatal(test.reason, err)
				}
				got := test.counts(encoder).repeated()
				if cache == 0 && len(got) > test.repeated || len(got) > 2*recognizedTexts {
					t.Errorf("%s, stopped at %s, cache %d: %d texts were sent again: %q", test.reason, stage, cache, len(got), got)
				}
			}
		}
	}
}

// TestSourceThatChangesWhileItIsScored: the rows of the survey are not those that
// are scored.
func TestSourceThatChangesWhileItIsScored(t *testing.T) {
	texts := withVectors(&hashEncoder{components: 6}, textSources(40))
	changing := func(from int, change func(row int, r *Record) (Triple, error)) []Source {
		pass := 0
		return []Source{texts[0], {Name: "two", Triples: func(yield func(Triple, error) bool) {
			pass++
			row := 0
			for triple := range texts[1].Triples {
				r := *triple.(*Record)
				row++
				var t Triple = &r
				var err error
				if pass >= from {
					t, err = change(row, &r)
				}
				if !yield(t, err) {
					return
				}
			}
		}}}
	}
	for _, test := range []struct {
		reason string
		sem    Sem
		change func(row int, r *Record) (Triple, error)
	}{
		{"one text", Sem{}, func(row int, r *Record) (Triple, error) {
			if row == 80 {
				r.NegativeText += "."
			}
			return r, nil
		}},
		{"one id", Sem{}, func(row int, r *Record) (Triple, error) {
			if row == 1 {
				r.QueryID += "."
			}
			return r, nil
		}},
		{"one text of those beyond the budget", Sem{Budget: 40}, func(row int, r *Record) (Triple, error) {
			r.NegativeText += strings.Repeat(" ", row/80)
			return r, nil
		}},
		{"one vector, which a checkpoint depends on", Sem{Checkpoint: "x"}, func(row int, r *Record) (Triple, error) {
			if row == 80 {
				r.NegativeVector = []float32{1, 2, 3, 4, 5, 6}
			}
			return r, nil
		}},
		{"a row that is left out", Sem{Skip: SkipMalformed}, func(row int, r *Record) (Triple, error) {
			if row == 80 {
				return nil, ErrMalformed
			}
			return r, nil
		}},
		{"two rows in the other order", Sem{}, func(row int, r *Record) (Triple, error) {
			if row == 1 || row == 2 {
				r.NegativeText = fmt.Sprintf("passage %d of miner 1 for 0", 2-row)
				r.NegativeID = fmt.Sprintf("n1-0-%d", 2-row)
			}
			return r, nil
		}},
	} {
		for _, from := range []int{2} { // after the survey
			if test.sem.Checkpoint != "" {
				test.sem.Checkpoint = t.TempDir()
			}
			if _, err := Rank(t.Context(), &test.sem, changing(from, test.change)...); !errors.Is(err, ErrUnstableSource) || !strings.Contains(err.Error(), `"two"`) {
				t.Errorf("%s, from reading %d: %v", test.reason, from, err)
			}
		}
	}
}

// TestSkippedCountsOfACheckpoint are those of the rows as they are now.
func TestSkippedCountsOfACheckpoint(t *testing.T) {
	texts := withVectors(&hashEncoder{components: 6}, textSources(40))
	bad := func(n int) []Source {
		return []Source{texts[0], {Name: "two", Triples: func(yield func(Triple, error) bool) {
			for range n {
				if !yield(nil, fmt.Errorf("%w: for the test", ErrMalformed)) {
					return
				}
			}
			texts[1].Triples(yield)
		}}}
	}
	sem := Sem{Skip: SkipMalformed, Checkpoint: t.TempDir()}
	for _, n := range []int{2, 5, 2} {
		r, err := Rank(t.Context(), &sem, bad(n)...)
		if err != nil {
			t.Fatal(err)
		}
		if two, _ := r.Find("two"); two.Skipped["malformed"] != n {
			t.Errorf("%v left out, want %d", two.Skipped, n)
		}
	}
}

// TestCheckpointRemovesDebris that a killed run has left, not what another run is
// writing.
func TestCheckpointRemovesDebris(t *testing.T) {
	dir := t.TempDir()
	for name, age := range map[string]time.Duration{"partial-old": time.Hour, "partial-new": 0, "mine": time.Hour} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(-age)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
	checkpointOf(t, Sem{Checkpoint: dir}, withVectors(&hashEncoder{components: 4}, textSources(20)))
	var left []string
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".eci") {
			left = append(left, e.Name())
		}
	}
	if diff := cmp.Diff([]string{"mine", "partial-new"}, left); diff != "" || err != nil {
		t.Error(diff, err)
	}
}
