package eci_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"example.com/eci"
)

// readAll collects the records and errors of one pass.
func readAll(s eci.Source) (rows []eci.Record, errs []error) {
	for triple, err := range s.Triples {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		rows = append(rows, *triple.(*eci.Record))
	}
	return rows, errs
}

func TestJSONLShapes(t *testing.T) {
	record := func(q, p, n string) eci.Record {
		return eci.Record{QueryText: q, PositiveText: p, NegativeText: n, File: "a.jsonl", Row: 1}
	}
	full := record("q", "p", "n")
	full.QueryID, full.PositiveID, full.NegativeID = "1", "d7", "9"
	full.QueryVector, full.PositiveVector, full.NegativeVector = []float32{1, 0}, []float32{0.5, -2e-3}, []float32{0, 1}
	for _, test := range []struct {
		reason, line string
		want         []eci.Record
	}{
		{"ours, with ids of both kinds and vectors", `{"query_id":1,"query":"q","positive_id":"d7","positive":"p","negative_id":9,"negative":"n","source":"x","query_vector":[1,0],"positive_vector":[0.5,-2e-3],"negative_vector":[0,1]}`, []eci.Record{full}},
		{"sentence-transformers triplet", `{"anchor":"q","positive":"p","negative":"n"}`, []eci.Record{record("q", "p", "n")}},
		{"other names of the columns", `{"question":"q","answer":"p","negative":"n"}`, []eci.Record{record("q", "p", "n")}},
		{"n-tuple in the order of the numbers, not of the text", `{"anchor":"q","positive":"p","negative_10":"c","negative_2":"b","negative_1":"a"}`, []eci.Record{record("q", "p", "a"), record("q", "p", "b"), record("q", "p", "c")}},
		{"other fields are ignored, whatever they are", `{"anchor":"q","positive":"p","negative":"n","score":{"a":[1,null]},"negative_x":1}`, []eci.Record{record("q", "p", "n")}},
		{"null ids are no ids", `{"query_id":null,"query":"q","positive":"p","negative":"n","negative_id":null}`, []eci.Record{record("q", "p", "n")}},
		{"escapes", `{"query":"q\u00e9\n\"","positive":"\ud83d\ude00","negative":"a\/b"}`, []eci.Record{record("q\u00e9\n\"", "😀", "a/b")}},
		{"a byte order mark", "\ufeff" + `{"query":"q","positive":"p","negative":"n"}`, []eci.Record{record("q", "p", "n")}},
		{"Windows line ends and blanks", "  " + `{"query":"q","positive":"p","negative":"n"}` + "\t\r", []eci.Record{record("q", "p", "n")}},
	} {
		got, errs := readAll(lines("a", test.line))
		if diff := cmp.Diff(test.want, got); diff != "" || errs != nil {
			t.Errorf("%s: %v %s", test.reason, errs, diff)
		}
	}
}

func TestJSONLRefuses(t *testing.T) {
	for _, test := range []struct {
		reason, line string
		want         error
		says         string
	}{
		{"no JSON", `query`, eci.ErrMalformed, "JSON object"},
		{"half an object", `{"query":"q"`, eci.ErrMalformed, ""},
		{"two objects", `{"query":"q","positive":"p","negative":"n"}{}`, eci.ErrMalformed, ""},
		{"a list", `["q","p","n"]`, eci.ErrMalformed, ""},
		{"no query", `{"positive":"p","negative":"n"}`, eci.ErrMissingField, "query or anchor"},
		{"a null query", `{"query":null,"positive":"p","negative":"n"}`, eci.ErrMissingField, "query"},
		{"no negative", `{"query":"q","positive":"p"}`, eci.ErrMissingField, "negative"},
		{"a list as positive", `{"query":"q","positive":["p"],"negative":"n"}`, eci.ErrMalformed, "positive"},
		{"a number as one of several negatives", `{"query":"q","positive":"p","negative_1":"n","negative_2":2}`, eci.ErrMalformed, "negative_2"},
		{"an object as id", `{"query":"q","positive":"p","negative":"n","query_id":{}}`, eci.ErrMalformed, "query_id"},
		{"two bad ids: the first in the order of the fields above", `{"query":"q","positive":"p","negative":"n","positive_id":[],"query_id":true}`, eci.ErrMalformed, "query_id"},
		{"a vector of words", `{"query":"q","positive":"p","negative":"n","query_vector":["a"]}`, eci.ErrMalformed, "query_vector"},
		{"a vector with null, which is not 0", `{"query":"q","positive":"p","negative":"n","query_vector":[1,null]}`, eci.ErrMalformed, "component 2"},
		{"a vector in a text", `{"query":"q","positive":"p","negative":"n","positive_vector":"[1,2]"}`, eci.ErrMalformed, "positive_vector"},
		{"a vector beyond float32", `{"query":"q","positive":"p","negative":"n","negative_vector":[1e39]}`, eci.ErrMalformed, "negative_vector"},
	} {
		// Other bad rows do not hide it, and reading goes on after it.
		got, errs := readAll(lines("a", line(1), "", test.line, line(2)))
		if len(errs) != 1 || len(got) != 2 {
			t.Errorf("%s: %d rows, errors %v", test.reason, len(got), errs)
			continue
		}
		var at *eci.RowError
		if err := errs[0]; !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) || !errors.As(err, &at) || at.File != "a.jsonl" || at.Row != 3 {
			t.Errorf("%s: error %q, want %q at a.jsonl row 3 with %q", test.reason, err, test.want, test.says)
		}
	}
}

func TestJSONLFiles(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "bm25.top.jsonl")
	if err := os.WriteFile(file, []byte(line(1)+"\n"+line(2)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := eci.JSONL(file)
	if s.Name != "bm25.top" {
		t.Errorf("name %q", s.Name)
	}
	for range 2 { // it can be read again
		if rows, errs := readAll(s); len(rows) != 2 || errs != nil {
			t.Error(rows, errs)
		}
	}
	for range s.Triples {
		break // and left early
	}
	for _, test := range []struct {
		reason string
		source eci.Source
		want   error
	}{
		{"a file that is not there", eci.JSONL(filepath.Join(dir, "gone.jsonl")), fs.ErrNotExist},
		{"a directory", eci.JSONL(dir), eci.ErrFormat},
		{"a file that is not in the file system", eci.JSONLFrom(fstest.MapFS{}, "gone.jsonl"), fs.ErrNotExist},
	} {
		if rows, errs := readAll(test.source); len(rows) != 0 || len(errs) != 1 || !errors.Is(errs[0], test.want) {
			t.Errorf("%s: %v", test.reason, errs)
		}
		if _, err := eci.Rank(t.Context(), &eci.Sem{}, test.source); !errors.Is(err, test.want) || strings.Count(err.Error(), "eci: ") != 1 {
			t.Errorf("%s: %v", test.reason, err)
		}
	}
}

// FuzzJSONL: any bytes give records or errors with a row (or ErrFormat, which
// may be of the whole file), never a panic, and every record has a place.
func FuzzJSONL(f *testing.F) {
	f.Add([]byte(line(1)))
	f.Add([]byte(`{"anchor":"q","positive":"p","negative_1":"n","negative_2":"m"}`))
	f.Add([]byte("{}\n\n[1]\n{\"query\":\"\\ud800\",\"positive\":\"p\",\"negative\":\"n\"}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := eci.JSONLFrom(fstest.MapFS{"f.jsonl": {Data: data}}, "f.jsonl")
		rows, errs := readAll(s)
		again, errs2 := readAll(s)
		if diff := cmp.Diff(rows, again); diff != "" || len(errs) != len(errs2) {
			t.Error("two readings differ:", diff)
		}
		for i, err := range errs {
			var at *eci.RowError
			if !errors.As(err, &at) || at.Row < 1 && !errors.Is(err, eci.ErrFormat) || err.Error() != errs2[i].Error() {
				t.Errorf("error %q has no row or is not the same twice", err)
			}
		}
		for _, r := range rows {
			if r.Row < 1 || r.File != "f.jsonl" {
				t.Errorf("%+v has no place", r)
			}
		}
	})
}

// TestJSONLNamesFiles: a file that is not of JSONL's shapes is one for Files, which the
// error of its first row says. A bad row among good ones is only that.
func TestJSONLNamesFiles(t *testing.T) {
	for _, test := range []struct {
		reason, data string
		want         bool
	}{
		{"a TSV", "query\tpositive\tnegative\nq\tp\tn\n", true},
		{"a CSV", "query,positive,negative\nq,p,n\n", true},
		{"a TREC run", "q1 Q0 d1 1 2.5 bm25\n", true},
		{"a compressed TSV", string(gzipped("q\tp\tn\n")), true},
		{"Parquet", "PAR1", true},
		{"one JSON list", `[{"query":"q","positive":"p","negative":"n"}]`, true},
		{"lists of texts", `{"query":"q","pos":["p"],"neg":["n"]}`, true},
		{"a bad second row", `{"query":"q","positive":"p","negative":"n"}` + "\n{\n", false},
	} {
		_, errs := readAll(eci.JSONLFrom(fstest.MapFS{"a": {Data: []byte(test.data)}}, "a"))
		if len(errs) == 0 || strings.Contains(errs[0].Error(), "Files") != test.want {
			t.Errorf("%s: errors %v, want Files named: %v", test.reason, errs, test.want)
		}
	}
}
