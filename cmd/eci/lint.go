package main

import (
	"fmt"

	"example.com/eci"
	"github.com/spf13/cobra"
)

type lintFlags struct {
	inputs
	examples int
	severity string
	maxError float64
}

// severities are the words of --severity, worst first.
var severities = []eci.Severity{eci.SeverityError, eci.SeverityWarning, eci.SeverityInfo}

func (a *app) lint() *cobra.Command {
	var f lintFlags
	c := &cobra.Command{
		Use:   "lint [flags] SOURCE...",
		Short: "Look for what is wrong with triples before training on them",
		Long: `Lint looks for rows that contradict their labels, copies, damaged texts and
vectors. It needs no encoder; with --vectors it sees more, and with --qrels it
knows false negatives that the triples themselves do not tell. It fails with exit
code 3 when a finding of severity error holds of more than --max-error-share of a
source's rows.`,
		Example: `  eci lint --demo
  eci lint bm25.jsonl
  eci lint --vectors vectors --max-error-share 0.01 *.jsonl`,
		RunE: func(c *cobra.Command, files []string) error { return a.runLint(c, &f, files) },
	}
	f.reading(c.Flags())
	f.tokens.register(c.Flags())
	c.Flags().IntVar(&f.examples, "examples", 3, "rows shown for a finding")
	c.Flags().StringVar(&f.severity, "severity", "info", "least severity shown: error, warning or info")
	c.Flags().Float64Var(&f.maxError, "max-error-share", 0, "share of rows up to which errors are tolerated; 1 never fails")
	return c
}

// level is the place of a severity, 0 for the worst, and -1 for an unknown one.
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
	found, err := linter.Lint(c.Context(), m.watch("lint", o.sources)...)
	if err != nil {
		return err
	}
	m.stop()
	for _, x := range found.Sources {
		if x.Rows == 0 {
			return fmt.Errorf("eci: source %q: %w: no row was read", x.Name, eci.ErrEmptySource)
		}
	}
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
	if err := a.print(r); err != nil {
		return err
	}
	if worst != nil {
		return &checkError{fmt.Sprintf("%s holds of %.1f%% of the rows of %s, more than %.1f%%", worst.Kind, 100*worst.Share, worst.Source, 100*f.maxError)}
	}
	return nil
}
