package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"example.com/eci"
	"github.com/spf13/pflag"
)

// writing holds the flags of commands that write triples.
type writing struct {
	output string
	to     string
	width  int
	pad    bool
}

func (w *writing) register(flags *pflag.FlagSet, output string) {
	flags.StringVarP(&w.output, "output", "o", output, "`file` to write the triples to, - for standard output")
	flags.StringVar(&w.to, "to", string(eci.FormatRecord), "format to write: "+strings.Join(writtenFormats, ", "))
	flags.IntVar(&w.width, "width", 0, "negatives of every n-tuple: of longer rows the first are kept, shorter ones are left out; 0 for as many as there are")
	flags.BoolVar(&w.pad, "pad", false, "with --width, fill shorter n-tuples up with their own negatives")
}

func (w *writing) check() error {
	if standardOutput[w.output] {
		w.output = "-" // nothing else is printed after the triples
	}
	if w.width < 0 || w.width > 0 && w.to != string(eci.FormatNTuple) || w.pad && w.width == 0 {
		return usage("--width is a positive number, for --to n-tuple; --pad goes with it")
	}
	if !slices.Contains(writtenFormats, w.to) {
		return usage("--to %s: it is one of %s", w.to, strings.Join(writtenFormats, ", "))
	}
	return checkFolder(w.output)
}

// write writes triples to the file, completely or not at all, and returns the number
// of rows. It reports which rows of their sources give no triple.
func (w *writing) write(ctx context.Context, a *app, sources []eci.Source, triples iter.Seq2[eci.Triple, error]) (rows int, err error) {
	err = a.writeFile(ctx, w.output, func(out io.Writer) error {
		var notes []string
		form := eci.Output{Format: eci.Format(w.to), Negatives: w.width, Pad: w.pad}
		rows, notes, err = form.Write(out, cancelable(ctx, triples))
		for _, note := range notes {
			a.inferred(inFlags(note))
		}
		if err == nil && rows == 0 {
			err = fmt.Errorf("eci: %w: nothing to write", eci.ErrEmptySource)
		}
		return err
	})
	if err == nil {
		a.sayBarren(sources)
	}
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

// skipping leaves out the rows of a source that --skip covers and counts them.
func skipping(source eci.Source, skip eci.Skip, left *int) eci.Source {
	return eci.Source{Name: source.Name, Triples: func(yield func(eci.Triple, error) bool) {
		for t, err := range source.Triples {
			malformed := errors.Is(err, eci.ErrMalformed) || errors.Is(err, eci.ErrMissingField)
			if malformed && skip&eci.SkipMalformed != 0 || errors.Is(err, eci.ErrEmptyText) && skip&eci.SkipEmptyText != 0 {
				*left++
				continue
			}
			if !yield(t, inSource(source.Name, err)) {
				return
			}
		}
	}}
}

// inSource adds the name of its source to the error of a row.
func inSource(name string, err error) error {
	var at *eci.RowError
	if !errors.As(err, &at) || at.Source != "" {
		return err
	}
	named := *at
	named.Source = name
	return &named
}

// sayBarren reports how many rows of the sources gave no triple and so are not
// written.
func (a *app) sayBarren(sources []eci.Source) {
	for _, s := range sources {
		withoutPositive, withoutNegative := s.Barren()
		for _, lack := range []struct {
			rows int
			what string
		}{{withoutPositive, "positive"}, {withoutNegative, "negative"}} {
			if lack.rows > 0 {
				a.inferred(fmt.Sprintf("%s: %d rows without a %s are left out; eci lint shows them", s.Name, lack.rows, lack.what))
			}
		}
	}
}

// marked is a triple with additional fields after its own.
func marked(t eci.Triple, extra ...eci.Extra) eci.Triple {
	r, ok := t.(*eci.Record)
	if !ok {
		return t
	}
	more := *r
	more.Extra = slices.Clone(r.Extra)
	for _, e := range extra {
		more.Extra = slices.DeleteFunc(more.Extra, func(old eci.Extra) bool { return old.Name == e.Name && old.Of == e.Of })
		more.Extra = append(more.Extra, e)
	}
	return &more
}

// figure returns an extra field of a row with a number, to 6 digits.
func figure(name string, value float64) eci.Extra {
	return eci.Extra{Name: name, Value: strconv.AppendFloat(nil, value, 'g', 6, 64)}
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
