// Command embedding-server ranks three sources of the demo with an encoder that runs in its own server.
// Texts are sent over HTTP, and vectors are cached on disk. The ranking must equal
// that of the vectors that come with the demo. A second run must send no text.
//
//	bash examples/embedding-server/run.sh
//
// installs the encoder and runs it.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"log"
	"math"
	"os"
	"os/exec"
	"strings"

	"example.com/eci"
	"example.com/eci/testdata/demo"
)

func main() {
	log.SetFlags(0)
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	url, stop, err := start(ctx)
	if err != nil {
		return err
	}
	defer stop()
	dir, err := os.MkdirTemp("", "eci-cache-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	files, err := fs.Sub(demo.Files, "vectors")
	if err != nil {
		return err
	}
	vectors, err := eci.ReadVectors(files)
	if err != nil {
		return err
	}
	defer vectors.Close()
	want, err := eci.Rank(ctx, &eci.Sem{Vectors: vectors}, sources()...)
	if err != nil {
		return err
	}
	var rankings [2]*eci.Ranking
	for i := range rankings {
		var stats eci.DiskCacheStats
		if rankings[i], stats, err = rank(ctx, url, dir); err != nil {
			return err
		}
		fmt.Printf("run %d: %d texts sent to the server\n", i+1, stats.Misses)
		if i == 0 && stats.Misses == 0 || i == 1 && stats.Misses != 0 {
			return fmt.Errorf("run %d sent %d texts", i+1, stats.Misses)
		}
	}
	fmt.Print(rankings[1])
	for _, got := range rankings {
		largest, err := compare(got, want)
		if err != nil {
			return err
		}
		fmt.Printf("the same order as with the vectors of the demo; scores differ by at most %.0e nats\n", largest)
	}
	return nil
}

// rank is all that a program with a running server needs.
func rank(ctx context.Context, url, dir string) (*eci.Ranking, eci.DiskCacheStats, error) {
	cache, err := eci.OpenDiskCache(eci.DiskCacheConfig{
		Dir: dir,
		Embedder: &eci.Server{
			URL:         url,
			Model:       "universal-sentence-encoder-lite",
			KeyVariable: eci.NoKey,
			Concurrency: 1, // the encoder has a single thread
		},
	})
	if err != nil {
		return nil, eci.DiskCacheStats{}, err
	}
	defer cache.Close()
	ranking, err := eci.Rank(ctx, &eci.Sem{Embedder: cache}, sources()...)
	return ranking, cache.Stats(), err
}

func sources() []eci.Source {
	var sources []eci.Source
	for _, name := range []string{"random", "bm25", "dense"} {
		sources = append(sources, eci.JSONLFrom(demo.Files, "sources/"+name+".jsonl"))
	}
	return sources
}

// compare wants the same order and scores within 1e-4 nats, and returns the
// largest difference.
func compare(got, want *eci.Ranking) (largest float64, err error) {
	for i, w := range want.Ranked {
		g := got.Ranked[i]
		difference := math.Abs(g.Value - w.Value)
		if g.Source != w.Source || !(difference <= 1e-4) {
			return 0, fmt.Errorf("rank %d: %s with %v, want %s with %v", i+1, g.Source, g.Value, w.Source, w.Value)
		}
		largest = max(largest, difference)
	}
	return largest, nil
}

// start runs the server until stop is called.
func start(ctx context.Context) (url string, stop func(), err error) {
	command := exec.CommandContext(ctx, "node", "server.mjs")
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := command.Start(); err != nil {
		return "", nil, fmt.Errorf("%w: run this with run.sh", err)
	}
	stop = func() {
		in.Close() // the server ends with its standard input
		command.Wait()
	}
	url, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("the server did not start: %w", err)
	}
	return strings.TrimSpace(url), stop, nil
}
