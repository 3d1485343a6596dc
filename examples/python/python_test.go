// Package python_test runs the Python example if there is a Python with NumPy.
package python_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// python is an interpreter with NumPy.
func python(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3", "python"} {
		if exec.Command(name, "-c", "import numpy").Run() == nil {
			return name
		}
	}
	t.Skip("no Python with NumPy")
	return ""
}

// TestChoose: the page's commands print what the page shows and end with its exit
// codes.
func TestChoose(t *testing.T) {
	interpreter := python(t)
	eci := filepath.Join(t.TempDir(), "eci")
	build := exec.Command("go", "build", "-o", eci, ".")
	build.Dir = filepath.Join("..", "..", "cmd", "eci")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "python.md"))
	if err != nil {
		t.Fatal(err)
	}
	sources, err := filepath.Glob(filepath.Join("..", "..", "testdata", "demo", "sources", "*.jsonl"))
	if err != nil || len(sources) != 5 {
		t.Fatal(sources, err)
	}
	for i := range sources {
		sources[i] = strings.TrimPrefix(filepath.ToSlash(sources[i]), "../../")
	}
	work := filepath.Join(t.TempDir(), "choose") // of all tests: the first fills the checkpoint
	for _, test := range []struct {
		reason string
		flags  []string
		code   int
		says   string // in addition to what the page shows
	}{
		{"a verdict", nil, 0, "Train on"},
		{"a source that passes", []string{"--require", "bm25"}, 0, "Train on bm25"},
		{"a source that does not", []string{"--require", "llm"}, 3, "check failed: llm"},
		{"a source that there is not", []string{"--require", "none"}, 1, "no such source"},
	} {
		args := append([]string{"examples/python/choose.py", "--eci", eci, "--work", work}, test.flags...)
		command := exec.Command(interpreter, append(args, sources...)...)
		command.Dir = filepath.Join("..", "..")
		out, err := command.CombinedOutput()
		code := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		}
		if code != test.code || !strings.Contains(string(out), test.says) {
			t.Errorf("%s: exit code %d, want %d\n%s", test.reason, code, test.code, out)
		}
		if test.flags == nil && !strings.Contains(string(page), string(out)) {
			t.Errorf("docs/python.md does not show\n%s", out)
		}
	}
}
