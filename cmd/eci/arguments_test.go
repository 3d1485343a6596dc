package main

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"example.com/eci/testdata/demo"
)

// argumentSeeds are command lines whose words the fuzzer may combine.
var argumentSeeds = []string{
	"", "help", "help rank", "--version", "completion bash", "__complete rank --co",
	"rank a.jsonl b.jsonl --vectors vectors --csv", "rank a.jsonl --vectors vectors --json --groups 2 --seed 18446744073709551615",
	"rank a.jsonl b.jsonl --vectors vectors --race --budget -1 --exact", "rank a.jsonl --vectors vectors --html out --require-best a --confidence 0.5",
	"rank a.jsonl --vectors vectors --epsilon2 1e-300 --consistency-temperature NaN --locality-temperature Inf --residuality-floor -1",
	"rank a.jsonl --vectors vectors --checkpoint state --calibrate-on a,b --skip malformed,empty-text,missing-vector,bad-vector",
	"lint a.jsonl --vectors vectors --severity error --max-error-share 2 --examples 0", "lint none.jsonl empty.jsonl bad.jsonl --qrels qrels.tsv",
	"mix a.jsonl b.jsonl --vectors vectors --size 9 --top 1 -o out --to triplet --members a,a --all-triples",
	"select a.jsonl --vectors vectors --count 3 --per-query 1 --stream --stream-epsilon 0.9 --by leverage -o out",
	"explain a.jsonl b.jsonl --vectors vectors --source a --by suspects --top 100 --markdown",
	"agree a.jsonl b.jsonl --vectors vectors --outcomes outcomes.json --setting x --resamples 10",
	"convert a.jsonl --format eci --to n-tuple -o out --max-negatives 1", "convert bad.jsonl --query-field q --positive-field p --negative-field n -o -",
	"convert - --color always -q", "rank --demo --dmeo", "lint --beir . --corpus a.jsonl --queries b.jsonl a.jsonl",
}

// FuzzArguments: no command line makes the command panic, print what it should
// not, end with a code of its own, or leave a half-written file.
func FuzzArguments(f *testing.F) {
	for _, line := range argumentSeeds {
		f.Add(line)
	}
	files := map[string]string{"empty.jsonl": "", "bad.jsonl": "{\n", "outcomes.json": `{"a":{"value":1},"b":{"value":2}}`}
	for name, from := range map[string]string{"a.jsonl": "sources/bm25.jsonl", "b.jsonl": "sources/llm.jsonl", "qrels.tsv": "qrels.tsv"} {
		raw, err := fs.ReadFile(demo.Files, from)
		if err != nil {
			f.Fatal(err)
		}
		files[name] = strings.Join(strings.SplitAfter(string(raw), "\n")[:30], "")
	}
	vectors, err := filepath.Abs(filepath.Join("..", "..", "testdata", "demo", "vectors"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Fields(line)
		for _, a := range args {
			// Nothing outside the folder, no network, and no work without end.
			if strings.ContainsAny(a, `/\`) || strings.Contains(a, "..") || strings.Contains(a, "server") || strings.Contains(a, "demo") || len(a) > 100 {
				t.Skip()
			}
		}
		dir := t.TempDir()
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(vectors, filepath.Join(dir, "vectors")); err != nil {
			t.Skip(err)
		}
		t.Chdir(dir)
		nothing, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer nothing.Close()
		stdin := os.Stdin
		os.Stdin = nothing
		defer func() { os.Stdin = stdin }()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var stdout, stderr bytes.Buffer
		code := run(ctx, args, &stdout, &stderr)
		if !slices.Contains([]int{exitOK, exitError, exitUsage, exitCheck, exitInterrupted}, code) {
			t.Errorf("exit code %d: %q", code, &stderr)
		}
		if code != exitOK && stderr.Len() == 0 || len(stderr.String()) > 10000 {
			t.Errorf("exit code %d with %d bytes of errors", code, stderr.Len())
		}
		if strings.ContainsFunc(stderr.String(), func(r rune) bool { return r != '\n' && unicode.IsControl(r) }) {
			t.Errorf("control characters in %q", &stderr)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*.partial")); left != nil {
			t.Errorf("left: %v", left)
		}
	})
}
