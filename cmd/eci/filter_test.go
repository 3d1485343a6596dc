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

// TestFilterByScore: what a cross-encoder or a teacher said in the rows decides, in the
// places where formats have it; and what was in the rows is in what is written.
func TestFilterByScore(t *testing.T) {
	lists := `{"query":"a","pos":["p"],"neg":["n1","n2","n3"],"pos_scores":[0.9],"neg_scores":[0.95,0.5,0.1],"prompt":"find"}` + "\n" +
		`{"query":"b","pos":["p"],"neg":["n4"],"pos_scores":[2],"neg_scores":[1.7],"prompt":"find"}` + "\n"
	passages := `{"query":"a","positive_passages":[{"text":"p","score":0.9}],"negative_passages":[{"text":"n1","score":0.95},{"text":"n2","score":"0.5"},{"text":"n3","score":0.1}]}` + "\n"
	flat := "anchor,positive,negative,ce_score\na,p,n1,0.95\na,p,n2,0.5\n"
	for _, test := range []struct {
		reason, name, data, flags string
		want                      string // the negatives left
		code                      int
		says                      string
	}{
		{"at most", "a.jsonl", lists, "--score-field neg_scores --max-score 0.5", "n2 n3", 0, "2 of 4"},
		{"at least", "a.jsonl", lists, "--score-field neg_scores --min-score 0.5", "n1 n2 n4", 0, ""},
		{"a share of the positive's", "a.jsonl", lists, "--score-field neg_scores --positive-share 0.95", "n2 n3 n4", 0, ""},
		{"a margin", "a.jsonl", lists, "--score-field scores --margin 0.35", "n2 n3", 0, ""},
		{"behind the ranks", "a.jsonl", lists, "--score-field neg_scores --max-score 0.5 --rank-window 2-2", "n2", 0, ""},
		{"of passages", "a.jsonl", passages, "--score-field score --max-score 0.5", "n2 n3", 0, ""},
		{"of a row", "a.csv", flat, "--score-field ce_score --max-score 0.6", "n2", 0, ""},
		{"a row's score has no positive", "a.csv", flat, "--score-field ce_score --margin 0", "", 1, "none of the positive"},
		{"no such field", "a.jsonl", lists, "--score-field nothing --max-score 1", "", 1, "row 1"},
		{"no number", "a.csv", strings.Replace(flat, "0.5", "high", 1), "--score-field ce_score --max-score 1", "", 1, "row 3"},
		{"no number, skipped", "a.csv", strings.Replace(flat, "0.5", "high", 1), "--score-field ce_score --max-score 1 --skip malformed", "n1", 0, ""},
		{"no threshold", "a.jsonl", lists, "--score-field neg_scores", "", 2, "--max-score"},
		{"no field", "a.jsonl", lists, "--max-score 1", "", 2, "--score-field"},
		{"nothing between", "a.jsonl", lists, "--score-field neg_scores --max-score 1 --min-score 2", "", 2, "no score"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			dir := t.TempDir()
			file, kept := filepath.Join(dir, test.name), filepath.Join(dir, "kept.jsonl")
			if err := os.WriteFile(file, []byte(test.data), 0o666); err != nil {
				t.Fatal(err)
			}
			args := append(strings.Fields(test.flags), "--no-forecast", "-o", kept, file)
			code, out, stderr := eciRun(t.Context(), append([]string{"filter"}, args...)...)
			if code != test.code || !strings.Contains(out+stderr, test.says) {
				t.Fatalf("exit code %d, %q%q; want %d and %q", code, out, stderr, test.code, test.says)
			}
			if code != 0 {
				return
			}
			raw, err := os.ReadFile(kept)
			if err != nil {
				t.Fatal(err)
			}
			var left []string
			for line := range strings.Lines(string(raw)) {
				var r eci.Record
				if err := json.Unmarshal([]byte(line), &r); err != nil {
					t.Fatal(err)
				}
				left = append(left, r.NegativeText)
				if test.name == "a.jsonl" && test.data == lists && !strings.Contains(line, `"prompt":"find"`) {
					t.Errorf("a field is lost: %s", line)
				}
			}
			if got := strings.Join(left, " "); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
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
