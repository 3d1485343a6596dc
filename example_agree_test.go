package eci_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"example.com/eci"
)

// Does the score order sources as training does? The outcomes here are made up;
// examples/agreement measures them.
func ExampleAgree() {
	vectors, sources := openDemo("bm25", "contaminated", "dense", "llm", "random")
	ranking, err := eci.Rank(context.Background(), &eci.Sem{Vectors: vectors}, sources...)
	if err != nil {
		log.Fatal(err)
	}
	outcomes, err := eci.ReadOutcomes("outcomes.json", strings.NewReader(`{
		"random":       {"value": 0.010, "standard_error": 0.004},
		"bm25":         {"value": 0.021, "standard_error": 0.005},
		"dense":        {"value": 0.034, "standard_error": 0.005},
		"contaminated": {"value": 0.015, "standard_error": 0.006},
		"llm":          {"value": 0.042, "standard_error": 0.006}
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
		if c.Measure == "eci" || c.Measure == "disjoint" {
			fmt.Printf("%s: tau-b %.2f (%.2f to %.2f), %.0f%% of those pairs right\n", c.Measure, c.Tau.Value, c.Tau.Low, c.Tau.High, 100*c.Accuracy.Value)
		}
	}
	// Output:
	// 5 pairs of outcomes differ significantly
	// eci: tau-b 1.00 (1.00 to 1.00), 100% of those pairs right
	// disjoint: tau-b -0.20 (-1.00 to 1.00), 40% of those pairs right
}

// Outcomes under several settings of the training: one is chosen by name.
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
