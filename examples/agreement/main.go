// Command agreement checks the score on your own data before you trust it: it
// trains a small adapter on every source, measures what that was worth in
// nDCG@10 on held-out queries, and prints how far the score, and every simple
// baseline, orders the sources as training does.
//
//	go run ./examples/agreement
//	go run ./examples/agreement -data DIR [-vectors use] [-ways 8,1] [-save outcomes.json]
//
// DIR is laid out like BEIR: corpus.jsonl, queries.jsonl, qrels.tsv or
// qrels/*.tsv, and besides them sources/*.jsonl (triples with ids) and a folder of
// vectors (queries.npy, queries.ids, corpus.npy, corpus.ids). Without -data it
// runs on the embedded demo.
//
// What is trained is a residual low-rank linear map on frozen vectors, shared by
// queries and documents, with InfoNCE: once over the source's hard negative and
// the positives of seven other queries, as retrievers are trained, and once over
// the hard negative alone, which tells the sources apart more sharply. It stands
// in for fine-tuning the encoder and is not the same: a map of a few hundred
// numbers cannot learn what a transformer can. All vectors are held in memory as
// float64, so this is for corpora of up to some hundred thousand passages.
package main

import (
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
	"example.com/eci/testdata/demo"
	evidencefiles "example.com/eci/testdata/evidence"
)

func main() {
	data := flag.String("data", "", "`directory` in BEIR layout with sources and vectors; empty for the demo")
	vectors := flag.String("vectors", "use", "`folder` of the vectors under -data")
	only := flag.String("sources", "", "`names` of the sources to compare, separated by commas; all by default")
	save := flag.String("save", "", "write the outcomes to a JSON `file` that eci.ReadOutcomes reads")
	seed := flag.Uint64("seed", 0, "of the bootstrap")
	s := defaults
	flag.IntVar(&s.rank, "rank", s.rank, "of the adapter")
	ways := flag.String("ways", "8,1", "`numbers` of positives told apart, one training each; 1 is the hard negative alone")
	flag.IntVar(&s.batch, "batch", s.batch, "triples in a step, a multiple of all ways")
	flag.IntVar(&s.steps, "steps", s.steps, "of every training")
	flag.Float64Var(&s.rate, "rate", s.rate, "of Adam at the start; falls to 0")
	flag.Float64Var(&s.temperature, "temperature", s.temperature, "of InfoNCE")
	flag.IntVar(&s.folds, "folds", s.folds, "of the cross-validation over queries")
	flag.IntVar(&s.seeds, "seeds", s.seeds, "trainings of every fold")
	shown := flag.Bool("evidence", false, "print the tables of docs/evidence.md from the committed numbers")
	flag.Parse()
	if *shown {
		if err := printEvidence(os.Stdout, evidencefiles.Files); err != nil {
			fmt.Fprintln(os.Stderr, "agreement:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var list []settings
	for _, field := range strings.Split(*ways, ",") {
		n, err := strconv.Atoi(field)
		if err != nil {
			fmt.Fprintln(os.Stderr, "agreement: -ways wants numbers separated by commas:", err)
			os.Exit(2)
		}
		s.ways = n
		list = append(list, s)
	}
	var names []string
	if *only != "" {
		names = strings.Split(*only, ",")
	}
	files, folder := fs.FS(demo.Files), "vectors"
	if *data != "" {
		files, folder = os.DirFS(*data), *vectors
	}
	if err := run(ctx, os.Stdout, os.Stderr, files, folder, names, list, *seed, *save); err != nil {
		fmt.Fprintln(os.Stderr, "agreement:", err)
		os.Exit(1)
	}
}

// defaults of the training. They were chosen on Cranfield, where they give gains of
// the sign and size of a larger training. The agreement with any score moves with
// them when the outcomes hardly differ, as in-batch outcomes do: try others before
// you believe a tau.
var defaults = settings{rank: 32, batch: 32, steps: 100, rate: 3e-4, temperature: 0.05, folds: 5, seeds: 3}

// run ranks the sources, measures what training on them is worth under every
// settings of the list, and compares.
func run(ctx context.Context, out, status io.Writer, files fs.FS, folder string, names []string, list []settings, seed uint64, save string) error {
	for _, s := range list {
		if err := s.check(); err != nil {
			return err
		}
	}
	c, err := open(files, folder)
	if err != nil {
		return err
	}
	defer c.vectors.Close()
	if err := c.choose(names); err != nil {
		return err
	}
	var sources []eci.Source
	for _, source := range c.sources {
		sources = append(sources, source.Source)
	}
	ranking, err := eci.Rank(ctx, &eci.Sem{Vectors: c.vectors}, sources...)
	if err != nil {
		return err
	}
	saved := make(map[string]map[string]outcome)
	for _, s := range list {
		trained, frozen, err := c.measure(ctx, s, func(done, all int) {
			fmt.Fprintf(status, "\rways %d: %d of %d trainings", s.ways, done, all)
		})
		fmt.Fprintln(status)
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
			saved[source.Name][fmt.Sprintf("ways%d", s.ways)] = outcome{gain, standardError}
		}
		agreement, err := eci.Agree(ranking, outcomes, eci.AgreeOptions{Seed: seed, DifferenceError: func(a, b string) float64 {
			_, standardError := paired(trained[c.find(a)], trained[c.find(b)])
			return standardError
		}})
		if err != nil {
			return err
		}
		c.print(out, s, ranking, outcomes, frozen)
		fmt.Fprintf(out, "\n%v\n", agreement)
	}
	if save == "" {
		return nil
	}
	raw, err := json.MarshalIndent(map[string]any{"metric": fmt.Sprintf("gain in nDCG@%d", cutoff), "sources": saved}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(save, append(raw, '\n'), 0o644)
}

// outcome is one of the shapes that eci.ReadOutcomes reads.
type outcome struct {
	Value         float64 `json:"value"`
	StandardError float64 `json:"standard_error"`
}

// print writes the table of what training was worth.
func (c *collection) print(out io.Writer, s settings, ranking *eci.Ranking, outcomes []eci.Outcome, frozen []float64) {
	before, _ := paired(frozen, make([]float64, len(frozen)))
	loss := "the hard negative alone"
	if s.ways > 1 {
		loss = fmt.Sprintf("the hard negative and the positives of %d other queries", s.ways-1)
	}
	fmt.Fprintf(out, "%d queries, %d documents, trained on %s; nDCG@%d of the frozen encoder %.4f\n", len(c.names), c.searched.Rows, loss, cutoff, before)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "source\ttriples\tnDCG@%d\tgain\tstandard error\t%s\t\n", cutoff, ranking.Scorer)
	for i, o := range outcomes {
		entry, _ := ranking.Find(o.Source)
		fmt.Fprintf(t, "%s\t%d\t%.4f\t%+.4f\t%.4f\t%.2f\t\n", o.Source, len(c.sources[i].triples), before+o.Value, o.Value, o.StandardError, entry.Value)
	}
	t.Flush()
}
