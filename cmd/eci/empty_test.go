package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoTriples: a file whose rows have no negatives is an error of every command,
// which says why, and nothing is written.
func TestNoTriples(t *testing.T) {
	dir := t.TempDir()
	bare := filepath.Join(dir, "bare.jsonl")
	dpr := filepath.Join(dir, "dpr.json")
	for file, text := range map[string]string{
		bare: `{"query":"what is basalt","pos":["a rock"],"neg":[]}` + "\n" + `{"query":"what is chalk","pos":["another rock"],"neg":[]}` + "\n",
		dpr:  `[{"question":"what is basalt","positive_ctxs":[{"title":"","text":"a rock"}],"negative_ctxs":[{"title":"","text":"a tree"}],"hard_negative_ctxs":[]}]`,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "out.jsonl")
	for _, args := range []string{"lint " + bare, "rank " + bare, "convert -o " + out + " " + bare, "lint " + dpr, "lint --fix " + out + " " + bare} {
		code, stdout, stderr := eciRun(t.Context(), strings.Fields(args)...)
		says := "all 2 rows have an empty list"
		if strings.Contains(args, dpr) {
			says = "--negative-field negative_ctxs"
		}
		if code != exitError || stdout != "" || !strings.Contains(stderr, says) {
			t.Errorf("%s: exit code %d, %s%s", args, code, stdout, stderr)
		}
	}
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Errorf("written all the same: %v", err)
	}
	if code, stdout, _ := eciRun(t.Context(), "lint", "--negative-field", "negative_ctxs", dpr); code != 0 || !strings.Contains(stdout, "1 triples") {
		t.Errorf("with the field: exit code %d, %s", code, stdout)
	}
}
