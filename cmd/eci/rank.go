package main

import (
	"context"
	"fmt"
	"io"

	"example.com/eci"
	"example.com/eci/cmd/eci/report"
	"example.com/eci/testdata/demo"
	"github.com/spf13/cobra"
)

type rankFlags struct {
	inputs
	by          string
	pool        string
	walked      int
	cutoff      int
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
		Long: `Rank forecasts what training on each source would do to retrieval and prints the
sources best first, with the verdict above them: expected change of nDCG@10, 95%
interval, the change after each of three steps, probability of being the best, the
lead over random documents, whether negatives can be told without the query, and
the information of the triples in nats, all on the same number of triples.

Queries are searched in the documents of --pool, a corpus or a file of ids whose
vectors are at hand, or else in the labelled positives.`,
		Example: `  eci rank --demo
  eci rank --vectors vectors bm25.jsonl dense.jsonl llm.jsonl
  eci rank --vectors vectors --pool corpus.jsonl --qrels qrels.tsv bm25.jsonl dense.jsonl
  eci rank --demo --html report.html
  eci rank --demo --require-best llm --confidence 0.95 --quiet >/dev/null && echo train on llm`,
		RunE: func(c *cobra.Command, files []string) error { return a.runRank(c, &f, files) },
	}
	f.register(c)
	c.Flags().StringVar(&f.by, "by", byLookahead, "what to rank by: lookahead, or eci for the information alone")
	c.Flags().StringVar(&f.pool, "pool", "", "`file` of the documents that queries are searched in: a corpus, or ids one a line")
	c.Flags().IntVar(&f.walked, "lookahead-triples", 512, "triples of each source that the forecast walks on; 0 for all")
	c.Flags().IntVar(&f.cutoff, "cutoff", 10, "k of nDCG@k")
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
	m := a.meter()
	defer m.stop()
	o.sem.Progress = m.report()
	scorer, err := f.scorer(o)
	if err != nil {
		return err
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

// The words of --by.
const (
	byLookahead = "lookahead"
	byECI       = "eci"
)

// scorer is what the flags say to rank by.
func (f *rankFlags) scorer(o *opened) (eci.Scorer, error) {
	switch {
	case f.by != byLookahead && f.by != byECI:
		return nil, usage("--by %s: it is lookahead or eci", f.by)
	case f.walked < 0:
		return nil, usage("--lookahead-triples %d: it is a positive number, or 0 for all", f.walked)
	case f.cutoff < 1:
		return nil, usage("--cutoff %d: nDCG@k needs a k of 1 or more", f.cutoff)
	case f.by == byECI && f.pool != "":
		return nil, usage("--pool is for --by lookahead")
	case f.by == byECI && f.race:
		return &eci.Race{Sem: *o.sem}, nil
	case f.by == byECI:
		return o.sem, nil
	}
	ahead, err := f.lookahead(o)
	if err != nil {
		return nil, err
	}
	if f.race {
		return &eci.Race{Lookahead: ahead}, nil
	}
	return ahead, nil
}

func (f *rankFlags) lookahead(o *opened) (*eci.Lookahead, error) {
	files, pool := f.files, f.pool
	if f.demo {
		files, pool = eci.Files{FS: demo.Files, Qrels: "qrels.tsv"}, "corpus.jsonl"
	}
	ahead := &eci.Lookahead{Sem: *o.sem, Triples: f.walked, Cutoff: f.cutoff}
	if f.walked == 0 {
		ahead.Triples = eci.Unlimited
	}
	var err error
	if ahead.Relevant, err = files.Relevant(); err != nil {
		return nil, err
	}
	if pool != "" {
		ahead.Pool = files.Documents(pool)
	}
	return ahead, nil
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
	if l := r.Lookahead; l != nil {
		line += fmt.Sprintf("; gain in %s over %.3f, %d queries in %d documents", l.Metric, l.Frozen, l.Queries, l.Pool)
	}
	if r.Verdict != nil {
		out.lead = append(out.lead, r.Verdict.Sentence)
	}
	out.lead = append(out.lead, line)
	s := sheet{header: rankHeader(r), best: true}
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
			artefact := any("")
			if x.Artefact.Triples > 0 {
				artefact = fixed(x.Artefact.AUC, 2)
			}
			row = append(row, leadOf(x), artefact)
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
		header = append(header, "over random", "artefact")
	case first.Controls != nil:
		header = append(header, "control", "artefact")
	}
	if r.Lookahead != nil {
		header = append(header, new(eci.Sem).Name())
	}
	header = append(header, first.Components...)
	return append(header, "unique", "disjoint")
}

// leadOf is the lead over negatives that cost nothing.
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
			report.Setting{Name: "calibrated on", Value: fmt.Sprintf("%d labelled pairs", c.Pairs)},
			report.Setting{Name: "spread of margins σₘ", Value: fmt.Sprintf("%.4f", c.MarginScale)},
			report.Setting{Name: "similarities μ ± σ", Value: fmt.Sprintf("%.4f ± %.4f", c.SimilarityMidpoint, c.SimilarityScale)},
			report.Setting{Name: "documents behind the word weights", Value: fmt.Sprint(c.Lexicon.Documents())})
	}
	return s
}
