// Command eci-beam ranks sources of hard negatives by a pipeline on Apache Beam.
//
//	eci-beam -rows 'bm25-*.jsonl.gz' -rows 'dense-*.jsonl.gz' -json ranking.json
//
// It runs on Prism, on this machine, unless Beam's flag --runner says otherwise;
// Beam's other flags are those of its runners. Rows must carry their vectors.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/textio"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/x/beamx"

	"example.com/eci"
	ecibeam "example.com/eci/beam"
)

// globs are the values of a flag that may be given several times.
type globs []string

func (g *globs) String() string         { return strings.Join(*g, ", ") }
func (g *globs) Set(value string) error { *g = append(*g, value); return nil }

var (
	rows      globs
	summary   = flag.String("summary", "", "file for the summary, on a file system that workers and this machine share (needed)")
	jsonPath  = flag.String("json", "", "file for the ranking in JSON")
	dead      = flag.String("dead", "", "file for bad rows, which are then left out; without it they fail the run")
	budget    = flag.Int("budget", 0, "triples scored of every source; 0 is the count of the smallest, -1 all")
	seed      = flag.Uint64("seed", 0, "seed of the samples")
	groups    = flag.Int("groups", 0, "jackknife groups of queries; 0 means 32")
	dimension = flag.Int("dimension", 0, "length of the vectors; 0 compares those of each row only")
	forecast  = flag.Bool("lookahead", true, "rank by forecasts; false ranks by S")
)

func main() {
	flag.Var(&rows, "rows", "pattern of files of rows; may be given several times")
	flag.Parse()
	beam.Init()
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "eci-beam:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	switch {
	case len(rows) == 0:
		return fmt.Errorf("no rows; give -rows a pattern of files")
	case *summary == "":
		return fmt.Errorf("give -summary a file to which a worker can write and from which this machine can read")
	}
	settings := ecibeam.Settings{Budget: *budget, Seed: *seed, Groups: *groups, Lookahead: *forecast}
	skip := eci.Skip(0)
	if *dead != "" {
		skip = eci.SkipMalformed | eci.SkipEmptyText | eci.SkipMissingVector | eci.SkipBadVector
	}
	p, s := beam.NewPipelineWithRoot()
	var good, bad []beam.PCollection
	for _, pattern := range rows {
		read, broken := ecibeam.ReadFiles(s, pattern, skip)
		good, bad = append(good, read), append(bad, broken)
	}
	checked, broken := ecibeam.CheckRows(s, beam.Flatten(s, good...), *dimension, skip)
	all := beam.Flatten(s, append(bad, broken)...)
	if *dead != "" {
		textio.Write(s, *dead, ecibeam.Lines(s, all))
	}
	ecibeam.WriteSummary(s, *summary, ecibeam.RankSources(s, settings, checked, all))
	if err := beamx.Run(ctx, p); err != nil {
		return err
	}
	return report(ctx)
}

// report prints the table and writes the JSON.
func report(ctx context.Context) error {
	s, err := ecibeam.ReadSummary(ctx, *summary)
	if err != nil {
		return err
	}
	ranking, err := s.Rank(ctx, nil)
	if err != nil {
		return err
	}
	fmt.Print(ranking)
	if *jsonPath == "" {
		return nil
	}
	raw, err := json.MarshalIndent(ranking, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(*jsonPath, append(raw, '\n'), 0o666)
}
