package eci_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"example.com/eci"
	"example.com/eci/testdata/demo"
)

// Does the forecast order sources as training does? The outcomes are those of go run
// ./examples/agreement -ways 1.
func ExampleAgree() {
	vectors, sources := openDemo("bm25", "contaminated", "dense", "llm", "random")
	files := eci.Files{FS: demo.Files, Qrels: "qrels.tsv"}
	relevant, err := files.Relevant()
	if err != nil {
		log.Fatal(err)
	}
	ranking, err := eci.Rank(context.Background(), &eci.Lookahead{
		Sem:  eci.Sem{Vectors: vectors, NoChecks: true}, // agreement needs no controls
		Pool: files.Documents("corpus.jsonl"), Relevant: relevant,
	}, sources...)
	if err != nil {
		log.Fatal(err)
	}
	outcomes, err := eci.ReadOutcomes("outcomes.json", strings.NewReader(`{
		"random":       {"value": 0.0409, "standard_error": 0.0100},
		"bm25":         {"value": 0.0574, "standard_error": 0.0131},
		"dense":        {"value": 0.0608, "standard_error": 0.0140},
		"contaminated": {"value": 0.0588, "standard_error": 0.0123},
		"llm":          {"value": 0.0039, "standard_error": 0.0161}
	}`), "")
	if err != nil {
		log.Fatal(err)
	}
	agreement, err := eci.Agree(ranking, outcomes, eci.AgreeOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(agreement.Significant, "pairs of outcomes differ significantly")
	for _, c := range agreement.Measures {
		if c.Measure == "lookahead" || c.Measure == "eci" {
			fmt.Printf("%s: tau-b %.2f (%.2f to %.2f), %.0f%% of those pairs right\n", c.Measure, c.Tau.Value, c.Tau.Low, c.Tau.High, 100*c.Accuracy.Value)
		}
	}
	// Output:
	// 3 pairs of outcomes differ significantly
	// lookahead: tau-b 0.80 (0.00 to 1.00), 100% of those pairs right
	// eci: tau-b 0.00 (-1.00 to 1.00), 0% of those pairs right
}

// If there are outcomes under several settings of the training, choose one by name.
func ExampleReadOutcomes() {
	outcomes, err := eci.ReadOutcomes("downstream.json", strings.NewReader(`{
		"metric": "change of nDCG@10",
		"sources": {
			"bm25": {"explicit": {"mean": -0.01, "se": 0.005}, "in-batch": {"mean": 0.04, "se": 0.008}},
			"llm":  {"explicit": {"mean": -0.03, "se": 0.007}, "in-batch": {"mean": 0.05, "se": 0.008}}
		}
	}`), "in-batch")
	if err != nil {
		log.Fatal(err)
	}
	for _, o := range outcomes {
		fmt.Printf("%s %.2f +- %.3f\n", o.Source, o.Value, o.StandardError)
	}
	// Output:
	// bm25 0.04 +- 0.008
	// llm 0.05 +- 0.008
}
