package ecibeam_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/textio"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/x/beamx"

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

// Choosing the rows to train on: a pipeline keeps samples, this machine makes the
// influences of them, and a second pipeline scores all rows. Paths are of an object
// store that workers and this machine share. The example is compiled but not run.
func ExampleChooseRows() {
	const summary, influences = "gs://bucket/summary", "gs://bucket/influences"
	read := func(s beam.Scope) (rows, bad beam.PCollection) {
		rows, unreadable := ecibeam.ReadFiles(s, "gs://bucket/rows/*.jsonl.gz", eci.SkipMalformed)
		rows, bad = ecibeam.CheckRows(s, rows, 768, eci.SkipEmptyText)
		return rows, beam.Flatten(s, unreadable, bad)
	}
	run := func(ctx context.Context, build func(s beam.Scope)) {
		p, s := beam.NewPipelineWithRoot()
		build(s)
		if err := beamx.Run(ctx, p); err != nil {
			log.Fatal(err)
		}
	}
	ctx := context.Background()
	run(ctx, func(s beam.Scope) {
		rows, bad := read(s)
		ecibeam.WriteSummary(s, summary, ecibeam.RankSources(s, ecibeam.Settings{ChoiceSample: 2048}, rows, bad))
	})

	results, err := ecibeam.ReadSummary(ctx, summary)
	if err != nil {
		log.Fatal(err)
	}
	made, err := results.Influences(ctx, nil, true) // from all sources together
	if err != nil {
		log.Fatal(err)
	}
	for source, in := range made {
		fmt.Println(source, in.Report.Doubts)
	}
	if err := ecibeam.WriteInfluences(ctx, influences, made); err != nil {
		log.Fatal(err)
	}

	run(ctx, func(s beam.Scope) {
		rows, _ := read(s)
		chosen := ecibeam.ChooseRows(s, 0.5, rows, ecibeam.ReadInfluences(s, influences))
		textio.Write(s, "gs://bucket/chosen.jsonl", ecibeam.ChosenLines(s, chosen))
	})
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
