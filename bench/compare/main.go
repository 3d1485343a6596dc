//go:build linux

// Command compare does the same work in Go and in NumPy and prints medians and ratios:
// the rank-k update alone, the pipeline from raw vectors to the score, a whole ranking
// from files, the memory of a million triples and, on request, rankings of many
// dimensions.
//
//	go run ./bench/compare [-parts kernel,pipeline,files,million,dimensions,growth] [-runs 5]
//
// Each side is a process of its own. The sides take turns, one run at a time, so that
// a busy machine slows both down. Next to the elapsed time, compare prints the
// processor time, which is what counts on a shared machine. NumPy is Debian's
// python3-numpy with libopenblas0-pthread; compare.py is its side. All data are
// generated, into a temporary directory that is removed at the end.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/cpu"
)

type comparison struct {
	ctx     context.Context
	dir     string // temporary
	runs    int
	python  string
	script  string
	large   bool
	dims    string // of the part dimensions, with commas
	before  string // an earlier build of this command
	sources int    // of the part dimensions
	triples int    // of each of them
	cores   string // OpenBLAS core type
	out     string // of the part growth, for bench/plot
	workers []*worker
}

func main() {
	log.SetFlags(0)
	serve := flag.Bool("worker", false, "serve requests on the standard input (for internal use)")
	parts := flag.String("parts", "kernel,pipeline,files,million", "what to measure; there are also dimensions and growth")
	runs := flag.Int("runs", 5, "interleaved runs of kernel and pipeline; a third of it of files")
	python := flag.String("python", "/usr/bin/python3", "interpreter with NumPy and OpenBLAS")
	script := flag.String("script", "bench/compare/compare.py", "the NumPy side")
	large := flag.Bool("large", false, "a pipeline of 1,000,000 triples too")
	dims := flag.String("dims", "1536,3072,4096", "dimensions of the part dimensions")
	sources := flag.Int("sources", 9, "sources of the part dimensions")
	triples := flag.Int("triples", 5000, "triples of each of them")
	before := flag.String("before", "", "an earlier build of this command, to measure beside in the part dimensions")
	out := flag.String("out", "", "where the part growth writes what bench/plot draws")
	temporary := flag.String("dir", "", "where to put generated data, about 2 GB; removed at the end")
	flag.Parse()
	if *serve {
		if err := serveRequests(os.Stdin, os.Stdout); err != nil {
			log.Fatal(err)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := &comparison{ctx: ctx, runs: max(1, *runs), python: *python, script: *script, large: *large, cores: "Haswell", dims: *dims, before: *before, sources: *sources, triples: *triples, out: *out}
	if cpu.X86.HasAVX512F {
		c.cores = "SkylakeX"
	}
	if err := c.run(*temporary, strings.Split(*parts, ",")); err != nil {
		log.Fatal(err)
	}
}

func (c *comparison) run(temporary string, parts []string) (err error) {
	if c.dir, err = os.MkdirTemp(temporary, "eci-compare-"); err != nil {
		return err
	}
	defer os.RemoveAll(c.dir)
	defer func() {
		for _, w := range c.workers {
			w.close()
		}
	}()
	c.machine()
	for _, part := range parts {
		switch part {
		case "kernel":
			err = c.kernel()
		case "pipeline":
			err = c.pipeline()
		case "files":
			err = c.files()
		case "million":
			err = c.million()
		case "dimensions":
			err = c.dimensions()
		case "growth":
			err = c.growth()
		default:
			err = fmt.Errorf("compare: no part %q; there are kernel, pipeline, files, million, dimensions, growth", part)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// machine prints what the numbers depend on.
func (c *comparison) machine() {
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Printf("%s, AVX-512 %v, load average %s\n", processor(), cpu.X86.HasAVX512F, strings.TrimSpace(string(load)))
}

// processor is the model of the machine's processor.
func processor() string {
	model := "unknown processor"
	if data, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(data)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
			}
		}
	}
	return model
}

// worker returns a running worker, started once for each name and setting.
func (c *comparison) worker(name string, env ...string) (*worker, error) {
	key := name + strings.Join(env, " ")
	for _, w := range c.workers {
		if w.key == key {
			return w, nil
		}
	}
	w, err := c.fresh(name, env...)
	if err == nil {
		w.key = key
		c.workers = append(c.workers, w)
	}
	return w, err
}

// fresh starts a separate worker, for a measurement of memory.
func (c *comparison) fresh(name string, env ...string) (*worker, error) {
	if strings.Contains(name, "/") {
		return start(c.ctx, env, name, "-worker")
	}
	if name == "go" {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		return start(c.ctx, env, self, "-worker")
	}
	return start(c.ctx, env, c.python, c.script)
}

// contender is one way to do a piece of work.
type contender struct {
	name    string
	worker  *worker
	request request
}

// measured are the medians of a contender's runs.
type measured struct {
	wall, cpu float64 // seconds
	last      reply
}

// interleave runs every contender in turn, warm times for nothing and then runs
// times.
func interleave(contenders []contender, warm, runs int) ([]measured, error) {
	walls, cpus := make([][]float64, len(contenders)), make([][]float64, len(contenders))
	out := make([]measured, len(contenders))
	for run := range warm + runs {
		for i, c := range contenders {
			r, err := c.worker.ask(c.request)
			if err != nil {
				return nil, fmt.Errorf("compare: %s: %w", c.name, err)
			}
			if run >= warm {
				walls[i], cpus[i] = append(walls[i], r.Wall), append(cpus[i], r.CPU)
			}
			out[i].last = r
		}
	}
	for i := range out {
		out[i].wall, out[i].cpu = median(walls[i]), median(cpus[i])
	}
	return out, nil
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// peaks measures the multiply-add limit of a core in GFLOP/s of float32, with the
// benchmark of internal/avo in processor time. It returns the best of several runs.
func (c *comparison) peaks() (map[string]float64, error) {
	binary := c.path("peak.test")
	if out, err := exec.CommandContext(c.ctx, "go", "test", "-c", "-o", binary, "./internal/avo/peak").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compare: %w\n%s", err, out)
	}
	peaks := make(map[string]float64)
	for set, lanes := range map[string]float64{"avx512": 16, "avx2": 8} {
		for range 5 {
			const steps = 2000
			run := exec.CommandContext(c.ctx, binary, "-test.run", "^$", "-test.bench", "Peak/"+set+"$", "-test.benchtime", fmt.Sprint(steps, "x"))
			if out, err := run.CombinedOutput(); err != nil {
				return nil, fmt.Errorf("compare: %w\n%s", err, out)
			}
			// The benchmark does one step more, and 12 chains of 65,536 in a step.
			flops := 2 * lanes * 12 * 65536 * (steps + 1)
			used := run.ProcessState.UserTime() + run.ProcessState.SystemTime()
			peaks[set] = max(peaks[set], flops/used.Seconds()/1e9)
		}
	}
	return peaks, nil
}

// table prints rows under a heading, as Markdown.
func table(title string, header []string, rows [][]string) {
	fmt.Printf("\n%s\n\n| %s |\n|%s\n", title, strings.Join(header, " | "), strings.Repeat("---|", len(header)))
	for _, row := range rows {
		fmt.Printf("| %s |\n", strings.Join(row, " | "))
	}
}

func seconds(x float64) string {
	if x < 0.1 {
		return fmt.Sprintf("%.1f ms", 1000*x)
	}
	return fmt.Sprintf("%.2f s", x)
}

func ratio(x, y float64) string { return fmt.Sprintf("%.2f", x/y) }

// agree says whether all contenders found the same, within a relative tolerance.
func agree(contenders []contender, out []measured, tolerance float64) error {
	for i := range out {
		x, y := out[i].last.Value, out[0].last.Value
		if difference := x - y; !(max(difference, -difference) <= tolerance*max(y, -y)) {
			return fmt.Errorf("compare: %s found %v, %s %v", contenders[0].name, y, contenders[i].name, x)
		}
	}
	return nil
}

func (c *comparison) path(name string) string { return filepath.Join(c.dir, name) }
