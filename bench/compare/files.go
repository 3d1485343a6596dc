//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"example.com/eci"
)

// rank ranks the generated sources from their files.
func (s *session) rank(q request) (reply, error) {
	var value float64
	s.arrays = nil // they would count as memory of the ranking
	r, err := timed(func() error {
		vectors, err := eci.OpenVectors(q.Dir)
		if err != nil {
			return err
		}
		defer vectors.Close()
		var sources []eci.Source
		for k := range q.Sources {
			sources = append(sources, eci.JSONL(filepath.Join(q.Dir, fmt.Sprintf("source%d.jsonl", k))))
		}
		ranking, err := eci.Rank(context.Background(), &eci.Sem{Vectors: vectors, NoChecks: !q.Checks, Groups: q.Groups, Epsilon2: q.Epsilon2}, sources...)
		if err == nil {
			value = ranking.Best().Value
		}
		return err
	})
	r.Value = value
	return r, err
}

// shape is the size of generated files.
type shape struct {
	dimension                 int
	queries, documents, words int
	sources, triples          int // triples of each source
}

// files compares a whole ranking.
func (c *comparison) files() error {
	size := shape{dimension: pipelineDimension, queries: 5000, documents: 40_000, words: 60, sources: 9, triples: 20_000}
	dir := c.path("files")
	if err := generate(dir, size); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	out, contenders, err := c.ranked(dir, size)
	if err != nil {
		return err
	}
	var rows [][]string
	for i, m := range out {
		rows = append(rows, append([]string{contenders[i].name, seconds(m.wall), ratio(m.wall, out[0].wall), seconds(m.cpu), ratio(m.cpu, out[0].cpu),
			fmt.Sprintf("%.9g", m.last.Value)}, memory(m.last)...))
	}
	table(fmt.Sprintf("Ranking %d sources of %d triples from files, d = %d, 32 groups, 2 threads (medians of %d runs)", size.sources, size.triples, pipelineDimension, max(1, c.runs/3)),
		[]string{"", "time", "ratio", "processor", "ratio", "best S", "peak memory", "without files"}, rows)
	return nil
}

// dimensions ranks a few sources at the dimensions of current encoders, with checks
// and intervals. It compares with an earlier build of this command if there is one.
func (c *comparison) dimensions() error {
	size := shape{queries: c.triples / 4, documents: 2000, words: 30, sources: c.sources, triples: c.triples}
	var rows [][]string
	for _, field := range strings.Split(c.dims, ",") {
		d, err := strconv.Atoi(field)
		if err != nil || d < 1 {
			return fmt.Errorf("compare: -dims: %q is no dimension", field)
		}
		size.dimension = d
		more, err := c.dimension(size)
		if err != nil {
			return err
		}
		rows = append(rows, more...)
	}
	table(fmt.Sprintf("Ranking %d sources of %d triples from files, 32 groups, 2 threads (medians of %d runs)", c.sources, c.triples, max(1, c.runs/3)),
		[]string{"d", "", "time", "ratio", "processor", "ratio", "best S", "peak memory", "without files"}, rows)
	return nil
}

func (c *comparison) dimension(size shape) (rows [][]string, err error) {
	dir := c.path("dimension")
	if err := generate(dir, size); err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out, contenders, err := c.ranked(dir, size)
	if err != nil {
		return nil, err
	}
	for i, m := range out {
		rows = append(rows, append([]string{fmt.Sprint(size.dimension), contenders[i].name, seconds(m.wall), ratio(m.wall, out[0].wall), seconds(m.cpu), ratio(m.cpu, out[0].cpu),
			fmt.Sprintf("%.9g", m.last.Value)}, memory(m.last)...))
	}
	return rows, nil
}

// ranked ranks the sources in a folder by NumPy and by Go, with and without checks,
// and by an earlier build of this command if there is one. Each runs in a process of
// its own.
func (c *comparison) ranked(dir string, size shape) ([]measured, []contender, error) {
	q := request{Kind: "rank", Dir: dir, Dimension: size.dimension, Threads: 2, Sources: size.sources, Groups: 32, Epsilon2: epsilon2}
	checked := q
	checked.Checks = true
	type side struct {
		name, program string
		q             request
	}
	sides := []side{{"NumPy, without checks", "numpy", q}, {"Go, without checks", "go", q}, {"Go, as `Rank` does", "go", checked}}
	if c.before != "" {
		sides = append(sides, side{"an earlier Go, without checks", c.before, q}, side{"an earlier Go, as `Rank` does", c.before, checked})
	}
	var contenders []contender
	for _, side := range sides {
		w, err := c.fresh(side.program, "OPENBLAS_CORETYPE="+c.cores, "OPENBLAS_NUM_THREADS=2")
		if err != nil {
			return nil, nil, err
		}
		defer w.close()
		contenders = append(contenders, contender{side.name, w, side.q})
	}
	out, err := interleave(contenders, 0, max(1, c.runs/3))
	if err != nil {
		return nil, nil, err
	}
	// The two sides take their scales over 2,048 of the labeled pairs each, but not
	// over the same ones.
	return out, contenders, agree(contenders, out, 0.02)
}

// million scores one large source, in Go alone.
func (c *comparison) million() error {
	size := shape{dimension: pipelineDimension, queries: 20_000, documents: 50_000, words: 30, sources: 1, triples: 1_000_000}
	dir := c.path("million")
	if err := generate(dir, size); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var rows [][]string
	for _, limit := range []string{"", "GOGC=50", "GOMEMLIMIT=300MiB"} {
		w, err := c.fresh("go", limit)
		if err != nil {
			return err
		}
		q := request{Kind: "rank", Dir: dir, Threads: 2, Sources: 1, Groups: 32, Epsilon2: epsilon2}
		r, err := w.ask(q)
		w.close()
		if err != nil {
			return err
		}
		rows = append(rows, append([]string{limit, seconds(r.Wall), seconds(r.CPU)}, memory(r)...))
	}
	table(fmt.Sprintf("Ranking one source of %d triples with vectors of %d texts, d = %d, 32 groups, 2 threads", size.triples, size.queries+size.documents, pipelineDimension),
		[]string{"", "time", "processor", "peak memory", "without files"}, rows)
	return nil
}

func memory(r reply) []string {
	return []string{fmt.Sprintf("%d MB", r.HighWater/1e6), fmt.Sprintf("%d MB", r.Anonymous/1e6)}
}

// generate writes vectors and sources in the layout of eci.OpenVectors. Texts are
// words of a Zipf distribution. Documents and queries have topics. The later a source,
// the more of its negatives share the query's topic.
func generate(dir string, size shape) error {
	const topics = 200
	d := size.dimension
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	topic := func(document int) int { return document % topics }
	positive := func(query int) int { return query * 7 % size.documents }
	center := func(topic, k int) float32 { return uniform(uint64(topic*d+k+1) * 0x9e3779b97f4a7c15) }
	err := writeArray(filepath.Join(dir, "corpus"), "d", 11, size.documents, d, func(i, k int, x float32) float32 {
		return center(topic(i), k) + x
	})
	if err != nil {
		return err
	}
	err = writeArray(filepath.Join(dir, "queries"), "q", 12, size.queries, d, func(i, k int, x float32) float32 {
		return center(topic(positive(i)), k) + x
	})
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(random, 1.2, 20, 30_000)
	queries, documents := texts(zipf, size.queries, 8), texts(zipf, size.documents, size.words)
	for s := range size.sources {
		record := func(i int) eci.Record {
			q := i % size.queries
			p := positive(q)
			n := random.IntN(size.documents)
			if random.IntN(size.sources+1) <= s {
				n = (p + topics*(1+random.IntN(size.documents/topics-1))) % size.documents
			}
			return eci.Record{
				QueryID: fmt.Sprint("q", q), QueryText: queries[q],
				PositiveID: fmt.Sprint("d", p), PositiveText: documents[p],
				NegativeID: fmt.Sprint("d", n), NegativeText: documents[n],
			}
		}
		if err := writeRecords(filepath.Join(dir, fmt.Sprintf("source%d.jsonl", s)), size.triples, record); err != nil {
			return err
		}
	}
	return nil
}

// texts returns n distinct texts, each with the given number of words of a Zipf
// distribution.
func texts(zipf *rand.Zipf, n, words int) []string {
	all := make([]string, n)
	for i := range all {
		var b bytes.Buffer
		for k := range words {
			if k > 0 {
				b.WriteByte(' ')
			}
			word := zipf.Uint64()
			for b.WriteByte(byte('a' + word%26)); word > 0; word /= 26 {
				b.WriteByte(byte('a' + (word*7+3)%26))
			}
		}
		all[i] = b.String() + fmt.Sprint(" t", i)
	}
	return all
}

// writeRecords writes n records as JSON lines.
func writeRecords(name string, n int, record func(i int) eci.Record) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	lines := json.NewEncoder(w)
	for i := range n {
		if err := lines.Encode(record(i)); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// writeArray writes an .npy file of float32 and its IDs.
func writeArray(stem, prefix string, seed uint64, n, d int, f func(i, k int, x float32) float32) error {
	header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", n, d)
	for (10+len(header)+1)%64 != 0 {
		header += " "
	}
	var head bytes.Buffer
	head.WriteString("\x93NUMPY\x01\x00")
	binary.Write(&head, binary.LittleEndian, uint16(len(header)+1))
	head.WriteString(header + "\n")
	if head.Len()%64 != 0 || n*d > math.MaxInt32 {
		return fmt.Errorf("array of %d x %d", n, d)
	}
	out, err := os.Create(stem + ".npy")
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := out.Write(head.Bytes()); err != nil {
		return err
	}
	if err := appendFloats(out, seed, n*d, func(i int, x float32) float32 { return f(i/d, i%d, x) }); err != nil {
		return err
	}
	var ids bytes.Buffer
	for i := range n {
		fmt.Fprintf(&ids, "%s%d\n", prefix, i)
	}
	return os.WriteFile(stem+".ids", ids.Bytes(), 0o644)
}
