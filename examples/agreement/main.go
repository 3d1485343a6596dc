// Command agreement checks the score on your own data before you trust it: it
// trains a small adapter on every source, measures what that was worth in
// nDCG@10 on held-out queries, and prints how far the score, and every simple
// baseline, orders the sources as training does.
//
//	go run ./examples/agreement
//	go run ./examples/agreement -data DIR [-vectors use] [-ways 8] [-save outcomes.json]
//
// DIR is laid out like BEIR: corpus.jsonl, queries.jsonl, qrels.tsv or
// qrels/*.tsv, and besides them sources/*.jsonl (triples with ids) and a folder of
// vectors (queries.npy, queries.ids, corpus.npy, corpus.ids). Without -data it
// runs on the embedded demo.
//
// What is trained is a residual low-rank linear map on the query side, on frozen
// vectors, with InfoNCE over the source's hard negative and the positives of
// other queries. That stands in for fine-tuning the encoder and is not the same:
// a map of 512 numbers cannot learn what a transformer can. All vectors are held
// in memory as float64.
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
	"strings"
	"text/tabwriter"

	"example.com/eci"
	"example.com/eci/testdata/demo"
)

func main() {
	data := flag.String("data", "", "`directory` in BEIR layout with sources and vectors; empty for the demo")
	vectors := flag.String("vectors", "use", "`folder` of the vectors under -data")
	only := flag.String("sources", "", "`names` of the sources to compare, separated by commas; all by default")
	save := flag.String("save", "", "write the outcomes to a JSON `file` that eci.ReadOutcomes reads")
	seed := flag.Uint64("seed", 0, "of the bootstrap")
	s := defaults
	flag.IntVar(&s.rank, "rank", s.rank, "of the adapter")
	flag.IntVar(&s.ways, "ways", s.ways, "positives told apart in a batch; 1 trains on the hard negative alone")
	flag.IntVar(&s.batch, "batch", s.batch, "triples in a step, a multiple of ways")
	flag.IntVar(&s.epochs, "epochs", s.epochs, "passes over the triples")
	flag.Float64Var(&s.rate, "rate", s.rate, "of Adam at the start; falls to 0")
	flag.Float64Var(&s.decay, "decay", s.decay, "weight decay")
	flag.Float64Var(&s.temperature, "temperature", s.temperature, "of InfoNCE")
	flag.IntVar(&s.folds, "folds", s.folds, "of the cross-validation over queries")
	flag.IntVar(&s.seeds, "seeds", s.seeds, "trainings of every fold")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var names []string
	if *only != "" {
		names = strings.Split(*only, ",")
	}
	files, folder := fs.FS(demo.Files), "vectors"
	if *data != "" {
		files, folder = os.DirFS(*data), *vectors
	}
	if err := run(ctx, os.Stdout, os.Stderr, files, folder, names, s, *seed, *save); err != nil {
		fmt.Fprintln(os.Stderr, "agreement:", err)
		os.Exit(1)
	}
}

// defaults of the training.
var defaults = settings{rank: 64, ways: 8, batch: 32, epochs: 10, rate: 1e-3, decay: 0, temperature: 0.05, folds: 5, seeds: 3}

func run(ctx context.Context, out, status io.Writer, files fs.FS, folder string, names []string, s settings, seed uint64, save string) error {
	if err := s.check(); err != nil {
		return err
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
	trained, frozen := c.measure(s, func(done, all int) {
		fmt.Fprintf(status, "\r%d of %d trainings", done, all)
	})
	fmt.Fprintln(status)
	outcomes := make([]eci.Outcome, len(c.sources))
	for i := range c.sources {
		outcomes[i].Source = c.sources[i].Name
		outcomes[i].Value, outcomes[i].StandardError = paired(trained[i], frozen)
	}
	before, _ := paired(frozen, make([]float64, len(frozen)))
	fmt.Fprintf(out, "%d queries, %d documents; nDCG@%d of the frozen encoder %.4f\n", len(c.names), c.searched.Rows, cutoff, before)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "source\ttriples\tnDCG@%d\tgain\tstandard error\t%s\t\n", cutoff, ranking.Scorer)
	for i, o := range outcomes {
		entry, _ := ranking.Find(o.Source)
		fmt.Fprintf(t, "%s\t%d\t%.4f\t%+.4f\t%.4f\t%.2f\t\n", o.Source, len(c.sources[i].triples), before+o.Value, o.Value, o.StandardError, entry.Value)
	}
	t.Flush()
	fmt.Fprintln(out)
	if save != "" {
		if err := store(save, outcomes); err != nil {
			return err
		}
	}
	agreement, err := eci.Agree(ranking, outcomes, eci.AgreeOptions{Seed: seed})
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(out, agreement)
	return err
}

// store writes the outcomes in the shape that eci.ReadOutcomes reads.
func store(name string, outcomes []eci.Outcome) error {
	type outcome struct {
		Value         float64 `json:"value"`
		StandardError float64 `json:"standard_error"`
	}
	list := make(map[string]outcome)
	for _, o := range outcomes {
		list[o.Source] = outcome{o.Value, o.StandardError}
	}
	raw, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(raw, '\n'), 0o644)
}
