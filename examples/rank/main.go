// Command rank ranks sources of hard negatives: the main use of eci, as a user would
// write it.
//
//	go run ./examples/rank
//	go run ./examples/rank -vectors DIR [-json] [-pool FILE] [-qrels FILE] SOURCE...
//
// The first form ranks the five sources of the embedded demo. For the second, DIR has
// queries.npy, queries.ids, corpus.npy and corpus.ids. A source is named after its
// file. The pool is a corpus, or a file of IDs: the documents that queries are
// searched in. Without one, these are the labeled positives.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"

	"example.com/eci"
	"example.com/eci/testdata/demo"
)

// options are the settings of the command line.
type options struct {
	vectors, pool, qrels string
	triples              int
	json                 bool
}

func main() {
	var o options
	flag.StringVar(&o.vectors, "vectors", "", "`directory` with queries.npy, queries.ids, corpus.npy and corpus.ids")
	flag.StringVar(&o.pool, "pool", "", "`file` of the documents that queries are searched in: a corpus, or ids")
	flag.StringVar(&o.qrels, "qrels", "", "`file` of relevance judgments beyond the triples' own")
	flag.IntVar(&o.triples, "lookahead-triples", 512, "triples of each source that the forecast walks on; 0 for all")
	flag.BoolVar(&o.json, "json", false, "print JSON instead of a table")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, paths []string) error {
	vectors, sources, err := open(o.vectors, paths)
	if err != nil {
		return err
	}
	defer vectors.Close()
	scorer := &eci.Lookahead{Sem: eci.Sem{Vectors: vectors}, Triples: o.triples}
	if o.triples == 0 {
		scorer.Triples = eci.Unlimited
	}
	files := eci.Files{Qrels: o.qrels}
	if o.vectors == "" {
		files = eci.Files{FS: demo.Files, Qrels: "qrels.tsv"}
	}
	if scorer.Relevant, err = files.Relevant(); err != nil {
		return err
	}
	if o.pool != "" {
		scorer.Pool = files.Documents(o.pool)
	} else if o.vectors == "" {
		scorer.Pool = files.Documents("corpus.jsonl")
	}
	ranking, err := eci.Rank(ctx, scorer, sources...)
	if err != nil {
		return err
	}
	if o.json {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		return out.Encode(ranking)
	}
	fmt.Print(ranking)
	if err := combine(ctx, ranking); err != nil {
		return err
	}
	return lint(ctx, vectors, sources)
}

// lint prints one line for each rule that holds as a warning or an error.
func lint(ctx context.Context, vectors eci.Vectors, sources []eci.Source) error {
	report, err := (&eci.Linter{Vectors: vectors}).Lint(ctx, sources...)
	if err != nil {
		return err
	}
	lines := make(map[eci.LintKind]string)
	var kinds []eci.LintKind // worst first
	for _, f := range report.Findings {
		if f.Severity == eci.SeverityInfo {
			continue
		}
		if lines[f.Kind] == "" {
			kinds = append(kinds, f.Kind)
			lines[f.Kind] = fmt.Sprintf("lint: %s: %s:", f.Severity, f.Kind)
		}
		lines[f.Kind] += fmt.Sprintf(" %s %.0f%%", f.Source, 100*f.Share)
	}
	for _, kind := range kinds {
		fmt.Println(lines[kind])
	}
	return nil
}

// combine prints the best hybrid of two sources and the best mixture.
func combine(ctx context.Context, ranking *eci.Ranking) error {
	if len(ranking.Ranked) < 2 {
		return nil
	}
	hybrids, err := ranking.Hybrids(2)
	if err != nil {
		return err
	}
	mixture, err := ranking.Mixture()
	if err != nil {
		return err
	}
	hybrid, mixed := make(map[string]float64), make(map[string]float64)
	for _, name := range hybrids[0].Sources {
		hybrid[name] = 1
	}
	for _, w := range mixture.Weights {
		mixed[w.Source] = w.Weight
	}
	if err := forecast(ctx, ranking, fmt.Sprint("hybrid richest in information: ", hybrids[0]), hybrid); err != nil {
		return err
	}
	return forecast(ctx, ranking, fmt.Sprint("mixture richest in information: ", mixture), mixed)
}

// forecast prints what training on a mixture would do, next to the best source.
func forecast(ctx context.Context, ranking *eci.Ranking, what string, shares map[string]float64) error {
	f, err := ranking.ForecastMix(ctx, shares)
	if err != nil {
		return err
	}
	best := ranking.Best()
	fmt.Printf("%s\n  forecast %+.3f %s, %s over %s\n", what, f.Gain, ranking.Lookahead.Metric, f.Over(best.Forecast), best.Source)
	return nil
}

// open returns the demo if there are no arguments.
func open(dir string, files []string) (*eci.VectorFiles, []eci.Source, error) {
	if dir == "" && len(files) == 0 {
		return openDemo()
	}
	if dir == "" || len(files) == 0 {
		return nil, nil, errors.New("eci: give both -vectors DIR and the files of the sources, or neither for the demo")
	}
	vectors, err := eci.OpenVectors(dir)
	if err != nil {
		return nil, nil, err
	}
	sources, err := (&eci.Files{}).Sources(files...)
	if err != nil {
		vectors.Close()
		return nil, nil, err
	}
	return vectors, sources, nil
}

func openDemo() (*eci.VectorFiles, []eci.Source, error) {
	dir, err := fs.Sub(demo.Files, "vectors")
	if err != nil {
		return nil, nil, err
	}
	vectors, err := eci.ReadVectors(dir)
	if err != nil {
		return nil, nil, err
	}
	files, err := fs.Glob(demo.Files, "sources/*.jsonl")
	if err != nil {
		return nil, nil, err
	}
	var sources []eci.Source
	for _, file := range files {
		sources = append(sources, eci.JSONLFrom(demo.Files, file))
	}
	return vectors, sources, nil
}
