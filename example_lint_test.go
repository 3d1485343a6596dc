package eci_test

import (
	"context"
	"fmt"
	"log"
	"testing/fstest"

	"example.com/eci"
)

// What is wrong with the triples, before anything is trained on them. No encoder
// is needed.
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

// The report as a table.
func ExampleLintReport_String() {
	_, sources := openDemo("contaminated", "llm")
	report, err := (&eci.Linter{}).Lint(context.Background(), sources...)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(report)
	// Output:
	// severity  source        finding    rows  share  first
	// info      contaminated  collision  27    22.5%  sources/contaminated.jsonl, row 12: "Sit on the bike with your heel on the pedal at its lowest po..."
	// info      contaminated  padding    4     3.3%   sources/contaminated.jsonl, row 27: "Bitter, drying coffee has been extracted too far. Grind a li..." (in 2 rows)
	// contaminated: 120 rows read, 120 triples
	// llm: 120 rows read, 120 triples, nothing found
}

// Triples whose negative may answer the query, to read; a loader
// drops them with WithoutSuspects.
func ExampleSem_Suspects() {
	ctx := context.Background()
	vectors, sources := openDemo("contaminated", "bm25", "dense", "llm", "random")
	sem := &eci.Sem{Vectors: vectors}
	calibration, err := sem.Calibrate(ctx, sources...)
	if err != nil {
		log.Fatal(err)
	}
	sem.Calibration = calibration
	for suspect, err := range sem.Suspects(ctx, sources[0], 0.4) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%.2f row %d %s: ranked %.2f, semantic %.2f, lexical %.2f\n", suspect.Score,
			suspect.Record.Row, suspect.Record.NegativeID, suspect.Ranked, suspect.Semantic, suspect.Lexical)
	}
	kept := 0
	for _, err := range sem.WithoutSuspects(ctx, sources[0], 0.4).Triples {
		if err != nil {
			log.Fatal(err)
		}
		kept++
	}
	fmt.Println("kept", kept)
	// Output:
	// 0.47 row 36 a18: ranked 0.95, semantic 0.79, lexical 0.14
	// 0.43 row 41 d104: ranked 1.00, semantic 0.66, lexical 0.12
	// 0.44 row 74 a37: ranked 0.65, semantic 0.69, lexical 0.19
	// 0.44 row 83 a42: ranked 0.94, semantic 0.82, lexical 0.11
	// 0.40 row 88 a44: ranked 0.86, semantic 0.71, lexical 0.11
	// 0.40 row 113 a57: ranked 1.00, semantic 0.69, lexical 0.09
	// 0.49 row 119 a60: ranked 0.83, semantic 0.72, lexical 0.20
	// kept 113
}

// How many triples a margin filter keeps, and what they are worth, at every
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
	//         all       -      120   1.00        116  40.31
	//    -1.00 sd  -0.205      120   1.00        116  40.31
	//    -0.50 sd  -0.103      116   0.97        112  39.95
	//     0.00 sd   0.000       71   0.59         69  35.50
	//     0.50 sd   0.103       12   0.10         12  17.26
	//     1.00 sd   0.205        3   0.03          3   6.89
}
