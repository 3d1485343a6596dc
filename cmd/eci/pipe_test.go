//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/eci/testdata/demo"
	"github.com/google/go-cmp/cmp"
)

// TestPipes: what comes from FIFOs, or from standard input, is what comes from
// files, for every command, however often it reads.
func TestPipes(t *testing.T) {
	files, pipes := t.TempDir(), t.TempDir()
	var names []string
	texts := make(map[string]string)
	put := func(name string) {
		raw, err := fs.ReadFile(demo.Files, name)
		if err == nil {
			err = os.WriteFile(filepath.Join(files, filepath.Base(name)), raw, 0o600)
		}
		if err == nil {
			err = syscall.Mkfifo(filepath.Join(pipes, filepath.Base(name)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(name)] = string(raw)
	}
	for _, source := range []string{"bm25", "contaminated", "dense", "llm", "random"} {
		put("sources/" + source + ".jsonl")
		names = append(names, source+".jsonl")
	}
	put("qrels.tsv")
	vectors := filepath.Join("..", "..", "testdata", "demo", "vectors")
	const few = "--lookahead-triples=48"
	for _, args := range [][]string{
		{"rank", "--vectors", vectors, "--csv", few},
		{"rank", "--vectors", vectors, "--csv", "--race", "--by", "eci"},
		{"lint", "--vectors", vectors, "--csv", "--max-error-share", "1", "--qrels", "qrels.tsv"},
		{"mix", "--vectors", vectors, "--by", "eci", "--to", "triplet", "-o", "-"},
		{"select", "--vectors", vectors, "--source", "llm", "--count", "3"},
		{"explain", "--vectors", vectors, "--source", "dense", "--csv"},
		{"agree", "--vectors", vectors, "--outcomes", "testdata/outcomes.json", "--csv", "--by", "eci"},
		{"convert", "--to", "n-tuple"},
		{"filter", "--vectors", vectors, "--source", "dense", "--positive-share", "0.95", "--no-forecast", "-o", "-"},
		{"select", "--vectors", vectors, "--source", "dense", "--batches", "8"},
	} {
		t.Run(args[0], func(t *testing.T) {
			in := func(dir string) []string {
				var line []string
				for _, a := range append(append([]string{}, args...), names...) {
					if _, ok := texts[a]; ok {
						a = filepath.Join(dir, a)
					}
					line = append(line, a)
				}
				return line
			}
			_, want, stderr := eciRun(t.Context(), in(files)...)
			if want == "" {
				t.Fatalf("no output from files: %q", stderr)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			for name, text := range texts {
				feedPipe(ctx, filepath.Join(pipes, name), text)
			}
			code, got, stderr := eciRun(t.Context(), in(pipes)...)
			if diff := cmp.Diff(want, strings.ReplaceAll(got, pipes, files)); diff != "" || code != 0 {
				t.Errorf("exit code %d, %q (-files +pipes)\n%s", code, stderr, diff)
			}
		})
	}
}

// feedPipe writes to a FIFO once it has a reader, if ctx lasts.
func feedPipe(ctx context.Context, path, text string) {
	go func() {
		for ctx.Err() == nil {
			w, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
			if err == nil {
				w.WriteString(text)
				w.Close()
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
}

// TestStandardInputOfEveryCommand: "-" is read by every command, however often it reads,
// as the file is.
func TestStandardInputOfEveryCommand(t *testing.T) {
	vectors, file := folderOfVectors(t, "", 0)
	outcomes := filepath.Join(t.TempDir(), "outcomes.json")
	if err := os.WriteFile(outcomes, []byte(`{"stdin":{"value":1},"x":{"value":2},"y":{"value":3}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	program := binary(t)
	for _, line := range []string{
		"rank --vectors %s - --csv --no-lint", "rank --vectors %s - --csv --race", "lint --vectors %s - --csv --max-error-share 1",
		"filter --vectors %s - --rank-window 1 --no-forecast -o -", "select --vectors %s - --count 3", "select --vectors %s - --keep 50%% --no-check",
		"select --vectors %s - --batches 4", "explain --vectors %s - --csv", "convert --to triplet -", "mix --vectors %s --by eci --to triplet -o - - x=@ y=@",
		"agree --vectors %s --by eci --csv - x=@ y=@ --outcomes " + outcomes,
	} {
		if strings.Contains(line, "%s") {
			line = fmt.Sprintf(line, vectors)
		}
		run := func(with string) string {
			words := strings.Fields(strings.ReplaceAll(line, "@", file))
			for i, word := range words {
				if word == "-" && words[i-1] != "-o" {
					words[i] = with
				}
			}
			c := exec.CommandContext(t.Context(), program, words...)
			in, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			pipe, err := c.StdinPipe() // a pipe, which cannot be read twice
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				io.Copy(pipe, in)
				pipe.Close()
			}()
			var stderr strings.Builder
			c.Stderr = &stderr
			out, err := c.Output()
			if err != nil || len(out) == 0 {
				t.Errorf("%s with %s: %v, %s", line, with, err, &stderr)
			}
			return strings.ReplaceAll(string(out), file, "standard input")
		}
		if diff := cmp.Diff(run("stdin="+file), run("-")); diff != "" {
			t.Errorf("%s (-file +pipe)\n%s", line, diff)
		}
	}
}

// TestStandardInput gives "-" to a process.
func TestStandardInput(t *testing.T) {
	program := binary(t)
	for _, test := range []struct{ line, want string }{
		{`printf '%s\n' "$ROW" "$ROW" | "$ECI" lint - --max-error-share 1 | head -1`, "stdin: 2 rows, 2 triples\n"},
		{`printf '%s\n' "$ROW" | "$ECI" convert - --to triplet`, `{"anchor":"a question","positive":"the answer","negative":"no answer"}` + "\n"},
		{`printf '%s\n' "$ROW" | "$ECI" convert /dev/stdin --to triplet -o /dev/stdout`, `{"anchor":"a question","positive":"the answer","negative":"no answer"}` + "\n"},
		{`"$ECI" lint - </dev/null; echo $?`, "1\n"},
		{`"$ECI" lint /dev/null; echo $?`, "1\n"},
		{`printf '%s\n' '{"query":"q","positive":"p","negative":1}' | "$ECI" convert - --skip malformed; echo $?`, "1\n"},
		{`printf '%s\n' '[' | "$ECI" lint - 2>&1 | cut -c1-24`, "eci: standard input, row\n"},
	} {
		out, err := shell(t, program, test.line).Output()
		if string(out) != test.want {
			t.Errorf("%s: %q, error %v; want %q", test.line, out, err, test.want)
		}
	}
}

// shell runs a line with the command and a row in its environment.
func shell(t *testing.T, program, line string) *exec.Cmd {
	c := exec.CommandContext(t.Context(), "sh", "-c", line)
	c.Env = append(os.Environ(), "ECI="+program, `ROW={"query":"a question","positive":"the answer","negative":"no answer"}`)
	return c
}

// TestPipeCanceled: an interrupt ends the waiting for a FIFO, to be read or to
// be written.
func TestPipeCanceled(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	for _, args := range [][]string{
		{"lint", pipe},
		{"rank", "--demo", "--html", pipe},
		{"convert", "--demo", "-o", pipe},
		{"lint", "--qrels", pipe, filepath.Join("..", "..", "testdata", "demo", "sources", "llm.jsonl")},
		{"agree", "--demo", "--outcomes", pipe},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		if code, _, stderr := eciRun(ctx, args...); code != exitInterrupted || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit code %d, %q", args, code, stderr)
		}
	}
}
