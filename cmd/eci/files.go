package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
)

// writeFile writes a file whole or not at all: what is half-written has another
// name and is removed when anything fails. "-" is standard output.
func (a *app) writeFile(ctx context.Context, path string, write func(w io.Writer) error) (err error) {
	if path == "-" {
		b := bufio.NewWriter(a.out)
		if err := write(b); err != nil {
			return err
		}
		return b.Flush()
	}
	partial := path + ".partial"
	f, err := os.Create(partial)
	if err != nil {
		return fmt.Errorf("eci: cannot write %s: %w", path, err)
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(partial)
		}
	}()
	b := bufio.NewWriterSize(f, 1<<16)
	if err := write(b); err != nil {
		return err
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("eci: cannot write %s: %w", path, err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("eci: cannot write %s: %w", path, err)
	}
	return os.Rename(partial, path)
}
