package eci_test

import (
	"context"
	"fmt"
	"log"
	"testing/fstest"

	"example.com/eci"
)

// Find out what is wrong with the triples before any training. No encoder is needed.
func ExampleLinter() {
	files := fstest.MapFS{"mined.jsonl": {Data: []byte(`
{"query_id":"1","query":"how long do I boil an egg","positive_id":"7","positive":"Seven minutes for a firm yolk.","negative_id":"9","negative":"seven minutes  for a firm yolk."}
{"query_id":"2","query":"when do I water a cactus","positive_id":"8","positive":"Every three weeks.","negative_id":"7","negative":"Seven minutes for a firm yolk."}
{"query_id":"2","query":"when do I water a cactus","positive_id":"6","positive":"When the soil is dry.","negative_id":"8","negative":"Every three weeks."}
{"query_id":"3","query":"what is a café","positive":"A place for coffee.","negative":"A cafÃ© in Paris."}
{"query_id":"3","query":"what is a café","positive":"A place for coffee."}
`)}}
	report, err := (&eci.Linter{}).Lint(context.Background(), eci.JSONLFrom(files, "mined.jsonl"))
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range report.Findings {
		fmt.Println(f.Severity, f.Kind, f.Count, f.Examples[0])
	}
	// Output:
	// error malformed-row 1 mined.jsonl, row 6 (missing field: want negative or negative_1, have positive, query, query_id)
	// error near-identical 1 mined.jsonl, row 2: "seven minutes  for a firm yolk."
	// error false-negative 1 mined.jsonl, row 4: "Every three weeks."
	// warning mojibake 1 mined.jsonl, row 5: "A cafÃ© in Paris."
	// info collision 1 mined.jsonl, row 3: "Seven minutes for a firm yolk."
}

// Print the report as a table.
func ExampleLintReport_String() {
	_, sources := openDemo("contaminated", "llm")
	report, err := (&eci.Linter{}).Lint(context.Background(), sources...)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(report)
	// Output:
	// severity  source        finding    rows  share  first
	// info      contaminated  collision  122   25.4%  sources/contaminated.jsonl, row 7: "Help desk, Mill Lane branch, note written by Ines Marsh on F..."
	// info      contaminated  padding    47    9.8%   sources/contaminated.jsonl, row 13: "Help desk, Northgate branch, note written by Aiko Tanaka on ..." (in 3 rows)
	// contaminated: 480 rows read, 480 triples
	// llm: 480 rows read, 480 triples, nothing found
}

// List triples whose negative may answer the query, for reading. A loader drops them
// with WithoutSuspects.
func ExampleSem_Suspects() {
	ctx := context.Background()
	vectors, sources := openDemo("contaminated", "bm25", "dense", "llm", "random")
	sem := &eci.Sem{Vectors: vectors}
	calibration, err := sem.Calibrate(ctx, sources...)
	if err != nil {
		log.Fatal(err)
	}
	sem.Calibration = calibration
	for suspect, err := range sem.Suspects(ctx, sources[0], 0.44) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%.2f row %d %s: ranked %.2f, semantic %.2f, lexical %.2f\n", suspect.Score,
			suspect.Record.Row, suspect.Record.NegativeID, suspect.Ranked, suspect.Semantic, suspect.Lexical)
	}
	kept := 0
	for _, err := range sem.WithoutSuspects(ctx, sources[0], 0.44).Triples {
		if err != nil {
			log.Fatal(err)
		}
		kept++
	}
	fmt.Println("kept", kept)
	// Output:
	// 0.51 row 36 a18: ranked 1.00, semantic 0.87, lexical 0.16
	// 0.51 row 74 a37: ranked 0.80, semantic 0.81, lexical 0.20
	// 0.49 row 119 a60: ranked 0.87, semantic 0.69, lexical 0.20
	// 0.45 row 133 a67: ranked 0.88, semantic 0.78, lexical 0.14
	// 0.46 row 177 a89: ranked 1.00, semantic 0.72, lexical 0.14
	// 0.47 row 325 a163: ranked 1.00, semantic 0.68, lexical 0.15
	// 0.46 row 471 a236: ranked 1.00, semantic 0.80, lexical 0.12
	// kept 473
}

// Show how many triples a margin filter keeps, and what they are worth, at every
// threshold in one reading.
func ExampleSem_Sweep() {
	ctx := context.Background()
	vectors, sources := openDemo("dense", "bm25", "random")
	sem := &eci.Sem{Vectors: vectors}
	calibration, err := sem.Calibrate(ctx, sources...)
	if err != nil {
		log.Fatal(err)
	}
	sem.Calibration = calibration
	sweep, err := sem.Sweep(ctx, sources[0], -1, -0.5, 0, 0.5, 1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(sweep)
	// Output:
	// margin >=  cosine  triples  share  effective      S
	//         all       -      480   1.00        434  43.27
	//    -1.00 sd  -0.113      407   0.85        382  44.96
	//    -0.50 sd  -0.057      281   0.59        272  46.71
	//     0.00 sd   0.000      135   0.28        132  45.32
	//     0.50 sd   0.057       28   0.06         28  29.28
	//     1.00 sd   0.113        8   0.02          8  14.08
}
