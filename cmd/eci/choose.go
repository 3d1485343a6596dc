package main

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"example.com/eci"
	"example.com/eci/cmd/eci/report"
	"github.com/spf13/pflag"
)

// choosing holds the flags of select --by gain.
type choosing struct {
	keep, drop      string
	checkByTraining bool
	noCheck         bool
	requireGain     bool
}

func (f *choosing) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.keep, "keep", "", "share of the triples of each query and positive to keep, such as 50%; chooses by gain (default 50% with --by gain)")
	flags.StringVar(&f.drop, "drop", "", "share to leave out instead, such as 25%")
	flags.BoolVar(&f.checkByTraining, "check-by-training", false, "check the choice by training small adapters rather than looking ahead")
	flags.BoolVar(&f.noCheck, "no-check", false, "do not check the choice on queries that took no part in it")
	flags.BoolVar(&f.requireGain, "require-gain", false, "fail with exit code 3, and write nothing, unless the choice is shown to beat a random one")
}

// given reports whether a flag requests a choice by gain.
func (f *choosing) given() bool { return f.keep != "" || f.drop != "" }

// share returns the part to keep.
func (f *choosing) share() (float64, error) {
	switch {
	case f.keep != "" && f.drop != "":
		return 0, usage("--keep and --drop say the same thing: give one")
	case f.noCheck && (f.requireGain || f.checkByTraining):
		return 0, usage("--no-check leaves out what --require-gain and --check-by-training ask for")
	}
	name, text := "--keep", f.keep
	if f.drop != "" {
		name, text = "--drop", f.drop
	}
	if text == "" {
		return 0.5, nil
	}
	number, percent := strings.CutSuffix(text, "%")
	share, err := strconv.ParseFloat(number, 64)
	if percent {
		share /= 100
	}
	if err != nil || !(share > 0 && share <= 1) || f.drop != "" && share == 1 {
		return 0, usage("%s %s: a share such as 50%% or 0.5, above 0", name, text)
	}
	if f.drop != "" {
		share = 1 - share
	}
	return share, nil
}

// chosen is the result of select --by gain, for JSON.
type chosen struct {
	Source  string           `json:"source"`
	Target  string           `json:"target,omitempty"`
	Metric  string           `json:"metric"`
	Triples int              `json:"triples"`
	Kept    int              `json:"kept"`
	Pairs   int              `json:"pairs"`
	Verdict string           `json:"verdict"`
	Check   *eci.ChoiceCheck `json:"check,omitempty"`
	Doubts  []string         `json:"doubts,omitempty"`
	Notes   []string         `json:"notes,omitempty"`
	Skipped map[string]int   `json:"skipped,omitempty"`
	Written summary          `json:"written"`
}

// openAndChoose opens what the flags of select --by gain name, and chooses.
func (a *app) openAndChoose(ctx context.Context, f *selectFlags, files []string) error {
	f.forecasting.by = byLookahead
	if err := f.forecasting.check(); err != nil {
		return err
	}
	if err := f.checkTargets(&f.forecasting, &f.inputs); err != nil {
		return err
	}
	if len(f.targets) > 1 {
		return usage("select chooses for one --target")
	}
	o, err := f.open(ctx, a, files)
	if err != nil {
		return err
	}
	defer o.Close()
	return a.runChoose(ctx, f, o)
}

// runChoose runs select --by gain.
func (a *app) runChoose(ctx context.Context, f *selectFlags, o *opened) error {
	share, err := f.share()
	if err != nil {
		return err
	}
	source, others, err := f.chosenFrom(o)
	if err != nil {
		return err
	}
	m := a.meter()
	defer m.stop()
	o.sem.Progress = m.report()
	ahead, err := f.lookahead(&f.inputs, o)
	if err != nil {
		return err
	}
	targets, err := f.openTargets(ctx, &f.inputs, o, f.pool)
	if err != nil {
		return err
	}
	if len(targets) > 0 {
		aimAt(ahead, targets[0])
	}
	choose := eci.Choose{Lookahead: *ahead, Keep: share, NoCheck: f.noCheck, CheckByTraining: f.checkByTraining}
	choice, err := choose.From(ctx, source, others...)
	if err != nil {
		return err
	}
	m.stop()
	out := chosen{
		Source: source.Name, Target: choice.Target, Metric: choice.Metric, Triples: choice.Triples, Kept: choice.Kept, Pairs: choice.Pairs,
		Verdict: choiceVerdict(choice), Check: choice.Check, Skipped: choice.Skipped,
	}
	for _, doubt := range choice.Doubts {
		out.Doubts = append(out.Doubts, inFlags(doubt))
	}
	for _, note := range choice.Notes {
		out.Notes = append(out.Notes, inFlags(note))
	}
	if f.requireGain && (!choice.Check.Helps() || len(choice.Doubts) > 0) {
		return &checkError{strings.Join(append([]string{out.Verdict}, out.Doubts...), "; ")}
	}
	rows, err := f.write(ctx, a, o.sources, keptRows(ctx, choice))
	if err != nil {
		return err
	}
	out.Written = summary{File: f.output, Format: f.to, Rows: rows}
	r := chosenResult(out, choice)
	if f.output == "-" {
		for _, line := range slices.Concat(r.lead, r.notes) {
			fmt.Fprintln(a.err, report.Clean(line))
		}
		return nil
	}
	return a.print(r)
}

// chosenFrom returns the source to choose from: the one named, the only one, or all
// combined, each labeled with its name.
func (f *selectFlags) chosenFrom(o *opened) (source eci.Source, others []eci.Source, err error) {
	if f.source == "" && len(o.sources) > 1 {
		var names []string
		for _, s := range o.sources {
			names = append(names, s.Name)
		}
		return eci.Source{Name: strings.Join(names, "+"), Triples: func(yield func(eci.Triple, error) bool) {
			for _, s := range o.sources {
				for t, err := range s.Triples {
					if err == nil {
						t = labeled(t, s.Name)
					}
					if !yield(t, err) {
						return
					}
				}
			}
		}}, nil, nil
	}
	if source, err = o.only(f.source); err != nil {
		return source, nil, err
	}
	for _, s := range o.sources {
		if s.Name != source.Name {
			others = append(others, s)
		}
	}
	return source, others, nil
}

// keptRows yields the rows to train on.
func keptRows(ctx context.Context, choice *eci.Choice) iter.Seq2[eci.Triple, error] {
	return func(yield func(eci.Triple, error) bool) {
		for c, err := range choice.Keep(ctx) {
			t := c.Triple
			if err == nil {
				t = marked(t, figure("influence", c.Influence), figure("place", float64(c.Place)))
			}
			if !yield(t, err) {
				return
			}
		}
	}
}

// choiceVerdict says whether to train on the choice.
func choiceVerdict(c *eci.Choice) string {
	check := c.Check
	how := "after four half steps"
	if check != nil && check.Trained {
		how = "after training"
	}
	switch {
	case check == nil:
		return "Not checked: whether the choice beats a random one is not known."
	case check.Helps() && check.OverAll.Low > 0:
		return fmt.Sprintf("Train on the choice: %s, on queries that took no part in it, it is %v %s over as many random triples, and %v over all.", how, check.OverRandom, c.Metric, check.OverAll)
	case check.Helps():
		return fmt.Sprintf("The choice beats a random one of its size: %s, on queries that took no part in it, it is %v %s over as many random triples. It is not shown to beat all of them (%v).", how, check.OverRandom, c.Metric, check.OverAll)
	}
	return fmt.Sprintf("Not shown to help: %s, on queries that took no part in it, the choice is %v %s over as many random triples. Take those, or all.", how, check.OverRandom, c.Metric)
}

func chosenResult(out chosen, c *eci.Choice) result {
	r := result{value: out}
	for _, doubt := range out.Doubts {
		r.lead = append(r.lead, "No verdict: "+doubt+".")
	}
	if len(out.Doubts) == 0 {
		r.lead = append(r.lead, out.Verdict)
	}
	unit := out.Metric
	if out.Target != "" {
		unit += " on " + out.Target
	}
	r.lead = append(r.lead, fmt.Sprintf("%d of %d triples of %s kept, the best of each of %d pairs of query and positive", out.Kept, out.Triples, out.Source, out.Pairs))
	if k := out.Check; k != nil {
		change := func(name string, x float64) []any { return []any{name, number{x, 3, true}} }
		r.sheets = append(r.sheets, sheet{
			title: fmt.Sprintf("check on %d queries: change of %s", k.Queries, unit), header: []string{"trained on", "change"},
			rows: [][]any{change("the choice", k.Chosen), change("a random choice", k.Random), change("all", k.All), change("the opposite", k.Opposite)},
		})
	}
	r.sheets = append(r.sheets, sheet{header: []string{"file", "format", "rows"}, rows: [][]any{{out.Written.File, out.Written.Format, out.Written.Rows}}})
	for _, reason := range slices.Sorted(maps.Keys(c.Skipped)) {
		r.notes = append(r.notes, fmt.Sprintf("note: %d rows left out: %s", c.Skipped[reason], reason))
	}
	for _, note := range out.Notes {
		r.notes = append(r.notes, "note: "+note)
	}
	r.notes = append(r.notes, "note: the choice belongs to the encoder whose vectors were used, and finds no false negatives; eci lint does",
		"note: it was made with the labels of these queries, so a ranking on the same queries flatters it; the check above does not")
	return r
}
