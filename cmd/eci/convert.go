package main

import (
	"fmt"

	"example.com/eci"
	"github.com/spf13/cobra"
)

type convertFlags struct {
	inputs
	writing
}

func (a *app) convert() *cobra.Command {
	var f convertFlags
	c := &cobra.Command{
		Use:   "convert --to FORMAT [flags] SOURCE...",
		Short: "Write triples in another format",
		Long: `Convert reads triples in any format that eci knows and writes them as JSONL: ours
(eci), sentence-transformers' triplet or n-tuple, FlagEmbedding's or Tevatron's.
Several sources follow one another; only eci keeps their names. Fields that eci
does not know, such as scores and prompts, are carried over; triplet and n-tuple
have a place for label and score alone, because their trainer takes every other
field for a text. What is not written is said on standard error. --width N gives
every n-tuple N negatives, as that trainer wants it.`,
		Example: `  eci convert --to triplet mined.tsv.gz -o mined.jsonl
  eci convert --to flagembedding --beir scifact bm25.run > train.jsonl`,
		RunE: func(c *cobra.Command, files []string) error { return a.runConvert(c, &f, files) },
	}
	f.reading(c.Flags())
	f.keepExtra = true
	f.writing.register(c.Flags(), "-")
	return c
}

func (a *app) runConvert(c *cobra.Command, f *convertFlags, files []string) error {
	if f.to == string(eci.FormatNTuple) && f.width == 0 && !f.pad {
		f.width = max(f.files.MaxNegatives, 0) // the number that was asked for
	}
	if err := f.writing.check(); err != nil {
		return err
	}
	o, err := f.open(c.Context(), a, files)
	if err != nil {
		return err
	}
	defer o.Close()
	m := a.meter()
	defer m.stop()
	left := 0
	rows, err := f.write(c.Context(), a, o.sources, func(yield func(eci.Triple, error) bool) {
		for _, s := range m.watch("convert", o.sources) {
			for t, err := range skipping(s, o.sem.Skip, &left).Triples {
				if !yield(labeled(t, s.Name), err) {
					return
				}
			}
		}
	})
	if err != nil || f.output == "-" {
		return err
	}
	m.stop()
	return a.print(written(f.output, f.to, rows, left))
}

// summary is what a command wrote, for JSON.
type summary struct {
	File    string `json:"file"`
	Format  string `json:"format"`
	Rows    int    `json:"rows"`
	Skipped int    `json:"skipped"`
}

func written(file, format string, rows, left int) result {
	r := result{
		value:  summary{file, format, rows, left},
		sheets: []sheet{{header: []string{"file", "format", "rows", "left out"}, rows: [][]any{{file, format, rows, left}}}},
	}
	return r
}

func (s summary) String() string {
	return fmt.Sprintf("%s: %d rows (%s)", s.File, s.Rows, s.Format)
}
