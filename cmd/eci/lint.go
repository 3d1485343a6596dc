package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"example.com/eci"
	"github.com/spf13/cobra"
)

type lintFlags struct {
	inputs
	writing
	drop     []string
	examples int
	severity string
	maxError float64
}

// severities are the values of --severity, worst first.
var severities = []eci.Severity{eci.SeverityError, eci.SeverityWarning, eci.SeverityInfo}

func (a *app) lint() *cobra.Command {
	var f lintFlags
	c := &cobra.Command{
		Use:   "lint [flags] SOURCE...",
		Short: "Look for what is wrong with triples before training on them",
		Long: `Lint looks for rows that contradict their labels, copies, damaged texts and
vectors. It needs no encoder; with --vectors it sees more, and with --qrels it
knows false negatives that the triples themselves do not tell. It fails with exit
code 3 when more than --max-error-share of a source's rows have a finding of
severity error.

--fix FILE writes the rows that no rule of --drop applies to: by default those
without a finding of severity error. Then the exit code is 0, whatever was found.`,
		Example: `  eci lint --demo
  eci lint bm25.jsonl
  eci lint --vectors vectors --max-error-share 0.01 *.jsonl
  eci lint --fix clean.jsonl --drop near-identical,false-negative,duplicate-triple mined.jsonl`,
		RunE: func(c *cobra.Command, files []string) error { return a.runLint(c, &f, files) },
	}
	f.reading(c.Flags())
	f.tokens.register(c.Flags())
	c.Flags().StringVar(&f.output, "fix", "", "write the rows that no rule of --drop applies to into this `file`, - for standard output")
	c.Flags().StringVar(&f.to, "to", string(eci.FormatRecord), "format to write with --fix: "+strings.Join(writtenFormats, ", "))
	c.Flags().StringSliceVar(&f.drop, "drop", nil, "`rules` whose rows --fix leaves out (default those of severity error)")
	c.Flags().IntVar(&f.examples, "examples", 3, "rows shown for a finding")
	c.Flags().StringVar(&f.severity, "severity", "info", "least severity shown: error, warning or info")
	c.Flags().Float64Var(&f.maxError, "max-error-share", 0, "share of rows up to which errors are tolerated; 1 never fails")
	return c
}

// level returns the place of a severity: 0 for the worst, -1 for an unknown one.
func level(s eci.Severity) int {
	for i, known := range severities {
		if s == known {
			return i
		}
	}
	return -1
}

func (a *app) runLint(c *cobra.Command, f *lintFlags, files []string) error {
	least := level(eci.Severity(f.severity))
	if least < 0 {
		return usage("--severity %s: it is one of error, warning, info", f.severity)
	}
	if f.maxError < 0 || f.maxError > 1 || f.examples < 1 {
		return usage("--max-error-share lies in [0, 1], --examples is 1 or more")
	}
	kinds, err := f.dropped()
	if err != nil {
		return err
	}
	f.keepExtra = f.output != ""
	o, err := f.open(c.Context(), a, files)
	if err != nil {
		return err
	}
	defer o.Close()
	m := a.meter()
	defer m.stop()
	linter := eci.Linter{Vectors: o.sem.Vectors, Tokenizer: o.sem.Tokenizer, Examples: f.examples}
	if linter.Relevant, err = f.files.Relevant(); err != nil {
		return err
	}
	found, clean, err := linter.Clean(c.Context(), kinds, m.watch("lint", o.sources)...)
	if err != nil {
		return err
	}
	m.stop()
	for _, x := range found.Sources {
		if x.Triples+x.Bad == 0 {
			return fmt.Errorf("eci: source %q: %w: no row was read", x.Name, eci.ErrEmptySource)
		}
	}
	wrote, err := f.fix(c.Context(), a, o, clean)
	if err != nil || f.output == "-" {
		return err
	}
	r, worst := f.result(a, found, least, wrote)
	if err := a.print(r); err != nil {
		return err
	}
	if worst != nil && f.output == "" {
		return &checkError{fmt.Sprintf("%s is found in %.1f%% of the rows of %s, more than %.1f%%", worst.Kind, 100*worst.Share, worst.Source, 100*f.maxError)}
	}
	return nil
}

// dropped returns the rules of --drop.
func (f *lintFlags) dropped() (kinds []eci.LintKind, err error) {
	switch {
	case f.output == "" && len(f.drop) > 0:
		return nil, usage("--drop says what --fix FILE leaves out")
	case f.output == "":
		return nil, nil
	}
	if err := f.writing.check(); err != nil {
		return nil, err
	}
	if len(f.drop) == 0 {
		return eci.Droppable(eci.SeverityError), nil
	}
	for _, word := range f.drop {
		if !slices.Contains(eci.Droppable(""), eci.LintKind(word)) {
			return nil, usage("--drop %s: it is one of %s", word, strings.Trim(fmt.Sprint(eci.Droppable("")), "[]"))
		}
		kinds = append(kinds, eci.LintKind(word))
	}
	return kinds, nil
}

// lintFixed describes what --fix wrote.
type lintFixed struct {
	summary
	Triples int `json:"triples"`
	Dropped int `json:"dropped"`
}

// fix writes the rows that remain.
func (f *lintFlags) fix(ctx context.Context, a *app, o *opened, clean []eci.Source) (*lintFixed, error) {
	if f.output == "" {
		return nil, nil
	}
	out := &lintFixed{}
	rows, err := f.write(ctx, a, o.sources, func(yield func(eci.Triple, error) bool) {
		for _, source := range clean {
			for t, err := range skipping(source, o.sem.Skip, &out.Skipped).Triples {
				if err == nil {
					out.Triples++
				}
				if !yield(labeled(t, source.Name), err) {
					return
				}
			}
		}
	})
	out.File, out.Format, out.Rows = f.output, f.to, rows
	return out, err
}

// result returns the report for printing, with the worst error above the tolerated
// share.
func (f *lintFlags) result(a *app, found *eci.LintReport, least int, wrote *lintFixed) (result, *eci.Finding) {
	s := sheet{header: []string{"severity", "source", "rule", "rows", "share", "example"}}
	kept := found.Findings[:0:0]
	var worst *eci.Finding
	for i, x := range found.Findings {
		if x.Severity == eci.SeverityError && x.Share > f.maxError && (worst == nil || x.Share > worst.Share) {
			worst = &found.Findings[i]
		}
		if level(x.Severity) > least {
			continue
		}
		kept = append(kept, x)
		for k, row := range x.Examples {
			if k == 0 {
				s.rows = append(s.rows, []any{string(x.Severity), x.Source, string(x.Kind), x.Count, fixed(x.Share, 3), row.String()})
			} else if !a.output.csv {
				s.rows = append(s.rows, []any{"", "", "", "", "", row.String()})
			}
		}
	}
	shown := *found
	shown.Findings = kept
	r := result{value: &shown, sheets: []sheet{s}}
	for _, x := range found.Sources {
		r.lead = append(r.lead, fmt.Sprintf("%s: %d rows, %d triples", x.Name, x.Rows, x.Triples))
	}
	if len(kept) == 0 {
		r.notes = []string{"no findings"}
		if !a.output.csv {
			r.sheets = nil
		}
	}
	if wrote != nil {
		rows := 0
		for _, x := range found.Sources {
			rows += x.Triples + x.Bad
		}
		wrote.Dropped = rows - wrote.Triples - wrote.Skipped
		r.value = struct {
			Sources  []eci.LintedSource `json:"sources"`
			Findings []eci.Finding      `json:"findings"`
			Fixed    *lintFixed         `json:"fixed"`
		}{shown.Sources, append([]eci.Finding{}, shown.Findings...), wrote}
		r.lead = append(r.lead, fmt.Sprintf("%s: %d of %d triples kept, %d dropped", wrote.File, wrote.Triples, rows, wrote.Dropped))
	}
	return r, worst
}
