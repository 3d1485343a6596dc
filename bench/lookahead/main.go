//go:build linux

// Command lookahead looks ahead from random sources, in Go and in NumPy, and
// prints medians and ratios.
//
//	go run ./bench/lookahead [-runs 3] [-d 768] [-pool 5000] [-queries 1000] [-sources 9] [-triples 512]
//	go run ./bench/lookahead -rows 1000000
//
// The space is everything that does not depend on a source: axes, projections, frozen
// cosines. The two sides take turns. Processor time is printed next to the elapsed
// time, because it is what counts on a shared machine. Both must find the same gains
// within 2e-4. NumPy is Debian's python3-numpy with libopenblas0-pthread.
// OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE are removed from its environment, so that
// OpenBLAS chooses for the machine.
//
// With -rows it scores the influence of a stream of triples instead.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"example.com/eci/internal/lookahead"
)

// A measurement is one run of one side: seconds and processor seconds.
type measurement struct {
	Space  [2]float64 `json:"space"`
	Walks  [2]float64 `json:"walks"`
	Gains  []float64  `json:"gains"`
	Frozen float64    `json:"frozen"`
}

func main() {
	log.SetFlags(0)
	runs := flag.Int("runs", 3, "interleaved runs")
	d := flag.Int("d", 768, "dimension")
	pool := flag.Int("pool", 5000, "documents")
	queries := flag.Int("queries", 1000, "queries")
	sources := flag.Int("sources", 9, "sources")
	triples := flag.Int("triples", 512, "triples of a source")
	python := flag.String("python", "/usr/bin/python3", "interpreter with NumPy; none if empty")
	script := flag.String("script", "bench/lookahead/lookahead.py", "the NumPy side")
	rows := flag.Int("rows", 0, "score a stream of so many triples instead")
	flag.Parse()
	p := draw(1, *d, *pool, *queries, *sources, *triples)
	if *rows > 0 {
		if err := p.scoreRows(*rows); err != nil {
			log.Fatal(err)
		}
		return
	}
	if err := compare(p, *runs, *python, *script); err != nil {
		log.Fatal(err)
	}
}

func compare(p *population, runs int, python, script string) error {
	dir, err := os.MkdirTemp("", "lookahead")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := p.write(dir); err != nil {
		return err
	}
	sides := []struct {
		name string
		run  func() (measurement, error)
		all  []measurement
	}{{name: "Go", run: p.run}}
	if python != "" {
		sides = append(sides, sides[0])
		sides[1].name, sides[1].run = "NumPy", func() (measurement, error) { return runPython(python, script, dir) }
	}
	for range runs {
		for i := range sides {
			m, err := sides[i].run()
			if err != nil {
				return fmt.Errorf("%s: %w", sides[i].name, err)
			}
			sides[i].all = append(sides[i].all, m)
			if err := agree(sides[0].all[0], m); err != nil {
				return err
			}
		}
	}
	fmt.Printf("frozen nDCG %.4f, gains %.4f\n", sides[0].all[0].Frozen, sides[0].all[0].Gains)
	fmt.Println("| side | space | processor | walks | processor | all | processor |\n|---|---|---|---|---|---|---|")
	for _, side := range sides {
		fmt.Printf("| %s |", side.name)
		for _, part := range []func(m measurement, clock int) float64{
			func(m measurement, clock int) float64 { return m.Space[clock] },
			func(m measurement, clock int) float64 { return m.Walks[clock] },
			func(m measurement, clock int) float64 { return m.Space[clock] + m.Walks[clock] },
		} {
			for clock := range 2 {
				var seconds []float64
				for _, m := range side.all {
					seconds = append(seconds, part(m, clock))
				}
				slices.Sort(seconds)
				fmt.Printf(" %.2f s |", seconds[len(seconds)/2])
			}
		}
		fmt.Println()
	}
	return nil
}

// agree checks that two sides have found the same.
func agree(a, b measurement) error {
	for i := range a.Gains {
		if math.Abs(a.Gains[i]-b.Gains[i]) > 2e-4 || math.Abs(a.Frozen-b.Frozen) > 2e-4 {
			return fmt.Errorf("gain %d is %v and %v, frozen nDCG %v and %v", i, a.Gains[i], b.Gains[i], a.Frozen, b.Frozen)
		}
	}
	return nil
}

// clocks returns the time and the processor time of this process, in seconds.
func clocks() [2]float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return [2]float64{
		float64(time.Now().UnixNano()) / 1e9,
		time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds(),
	}
}

// run looks ahead from all sources, two at a time.
func (p *population) run() (m measurement, err error) {
	ctx := context.Background()
	start := clocks()
	space, err := lookahead.NewSpace(ctx, p.documents, p.looked(), lookahead.Settings{MarginScale: p.marginScale})
	if err != nil {
		return m, err
	}
	middle := clocks()
	m.Gains = make([]float64, len(p.asks))
	failures := make([]error, len(p.asks))
	var wait sync.WaitGroup
	slots := make(chan struct{}, 2)
	for s := range p.asks {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			r, err := space.Walk(ctx, p.source(s))
			if failures[s] = err; err == nil {
				m.Gains[s] = r.Gain
			}
		})
	}
	wait.Wait()
	end := clocks()
	for clock := range 2 {
		m.Space[clock], m.Walks[clock] = middle[clock]-start[clock], end[clock]-middle[clock]
	}
	for _, err := range failures {
		if err != nil {
			return m, err
		}
	}
	frozen := space.Frozen()
	for _, x := range frozen {
		m.Frozen += x / float64(len(frozen))
	}
	return m, nil
}

func runPython(python, script, dir string) (m measurement, err error) {
	command := exec.Command(python, script, dir)
	command.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "OPENBLAS_CORETYPE=") || strings.HasPrefix(v, "OPENBLAS_L2_SIZE=")
	})
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(out, &m)
}

// write writes the population for NumPy.
func (p *population) write(dir string) error {
	raw, err := json.Marshal(map[string]any{
		"dimension": p.d, "queries": len(p.queries), "margin_scale": p.marginScale,
		"groups": p.groups, "positive": p.positive, "asks": p.asks, "negatives": p.negatives,
	})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "population.json"), raw, 0o666); err != nil {
		return err
	}
	var vectors bytes.Buffer
	for _, v := range slices.Concat(p.queries, p.documents) {
		if err := binary.Write(&vectors, binary.LittleEndian, v); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "vectors.f32"), vectors.Bytes(), 0o666)
}
