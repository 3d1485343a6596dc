// Command precomputed is the README's first quickstart as a program: it ranks
// files of triples with vectors that were computed before.
//
//	go run ./examples/precomputed testdata/demo/vectors testdata/demo/sources/*.jsonl
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"example.com/eci"
)

func main() {
	if len(os.Args) < 3 {
		log.Fatal("usage: precomputed VECTORS SOURCE.jsonl...")
	}
	vectors, err := eci.OpenVectors(os.Args[1]) // queries.npy, queries.ids, corpus.npy, corpus.ids
	if err != nil {
		log.Fatal(err)
	}
	defer vectors.Close()
	var sources []eci.Source
	for _, file := range os.Args[2:] {
		sources = append(sources, eci.JSONL(file))
	}
	ranking, err := eci.Rank(context.Background(), &eci.Sem{Vectors: vectors}, sources...)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(ranking)
	for _, pair := range ranking.Pairs {
		if pair.Low > 0 {
			fmt.Printf("%s beats %s by %.1f nats (%.1f to %.1f)\n", pair.Better, pair.Worse, pair.Difference, pair.Low, pair.High)
		}
	}
}
