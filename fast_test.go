package eci

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/eci/internal/syrk"
)

// TestFastAgreesWithExact: blocks of float32 against float64 sums, on more
// triples than a block holds, some of which weigh nothing.
func TestFastAgreesWithExact(t *testing.T) {
	for _, d := range []int{64, 130, 192} {
		rows := checkRows(3000, d, uint64(d), 0.5)
		for i := range rows {
			if i%7 == 0 {
				rows[i].NegativeText = rows[i].QueryText // rho = 0
			}
			if i%11 == 0 {
				rows[i].NegativeText, rows[i].NegativeVector = rows[i].PositiveText, rows[i].PositiveVector // r = 0
			}
		}
		source := SourceOf("a", rows)
		var scores [2]*Score
		for i, sem := range []Sem{{Groups: 4, Exact: true}, {Groups: 4, fast: true}} {
			r, err := Rank(t.Context(), &sem, source)
			if err != nil {
				t.Fatal(err)
			}
			scores[i] = r.Best().Score
		}
		exact, fast := scores[0], scores[1]
		for _, v := range []struct {
			name              string
			exact, fast, most float64
		}{
			{"S", exact.Value, fast.Value, 1e-7},
			{"jackknife", exact.Jackknife, fast.Jackknife, 1e-7},
			{"standard error", exact.StandardError, fast.StandardError, 1e-6},
			{"trace", exact.Trace, fast.Trace, 1e-7},
			{"gradient", exact.Baselines["gradient"], fast.Baselines["gradient"], 1e-7},
			{"effective dimension", exact.EffectiveDimension, fast.EffectiveDimension, 1e-7},
			{"shuffled control", exact.Controls.Shuffled.Value, fast.Controls.Shuffled.Value, 1e-7},
			{"random control", exact.Controls.Random.Value, fast.Controls.Random.Value, 1e-7},
			{"standard error of the difference", exact.Controls.Random.StandardError, fast.Controls.Random.StandardError, 1e-5},
		} {
			if math.Abs(v.exact-v.fast) > v.most*math.Abs(v.exact) {
				t.Errorf("d=%d: %s exact %v, fast %v (%s)", d, v.name, v.exact, v.fast, syrk.Name())
			}
		}
	}
}

// TestFastSameBitsOnAnyNumberOfCores is contract 1 for blocks of float32.
func TestFastSameBitsOnAnyNumberOfCores(t *testing.T) {
	source := SourceOf("a", checkRows(2500, 40, 1, 0))
	want := ""
	for _, cores := range []int{1, 2, 7} {
		before := runtime.GOMAXPROCS(cores)
		r, err := Rank(t.Context(), &Sem{Groups: 3, fast: true}, source)
		runtime.GOMAXPROCS(before)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if want == "" {
			want = string(raw)
		}
		if string(raw) != want {
			t.Errorf("%d cores: other bits", cores)
		}
	}
}

// TestFastAgreesWithNumPyReference: the oracle of the scores holds for blocks of
// float32 too, with the kernel of this machine (and, with -tags noasm, the
// portable one).
func TestFastAgreesWithNumPyReference(t *testing.T) {
	if UnderRace {
		t.Skip("long under the race detector, and starts no goroutine of its own")
	}
	const dir = "../shared/data/cranfield"
	raw, err := os.ReadFile(filepath.Join(dir, "reference.json"))
	if err != nil {
		t.Skip("the Cranfield data is not at hand:", err)
	}
	var want struct {
		Scores map[string]struct {
			Score         float64
			Jackknife     float64
			StandardError float64 `json:"standard_error"`
		}
	}
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	vectors, err := OpenVectors(filepath.Join(dir, "use"))
	if err != nil {
		t.Fatal(err)
	}
	defer vectors.Close()
	var sources []Source
	for name := range want.Scores {
		sources = append(sources, JSONL(filepath.Join(dir, "sources", name+".jsonl")))
	}
	r, err := Rank(t.Context(), &Sem{Vectors: vectors, NoChecks: true, fast: true}, sources...)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Ranked {
		w := want.Scores[s.Source]
		for _, v := range [][2]float64{{s.Value, w.Score}, {s.Jackknife, w.Jackknife}, {s.StandardError, w.StandardError}} {
			if math.Abs(v[0]-v[1]) > 1e-6*math.Abs(v[1]) {
				t.Errorf("%s (%s): %v, reference %v", s.Source, syrk.Name(), v[0], v[1])
			}
		}
	}
}

// TestMemoryOfManyDimensions holds a ranking of 2,048 dimensions, checks and
// intervals included, under a bound: two sources of 600 triples took 64 squares of
// 33.6 MB when every group had one.
func TestMemoryOfManyDimensions(t *testing.T) {
	if testing.Short() || UnderRace {
		t.Skip("takes seconds")
	}
	const d, bound = 2048, 300 << 20
	sources := []Source{SourceOf("a", checkRows(600, d, 1, 0)), SourceOf("b", checkRows(600, d, 2, 1))}
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	defer debug.SetGCPercent(debug.SetGCPercent(25))
	done, peak := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		for {
			select {
			case <-done:
				peak <- most
				return
			case <-time.After(10 * time.Millisecond):
				var now runtime.MemStats
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapAlloc)
			}
		}
	}()
	var rankings [2]*Ranking
	for i, release := range []bool{false, true} {
		var err error
		if rankings[i], err = Rank(t.Context(), &Sem{ReleaseMatrix: release}, sources...); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	most := <-peak
	t.Logf("at most %d MB", (most-before.HeapAlloc)>>20)
	if most > before.HeapAlloc+bound {
		t.Errorf("a ranking took %d MB, at most %d are allowed", (most-before.HeapAlloc)>>20, bound>>20)
	}
	kept, released := rankings[0], rankings[1]
	for i, s := range released.Ranked {
		if s.Matrix != nil || s.Value != kept.Ranked[i].Value || s.StandardError != kept.Ranked[i].StandardError {
			t.Errorf("%s: released %v -+ %v, kept %v -+ %v", s.Source, s.Value, s.StandardError, kept.Ranked[i].Value, kept.Ranked[i].StandardError)
		}
	}
	if _, err := released.Mixture(); !errors.Is(err, ErrIncompatible) || !strings.Contains(err.Error(), "ReleaseMatrix") {
		t.Error("a mixture of what was let go:", err)
	}
	if _, err := released.Hybrids(0); !errors.Is(err, ErrIncompatible) {
		t.Error("hybrids of what was let go:", err)
	}
}

// TestDualControls: the comparison from the rows' own products is that from the d x d
// sum, as the rows with vectors of zeros appended show: S scales its eigenvalues by d,
// which epsilon2 takes back.
func TestDualControls(t *testing.T) {
	rows := checkRows(120, 100, 1, 0)
	calibration, err := new(Sem).Calibrate(t.Context(), SourceOf("a", rows))
	if err != nil {
		t.Fatal(err)
	}
	var got [2]*Score
	for i, d := range []int{100, 200} {
		wide := make([]*Record, len(rows))
		for k, rec := range rows {
			c := *rec
			for _, v := range []*[]float32{&c.QueryVector, &c.PositiveVector, &c.NegativeVector} {
				*v = append(slices.Clone(*v), make([]float32, d-100)...)
			}
			wide[k] = &c
		}
		cal := *calibration
		cal.Dimension, cal.Encoder = d, nil
		sem := Sem{Calibration: &cal, Epsilon2: 0.5 * float64(d) / 100, Groups: 8}
		if got[i], err = sem.Score(t.Context(), SourceOf("a", wide)); err != nil {
			t.Fatal(err)
		}
	}
	near := func(what string, a, b float64) {
		if math.Abs(a-b) > 1e-9*max(1, math.Abs(a)) {
			t.Errorf("%s: %v and, from the products of rows, %v", what, a, b)
		}
	}
	near("score", got[0].Value, got[1].Value)
	near("its standard error", got[0].StandardError, got[1].StandardError)
	for name, pair := range map[string][2]Control{
		"shuffled": {got[0].Controls.Shuffled, got[1].Controls.Shuffled},
		"random":   {got[0].Controls.Random, got[1].Controls.Random},
	} {
		if pair[0].Triples != pair[1].Triples || pair[0].Triples == 0 {
			t.Errorf("%s: %d and %d triples", name, pair[0].Triples, pair[1].Triples)
		}
		near(name, pair[0].Value, pair[1].Value)
		near(name+" difference", pair[0].Difference, pair[1].Difference)
		near(name+" standard error", pair[0].StandardError, pair[1].StandardError)
	}
}

// cutEncoder embeds as another does and keeps a number of first components.
type cutEncoder struct {
	hashEncoder
	first int
}

func (e *cutEncoder) EmbedQueries(ctx context.Context, texts []string) ([][]float32, error) {
	return e.cut(e.hashEncoder.EmbedQueries(ctx, texts))
}

func (e *cutEncoder) EmbedDocuments(ctx context.Context, texts []string) ([][]float32, error) {
	return e.cut(e.hashEncoder.EmbedDocuments(ctx, texts))
}

func (e *cutEncoder) cut(vectors [][]float32, err error) ([][]float32, error) {
	for i := range vectors {
		vectors[i] = vectors[i][:e.first]
	}
	return vectors, err
}

// TestDimensions: the first components of vectors of every origin give the bits of
// vectors that were cut before, and shorter vectors are refused.
func TestDimensions(t *testing.T) {
	const whole, first = 24, 10
	texts := textSources(60)
	long, short := &hashEncoder{components: whole}, &cutEncoder{hashEncoder{components: whole}, first}
	tables := func(components int) Vectors {
		m := VectorMap{Queries: make(map[string][]float32), Documents: make(map[string][]float32)}
		for _, source := range withVectors(long, texts) {
			for rec, err := range source.Triples {
				if err != nil {
					t.Fatal(err)
				}
				r := rec.(*Record)
				m.Queries[r.QueryID] = r.QueryVector[:components]
				m.Documents[r.PositiveID], m.Documents[r.NegativeID] = r.PositiveVector[:components], r.NegativeVector[:components]
			}
		}
		return m
	}
	want, err := Rank(t.Context(), &Sem{Embedder: short}, texts...)
	if err != nil {
		t.Fatal(err)
	}
	for origin, test := range map[string]struct {
		sem     Sem
		sources []Source
	}{
		"an embedder":         {Sem{Embedder: long, Dimensions: first}, texts},
		"tables":              {Sem{Vectors: tables(whole), Dimensions: first}, texts},
		"the triples":         {Sem{Dimensions: first}, withVectors(long, texts)},
		"vectors of that cut": {Sem{Embedder: short, Dimensions: first}, texts},
		"tables cut before":   {Sem{Vectors: tables(first)}, texts},
	} {
		got, err := Rank(t.Context(), &test.sem, test.sources...)
		if err != nil {
			t.Errorf("%s: %v", origin, err)
			continue
		}
		for i, s := range got.Ranked {
			if w := want.Ranked[i]; s.Source != w.Source || s.Value != w.Value || s.Controls.Random.Difference != w.Controls.Random.Difference || s.Artifact.AUC != w.Artifact.AUC {
				t.Errorf("%s: %s %v, cut before %s %v", origin, s.Source, s.Value, w.Source, w.Value)
			}
		}
	}
	if _, err := Rank(t.Context(), &Sem{Embedder: long, Dimensions: whole + 1}, texts...); !errors.Is(err, ErrDimension) || !strings.Contains(err.Error(), "Sem.Dimensions") {
		t.Error("longer than the vectors:", err)
	}
}
