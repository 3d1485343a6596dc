package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/eci"
)

// TestFilter: what is written is what passes, and the forecast compares it with a
// share of the same size.
func TestFilter(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kept.jsonl")
	code, out, stderr := eciRun(t.Context(), "filter", "--demo", "--source", "dense", "--rank-window", "2", "-o", file, "--json")
	if code != 0 {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	var said struct {
		Rows, Triples, Kept int
		Over                *eci.Difference `json:"over_random_share"`
	}
	if err := json.Unmarshal([]byte(out), &said); err != nil || said.Rows != 240 || said.Kept != 240 || said.Triples != 480 || said.Over == nil {
		t.Errorf("%v: %s", err, out)
	}
	written, err := os.ReadFile(file)
	if err != nil || strings.Count(string(written), "\n") != 240 {
		t.Error(len(written), err)
	}
	for _, test := range []struct{ reason, args, says string }{
		{"no criterion", "filter --demo --source dense", "--margin"},
		{"ranks that are none", "filter --demo --source dense --rank-window 3-1", "11-30"},
		{"relabel with a filter", "filter --demo --source dense --relabel 0.5 --margin 0", "--relabel goes alone"},
		{"a share below 0", "filter --demo --source dense --positive-share -1", "a share of -1"},
		{"nothing asked for", "filter --demo --source dense --margin 0 --no-forecast", "-o FILE"},
		{"batches with a choice", "select --demo --source dense --batches 8 --count 4", "--batches takes"},
		{"a batch of one", "select --demo --source dense --batches 1", "--batches takes"},
		{"a window twice", "rank --demo --negatives-per-query 2 --rank-window 1", "give one"},
		{"a rule without a file", "lint --demo --drop padding", "--fix FILE"},
		{"a rule that drops nothing", "lint --demo --fix x --drop mixed-norms", "duplicate-triple"},
	} {
		if code, _, stderr := eciRun(t.Context(), strings.Fields(test.args)...); code != exitUsage || !strings.Contains(stderr, test.says) {
			t.Errorf("%s: exit code %d, %q", test.reason, code, stderr)
		}
	}
}

// TestLintFix: the rows that a rule holds for are left out of what is written.
func TestLintFix(t *testing.T) {
	dir := t.TempDir()
	mined := filepath.Join(dir, "mined.jsonl")
	rows := `{"query":"what is basalt","positive":"Basalt is a dark volcanic rock.","negative":"basalt is a dark, volcanic rock"}
{"query":"what is basalt","positive":"Basalt is a dark volcanic rock.","negative":"Chalk is soft."}
{"query":"what is chalk","positive":"Chalk is a soft white rock.","negative":""}
`
	if err := os.WriteFile(mined, []byte(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	fixed := filepath.Join(dir, "fixed.jsonl")
	code, out, stderr := eciRun(t.Context(), "lint", mined, "--fix", fixed, "--to", "triplet", "--json")
	var said struct {
		Findings []eci.Finding
		Fixed    lintFixed
	}
	if err := json.Unmarshal([]byte(out), &said); code != 0 || err != nil || said.Fixed.Triples != 1 || said.Fixed.Dropped != 2 || len(said.Findings) != 2 {
		t.Errorf("exit code %d, %v: %s%s", code, err, out, stderr)
	}
	written, err := os.ReadFile(fixed)
	if err != nil || strings.Count(string(written), "\n") != 1 || !strings.Contains(string(written), "Chalk is soft.") {
		t.Errorf("%s %v", written, err)
	}
	if code, _, stderr := eciRun(t.Context(), "lint", mined, "--fix", fixed, "--drop", "near-identical"); code != exitError || !strings.Contains(stderr, "row 3") {
		t.Errorf("an empty text that no rule drops: exit code %d, %s", code, stderr)
	}
}
