package main

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"example.com/eci"
	"example.com/eci/testdata/demo"
)

// check holds the encoder's vectors and the sources to calibrate on: they do not
// change when the miner does.
func check(t testing.TB) *eci.MinerTest {
	t.Helper()
	dir, err := fs.Sub(demo.Files, "vectors")
	if err != nil {
		t.Fatal(err)
	}
	vectors, err := eci.ReadVectors(dir)
	if err != nil {
		t.Fatal(err)
	}
	check := &eci.MinerTest{Sem: eci.Sem{Vectors: vectors}}
	for _, name := range []string{"random", "bm25", "dense", "contaminated", "llm"} {
		check.Reference = append(check.Reference, eci.JSONLFrom(demo.Files, "sources/"+name+".jsonl"))
	}
	return check
}

func random() eci.Source { return eci.JSONLFrom(demo.Files, "sources/random.jsonl") }

func mined(t testing.TB, change func(rows []*eci.Record)) eci.Source {
	t.Helper()
	rows, err := triples(2)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(rows)
	}
	return eci.SourceOf("mined", rows)
}

// TestMiner is what a project with its own miner would have.
func TestMiner(t *testing.T) {
	check, source := check(t), mined(t, nil)
	check.LintAtMost(t.Context(), t, nil, eci.SeverityError, 0, source)
	check.LintAtMost(t.Context(), t, nil, eci.LintRepeated, 0.2, source)
	check.BeatsControls(t.Context(), t, source)
	check.Outranks(t.Context(), t, source, random())
	check.NotWorse(t.Context(), t, filepath.Join("testdata", "baseline.json"), 0.5, source)
	check.SuspectsAtMost(t.Context(), t, 0.4, 0.05, source)
}

// recorder is a TB that keeps what a failing test would print.
type recorder struct{ said []string }

func (r *recorder) Helper()      {}
func (r *recorder) Name() string { return "TestMiner" }
func (r *recorder) Errorf(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}
func (r *recorder) Fatalf(format string, args ...any) { r.Errorf(format, args...) }

// shift gives every row the negative of the row n further on.
func shift(n int) func(rows []*eci.Record) {
	return func(rows []*eci.Record) {
		negatives := make([]eci.Record, len(rows))
		for i := range rows {
			negatives[i] = *rows[(i+n)%len(rows)]
		}
		for i, row := range rows {
			row.NegativeID, row.NegativeText = negatives[i].NegativeID, negatives[i].NegativeText
		}
	}
}

// TestBrokenMiners: each of these bugs is caught, by a failure that shows it.
func TestBrokenMiners(t *testing.T) {
	t.Setenv("ECI_UPDATE", "") // their scores are no baseline
	for _, test := range []struct {
		reason string
		change func(rows []*eci.Record)
		assert func(check *eci.MinerTest, t eci.TB, source eci.Source) bool
		says   []string
	}{
		{"the positive is not left out of the results", func(rows []*eci.Record) {
			for i := 0; i < len(rows); i += 2 {
				rows[i].NegativeID, rows[i].NegativeText = rows[i].PositiveID, rows[i].PositiveText
			}
		}, func(check *eci.MinerTest, tb eci.TB, source eci.Source) bool {
			return check.LintAtMost(t.Context(), tb, nil, eci.SeverityError, 0, source)
		}, []string{"negative-is-positive in 240 rows, 50.0%", "row 1:"}},
		{"the same, seen by the score", func(rows []*eci.Record) {
			for i := 0; i < len(rows); i += 2 {
				rows[i].NegativeID, rows[i].NegativeText = rows[i].PositiveID, rows[i].PositiveText
			}
		}, func(check *eci.MinerTest, tb eci.TB, source eci.Source) bool {
			return check.Outranks(t.Context(), tb, source, random())
		}, []string{"mined does not outrank random", "negative-is-positive", "rank", "weigh least", "residuality 0.00"}},
		// Neighboring queries of the demo share a topic, so the negatives look good,
		// but some answer their new query.
		{"the results are those of the next query", shift(2), func(check *eci.MinerTest, tb eci.TB, source eci.Source) bool {
			return check.LintAtMost(t.Context(), tb, nil, eci.SeverityError, 0, source)
		}, []string{"negative-is-positive"}},
		{"the results are those of a query of another topic", shift(60), func(check *eci.MinerTest, tb eci.TB, source eci.Source) bool {
			return check.NotWorse(t.Context(), tb, filepath.Join("testdata", "baseline.json"), 0.5, source)
		}, []string{"mined may be worse than in", "weigh least", "locality"}},
		{"the stop list is lost", nil, func(check *eci.MinerTest, tb eci.TB, _ eci.Source) bool {
			defer func(words map[string]bool) { stop = words }(stop)
			stop = nil
			return check.NotWorse(t.Context(), tb, filepath.Join("testdata", "baseline.json"), 0.5, mined(t, nil))
		}, []string{"mined may be worse than in", "weigh least"}},
	} {
		var tb recorder
		if test.assert(check(t), &tb, mined(t, test.change)) || len(tb.said) == 0 {
			t.Errorf("%s: not caught", test.reason)
			continue
		}
		for _, want := range test.says {
			if !strings.Contains(tb.said[0], want) {
				t.Errorf("%s: the failure does not say %q:\n%s", test.reason, want, tb.said[0])
			}
		}
		t.Log(tb.said[0])
	}
}
