package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners"

	"example.com/eci"
	ecibeam "example.com/eci/beam"
	"example.com/eci/cmd/eci/report"
)

func TestMain(m *testing.M) { beam.Init(); os.Exit(m.Run()) }

// write writes the first rows of sources of the demo with their vectors, and returns
// the files.
func write(t *testing.T, dir string, rows int, names ...string) []string {
	t.Helper()
	vectors, err := eci.OpenVectors("../../../testdata/demo/vectors")
	if err != nil {
		t.Fatal(err)
	}
	defer vectors.Close()
	var files []string
	for _, name := range names {
		sources, err := (&eci.Files{}).Sources("../../../testdata/demo/sources/" + name + ".jsonl")
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		e := json.NewEncoder(&out)
		n := 0
		for triple, err := range sources[0].Triples {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n > rows {
				break
			}
			r := triple.(*eci.Record)
			row := map[string]any{"query_id": r.QueryID, "query": r.QueryText, "positive_id": r.PositiveID, "positive": r.PositiveText, "negative_id": r.NegativeID, "negative": r.NegativeText}
			for key, find := range map[string]func() ([]float32, error){
				"query_vector":    func() ([]float32, error) { return vectors.AppendQuery(nil, r.QueryID) },
				"positive_vector": func() ([]float32, error) { return vectors.AppendDocument(nil, r.PositiveID) },
				"negative_vector": func() ([]float32, error) { return vectors.AppendDocument(nil, r.NegativeID) },
			} {
				if row[key], err = find(); err != nil {
					t.Fatal(err)
				}
			}
			if err := e.Encode(row); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(dir, name+".jsonl")
		if err := os.WriteFile(path, out.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		files = append(files, path)
	}
	return files
}

// command runs the command with flags.
func command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var o options
	flags := flag.NewFlagSet("eci-beam", flag.ContinueOnError)
	o.register(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	err := o.run(t.Context(), &out)
	return out.String(), err
}

// rounded are the numbers of a page or of JSON with nine digits: sums in another order
// differ after that.
var longNumber = regexp.MustCompile(`-?\d+\.\d{6,}(e[-+]\d+)?`)

func rounded(text string) string {
	return longNumber.ReplaceAllStringFunc(text, func(s string) string {
		var x float64
		fmt.Sscan(s, &x)
		if math.Abs(x) < 1e-9 {
			return "0"
		}
		return fmt.Sprintf("%.9g", x)
	})
}

// While the sample holds all triples, the table, the JSON and the report are those of
// eci rank.
func TestReportIsThatOfOneMachine(t *testing.T) {
	dir := t.TempDir()
	files := write(t, dir, 90, "bm25", "llm")
	at := func(name string) string { return filepath.Join(dir, name) }
	table, err := command(t, "-rows", files[0], "-rows", files[1], "-summary", at("summary"), "-json", at("json"), "-html", at("html"), "-triples", "64", "-seed", "5", "-choose", at("chosen"), "-keep", "0.25", "-sample", "100")
	if err != nil {
		t.Fatal(err)
	}
	sources, err := (&eci.Files{}).Sources(files...)
	if err != nil {
		t.Fatal(err)
	}
	sem := eci.Sem{Seed: 5}
	want, err := eci.Rank(t.Context(), &eci.Lookahead{Sem: sem, Triples: 64}, sources...)
	if err != nil {
		t.Fatal(err)
	}
	found, err := (&eci.Linter{Examples: 1}).Lint(t.Context(), sources...)
	if err != nil {
		t.Fatal(err)
	}
	want.Notes = append(want.Notes, lintNotes(found)...)
	table, chosen, _ := strings.Cut(table, "rows to train on")
	if !strings.Contains(chosen, at("chosen")) || !strings.Contains(chosen, "labeled queries are too few") {
		t.Errorf("of the choice it says %q", chosen)
	}
	if table != want.String() {
		t.Errorf("the table is\n%s\nof one machine\n%s", table, want)
	}
	raw, err := json.MarshalIndent(want, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(at("json"))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := rounded(string(got)), rounded(string(raw)+"\n"); a != b {
		t.Errorf("the JSON differs: %s", difference(a, b))
	}

	data, err := report.Collect(t.Context(), &sem, want, nil, sources...)
	if err != nil {
		t.Fatal(err)
	}
	summary, err := ecibeam.ReadSummary(t.Context(), at("summary"))
	if err != nil {
		t.Fatal(err)
	}
	data.Settings = described(summary, want)
	page, err := os.ReadFile(at("html"))
	if err != nil {
		t.Fatal(err)
	}
	var alone bytes.Buffer
	if err := report.Write(&alone, data); err != nil {
		t.Fatal(err)
	}
	if a, b := rounded(string(page)), rounded(alone.String()); a != b {
		t.Errorf("the report differs: %s", difference(a, b))
	}

	chosenAsOneMachine(t, sources, at("chosen"))

	// The summary is enough for another look at it.
	second, err := command(t, "-again", "-summary", at("summary"), "-pool", "../../../testdata/demo/corpus.jsonl", "-pool-vectors", "../../../testdata/demo/vectors", "-qrels", "../../../testdata/demo/qrels.tsv")
	if err != nil || !strings.Contains(second, "in 500 documents") {
		t.Errorf("with a pool: %s (%v)", second, err)
	}
}

// chosenAsOneMachine compares the rows that the command has chosen with those of
// eci.Choose.
func chosenAsOneMachine(t *testing.T, sources []eci.Source, path string) {
	t.Helper()
	type row struct {
		Source    string  `json:"source"`
		Query     string  `json:"query"`
		Positive  string  `json:"positive"`
		Negative  string  `json:"negative"`
		Influence float64 `json:"influence"`
		Place     int     `json:"place"`
	}
	all := eci.Source{Name: "all", Triples: func(yield func(eci.Triple, error) bool) {
		for _, s := range sources {
			for x, err := range s.Triples {
				if !yield(x, err) {
					return
				}
			}
		}
	}}
	choice, err := (&eci.Choose{Keep: 0.25, Sample: 100, NoCheck: true, Lookahead: eci.Lookahead{Sem: eci.Sem{Seed: 5}}}).From(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[string]row)
	for c, err := range choice.Keep(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		want[c.Query()+"\n"+c.Positive()+"\n"+c.Negative()] = row{Query: c.Query(), Positive: c.Positive(), Negative: c.Negative(), Influence: c.Influence, Place: c.Place}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	for _, line := range lines {
		var got row
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		w := want[got.Query+"\n"+got.Positive+"\n"+got.Negative]
		if math.Abs(got.Influence-w.Influence) > 1e-6*math.Abs(w.Influence) || got.Source == "" {
			t.Errorf("chosen: %s; one machine has influence %v", line, w.Influence)
		}
		got.Source, got.Influence = "", w.Influence
		if got != w {
			t.Errorf("chosen: %s; one machine has %+v", line, w)
		}
	}
	if len(lines) != choice.Kept || choice.Kept == 0 || choice.Kept == choice.Triples {
		t.Errorf("%d rows are chosen, on one machine %d of %d", len(lines), choice.Kept, choice.Triples)
	}
}

// difference shows where two texts part.
func difference(a, b string) string {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	cut := func(s string) string { return s[max(0, min(i, len(s))-80):min(len(s), i+120)] }
	return fmt.Sprintf("at byte %d\n...%s...\nof one machine\n...%s...", i, cut(a), cut(b))
}

// A note says what was looked at in part, and what not at all.
func TestPartialSources(t *testing.T) {
	s := &ecibeam.Summary{Sources: []ecibeam.SourceSummary{
		{Name: "whole", Totals: eci.Totals{Triples: 1}, Sample: make([]eci.Record, 1)},
		{Name: "part", Totals: eci.Totals{Triples: 9}, Sample: make([]eci.Record, 2)},
		{Name: "none", Totals: eci.Totals{Triples: 9}},
	}}
	notes := strings.Join(partial(s), "\n")
	if !strings.Contains(notes, "2 of 9 of part;") || !strings.Contains(notes, "no triples of none") || strings.Contains(notes, "whole") {
		t.Error(notes)
	}
}

// Bad rows are counted in the ranking and written with their places.
func TestBadRowsAreCounted(t *testing.T) {
	dir := t.TempDir()
	files := write(t, dir, 60, "bm25")
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], append(text, "{\n"...), 0o666); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	args := []string{"-rows", files[0], "-lookahead=false"}
	if _, err := command(t, args...); err == nil || !strings.Contains(err.Error(), "row 61") {
		t.Errorf("a row that does not parse: %v", err)
	}
	table, err := command(t, append(args, "-dead", at("dead"), "-json", at("json"))...)
	if err != nil {
		t.Fatal(err)
	}
	dead, err := os.ReadFile(at("dead"))
	if err != nil || !strings.HasPrefix(string(dead), "bm25\t"+files[0]+"\t61\t") {
		t.Errorf("dead letters: %q (%v)", dead, err)
	}
	raw, err := os.ReadFile(at("json"))
	if err != nil || !strings.Contains(string(raw), `"malformed": 1`) {
		t.Errorf("the JSON does not count the row (%v)", err)
	}
	if strings.Contains(table, "of least hash") {
		t.Errorf("a whole source is called a sample:\n%s", table)
	}
}

func TestFlagsThatDoNotGoTogether(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"", "-rows"},
		{"-again", "-summary"},
		{"-summary s -rows r -pool p", "-pool-vectors"},
		{"-summary s -rows r -target p", "-target-vectors"},
		{"-summary s -rows r -target p -target-vectors v -qrels q", "has its own"},
		{"-summary s -rows r -calibration /nowhere", "/nowhere"},
		{"-again -summary s -choose c", "-rows"},
		{"-rows r -choose-apart", "-choose"},
		{"-rows r -keep 0", "(0, 1]"},
	} {
		if _, err := command(t, strings.Fields(test.args)...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, want %q", test.args, err, test.want)
		}
	}
	defer func(was string) { *runners.Runner = was }(*runners.Runner)
	*runners.Runner = "flink"
	if _, err := command(t, "-rows", "r"); err == nil || !strings.Contains(err.Error(), "-summary") {
		t.Errorf("workers elsewhere and no place that they share: %v", err)
	}
}
