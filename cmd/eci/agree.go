package main

import (
	"fmt"

	"example.com/eci"
	"github.com/spf13/cobra"
)

type agreeFlags struct {
	inputs
	forecasting
	outcomes, setting string
	resamples         int
}

func (a *app) agree() *cobra.Command {
	var f agreeFlags
	c := &cobra.Command{
		Use:   "agree --outcomes FILE [flags] SOURCE...",
		Short: "Compare a ranking with measured outcomes of training",
		Long: `Agree ranks the sources and compares the ranking, S and every baseline with
measured outcomes of training on at least three of them: Kendall's tau-b,
Spearman's rho, and the share of significantly different pairs in the right
order. FILE is JSON: {"bm25": {"value": 0.041, "standard_error": 0.008}, ...}.`,
		Example: `  eci agree --demo --outcomes outcomes.json
  eci agree --vectors vectors --outcomes downstream.json --setting inb8 *.jsonl`,
		RunE: func(c *cobra.Command, files []string) error { return a.runAgree(c, &f, files) },
	}
	f.inputs.register(c)
	f.forecasting.register(c.Flags())
	c.Flags().StringVar(&f.outcomes, "outcomes", "", "JSON `file` with measured outcomes (needed)")
	c.Flags().StringVar(&f.setting, "setting", "", "the setting of the training to take, where the file has several")
	c.Flags().IntVar(&f.resamples, "resamples", 2000, "bootstrap samples")
	return c
}

func (a *app) runAgree(c *cobra.Command, f *agreeFlags, files []string) error {
	if f.outcomes == "" {
		return usage("--outcomes FILE is needed")
	}
	if err := f.forecasting.check(); err != nil {
		return err
	}
	pipes := f.pipes(c.Context())
	defer pipes.Close()
	file, err := pipes.Open(f.outcomes)
	if err != nil {
		return &eci.RowError{File: f.outcomes, Err: err}
	}
	defer file.Close()
	outcomes, err := eci.ReadOutcomes(f.outcomes, file, f.setting)
	if err != nil {
		return err
	}
	o, err := f.open(c.Context(), a, files)
	if err != nil {
		return err
	}
	defer o.Close()
	o.sem.NoChecks = true // the comparison does not use them
	m := a.meter()
	defer m.stop()
	o.sem.Progress = m.report()
	ahead, err := f.lookahead(&f.inputs, o)
	if err != nil {
		return err
	}
	ranking, err := rankWith(c.Context(), o, o.scorer(ahead))
	if err != nil {
		return err
	}
	m.stop()
	agreement, err := eci.Agree(ranking, outcomes, eci.AgreeOptions{Seed: f.seed, Resamples: f.resamples})
	if err != nil {
		return err
	}
	s := sheet{header: []string{"measure", "tau-b", "low", "high", "rho", "low", "high", "pairs right", "low", "high", "lead of " + ranking.Scorer, "low", "high"}}
	for _, m := range agreement.Measures {
		row := []any{m.Measure}
		for _, e := range []eci.Estimate{m.Tau, m.Rho, m.Accuracy, m.Lead} {
			row = append(row, fixed(e.Value, 2), fixed(e.Low, 2), fixed(e.High, 2))
		}
		s.rows = append(s.rows, row)
	}
	n := len(agreement.Sources)
	r := result{value: agreement, sheets: []sheet{s}}
	r.lead = []string{fmt.Sprintf("%d sources, %d of %d pairs differ significantly; 95%% bootstrap intervals over sources", n, agreement.Significant, n*(n-1)/2)}
	for _, note := range agreement.Notes {
		r.notes = append(r.notes, "note: "+note)
	}
	return a.print(r)
}
