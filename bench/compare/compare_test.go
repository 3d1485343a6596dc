//go:build linux

package main

import (
	"math"
	"os/exec"
	"testing"
)

// TestSides: the kernels alone, the public interface and, where it is installed,
// NumPy find the same score of small generated data.
func TestSides(t *testing.T) {
	const d, pool = 72, 5000
	c := &comparison{ctx: t.Context(), dir: t.TempDir(), python: "/usr/bin/python3", script: "compare.py"}
	scales, err := c.writePool(d, pool)
	if err != nil {
		t.Fatal(err)
	}
	q := request{Kind: "pipeline", Dir: c.dir, Dimension: d, Triples: 7000, Pool: pool, Threads: 2, Scales: scales, Groups: 8, Epsilon2: epsilon2}
	var s session
	kernels, err := s.pipeline(q)
	if err != nil {
		t.Fatal(err)
	}
	public, err := s.score(q)
	if err != nil {
		t.Fatal(err)
	}
	if !(math.Abs(public.Value-kernels.Value) <= 1e-6*kernels.Value) {
		t.Fatalf("eci.Sem %v, kernels %v", public.Value, kernels.Value)
	}
	size := shape{dimension: pipelineDimension, queries: 40, documents: 400, words: 12, sources: 2, triples: 300}
	if err := generate(c.path("files"), size); err != nil {
		t.Fatal(err)
	}
	ranking := request{Kind: "rank", Dir: c.path("files"), Threads: 2, Sources: size.sources, Groups: 8, Epsilon2: epsilon2}
	files, err := s.rank(ranking)
	if err != nil {
		t.Fatal(err)
	}
	if exec.Command(c.python, "-c", "import numpy").Run() != nil {
		t.Skip("no NumPy here")
	}
	numpy, err := c.fresh("numpy")
	if err != nil {
		t.Skip(err)
	}
	defer numpy.close()
	for _, row := range []struct {
		q    request
		want float64
	}{{q, kernels.Value}, {ranking, files.Value}} {
		for _, row.q.Variant = range []string{"", "shards"} {
			r, err := numpy.ask(row.q)
			if err != nil {
				t.Fatal(err)
			}
			if !(math.Abs(r.Value-row.want) <= 1e-5*row.want) {
				t.Fatalf("%s %q: NumPy %v, Go %v", row.q.Kind, row.q.Variant, r.Value, row.want)
			}
		}
	}
}
