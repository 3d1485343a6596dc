// Command hybrid finds the best hybrid of two sources and writes it as training
// triplets for sentence-transformers: every query is taken from one of the two,
// in turn, so that the hybrid has no more triples than one source.
//
//	go run ./examples/hybrid > hybrid.jsonl
//
// It ranks the embedded demo; for files of your own open them with eci.Files and
// their vectors with eci.OpenVectors.
package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"

	"example.com/eci"
	"example.com/eci/testdata/demo"
)

func main() {
	if err := run(context.Background(), os.Stdout, os.Stderr); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out, report io.Writer) error {
	dir, err := fs.Sub(demo.Files, "vectors")
	if err != nil {
		return err
	}
	vectors, err := eci.ReadVectors(dir)
	if err != nil {
		return err
	}
	sources := make(map[string]eci.Source)
	var all []eci.Source
	for _, name := range []string{"bm25", "dense", "llm"} {
		sources[name] = eci.JSONLFrom(demo.Files, "sources/"+name+".jsonl")
		all = append(all, sources[name])
	}
	ranking, err := eci.Rank(ctx, &eci.Sem{Vectors: vectors}, all...)
	if err != nil {
		return err
	}
	hybrids, err := ranking.Hybrids(2)
	if err != nil {
		return err
	}
	best := hybrids[0]
	fmt.Fprintln(report, "best hybrid:", best)

	rows, err := eci.Write(out, eci.FormatTriplet, inTurn(sources[best.Sources[0]], sources[best.Sources[1]]))
	if err != nil {
		return err
	}
	fmt.Fprintln(report, rows, "triplets")
	return nil
}

// inTurn yields the triples of every other query of the first source, and those
// of the queries in between of the second.
func inTurn(first, second eci.Source) func(yield func(eci.Triple, error) bool) {
	return func(yield func(eci.Triple, error) bool) {
		turn := make(map[string]int) // by query: 0 or 1
		for take, source := range []eci.Source{first, second} {
			for triple, err := range source.Triples {
				if err != nil {
					yield(nil, err)
					return
				}
				query := triple.Query()
				if _, ok := turn[query]; !ok {
					turn[query] = len(turn) % 2
				}
				if turn[query] == take && !yield(triple, nil) {
					return
				}
			}
		}
	}
}
