package eci_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/eci"
	"example.com/eci/testdata/demo"
)

// demoSources opens the demo that comes with the repository.
func demoSources(t testing.TB) (*eci.VectorFiles, []eci.Source) {
	t.Helper()
	dir, err := fs.Sub(demo.Files, "vectors")
	if err != nil {
		t.Fatal(err)
	}
	vectors, err := eci.ReadVectors(dir)
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.Glob(demo.Files, "sources/*.jsonl")
	if err != nil || len(files) != 5 {
		t.Fatal(files, err)
	}
	var sources []eci.Source
	for _, file := range files {
		sources = append(sources, eci.JSONLFrom(demo.Files, file))
	}
	return vectors, sources
}

// TestDemoGolden pins the whole report of the demo. The golden file was checked
// against the independent reference by way of TestRankAgreesWithNumPyReference,
// which runs the same code where the Cranfield data is available, and by the
// brute-force twin. Numbers agree to 1e-6 relative, because other machines round
// otherwise.
func TestDemoGolden(t *testing.T) {
	vectors, sources := demoSources(t)
	ranking, err := eci.Rank(t.Context(), &eci.Sem{Vectors: vectors}, sources...)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "demo-ranking.json", ranking)
}

// golden compares a value's JSON with a file under testdata/golden, numbers to
// 1e-6 relative, or writes the file under -update.
func golden(t *testing.T, name string, value any) {
	t.Helper()
	var raw bytes.Buffer
	out := json.NewEncoder(&raw)
	out.SetIndent("", "  ")
	if err := out.Encode(value); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "golden", name)
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(file, raw.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(raw.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(stored, &want); err != nil {
		t.Fatal(err)
	}
	close := cmp.Comparer(func(a, b float64) bool {
		return math.Abs(a-b) <= 1e-6*max(math.Abs(a), math.Abs(b)) || math.Abs(a-b) < 1e-7
	})
	if diff := cmp.Diff(want, got, close); diff != "" {
		t.Errorf("%s (-golden +now); if it is meant, run go test -run Golden -update .\n%s", file, diff)
	}
}
