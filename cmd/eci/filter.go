package main

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"example.com/eci"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

type filterFlags struct {
	inputs
	writing
	forecasting
	score      scoring
	byScore    bool
	source     string
	margin     float64
	positive   float64
	suspicion  float64
	window     string
	relabel    float64
	noForecast bool
}

func (a *app) filter() *cobra.Command {
	var f filterFlags
	c := &cobra.Command{
		Use:   "filter [flags] SOURCE...",
		Short: "Keep triples by margin, similarity, suspicion or rank, and see whether that helps",
		Long: `Filter writes the triples of a source that pass every criterion given: a margin
between the similarities of positive and negative, a negative no more similar than a
share of the positive (NV-Retriever's filter keeps up to 95%), a suspicion of being
an answer that is low enough, a rank among the negatives of its query. With
--score-field NAME the scores are those of the rows, of a cross-encoder or a
teacher, in place of the encoder's similarities. --relabel
turns suspects into positives instead: the other negatives of the query are written
again with the suspect as their positive.

Then it forecasts what training on the kept rows would do, on a random share of the
same size and on all rows, for the same queries. Where the kept rows do no better
than the random share, the filter saves training time and nothing else.`,
		Example: `  eci filter --demo --source dense --positive-share 0.95 -o dense-95.jsonl
  eci filter --score-field neg_scores --max-score 0.8 --no-forecast --to flagembedding -o kept.jsonl mined.jsonl
  eci filter --vectors vectors --suspicion 0.4 --to triplet -o clean.jsonl mined.jsonl
  eci filter --vectors vectors --relabel 0.5 --to flagembedding -o relabeled.jsonl mined.jsonl`,
		RunE: func(c *cobra.Command, files []string) error { return a.runFilter(c, &f, files) },
	}
	f.inputs.register(c)
	f.keepExtra = true
	f.writing.register(c.Flags(), "")
	f.walking(c.Flags())
	f.score.register(c.Flags())
	c.Flags().StringVar(&f.source, "source", "", "`name` of the source to filter (needed where there are several)")
	c.Flags().Float64Var(&f.margin, "margin", 0, "lowest margin: the positive's similarity minus the negative's, as cosines")
	c.Flags().Float64Var(&f.positive, "positive-share", 0, "highest similarity of the negative, as a `share` of the positive's; 0 for any")
	c.Flags().Float64Var(&f.suspicion, "suspicion", 0, "keep negatives whose suspicion of being an answer is below this, in (0, 1]; 0 for any")
	c.Flags().StringVar(&f.window, "rank-window", "", "keep the negatives of these `ranks` of each query and positive, such as 11-30")
	c.Flags().Float64Var(&f.relabel, "relabel", 0, "make positives of negatives whose suspicion is this or more; 0 for none")
	c.Flags().BoolVar(&f.noForecast, "no-forecast", false, "do not forecast what training on the kept rows would do")
	return c
}

// criteria returns the criteria that the flags set.
func (f *filterFlags) criteria(flags *pflag.FlagSet) (eci.Filter, error) {
	out := eci.Filter{PositiveShare: f.positive, Suspicion: f.suspicion}
	if flags.Changed("margin") {
		out.Margin = &f.margin
	}
	if f.window != "" {
		var err error
		if out.Window, err = parseWindow(f.window); err != nil {
			return out, err
		}
	}
	var err error
	if f.byScore, err = f.score.criteria(flags, &out); err != nil {
		return out, err
	}
	none := !f.byScore && out.Margin == nil && out.PositiveShare == 0 && out.Suspicion == 0 && f.window == ""
	switch {
	case f.relabel < 0 || f.relabel > 1:
		return out, usage("--relabel %v: a suspicion lies in (0, 1]", f.relabel)
	case f.relabel > 0 && !none:
		return out, usage("--relabel goes alone: filter what it writes in a second run")
	case f.relabel == 0 && none:
		return out, usage("a criterion is needed: --margin, --positive-share, --suspicion, --rank-window, --score-field or --relabel")
	case f.output == "" && f.noForecast:
		return out, usage("-o FILE is needed with --no-forecast")
	}
	return out, nil
}

// parseWindow reads ranks such as 11-30, 11- or 5.
func parseWindow(text string) (eci.Window, error) {
	first, last, ranged := strings.Cut(text, "-")
	a, err := strconv.Atoi(strings.TrimSpace(first))
	b := a
	if ranged && err == nil {
		if b = 0; strings.TrimSpace(last) != "" {
			b, err = strconv.Atoi(strings.TrimSpace(last))
		}
	}
	if err != nil || a < 1 || b < 0 || b > 0 && b < a {
		return eci.Window{}, usage("the ranks %q: they are two numbers such as 11-30, counted from 1, or 11- for all from there", text)
	}
	return eci.Window{First: a, Last: b}, nil
}

// filtered reports what a filter did, for JSON.
type filtered struct {
	*summary
	Source string `json:"source"`
	Of     int    `json:"triples"`
	Kept   int    `json:"kept"`
	// About the suspects relabeled.
	Suspects int `json:"suspects,omitempty"`
	Lost     int `json:"lost,omitempty"`
	Added    int `json:"added,omitempty"`
	*comparison
}

func (a *app) runFilter(c *cobra.Command, f *filterFlags, files []string) error {
	criteria, err := f.criteria(c.Flags())
	if err == nil && f.output != "" {
		err = f.writing.check()
	}
	f.by = byLookahead
	if err == nil {
		err = f.forecasting.check()
	}
	if err != nil {
		return err
	}
	ctx := c.Context()
	o, source, m, err := f.openOne(ctx, a, files, f.source)
	if err != nil {
		return err
	}
	defer o.Close()
	defer m.stop()
	out := filtered{Source: source.Name}
	kept, err := f.apply(ctx, o, criteria, source, &out)
	if err != nil {
		return err
	}
	if out.Of, err = count(ctx, o, source); err != nil {
		return err
	}
	if out.Kept, err = count(ctx, o, kept); err != nil {
		return err
	}
	if f.output != "" {
		left := 0
		rows, err := f.write(ctx, a, o.sources, skipping(kept, o.sem.Skip, &left).Triples)
		if err != nil || f.output == "-" {
			return err
		}
		out.summary = &summary{f.output, f.to, rows, left}
	}
	if !f.noForecast && out.Kept > 0 {
		if out.comparison, err = f.compare(ctx, o, source, kept, out.Kept); err != nil {
			return err
		}
	}
	m.stop()
	return a.print(out.result())
}

// apply returns the source of the kept triples.
func (f *filterFlags) apply(ctx context.Context, o *opened, criteria eci.Filter, source eci.Source, out *filtered) (eci.Source, error) {
	if f.byScore && criteria.Suspicion == 0 && f.window == "" {
		return f.score.apply(source), nil // no vector is needed
	}
	sem := *o.sem
	var err error
	if f.relabel > 0 || criteria.Margin != nil || criteria.PositiveShare > 0 || criteria.Suspicion > 0 {
		if sem.Calibration, err = sem.Calibrate(ctx, o.sources...); err != nil {
			return eci.Source{}, err
		}
	}
	if f.relabel == 0 {
		kept, err := sem.Filter(ctx, criteria, source)
		if err == nil && f.byScore { // after the ranks, which count all negatives
			kept = f.score.apply(kept)
		}
		return kept, err
	}
	relabeled, err := sem.Relabel(ctx, source, f.relabel)
	if err != nil {
		return eci.Source{}, err
	}
	out.Suspects, out.Lost, out.Added = relabeled.Suspects, relabeled.Lost, relabeled.Added
	return relabeled.Source, nil
}

// count is the number of triples that are not left out.
func count(ctx context.Context, o *opened, source eci.Source) (n int, err error) {
	left := 0
	for _, err := range cancelable(ctx, iter.Seq2[eci.Triple, error](skipping(source, o.sem.Skip, &left).Triples)) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// comparison is the forecast for the kept rows.
type comparison struct {
	Metric string `json:"metric"`
	// The gains of training on the kept rows, on a random share of the same size, and
	// on all rows.
	Gain       float64         `json:"gain"`
	RandomGain float64         `json:"random_share_gain"`
	AllGain    float64         `json:"all_gain"`
	OverRandom *eci.Difference `json:"over_random_share"`
	OverAll    *eci.Difference `json:"over_all"`
	Doubts     []string        `json:"doubts,omitempty"`
}

// compare forecasts the kept rows, a random share and all rows on the same queries.
func (f *filterFlags) compare(ctx context.Context, o *opened, source, kept eci.Source, n int) (*comparison, error) {
	all := source
	share, err := skipped(source, o.sem.Skip).RandomShare(ctx, min(n, countAtMost(ctx, o, source, n)), f.seed)
	if err != nil {
		return nil, err
	}
	kept.Name, share.Name, all.Name = "kept", "random share", "all"
	forecast := *o
	sem := *o.sem
	if sem.Budget == 0 { // not the budget of the smallest
		sem.Budget = eci.Unlimited
	}
	forecast.sem, forecast.sources = &sem, []eci.Source{kept, share, all}
	ahead, err := f.lookahead(&f.inputs, &forecast)
	if err != nil {
		return nil, err
	}
	ranking, err := rankWith(ctx, &forecast, ahead)
	if err != nil {
		return nil, err
	}
	of := func(name string) *eci.Forecast {
		ranked, _ := ranking.Find(name)
		return ranked.Forecast
	}
	k, r, e := of(kept.Name), of(share.Name), of(all.Name)
	return &comparison{
		Metric: ranking.Lookahead.Metric, Gain: k.Gain, RandomGain: r.Gain, AllGain: e.Gain,
		OverRandom: k.Over(r), OverAll: k.Over(e), Doubts: ranking.Lookahead.Doubts,
	}, nil
}

// countAtMost returns the number of triples of a source, or most if it has more.
func countAtMost(ctx context.Context, o *opened, source eci.Source, most int) int {
	n, err := count(ctx, o, source)
	if err != nil || n > most {
		return most
	}
	return n
}

// skipped returns a source without the rows that --skip covers.
func skipped(source eci.Source, skip eci.Skip) eci.Source {
	left := 0
	return skipping(source, skip, &left)
}

// result returns what a filter did, for printing.
func (f filtered) result() result {
	out := result{value: f}
	line := fmt.Sprintf("%s: %d of %d triples kept (%.1f%%)", f.Source, f.Kept, f.Of, 100*float64(f.Kept)/float64(max(1, f.Of)))
	if f.Suspects > 0 || f.Added > 0 {
		line = fmt.Sprintf("%s: %d suspects of %d triples relabeled, which makes %d new triples and %d in all; %d had no negative left", f.Source, f.Suspects-f.Lost, f.Of, f.Added, f.Kept, f.Lost)
	}
	out.lead = append(out.lead, line)
	if f.summary != nil {
		out.lead = append(out.lead, f.summary.String())
	}
	c := f.comparison
	if c == nil {
		return out
	}
	out.lead = append([]string{c.verdict()}, out.lead...)
	row := func(name string, gain float64, d *eci.Difference) []any {
		if d == nil {
			return []any{name, number{gain, 3, true}, "", "", ""}
		}
		return []any{name, number{gain, 3, true}, number{d.Value, 3, true}, number{d.Low, 3, true}, number{d.High, 3, true}}
	}
	out.sheets = []sheet{{header: []string{"rows", "gain in " + c.Metric, "kept minus these", "low", "high"}, rows: [][]any{
		row("kept", c.Gain, nil), row("random share", c.RandomGain, c.OverRandom), row("all", c.AllGain, c.OverAll),
	}}}
	for _, doubt := range c.Doubts {
		out.notes = append(out.notes, "note: "+doubt)
	}
	return out
}

// verdict says whether the filter is worth it.
func (c *comparison) verdict() string {
	switch d := c.OverRandom; {
	case len(c.Doubts) > 0 || d == nil || d.StandardError == 0:
		return "No verdict on the filter: " + strings.Join(append([]string{"too little to tell"}, c.Doubts...), "; ") + "."
	case d.Low > 0:
		return fmt.Sprintf("The filter helps: the kept rows gain %v %s over a random share of the same size.", d, c.Metric)
	case d.High < 0:
		return fmt.Sprintf("The filter harms: the kept rows gain %v %s over a random share of the same size.", d, c.Metric)
	}
	return fmt.Sprintf("The filter is not shown to help: the kept rows gain %v %s over a random share of the same size.", c.OverRandom, c.Metric)
}
