package main

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"example.com/eci"
	"github.com/spf13/cobra"
)

type selectFlags struct {
	inputs
	forecasting
	targeting
	choosing
	writing
	source    string
	by        string
	selection eci.Selection
	batches   int
}

func (a *app) selecting() *cobra.Command {
	var f selectFlags
	c := &cobra.Command{
		Use:   "select [flags] SOURCE...",
		Short: "Choose the triples of a source to train on",
		Long: `Select --by gain keeps, within every pair of query and positive, the share of the
triples with the highest influence: how much learning from each would help labeled
queries that it does not belong to. Before it writes them it tries the choice on
queries that took no part in it, against as many random triples, and says
whether it helps. What was measured: adapters on frozen vectors. A choice belongs to
one encoder. It finds no false negatives; eci lint does. Without --source it
chooses from all sources together. With --target DIR it chooses for that task.

--by information, the default with --count or --per-query, chooses greedily, each
time the triple that adds the most to the information of those chosen before;
--by leverage takes those with the highest leverage in the whole source. Both say
how much the triples could teach, not whether that helps. Scales are those of all
sources given.

--batches N writes all triples in an order whose batches of N have no query and no
passage twice: as in-batch negatives such rows would contradict their labels. What
fits no full batch comes last.`,
		Example: `  eci select --demo --source dense --keep 50% -o kept.jsonl
  eci select --vectors vectors --target beir/scifact --drop 25% -o kept.jsonl *.jsonl
  eci select --demo --source llm --count 40 -o llm-40.jsonl
  eci select --vectors vectors --per-query 2 --to triplet mined.jsonl > two-a-query.jsonl`,
		RunE: func(c *cobra.Command, files []string) error { return a.runSelect(c, &f, files) },
	}
	f.inputs.register(c)
	f.keepExtra = true
	f.writing.register(c.Flags(), "-")
	c.Flags().StringVar(&f.source, "source", "", "`name` of the source to choose from (needed where there are several)")
	c.Flags().StringVar(&f.by, "by", "", "gain, information or leverage (default gain with --keep or --drop, else information)")
	f.forecasting.registerPool(c.Flags())
	f.targeting.register(c.Flags())
	f.choosing.register(c.Flags())
	c.Flags().IntVar(&f.selection.Count, "count", 0, "triples to choose")
	c.Flags().IntVar(&f.selection.PerQuery, "per-query", 0, "most triples of one query; 0 for no limit")
	c.Flags().BoolVar(&f.selection.Stream, "stream", false, "choose in one pass without keeping the pool")
	c.Flags().Float64Var(&f.selection.Epsilon, "stream-epsilon", 0.2, "precision of --stream, in (0, 0.5)")
	c.Flags().IntVar(&f.batches, "batches", 0, "write all triples in an order whose batches of this size have no text twice; it needs no vectors")
	return c
}

func (a *app) runSelect(c *cobra.Command, f *selectFlags, files []string) error {
	if err := f.writing.check(); err != nil {
		return err
	}
	if f.by == "" && f.choosing.given() {
		f.by = "gain"
	} else if f.by == "" {
		f.by = "information"
	}
	switch {
	case f.batches != 0 && (f.batches < 2 || f.selection.Count+f.selection.PerQuery > 0 || f.selection.Stream || c.Flags().Changed("by") || f.choosing.given()):
		return usage("--batches takes a number of 2 or more, and none of --count, --per-query, --keep, --drop, --by and --stream")
	case f.by != "gain" && f.by != "information" && f.by != "leverage":
		return usage("--by %s: it is gain, information or leverage", f.by)
	case f.by == "gain" && (f.selection.Count > 0 || f.selection.PerQuery > 0 || f.selection.Stream):
		return usage("--by gain keeps a share of each query and positive: give --keep or --drop, not --count, --per-query or --stream")
	case f.by != "gain" && (f.choosing != choosing{} || len(f.targets) > 0 || f.pool != ""):
		return usage("--keep, --drop, --target, --pool and the flags of the check are for --by gain")
	case f.by == "gain":
		return a.openAndChoose(c.Context(), f, files)
	case f.by == "leverage" && (f.selection.Count < 1 || f.selection.PerQuery != 0 || f.selection.Stream):
		return usage("--by leverage takes --count, and neither --per-query nor --stream")
	case f.batches == 0 && f.selection.Count < 1 && f.selection.PerQuery < 1:
		return usage("say how many: --keep SHARE, --count N, --per-query N or --batches N")
	}
	ctx := c.Context()
	o, source, m, err := f.openOne(ctx, a, files, f.source)
	if err != nil {
		return err
	}
	defer o.Close()
	defer m.stop()
	if f.batches != 0 {
		return a.batches(ctx, f, o, source)
	}
	if o.sem.Calibration, err = o.sem.Calibrate(ctx, o.sources...); err != nil {
		return err
	}
	var first, last, total float64
	choice := f.greedy(ctx, o, source, func(s *eci.Selected, nth int) {
		if nth == 0 {
			first = s.Gain
		}
		last, total = s.Gain, s.Total
	})
	if f.by == "leverage" {
		choice = byLeverage(ctx, o.sem, source, f.selection.Count)
	}
	rows, err := f.write(ctx, a, o.sources, choice)
	if err != nil || f.output == "-" {
		return err
	}
	m.stop()
	r := written(f.output, f.to, rows, 0)
	r.lead = []string{fmt.Sprintf("chosen from %s by %s", source.Name, f.by)}
	if f.by == "information" {
		r.notes = []string{fmt.Sprintf("the choice is worth %.2f nats; the first row adds %.3f, the last %.3f", total, first, last)}
	}
	return a.print(r)
}

func (f *selectFlags) greedy(ctx context.Context, o *opened, source eci.Source, note func(s *eci.Selected, nth int)) iter.Seq2[eci.Triple, error] {
	if !f.selection.Stream {
		f.selection.Epsilon = 0
	}
	return func(yield func(eci.Triple, error) bool) {
		n := 0
		for s, err := range o.sem.Select(ctx, f.selection, source) {
			if err != nil {
				yield(nil, err)
				return
			}
			note(s, n)
			n++
			if !yield(marked(s.Record, figure("gain", s.Gain), figure("place", float64(n))), nil) {
				return
			}
		}
	}
}

// byLeverage yields the triples with the highest leverage, in the order of the source.
// Among equal ones it takes the first.
func byLeverage(ctx context.Context, sem *eci.Sem, source eci.Source, count int) iter.Seq2[eci.Triple, error] {
	return func(yield func(eci.Triple, error) bool) {
		scorer := *sem
		scorer.NoChecks, scorer.Budget = true, eci.Unlimited
		score, err := scorer.Score(ctx, source)
		if err != nil {
			yield(nil, err)
			return
		}
		type mark struct {
			leverage float64
			at       int
		}
		var marks []mark
		for w, err := range scorer.Leverage(ctx, score.Matrix, source) {
			if err != nil {
				yield(nil, err)
				return
			}
			marks = append(marks, mark{w.Leverage, len(marks)})
		}
		if count > len(marks) {
			yield(nil, usage("--count %d: %s has %d triples", count, source.Name, len(marks)))
			return
		}
		slices.SortStableFunc(marks, func(a, b mark) int { return cmp.Compare(b.leverage, a.leverage) })
		chosen := make(map[int]bool, count)
		for _, m := range marks[:count] {
			chosen[m.at] = true
		}
		at := 0
		for w, err := range scorer.Weigh(ctx, source) {
			if err != nil {
				yield(nil, err)
				return
			}
			if chosen[at] {
				r := *w.Record
				r.QueryVector, r.PositiveVector, r.NegativeVector = nil, nil, nil
				if !yield(&r, nil) {
					return
				}
			}
			at++
		}
	}
}
