package eci_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"example.com/eci"
)

// TestDocumentsOfAnyLayout: the documents of a corpus are the same from each layout that
// people have it in, and ids alone are no corpus.
func TestDocumentsOfAnyLayout(t *testing.T) {
	for _, test := range []struct {
		reason, data, want string
		err                error
	}{
		{"JSON lines", `{"_id":"a","title":"T","text":"one"}` + "\n" + `{"_id":"b","text":"two"}` + "\n", "a=T one b=two", nil},
		{"one list", `[{"_id":"a","title":"T","text":"one"},` + "\n" + `{"_id":"b","text":"two"}]`, "a=T one b=two", nil},
		{"a list on lines of its own", "\xef\xbb\xbf[\n  {\n    \"docid\": 1,\n    \"text\": \"one\"\n  }\n]\n", "1=one", nil},
		{"TSV", "a\tone\nb\ttwo\n", "a=one b=two", nil},
		{"TSV with a header", "id\ttitle\ttext\na\tT\tone\nb\t\ttwo\n", "a=T one b=two", nil},
		{"CSV with a header", "id,title,text\na,T,\"one\"\nb,,\"two, or\nthree\"\n", "a=T one b=two, or\nthree", nil},
		{"CSV with semicolons", "\xef\xbb\xbfid;title;text\r\na;;\"one; two\"\r\n", "a=one; two", nil},
		{"a list of texts", `["one","two"]`, "", eci.ErrFormat},
		{"documents without ids", `{"text":"one"}`, "", eci.ErrMissingField},
		{"a CSV whose first column is no id", "title,text\nT,one\n", "title,text= T,one=", nil},
		{"ids", "a\nb\n", "a= b=", nil},
		{"ids with commas", "a,1\nb,2\n", "a,1= b,2=", nil},
		{"a list cut short", `[{"_id":"a","text":"one"},{"_id":"b"`, "a=one", eci.ErrFormat},
		{"a row of the CSV cut short", "id,text\na,one\nb\n", "a=one", eci.ErrMalformed},
	} {
		files := eci.Files{FS: fstest.MapFS{"c": {Data: []byte(test.data)}}}
		var got []string
		var last error
		for d, err := range files.Documents("c") {
			if last = err; err == nil {
				got = append(got, fmt.Sprintf("%s=%s", d.ID, d.Text))
			}
		}
		if strings.Join(got, " ") != test.want || (test.err == nil) != (last == nil) || test.err != nil && !errors.Is(last, test.err) && !errors.Is(last, eci.ErrMalformed) {
			t.Errorf("%s: %q, error %v; want %q and %v", test.reason, got, last, test.want, test.err)
		}
	}
}

// TestRelabelKeepsFieldsOfTheirDocuments: a suspect that becomes a positive takes its own
// score with it, and leaves that of the former positive.
func TestRelabelKeepsFieldsOfTheirDocuments(t *testing.T) {
	extra := func(of, value string) eci.Extra { return eci.Extra{Name: "score", Of: of, Value: []byte(value)} }
	v := func(x ...float32) []float32 { return x }
	row := func(i int, negative string, score string, vector []float32) *eci.Record {
		q := fmt.Sprintf("query %d", i)
		return &eci.Record{QueryText: q, PositiveText: fmt.Sprintf("ripe fig fruit %d", i), NegativeText: negative, QueryVector: v(1, .1, float32(i)/10), PositiveVector: v(1, .5, float32(i)/10), NegativeVector: vector,
			Extra: []eci.Extra{{Name: "prompt", Value: []byte(`"x"`)}, extra("positive", "0.9"), extra("negative", score)}}
	}
	var rows []*eci.Record
	for i := range 6 {
		rows = append(rows, row(i, fmt.Sprintf("ripe fig fruit %d", i)+".", "0.8", v(1, .45, float32(i)/10)), row(i, fmt.Sprintf("walls of stone %d", i), "0.1", v(-.2, 1, float32(i)/10)))
	}
	source := eci.SourceOf("a", rows)
	sem := &eci.Sem{}
	var err error
	if sem.Calibration, err = sem.Calibrate(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	relabeled, err := sem.Relabel(t.Context(), source, 0.3)
	if err != nil {
		t.Fatal(err)
	}
	added := 0
	for triple, err := range relabeled.Source.Triples {
		if err != nil {
			t.Fatal(err)
		}
		r := triple.(*eci.Record)
		scores := map[string]string{}
		for _, e := range r.Extra {
			scores[e.Of] = string(e.Value)
		}
		want := "0.9"
		if strings.HasSuffix(r.PositiveText, ".") {
			want, added = "0.8", added+1
		}
		if len(r.Extra) != 3 || scores["positive"] != want || scores["negative"] != "0.1" || scores[""] != `"x"` {
			t.Errorf("%q: %v", r.PositiveText, scores)
		}
	}
	if added == 0 {
		t.Error("nothing was relabeled")
	}
}
