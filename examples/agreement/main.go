// Command agreement checks the forecasts on your own data before you trust them. It
// ranks the sources, trains small adapters on each, and measures the gain in nDCG@10
// on held-out queries. It prints how far Lookahead, S and simple measures order the
// sources as training does.
//
//	go run ./examples/agreement [flags] DIR
//	go run ./examples/agreement
//	go run ./examples/agreement -outcomes FILE [-setting NAME] DIR
//	go run ./examples/agreement -target DIR2 DIR
//	go run ./examples/agreement -evidence
//
// DIR is laid out like BEIR: corpus.jsonl, queries.jsonl, and qrels.tsv or
// qrels/*.tsv. In addition it has sources/* (triples with IDs) and a folder of vectors
// (queries.npy, queries.ids, corpus.npy, corpus.ids). pool.ids, with one ID on each
// line, limits the documents that queries are searched in; leave out those that were
// generated as negatives. Without DIR, the command runs on the embedded demo. With
// -outcomes, nothing is trained; the file has outcomes that were measured elsewhere.
// With -target, sources of DIR are evaluated and trained for the task in DIR2, which
// has the same layout and needs no sources. With -evidence, the command prints the
// tables of docs/evidence.md from the numbers that are committed under
// testdata/evidence.
//
// It trains a residual low-rank linear map on frozen vectors, shared by queries and
// documents, with InfoNCE. One training uses only the source's hard negative, which is
// what Lookahead forecasts. The other adds the positives of seven other queries, which
// makes sources more alike. The map is a substitute for fine-tuning the encoder, not
// the same. All vectors are held in memory as float64, so this is for corpora of up to
// a few hundred thousand passages.
//
// Forecast and training share the peculiarities of the queries they were evaluated on.
// So the queries are also split into halves. What is computed from one half alone is
// compared with the training measured on the other half. The training measured on the
// first half is compared as well; it is the ceiling.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"text/tabwriter"

	"example.com/eci"
	"example.com/eci/internal/adapter"
	"example.com/eci/testdata/demo"
	evidencefiles "example.com/eci/testdata/evidence"
)

// options are the settings of the command line.
type options struct {
	names    []string   // of the sources; nil for all
	list     []settings // of the trainings
	halves   int        // splits of the queries
	seed     uint64
	save     string // a file for the outcomes
	outcomes string // a file with outcomes, instead of training
	setting  string // of the outcomes
	target   string // folder of another task
}

func main() {
	shown := flag.Bool("evidence", false, "print the tables of docs/evidence.md from the committed numbers")
	vectors := flag.String("vectors", "use", "`folder` of the vectors under DIR")
	only := flag.String("sources", "", "`names` of the sources to compare, separated by commas; all by default")
	s := defaults
	o := options{}
	flag.StringVar(&o.save, "save", "", "write the outcomes to a JSON `file` that eci.ReadOutcomes reads")
	flag.StringVar(&o.outcomes, "outcomes", "", "JSON `file` with measured outcomes, instead of training")
	flag.StringVar(&o.target, "target", "", "look at the queries of the task in this `folder`, and train for it")
	flag.StringVar(&o.setting, "setting", "", "the setting of the training to take from -outcomes, where it has several")
	flag.IntVar(&o.halves, "halves", 3, "splits of the queries in halves; 0 for none")
	flag.Uint64Var(&o.seed, "seed", 0, "of bootstrap and splits")
	flag.IntVar(&s.Rank, "rank", s.Rank, "of the adapter")
	ways := flag.String("ways", "1,8", "`numbers` of positives told apart, one training each; 1 is the hard negative alone")
	flag.IntVar(&s.Batch, "batch", s.Batch, "triples in a step, a multiple of all ways")
	flag.IntVar(&s.Steps, "steps", s.Steps, "of every training")
	flag.Float64Var(&s.Rate, "rate", s.Rate, "of Adam at the start; falls to 0")
	flag.Float64Var(&s.Temperature, "temperature", s.Temperature, "of InfoNCE")
	flag.IntVar(&s.Folds, "folds", s.Folds, "of the cross-validation over queries")
	flag.IntVar(&s.Seeds, "seeds", s.Seeds, "trainings of every fold")
	flag.Parse()
	fail := func(code int, err error) {
		fmt.Fprintln(os.Stderr, "agreement:", err)
		os.Exit(code)
	}
	if *shown {
		if err := printEvidence(os.Stdout, evidencefiles.Files); err != nil {
			fail(1, err)
		}
		return
	}
	if flag.NArg() > 1 {
		fail(2, fmt.Errorf("want one folder, after the flags; have %q", flag.Args()))
	}
	for _, field := range strings.Split(*ways, ",") {
		n, err := strconv.Atoi(field)
		if err != nil {
			fail(2, fmt.Errorf("-ways wants numbers separated by commas: %w", err))
		}
		s.Ways = n
		o.list = append(o.list, s)
	}
	if *only != "" {
		o.names = strings.Split(*only, ",")
	}
	files, folder := fs.FS(demo.Files), "vectors"
	if flag.NArg() == 1 {
		files, folder = os.DirFS(flag.Arg(0)), *vectors
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	info, err := os.Stderr.Stat()
	p := &progress{out: os.Stderr, bar: err == nil && info.Mode()&fs.ModeCharDevice != 0}
	if err := run(ctx, os.Stdout, p, files, folder, o); err != nil {
		fail(1, err)
	}
}

// defaults are the defaults of the training, those of the check of a choice.
var defaults = adapter.Defaults

// run ranks the sources, measures what training on them is worth under every
// settings of the list, and compares.
func run(ctx context.Context, out io.Writer, p *progress, files fs.FS, folder string, o options) error {
	for _, s := range o.list {
		if err := s.Check(); err != nil {
			return err
		}
	}
	if o.halves < 0 {
		return fmt.Errorf("%d splits in halves; want at least 0", o.halves)
	}
	c, err := open(files, folder)
	if err != nil {
		return err
	}
	defer c.vectors.Close()
	if err := c.choose(o.names); err != nil {
		return err
	}
	if o.target != "" {
		return c.studyTarget(ctx, out, p, o, folder)
	}
	ranking, err := c.rank(ctx, nil)
	if err != nil {
		return err
	}
	for _, note := range append(ranking.Lookahead.Doubts, ranking.Lookahead.Notes...) {
		fmt.Fprintln(out, "note:", note)
	}
	if o.outcomes != "" {
		return c.compareWith(out, ranking, o)
	}
	halves, err := c.halves(ctx, o.halves, o.seed, p)
	if err != nil {
		return err
	}
	saved := make(map[string]map[string]outcome)
	for _, s := range o.list {
		if err := c.study(ctx, out, p, s, ranking, halves, saved, o.seed); err != nil {
			return err
		}
	}
	if o.save == "" {
		return nil
	}
	raw, err := json.MarshalIndent(map[string]any{"metric": fmt.Sprintf("gain in nDCG@%d", cutoff), "sources": saved}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.save, append(raw, '\n'), 0o644)
}

// study trains under one settings and compares.
func (c *collection) study(ctx context.Context, out io.Writer, p *progress, s settings, ranking *eci.Ranking, halves [][2]half, saved map[string]map[string]outcome, seed uint64) error {
	trained, frozen, err := c.measure(ctx, s, func(done, all int) {
		p.show(fmt.Sprintf("training, ways %d", s.Ways), done, all)
	})
	if err != nil {
		return err
	}
	outcomes := make([]eci.Outcome, len(c.sources))
	for i, source := range c.sources {
		gain, standardError := paired(trained[i], frozen)
		outcomes[i] = eci.Outcome{Source: source.Name, Value: gain, StandardError: standardError}
		if saved[source.Name] == nil {
			saved[source.Name] = make(map[string]outcome)
		}
		saved[source.Name][fmt.Sprintf("ways%d", s.Ways)] = outcome{gain, standardError}
	}
	agreement, err := eci.Agree(byGain(ranking), outcomes, eci.AgreeOptions{Seed: seed, DifferenceError: func(a, b string) float64 {
		_, standardError := paired(trained[c.find(a)], trained[c.find(b)])
		return standardError
	}})
	if err != nil {
		return err
	}
	loss := "the hard negative alone"
	if s.Ways > 1 {
		loss = fmt.Sprintf("the hard negative and the positives of %d other queries", s.Ways-1)
	}
	before, _ := paired(frozen, make([]float64, len(frozen)))
	fmt.Fprintf(out, "\n%d queries, %d documents, trained on %s; nDCG@%d of the frozen encoder %.4f\n", len(c.names), c.task.Searched.Rows, loss, cutoff, before)
	printOutcomes(out, ranking, outcomes)
	fmt.Fprintf(out, "\n%v", agreement)
	if len(halves) == 0 {
		return nil
	}
	r, err := c.ceilingOf(halves, trained, frozen)
	if err != nil {
		return err
	}
	r.print(out)
	return nil
}

// compareWith compares with outcomes measured elsewhere. Their standard errors are
// taken as independent, so that some pairs that differ are missed.
func (c *collection) compareWith(out io.Writer, ranking *eci.Ranking, o options) error {
	raw, err := os.ReadFile(o.outcomes)
	if err != nil {
		return err
	}
	outcomes, err := eci.ReadOutcomes(o.outcomes, bytes.NewReader(raw), o.setting)
	if err != nil {
		return err
	}
	agreement, err := eci.Agree(byGain(ranking), outcomes, eci.AgreeOptions{Seed: o.seed})
	if err != nil {
		return err
	}
	printOutcomes(out, ranking, outcomes)
	_, err = fmt.Fprintf(out, "\n%v", agreement)
	return err
}

// outcome is one of the shapes that eci.ReadOutcomes reads.
type outcome struct {
	Value         float64 `json:"value"`
	StandardError float64 `json:"standard_error"`
}

// printOutcomes prints the gain of training next to the forecast.
func printOutcomes(out io.Writer, ranking *eci.Ranking, outcomes []eci.Outcome) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "source\tmeasured\tstandard error\tforecast\t95%% interval\tcurve\t%s\tdisjoint\thardness\t\n", new(eci.Sem).Name())
	for _, o := range outcomes {
		s, _ := ranking.Find(o.Source)
		f := s.Forecast
		fmt.Fprintf(t, "%s\t%+.4f\t%.4f\t%+.4f\t%+.3f to %+.3f\t%s\t%.2f\t%.2f\t%.2f\t\n", o.Source, o.Value, o.StandardError,
			f.Gain, f.Low, f.High, curve(f), s.Value, s.Baselines["disjoint"], s.Baselines["hardness"])
	}
	t.Flush()
}

// curve are the gains after each step.
func curve(f *eci.Forecast) string {
	var gains []string
	for _, g := range f.After {
		gains = append(gains, fmt.Sprintf("%+.3f", g))
	}
	return strings.Join(gains, " ")
}
