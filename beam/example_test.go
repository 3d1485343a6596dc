package ecibeam_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism"

	"example.com/eci"
	ecibeam "example.com/eci/beam"
)

// A pipeline from files to a ranking, on Prism. On another runner, pattern and
// summary are paths of an object store, and the program begins with beam.Init.
func Example() {
	dir, err := os.MkdirTemp("", "eci-beam")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	writeRows(dir)
	summary := filepath.Join(dir, "summary")

	p, s := beam.NewPipelineWithRoot()
	rows, unreadable := ecibeam.ReadFiles(s, filepath.Join(dir, "*.jsonl"), eci.SkipMalformed)
	rows, bad := ecibeam.CheckRows(s, rows, 2, eci.SkipEmptyText)
	settings := ecibeam.Settings{Sources: []string{"far", "near"}, NoChecks: true}
	ecibeam.WriteSummary(s, summary, ecibeam.RankSources(s, settings, rows, beam.Flatten(s, unreadable, bad)))
	ctx := context.Background()
	if _, err := beam.Run(ctx, "prism", p); err != nil {
		log.Fatal(err)
	}

	results, err := ecibeam.ReadSummary(ctx, summary)
	if err != nil {
		log.Fatal(err)
	}
	ranking, err := results.Rank(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, score := range ranking.Ranked {
		fmt.Println(score.Source, score.Totals.Triples, score.Skipped)
	}
	// Output:
	// near 8 map[]
	// far 8 map[malformed:1]
}

// writeRows writes two sources, of which one is in two parts, and a row that does
// not parse.
func writeRows(dir string) {
	const row = `{"query":"question %d","positive":"answer %d","negative":"%s passage %d","query_vector":[1,%d],"positive_vector":[1,%d.5],"negative_vector":[%s]}` + "\n"
	for _, file := range []struct{ name, source, vector string }{
		{"near-0.jsonl", "near", "0.8,0.6"}, {"near-1.jsonl", "near", "0.8,-0.6"},
		{"far-0.jsonl", "far", "-1,0.1"}, {"far-1.jsonl", "far", "-1,-0.1"},
	} {
		out := ""
		for i := range 4 {
			out += fmt.Sprintf(row, i, i, file.name, i, i*i, i*i, file.vector)
		}
		if file.name == "far-1.jsonl" {
			out += "{\n"
		}
		if err := os.WriteFile(filepath.Join(dir, file.name), []byte(out), 0o666); err != nil {
			log.Fatal(err)
		}
	}
}
