package eci_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"example.com/eci"
)

// TestRowsWithoutTriples: a row that gives no triple is found with its place and is
// counted once, whatever the format, and never where its triples were counted.
func TestRowsWithoutTriples(t *testing.T) {
	type want struct {
		rows, triples, bad   int
		positives, negatives []int // the rows without
		severity             eci.Severity
	}
	error, info := eci.SeverityError, eci.SeverityInfo
	byID := eci.Files{Corpus: "corpus.tsv", Queries: "queries.tsv", Qrels: "qrels.txt"}
	for _, test := range []struct {
		reason string
		data   map[string]string
		files  eci.Files
		want   want
	}{
		{"empty lists", map[string]string{"a.jsonl": `{"query":"‹q›","pos":["‹p›"],"neg":["‹n›","‹m›"]}` + "\n" +
			`{"query":"two","pos":[],"neg":["‹n›"]}` + "\n\n" + `{"query":"four","pos":["‹p›"],"neg":[]}` + "\n"}, eci.Files{}, want{3, 2, 0, []int{2}, []int{4}, error}},
		{"neither counts as one", map[string]string{"a.jsonl": `{"query":"‹q›","pos":["‹p›"],"neg":["‹n›"]}` + "\n" + `{"query":"two","pos":[],"neg":[]}`}, eci.Files{}, want{2, 1, 0, []int{2}, nil, error}},
		{"null, as pandas writes it", map[string]string{"a.jsonl": `{"query":"‹q›","positive_passages":[{"text":"‹p›"}],"negative_passages":[{"text":"‹n›"}]}` + "\n" +
			`{"query":"‹q›","positive_passages":[{"text":"‹p›"}],"negative_passages":null}`}, eci.Files{}, want{2, 1, 0, nil, []int{2}, error}},
		{"elements of one list", map[string]string{"a.json": `[{"question":"‹q›","positive_ctxs":[{"text":"‹p›"}],"hard_negative_ctxs":[]},
{"question":"‹q›","positive_ctxs":[{"text":"‹p›"}],"hard_negative_ctxs":[{"text":"‹n›"}]}]`}, eci.Files{}, want{2, 1, 0, nil, []int{1}, error}},
		{"an n-tuple of padding alone", map[string]string{"a.csv": "anchor,positive,negative_1,negative_2\n‹q›,‹p›,‹n›,\n‹q›,‹p›,,\n"}, eci.Files{}, want{2, 1, 0, nil, []int{3}, error}},
		{"an empty cell is an empty text", map[string]string{"a.tsv": "anchor\tpositive\tnegative\n‹q›\t\t‹n›\n‹q›\t‹p›\t‹n›\n"}, eci.Files{}, want{2, 1, 1, nil, nil, ""}},
		{"lists in lists", map[string]string{"a.jsonl": `["‹q›",["‹p›"],["‹n›"]]` + "\n" + `["‹q›",[],["‹n›"]]`}, eci.Files{}, want{2, 1, 0, []int{2}, nil, error}},
		{"messages", map[string]string{"a.jsonl": `{"messages":[{"role":"user","content":"‹q›"}],"positive_messages":[[{"role":"user","content":"‹p›"}]],"negative_messages":[[{"role":"user","content":"‹n›"}]]}` + "\n" +
			`{"messages":[{"role":"user","content":"‹q›"}],"positive_messages":[[{"role":"user","content":"‹p›"}]],"negative_messages":[]}`}, eci.Files{}, want{2, 1, 0, nil, []int{2}, error}},
		{"a malformed row is one too, and not one without", map[string]string{"a.jsonl": `{"query":"‹q›","pos":["‹p›"],"neg":["‹n›"]}` + "\n" + `{"query":"‹q›","pos":[1],"neg":[]}`}, eci.Files{}, want{2, 1, 1, nil, nil, ""}},
		{"shards", map[string]string{"x/train-00000-of-00002.jsonl": `{"query":"‹q›","pos":["‹p›"],"neg":["‹n›"]}` + "\n" + `{"query":"‹q›","pos":["‹p›"],"neg":[]}`,
			"x/train-00001-of-00002.jsonl": `{"query":"‹q›","pos":["‹p›"],"neg":[]}`}, eci.Files{}, want{3, 1, 0, nil, []int{2, 1}, error}},
		{"a query of labeled pairs without a positive is no fault", map[string]string{"a.csv": "query,passage,label\n‹q›,‹p›,1\n‹q›,‹n›,0\ntwo,‹n›,0\ntwo,‹m›,0\n"}, eci.Files{}, want{4, 1, 0, []int{4}, nil, info}},
		{"nor is a query of a run that nobody judged", map[string]string{"a.run": "q1 Q0 d1 1 9 t\nq1 Q0 d2 2 8 t\n1 Q0 d2 1 9 t\n1 Q0 d3 2 8 t\n"}, byID, want{4, 1, 0, []int{3}, nil, info}},
		{"nor a source of several that has nothing for a query", map[string]string{"a.jsonl": `{"qid":"q1","pos":["d1"],"neg":{"x":["d2"]}}` + "\n" + `{"qid":"q1","pos":["d1"],"neg":{"x":[]}}`}, byID, want{2, 1, 0, nil, []int{2}, info}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			files := kindFiles()
			var names []string
			for name, data := range test.data {
				files[name] = &fstest.MapFile{Data: []byte(kindTexts.Replace(data))}
				names = append(names, name)
			}
			slices.Sort(names)
			test.files.FS = files
			sources, err := test.files.Sources(names...)
			if err != nil {
				t.Fatal(err)
			}
			l := eci.Linter{Examples: 10}
			report, clean, err := l.Clean(t.Context(), eci.Droppable(""), sources...)
			if err != nil {
				t.Fatal(err)
			}
			s := report.Sources[0]
			got := want{rows: s.Rows, triples: s.Triples, bad: s.Bad}
			for _, side := range []struct {
				kind eci.LintKind
				to   *[]int
				want []int
			}{{eci.LintNoPositives, &got.positives, test.want.positives}, {eci.LintNoNegatives, &got.negatives, test.want.negatives}} {
				f, ok := report.Find(s.Name, side.kind)
				if ok {
					got.severity = f.Severity
				}
				for _, at := range f.Examples {
					*side.to = append(*side.to, at.Row)
				}
				if ok && math.Abs(f.Share-float64(f.Count)/float64(s.Rows)) > 1e-15 {
					t.Errorf("%s: share %v of %d of %d rows", f.Kind, f.Share, f.Count, s.Rows)
				}
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(want{})); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			for _, err := range clean[0].Triples {
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestRankCountsRowsWithoutTriples: a ranking says how many rows gave none, and a
// reading that stops early changes nothing.
func TestRankCountsRowsWithoutTriples(t *testing.T) {
	files := map[string][]byte{}
	for _, name := range []string{"dense", "llm"} {
		raw, err := os.ReadFile(filepath.Join("testdata", "demo", "sources", name+".jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		for _, line := range bytes.Split(raw, []byte("\n"))[:60] {
			var r eci.Record
			if err := json.Unmarshal(line, &r); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&out, `{"query_id":%q,"query":%q,"positive_passages":[{"docid":%q,"text":%q}],"negative_passages":[{"docid":%q,"text":%q}]}`+"\n",
				r.QueryID, r.QueryText, r.PositiveID, r.PositiveText, r.NegativeID, r.NegativeText)
		}
		files[name+".jsonl"] = out.Bytes()
	}
	files["dense.jsonl"] = append(files["dense.jsonl"], `{"query":"a","positive_passages":[],"negative_passages":[{"text":"x"}]}
{"query":"b","positive_passages":[{"text":"x"}],"negative_passages":null}
{"query":"c","positive_passages":[{"text":"x"}],"negative_passages":[]}
`...)
	folder := fstest.MapFS{}
	for name, data := range files {
		folder[name] = &fstest.MapFile{Data: data}
	}
	vectors, err := eci.OpenVectors(filepath.Join("testdata", "demo", "vectors"))
	if err != nil {
		t.Fatal(err)
	}
	defer vectors.Close()
	sources, err := (&eci.Files{FS: folder}).Sources("dense.jsonl", "llm.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if p, n := sources[0].Barren(); p+n != 0 {
		t.Errorf("%d and %d before a reading", p, n)
	}
	ranking, err := eci.Rank(t.Context(), &eci.Sem{Vectors: vectors}, sources...)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := ranking.Find("dense")
	if diff := cmp.Diff(map[string]int{"no positive": 1, "no negative": 2}, got.Skipped); diff != "" {
		t.Error(diff)
	}
	if notes := strings.Join(ranking.Notes, "\n"); !strings.Contains(notes, "dense: 2 rows left out: no negative") {
		t.Error(notes)
	}
	for range sources[0].Triples {
		break
	}
	if p, n := sources[0].Barren(); p != 1 || n != 2 {
		t.Errorf("%d and %d behind a reading that stopped", p, n)
	}
}

// TestNoRowGivesATriple is an error, not a finding, in each format.
func TestNoRowGivesATriple(t *testing.T) {
	for reason, data := range map[string]string{
		"lists": `{"query":"q","pos":["p"],"neg":[]}`,
		"run":   "q1 Q0 d1 1 9 t\n",
		"other": "1 Q0 d1 1 9 t\n",
	} {
		files := kindFiles()
		files["a.x"] = &fstest.MapFile{Data: []byte(data)}
		f := eci.Files{FS: files, Corpus: "corpus.tsv", Queries: "queries.tsv", Qrels: "qrels.txt"}
		sources, err := f.Sources("a.x")
		if err == nil {
			_, err = new(eci.Linter).Lint(t.Context(), sources...)
		}
		if !errors.Is(err, eci.ErrEmptySource) || errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", reason, err)
		}
	}
}
