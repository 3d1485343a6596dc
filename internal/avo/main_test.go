package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestGenerated: the committed assembly is what the generator writes.
func TestGenerated(t *testing.T) {
	command := filepath.Join(t.TempDir(), "avo")
	if out, err := exec.Command("go", "build", "-o", command, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, row := range []struct{ kernels, dir, name string }{
		{"syrk", "../syrk", "kernel_amd64"},
		{"chol", "../chol", "kernel_amd64"},
		{"dots", "../dots", "kernel_amd64"},
		{"peak", "peak", "peak_amd64"},
	} {
		t.Run(row.kernels, func(t *testing.T) {
			dir := t.TempDir()
			assembly, stubs := filepath.Join(dir, row.name+".s"), filepath.Join(dir, row.name+".go")
			run := exec.Command(command, "-kernels", row.kernels, "-pkg", row.kernels, "-out", assembly, "-stubs", stubs)
			if out, err := run.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, path := range []string{assembly, stubs} {
				got, want := body(t, path), body(t, filepath.Join(row.dir, filepath.Base(path)))
				if !bytes.Equal(got, want) {
					t.Errorf("%s is not what the generator writes; run go generate in %s", filepath.Base(path), row.dir)
				}
			}
		})
	}
}

// body returns a file without its first line, which holds the command.
func body(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(data, []byte("\n"))
	return rest
}
