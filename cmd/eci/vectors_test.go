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

	"example.com/eci"
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
		{"a stored prompt that nobody named", "", 1, "--query-prefix"},
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
// and come before those next to the arrays.
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

// TestVectorsInTheOrderOfRows: the columns of a data set, encoded one by one, are read as
// what their texts have, for triplets, n-tuples and lists, and never for other rows.
func TestVectorsInTheOrderOfRows(t *testing.T) {
	vectors, source := folderOfVectors(t, "", 0)
	want := func(file string) string {
		code, out, stderr := eciRun(t.Context(), "rank", "--vectors", vectors, "--no-lint", "--csv", file)
		if code != 0 {
			t.Fatalf("exit code %d, %q", code, stderr)
		}
		return out
	}
	array := func(name string) *eci.NPY {
		a, err := eci.OpenNPY(filepath.Join(vectors, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { a.Close() })
		return a
	}
	queries, corpus := array("queries.npy"), array("corpus.npy")
	dir := t.TempDir()
	put := func(name string, from *eci.NPY, rows ...int) {
		var b strings.Builder
		header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, 8), }\n", len(rows))
		b.WriteString("\x93NUMPY\x01\x00")
		little.Write(&b, little.LittleEndian, uint16(len(header)))
		b.WriteString(header)
		for _, i := range rows {
			v, err := from.AppendRow(nil, i)
			if err != nil {
				t.Fatal(err)
			}
			little.Write(&b, little.LittleEndian, v)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	// Row i has question i, answer i (document 2i), other i (2i+1) and other i+1.
	const n = 60
	var each, twice, positives, first, second, both []int
	var tuples, lists strings.Builder
	for i := range n {
		next := (i + 1) % n
		each, twice = append(each, i), append(twice, i, i)
		positives, first, second = append(positives, 2*i), append(first, 2*i+1), append(second, 2*next+1)
		both = append(both, 2*i+1, 2*next+1)
		fmt.Fprintf(&tuples, `{"anchor":"question %d","positive":"answer %d","negative_1":"other %d","negative_2":"other %d"}`+"\n", i, i, i, next)
		fmt.Fprintf(&lists, `{"query":"question %d","pos":["answer %d"],"neg":["other %d","other %d"]}`+"\n", i, i, i, next)
	}
	tuple, list := filepath.Join(dir, "tuple.jsonl"), filepath.Join(dir, "list.jsonl")
	for name, text := range map[string]string{tuple: tuples.String(), list: lists.String()} {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	put("a/anchor.npy", queries, each...)
	put("a/positive.npy", corpus, positives...)
	put("a/negative.npy", corpus, first...)
	put("tuple/query.npy", queries, each...)
	put("tuple/positive.npy", corpus, positives...)
	put("tuple/negative_1.npy", corpus, first...)
	put("tuple/negative_2.npy", corpus, second...)
	put("list/anchor.npy", queries, twice...)
	put("list/positive.npy", corpus, positives...)
	put("list/negative.npy", corpus, both...)
	put("short/anchor.npy", queries, each...)
	put("short/positive.npy", corpus, positives[1:]...)
	put("short/negative.npy", corpus, first...)
	put("bare/anchor.npy", queries, each...)
	for file, folder := range map[string]string{source: "a", tuple: "tuple", list: "list"} {
		code, out, stderr := eciRun(t.Context(), "rank", "--vectors", filepath.Join(dir, folder), "--no-lint", "--csv", file)
		if code != 0 || out != want(file) {
			t.Errorf("%s: exit code %d, %q\n%s", folder, code, stderr, out)
		}
	}
	if code, out, stderr := eciRun(t.Context(), "rank", "--vectors", dir, "--no-lint", "--json", source, tuple, list); code != 0 || !strings.Contains(out, `"tuple"`) {
		t.Errorf("several: exit code %d, %q", code, stderr)
	}
	for _, test := range []struct{ reason, folder, says string }{
		{"an array that is too short", "short", "59 vectors for 60 rows"},
		{"no positives", "bare", "positive.npy"},
		{"one folder for two sources", "a", "belong to one source"},
	} {
		args := []string{"rank", "--vectors", filepath.Join(dir, test.folder), "--no-lint", source}
		if test.folder == "a" {
			args = append(args, list)
		}
		if code, _, stderr := eciRun(t.Context(), args...); code == 0 || !strings.Contains(stderr, test.says) {
			t.Errorf("%s: exit code %d, %q", test.reason, code, stderr)
		}
	}
}
