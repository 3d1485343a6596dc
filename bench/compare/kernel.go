//go:build linux

package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"example.com/eci/internal/chol"
	"example.com/eci/internal/dots"
	"example.com/eci/internal/syrk"
)

const (
	kernelRows = 19200
	largest    = 1536
)

// session keeps what the Go side has read.
type session struct {
	arrays map[string][]float32
}

func (s *session) answer(q request) (reply, error) {
	switch q.Kind {
	case "info":
		return reply{Text: fmt.Sprintf("%s, kernels %s/%s/%s", runtime.Version(), syrk.Name(), chol.Name(), dots.Name())}, nil
	case "kernel":
		return s.kernel(q)
	case "pipeline":
		return s.pipeline(q)
	case "score":
		return s.score(q)
	case "rank":
		return s.rank(q)
	}
	return reply{}, fmt.Errorf("no kind %q", q.Kind)
}

// array returns the first n values of a file of little-endian float32.
func (s *session) array(file string, n int) ([]float32, error) {
	if s.arrays == nil {
		s.arrays = make(map[string][]float32)
	}
	if a, ok := s.arrays[file]; ok && len(a) >= n {
		return a[:n], nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	a := make([]float32, n)
	if err := binary.Read(bufio.NewReaderSize(f, 1<<20), binary.LittleEndian, a); err != nil {
		return nil, err
	}
	s.arrays[file] = a
	return a, nil
}

// kernel adds the rows to one matrix, shards of them concurrently, and takes its
// trace.
func (s *session) kernel(q request) (reply, error) {
	d := q.Dimension
	rows, err := s.array(filepath.Join(q.Dir, "rows.f32"), kernelRows*d)
	if err != nil {
		return reply{}, err
	}
	var trace float64
	r, err := timed(func() error {
		sums := shards(q.Threads, d, kernelRows, func() func(first, n int) []float32 {
			return func(first, n int) []float32 { return rows[first*d:] }
		})
		for i := range d {
			trace += sums[i*d+i]
		}
		return nil
	})
	r.Value = trace
	return r, err
}

// shards distributes blocks of rows, in order, to workers with one matrix each, and
// returns the sum of the matrices. Every worker has its own function that returns n
// rows starting at first. Matrices and working memory are kept between calls, as on
// the NumPy side, and cleared.
func shards(threads, d, rows int, worker func() func(first, n int) []float32) []float64 {
	const block = syrk.MaxRows
	sums := make([][]float64, threads)
	var wait sync.WaitGroup
	for t := range threads {
		wait.Add(1)
		go func() {
			defer wait.Done()
			k := kept.get(t, d)
			sum, scratch := k.sum, &k.scratch
			clear(sum)
			get := worker()
			for first := t * block; first < rows; first += threads * block {
				n := min(block, rows-first)
				syrk.Accumulate(sum, d, get(first, n), n, scratch)
			}
			sums[t] = sum
		}()
	}
	wait.Wait()
	for _, other := range sums[1:] {
		for k, x := range other {
			sums[0][k] += x
		}
	}
	return sums[0]
}

// keeper keeps a matrix and working memory for every worker and dimension.
type keeper struct {
	mutex sync.Mutex
	of    map[[2]int]*keptMemory
}

type keptMemory struct {
	sum     []float64
	scratch syrk.Scratch
}

var kept keeper

func (k *keeper) get(worker, d int) *keptMemory {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if k.of == nil {
		k.of = make(map[[2]int]*keptMemory)
	}
	m := k.of[[2]int{worker, d}]
	if m == nil {
		m = &keptMemory{sum: make([]float64, d*d)}
		k.of[[2]int{worker, d}] = m
	}
	return m
}

// kernel compares the rank-k update.
func (c *comparison) kernel() error {
	if err := writeFloats(c.path("rows.f32"), 1, kernelRows*largest, func(_ int, x float32) float32 { return x }); err != nil {
		return err
	}
	peaks, err := c.peaks()
	if err != nil {
		return err
	}
	type pair struct {
		set, cores string
		env        []string
	}
	pairs := []pair{{"avx2", "Haswell", []string{"GODEBUG=cpu.avx512f=off"}}}
	if c.cores != "Haswell" {
		pairs = append([]pair{{"avx512", c.cores, nil}}, pairs...)
	}
	for _, p := range pairs {
		goSide, err := c.worker("go", p.env...)
		if err != nil {
			return err
		}
		numpy, err := c.worker("numpy", "OPENBLAS_CORETYPE="+p.cores, "OPENBLAS_NUM_THREADS=2")
		if err != nil {
			return err
		}
		fmt.Printf("\nGo: %s\nNumPy: %s\npeak of a core: %.1f GFLOP/s (%s)\n", goSide.info, numpy.info, peaks[p.set], p.set)
		var rows [][]string
		for _, d := range []int{384, 512, 768, 1024, largest} {
			for _, threads := range []int{1, 2} {
				q := request{Kind: "kernel", Dir: c.dir, Dimension: d, Threads: threads}
				contenders := []contender{{"Go", goSide, q}, {"NumPy", numpy, q}}
				out, err := interleave(contenders, 1, c.runs)
				if err != nil {
					return err
				}
				if err := agree(contenders, out, 1e-4); err != nil {
					return err
				}
				flops := kernelRows * float64(d) * float64(d+1) / 1e9
				a, b := out[0], out[1]
				percent := "" // of one core; with two, processor time includes waiting
				if threads == 1 {
					percent = fmt.Sprintf("%.0f%%, %.0f%%", 100*flops/a.cpu/peaks[p.set], 100*flops/b.cpu/peaks[p.set])
				}
				rows = append(rows, []string{fmt.Sprint(d), fmt.Sprint(threads),
					seconds(a.wall), seconds(b.wall), ratio(a.wall, b.wall),
					seconds(a.cpu), seconds(b.cpu), ratio(a.cpu, b.cpu),
					fmt.Sprintf("%.1f, %.1f", flops/a.cpu, flops/b.cpu), percent})
			}
		}
		table(fmt.Sprintf("Rank-k update of %d rows: %s kernel against OpenBLAS %s (medians of %d runs)", kernelRows, p.set, p.cores, c.runs),
			[]string{"d", "threads", "Go", "NumPy", "ratio", "Go, processor", "NumPy, processor", "ratio", "GFLOP/s of processor time", "of the peak"}, rows)
	}
	return nil
}

// writeFloats writes a file of n float32, made by f of uniform numbers in
// [-1, 1).
func writeFloats(file string, seed uint64, n int, f func(i int, x float32) float32) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(appendFloats(out, seed, n, f), out.Close())
}

func appendFloats(out io.Writer, seed uint64, n int, f func(i int, x float32) float32) error {
	w := bufio.NewWriterSize(out, 1<<20)
	state := seed << 40
	var b [4]byte
	for i := range n {
		state += 0x9e3779b97f4a7c15
		binary.LittleEndian.PutUint32(b[:], math.Float32bits(f(i, uniform(state))))
		w.Write(b[:]) // a failure shows in Flush
	}
	return w.Flush()
}

// uniform maps a state to [-1, 1), by the finaliser of SplitMix64.
func uniform(state uint64) float32 {
	x := (state ^ state>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return float32(int32((x^x>>31)>>32)) / (1 << 31)
}
