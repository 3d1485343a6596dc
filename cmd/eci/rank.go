package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"example.com/eci"
	"example.com/eci/cmd/eci/report"
	"github.com/spf13/cobra"
)

type rankFlags struct {
	inputs
	race        bool
	html        string
	requireBest string
	confidence  float64
}

func (a *app) rank() *cobra.Command {
	var f rankFlags
	c := &cobra.Command{
		Use:   "rank [flags] SOURCE...",
		Short: "Rank sources of hard negatives, with intervals",
		Long: `Rank scores every source on the same number of triples and prints them best
first: score in nats, 95% interval, probability of being the best, the lead over
negatives taken blindly, and whether negatives can be told without the query.`,
		Example: `  eci rank --demo
  eci rank --vectors vectors bm25.jsonl dense.jsonl llm.jsonl
  eci rank --demo --html report.html
  eci rank --demo --require-best llm --confidence 0.95 --quiet >/dev/null && echo train on llm`,
		RunE: func(c *cobra.Command, files []string) error { return a.runRank(c, &f, files) },
	}
	f.register(c)
	c.Flags().BoolVar(&f.race, "race", false, "read growing samples and drop sources that can no longer be the best")
	c.Flags().StringVar(&f.html, "html", "", "write a report as one HTML page to this `file`")
	c.Flags().StringVar(&f.requireBest, "require-best", "", "fail with exit code 3 unless this source is the best")
	c.Flags().Float64Var(&f.confidence, "confidence", 0.95, "probability that --require-best asks for")
	return c
}

func (a *app) runRank(c *cobra.Command, f *rankFlags, files []string) error {
	ctx := c.Context()
	if f.confidence < 0 || f.confidence > 1 {
		return usage("--confidence %v: a probability lies in [0, 1]", f.confidence)
	}
	o, err := f.open(ctx, a, files)
	if err != nil {
		return err
	}
	defer o.Close()
	var scorer eci.Scorer = o.sem
	m := a.meter()
	defer m.stop()
	o.sem.Progress = m.report()
	if f.race {
		scorer = &eci.Race{Sem: *o.sem}
	}
	ranking, err := eci.Rank(ctx, scorer, o.sources...)
	if err != nil {
		return err
	}
	m.stop()
	r := rankResult(ranking)
	if f.html != "" {
		linter := eci.Linter{}
		if linter.Relevant, err = f.files.Relevant(); err != nil {
			return err
		}
		data, err := report.Collect(ctx, o.sem, ranking, &linter, m.watch("report", o.sources)...)
		if err != nil {
			return err
		}
		m.stop()
		data.Settings = f.describe(ranking)
		if err := a.writeFile(ctx, f.html, func(w io.Writer) error { return report.Write(w, data) }); err != nil {
			return err
		}
	}
	if err := a.print(r); err != nil {
		return err
	}
	return f.check(ranking)
}

// rankWith ranks and shows how far it is.
func (a *app) rankWith(ctx context.Context, o *opened, sem *eci.Sem) (*eci.Ranking, error) {
	m := a.meter()
	defer m.stop()
	sem.Progress = m.report()
	return eci.Rank(ctx, sem, o.sources...)
}

// check is --require-best.
func (f *rankFlags) check(r *eci.Ranking) error {
	if f.requireBest == "" {
		return nil
	}
	best := r.Best()
	if _, ok := r.Find(f.requireBest); !ok {
		return usage("--require-best %s: there is no such source", f.requireBest)
	}
	if best.Source != f.requireBest {
		return &checkError{fmt.Sprintf("the best source is %s, not %s", best.Source, f.requireBest)}
	}
	if best.BestProbability < f.confidence {
		return &checkError{fmt.Sprintf("%s is the best with probability %.2f, below %.2f", best.Source, best.BestProbability, f.confidence)}
	}
	return nil
}

// rankResult is a ranking for printing.
func rankResult(r *eci.Ranking) result {
	out := result{value: r}
	first := r.Ranked[0]
	line := fmt.Sprintf("%d triples of each source", r.Budget)
	if first.Matrix != nil {
		line += fmt.Sprintf(", %d dimensions", first.Matrix.Config().Dimension)
	}
	out.lead = []string{line}
	s := sheet{header: []string{"rank", "source", r.Scorer, "low", "high", "P(best)", "ranks"}, best: true}
	checks := first.Controls != nil
	if checks {
		s.header = append(s.header, "control", "artefact")
	}
	s.header = append(s.header, first.Components...)
	s.header = append(s.header, "unique", "disjoint")
	for _, x := range r.Ranked {
		row := []any{x.Rank, x.Source, fixed(x.Value, 2), "", "", "", ranks(x)}
		if x.Groups >= 2 { // otherwise there is no interval
			row = []any{x.Rank, x.Source, fixed(x.Value, 2), fixed(x.Low, 2), fixed(x.High, 2), fixed(x.BestProbability, 2), ranks(x)}
		}
		if checks {
			control, artefact := any(""), any("")
			if x.Controls.Shuffled.Triples+x.Controls.Random.Triples > 0 {
				control = number{lead(x.Controls), 2, true}
			}
			if x.Artefact.Triples > 0 {
				artefact = fixed(x.Artefact.AUC, 2)
			}
			row = append(row, control, artefact)
		}
		for _, f := range x.Totals.Factors {
			row = append(row, fixed(f/float64(max(1, x.Totals.Triples)), 2))
		}
		s.rows = append(s.rows, append(row, fixed(x.Baselines["unique"], 2), fixed(x.Baselines["disjoint"], 2)))
	}
	out.sheets = []sheet{s}
	for _, n := range r.Notes {
		out.notes = append(out.notes, "note: "+n)
	}
	return out
}

// lead is the lead over the stronger control.
func lead(c *eci.Controls) float64 {
	if c.Random.Triples == 0 || c.Shuffled.Triples > 0 && c.Shuffled.Difference < c.Random.Difference {
		return c.Shuffled.Difference
	}
	return c.Random.Difference
}

func ranks(x eci.Ranked) string {
	if x.RankLow == x.RankHigh {
		return fmt.Sprint(x.RankLow)
	}
	return fmt.Sprintf("%d-%d", x.RankLow, x.RankHigh)
}

// describe is the settings for the report: all that another run needs to be told.
func (f *rankFlags) describe(r *eci.Ranking) []report.Setting {
	s := []report.Setting{
		{Name: "score", Value: r.Scorer},
		{Name: "triples of each source", Value: fmt.Sprint(r.Budget)},
		{Name: "seed of the sample", Value: fmt.Sprint(r.Seed)},
		{Name: "groups of queries", Value: fmt.Sprint(f.groups)},
		{Name: "temperatures of consistency and locality", Value: fmt.Sprintf("%g, %g", f.consistency, f.near)},
		{Name: "least residuality", Value: fmt.Sprint(f.floor)},
		{Name: "ε²", Value: fmt.Sprint(f.epsilon2)},
	}
	if c := r.Calibration; c != nil {
		s = append(s,
			report.Setting{Name: "calibrated on", Value: fmt.Sprintf("%s (%d triples)", strings.Join(c.Sources, ", "), c.Triples)},
			report.Setting{Name: "spread of margins σₘ", Value: fmt.Sprintf("%.4f", c.MarginScale)},
			report.Setting{Name: "negative similarities μ ± σ", Value: fmt.Sprintf("%.4f ± %.4f", c.NegativeMean, c.NegativeScale)},
			report.Setting{Name: "documents behind the word weights", Value: fmt.Sprint(c.Lexicon.Documents())})
	}
	return s
}
