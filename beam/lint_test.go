package ecibeam

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/fileio"

	"example.com/eci"
)

// linting counts the rules over shards, each of them a bundle.
func linting(t *testing.T, fn *lintFn, shards [][]eci.Record) map[string]map[eci.LintKind]int {
	t.Helper()
	if err := fn.Setup(); err != nil {
		t.Fatal(err)
	}
	var pieces []piece
	emit := func(source string, c counts) {
		(lintedFn{}).ProcessElement(source, c, func(p piece) { pieces = append(pieces, through(t, p, encodePiece, decodePiece)) })
	}
	for _, shard := range shards {
		fn.StartBundle(emit)
		for _, r := range shard[:len(shard)/2] { // a bundle that is killed sends nothing
			fn.ProcessElement(r, emit)
		}
		fn.StartBundle(emit)
		for _, r := range shard {
			fn.ProcessElement(r, emit)
		}
		fn.FinishBundle(emit)
	}
	h, err := sorted(pieces)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]map[eci.LintKind]int)
	for at := range h.whole {
		if out[at.source], err = counted[eci.LintKind](h, at); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// Rules that need one row are counted over all rows, whatever the bundles are; the
// others over the sample, and say so.
func TestLintCountsAllRows(t *testing.T) {
	c := demo(t)
	damage := []func(r *eci.Record){
		func(r *eci.Record) { r.NegativeText, r.NegativeID = r.PositiveText, "" },
		func(r *eci.Record) { r.NegativeText += "\x00 <br> and Ã©" },
		func(r *eci.Record) { r.NegativeText = "In short: " + r.QueryText },
		func(r *eci.Record) { r.QueryVector = slices.Clone(r.QueryVector); r.QueryVector[0] += 2 },
	}
	for i := range c.rows {
		if i%7 == 0 {
			damage[i/7%len(damage)](&c.rows[i])
		}
	}
	s := &Summary{Settings: Settings{}, Skipped: map[string]map[string]int{"dense": {"empty text": 4, "bad vector": 9}}}
	var sources []eci.Source
	for _, source := range c.sources {
		var rows []*eci.Record
		x := SourceSummary{Name: source.Name}
		for i, r := range c.rows {
			if r.SourceName == source.Name {
				if rows = append(rows, &c.rows[i]); len(rows)%3 == 0 && source.Name != "llm" { // which has no sample
					x.Sample = append(x.Sample, r)
				}
			}
		}
		sources, s.Sources = append(sources, eci.SourceOf(source.Name, rows)), append(s.Sources, x)
	}
	whole, err := (&eci.Linter{}).Lint(t.Context(), sources...)
	if err != nil {
		t.Fatal(err)
	}
	s.Rules = linting(t, &lintFn{}, c.split(1, 1))
	for _, n := range []int{3, 17} {
		if other := linting(t, &lintFn{}, c.split(n, uint64(n))); !reflect.DeepEqual(other, s.Rules) {
			t.Errorf("%d shards: %v, one %v", n, other, s.Rules)
		}
	}
	report, err := s.Lint(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	exact := 0
	for _, w := range whole.Findings {
		if s.Rules[w.Source][w.Kind] == 0 {
			continue // compares rows
		}
		exact++
		got, ok := report.Find(w.Source, w.Kind)
		if w.Source == "dense" {
			w.Share = float64(w.Count) / float64(s.Rules["dense"][lintedRows]+4)
		}
		if !ok || got.Count != w.Count || got.Share != w.Share || got.Severity != w.Severity || got.Detail != w.Detail {
			t.Errorf("%+v, one machine %+v", got, w)
		}
	}
	sampled := 0
	for i, f := range report.Findings {
		if f.Kind == eci.LintEmpty {
			if f.Source != "dense" || f.Count != 4 || f.Severity != eci.SeverityError {
				t.Errorf("empty texts: %+v", f)
			}
		} else if s.Rules[f.Source][f.Kind] == 0 {
			if sampled++; !strings.Contains(f.Detail, "sampled rows") {
				t.Errorf("%+v does not say that it is of a sample", f)
			}
		}
		if i > 0 && f.Severity == eci.SeverityError && report.Findings[i-1].Severity != eci.SeverityError {
			t.Errorf("an error after a %s", report.Findings[i-1].Severity)
		}
	}
	if exact < 10 || sampled == 0 {
		t.Errorf("%d findings of all rows and %d of samples: too few to tell anything", exact, sampled)
	}
	for i, linted := range report.Sources {
		if n := s.Rules[linted.Name][lintedRows]; linted.Name != s.Sources[i].Name || linted.Triples != n || linted.Rows != n+linted.Bad {
			t.Errorf("%+v, want %d rows", linted, n)
		}
	}
	for _, l := range []eci.Linter{{MinTokens: 3}, {Tokenizer: eci.CharacterNGrams{N: 4}}, {Examples: -1}} {
		if _, err := s.Lint(t.Context(), &l); !errors.Is(err, eci.ErrSettings) {
			t.Errorf("%+v: %v", l, err)
		}
	}
}

// Rows of a file that give no triple are counted, with their file, and fail nothing.
func TestBarrenRowsAreCounted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mined-3.jsonl")
	const text = `{"query":"a","pos":["b"],"neg":["c","d"]}
{"query":"e","pos":["f"],"neg":[]}
{"query":"g","pos":["h"],"neg":[]}
{"query":"i","pos":[],"neg":["j"]}
`
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	rows := 0
	var bad []DeadRow
	err := (&readFn{}).ProcessElement(t.Context(), fileio.FileMetadata{Path: path, Size: int64(len(text))}, func(eci.Record) { rows++ }, func(d DeadRow) { bad = append(bad, d) })
	if err != nil || rows != 2 || len(bad) != 2 {
		t.Fatalf("%d rows, %v, %v", rows, bad, err)
	}
	got := make(counts)
	for _, d := range bad {
		if d.Source != "mined" || d.File != path || d.Error == "" {
			t.Errorf("%+v", d)
		}
		(reasonsFn{}).ProcessElement(d, func(source string, c counts) { addCounts(got, c) })
	}
	if got["no positive"] != 1 || got["no negative"] != 2 || len(got) != 2 {
		t.Errorf("counts %v", got)
	}
}
