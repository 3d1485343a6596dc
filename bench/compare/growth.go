//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/cpu"

	"example.com/eci"
)

// growth measures what bench/plot draws: the cost of a ranking from files against the
// number of triples, dimensions and sources, and the limits of the machine.
type growth struct {
	Machine string  `json:"machine"`
	Load    string  `json:"load_average"`
	Cores   int     `json:"cores"`
	Groups  int     `json:"groups"`
	Peak    float64 `json:"peak_gflops"` // multiply-add of float32, one core
	Memory  float64 `json:"memory_gb_s"` // reading, one core
	Parse   float64 `json:"parse_mb_s"`  // JSON lines to triples, one core
	Points  []point `json:"points"`
}

// point is one ranking by every contender.
type point struct {
	Against   string   `json:"against"` // triples, dimensions, sources
	Sources   int      `json:"sources"`
	Triples   int      `json:"triples"` // of each source
	Dimension int      `json:"dimension"`
	Bytes     int64    `json:"bytes"` // of the files with triples
	Sides     []sideAt `json:"sides"`
}

type sideAt struct {
	Name      string  `json:"name"`
	Wall      float64 `json:"seconds"`
	CPU       float64 `json:"processor_seconds"`
	Anonymous int64   `json:"bytes_without_files"`
}

// growthShapes are the rankings along each axis.
var growthShapes = []point{
	{Against: "triples", Sources: 3, Triples: 1250, Dimension: 768},
	{Against: "triples", Sources: 3, Triples: 2500, Dimension: 768},
	{Against: "triples", Sources: 3, Triples: 5000, Dimension: 768},
	{Against: "triples", Sources: 3, Triples: 10_000, Dimension: 768},
	{Against: "triples", Sources: 3, Triples: 20_000, Dimension: 768},
	{Against: "triples", Sources: 3, Triples: 40_000, Dimension: 768},
	{Against: "dimensions", Sources: 2, Triples: 5000, Dimension: 384},
	{Against: "dimensions", Sources: 2, Triples: 5000, Dimension: 768},
	{Against: "dimensions", Sources: 2, Triples: 5000, Dimension: 1536},
	{Against: "dimensions", Sources: 2, Triples: 5000, Dimension: 3072},
	{Against: "dimensions", Sources: 2, Triples: 5000, Dimension: 4096},
	{Against: "sources", Sources: 1, Triples: 10_000, Dimension: 768},
	{Against: "sources", Sources: 3, Triples: 10_000, Dimension: 768},
	{Against: "sources", Sources: 9, Triples: 10_000, Dimension: 768},
}

// growth measures the growth and writes it to the file of -out.
func (c *comparison) growth() error {
	load, _ := os.ReadFile("/proc/loadavg")
	g := growth{Machine: processor(), Load: strings.TrimSpace(string(load)), Cores: 2, Groups: 32}
	var err error
	if g.Peak, err = c.peak(); err != nil {
		return err
	}
	g.Memory = bandwidth()
	var rows [][]string
	for _, p := range growthShapes {
		dir := c.path("growth")
		size := shape{dimension: p.Dimension, queries: max(200, p.Triples/4), documents: 4000, words: 60, sources: p.Sources, triples: p.Triples}
		if err := generate(dir, size); err != nil {
			return err
		}
		out, contenders, err := c.ranked(dir, size)
		if err != nil {
			return err
		}
		for i, m := range out {
			p.Sides = append(p.Sides, sideAt{contenders[i].name, m.wall, m.cpu, m.last.Anonymous})
			rows = append(rows, append([]string{fmt.Sprint(p.Sources), fmt.Sprint(p.Triples), fmt.Sprint(p.Dimension), contenders[i].name,
				seconds(m.wall), ratio(m.wall, out[0].wall), seconds(m.cpu), ratio(m.cpu, out[0].cpu)}, memory(m.last)...))
		}
		if p.Bytes, err = triplesOf(dir, p.Sources); err != nil {
			return err
		}
		if g.Parse == 0 {
			if g.Parse, err = parsing(dir); err != nil {
				return err
			}
		}
		g.Points = append(g.Points, p)
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	table(fmt.Sprintf("Rankings from files, 32 groups, 2 threads (medians of %d runs); a core multiplies and adds %.0f GFLOP/s of float32, reads %.1f GB/s of memory and %.0f MB/s of JSON",
		max(1, c.runs/3), g.Peak, g.Memory, g.Parse),
		[]string{"sources", "triples", "d", "", "time", "ratio", "processor", "ratio", "peak memory", "without files"}, rows)
	if c.out == "" {
		return nil
	}
	data, err := json.MarshalIndent(g, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(c.out, append(data, '\n'), 0o644)
}

// peak is the multiply-add limit of a core with its widest kernels.
func (c *comparison) peak() (float64, error) {
	peaks, err := c.peaks()
	if err != nil || cpu.X86.HasAVX512F {
		return peaks["avx512"], err
	}
	return peaks["avx2"], nil
}

// bandwidth returns how fast one core reads memory, in GB/s: the best of a few sums
// over more than fits in the caches.
func bandwidth() (best float64) {
	data := make([]uint64, 64<<20/8*4)
	for i := range data {
		data[i] = uint64(i)
	}
	for range 5 {
		start, sum := time.Now(), [4]uint64{}
		for i := 0; i < len(data); i += 4 {
			four := (*[4]uint64)(data[i:])
			for k := range four {
				sum[k] += four[k]
			}
		}
		if took := time.Since(start).Seconds(); sum[0] != 1 {
			best = max(best, float64(8*len(data))/took/1e9)
		}
	}
	return best
}

// parsing is how fast one core turns JSON lines into triples, in MB/s.
func parsing(dir string) (best float64, err error) {
	path := filepath.Join(dir, "source0.jsonl")
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	for range 5 {
		used, err := timed(func() error {
			for _, err := range eci.JSONL(path).Triples {
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
		best = max(best, float64(info.Size())/used.CPU/1e6)
	}
	return best, nil
}

// triplesOf is the size of the files of triples.
func triplesOf(dir string, sources int) (bytes int64, err error) {
	for k := range sources {
		info, err := os.Stat(filepath.Join(dir, fmt.Sprintf("source%d.jsonl", k)))
		if err != nil {
			return 0, err
		}
		bytes += info.Size()
	}
	return bytes, nil
}
