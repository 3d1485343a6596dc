// Command rank ranks sources of hard negatives: the main job of eci as a user
// would write it.
//
//	go run ./examples/rank -vectors DIR [-json] SOURCE.jsonl...
//
// DIR holds queries.npy, queries.ids, corpus.npy and corpus.ids; a source is
// named after its file.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"example.com/eci"
)

func main() {
	vectors := flag.String("vectors", "", "`directory` with queries.npy, queries.ids, corpus.npy and corpus.ids")
	asJSON := flag.Bool("json", false, "print JSON instead of a table")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *vectors, *asJSON, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, vectors string, asJSON bool, files []string) error {
	if vectors == "" || len(files) == 0 {
		return fmt.Errorf("eci: give -vectors DIR and the files of at least one source")
	}
	store, err := eci.OpenVectors(vectors)
	if err != nil {
		return err
	}
	defer store.Close()
	var sources []eci.Source
	for _, file := range files {
		sources = append(sources, eci.JSONL(file))
	}
	ranking, err := eci.Rank(ctx, &eci.Sem{Vectors: store}, sources...)
	if err != nil {
		return err
	}
	if asJSON {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		return out.Encode(ranking)
	}
	_, err = fmt.Print(ranking)
	return err
}
