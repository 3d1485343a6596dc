package eci_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/eci"
)

// *testing.T is what the assertions are for.
var _ eci.TB = (*testing.T)(nil)

// recorder is a TB that keeps what a failing test would print.
type recorder struct{ errors, fatal []string }

func (r *recorder) Helper()      {}
func (r *recorder) Name() string { return "TestMiner" }
func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}
func (r *recorder) Fatalf(format string, args ...any) {
	r.fatal = append(r.fatal, fmt.Sprintf(format, args...))
}

// TestMinerAssertions: what each says about the demo's sources and about bad
// settings.
func TestMinerAssertions(t *testing.T) {
	t.Setenv("ECI_UPDATE", "")
	vectors, demo := demoSources(t)
	source := make(map[string]eci.Source)
	for _, s := range demo {
		source[s.Name] = s
	}
	ctx := t.Context()
	copied := eci.SourceOf("copied", []*eci.Record{triple("q", "Same.", "Same."), triple("r", "One.", "Two."), triple("r", "One.", "Two.")})
	var first []eci.Triple // two negatives of one query
	for row, err := range source["llm"].Triples {
		if err != nil {
			t.Fatal(err)
		}
		if first = append(first, row); len(first) == 2 {
			break
		}
	}
	same := eci.SourceOf("same", first)
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	for _, test := range []struct {
		reason string
		change func(m *eci.MinerTest)
		assert func(m *eci.MinerTest, t eci.TB) bool
		errors []string // parts of the one failure; none if it holds
		fatal  string
	}{
		{"llm outranks the others", nil, func(m *eci.MinerTest, t eci.TB) bool {
			return m.Outranks(ctx, t, source["llm"], source["dense"], source["bm25"], source["random"])
		}, nil, ""},
		{"not the other way round", nil, func(m *eci.MinerTest, t eci.TB) bool {
			return m.Outranks(ctx, t, source["bm25"], source["random"], source["dense"], source["llm"])
		}, []string{"TestMiner: ", "bm25 does not outrank dense: difference -", "; bm25 does not outrank llm", "rank", "95% interval",
			"the triples of bm25 that weigh least", "sources/bm25.jsonl, row ", "consistency ", "query \"", "negative \""}, ""},
		{"a confidence that is asked for", func(m *eci.MinerTest) { m.Confidence = 0.9999999 }, func(m *eci.MinerTest, t eci.TB) bool {
			return m.Outranks(ctx, t, source["dense"], source["random"])
		}, []string{"wanted 1.000"}, ""},
		{"an even chance is enough", func(m *eci.MinerTest) { m.Confidence = 0.5 }, func(m *eci.MinerTest, t eci.TB) bool {
			return m.Outranks(ctx, t, source["bm25"], source["random"])
		}, nil, ""},
		{"llm beats its controls", nil, func(m *eci.MinerTest, t eci.TB) bool {
			return m.BeatsControls(ctx, t, source["llm"])
		}, nil, ""},
		{"random does not", nil, func(m *eci.MinerTest, t eci.TB) bool {
			return m.BeatsControls(ctx, t, source["random"])
		}, []string{"random does not beat another query's negatives: difference -", "; random does not beat random documents"}, ""},
		{"one query has no other query's negative", nil, func(m *eci.MinerTest, t eci.TB) bool {
			return m.BeatsControls(ctx, t, same)
		}, []string{"same cannot be compared with another query's negatives"}, ""},
		{"nor anything to be sure of", nil, func(m *eci.MinerTest, t eci.TB) bool {
			return m.Outranks(ctx, t, same, source["llm"])
		}, []string{"no interval"}, ""},
		{"nor a baseline to keep", func(m *eci.MinerTest) { m.Update = true }, func(m *eci.MinerTest, t eci.TB) bool {
			return m.NotWorse(ctx, t, filepath.Join(os.TempDir(), "absent", "baseline.json"), 1, same)
		}, nil, "no interval"},
		{"nothing to outrank", nil, func(m *eci.MinerTest, t eci.TB) bool {
			return m.Outranks(ctx, t, source["llm"])
		}, nil, "another source"},
		{"a confidence that is none", func(m *eci.MinerTest) { m.Confidence = 1 }, func(m *eci.MinerTest, t eci.TB) bool {
			return m.Outranks(ctx, t, source["llm"], source["random"])
		}, nil, "confidence 1"},
		{"an error is not a verdict", nil, func(m *eci.MinerTest, t eci.TB) bool {
			return m.Outranks(canceled, t, source["llm"], source["random"])
		}, nil, "canceled"},
		{"clean enough", nil, func(m *eci.MinerTest, t eci.TB) bool {
			return m.LintAtMost(ctx, t, nil, eci.SeverityError, 0, demo...)
		}, nil, ""},
		{"a third are copies", nil, func(m *eci.MinerTest, t eci.TB) bool {
			return m.LintAtMost(ctx, t, nil, eci.LintNegativeIsPositive, 0.34, copied)
		}, nil, ""},
		{"more than allowed", nil, func(m *eci.MinerTest, t eci.TB) bool {
			return m.LintAtMost(ctx, t, nil, eci.LintNegativeIsPositive, 0.33, copied)
		}, []string{"copied: negative-is-positive in 1 rows, 33.3%, at most 33.0% allowed", "row 1: \"Same.\"", "severity  source"}, ""},
		{"a severity covers what is worse", nil, func(m *eci.MinerTest, t eci.TB) bool {
			return m.LintAtMost(ctx, t, &eci.Linter{}, eci.SeverityWarning, 0, copied)
		}, []string{"negative-is-positive", "duplicate-triple"}, ""},
		{"and not what is better", nil, func(m *eci.MinerTest, t eci.TB) bool {
			return m.LintAtMost(ctx, t, &eci.Linter{}, eci.SeverityError, 0.5, copied)
		}, nil, ""},
		{"a share that is none", nil, func(m *eci.MinerTest, t eci.TB) bool {
			return m.LintAtMost(ctx, t, nil, eci.SeverityError, 5, copied)
		}, nil, "share 5"},
		{"few suspects", nil, func(m *eci.MinerTest, t eci.TB) bool {
			return m.SuspectsAtMost(ctx, t, 0.4, 0.02, source["bm25"])
		}, nil, ""},
		{"too many, the worst first", nil, func(m *eci.MinerTest, t eci.TB) bool {
			return m.SuspectsAtMost(ctx, t, 0.4, 0.02, source["contaminated"])
		}, []string{"contaminated: 27 of 480 triples, 5.6%", "at most 2.0% allowed", "row 36: suspect 0.51"}, ""},
		{"a baseline needs a footing", func(m *eci.MinerTest) { m.Reference = nil }, func(m *eci.MinerTest, t eci.TB) bool {
			return m.NotWorse(ctx, t, "absent.json", 1, source["bm25"])
		}, nil, "Reference"},
		{"there is none yet", nil, func(m *eci.MinerTest, t eci.TB) bool {
			return m.NotWorse(ctx, t, "absent.json", 1, source["bm25"])
		}, nil, "ECI_UPDATE=1"},
		{"a tolerance that is none", nil, func(m *eci.MinerTest, t eci.TB) bool {
			return m.NotWorse(ctx, t, "absent.json", -1, source["bm25"])
		}, nil, "tolerance -1"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			m := &eci.MinerTest{Sem: eci.Sem{Vectors: vectors, Groups: 8}, Reference: demo}
			if test.change != nil {
				test.change(m)
			}
			tb := new(recorder)
			held := test.assert(m, tb)
			if held != (len(test.errors) == 0 && test.fatal == "") || held != (len(tb.errors)+len(tb.fatal) == 0) {
				t.Errorf("held: %v, said %q %q", held, tb.errors, tb.fatal)
			}
			if test.fatal != "" && (len(tb.fatal) != 1 || !strings.Contains(tb.fatal[0], test.fatal) || len(tb.errors) > 0) {
				t.Errorf("said %q %q, want it fatal with %q", tb.errors, tb.fatal, test.fatal)
			}
			for _, part := range test.errors {
				if len(tb.errors) != 1 || !strings.Contains(tb.errors[0], part) {
					t.Errorf("said %q, want %q", tb.errors, part)
				}
			}
			if held {
				return
			}
			again := new(recorder)
			if test.assert(m, again); fmt.Sprint(*again) != fmt.Sprint(*tb) {
				t.Errorf("the second time it says something else:\n%v\n%v", *tb, *again)
			}
		})
	}
}

// TestMinerBaseline: written once, held by the same miner with no tolerance, and
// by no worse one; not by a miner that shuffles its results.
func TestMinerBaseline(t *testing.T) {
	t.Setenv("ECI_UPDATE", "")
	vectors, demo := demoSources(t)
	llm, random := demo[3], demo[4]
	file := filepath.Join(t.TempDir(), "new", "baseline.json")
	m := &eci.MinerTest{Sem: eci.Sem{Vectors: vectors, Groups: 8}, Reference: demo, Update: true}
	if !m.NotWorse(t.Context(), t, file, 0, llm, random) {
		t.Fatal("not written")
	}
	m.Update = false
	if !m.NotWorse(t.Context(), t, file, 0, random, llm) {
		t.Error("the same miner does not hold its own baseline")
	}
	llm.Name, random.Name = random.Name, llm.Name
	tb := new(recorder)
	if m.NotWorse(t.Context(), tb, file, 1, llm, random) || len(tb.errors) != 1 || len(tb.fatal) > 0 {
		t.Errorf("exchanged, the better one only must hold: %q %q", tb.errors, tb.fatal)
	} else {
		ranking, err := eci.Rank(t.Context(), &eci.Sem{Vectors: vectors, Groups: 8}, demo...)
		if err != nil {
			t.Fatal(err)
		}
		now, _ := ranking.Find("random")
		was, _ := ranking.Find("llm")
		want := fmt.Sprintf("llm may be worse than in %s: %.2f nats, was %.2f", file, now.Value, was.Value)
		if !strings.Contains(tb.errors[0], want) || !strings.Contains(tb.errors[0], "weigh least") {
			t.Errorf("%s, want %s", tb.errors[0], want)
		}
	}
	if !m.NotWorse(t.Context(), t, file, 12, random) {
		t.Error("the tolerance is not granted")
	}

	stored, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		reason string
		change func(m *eci.MinerTest)
		file   string // a replacement
		says   string
	}{
		{"another calibration", func(m *eci.MinerTest) { m.Reference = []eci.Source{firstRows(demo[0], 100)} }, "", "another calibration"},
		{"another eps^2", func(m *eci.MinerTest) { m.Sem.Epsilon2 = 0.25 }, "", "eps^2"},
		{"other components", func(m *eci.MinerTest) { m.Sem.Components = []eci.Component{eci.TargetConsistency{}} }, "", "components"},
		{"other groups", func(m *eci.MinerTest) { m.Sem.Groups = 16 }, "", "groups"},
		{"not JSON", nil, "}", "unreadable"},
		{"a later version", nil, strings.Replace(string(stored), `"version": 1`, `"version": 2`, 1), "version 2"},
		{"a source that is not in it", nil, strings.Replace(string(stored), `"llm"`, `"other"`, 1), `no score of "llm"`},
	} {
		m := &eci.MinerTest{Sem: eci.Sem{Vectors: vectors, Groups: 8}, Reference: demo}
		if test.change != nil {
			test.change(m)
		}
		at := file
		if test.file != "" {
			at = filepath.Join(t.TempDir(), "changed.json")
			if err := os.WriteFile(at, []byte(test.file), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		tb := new(recorder)
		if m.NotWorse(t.Context(), tb, at, 0, demo[3]) || len(tb.fatal) != 1 || !strings.Contains(tb.fatal[0], test.says) || !strings.Contains(tb.fatal[0], "ECI_UPDATE=1") {
			t.Errorf("%s: said %q %q", test.reason, tb.errors, tb.fatal)
		}
	}

	t.Setenv("ECI_UPDATE", "maybe")
	tb = new(recorder)
	if m.NotWorse(t.Context(), tb, file, 0, demo[3]); len(tb.fatal) != 1 || !strings.Contains(tb.fatal[0], "maybe") {
		t.Errorf("said %q", tb.fatal)
	}
	t.Setenv("ECI_UPDATE", "1")
	if !m.NotWorse(t.Context(), t, file, 0, demo[0]) {
		t.Error("not written anew")
	}
	var back struct{ Scores map[string]any }
	if raw, err := os.ReadFile(file); err != nil || json.Unmarshal(raw, &back) != nil || len(back.Scores) != 1 || back.Scores["bm25"] == nil {
		t.Errorf("%s %v", raw, err)
	}
}

// ExampleMinerTest stands in a file that ends in _test.go, with the test's own
// *testing.T.
func ExampleMinerTest() {
	TestMyMiner := func(t *testing.T) {
		vectors, sources := openDemo("mined", "bm25", "random")
		check := &eci.MinerTest{Sem: eci.Sem{Vectors: vectors}, Reference: sources[1:]}
		check.LintAtMost(t.Context(), t, nil, eci.SeverityError, 0.01, sources[0])
		check.Outranks(t.Context(), t, sources[0], sources[2])
		check.BeatsControls(t.Context(), t, sources[0])
		check.NotWorse(t.Context(), t, "testdata/baseline.json", 0.5, sources[0])
	}
	_ = TestMyMiner
}

// firstRows is a source cut short.
func firstRows(source eci.Source, n int) eci.Source {
	return eci.Source{Name: source.Name, Triples: func(yield func(eci.Triple, error) bool) {
		row := 0
		for t, err := range source.Triples {
			if row == n || !yield(t, err) {
				return
			}
			row++
		}
	}}
}
