package main

import (
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"example.com/eci"
	"example.com/eci/testdata/demo"
)

func TestPairedByHand(t *testing.T) {
	// Differences 1, 2, 3: mean 2, variance 1.
	mean, standardError := paired([]float64{2, 4, 6}, []float64{1, 2, 3})
	if mean != 2 || math.Abs(standardError-1/math.Sqrt(3)) > 1e-15 {
		t.Error(mean, standardError)
	}
}

// short is a training of a second or two.
var short = settings{Ways: 8, Rank: 8, Batch: 16, Steps: 20, Rate: 1e-3, Temperature: 0.05, Folds: 2, Seeds: 2}

// TestUntrainedIsFrozen: without a step there is no gain, and nDCG@10 is the one
// that Lookahead starts from.
func TestUntrainedIsFrozen(t *testing.T) {
	c, err := open(demo.Files, "vectors")
	if err != nil {
		t.Fatal(err)
	}
	defer c.vectors.Close()
	still := short
	still.Steps = 0
	trained, frozen, err := c.measure(t.Context(), still, func(int, int) {})
	if err != nil {
		t.Fatal(err)
	}
	for i, values := range trained {
		for q := range values {
			if math.Abs(values[q]-frozen[q]) > 1e-12 {
				t.Errorf("source %d, query %d: %v, frozen %v", i, q, values[q], frozen[q])
			}
		}
	}
	ranking, err := c.rank(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := ranking.Lookahead.Frozen; math.Abs(mean(frozen)-want) > 1e-9 {
		t.Errorf("nDCG@10 %v, Lookahead has %v", mean(frozen), want)
	}
	// byGain hands the forecasts to Agree, and S as a baseline of that name.
	for _, s := range byGain(ranking).Ranked {
		full, _ := ranking.Find(s.Source)
		if s.Value != full.Forecast.Gain || s.Baselines["eci"] != full.Value || s.Baselines["disjoint"] != full.Baselines["disjoint"] {
			t.Errorf("%s: %+v", s.Source, s.Score)
		}
	}
}

// TestRunIsDeterministic: the same bytes on one core and on all, tables of every
// source, the ceiling, and outcomes that the library reads back.
func TestRunIsDeterministic(t *testing.T) {
	save := filepath.Join(t.TempDir(), "outcomes.json")
	alone := short
	alone.Ways = 1
	once := func() string {
		var out strings.Builder
		o := options{list: []settings{short, alone}, halves: 1, seed: 1, save: save}
		if err := run(t.Context(), &out, &progress{out: io.Discard}, demo.Files, "vectors", o); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(save)
		if err != nil {
			t.Fatal(err)
		}
		return out.String() + string(raw)
	}
	first := once()
	old := runtime.GOMAXPROCS(1)
	second := once()
	runtime.GOMAXPROCS(old)
	if first != second {
		t.Errorf("differs:\n%s\n%s", first, second)
	}
	for _, word := range []string{"contaminated", "llm", "lookahead", "disjoint", "hard negative alone", "7 other queries", training} {
		if !strings.Contains(first, word) {
			t.Errorf("no %q in\n%s", word, first)
		}
	}
	f, err := os.Open(save)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	outcomes, err := eci.ReadOutcomes(save, f, "ways1")
	if err != nil || len(outcomes) != 5 {
		t.Error(outcomes, err)
	}
	// The same outcomes from the file give the same agreement, up to the errors of
	// differences, which are not in it.
	var out strings.Builder
	if err := run(t.Context(), &out, &progress{out: io.Discard}, demo.Files, "vectors", options{outcomes: save, setting: "ways1"}); err != nil {
		t.Fatal(err)
	}
	for _, o := range outcomes {
		if row := fmt.Sprintf("%+.4f", o.Value); !strings.Contains(out.String(), row) {
			t.Errorf("no gain %s in\n%s", row, out.String())
		}
	}
}

// TestCeiling: where training gives every query the same gain on a source, one half
// tells the other exactly.
func TestCeiling(t *testing.T) {
	c := &collection{}
	frozen := make([]float64, 8)
	for q := range 8 {
		c.names = append(c.names, string(rune('a'+q)))
		frozen[q] = float64(q) / 10
	}
	var pair [2]half
	for k := range pair {
		pair[k].queries = make(map[string]bool)
		pair[k].ranking = &eci.Ranking{Scorer: "lookahead"}
	}
	for q, name := range c.names {
		pair[q%2].queries[name] = true
	}
	var trained [][]float64
	for i, gain := range []float64{.3, .1, .2} {
		c.sources = append(c.sources, trainingSource{Source: eci.Source{Name: string(rune('x' + i))}})
		row := make([]float64, len(frozen))
		for q := range row {
			row[q] = frozen[q] + gain + float64(q/2%2)/1000*float64(i)
		}
		trained = append(trained, row)
		for k := range pair { // the opposite order
			pair[k].ranking.Ranked = append(pair[k].ranking.Ranked, eci.Ranked{Score: &eci.Score{Source: c.sources[i].Name, Value: -gain, Baselines: map[string]float64{"eci": 1}}})
		}
	}
	r, err := c.ceilingOf([][2]half{pair}, trained, frozen)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct{ tau, right float64 }{training: {1, 1}, "lookahead": {-1, 0}, "eci": {0, 0.5}} {
		if got := mean(r.tau[name]); got != want.tau || r.right[name].value() != want.right || r.right[name].of != 6 {
			t.Errorf("%s: tau %v, right %+v, want %+v of 6", name, got, r.right[name], want)
		}
	}
}

// TestProgress: a line for every tenth, or a bar that is drawn again.
func TestProgress(t *testing.T) {
	var lines, bar strings.Builder
	for _, p := range []*progress{{out: &lines}, {out: &bar, bar: true}} {
		for done := range 31 {
			p.show("training", done, 30)
		}
	}
	if n := strings.Count(lines.String(), "\n"); n != 11 {
		t.Errorf("%d lines, want 0 to 10 tenths:\n%s", n, lines.String())
	}
	if !strings.Contains(bar.String(), "\r[##############################] training: 30 of 30") || strings.Count(bar.String(), "\n") != 1 {
		t.Errorf("%q", bar.String())
	}
}

// TestOpenErrors: what is missing from a folder is named.
func TestOpenErrors(t *testing.T) {
	for _, row := range []struct{ reason, file, content, says string }{
		{"bad score", "qrels.tsv", "query-id\tcorpus-id\tscore\nq1\td1\tx\n", "qrels.tsv, row 2"},
		{"no id", "corpus.jsonl", "{}\n", "corpus.jsonl, row 1"},
		{"triples without ids", "sources/bm25.jsonl", `{"query":"a","positive":"b","negative":"c"}`, "need ids"},
		{"no relevant document in the pool", "pool.ids", "elsewhere\n", "no query"},
		{"no vector", "pool.ids", "new\n@", `"new"`},
		{"no pool", "corpus.jsonl", "", "neither pool.ids nor corpus.jsonl"},
		{"no sources", "sources", "", "no files sources/*"},
	} {
		files := fstest.MapFS{}
		for _, name := range []string{"corpus.jsonl", "queries.jsonl", "qrels.tsv", "sources/bm25.jsonl", "vectors"} {
			if row.content == "" && strings.HasPrefix(name, row.file) {
				continue
			}
			if err := fs.WalkDir(demo.Files, name, func(name string, entry fs.DirEntry, err error) error {
				if err == nil && !entry.IsDir() {
					var raw []byte
					raw, err = demo.Files.ReadFile(name)
					files[name] = &fstest.MapFile{Data: raw}
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		if row.content != "" {
			content := strings.ReplaceAll(row.content, "@", firstPositive(t))
			files[row.file] = &fstest.MapFile{Data: []byte(content)}
		}
		c, err := open(files, "vectors")
		if err == nil {
			c.vectors.Close()
		}
		if err == nil || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v", row.reason, err)
		}
	}
	bad := short
	bad.Ways = 3
	for _, o := range []options{
		{list: []settings{bad}},
		{list: []settings{short}, names: []string{"none"}},
		{list: []settings{short}, halves: -1},
		{outcomes: filepath.Join(t.TempDir(), "none.json")},
	} {
		if err := run(t.Context(), io.Discard, &progress{out: io.Discard}, demo.Files, "vectors", o); err == nil {
			t.Errorf("no error for %+v", o)
		}
	}
}

// firstPositive is the id of a labeled positive of the demo.
func firstPositive(t *testing.T) string {
	t.Helper()
	for triple, err := range eci.JSONLFrom(demo.Files, "sources/bm25.jsonl").Triples {
		if err != nil {
			t.Fatal(err)
		}
		_, id, _ := triple.(eci.Identified).IDs()
		return id
	}
	t.Fatal("the demo has no triples")
	return ""
}
