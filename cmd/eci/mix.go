package main

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"example.com/eci"
	"example.com/eci/cmd/eci/report"
	"example.com/eci/internal/hash64"
	"github.com/spf13/cobra"
)

type mixFlags struct {
	inputs
	forecasting
	targeting
	combine bool
	writing
	size       int
	top        int
	members    []string
	allTriples bool
}

func (a *app) mix() *cobra.Command {
	var f mixFlags
	c := &cobra.Command{
		Use:   "mix [flags] SOURCE...",
		Short: "Find the best hybrid and the best mixture of sources, and write it",
		Long: `Mix forecasts what training on hybrids in equal parts would do to retrieval, and
compares them with the best source alone: only an interval above zero says that
mixing pays. It also shows the information: it scores every hybrid and finds the
mixture with the highest S, from the matrices of one ranking. The gain in S over the best single source has two figures: with all triples of the members, and
with no more triples than one source has. --by eci leaves the forecasts out.

--combine chooses sources and their shares by the forecast itself, part after part,
and checks that on queries that took no part in it; it may be worth nothing.
--target DIR does so for another task, and implies it.

With --output it writes a mixed set: every query is taken from one source, drawn
by a seeded hash in the proportions of the best mixture (or of --members in equal
parts) among the sources that have the query. With --all-triples it writes all
triples of the --members.`,
		Example: `  eci mix --demo
  eci mix --demo -o mixed.jsonl --to triplet
  eci mix --vectors vectors --target beir/scifact -o mixed.jsonl *.jsonl
  eci mix --vectors vectors --members bm25,dense --all-triples -o both.jsonl *.jsonl`,
		RunE: func(c *cobra.Command, files []string) error { return a.runMix(c, &f, files) },
	}
	f.inputs.register(c)
	f.forecasting.register(c.Flags())
	f.keepExtra = true
	f.writing.register(c.Flags(), "")
	f.targeting.register(c.Flags())
	c.Flags().BoolVar(&f.combine, "combine", false, "choose sources and shares by the forecast, checked on queries that took no part in it")
	c.Flags().IntVar(&f.size, "size", 0, "most members of a hybrid; 0 for 3, and for 2 of more than 6 sources")
	c.Flags().IntVar(&f.top, "top", 5, "hybrids shown")
	c.Flags().StringSliceVar(&f.members, "members", nil, "write these sources in equal parts, not the best mixture")
	c.Flags().BoolVar(&f.allTriples, "all-triples", false, "write all triples of the --members")
	return c
}

// mixed is the result of mix, for JSON.
type mixed struct {
	Verdict     string         `json:"verdict,omitempty"`
	Metric      string         `json:"metric,omitempty"`
	Best        string         `json:"best,omitempty"` // the best source alone
	Combination *combined      `json:"combination,omitempty"`
	Mixes       []report.Mix   `json:"forecasts,omitempty"`
	Mixture     *eci.Mixture   `json:"mixture"`
	Hybrids     []eci.Hybrid   `json:"hybrids"`
	Written     *summary       `json:"written,omitempty"`
	From        map[string]int `json:"triples_by_source,omitempty"`

	top int // hybrids shown
}

func (a *app) runMix(c *cobra.Command, f *mixFlags, files []string) error {
	if err := f.writing.check(); err != nil {
		return err
	}
	if err := f.forecasting.check(); err != nil {
		return err
	}
	if err := f.checkTargets(&f.forecasting, &f.inputs); err != nil {
		return err
	}
	switch {
	case len(f.targets) > 1:
		return usage("mix combines for one --target")
	case f.combine && f.by != byLookahead:
		return usage("--combine is for --by lookahead")
	case f.top < 1 || f.size < 0 || f.size == 1:
		return usage("--top is 1 or more, --size 2 or more")
	case f.output == "" && (f.allTriples || len(f.members) > 0):
		return usage("--members and --all-triples say what to write: give --output FILE")
	case f.allTriples && len(f.members) == 0:
		return usage("--all-triples needs --members: proportions need a choice of triples")
	}
	ctx := c.Context()
	o, err := f.open(ctx, a, files)
	if err != nil {
		return err
	}
	defer o.Close()
	if len(o.sources) < 2 {
		return usage("a mixture needs two sources or more")
	}
	for _, name := range f.members {
		if _, err := o.find(name); err != nil {
			return err
		}
	}
	var out mixed
	if f.output != "-" || len(f.members) == 0 { // otherwise it is neither printed nor needed for a decision
		if out, err = f.find(ctx, a, o); err != nil {
			return err
		}
	}
	if f.output != "" {
		out.From = make(map[string]int)
		rows, err := f.write(ctx, a, o.sources, f.blend(ctx, o, out))
		if err != nil {
			return err
		}
		out.Written = &summary{File: f.output, Format: f.to, Rows: rows}
	}
	if f.output == "-" {
		return nil
	}
	return a.print(mixResult(out))
}

// find ranks the sources, and finds mixtures of them and their forecasts.
func (f *mixFlags) find(ctx context.Context, a *app, o *opened) (out mixed, err error) {
	m := a.meter()
	defer m.stop()
	o.sem.Progress = m.report()
	o.sem.NoChecks = true // a mixture does not use them
	ahead, err := f.lookahead(&f.inputs, o)
	if err != nil {
		return out, err
	}
	if len(f.targets) > 0 {
		f.combine = true
		targets, err := f.openTargets(ctx, &f.inputs, o, f.pool)
		if err != nil {
			return out, err
		}
		aimAt(ahead, targets[0])
	}
	ranking, err := rankWith(ctx, o, o.scorer(ahead))
	if err != nil {
		return out, err
	}
	if out.Mixture, err = ranking.Mixture(); err != nil {
		return out, err
	}
	if f.output == "-" && !f.combine {
		return out, nil // the rest is not printed
	}
	if out.Hybrids, err = ranking.Hybrids(min(cmp.Or(f.size, report.HybridSize(len(o.sources))), len(o.sources))); err != nil {
		return out, err
	}
	// As many as the page of a ranking forecasts, so that both say the same of them.
	if out.Mixes, err = report.ForecastMixes(ctx, ranking, out.Hybrids, out.Mixture, max(f.top, report.MostHybrids)); err != nil {
		return out, err
	}
	out.top = f.top
	out.Hybrids = out.Hybrids[:min(f.top, len(out.Hybrids))]
	if f.combine {
		if out.Combination, err = combine(ctx, ranking); err != nil {
			return out, err
		}
	}
	if l := ranking.Lookahead; l != nil {
		out.Verdict, out.Metric, out.Best = report.MixSentence(ranking, out.Mixes), l.Metric, ranking.Best().Source
		if len(l.Doubts) > 0 {
			out.Verdict = "No verdict: " + strings.Join(l.Doubts, "; ") + "."
		}
	}
	return out, nil
}

// forecasts returns the table of the forecasts.
func (m mixed) forecasts() sheet {
	s := sheet{title: "forecast of " + m.Metric, header: []string{"combination", "gain", "low", "high", "over " + m.Best, "low", "high", "S"}}
	shown := 0
	for _, x := range m.Mixes {
		if x.Name != report.BestMixture {
			if shown++; shown > m.top {
				continue
			}
		}
		row := []any{x.Name, number{x.Gain, 3, true}, number{x.Low, 3, true}, number{x.High, 3, true}, "", "", "", fixed(x.Score, 2)}
		if d := x.Over; d != nil {
			row[4], row[5], row[6] = number{d.Value, 3, true}, number{d.Low, 3, true}, number{d.High, 3, true}
		}
		s.rows = append(s.rows, row)
	}
	return s
}

func mixResult(m mixed) result {
	shares := sheet{title: "mixture with the highest S", header: []string{"source", "share", "low", "high"}}
	for _, w := range m.Mixture.Weights {
		shares.rows = append(shares.rows, []any{w.Source, fixed(w.Weight, 3), fixed(w.Low, 3), fixed(w.High, 3)})
		if m.Mixture.StandardError == 0 { // no interval
			shares.rows[len(shares.rows)-1] = []any{w.Source, fixed(w.Weight, 3), "", ""}
		}
	}
	gains := sheet{title: "information S, gain over the best single source", header: []string{"combination", "S", "gain", "low", "high", "over", "no more triples"}}
	row := func(name string, score float64, g eci.Gain) {
		cells := []any{name, fixed(score, 2), number{g.Value, 2, true}, number{g.Low, 2, true}, number{g.High, 2, true}, g.Over, number{g.AtBudget, 2, true}}
		if g.StandardError == 0 {
			cells[3], cells[4] = "", ""
		}
		gains.rows = append(gains.rows, cells)
	}
	row(report.BestMixture, m.Mixture.Score, m.Mixture.Gain)
	for _, h := range m.Hybrids {
		row(strings.Join(h.Sources, " + "), h.Score, h.Gain)
	}
	r := result{value: m, sheets: []sheet{shares, gains}}
	r.notes = []string{fmt.Sprintf("no mixture of these sources scores more than %.2g nats above the best one", m.Mixture.Gap)}
	if len(m.Mixes) > 0 {
		r.lead = []string{m.Verdict}
		r.sheets = append([]sheet{m.forecasts()}, r.sheets...)
		if m.Combination != nil { // first, because it was asked for
			r.lead = append([]string{m.Combination.Verdict}, r.lead...)
			if len(m.Combination.Shares) > 0 {
				r.sheets = append([]sheet{m.Combination.sheet()}, r.sheets...)
			}
		}
		for _, x := range m.Mixes {
			if x.Name == report.BestMixture && x.Over != nil && x.Over.High < 0 {
				r.notes = append(r.notes, fmt.Sprintf("note: the mixture with the highest S is forecast to be worse than %s alone: %s; --members says what to write instead", m.Best, x.Over))
			}
		}
	}
	if m.Written != nil {
		var parts []string
		for _, w := range m.Mixture.Weights {
			if n := m.From[w.Source]; n > 0 {
				parts = append(parts, fmt.Sprintf("%d of %s", n, w.Source))
			}
		}
		r.notes = append(r.notes, "written: "+m.Written.String()+", triples: "+strings.Join(parts, ", "))
	}
	return r
}

// share is a source and its share of the queries.
type share struct {
	source eci.Source
	weight float64
}

// blend yields the triples of the mixed set, source by source.
func (f *mixFlags) blend(ctx context.Context, o *opened, m mixed) iter.Seq2[eci.Triple, error] {
	var shares []share
	left := 0
	add := func(name string, weight float64) {
		if s, err := o.find(name); err == nil && weight > 0 {
			shares = append(shares, share{skipping(s, o.sem.Skip, &left), weight})
		}
	}
	if len(f.members) > 0 {
		for _, name := range f.members {
			add(name, 1)
		}
	} else if m.Combination != nil && len(m.Combination.Shares) > 0 {
		for _, name := range slices.Sorted(maps.Keys(m.Combination.Shares)) {
			add(name, m.Combination.Shares[name])
		}
	} else {
		for _, w := range m.Mixture.Weights {
			add(w.Source, w.Weight)
		}
	}
	return func(yield func(eci.Triple, error) bool) {
		var chosen map[string]int
		if !f.allTriples {
			var err error
			if chosen, err = assign(ctx, shares, f.seed); err != nil {
				yield(nil, err)
				return
			}
		}
		for i, s := range shares {
			for t, err := range s.source.Triples {
				if err == nil && chosen != nil && chosen[queryOf(t)] != i {
					continue
				}
				if err == nil {
					m.From[s.source.Name]++
				}
				if !yield(labeled(t, s.source.Name), err) {
					return
				}
			}
		}
	}
}

// queryOf identifies a triple's query by its ID, or by its text if it has no ID.
func queryOf(t eci.Triple) string {
	if x, ok := t.(eci.Identified); ok {
		if id, _, _ := x.IDs(); id != "" {
			return "i" + id
		}
	}
	return "t" + t.Query()
}

// assign chooses for every query one of the sources that have it, with probabilities
// proportional to their weights.
func assign(ctx context.Context, shares []share, seed uint64) (map[string]int, error) {
	have := make(map[string][]bool)
	for i, s := range shares {
		for t, err := range cancelable(ctx, s.source.Triples) {
			if err != nil {
				return nil, err
			}
			key := queryOf(t)
			if have[key] == nil {
				have[strings.Clone(key)] = make([]bool, len(shares))
			}
			have[key][i] = true
		}
	}
	chosen := make(map[string]int, len(have))
	for key, in := range have {
		total := 0.0
		for i, s := range shares {
			if in[i] {
				total += s.weight
			}
		}
		at := uniform(key, seed) * total
		for i, s := range shares {
			if in[i] {
				chosen[key] = i // the last one, if rounding passes them all
				if at -= s.weight; at < 0 {
					break
				}
			}
		}
	}
	return chosen, nil
}

// uniform maps a text to [0, 1) by a seeded hash.
func uniform(key string, seed uint64) float64 {
	const golden = 0x9e3779b97f4a7c15 // which Mix adds first
	// FNV alone leaves the high bits of short keys uneven.
	x := hash64.Mix((hash64.FNV1a(hash64.Offset, key) ^ seed*golden) - golden)
	return float64(x>>11) / (1 << 53)
}
