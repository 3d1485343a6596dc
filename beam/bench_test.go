package ecibeam

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"example.com/eci"
)

func init() { beam.RegisterDoFn(&syntheticFn{}) }

// synthetic are made rows: sources of equal size, in shards. Passages have so many
// words, queries a fifth of that.
type synthetic struct{ Rows, Dimension, Words int }

const (
	syntheticSources = 4
	syntheticShards  = 64
)

// shard yields the rows of a source in one shard. Ten rows have a query and a positive
// in common, and vectors of a text are always the same.
func (s synthetic) shard(source, shard int) iter.Seq[eci.Record] {
	return func(yield func(eci.Record) bool) {
		per := s.Rows / syntheticSources
		var words [2000]string
		for i := range words {
			words[i] = "word" + strconv.Itoa(i*i)
		}
		text := func(kind string, n, length int) string {
			var b strings.Builder
			b.WriteString(kind + strconv.Itoa(n))
			random := rand.New(rand.NewPCG(uint64(n), uint64(length)))
			for range length {
				b.WriteString(" ")
				b.WriteString(words[int(math.Pow(random.Float64(), 2)*float64(len(words)))])
			}
			return b.String()
		}
		vector := func(n int, kind uint64) []float32 {
			random := rand.New(rand.NewPCG(uint64(n), kind))
			v := make([]float32, s.Dimension)
			for k := range v {
				v[k] = float32(random.Float64()-0.5) + 0.3
			}
			return v
		}
		for i := shard; i < per; i += syntheticShards {
			q, n := i/10, i*syntheticSources+source
			r := eci.Record{
				SourceName: fmt.Sprint("source", source), File: fmt.Sprintf("shard%02d", shard), Row: i + 1,
				QueryID: strconv.Itoa(q), PositiveID: strconv.Itoa(q), NegativeID: strconv.Itoa(n),
				QueryText: text("q", q, s.Words/5), PositiveText: text("p", q, s.Words), NegativeText: text("n", n, s.Words),
				QueryVector: vector(q, 1), PositiveVector: vector(q, 2), NegativeVector: vector(n, 3),
			}
			if !yield(r) {
				return
			}
		}
	}
}

// syntheticFn emits a shard of each source.
type syntheticFn struct{ Of synthetic }

func (fn *syntheticFn) ProcessElement(shard int, emit func(eci.Record)) {
	for source := range syntheticSources {
		for r := range fn.Of.shard(source, shard) {
			emit(r)
		}
	}
}

// sources are the same rows for one machine.
func (s synthetic) sources() (out []eci.Source) {
	for source := range syntheticSources {
		out = append(out, eci.Source{Name: fmt.Sprint("source", source), Triples: func(yield func(eci.Triple, error) bool) {
			for shard := range syntheticShards {
				for r := range s.shard(source, shard) {
					if !yield(&r, nil) {
						return
					}
				}
			}
		}})
	}
	return out
}

// processor is the processor time of this process: what others do on the machine does
// not count.
func processor() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// setting is a number from the environment.
func setting(b *testing.B, name string, usual int) int {
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("%s=%s: want a positive number", name, text)
	}
	return n
}

// highest is the most memory that this process has held, in bytes. It never falls.
func highest() int64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return int64(usage.Maxrss) << 10
}

// BenchmarkPrism ranks synthetic triples by a pipeline on Prism and in process, where
// the rows are made as they are read, and tells the processor time of both, what the
// pipeline takes beyond the other, and the most memory that it held. ECI_BEAM_TRIPLES
// lists other sizes, from small to large because of the memory. ECI_BEAM_DIMENSION gives
// another dimension than 64, ECI_BEAM_WORDS another length of passages than 40 words.
func BenchmarkPrism(b *testing.B) {
	sizes := os.Getenv("ECI_BEAM_TRIPLES")
	if sizes == "" {
		sizes = "10000 100000"
	}
	for _, size := range strings.Fields(sizes) {
		n, err := strconv.Atoi(size)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(size, func(b *testing.B) {
			rows := synthetic{n, setting(b, "ECI_BEAM_DIMENSION", 64), setting(b, "ECI_BEAM_WORDS", 40)}
			settings := Settings{NoChecks: true, NoLint: true}
			path := filepath.Join(b.TempDir(), "summary")
			for b.Loop() {
				start := processor()
				wall := time.Now()
				p, s := beam.NewPipelineWithRoot()
				numbers := make([]int, syntheticShards)
				for i := range numbers {
					numbers[i] = i
				}
				all := beam.ParDo(s, &syntheticFn{rows}, beam.Reshuffle(s, beam.CreateList(s, numbers)))
				WriteSummary(s, path, RankSources(s, settings, all, beam.PCollection{}))
				if _, err := beam.Run(b.Context(), "prism", p); err != nil {
					b.Fatal(err)
				}
				summary, err := ReadSummary(b.Context(), path)
				if err != nil {
					b.Fatal(err)
				}
				got, err := summary.Rank(b.Context(), nil)
				if err != nil {
					b.Fatal(err)
				}
				pipeline, elapsed, memory := processor()-start, time.Since(wall), highest()

				runtime.GC()
				start, wall = processor(), time.Now()
				sem, err := settings.sem()
				if err != nil {
					b.Fatal(err)
				}
				want, err := eci.Rank(b.Context(), sem, rows.sources()...)
				if err != nil {
					b.Fatal(err)
				}
				alone, aloneElapsed := processor()-start, time.Since(wall)
				for i := range want.Ranked {
					if x, y := got.Ranked[i], want.Ranked[i]; x.Source != y.Source || !(math.Abs(x.Value-y.Value) <= tolerance*y.Value) {
						b.Errorf("%s scores %v, in process %s %v", x.Source, x.Value, y.Source, y.Value)
					}
				}
				b.ReportMetric(pipeline.Seconds(), "cpu-s")
				b.ReportMetric(elapsed.Seconds(), "wall-s")
				b.ReportMetric(float64(memory)/1e9, "GB")
				b.ReportMetric(alone.Seconds(), "alone-cpu-s")
				b.ReportMetric(aloneElapsed.Seconds(), "alone-wall-s")
				b.ReportMetric(100*(1-alone.Seconds()/pipeline.Seconds()), "%beam")
				b.ReportMetric(pipeline.Seconds()/float64(n)*1e6, "cpu-µs/triple")
			}
		})
	}
}
