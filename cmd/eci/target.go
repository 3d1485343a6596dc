package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"example.com/eci"
	"example.com/eci/cmd/eci/report"
	"example.com/eci/formats"
	"github.com/spf13/pflag"
)

// targeting holds the flags of commands that forecast for a task other than the
// sources' own queries.
type targeting struct {
	targets  []string
	tables   []string
	leaveOut bool
}

func (f *targeting) register(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.targets, "target", nil, "`folder` in BEIR's layout (queries.jsonl, corpus.jsonl, qrels) of the task to help, instead of the sources' own queries; again for more tasks")
	flags.StringArrayVar(&f.tables, "target-vectors", nil, "`folder` of the target's vectors, one for each --target (default its folder vectors, else --vectors or --server)")
	flags.BoolVar(&f.leaveOut, "target-leave-out", false, "leave out triples whose query is one of the target's, rather than cross-fit")
}

func (f *targeting) checkTargets(forecast *forecasting, in *inputs) error {
	switch {
	case len(f.targets) == 0 && (len(f.tables) > 0 || f.leaveOut):
		return usage("--target-vectors and --target-leave-out are for --target")
	case len(f.targets) > 0 && forecast.by != byLookahead:
		return usage("--target is for --by lookahead: the information of a source has no target")
	case len(f.tables) > 0 && len(f.tables) != len(f.targets):
		return usage("--target-vectors is given %d times, --target %d times", len(f.tables), len(f.targets))
	case len(f.targets) > 1 && forecast.pool != "":
		return usage("--pool is for one --target; each of several is searched in its own corpus")
	case len(f.targets) > 0 && in.similarity == dots:
		return usage("--similarity dot does not go with --target: vectors of two collections would have two greatest lengths")
	case len(f.targets) > 0 && in.files.Qrels != "":
		return usage("--qrels are those of the sources' own queries; a --target has its own")
	}
	return nil
}

// openTargets opens the targets.
func (f *targeting) openTargets(ctx context.Context, in *inputs, o *opened, pool string) ([]*eci.Target, error) {
	names := make([]string, len(f.targets))
	for i, dir := range f.targets {
		names[i] = filepath.Base(filepath.Clean(dir))
	}
	var out []*eci.Target
	for i, dir := range f.targets {
		name := names[i]
		if slices.Index(names, name) != i || slices.Contains(names[i+1:], name) {
			name = dir // two folders of one name
		}
		files := &eci.Files{BEIR: dir, Decoders: formats.Decoders(), Spool: in.pipes(ctx)}
		t, err := files.Target(name)
		if err != nil {
			return nil, fmt.Errorf("--target %s: %w", dir, err)
		}
		if pool != "" {
			t.Pool = files.Documents(pool)
		}
		t.LeaveOut = f.leaveOut
		folder := ""
		if len(f.tables) > 0 {
			folder = f.tables[i]
		} else if own := filepath.Join(dir, "vectors"); exists(filepath.Join(own, "queries.npy")) {
			folder = own
		}
		if folder != "" {
			vectors, err := eci.OpenVectors(folder)
			if err != nil {
				return nil, err
			}
			vectors.QueryPrefix, vectors.DocumentPrefix = in.server.QueryPrefix, in.server.DocumentPrefix
			t.Vectors, o.closers = vectors, append(o.closers, vectors)
		}
		out = append(out, t)
	}
	return out, nil
}

// aimAt sets the target of a forecast. It has its own pool and judgments.
func aimAt(ahead *eci.Lookahead, t *eci.Target) {
	ahead.Pool, ahead.Relevant, ahead.Target = nil, nil, t
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// manyTargets holds a ranking for each of several targets, for JSON.
type manyTargets struct {
	Metric  string         `json:"metric"`
	Targets []targetResult `json:"targets"`
}

type targetResult struct {
	Target  string       `json:"target"`
	Verdict *eci.Verdict `json:"verdict"`
	Ranking *eci.Ranking `json:"ranking"`
}

// rankForTargets ranks the sources for each target separately.
func (f *rankFlags) rankForTargets(ctx context.Context, a *app, o *opened, ahead *eci.Lookahead, targets []*eci.Target) ([]*eci.Ranking, error) {
	var rankings []*eci.Ranking
	for _, t := range targets {
		for _, s := range o.sources {
			if s.Name == t.Name {
				return nil, usage("source and --target are both called %s; name the source otherwise", t.Name)
			}
		}
		scorer := *ahead
		aimAt(&scorer, t)
		if len(targets) > 1 && scorer.Sem.Checkpoint != "" {
			scorer.Sem.Checkpoint = filepath.Join(scorer.Sem.Checkpoint, fmt.Sprintf("target-%d", len(rankings)+1))
		}
		ranking, err := rankWith(ctx, o, &scorer)
		if err != nil {
			return nil, err
		}
		rankings = append(rankings, ranking)
	}
	return rankings, nil
}

// targetsResult returns the table of sources and targets.
func targetsResult(rankings []*eci.Ranking) result {
	first := rankings[0]
	value := manyTargets{Metric: first.Lookahead.Metric}
	out := result{}
	s := sheet{title: "expected change of " + value.Metric, header: []string{"source"}}
	mean := make(map[string]float64)
	for _, r := range rankings {
		name := r.Lookahead.Target
		value.Targets = append(value.Targets, targetResult{name, r.Verdict, r})
		out.lead = append(out.lead, name+": "+r.Verdict.Sentence)
		s.header = append(s.header, name, name+" low", name+" high")
		s.spare = append(s.spare, name+" low", name+" high")
		for _, x := range r.Ranked {
			mean[x.Source] += x.Forecast.Gain / float64(len(rankings))
		}
		for _, n := range r.Notes {
			out.notes = append(out.notes, "note: "+name+": "+n)
		}
	}
	s.header = append(s.header, "mean")
	names := make([]string, 0, len(mean))
	for name := range mean {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(mean[b], mean[a]), strings.Compare(a, b)) })
	for _, name := range names {
		row := []any{name}
		for _, r := range rankings {
			x, _ := r.Find(name)
			f := x.Forecast
			row = append(row, number{f.Gain, 3, true}, number{f.Low, 3, true}, number{f.High, 3, true})
		}
		s.rows = append(s.rows, append(row, number{mean[name], 3, true}))
	}
	out.value, out.sheets = value, []sheet{s}
	return out
}

// runTargets is eci rank for one or more targets. It returns the ranking for
// --require-best: that of a single target.
func (f *rankFlags) runTargets(ctx context.Context, a *app, o *opened, m *meter) (*eci.Ranking, error) {
	ahead, err := f.lookahead(&f.inputs, o)
	if err != nil {
		return nil, err
	}
	targets, err := f.openTargets(ctx, &f.inputs, o, f.pool)
	if err != nil {
		return nil, err
	}
	rankings, err := f.rankForTargets(ctx, a, o, ahead, targets)
	if err != nil {
		return nil, err
	}
	m.stop()
	if f.html != "" {
		if err := f.writeHTML(ctx, a, o, m, rankings); err != nil {
			return nil, err
		}
	}
	if len(rankings) == 1 {
		return rankings[0], a.print(rankResult(rankings[0]))
	}
	return nil, a.print(targetsResult(rankings))
}

// writeHTML writes the report of the first ranking, with the table of all targets.
func (f *rankFlags) writeHTML(ctx context.Context, a *app, o *opened, m *meter, rankings []*eci.Ranking) error {
	linter := eci.Linter{}
	var err error
	if linter.Relevant, err = f.files.Relevant(); err != nil {
		return err
	}
	data, err := report.Collect(ctx, o.sem, rankings[0], &linter, m.watch("report", o.sources)...)
	if err != nil {
		return err
	}
	m.stop()
	data.Settings = f.describe(rankings[0])
	if len(rankings) > 1 {
		data.Targets = rankings
	}
	return a.writeFile(ctx, f.html, func(w io.Writer) error { return report.Write(w, data) })
}
