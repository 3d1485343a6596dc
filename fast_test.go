package eci

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"

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
