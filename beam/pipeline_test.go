package ecibeam

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/parquetio"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"example.com/eci"
)

func init() {
	beam.RegisterDoFn(&takeFn{})
	beam.RegisterDoFn(&takeDeadFn{})
	beam.RegisterDoFn(&failFn{})
	beam.RegisterDoFn(&toParquetFn{})
	register.Emitter1[ParquetRow]()
	RegisterEmbedder("counting", func() (eci.Embedder, error) { return counting, nil })
	RegisterEmbedder("failing", func() (eci.Embedder, error) { return &countingEmbedder{fail: errors.New("the server is down")}, nil })
	RegisterEmbedder("short", func() (eci.Embedder, error) { return &countingEmbedder{short: true}, nil })
	RegisterEmbedder("broken", func() (eci.Embedder, error) { return nil, errors.New("no model") })
}

// taken is what pipelines of tests ended with, by name of the test.
var taken struct {
	sync.Mutex
	rows map[string][]eci.Record
	dead map[string][]DeadRow
}

// takeFn hands rows to the test.
type takeFn struct{ Name string }

func (fn *takeFn) ProcessElement(r eci.Record) {
	taken.Lock()
	defer taken.Unlock()
	taken.rows[fn.Name] = append(taken.rows[fn.Name], r)
}

type takeDeadFn struct{ Name string }

func (fn *takeDeadFn) ProcessElement(d DeadRow) {
	taken.Lock()
	defer taken.Unlock()
	taken.dead[fn.Name] = append(taken.dead[fn.Name], d)
}

// run runs a pipeline on Prism.
func run(t *testing.T, build func(s beam.Scope)) error {
	t.Helper()
	p, s := beam.NewPipelineWithRoot()
	build(s)
	_, err := beam.Run(t.Context(), "prism", p)
	return err
}

// take runs a pipeline and returns the rows and the dead letters it ends with, in the
// order of their places.
func take(t *testing.T, build func(s beam.Scope) (rows, dead beam.PCollection)) ([]eci.Record, []DeadRow, error) {
	t.Helper()
	taken.Lock()
	taken.rows, taken.dead = make(map[string][]eci.Record), make(map[string][]DeadRow)
	taken.Unlock()
	err := run(t, func(s beam.Scope) {
		rows, dead := build(s)
		beam.ParDo0(s, &takeFn{t.Name()}, rows)
		if dead.IsValid() {
			beam.ParDo0(s, &takeDeadFn{t.Name()}, dead)
		}
	})
	rows, dead := taken.rows[t.Name()], taken.dead[t.Name()]
	slices.SortFunc(rows, func(a, b eci.Record) int { return compareRows(&a, &b) })
	slices.SortFunc(dead, func(a, b DeadRow) int {
		return strings.Compare(fmt.Sprintf("%s %s %09d", a.Source, a.File, a.Row), fmt.Sprintf("%s %s %09d", b.Source, b.File, b.Row))
	})
	return rows, dead, err
}

// given makes rows a PCollection.
func given(t *testing.T, s beam.Scope, rows ...[]eci.Record) beam.PCollection {
	shards[t.Name()] = rows
	numbers := make([]int, len(rows))
	for i := range numbers {
		numbers[i] = i
	}
	return beam.ParDo(s, &shardFn{t.Name()}, beam.Reshuffle(s, beam.CreateList(s, numbers)))
}

// failures is how often failFn still fails, by name of the test.
var failures = make(map[string]int)

// failFn fails at a row as often as the test wants, after it has let others pass.
type failFn struct {
	Name string
	Row  int
	seen int
}

func (fn *failFn) ProcessElement(r eci.Record, emit func(eci.Record)) error {
	taken.Lock()
	defer taken.Unlock()
	if fn.seen++; fn.seen == fn.Row && failures[fn.Name] > 0 {
		failures[fn.Name]--
		return errors.New("injected failure")
	}
	emit(r)
	return nil
}

// Prism does not try a bundle again: it ends the pipeline. Then there is no summary,
// and running the pipeline again, after one failure or several, gives the ranking and
// the counts of one that never failed.
func TestFailureLeavesNothingBehind(t *testing.T) {
	c := demo(t)
	settings := Settings{Budget: 100, NoChecks: true}
	want := c.inProcess(t, settings)
	path := filepath.Join(t.TempDir(), "summary")
	failures[t.Name()] = 2
	bad := []DeadRow{{Source: "bm25", File: "f", Row: 1, Reason: "malformed"}, {Source: "bm25", File: "f", Row: 2, Reason: "malformed"}}
	for attempt := range 3 {
		err := run(t, func(s beam.Scope) {
			rows := beam.ParDo(s, &failFn{Name: t.Name(), Row: 700}, given(t, s, c.split(3, 9)...))
			WriteSummary(s, path, RankSources(s, settings, rows, beam.CreateList(s, bad)))
		})
		_, missing := os.Stat(path)
		if attempt < 2 {
			if err == nil || !strings.Contains(err.Error(), "injected failure") || missing == nil {
				t.Fatalf("attempt %d: %v, and the summary is there: %v", attempt, err, missing == nil)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	summary, err := ReadSummary(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if n := summary.Skipped["bm25"]["malformed"]; n != 2 {
		t.Errorf("%d bad rows are counted, there were 2", n)
	}
	summary.Skipped = nil
	got, err := summary.Rank(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	compareRankings(t, got, want)
}

// toParquetFn makes rows of Parquet of rows.
type toParquetFn struct{}

func (toParquetFn) ProcessElement(r eci.Record, emit func(ParquetRow)) {
	emit(ParquetRow{r.SourceName, r.QueryID, r.QueryText, r.PositiveID, r.PositiveText, r.NegativeID, r.NegativeText, r.QueryVector, r.PositiveVector, r.NegativeVector})
}

func TestReadParquet(t *testing.T) {
	c := demo(t)
	path := filepath.Join(t.TempDir(), "rows.parquet")
	in := slices.Clone(c.rows[:700])
	if err := run(t, func(s beam.Scope) {
		parquetio.Write(s, path, beam.ParDo(s, &toParquetFn{}, given(t, s, in)))
	}); err != nil {
		t.Fatal(err)
	}
	got, _, err := take(t, func(s beam.Scope) (rows, dead beam.PCollection) {
		return ReadParquet(s, path), beam.PCollection{}
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range in {
		in[i].File, in[i].Row = "", 0 // Beam's reader does not tell
	}
	slices.SortFunc(in, func(a, b eci.Record) int { return compareRows(&a, &b) })
	if len(got) != len(in) {
		t.Fatalf("%d rows, want %d", len(got), len(in))
	}
	for i := range in {
		if a, b := encodeRecord(got[i]), encodeRecord(in[i]); !slices.Equal(a, b) {
			t.Fatalf("row %d is\n%v, want\n%v", i, got[i], in[i])
		}
	}
}

func TestReadParquetRefusesOtherFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.parquet")
	if err := os.WriteFile(path, []byte("{}\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	_, _, err := take(t, func(s beam.Scope) (rows, dead beam.PCollection) { return ReadParquet(s, path), beam.PCollection{} })
	if err == nil {
		t.Error("a file that is not Parquet is read")
	}
}

// Rows that are joined with a table have the vectors that they carried.
func TestJoinVectors(t *testing.T) {
	c := demo(t)
	rows := slices.Clone(c.rows[:300])
	queries, documents := make(map[string]Vector), make(map[string]Vector)
	for _, r := range rows {
		queries[r.QueryID] = Vector{r.QueryID, r.QueryVector}
		documents[r.PositiveID], documents[r.NegativeID] = Vector{r.PositiveID, r.PositiveVector}, Vector{r.NegativeID, r.NegativeVector}
	}
	bare := slices.Clone(rows)
	for i := range bare {
		bare[i].QueryVector, bare[i].PositiveVector, bare[i].NegativeVector = nil, nil, nil
	}
	bare[7].QueryVector = rows[8].QueryVector // a row's own comes first
	want := slices.Clone(rows)
	want[7].QueryVector = rows[8].QueryVector
	got, _, err := take(t, func(s beam.Scope) (out, dead beam.PCollection) {
		return JoinVectors(s, given(t, s, bare), beam.CreateList(s, values(queries)), beam.CreateList(s, values(documents))), beam.PCollection{}
	})
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d rows, want %d: %v", len(got), len(want), err)
	}
	slices.SortFunc(want, func(a, b eci.Record) int { return compareRows(&a, &b) })
	for i := range want {
		if !slices.Equal(encodeRecord(got[i]), encodeRecord(want[i])) {
			t.Fatalf("row %d of %s is not the one that carried its vectors", got[i].Row, got[i].SourceName)
		}
	}
}

func values(m map[string]Vector) (out []Vector) {
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// What is wrong with tables and rows becomes a dead letter with source, file and row,
// and the rest is right.
func TestBadRowsAreSetAside(t *testing.T) {
	one, two := []float32{1, 0}, []float32{0, 1}
	row := func(n int, query, positive, negative string) eci.Record {
		return eci.Record{SourceName: "s", File: "f.jsonl", Row: n, QueryID: query, PositiveID: positive, NegativeID: negative, QueryText: "q", PositiveText: "p", NegativeText: "n"}
	}
	empty := row(5, "q", "p", "n")
	empty.PositiveText = " \t"
	rows := []eci.Record{
		row(1, "q", "p", "n"),
		row(2, "q", "p", "unknown"),
		row(3, "", "p", "n"),       // no id
		row(4, "q", "p", "double"), // two vectors: the first by components
		empty,
		row(6, "q", "zero", "n"),
		row(7, "q", "p", "long"), // of another encoder
	}
	queries := []Vector{{"q", one}, {"", one}}
	documents := []Vector{{"p", one}, {"n", two}, {"long", []float32{1, 2, 3}}, {"double", two}, {"double", []float32{0, -1}}, {"zero", []float32{0, 0}}}
	build := func(dimension int, skip eci.Skip) func(s beam.Scope) (good, bad beam.PCollection) {
		return func(s beam.Scope) (good, bad beam.PCollection) {
			joined := JoinVectors(s, given(t, s, rows), beam.CreateList(s, queries), beam.CreateList(s, documents))
			return CheckRows(s, joined, dimension, skip)
		}
	}
	const all = eci.SkipEmptyText | eci.SkipMissingVector | eci.SkipBadVector
	// The dimension is 2, because most rows have that.
	good, dead, err := take(t, build(0, all))
	if err != nil {
		t.Fatal(err)
	}
	if len(good) != 2 || good[0].Row != 1 || good[1].Row != 4 || !slices.Equal(good[1].NegativeVector, []float32{0, -1}) {
		t.Errorf("good rows: %v", good)
	}
	want := []struct {
		row  int
		text string
	}{{2, "negative: "}, {3, "query: "}, {5, "positive is empty"}, {6, "positive: "}, {7, "negative: vector of another dimension"}}
	if len(dead) != len(want) {
		t.Fatalf("dead letters: %v", dead)
	}
	for i, d := range dead {
		if d.Source != "s" || d.File != "f.jsonl" || d.Row != want[i].row || d.Reason == "" || !strings.Contains(d.Error, want[i].text) {
			t.Errorf("dead letter %d is %+v, want row %d and %q", i, d, want[i].row, want[i].text)
		}
	}
	// What may not be skipped fails the run, and says where.
	if _, _, err = take(t, build(2, eci.SkipEmptyText|eci.SkipMissingVector)); err == nil || !strings.Contains(err.Error(), `source "s", f.jsonl, row`) {
		t.Errorf("a bad vector that may not be skipped: %v", err)
	}
}

// The dimension is that of most rows, whatever the bundles are, and the smaller of two
// that equally many have. Rows that are bad anyway have no say.
func TestDimensionOfMostRows(t *testing.T) {
	row := func(n, d int) eci.Record {
		v := slices.Repeat([]float32{1}, d)
		return eci.Record{SourceName: "s", File: "f", Row: n, QueryText: "q", PositiveText: "p", NegativeText: "n", QueryVector: v, PositiveVector: v, NegativeVector: v}
	}
	mixed := row(0, 5)
	mixed.NegativeVector = mixed.NegativeVector[:3]
	for _, test := range []struct {
		rows []eci.Record
		want int
	}{
		{nil, 0},
		{[]eci.Record{mixed}, 0},
		{[]eci.Record{row(1, 3), row(2, 2), row(3, 3), mixed, mixed, row(4, 0), row(5, 0), row(6, 0)}, 3},
		{[]eci.Record{row(1, 12), row(2, 2), row(3, 12), row(4, 2)}, 2},
	} {
		c := &collection{rows: test.rows}
		for _, n := range []int{1, 3, 17} {
			sum := make(counts)
			fn := &dimensionsFn{}
			add := func(_ string, votes counts) { addCounts(sum, votes) }
			for _, shard := range c.split(n, uint64(n)) {
				fn.StartBundle(add)
				for _, r := range shard {
					fn.ProcessElement(r, add)
				}
				fn.FinishBundle(add)
			}
			sent := false
			votes := func(_ *string, c *counts) bool {
				*c, sent = sum, !sent
				return sent
			}
			if err := (mostFn{}).ProcessElement(nil, votes, func(most int) {
				if most != test.want {
					t.Errorf("%d bundles: dimension %d, want %d of %v", n, most, test.want, sum)
				}
			}); err != nil {
				t.Error(err)
			}
		}
	}
	// What is of another dimension fails the run unless it may be skipped.
	none := func(DeadRow) { t.Error("it was set aside") }
	err := (&checkMostFn{eci.SkipEmptyText}).ProcessElement(t.Context(), row(9, 3), 2, nil, none)
	if !errors.Is(err, eci.ErrDimension) || !strings.Contains(err.Error(), "row 9") {
		t.Errorf("another dimension: %v", err)
	}
	err = (&checkMostFn{eci.SkipBadVector}).ProcessElement(t.Context(), row(9, 3), 2, nil, func(d DeadRow) {
		if d.Reason != "other dimension" || d.Row != 9 {
			t.Errorf("%+v", d)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// countingEmbedder makes a vector of the first letters of a text.
type countingEmbedder struct {
	sync.Mutex
	texts int
	fail  error
	short bool
}

var counting = new(countingEmbedder)

func (e *countingEmbedder) EmbedQuery(_ context.Context, text string) ([]float32, error) {
	vectors, err := e.EmbedDocuments(context.Background(), []string{"query " + text})
	if err != nil || len(vectors) == 0 {
		return nil, err
	}
	return vectors[0], nil
}

func (e *countingEmbedder) EmbedDocuments(_ context.Context, texts []string) ([][]float32, error) {
	e.Lock()
	defer e.Unlock()
	if e.fail != nil {
		return nil, e.fail
	}
	if e.short {
		return nil, nil
	}
	e.texts += len(texts)
	out := make([][]float32, len(texts))
	for i, text := range texts {
		f := fingerprintOf(text)
		out[i] = []float32{float32(f[0]) + 1, float32(f[1]), float32(len(text))}
	}
	return out, nil
}

func TestEmbedRows(t *testing.T) {
	var rows []eci.Record
	for i := range 2*rowsPerBatch + 9 {
		rows = append(rows, eci.Record{SourceName: "s", File: "f", Row: i + 1, QueryText: fmt.Sprint("q", i%5), PositiveText: fmt.Sprint("p", i%7), NegativeText: fmt.Sprint("n", i)})
	}
	own := []float32{9, 9, 9}
	rows[3].NegativeVector = own
	counting.texts = 0
	got, _, err := take(t, func(s beam.Scope) (out, dead beam.PCollection) {
		return EmbedRows(s, "counting", given(t, s, rows)), beam.PCollection{}
	})
	if err != nil || len(got) != len(rows) {
		t.Fatalf("%d rows, want %d: %v", len(got), len(rows), err)
	}
	// Of each batch each distinct text once: at most 5 queries and 7 positives.
	if least, most := len(rows)-1+5+7, len(rows)-1+12*(len(rows)/rowsPerBatch+8); counting.texts < least || counting.texts > most {
		t.Errorf("%d texts were embedded, want %d to %d", counting.texts, least, most)
	}
	for i, r := range got {
		for _, side := range []struct {
			text string
			got  []float32
		}{{"query " + r.QueryText, r.QueryVector}, {r.PositiveText, r.PositiveVector}, {r.NegativeText, r.NegativeVector}} {
			want, _ := new(countingEmbedder).EmbedDocuments(t.Context(), []string{side.text})
			if i == 3 && side.text == r.NegativeText {
				want[0] = own
			}
			if !slices.Equal(side.got, want[0]) {
				t.Fatalf("row %d: the vector of %q is %v, want %v", r.Row, side.text, side.got, want[0])
			}
		}
	}
}

func TestEmbedRowsSaysWhatFailed(t *testing.T) {
	rows := []eci.Record{{SourceName: "s", QueryText: "q", PositiveText: "p", NegativeText: "n"}}
	for name, want := range map[string]string{"failing": "the server is down", "short": "0 vectors for", "broken": "no model"} {
		_, _, err := take(t, func(s beam.Scope) (out, dead beam.PCollection) {
			return EmbedRows(s, name, given(t, s, rows)), beam.PCollection{}
		})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	defer func() {
		if e := recover(); e == nil || !strings.Contains(fmt.Sprint(e), "RegisterEmbedder") {
			t.Errorf("an embedder that nobody registered: %v", e)
		}
	}()
	run(t, func(s beam.Scope) { EmbedRows(s, "nobody", given(t, s, rows)) })
}
