package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"example.com/eci/internal/wholefile"
)

// standardOutput lists the names of files that are standard output.
var standardOutput = map[string]bool{"-": true, "/dev/stdout": true, "/dev/fd/1": true, "/proc/self/fd/1": true}

// checkFolder returns an error if the folder of a file to write does not exist, before
// the work is done.
func checkFolder(path string) error {
	if path == "" || standardOutput[path] {
		return nil
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("eci: cannot write %s: %w", path, err)
	}
	return nil
}

// writeFile writes a file completely or not at all; see [wholefile.Write].
func (a *app) writeFile(ctx context.Context, path string, write func(w io.Writer) error) error {
	if standardOutput[path] {
		b := bufio.NewWriter(a.out)
		if err := write(b); err != nil {
			return err
		}
		return b.Flush()
	}
	var failed error
	err := wholefile.Write(ctx, path, 0o666, func(w io.Writer) error {
		failed = write(w)
		return failed
	})
	if err == nil || err == failed { // a failed read has an error of its own
		return err
	}
	return fmt.Errorf("eci: cannot write %s: %w", path, err)
}
