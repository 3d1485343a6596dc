package main

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"example.com/eci"
	"github.com/spf13/cobra"
)

type explainFlags struct {
	inputs
	source string
	by     string
	top    int
}

// views are the values of --by.
var views = []string{"heaviest", "lightest", "leverage", "suspects"}

func (a *app) explain() *cobra.Command {
	var f explainFlags
	c := &cobra.Command{
		Use:   "explain [flags] SOURCE...",
		Short: "Show the rows behind a score",
		Long: `Explain shows the triples of one source that weigh most and least, those with
the highest leverage (what the score loses without them), and those whose
negative may answer the query. Scales are those of all sources given.`,
		Example: `  eci explain --demo --source llm
  eci explain --demo --source contaminated --by suspects --top 10
  eci explain --vectors vectors --source dense --json *.jsonl`,
		RunE: func(c *cobra.Command, files []string) error { return a.runExplain(c, &f, files) },
	}
	f.register(c)
	c.Flags().StringVar(&f.source, "source", "", "`name` of the source to explain (needed where there are several)")
	c.Flags().StringVar(&f.by, "by", "", "one view only: "+strings.Join(views, ", "))
	c.Flags().IntVar(&f.top, "top", 5, "rows of each view")
	return c
}

// explained is a row that contributes to a score.
type explained struct {
	File    string             `json:"file,omitempty"`
	Row     int                `json:"row"`
	Query   string             `json:"query"`
	Pos     string             `json:"positive"`
	Neg     string             `json:"negative"`
	Weight  float64            `json:"weight"`
	Factors map[string]float64 `json:"factors"`
	Margin  float64            `json:"margin"`
	// Value is what the view is sorted by.
	Value float64 `json:"value"`
	order float64
}

// explanation is the result of explain, for JSON.
type explanation struct {
	Source string                 `json:"source"`
	Views  map[string][]explained `json:"views"`
}

// leaders keeps the rows with the highest order, ties in the order of the file.
type leaders struct {
	n    int
	rows []explained
}

func (l *leaders) offer(order, value float64, w *eci.Weighted, components []eci.Component) {
	if len(l.rows) == l.n && order <= l.rows[l.n-1].order {
		return
	}
	r := w.Record
	row := explained{File: r.File, Row: r.Row, Query: strings.Clone(r.QueryText), Pos: strings.Clone(r.PositiveText), Neg: strings.Clone(r.NegativeText),
		Weight: w.Weight, Margin: w.Margin, Value: value, order: order, Factors: make(map[string]float64)}
	for k, c := range components {
		row.Factors[c.Name()] = w.Factors[k]
	}
	l.rows = append(l.rows[:min(len(l.rows), l.n-1)], row)
	slices.SortStableFunc(l.rows, func(a, b explained) int { return cmp.Compare(b.order, a.order) })
}

func (a *app) runExplain(c *cobra.Command, f *explainFlags, files []string) error {
	if f.by != "" && !slices.Contains(views, f.by) {
		return usage("--by %s: it is one of %s", f.by, strings.Join(views, ", "))
	}
	if f.top < 1 {
		return usage("--top is 1 or more")
	}
	ctx := c.Context()
	o, source, m, err := f.openOne(ctx, a, files, f.source)
	if err != nil {
		return err
	}
	defer o.Close()
	defer m.stop()
	if o.sem.Calibration, err = o.sem.Calibrate(ctx, o.sources...); err != nil {
		return err
	}
	found, err := f.explain(ctx, o, source)
	if err != nil {
		return err
	}
	m.stop()
	r := result{value: found}
	for _, view := range views {
		rows, ok := found.Views[view]
		if !ok {
			continue
		}
		s := sheet{title: viewTitles[view], header: []string{"row", viewUnits[view], "margin"}}
		if view != "heaviest" && view != "lightest" {
			s.header = append(s.header, "weight")
		}
		for _, k := range o.sem.Components {
			s.header = append(s.header, k.Name())
		}
		s.header = append(s.header, "query", "negative")
		for _, x := range rows {
			line := []any{x.Row, fixed(x.Value, 3), fixed(x.Margin, 3)}
			if view != "heaviest" && view != "lightest" {
				line = append(line, fixed(x.Weight, 3))
			}
			for _, k := range o.sem.Components {
				line = append(line, fixed(x.Factors[k.Name()], 2))
			}
			s.rows = append(s.rows, append(line, excerpt(x.Query, 48), excerpt(x.Neg, 64)))
		}
		r.sheets = append(r.sheets, s)
	}
	return a.print(r)
}

var viewTitles = map[string]string{
	"heaviest": "rows with the highest weight",
	"lightest": "rows with the lowest weight",
	"leverage": "rows with the highest leverage: nats that the score loses without them",
	"suspects": "rows whose negative may answer the query",
}

var viewUnits = map[string]string{"heaviest": "weight", "lightest": "weight", "leverage": "loss", "suspects": "suspicion"}

// explain reads the source once for weights and suspects, and two more times for
// leverage.
func (f *explainFlags) explain(ctx context.Context, o *opened, source eci.Source) (*explanation, error) {
	lists := make(map[string]*leaders)
	for _, view := range views {
		if f.by == "" || f.by == view {
			lists[view] = &leaders{n: f.top}
		}
	}
	offer := func(view string, order, value float64, w *eci.Weighted) {
		if l := lists[view]; l != nil {
			l.offer(order, value, w, o.sem.Components)
		}
	}
	if f.by != "leverage" {
		for w, err := range o.sem.Suspects(ctx, source, 0) {
			if err != nil {
				return nil, err
			}
			offer("heaviest", w.Weight, w.Weight, &w.Weighted)
			offer("lightest", -w.Weight, w.Weight, &w.Weighted)
			offer("suspects", w.Score, w.Score, &w.Weighted)
		}
	}
	if lists["leverage"] != nil {
		scorer := *o.sem
		scorer.NoChecks, scorer.Budget = true, eci.Unlimited
		score, err := scorer.Score(ctx, source)
		if err != nil {
			return nil, err
		}
		for w, err := range scorer.Leverage(ctx, score.Matrix, source) {
			if err != nil {
				return nil, err
			}
			offer("leverage", w.Loss, w.Loss, &w.Weighted)
		}
	}
	out := &explanation{Source: source.Name, Views: make(map[string][]explained)}
	for view, l := range lists {
		out.Views[view] = l.rows
	}
	return out, nil
}
