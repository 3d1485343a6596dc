package main

import (
	"fmt"
	"slices"
	"strings"

	"example.com/eci"
	"example.com/eci/cmd/eci/report"
	"github.com/spf13/cobra"
)

type rankFlags struct {
	inputs
	forecasting
	windowFlags
	targeting
	race        bool
	html        string
	requireBest string
	allow       []string
	confidence  float64
	noLint      bool
	wrong       []eci.Finding // errors that lint found
}

func (a *app) rank() *cobra.Command {
	var f rankFlags
	c := &cobra.Command{
		Use:   "rank [flags] SOURCE...",
		Short: "Rank sources of hard negatives, with intervals",
		Long: `Rank forecasts what training on each source would do to retrieval and prints the
sources best first, with the verdict above them: expected change of nDCG@10, 95%
interval, the change after each of three steps, probability of being the best, the
lead over random documents, whether negatives can be told without the query, and
the information of the triples in nats, all on the same number of triples.

Queries are searched in the documents of --pool, a corpus or a file of ids that
have vectors, or else in the labeled positives. Give --qrels too if you
have judgments: relevant documents that nobody labeled count as competitors.

--target DIR asks another question: what would each source do to that task, with
its own queries, documents and judgments? The sources may be of any collection.
--target again gives a table of sources and tasks.

--race reads growing samples and spares texts; it makes neither the comparison
with random documents nor the artifact check. --by eci ranks by the information
alone: how much a source could teach, not whether that helps.

--require-best NAME is for scripts. It fails, with the reason, if NAME is not the
best with the --confidence asked for, or has a fault: it is not shown to help, it
overtrains, it does not beat random documents, its negatives can be told without
the query, one of these was not checked, lint finds errors in its rows, or the data
are too few to tell. --allow lets a fault pass; sources with other faults do not
count as rivals.`,
		Example: `  eci rank --demo
  eci rank --vectors vectors bm25.jsonl dense.jsonl llm.jsonl
  eci rank --vectors vectors --pool corpus.jsonl --qrels qrels.tsv bm25.jsonl dense.jsonl
  eci rank --demo --html report.html
  eci rank --vectors vectors --rank-window 1-10,11-30,31-100 bm25.jsonl
  eci rank --vectors vectors --target beir/scifact --target-vectors scifact-vectors *.jsonl
  eci rank --demo --require-best dense --allow overtraining --quiet >/dev/null && echo train on dense`,
		RunE: func(c *cobra.Command, files []string) error { return a.runRank(c, &f, files) },
	}
	f.inputs.register(c)
	f.forecasting.register(c.Flags())
	f.windowFlags.register(c.Flags())
	f.targeting.register(c.Flags())
	c.Flags().BoolVar(&f.race, "race", false, "read growing samples and drop sources that can no longer be the best")
	c.Flags().StringVar(&f.html, "html", "", "write a report as one HTML page to this `file`")
	c.Flags().StringVar(&f.requireBest, "require-best", "", "fail with exit code 3 unless this source is the best, and free of faults")
	c.Flags().StringSliceVar(&f.allow, "allow", nil, "faults that --require-best lets pass: "+strings.Join(allowances, ", "))
	c.Flags().BoolVar(&f.noLint, "no-lint", false, "do not look for errors in the rows")
	c.Flags().Float64Var(&f.confidence, "confidence", 0.95, "probability that --require-best asks for")
	return c
}

func (a *app) runRank(c *cobra.Command, f *rankFlags, files []string) error {
	ctx := c.Context()
	if !(f.confidence >= 0 && f.confidence <= 1) {
		return usage("--confidence %v: a probability lies in [0, 1]", f.confidence)
	}
	for _, word := range f.allow {
		if !slices.Contains(allowances, word) {
			return usage("--allow %s: it is one of %s", word, strings.Join(allowances, ", "))
		}
	}
	if err := f.forecasting.check(); err != nil {
		return err
	}
	if err := f.checkTargets(&f.forecasting, &f.inputs); err != nil {
		return err
	}
	if len(f.targets) > 0 && f.race {
		return usage("--race is for the sources' own queries, not for a --target")
	}
	if len(f.targets) > 1 && f.requireBest != "" {
		return usage("--require-best asks of one --target")
	}
	if err := checkFolder(f.html); err != nil {
		return err
	}
	o, err := f.open(ctx, a, files)
	if err != nil {
		return err
	}
	defer o.Close()
	if err := f.windowFlags.apply(o); err != nil {
		return err
	}
	m := a.meter()
	defer m.stop()
	o.sem.Progress = m.report()
	if len(f.targets) > 0 {
		ranking, err := f.runTargets(ctx, a, o, m)
		if err != nil || ranking == nil {
			return err
		}
		return f.check(ranking)
	}
	scorer, err := f.scorer(o)
	if err != nil {
		return err
	}
	ranking, err := rankWith(ctx, o, scorer)
	if err != nil {
		return err
	}
	if !f.noLint {
		if err := f.lint(ctx, o, ranking, m.watch("lint", o.sources)); err != nil {
			return err
		}
	}
	m.stop()
	r := rankResult(ranking)
	if f.html != "" {
		if err := f.writeHTML(ctx, a, o, m, []*eci.Ranking{ranking}); err != nil {
			return err
		}
	}
	if err := a.print(r); err != nil {
		return err
	}
	return f.check(ranking)
}

// scorer returns the scorer that the flags ask for.
func (f *rankFlags) scorer(o *opened) (eci.Scorer, error) {
	ahead, err := f.lookahead(&f.inputs, o)
	switch {
	case err != nil:
		return nil, err
	case f.race && ahead != nil:
		return &eci.Race{Lookahead: ahead}, nil
	case f.race:
		return &eci.Race{Sem: *o.sem}, nil
	}
	return o.scorer(ahead), nil
}

// rankResult returns a ranking for printing.
func rankResult(r *eci.Ranking) result {
	out := result{value: r}
	first := r.Ranked[0]
	line := fmt.Sprintf("%d triples of each source", r.Budget)
	if first.Matrix != nil {
		line += fmt.Sprintf(", %d dimensions", first.Matrix.Config().Dimension)
	}
	if l := r.Lookahead; l != nil {
		line += fmt.Sprintf("; gain in %s over %.3f, %d queries in %d documents", l.Unit(), l.Frozen, l.Queries, l.Pool)
	}
	if r.Verdict != nil {
		out.lead = append(out.lead, r.Verdict.Sentence)
	}
	out.lead = append(out.lead, line)
	s := sheet{header: rankHeader(r), best: true, spare: spareColumns(first.Components)}
	for _, x := range r.Ranked {
		var row []any
		switch f := x.Forecast; {
		case f != nil:
			row = []any{x.Rank, x.Source, number{f.Gain, 3, true}, number{f.Low, 3, true}, number{f.High, 3, true}}
			if f.Deviations == nil {
				row[3], row[4] = "", ""
			}
			for _, g := range f.After {
				row = append(row, number{g, 3, true})
			}
			row = append(row, fixed(x.BestProbability, 2), ranks(x))
		case x.Groups >= 2:
			row = []any{x.Rank, x.Source, fixed(x.Value, 2), fixed(x.Low, 2), fixed(x.High, 2), fixed(x.BestProbability, 2), ranks(x)}
		default: // there is no interval
			row = []any{x.Rank, x.Source, fixed(x.Value, 2), "", "", "", ranks(x)}
		}
		if x.Controls != nil {
			artifact := any("")
			if x.Artifact.Triples > 0 {
				artifact = fixed(x.Artifact.AUC, 2)
			}
			row = append(row, leadOf(x), artifact)
		}
		if x.Forecast != nil {
			row = append(row, fixed(x.Value, 2))
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

// rankHeader names the columns of a ranking.
func rankHeader(r *eci.Ranking) []string {
	first := r.Ranked[0]
	header := []string{"rank", "source"}
	if r.Lookahead != nil {
		header = append(header, "gain", "low", "high")
		for k := range first.Forecast.After {
			header = append(header, fmt.Sprint("step ", k+1))
		}
	} else {
		header = append(header, r.Scorer, "low", "high")
	}
	header = append(header, "P(best)", "ranks")
	switch {
	case first.Controls != nil && r.Lookahead != nil:
		header = append(header, "over random", "artifact")
	case first.Controls != nil:
		header = append(header, "control", "artifact")
	}
	if r.Lookahead != nil {
		header = append(header, new(eci.Sem).Name())
	}
	header = append(header, first.Components...)
	return append(header, "unique", "disjoint")
}

// spareColumns are those that a narrow terminal can do without, the first to drop
// first.
func spareColumns(components []string) []string {
	spare := append([]string{"unique", "disjoint"}, components...)
	return append(spare, "ranks", "step 1", "step 2", "step 3", new(eci.Sem).Name(), "artifact", "over random", "control")
}

// leadOf returns the lead over negatives that cost nothing.
func leadOf(x eci.Ranked) any {
	if x.Forecast == nil {
		if x.Controls.Shuffled.Triples+x.Controls.Random.Triples == 0 {
			return ""
		}
		return number{lead(x.Controls), 2, true}
	}
	if x.Forecast.Random == nil {
		return ""
	}
	return number{x.Forecast.Random.Value, 3, true}
}

// lead returns the lead over the stronger control.
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

// describe returns the settings for the report: everything needed to repeat the run.
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
	return append(s, report.OfCalibration(r.Calibration)...)
}
