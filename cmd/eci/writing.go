package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"example.com/eci"
	"github.com/spf13/pflag"
)

// writing are the flags of commands that write triples.
type writing struct {
	output string
	to     string
}

func (w *writing) register(flags *pflag.FlagSet, output string) {
	flags.StringVarP(&w.output, "output", "o", output, "`file` to write the triples to, - for standard output")
	flags.StringVar(&w.to, "to", string(eci.FormatRecord), "format to write: "+strings.Join(writtenFormats, ", "))
}

func (w *writing) check() error {
	if standardOutput[w.output] {
		w.output = "-" // nothing else is printed behind the triples
	}
	if !slices.Contains(writtenFormats, w.to) {
		return usage("--to %s: it is one of %s", w.to, strings.Join(writtenFormats, ", "))
	}
	return nil
}

// write writes triples to the file, whole or not at all, and returns the number
// of rows.
func (w *writing) write(ctx context.Context, a *app, triples iter.Seq2[eci.Triple, error]) (rows int, err error) {
	err = a.writeFile(ctx, w.output, func(out io.Writer) error {
		rows, err = eci.Write(out, eci.Format(w.to), cancelable(ctx, triples))
		if err == nil && rows == 0 {
			err = fmt.Errorf("eci: %w: nothing to write", eci.ErrEmptySource)
		}
		return err
	})
	return rows, err
}

// cancelable ends an iteration when the context does.
func cancelable(ctx context.Context, triples iter.Seq2[eci.Triple, error]) iter.Seq2[eci.Triple, error] {
	return func(yield func(eci.Triple, error) bool) {
		n := 0
		for t, err := range triples {
			if n++; n%256 == 1 && ctx.Err() != nil {
				yield(nil, ctx.Err())
				return
			}
			if !yield(t, err) {
				return
			}
		}
	}
}

// skipping leaves out the rows of a source that --skip covers, and counts them.
func skipping(source eci.Source, skip eci.Skip, left *int) eci.Source {
	return eci.Source{Name: source.Name, Triples: func(yield func(eci.Triple, error) bool) {
		for t, err := range source.Triples {
			malformed := errors.Is(err, eci.ErrMalformed) || errors.Is(err, eci.ErrMissingField)
			if malformed && skip&eci.SkipMalformed != 0 || errors.Is(err, eci.ErrEmptyText) && skip&eci.SkipEmptyText != 0 {
				*left++
				continue
			}
			if !yield(t, err) {
				return
			}
		}
	}}
}

// labeled writes the source's name into its records.
func labeled(t eci.Triple, source string) eci.Triple {
	if r, ok := t.(*eci.Record); ok {
		named := *r
		named.SourceName = source
		return &named
	}
	return t
}
