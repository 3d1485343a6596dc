package ecibeam

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem/local"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism"

	"example.com/eci"
)

func TestMain(m *testing.M) { beam.Init(); os.Exit(m.Run()) }

func init() { beam.RegisterDoFn(&shardFn{}) }

// shards are rows of tests, by name, for pipelines that run in this process.
var shards = make(map[string][][]eci.Record)

// shardFn emits one shard.
type shardFn struct{ Name string }

func (fn *shardFn) ProcessElement(i int, emit func(eci.Record)) error {
	for _, r := range shards[fn.Name][i] {
		emit(r)
	}
	return nil
}

// collection is a set of sources with all their vectors.
type collection struct {
	vectors eci.Vectors
	sources []eci.Source
	rows    []eci.Record
}

func open(t *testing.T, vectors string, files ...string) *collection {
	t.Helper()
	table, err := eci.OpenVectors(vectors)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { table.Close() })
	c := &collection{vectors: table}
	if c.sources, err = (&eci.Files{}).Sources(files...); err != nil {
		t.Fatal(err)
	}
	for _, s := range c.sources {
		for triple, err := range s.Triples {
			if err != nil {
				t.Fatal(err)
			}
			r := *triple.(*eci.Record)
			r.SourceName = s.Name
			for side, at := range []*[]float32{&r.QueryVector, &r.PositiveVector, &r.NegativeVector} {
				id, _ := idAndVector(&r, side)
				find := c.vectors.AppendDocument
				if side == 0 {
					find = c.vectors.AppendQuery
				}
				if *at, err = find(nil, id); err != nil {
					t.Fatal(err)
				}
			}
			c.rows = append(c.rows, r)
		}
	}
	return c
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatal(pattern, err)
	}
	return paths
}

func demo(t *testing.T) *collection {
	const dir = "../testdata/demo/"
	return open(t, dir+"vectors", glob(t, dir+"sources/*.jsonl")...)
}

func cranfield(t *testing.T) *collection {
	const dir = "../../shared/data/cranfield/"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no Cranfield collection: ", err)
	}
	return open(t, dir+"use", glob(t, dir+"sources/*.jsonl")...)
}

// split deals rows to shards in a random order.
func (c *collection) split(n int, seed uint64) [][]eci.Record {
	rows := slices.Clone(c.rows)
	random := rand.New(rand.NewPCG(seed, 1))
	random.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	out := make([][]eci.Record, n)
	for i, r := range rows {
		out[i%n] = append(out[i%n], r)
	}
	return out
}

// onPrism ranks shards by a pipeline.
func onPrism(t *testing.T, settings Settings, rows [][]eci.Record) (*eci.Ranking, beam.PipelineResult) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "summary")
	p, s := beam.NewPipelineWithRoot()
	WriteSummary(s, path, RankSources(s, settings, given(t, s, rows...), beam.PCollection{}))
	result, err := beam.Run(t.Context(), "prism", p)
	if err != nil {
		t.Fatal(err)
	}
	summary, err := ReadSummary(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ranking, err := summary.Rank(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return ranking, result
}

// inProcess ranks on this machine.
func (c *collection) inProcess(t *testing.T, settings Settings) *eci.Ranking {
	t.Helper()
	sem, err := settings.sem()
	if err != nil {
		t.Fatal(err)
	}
	sem.Vectors = c.vectors
	var scorer eci.Scorer = sem
	if settings.Lookahead {
		scorer = &eci.Lookahead{Sem: *sem, Triples: settings.Triples, Cutoff: settings.Cutoff, Axes: settings.Axes}
	}
	ranking, err := eci.Rank(context.Background(), scorer, c.sources...)
	if err != nil {
		t.Fatal(err)
	}
	return ranking
}

// tolerance is what sums in another order may move a number by, relative to it.
const tolerance = 1e-9

// compareRankings compares all that the JSON says, names, notes and every number,
// and the table. It returns the largest relative difference.
func compareRankings(t *testing.T, got, want *eci.Ranking) float64 {
	t.Helper()
	var trees [2]any
	for i, r := range []*eci.Ranking{got, want} {
		raw, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &trees[i]); err != nil {
			t.Fatal(err)
		}
	}
	largest := 0.0
	compareTrees(t, "", trees[0], trees[1], &largest)
	if a, b := got.String(), want.String(); a != b {
		t.Errorf("the table is\n%s\nin process\n%s", a, b)
	}
	return largest
}

func compareTrees(t *testing.T, at string, got, want any, largest *float64) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		got, ok := got.(map[string]any)
		if !ok || len(got) != len(want) {
			t.Errorf("%s is %v, in process %v", at, got, want)
			return
		}
		for k := range want {
			compareTrees(t, at+"/"+k, got[k], want[k], largest)
		}
	case []any:
		got, ok := got.([]any)
		if !ok || len(got) != len(want) {
			t.Errorf("%s is %v, in process %v", at, got, want)
			return
		}
		for i := range want {
			compareTrees(t, fmt.Sprintf("%s/%d", at, i), got[i], want[i], largest)
		}
	case float64:
		got, ok := got.(float64)
		// Below 1e-6, as probabilities of 0 may be, the difference is absolute.
		difference := math.Abs(got-want) / max(math.Abs(want), 1e-6)
		*largest = max(*largest, difference)
		if !ok || !(difference <= tolerance) {
			t.Errorf("%s is %v, in process %v", at, got, want)
		}
	default:
		if got != want {
			t.Errorf("%s is %v, in process %v", at, got, want)
		}
	}
}

func TestPrismRanksAsOneMachine(t *testing.T) {
	for _, test := range []struct {
		name     string
		open     func(*testing.T) *collection
		settings Settings
		bundles  []int
		long     bool
	}{
		{"demo budget with checks", demo, Settings{Budget: 120, Seed: 7}, []int{1, 3, 17}, false},
		{"demo", demo, Settings{NoChecks: true}, []int{3}, false},
		{"demo forecast of few", demo, Settings{Lookahead: true, Budget: 100, Triples: 32, NoChecks: true}, []int{17}, false},
		{"demo forecast", demo, Settings{Lookahead: true, Seed: 7}, []int{1, 3, 17}, true},
		{"cranfield", cranfield, Settings{Lookahead: true}, []int{1, 3, 17}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.long && os.Getenv("ECI_BEAM_LONG") == "" {
				t.Skip("takes a minute: set ECI_BEAM_LONG=1")
			}
			c := test.open(t)
			want := c.inProcess(t, test.settings)
			for _, n := range test.bundles {
				start := time.Now()
				got, result := onPrism(t, test.settings, c.split(n, uint64(n)))
				largest := compareRankings(t, got, want)
				t.Logf("%d shards in %d bundles: largest relative difference %.1g; %v", n, counter(result, "bundles_weighed"), largest, time.Since(start).Round(time.Millisecond))
			}
		})
	}
}

// A ranking for a target takes scales that are given to the pipeline, and reads the
// target on this machine. Choices are those of one machine, for a target or not, from
// one source or all together, for 1, 3 and 17 shards in random order.
func TestRankForTarget(t *testing.T) {
	c := demo(t)
	target := func() *eci.Target {
		const dir = "../testdata/demo/"
		out, err := (&eci.Files{Corpus: dir + "corpus.jsonl", Queries: dir + "queries.jsonl", Qrels: dir + "qrels.tsv"}).Target("demo")
		if err != nil {
			t.Fatal(err)
		}
		out.Vectors = c.vectors
		return out
	}
	settings := Settings{Budget: 80, NoChecks: true, ChoiceSample: 100}
	raw, err := json.Marshal(c.inProcess(t, settings).Calibration)
	if err != nil {
		t.Fatal(err)
	}
	settings.Calibration, settings.Lookahead, settings.Triples = raw, true, 64
	sem, err := settings.calibrated(raw)
	if err != nil {
		t.Fatal(err)
	}
	sem.Vectors = c.vectors
	want, err := eci.Rank(t.Context(), &eci.Lookahead{Sem: *sem, Triples: 64, Target: target()}, c.sources...)
	if err != nil {
		t.Fatal(err)
	}
	summary := summarize(t, settings, c.split(3, 2))
	got, err := summary.Rank(t.Context(), &eci.Lookahead{Target: target()})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*eci.Ranking{got, want} {
		// Only the pipeline's summary cannot count all triples.
		counted := func(note string) bool { return strings.Contains(note, "have a query of") }
		if !slices.ContainsFunc(r.Notes, counted) {
			t.Errorf("no note tells that the sources have queries of the target: %q", r.Notes)
		}
		r.Notes, r.Lookahead.Notes = slices.DeleteFunc(r.Notes, counted), slices.DeleteFunc(r.Lookahead.Notes, counted)
	}
	compareRankings(t, got, want)
	_, err = summary.Rank(t.Context(), &eci.Lookahead{Target: &eci.Target{LeaveOut: true}})
	if !errors.Is(err, eci.ErrSettings) {
		t.Errorf("LeaveOut: %v", err)
	}

	// The same summary serves to choose, from rows in the budget and beyond it.
	ahead := eci.Lookahead{Sem: eci.Sem{Vectors: c.vectors}}
	asOneMachine(t, c, summary, eci.Choose{Sample: 100, Lookahead: ahead}, c.sources[2:3], slices.Concat(c.sources[:2], c.sources[3:]))
	asOneMachine(t, c, summary, eci.Choose{Sample: 90, Lookahead: ahead}, c.sources[1:4], slices.Concat(c.sources[:1], c.sources[4:]))
	ahead.Target = target()
	asOneMachine(t, c, summary, eci.Choose{Sample: 100, Lookahead: ahead}, c.sources, nil)
}

// summarize runs a pipeline over shards and reads its summary.
func summarize(t *testing.T, settings Settings, rows [][]eci.Record) *Summary {
	t.Helper()
	path := filepath.Join(t.TempDir(), "summary")
	if err := run(t, func(s beam.Scope) {
		WriteSummary(s, path, RankSources(s, settings, given(t, s, rows...), beam.PCollection{}))
	}); err != nil {
		t.Fatal(err)
	}
	summary, err := ReadSummary(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return summary
}

// A summary that was stored is the same, and one that is damaged is refused.
func TestSummaryIsStored(t *testing.T) {
	v := []float32{1, 2}
	row := eci.Record{SourceName: "a", File: "f", Row: 2, QueryText: "q", PositiveText: "p", NegativeText: "n", QueryVector: v, PositiveVector: v, NegativeVector: v}
	label := row
	label.NegativeVector = nil
	s := &Summary{
		Settings: Settings{Seed: 3, Lookahead: true}, Calibration: []byte("{}"), Budget: 9, Labels: []eci.Record{label},
		Sources: []SourceSummary{{Name: "a", Value: 1.5, Without: []float64{1, 2}, GroupTriples: []int{3, 0}, Sample: []eci.Record{row}, Matrix: bytes.Repeat([]byte("matrix"), elementBytes/4)}, {Name: "b/c"}},
		Skipped: map[string]map[string]int{"a": {"malformed": 2}},
		Rules:   map[string]map[eci.LintKind]int{"a": {lintedRows: 7, eci.LintHTML: 1}},
	}
	raw, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var back Summary
	if err := back.UnmarshalBinary(raw); err != nil || !reflect.DeepEqual(&back, s) {
		t.Errorf("%+v (%v), want %+v", back, err, s)
	}
	for _, n := range []int{0, 3, len(raw) / 2, len(raw) - 1} {
		if err := back.UnmarshalBinary(raw[:n]); !errors.Is(err, eci.ErrFormat) {
			t.Errorf("cut to %d of %d bytes: %v", n, len(raw), err)
		}
	}
	pieces, err := s.pieces()
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range pieces {
		if p.Kind == pieceSample || p.Kind == pieceLabel || p.Kind == pieceSkipped || p.Kind == pieceLint || p.Kind == pieceSource {
			continue
		}
		if err := back.UnmarshalBinary(storePieces(summaryMagic, slices.Delete(slices.Clone(pieces), i, i+1))); !errors.Is(err, eci.ErrFormat) {
			t.Errorf("without a piece of kind %d: %v", p.Kind, err)
		}
	}
}

// A row that is kept for its label only has no vector of its negative. If it has the
// texts of a row of the sample, the library may draw it instead, so it gets that vector.
func TestLabelsWithTextsOfTheSample(t *testing.T) {
	v, n := []float32{1, 2}, []float32{3, 4}
	row := eci.Record{SourceName: "a", File: "f", Row: 2, QueryText: "q", PositiveText: "p", NegativeText: "n", QueryVector: v, PositiveVector: v, NegativeVector: n}
	copied, other := row, row
	copied.Row, copied.NegativeVector = 1, nil
	other.Row, other.NegativeVector, other.NegativeText = 3, nil, "another"
	s := &Summary{Sources: []SourceSummary{{Name: "a", Sample: []eci.Record{row}}}, Labels: []eci.Record{copied, other}}
	var got [][]float32
	for x, err := range s.samples()[0].Triples {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, x.(*eci.Record).NegativeVector)
	}
	if want := [][]float32{n, n, v}; !reflect.DeepEqual(got, want) {
		t.Errorf("negatives have the vectors %v, want %v", got, want)
	}
}

// counter is the value of a metric.
func counter(result beam.PipelineResult, name string) (n int64) {
	for _, c := range result.Metrics().Query(func(r beam.MetricResult) bool { return r.Name() == name }).Counters() {
		n += max(c.Committed, c.Attempted)
	}
	return n
}
