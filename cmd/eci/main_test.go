package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"html"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"example.com/eci"
	"example.com/eci/cmd/eci/report"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files and the outputs in docs/cli.md")

// eciRun runs a command line in this process.
func eciRun(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(ctx, args, &out, &err)
	return code, out.String(), err.String()
}

// TestGolden pins what every command prints on the demo, in every form. Numbers
// in JSON agree to 1e-6 relative.
func TestGolden(t *testing.T) {
	commands := []struct {
		name string
		args string
	}{
		{"rank", "rank --demo"},
		{"mix", "mix --demo"},
		{"explain", "explain --demo --source contaminated --top 2"},
		{"agree", "agree --demo --outcomes testdata/outcomes.json"},
	}
	t.Run("lint.txt", func(t *testing.T) {
		code, out, stderr := eciRun(t.Context(), "lint", "--demo", "--severity", "warning")
		if code != 0 || stderr != "" {
			t.Fatalf("exit code %d, standard error %q", code, stderr)
		}
		golden(t, "lint.txt", out)
	})
	forms := map[string]output{"txt": {}, "json": {json: true}, "csv": {csv: true}, "md": {markdown: true}}
	for _, c := range commands {
		// A ranking takes seconds, and one is printed in every form; of lint the form
		// decides what is in it.
		var stdout, stderr bytes.Buffer
		a := &app{out: &stdout, err: &stderr}
		args := strings.Fields(c.args)
		if args[0] == "rank" {
			args = append(args, "--checkpoint", demoCheckpoint(t)) // for those after it
		}
		if code := a.run(t.Context(), args); code != 0 || stderr.Len() > 0 {
			t.Fatalf("%s: exit code %d, standard error %q", c.args, code, &stderr)
		}
		golden(t, c.name+".txt", stdout.String())
		for form, flags := range forms {
			t.Run(c.name+"."+form, func(t *testing.T) {
				a.output = flags
				stdout.Reset()
				stderr.Reset()
				if err := a.print(*a.printed); err != nil || stderr.Len() > 0 && form != "csv" {
					t.Fatalf("%v, standard error %q", err, &stderr)
				}
				golden(t, c.name+"."+form, stderr.String()+stdout.String()) // what a table has no room for
			})
		}
	}
	for form, flag := range map[string]string{"json": "--json", "csv": "--csv", "md": "--markdown"} {
		t.Run("lint "+flag, func(t *testing.T) {
			code, out, stderr := eciRun(t.Context(), "lint", "--demo", "--severity", "warning", flag)
			if code != 0 || stderr != "" && form != "csv" {
				t.Fatalf("exit code %d, standard error %q", code, stderr)
			}
			golden(t, "lint."+form, stderr+out)
		})
		t.Run("rank "+flag, func(t *testing.T) {
			code, out, stderr := eciRun(t.Context(), "rank", "--demo", flag, "--checkpoint", demoCheckpoint(t))
			if code != 0 || stderr != "" && form != "csv" {
				t.Fatalf("exit code %d, standard error %q", code, stderr)
			}
			golden(t, "rank."+form, stderr+out)
		})
	}
	t.Run("race", func(t *testing.T) {
		_, out, _ := eciRun(t.Context(), "rank", "--demo", "--race")
		golden(t, "rank-race.txt", out)
	})
	for _, args := range []string{
		"select --demo --source llm --count 3",
		"select --demo --source llm --count 3 --by leverage --to triplet",
		"select --demo --source dense --per-query 1 --to flagembedding",
		"select --demo --source bm25 --count 4 --stream --to tevatron",
		"convert --demo --to n-tuple",
		"mix --demo --to eci -o -",
		"mix --demo --to triplet --members llm,dense -o -",
		"mix --demo --to triplet --members llm,dense --all-triples -o -",
	} {
		name := strings.NewReplacer(" ", "_", "--", "", ",", "+").Replace(args) + ".jsonl"
		t.Run(name, func(t *testing.T) {
			code, out, stderr := eciRun(t.Context(), strings.Fields(args)...)
			if code != 0 || stderr != "" {
				t.Fatalf("exit code %d, standard error %q", code, stderr)
			}
			// The rows are the demo's; their order and number is what counts.
			var brief strings.Builder
			for line := range strings.Lines(out) {
				if !json.Valid([]byte(line)) {
					t.Fatalf("not JSON: %s", line)
				}
				h := fnv.New32a()
				h.Write([]byte(line))
				fmt.Fprintf(&brief, "%08x %s\n", h.Sum32(), excerpt(line, 60))
			}
			golden(t, name, brief.String())
		})
	}
	for _, command := range []string{"", "rank", "lint", "filter", "mix", "select", "explain", "agree", "convert", "completion"} {
		t.Run("help "+command, func(t *testing.T) {
			code, out, stderr := eciRun(t.Context(), "help", command)
			if command == "" {
				code, out, stderr = eciRun(t.Context())
			}
			if code != 0 || stderr != "" {
				t.Fatalf("exit code %d, standard error %q", code, stderr)
			}
			if command != "completion" && !strings.Contains(out, "Examples:\n  eci ") {
				t.Error("no example in the help")
			}
			golden(t, "help-"+command+".txt", out)
		})
	}
}

// demoState is a folder with what was computed of the demo. With it, a ranking of the
// demo is the same and takes a second.
var demoState = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "eci-test") })

func demoCheckpoint(t *testing.T) string {
	t.Helper()
	dir, err := demoState()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// built is the command as a program, built once.
var built = sync.OnceValues(func() (string, error) {
	dir, err := demoState()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "bin", "eci")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, out)
	}
	return path, err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := demoState(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Ext(name) != ".json" {
		if diff := cmp.Diff(string(stored), got); diff != "" {
			t.Errorf("%s (-golden +now); if it is meant, run go test -update\n%s", file, diff)
		}
		return
	}
	var now, want any
	if err := json.Unmarshal([]byte(got), &now); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(stored, &want); err != nil {
		t.Fatal(err)
	}
	near := cmp.Comparer(func(a, b float64) bool {
		return math.Abs(a-b) <= 1e-6*max(math.Abs(a), math.Abs(b)) || math.Abs(a-b) < 1e-7
	})
	if diff := cmp.Diff(want, now, near); diff != "" {
		t.Errorf("%s (-golden +now)\n%s", file, diff)
	}
}

// TestExitCodes checks code, and that the message says what is wrong, once, and
// what to try.
func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	demoVectors, emptyFolder := filepath.Join("..", "..", "testdata", "demo", "vectors"), t.TempDir()
	row := `{"query":"a question","positive":"the answer","negative":"no answer"}` + "\n"
	same := `{"query":"a question","positive":"the answer","negative":"the answer"}` + "\n"
	for _, test := range []struct {
		why  string
		args []string
		code int
		want []string
	}{
		{"all is well", []string{"rank", "--demo"}, 0, nil},
		{"the check holds", []string{"rank", "--demo", "--require-best", "dense", "--allow", "overtraining"}, 0, nil},
		{"the best source overtrains", []string{"rank", "--demo", "--require-best", "dense"}, 3, []string{"check failed: dense: it overtrains (--allow overtraining"}},
		{"another source is best", []string{"rank", "--demo", "--require-best", "bm25", "--allow", "overtraining,random"}, 3, []string{"check failed: the best source of the 4 without a fault is dense, not bm25"}},
		{"not sure enough", []string{"rank", "--demo", "--require-best", "dense", "--allow", "overtraining,random", "--confidence", "0.9999"}, 3, []string{"below"}},
		{"the most to teach, and told by its writer", []string{"rank", "--demo", "--by", "eci", "--require-best", "llm"}, 3, []string{"llm: its negatives can be told", "--allow artifact"}},
		{"a race checks nothing", []string{"rank", "--demo", "--race", "--by", "eci", "--require-best", "llm"}, 3, []string{"was not compared", "--allow unchecked"}},
		{"a fault that there is not", []string{"rank", "--demo", "--allow", "everything"}, 2, []string{"--allow everything", "artifact"}},
		{"another measure", []string{"rank", "--demo", "--by", "luck"}, 2, []string{"--by luck"}},
		{"a pool beside the demo's", []string{"rank", "--demo", "--pool", "x"}, 2, []string{"--pool"}},
		{"no cutoff", []string{"mix", "--demo", "--cutoff", "0"}, 2, []string{"--cutoff 0"}},
		{"a probability that is no number", []string{"rank", "--demo", "--confidence", "NaN"}, 2, []string{"--confidence"}},
		{"negatives below none", []string{"rank", "--demo", "--max-negatives", "-1"}, 2, []string{"--max-negatives -1"}},
		{"no such source", []string{"rank", "--demo", "--require-best", "gold"}, 2, []string{"gold"}},
		{"a probability above 1", []string{"rank", "--demo", "--require-best", "llm", "--confidence", "95"}, 2, []string{"--confidence"}},
		{"lint errors", []string{"lint", file("same.jsonl", same+row)}, 3, []string{"negative-is-positive is found in 50.0% of the rows of same"}},
		{"lint errors tolerated", []string{"lint", file("same.jsonl", same+row), "--max-error-share", "0.5"}, 0, nil},
		{"a false negative by the judgments", []string{"lint", file("ids.jsonl", `{"query_id":"q1","query":"a question","positive_id":"d1","positive":"the answer","negative_id":"d2","negative":"another"}`+"\n"), "--qrels", file("qrels.txt", "q1 0 d2 1\n")}, 3, []string{"false-negative"}},
		{"judgments not there", []string{"lint", file("row.jsonl", row), "--qrels", filepath.Join(dir, "none.txt")}, 1, []string{"none.txt"}},
		{"nothing to read", []string{"rank"}, 2, []string{"--demo"}},
		{"demo and files", []string{"rank", "--demo", "x.jsonl"}, 2, []string{"--demo takes no files"}},
		{"a flag of a megabyte", []string{"rank", "--" + strings.Repeat("x", 1<<20)}, 2, []string{"has no flag", " … "}},
		{"a mistyped flag", []string{"rank", "--dmeo"}, 2, []string{"rank has no flag --dmeo; did you mean --demo?", "try: eci help rank"}},
		{"a flag with an underscore", []string{"rank", "--vector_texts", "x"}, 2, []string{"did you mean --vector-texts?"}},
		{"half of a flag's name", []string{"rank", "--query", "q"}, 2, []string{"did you mean --query-field?"}},
		{"one hyphen for two", []string{"rank", "-budget", "3"}, 2, []string{"two hyphens: --budget"}},
		{"an unknown letter", []string{"rank", "-z"}, 2, []string{"rank has no flag -z"}},
		{"a flag of another command", []string{"lint", "--html", "x"}, 2, []string{"lint has no flag --html, which belongs to eci rank"}},
		{"a flag without its command", []string{"--demo"}, 2, []string{"a command comes first, such as eci rank --demo"}},
		{"a file without a command", []string{file("row.jsonl", row)}, 2, []string{"is a file, and a command comes first: eci rank "}},
		{"a mistyped command", []string{"rnak", "--demo"}, 2, []string{"there is no command rnak; did you mean eci rank?"}},
		{"help on no command", []string{"help", "lnit"}, 2, []string{"did you mean eci lint?"}},
		{"a flag that is none", []string{"rank", "---"}, 2, []string{"--- is no flag"}},
		{"a flag without its value", []string{"rank", "--budget"}, 2, []string{"--budget needs a value: --budget NUMBER"}},
		{"a flag in the place of a value", []string{"rank", "--vectors", "--pool", "x"}, 2, []string{"--vectors needs a value, and has the flag --pool in its place"}},
		{"two forms", []string{"rank", "--demo", "--json", "--csv"}, 2, []string{"--csv and --json: give one of them"}},
		{"no number", []string{"rank", "--demo", "--seed", "many"}, 2, []string{"--seed many: it takes a whole number, 0 or above"}},
		{"half a number", []string{"rank", "--demo", "--groups", "1.5"}, 2, []string{"--groups 1.5: it takes a whole number, such as 32"}},
		{"a number that is a word", []string{"rank", "--demo", "--confidence", "high"}, 2, []string{"--confidence high: it takes a number, such as 0.95"}},
		{"too large a number", []string{"rank", "--demo", "--budget", "99999999999999999999"}, 2, []string{"too large"}},
		{"a value for a switch", []string{"rank", "--demo", "--exact=maybe"}, 2, []string{"--exact maybe: it takes no value; --exact=false turns it off"}},
		{"a quote that is not closed", []string{"rank", "--demo", "--allow", `"a`}, 2, []string{"a quote in the list is not closed"}},
		{"an infinite temperature", []string{"rank", "--demo", "--epsilon2", "Inf"}, 2, []string{"--epsilon2"}},
		{"bad setting", []string{"rank", "--demo", "--budget", "-3"}, 2, []string{"--budget -3", "-1 for all"}},
		{"zero setting", []string{"rank", "--demo", "--groups", "0"}, 2, []string{"--groups"}},
		{"one group, which has no spread", []string{"rank", "--demo", "--groups", "1"}, 2, []string{"--groups 1", "2 groups"}},
		{"a temperature that is no number", []string{"rank", "--demo", "--epsilon2", "NaN"}, 2, []string{"--epsilon2"}},
		{"nothing to lint", []string{"lint", file("empty.jsonl", "")}, 1, []string{"empty.jsonl", "no triples"}},
		{"nothing but rows without negatives", []string{"lint", file("bare.jsonl", `{"query":"q","pos":["p"],"neg":[]}`)}, 1, []string{"bare", "no triples"}},
		{"nothing to convert", []string{"convert", file("bare.jsonl", `{"query":"q","pos":["p"],"neg":[]}`), "-o", filepath.Join(dir, "out")}, 1, []string{"no triples"}},
		{"bad color", []string{"rank", "--demo", "--color", "red"}, 2, []string{"--color"}},
		{"bad policy", []string{"rank", "--demo", "--skip", "all"}, 2, []string{"--skip all"}},
		{"bad format", []string{"rank", file("row.jsonl", row), "--format", "xml"}, 2, []string{"xml", "flagembedding"}},
		{"file not there", []string{"rank", filepath.Join(dir, "none.jsonl")}, 1, []string{"none.jsonl", "try: check the path"}},
		{"vectors not there", []string{"rank", file("row.jsonl", row), "--vectors", filepath.Join(dir, "none")}, 1, []string{"queries", "try:"}},
		{"a file of vectors in place of their folder", []string{"rank", file("row.jsonl", row), "--vectors", file("queries.npy", "\x93NUMPY")}, 1, []string{"it is an .npy array, not a folder; want the folder", ".txt, one text a line"}},
		{"triples in place of vectors", []string{"rank", file("row.jsonl", row), "--vectors", file("row.jsonl", row)}, 1, []string{"it is a JSON file, not a folder"}},
		{"a file of texts in place of their folder", []string{"rank", file("row.jsonl", row), "--vectors", demoVectors, "--vector-texts", file("queries.txt", "a\n")}, 1, []string{"it is a text file, not a folder"}},
		{"a folder without texts", []string{"rank", file("row.jsonl", row), "--vectors", demoVectors, "--vector-texts", emptyFolder}, 1, []string{"want queries.txt and corpus.txt", "the folder is empty"}},
		{"vectors by id, and a row without ids", []string{"rank", file("row.jsonl", row), "--vectors", demoVectors}, 1, []string{"the row has no id", "--vector-texts DIR", "--skip missing-vector leaves"}},
		{"judgments that are not read: nothing to skip", []string{"lint", file("row.jsonl", row), "--qrels", file("bad.qrels", "q1 0 d2\nq1\n")}, 1, []string{"bad.qrels"}},
		{"no vectors", []string{"rank", file("row.jsonl", row)}, 1, []string{"row.jsonl", "--vectors DIR"}},
		{"not a file of triples", []string{"lint", file("text.txt", "hello\nworld\n")}, 1, []string{"text.txt"}},
		{"a bad row", []string{"convert", file("bad.jsonl", row+"{\n")}, 1, []string{"bad.jsonl", "row 2", "--skip malformed"}},
		{"a bad row left out", []string{"convert", file("bad.jsonl", row+"{\n"), "--skip", "malformed"}, 0, nil},
		{"a server without a model", []string{"rank", file("row.jsonl", row), "--server", "http://127.0.0.1:1"}, 2, []string{"--model"}},
		{"a server without a scheme", []string{"rank", file("row.jsonl", row), "--server", "localhost:8080", "--model", "m"}, 2, []string{"--server localhost:8080: it begins with http://"}},
		{"an unknown protocol", []string{"rank", file("row.jsonl", row), "--server", "http://127.0.0.1:1", "--model", "m", "--protocol", "smtp"}, 2, []string{"smtp", "ollama"}},
		{"a variable without a key", []string{"rank", file("row.jsonl", row), "--server", "http://127.0.0.1:1", "--model", "m", "--cache", "none", "--key-env", "ECI_TEST_EMPTY"}, 2, []string{"ECI_TEST_EMPTY is empty", "--key-env NAME"}},
		{"nobody listens", []string{"rank", file("row.jsonl", row), "--server", "http://127.0.0.1:1", "--model", "m", "--cache", "none"}, 1, []string{"127.0.0.1:1"}},
		{"a folder that is not there", []string{"rank", "--demo", "--html", filepath.Join(dir, "none", "x.html")}, 1, []string{"cannot write"}},
		{"no count", []string{"select", "--demo", "--source", "llm"}, 2, []string{"--count"}},
		{"too many", []string{"select", "--demo", "--source", "llm", "--count", "100000"}, 2, []string{"100000"}},
		{"too many by leverage", []string{"select", "--demo", "--source", "llm", "--count", "100000", "--by", "leverage"}, 2, []string{"480 triples"}},
		{"which source", []string{"explain", "--demo"}, 2, []string{"--source NAME", "contaminated"}},
		{"no such view", []string{"explain", "--demo", "--source", "llm", "--by", "luck"}, 2, []string{"luck"}},
		{"cannot be written", []string{"convert", "--demo", "--to", "dpr"}, 2, []string{"dpr", "tevatron"}},
		{"one source to mix", []string{"mix", file("row.jsonl", row)}, 2, []string{"two sources"}},
		{"members without output", []string{"mix", "--demo", "--members", "llm"}, 2, []string{"--output"}},
		{"no outcomes", []string{"agree", "--demo"}, 2, []string{"--outcomes"}},
		{"outcomes of others", []string{"agree", "--demo", "--by", "eci", "--outcomes", file("o.json", `{"x":{"value":1},"y":{"value":2},"z":{"value":3}}`)}, 1, []string{"x, y, z"}},
	} {
		t.Run(test.why, func(t *testing.T) {
			args := test.args
			if len(args) > 1 && args[0] == "rank" && args[1] == "--demo" {
				args = append(args[:len(args):len(args)], "--checkpoint", demoCheckpoint(t))
			}
			code, _, stderr := eciRun(t.Context(), args...)
			if code != test.code {
				t.Errorf("exit code %d, want %d: %s", code, test.code, stderr)
			}
			for _, want := range test.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("%q is not in %q", want, stderr)
				}
			}
			if len(stderr) > 5000 {
				t.Errorf("%d bytes of errors", len(stderr))
			}
			if strings.Contains(stderr, "leaves such rows out") && !strings.Contains(stderr, ", row ") {
				t.Errorf("nothing can be left out, and --skip is advised: %q", stderr)
			}
			if n := strings.Count(stderr, "eci: "); stderr != "" && n != 1 {
				t.Errorf("the error is told %d times: %q", n, stderr)
			}
			if code == 0 && stderr != "" {
				t.Errorf("standard error: %q", stderr)
			}
		})
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.partial")); left != nil {
		t.Errorf("partial files: %v", left)
	}
}

// TestCanceled checks that a canceled run ends with 130 and leaves no file, or
// the old one.
func TestCanceled(t *testing.T) {
	dir := t.TempDir()
	for _, args := range [][]string{
		{"rank", "--demo", "--html", "out"},
		{"rank", "--demo", "--race"},
		{"lint", "--demo"},
		{"mix", "--demo", "-o", "out"},
		{"select", "--demo", "--source", "llm", "--count", "5", "-o", "out"},
		{"explain", "--demo", "--source", "llm"},
		{"agree", "--demo", "--outcomes", "testdata/outcomes.json"},
		{"convert", "--demo", "-o", "out"},
	} {
		t.Run(args[0], func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			out := filepath.Join(dir, args[0])
			if err := os.WriteFile(out, []byte("old"), 0o644); err != nil {
				t.Fatal(err)
			}
			for i, a := range args {
				if a == "out" {
					args[i] = out
				}
			}
			code, _, stderr := eciRun(ctx, args...)
			if code != exitInterrupted || strings.Count(stderr, "\n") != 1 {
				t.Errorf("exit code %d, %q", code, stderr)
			}
			if text, _ := os.ReadFile(out); string(text) != "old" {
				t.Error("the old file was changed")
			}
			if left, _ := filepath.Glob(out + "*.partial"); left != nil {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// TestNotFinished cancels in the middle of the writing.
func TestNotFinished(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	a := &app{}
	path := filepath.Join(t.TempDir(), "rows")
	err := a.writeFile(ctx, path, func(w io.Writer) error {
		io.WriteString(w, "half")
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if left, _ := filepath.Glob(path + "*"); left != nil {
		t.Errorf("left: %v", left)
	}
}

// full is a reader that has gone away.
type full struct{ err error }

func (f full) Write([]byte) (int, error) { return 0, f.err }

func TestOutputFails(t *testing.T) {
	state := demoCheckpoint(t)
	for _, args := range [][]string{{"rank", "--demo", "--checkpoint", state}, {"rank", "--demo", "--json", "--checkpoint", state}, {"rank", "--demo", "--csv", "--checkpoint", state}, {"convert", "--demo"}, {"help"}} {
		var stderr bytes.Buffer
		code := run(t.Context(), args, full{syscall.EPIPE}, &stderr)
		if args[0] != "help" && (code != exitBrokenPipe || strings.Contains(stderr.String(), "eci: ")) {
			t.Errorf("%v into a closed pipe: exit code %d, %q", args, code, &stderr)
		}
		stderr.Reset()
		code = run(t.Context(), args, full{syscall.ENOSPC}, &stderr)
		if args[0] != "help" && (code != exitError || !strings.Contains(stderr.String(), "no space left")) {
			t.Errorf("%v onto a full disk: exit code %d, %q", args, code, &stderr)
		}
	}
}

// binary is the path of the command.
func binary(t *testing.T) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestHTML writes the page for people, which [report.Write] fills.
func TestHTML(t *testing.T) {
	page := filepath.Join(t.TempDir(), "report.html")
	demo := filepath.Join("..", "..", "testdata", "demo")
	args := []string{"--vectors", filepath.Join(demo, "vectors"), "--lookahead-triples", "48", "--budget", "100", filepath.Join(demo, "sources", "dense.jsonl"), filepath.Join(demo, "sources", "llm.jsonl")}
	code, out, stderr := eciRun(t.Context(), append([]string{"rank", "--html", page}, args...)...)
	raw, err := os.ReadFile(page)
	if code != 0 || err != nil {
		t.Fatalf("exit code %d, %v, %q", code, err, stderr)
	}
	verdict, _, _ := strings.Cut(out, ":")
	if text := html.UnescapeString(string(raw)); !strings.HasPrefix(text, "<!doctype html>") || !strings.Contains(text, verdict) {
		t.Errorf("%q is not in a page of %d bytes that begins with %.40q", verdict, len(raw), raw)
	}
	// The page and mix say the same of the same sources.
	_, out, _ = eciRun(t.Context(), append([]string{"mix"}, args...)...)
	if mixing, _, _ := strings.Cut(out, "\n"); mixing == "" || !strings.Contains(html.UnescapeString(string(raw)), mixing) {
		t.Errorf("mix says %q, and the page does not", mixing)
	}
}

// TestDocs runs every command of the pages about the command in a shell and compares
// what it prints with what the page shows. With -update it writes the page.
func TestDocs(t *testing.T) {
	for name, least := range map[string]int{"cli.md": 8, "how-much.md": 4} {
		t.Run(name, func(t *testing.T) { runPage(t, filepath.Join("..", "..", "docs", name), least) })
	}
}

// runPage runs the commands of a page, of which there are at least some.
func runPage(t *testing.T, page string, least int) {
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	outcomes, err := os.ReadFile("testdata/outcomes.json")
	if err != nil {
		t.Fatal(err)
	}
	dir, bin := t.TempDir(), t.TempDir()
	// What ranks the demo again finds what it has computed; TestGolden computes it again.
	script := fmt.Sprintf("#!/bin/sh\ncase \"$1\" in rank|agree) exec %q \"$@\" --checkpoint %q ;; esac\nexec %q \"$@\"\n", binary(t), demoCheckpoint(t), binary(t))
	if err := os.WriteFile(filepath.Join(bin, "eci"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "outcomes.json"), outcomes, 0o644); err != nil {
		t.Fatal(err)
	}
	demo, err := filepath.Abs(filepath.Join("..", "..", "testdata", "demo"))
	if err == nil {
		err = os.Symlink(demo, filepath.Join(dir, "demo"))
	}
	if err != nil {
		t.Fatal(err)
	}
	var now strings.Builder
	console, ran := false, 0
	for line := range strings.Lines(string(raw)) {
		switch {
		case line == "```console\n":
			console = true
		case line == "```\n":
			console = false
		}
		if !console || line == "```console\n" {
			now.WriteString(line)
			continue
		}
		words, ok := strings.CutPrefix(line, "$ ")
		if !ok {
			continue // what the page shows; written again
		}
		shell := exec.CommandContext(t.Context(), "sh", "-c", words)
		shell.Dir = dir
		shell.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
		out, _ := shell.CombinedOutput() // the page shows exit codes where they matter
		now.WriteString(line)
		now.Write(out)
		ran++
	}
	if ran < least {
		t.Errorf("%d commands on the page", ran)
	}
	if *update {
		if err := os.WriteFile(page, []byte(now.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(raw), now.String()); diff != "" {
		t.Errorf("%s (-page +now); if it is meant, run go test -run Docs -update\n%s", page, diff)
	}
}

// TestProcess checks what only a process shows: a closed pipe, an interrupt.
func TestProcess(t *testing.T) {
	program := binary(t)
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `"$0" convert --demo | head -1 | cut -c1-12`, program).CombinedOutput()
	if err != nil || string(out) != "{\"query_id\":\n" {
		t.Errorf("into head: %v %q", err, out)
	}
	// A server that never answers keeps the run going until it is interrupted.
	asked := make(chan struct{}, 100)
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(hang)
	dir := t.TempDir()
	row := filepath.Join(dir, "row.jsonl")
	if err := os.WriteFile(row, []byte(`{"query":"q","positive":"p","negative":"n"}`+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(dir, "report.html")
	command := exec.CommandContext(t.Context(), program, "rank", row, "--server", server.URL, "--model", "m", "--cache", filepath.Join(dir, "cache"), "--html", report)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	command.Process.Signal(os.Interrupt)
	command.Wait()
	if code := command.ProcessState.ExitCode(); code != exitInterrupted || strings.Count(stderr.String(), "\n") != 1 {
		t.Errorf("interrupted: exit code %d, %q", code, &stderr)
	}
	if left, _ := filepath.Glob(report + "*"); left != nil {
		t.Errorf("left: %v", left)
	}
}

// TestServer ranks with an embedding server and finds its vectors in the cache
// when the server is gone.
func TestServer(t *testing.T) {
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		var body struct{ Input []string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		type item struct {
			Index     int       `json:"index"`
			Embedding []float32 `json:"embedding"`
		}
		var answer struct {
			Data []item `json:"data"`
		}
		for i, text := range body.Input {
			h := fnv.New64a()
			io.WriteString(h, text)
			random := rand.New(rand.NewPCG(h.Sum64(), 1))
			v := make([]float32, 8)
			for k := range v {
				v[k] = float32(random.NormFloat64())
			}
			answer.Data = append(answer.Data, item{i, v})
		}
		json.NewEncoder(w).Encode(answer)
	}))
	dir := t.TempDir()
	var files []string
	for s := range 2 {
		var b strings.Builder
		for i := range 40 {
			fmt.Fprintf(&b, `{"query":"question %d","positive":"answer %d","negative":"wrong %d %d"}`+"\n", i, i, s, i)
		}
		files = append(files, filepath.Join(dir, fmt.Sprintf("source%d.jsonl", s)))
		if err := os.WriteFile(files[s], []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("OPENAI_API_KEY", "")
	args := append([]string{"rank", "--server", server.URL, "--model", "m", "--query-prefix", "query: ", "--cache", filepath.Join(dir, "cache"), "--csv"}, files...)
	code, first, stderr := eciRun(t.Context(), args...)
	if code != 0 || calls.Load() == 0 {
		t.Fatalf("exit code %d, %q, %d calls", code, stderr, calls.Load())
	}
	server.Close()
	code, second, stderr := eciRun(t.Context(), args...)
	if code != 0 || second != first {
		t.Errorf("from the cache: exit code %d, %q\n%s", code, stderr, cmp.Diff(first, second))
	}
}

// TestServerKey: no key goes where it was not sent to by name.
func TestServerKey(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "openai's")
	t.Setenv("OTHER_KEY", "other's")
	row := filepath.Join(t.TempDir(), "row.jsonl")
	if err := os.WriteFile(row, []byte(`{"query":"q","positive":"p","negative":"n"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		flags []string
		want  string
	}{
		{nil, ""},
		{[]string{"--key-env", "-"}, ""},
		{[]string{"--key-env", "OTHER_KEY"}, "Bearer other's"},
		{[]string{"--key-env", "OPENAI_API_KEY"}, "Bearer openai's"},
	} {
		sent := make(chan string, 100)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sent <- r.Header.Get("Authorization")
			http.Error(w, "no", http.StatusBadRequest)
		}))
		code, stdout, stderr := eciRun(t.Context(), append([]string{"rank", row, "--server", server.URL, "--model", "m", "--cache", "none"}, test.flags...)...)
		server.Close()
		if got := <-sent; code != exitError || got != test.want {
			t.Errorf("%v: exit code %d, %q sent, want %q", test.flags, code, got, test.want)
		}
		if strings.Contains(stdout+stderr, "'s") {
			t.Errorf("%v: a key is printed: %s%s", test.flags, stdout, stderr)
		}
	}
}

// TestNarrow checks that a table fits into a narrow terminal as long as there is
// something to leave out, and that the answer is never left out.
func TestNarrow(t *testing.T) {
	s := sheet{header: []string{"rank", "source", "gain", "unique", "disjoint"}, spare: []string{"unique", "absent", "disjoint"},
		rows: [][]any{{1, "dense", number{0.1, 3, true}, fixed(0.5, 2), fixed(0.9, 2)}}}
	for _, test := range []struct {
		width int
		want  []string // of the header
		left  string
	}{
		{0, s.header, ""},
		{80, s.header, ""},
		{32, []string{"rank", "source", "gain", "disjoint"}, ": unique"},
		{24, []string{"rank", "source", "gain"}, ": unique, disjoint"},
		{5, []string{"rank", "source", "gain"}, ": unique, disjoint"},
	} {
		var b strings.Builder
		(&app{out: io.Discard, color: "never", columns: test.width}).fit(&b, s)
		header, rest, _ := strings.Cut(b.String(), "\n")
		if diff := cmp.Diff(test.want, strings.Fields(header)); diff != "" {
			t.Errorf("at %d (-want +got)\n%s", test.width, diff)
		}
		if said := strings.Contains(rest, "left out"); said != (test.left != "") || !strings.HasSuffix(strings.TrimSpace(rest), test.left) {
			t.Errorf("at %d: %q", test.width, rest)
		}
		if test.width > 20 && len(header) > test.width {
			t.Errorf("at %d: %d characters", test.width, len(header))
		}
	}
}

// TestTerminal checks that color and progress are there when asked for, and not
// in what is piped.
func TestTerminal(t *testing.T) {
	state := demoCheckpoint(t)
	_, plain, _ := eciRun(t.Context(), "rank", "--demo", "--checkpoint", state)
	if strings.Contains(plain, "\x1b") {
		t.Error("color in what is piped")
	}
	_, colored, _ := eciRun(t.Context(), "rank", "--demo", "--color", "always", "--checkpoint", state)
	if !strings.Contains(colored, "\x1b[") {
		t.Error("no color with --color always")
	}
	_, table, _ := eciRun(t.Context(), "rank", "--demo", "--color", "always", "--csv", "--checkpoint", state)
	if strings.Contains(table, "\x1b") {
		t.Error("color in CSV")
	}
	t.Setenv("NO_COLOR", "1")
	if (&app{out: os.Stdout, color: "auto"}).colored() {
		t.Error("color in spite of NO_COLOR")
	}
	if (&app{err: io.Discard}).meter().report() != nil {
		t.Error("progress where there is no terminal")
	}
	var stderr bytes.Buffer
	m := (&app{err: &stderr, forceProgress: true}).meter()
	m.report()(eci.Progress{Stage: "score", Source: "bm25", Triples: 50, Total: 120})
	if bar := stderr.String(); !strings.Contains(bar, "score bm25") || !strings.Contains(bar, "50/120") || !strings.Contains(bar, "triples/s") {
		t.Errorf("progress: %q", bar)
	}
	m.stop()
	if !strings.HasSuffix(stderr.String(), " \r") {
		t.Errorf("the line is not cleared: %q", stderr.String())
	}
	n := 0
	for range m.watch("read", []eci.Source{{Name: "s", Triples: func(yield func(eci.Triple, error) bool) {
		for range 600 {
			if !yield(&eci.Record{}, nil) {
				return
			}
		}
	}}})[0].Triples {
		n++
	}
	m.stop()
	if n != 600 || !strings.Contains(stderr.String(), "read s") {
		t.Errorf("%d triples watched: %q", n, stderr.String())
	}
}

func TestCompletion(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"__complete ra", "rank"},
		{"__complete rank --protocol o", "ollama"},
		{"__complete convert --to f", "flagembedding"},
		{"__complete rank --color n", "never"},
	} {
		if code, out, _ := eciRun(t.Context(), strings.Fields(test.args)...); code != 0 || !strings.Contains(out, test.want) {
			t.Errorf("%s: exit code %d, %q", test.args, code, out)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if code, out, _ := eciRun(t.Context(), "completion", shell); code != 0 || len(out) < 1000 {
			t.Errorf("%s: exit code %d", shell, code)
		}
	}
}

func TestClean(t *testing.T) {
	for _, test := range []struct{ why, in, want string }{
		{"a terminal's escapes", "\x1b]0;title\x07red", " ]0;title red"},
		{"lines", "a\nb\r\tc", "a b  c"},
		{"right to left", "a\u202eb\u2066c\u061cd", "a b c d"},
		{"hidden letters, and lines that only a browser breaks", "a\U000e0062b\u2028c\ufeff", "a b c "},
		{"a terminal's escape in one character", "\u009b2J", " 2J"},
		{"joiners and signs stay", "می\u200cخواهم 👩\u200d👩 \u06dd٣", "می\u200cخواهم 👩\u200d👩 \u06dd٣"},
		{"letters stay", "Größe 日本", "Größe 日本"},
	} {
		if got := report.Clean(test.in); got != test.want {
			t.Errorf("%s: %q, want %q", test.why, got, test.want)
		}
	}
	if got := excerpt("one  two three", 8); got != "one two…" {
		t.Errorf("excerpt: %q", got)
	}
}

// TestAssign checks that every query gets one source that has it, in about the
// proportions asked for.
func TestAssign(t *testing.T) {
	n := make([]int, 2)
	for i := range 4000 {
		u := uniform(fmt.Sprintf("iq%d", i), 7)
		if u < 0 || u >= 1 {
			t.Fatal(u)
		}
		if u < 0.3 {
			n[0]++
		} else {
			n[1]++
		}
	}
	if n[0] < 1050 || n[0] > 1350 { // 1200, five standard deviations either way
		t.Errorf("%d of 4000 below .3", n[0])
	}
	if uniform("a", 1) == uniform("a", 2) || uniform("a", 1) != uniform("a", 1) {
		t.Error("the seed does not decide")
	}
}
