package main

import (
	little "encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// folderOfVectors writes triples and their vectors as people have them: arrays in the
// order of the texts, with lengths that vary. It returns the files of both.
func folderOfVectors(t *testing.T, prompt string, vary float64) (vectors, source string) {
	t.Helper()
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(5, 6))
	var queries, corpus, rows strings.Builder
	array := func(name string, n int) {
		const d = 8
		var b strings.Builder
		header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }\n", n, d)
		b.WriteString("\x93NUMPY\x01\x00")
		little.Write(&b, little.LittleEndian, uint16(len(header)))
		b.WriteString(header)
		for range n {
			length := 1 + vary*random.Float64()
			v := make([]float64, d)
			sum := 0.0
			for k := range v {
				v[k] = random.NormFloat64()
				sum += v[k] * v[k]
			}
			for k := range v {
				little.Write(&b, little.LittleEndian, float32(length*v[k]/math.Sqrt(sum)))
			}
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	const n = 60
	for i := range n {
		fmt.Fprintf(&queries, "%squestion %d\n", prompt, i)
		fmt.Fprintf(&corpus, "answer %d\nother %d\n", i, i)
		fmt.Fprintf(&rows, `{"query":"question %d","positive":"answer %d","negative":"other %d"}`+"\n", i, i, i)
	}
	array("queries.npy", n)
	array("corpus.npy", 2*n)
	source = filepath.Join(dir, "a.jsonl")
	for name, text := range map[string]string{"queries.txt": queries.String(), "corpus.txt": corpus.String(), "a.jsonl": rows.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir, source
}

// TestSimilarity: what is not plain about stored vectors is said, and chosen by a flag.
func TestSimilarity(t *testing.T) {
	vectors, source := folderOfVectors(t, "query: ", 3)
	for _, test := range []struct {
		reason, flags string
		code          int
		says          string
	}{
		{"a stored prompt that nobody named", "", 1, "--vectors DIR"},
		{"lengths that vary", "--query-prefix query:_", 0, "--similarity dot"},
		{"which is right", "--query-prefix query:_ --similarity cosine", 0, ""},
		{"dot products", "--query-prefix query:_ --similarity dot", 0, "compared by dot product"},
		{"another similarity", "--similarity euclid", 2, "cosine or dot"},
		{"dot products of a server", "--similarity dot --server http://127.0.0.1:1 --model m", 2, "neither --server"},
		{"dot products of a target", "--similarity dot --target x", 2, "--target"},
	} {
		args := []string{"rank", "--vectors", vectors, "--no-lint", "--csv", source}
		for _, word := range strings.Fields(test.flags) {
			args = append(args, strings.ReplaceAll(word, "_", " "))
		}
		code, _, stderr := eciRun(t.Context(), args...)
		if code != test.code || !strings.Contains(stderr, test.says) || test.says == "" && strings.Contains(stderr, "lengths") {
			t.Errorf("%s: exit code %d, %q; want %d and %q", test.reason, code, stderr, test.code, test.says)
		}
	}
	vectors, source = folderOfVectors(t, "", 0)
	if code, _, stderr := eciRun(t.Context(), "rank", "--vectors", vectors, "--no-lint", "--csv", source); code != 0 || strings.Contains(stderr, "lengths") {
		t.Errorf("unit vectors: exit code %d, %q", code, stderr)
	}
}

// TestVectorTexts: texts in a folder of their own say whose the rows of the arrays are,
// and come before those beside the arrays.
func TestVectorTexts(t *testing.T) {
	vectors, source := folderOfVectors(t, "", 0)
	texts := t.TempDir()
	for _, name := range []string{"queries.txt", "corpus.txt"} {
		if err := os.Rename(filepath.Join(vectors, name), filepath.Join(texts, name)); err != nil {
			t.Fatal(err)
		}
	}
	rank := func(args ...string) (int, string, string) {
		return eciRun(t.Context(), append([]string{"rank", "--vectors", vectors, "--no-lint", "--csv", source}, args...)...)
	}
	if code, _, stderr := rank(); code != exitError || !strings.Contains(stderr, "queries.ids") {
		t.Errorf("without texts: exit code %d, %q", code, stderr)
	}
	code, want, stderr := rank("--vector-texts", texts)
	if code != 0 {
		t.Fatalf("exit code %d, %q", code, stderr)
	}
	for _, name := range []string{"queries.ids", "corpus.ids"} { // which would be wrong
		if err := os.WriteFile(filepath.Join(vectors, name), []byte("x\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if code, got, stderr := rank("--vector-texts", texts); code != 0 || got != want {
		t.Errorf("beside ids: exit code %d, %q\n%s", code, stderr, got)
	}
	if code, _, stderr := rank("--vector-texts", filepath.Join(texts, "none")); code == 0 {
		t.Errorf("without the folder: exit code %d, %q", code, stderr)
	}
	if code, _, stderr := eciRun(t.Context(), "lint", "--vector-texts", texts, source); code != exitUsage || !strings.Contains(stderr, "--vectors") {
		t.Errorf("without vectors: exit code %d, %q", code, stderr)
	}
}
