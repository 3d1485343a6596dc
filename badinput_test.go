package eci_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"example.com/eci"
)

// lines makes a JSONL source; good rows are made by line.
func lines(name string, rows ...string) eci.Source {
	return eci.JSONLFrom(fstest.MapFS{name + ".jsonl": {Data: []byte(strings.Join(rows, "\n"))}}, name+".jsonl")
}

// line is one good row in our format, with vectors.
func line(i int) string {
	return fmt.Sprintf(`{"query_id":"q%d","query":"question %d","positive":"answer %d","negative":"other %d","query_vector":[1,0,%d],"positive_vector":[1,%d,0],"negative_vector":[0,1,%d]}`,
		i, i, i, i, i%3, i%5, i%7)
}

func goodLines(n int) []string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = line(i)
	}
	return rows
}

// with replaces one row.
func with(rows []string, row int, text string) []string {
	rows[row-1] = text
	return rows
}

func TestBadInput(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	// vectors replaces the vectors of a good row.
	vectors := func(q, p, n string) string {
		return `{"query":"q","positive":"p","negative":"n","query_vector":` + q + `,"positive_vector":` + p + `,"negative_vector":` + n + `}`
	}
	records := func(change func(r *eci.Record)) eci.Source {
		var rows []*eci.Record
		for i := range 40 {
			r := &eci.Record{QueryText: fmt.Sprint("q", i), PositiveText: fmt.Sprint("p", i), NegativeText: fmt.Sprint("n", i),
				QueryVector: []float32{1, float32(i)}, PositiveVector: []float32{float32(i), 2}, NegativeVector: []float32{3, float32(i % 7)}}
			if i == 17 {
				change(r)
			}
			rows = append(rows, r)
		}
		return eci.SourceOf("rows", rows)
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, test := range []struct {
		reason  string
		ctx     context.Context
		sem     eci.Sem
		sources []eci.Source
		want    error
		file    string // expected place; row 0 means none
		row     int
		says    string
	}{
		{"no sources at all", nil, eci.Sem{}, nil, eci.ErrNoSources, "", 0, "give at least one"},
		{"a source without a name", nil, eci.Sem{}, []eci.Source{lines("", line(1))}, eci.ErrSourceName, "", 0, "empty"},
		{"two sources of one name", nil, eci.Sem{}, []eci.Source{lines("a", line(1)), lines("a", line(1))}, eci.ErrSourceName, "", 0, `"a"`},
		{"a source without an iterator", nil, eci.Sem{}, []eci.Source{{Name: "a"}}, eci.ErrNoSources, "", 0, "nil"},
		{"a file that is not there", nil, eci.Sem{}, []eci.Source{eci.JSONL("testdata/absent.jsonl")}, nil, "testdata/absent.jsonl", 0, "no such file"},
		{"a directory", nil, eci.Sem{}, []eci.Source{eci.JSONL("testdata")}, eci.ErrFormat, "testdata", 0, "directory"},
		{"a malformed line", nil, eci.Sem{}, []eci.Source{lines("a", with(goodLines(40), 7, `{"query":"x"`)...)}, eci.ErrMalformed, "a.jsonl", 7, "JSON"},
		{"a line that is a list", nil, eci.Sem{}, []eci.Source{lines("a", with(goodLines(40), 7, `["q","p","n"]`)...)}, eci.ErrMalformed, "a.jsonl", 7, ""},
		{"a missing field", nil, eci.Sem{}, []eci.Source{lines("a", with(goodLines(40), 3, `{"query":"q","negative":"n"}`)...)}, eci.ErrMissingField, "a.jsonl", 3, "positive"},
		{"a text that is a number", nil, eci.Sem{}, []eci.Source{lines("a", with(goodLines(40), 3, `{"query":1,"positive":"p","negative":"n"}`)...)}, eci.ErrMalformed, "a.jsonl", 3, "query"},
		{"an empty text", nil, eci.Sem{}, []eci.Source{lines("a", with(goodLines(40), 9, `{"query":"q","positive":"p","negative":" \t"}`)...)}, eci.ErrEmptyText, "a.jsonl", 9, "negative"},
		{"no vector and no way to one", nil, eci.Sem{}, []eci.Source{lines("a", `{"query":"q","positive":"p","negative":"n"}`)}, eci.ErrMissingVector, "a.jsonl", 1, "Embedder"},
		{"an id without a vector", nil, eci.Sem{Vectors: table()}, []eci.Source{lines("a", `{"query_id":"q1","query":"q","positive_id":"gone","positive":"p","negative_id":"d1","negative":"n"}`)}, eci.ErrMissingVector, "a.jsonl", 1, "gone"},
		{"vectors by id but a row without ids", nil, eci.Sem{Vectors: table()}, []eci.Source{lines("a", `{"query":"q","positive":"p","negative":"n"}`)}, eci.ErrMissingVector, "a.jsonl", 1, "id"},
		{"NaN", nil, eci.Sem{}, []eci.Source{records(func(r *eci.Record) { r.NegativeVector[1] = nan })}, eci.ErrNotFinite, "", 18, "negative"},
		{"infinity", nil, eci.Sem{}, []eci.Source{records(func(r *eci.Record) { r.PositiveVector[0] = inf })}, eci.ErrNotFinite, "", 18, "positive"},
		{"a zero vector", nil, eci.Sem{}, []eci.Source{records(func(r *eci.Record) { clear(r.QueryVector) })}, eci.ErrZeroVector, "", 18, "query"},
		{"an empty vector", nil, eci.Sem{}, []eci.Source{records(func(r *eci.Record) { r.QueryVector = []float32{} })}, eci.ErrDimension, "", 18, "query"},
		{"another dimension", nil, eci.Sem{}, []eci.Source{records(func(r *eci.Record) { r.NegativeVector = []float32{1, 2, 3} })}, eci.ErrDimension, "", 18, "one encoder"},
		{"another dimension in another source", nil, eci.Sem{}, []eci.Source{lines("a", goodLines(40)...), records(func(*eci.Record) {})}, eci.ErrDimension, "", 1, ""},
		{"a nil record", nil, eci.Sem{}, []eci.Source{eci.SourceOf("a", []*eci.Record{nil})}, eci.ErrMalformed, "", 1, "nil"},
		{"an empty source", nil, eci.Sem{}, []eci.Source{lines("a", goodLines(9)...), lines("b")}, eci.ErrEmptySource, "", 0, `"b"`},
		{"constant similarities", nil, eci.Sem{}, []eci.Source{lines("a", strings.Split(strings.Repeat(vectors("[1,0]", "[1,1]", "[1,1]")+"\n", 40), "\n")...)}, eci.ErrNoSpread, "", 0, "same"},
		{"one triple has no spread", nil, eci.Sem{}, []eci.Source{lines("a", line(1))}, eci.ErrNoSpread, "", 0, ""},
		{"a canceled context", canceled, eci.Sem{}, []eci.Source{lines("a", goodLines(40)...)}, context.Canceled, "", 0, ""},
		{"an Embedder that fails", nil, eci.Sem{Embedder: broken("fails")}, []eci.Source{texts("a", 40)}, eci.ErrEmbedder, "", 0, "connection refused"},
		{"an Embedder that returns too few vectors", nil, eci.Sem{Embedder: broken("few")}, []eci.Source{texts("a", 40)}, eci.ErrEmbedderCount, "", 0, "39 for 40"},
		{"an Embedder that returns NaN", nil, eci.Sem{Embedder: broken("nan")}, []eci.Source{texts("a", 40)}, eci.ErrNotFinite, "", 0, "embedder"},
		{"the same, where bad vectors are skipped: an encoder that returns NaN is broken", nil, eci.Sem{Embedder: broken("nan"), Skip: eci.SkipBadVector}, []eci.Source{texts("a", 40)}, eci.ErrNotFinite, "", 0, "embedder"},
		{"an Embedder that returns zero", nil, eci.Sem{Embedder: broken("zero")}, []eci.Source{texts("a", 40)}, eci.ErrZeroVector, "", 0, "embedder"},
		{"an Embedder that changes the dimension", nil, eci.Sem{Embedder: broken("ragged")}, []eci.Source{texts("a", 40)}, eci.ErrDimension, "", 0, "embedder"},
		{"an Embedder that returns no vector", nil, eci.Sem{Embedder: broken("nil")}, []eci.Source{texts("a", 40)}, eci.ErrDimension, "", 0, "empty"},
		{"one query: no neutral ground", nil, eci.Sem{}, []eci.Source{lines("a", line(1), strings.Replace(line(2), "q2", "q1", 1))}, eci.ErrNoSpread, "", 0, "one query only"},
		{"a negative budget", nil, eci.Sem{Budget: -2}, []eci.Source{texts("a", 40)}, eci.ErrSettings, "", 0, "Budget"},
		{"a negative batch size", nil, eci.Sem{BatchSize: -2}, []eci.Source{texts("a", 40)}, eci.ErrSettings, "", 0, "BatchSize"},
		{"no groups", nil, eci.Sem{Groups: -1}, []eci.Source{texts("a", 40)}, eci.ErrSettings, "", 0, "Groups"},
		{"eps^2 not finite", nil, eci.Sem{Epsilon2: math.NaN()}, []eci.Source{texts("a", 40)}, eci.ErrSettings, "", 0, "Epsilon2"},
		{"a negative temperature", nil, eci.Sem{Temperature: -1}, []eci.Source{texts("a", 40)}, eci.ErrSettings, "", 0, "Temperature"},
		{"two components of one name", nil, eci.Sem{Components: []eci.Component{eci.SemanticLocality{}, eci.SemanticLocality{}}}, []eci.Source{texts("a", 40)}, eci.ErrSettings, "", 0, "locality"},
		{"a component above 1", nil, eci.Sem{Components: []eci.Component{constant(1.5)}}, []eci.Source{lines("a", goodLines(40)...)}, eci.ErrWeight, "a.jsonl", 1, "1.5"},
		{"a component that is NaN", nil, eci.Sem{Components: []eci.Component{constant(math.NaN())}}, []eci.Source{lines("a", goodLines(40)...)}, eci.ErrWeight, "a.jsonl", 1, "NaN"},
		{"a source that is shorter the second time", nil, eci.Sem{}, []eci.Source{shrinking()}, eci.ErrUnstableSource, "", 0, "anew"},
		{"a calibration without its parts", nil, eci.Sem{Calibration: &eci.Calibration{MarginScale: 1, SimilarityScale: 1}}, []eci.Source{texts("a", 40)}, eci.ErrNotCalibrated, "", 0, "lexicon"},
		{"a calibration of another dimension", nil, eci.Sem{Calibration: calibration(t)}, []eci.Source{records(func(*eci.Record) {})}, eci.ErrDimension, "", 0, "calibration"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			ctx := test.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			ranking, err := eci.Rank(ctx, &test.sem, test.sources...)
			if err == nil || ranking != nil {
				t.Fatalf("ranking %v, error %v; want an error and nothing else", ranking, err)
			}
			if test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("error %q does not wrap %q", err, test.want)
			}
			if !strings.HasPrefix(err.Error(), "eci: ") || strings.Count(err.Error(), "eci: ") != 1 || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %q: want it to begin with eci: and to say %q", err, test.says)
			}
			var at *eci.RowError
			if !errors.As(err, &at) {
				if test.row > 0 || test.file != "" {
					t.Errorf("error %q has no place", err)
				}
				return
			}
			if at.File != test.file && test.file != "" || at.Row != test.row && test.row > 0 {
				t.Errorf("error %q is at %s:%d, want %s:%d", err, at.File, at.Row, test.file, test.row)
			}
		})
	}
}

func TestScoreNeedsACalibration(t *testing.T) {
	for _, scorer := range []eci.Scorer{&eci.Sem{}, &eci.Baseline{Measure: eci.Measures()[0]}} {
		_, err := scorer.Score(t.Context(), lines("a", goodLines(40)...))
		if !errors.Is(err, eci.ErrNotCalibrated) || !strings.Contains(err.Error(), "Calibrate") {
			t.Errorf("%s: error %v, want ErrNotCalibrated and what to do", scorer.Name(), err)
		}
	}
	for _, err := range (&eci.Sem{}).Weigh(t.Context(), lines("a", goodLines(40)...)) {
		if !errors.Is(err, eci.ErrNotCalibrated) {
			t.Errorf("Weigh: error %v, want ErrNotCalibrated", err)
		}
	}
}

func TestSkipCountsWhatItLeavesOut(t *testing.T) {
	bad := goodLines(60)
	bad = with(bad, 5, "{")
	bad = with(bad, 6, `{"query":"q"}`)
	bad = with(bad, 7, `{"query":"q","positive":"","negative":"n"}`)
	bad = with(bad, 8, `{"query":"q","positive":"p","negative":"n"}`)
	bad = with(bad, 9, `{"query":"q","positive":"p","negative":"n","query_vector":[0,0,0],"positive_vector":[1,0,0],"negative_vector":[1,0,1]}`)
	var clean []string
	for i, row := range bad {
		if i < 4 || i > 8 {
			clean = append(clean, row)
		}
	}
	all := eci.SkipMalformed | eci.SkipEmptyText | eci.SkipMissingVector | eci.SkipBadVector
	got, err := eci.Rank(t.Context(), &eci.Sem{Skip: all}, lines("a", bad...))
	if err != nil {
		t.Fatal(err)
	}
	want, err := eci.Rank(t.Context(), &eci.Sem{}, lines("a", clean...))
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{"malformed": 2, "empty text": 1, "missing vector": 1, "bad vector": 1}
	if diff := cmp.Diff(counts, got.Best().Skipped); diff != "" {
		t.Error(diff)
	}
	if got.Best().Value != want.Best().Value || got.Best().StandardError != want.Best().StandardError {
		t.Errorf("with rows left out %v, without them %v", got.Best().Value, want.Best().Value)
	}
	for reason := range counts {
		if !strings.Contains(got.String(), reason) {
			t.Errorf("the table does not mention %q", reason)
		}
	}
	// Each policy covers its own kind of row only.
	for _, skip := range []eci.Skip{eci.SkipMalformed, eci.SkipEmptyText, eci.SkipMissingVector, eci.SkipBadVector} {
		if _, err := eci.Rank(t.Context(), &eci.Sem{Skip: all &^ skip}, lines("a", bad...)); err == nil {
			t.Errorf("without policy %d there is no error", skip)
		}
	}
}

func TestOddButValidInput(t *testing.T) {
	identical := goodLines(60)
	for i := range identical {
		identical[i] = strings.ReplaceAll(identical[i], `"negative":"other`, `"negative":"answer`)
	}
	for _, test := range []struct {
		reason  string
		sem     eci.Sem
		sources []eci.Source
		note    string
	}{
		{"one source only", eci.Sem{}, []eci.Source{lines("a", goodLines(60)...)}, "one source"},
		{"fewer queries than groups", eci.Sem{}, []eci.Source{lines("a", goodLines(4)...)}, "of 32 groups"},
		{"negatives with the text of their positives", eci.Sem{}, []eci.Source{lines("a", identical...)}, "equal their own positive"},
		{"the same source twice", eci.Sem{}, []eci.Source{lines("a", goodLines(60)...), lines("b", goodLines(60)...)}, ""},
		{"unequal sources, all triples", eci.Sem{Budget: eci.Unlimited}, []eci.Source{lines("a", goodLines(60)...), lines("b", goodLines(30)...)}, "scores grow"},
		{"a budget above the number of triples", eci.Sem{Budget: 1000}, []eci.Source{lines("a", goodLines(60)...)}, ""},
		{"weights that are all zero", eci.Sem{Components: []eci.Component{constant(0)}}, []eci.Source{lines("a", goodLines(60)...), lines("b", goodLines(60)...)}, ""},
	} {
		t.Run(test.reason, func(t *testing.T) {
			ranking, err := eci.Rank(t.Context(), &test.sem, test.sources...)
			if err != nil {
				t.Fatal(err)
			}
			if table := ranking.String(); !strings.Contains(table, test.note) || strings.Contains(table, "NaN") || strings.Contains(table, "Inf") {
				t.Errorf("want a note with %q and finite numbers:\n%s", test.note, table)
			}
			if _, err := json.Marshal(ranking); err != nil {
				t.Error("JSON knows no NaN:", err)
			}
			for i, s := range ranking.Ranked {
				if s.Rank != i+1 || s.RankLow > s.Rank && s.RankLow > s.RankHigh {
					t.Errorf("%s: rank %d, interval %d to %d", s.Source, s.Rank, s.RankLow, s.RankHigh)
				}
			}
		})
	}
}

// TestNegativeEqualToPositive: r = 0, so the triple counts and adds nothing.
func TestNegativeEqualToPositive(t *testing.T) {
	rows := nasty(3, 80, 5)
	for _, r := range rows[:20] {
		r.NegativeText, r.NegativeVector = r.PositiveText, r.PositiveVector
	}
	ranking, err := eci.Rank(t.Context(), &eci.Sem{}, eci.SourceOf("a", rows))
	if err != nil {
		t.Fatal(err)
	}
	if s := ranking.Best(); s.Totals.Triples != 80 || s.Totals.Identical < 20 {
		t.Errorf("%d triples, %d identical", s.Totals.Triples, s.Totals.Identical)
	}
}

// broken is an Embedder that fails in one way.
type broken string

func (b broken) EmbedDocuments(_ context.Context, texts []string) ([][]float32, error) {
	out := make([][]float32, len(texts))
	for i := range out {
		out[i] = []float32{1, float32(len(texts[i])), float32(i)}
	}
	switch b {
	case "fails":
		return nil, errors.New("connection refused")
	case "few":
		return out[1:], nil
	case "nan":
		out[len(out)-1][2] = float32(math.NaN())
	case "zero":
		clear(out[0])
	case "ragged":
		out[0] = out[0][:2]
		out[0][1] = 1
	case "nil":
		out[0] = nil
	}
	return out, nil
}

func (b broken) EmbedQuery(ctx context.Context, text string) ([]float32, error) {
	return []float32{1, 2, 3}, nil
}

// EmbedQueries hands queries over in batches too.
func (b broken) EmbedQueries(ctx context.Context, texts []string) ([][]float32, error) {
	return b.EmbedDocuments(ctx, texts)
}

// constant is a component with one weight.
type constant float64

func (constant) Name() string                   { return "constant" }
func (c constant) Weight(*eci.Evidence) float64 { return float64(c) }

// texts is a source without vectors.
func texts(name string, n int) eci.Source {
	rows := make([]*eci.Record, n)
	for i := range rows {
		rows[i] = &eci.Record{QueryText: fmt.Sprint("query ", i), PositiveText: fmt.Sprint("positive ", i), NegativeText: fmt.Sprint("negative ", i*i)}
	}
	return eci.SourceOf(name, rows)
}

// shrinking yields a triple less each time.
func shrinking() eci.Source {
	n := 41
	return eci.Source{Name: "shrinking", Triples: func(yield func(eci.Triple, error) bool) {
		n--
		lines("shrinking", goodLines(n)...).Triples(yield)
	}}
}

func table() eci.Vectors {
	return eci.VectorMap{
		Queries:   map[string][]float32{"q1": {1, 2}, "q2": {1, 2}},
		Documents: map[string][]float32{"d1": {2, 1}, "d2": {2, 1}},
	}
}

func calibration(t *testing.T) *eci.Calibration {
	t.Helper()
	cal, err := (&eci.Sem{}).Calibrate(t.Context(), lines("a", goodLines(40)...))
	if err != nil {
		t.Fatal(err)
	}
	return cal
}
