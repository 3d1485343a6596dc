package eci

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"
)

// TestWorkIsLinear reads inputs that are large in one direction. Work that grew
// with the square of their size would run into the time limit of the tests.
func TestWorkIsLinear(t *testing.T) {
	if testing.Short() || UnderRace {
		t.Skip("reads inputs of 30 MB, in one goroutine")
	}
	const n = 1 << 19
	t.Run("judgments of one query", func(t *testing.T) {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "q 0 d%d 1\n", i%(n-5))
		}
		judged, err := (&Files{FS: fstest.MapFS{"r": {Data: []byte(b.String())}}, Qrels: "r"}).Relevant()
		if err != nil || len(judged["q"]) != n-5 || judged["q"][7] != "d7" {
			t.Errorf("%d judgments, error %v", len(judged["q"]), err)
		}
	})
	t.Run("negatives of one row", func(t *testing.T) {
		var b strings.Builder
		b.WriteString(`{"anchor":"q","positive":"p"`)
		for i := range n {
			fmt.Fprintf(&b, `,"negative_%d":"n"`, n-i)
		}
		b.WriteString(`,"negative_3":"last"}`)
		rows := 0
		for triple, err := range JSONLFrom(fstest.MapFS{"x": {Data: []byte(b.String())}}, "x").Triples {
			if rows++; err != nil || rows == 3 != (triple.Negative() == "last") {
				t.Fatalf("row %d: %v, error %v", rows, triple, err)
			}
		}
		if rows != n {
			t.Errorf("%d triples, want %d", rows, n)
		}
	})
	t.Run("columns of a table", func(t *testing.T) {
		var b strings.Builder
		b.WriteString("query\tpositive")
		for i := range n {
			fmt.Fprintf(&b, "\tnegative_%d", i)
		}
		b.WriteString("\nq\tp" + strings.Repeat("\tn", n) + "\n")
		sources, err := (&Files{FS: fstest.MapFS{"x.tsv": {Data: []byte(b.String())}}}).Sources("x.tsv")
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		for _, err := range sources[0].Triples {
			if rows++; err != nil {
				t.Fatal(err)
			}
		}
		if rows != n {
			t.Errorf("%d triples, want %d", rows, n)
		}
	})
	t.Run("sources of one file", func(t *testing.T) {
		var b strings.Builder
		for i := range n / 4 {
			fmt.Fprintf(&b, `{"query":"q","positive":"p","negative":"n","source":"row %d"}`+"\n", i)
		}
		_, err := (&Files{FS: fstest.MapFS{"x": {Data: []byte(b.String())}}}).Sources("x")
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "row 1001") || !strings.Contains(err.Error(), "1000 sources") {
			t.Errorf("error %v", err)
		}
	})
}

// TestErrorsAreShort: whatever is long in the data, its error is not.
func TestErrorsAreShort(t *testing.T) {
	long := strings.Repeat("long", 1<<16)
	var fields strings.Builder
	for i := range 1 << 14 {
		fmt.Fprintf(&fields, `"field%d%s":1,`, i, long[:100])
	}
	header := strings.ReplaceAll(strings.Repeat("q ", 1<<14), " ", "\t") + "x"
	good := `{"query":"q","positive":"p","negative":"n"}` + "\n"
	corpus := "d1\ta\nd2\tb\nq\tx\n"
	for _, test := range []struct{ why, rows, corpus, qrels string }{
		{"no known field", `{` + fields.String() + `"x":1}`, "", ""},
		{"a field that is missing", good + `{"query":"q",` + fields.String() + `"x":1}`, "", ""},
		{"an id that is no id", good + `{"query":"q","positive":"p","negative":"n","query_id":[` + long + `]}`, "", ""},
		{"a long id without a text", `{"query_id":"q","positive_id":"d1","negative_id":"` + long + `"}`, corpus, ""},
		{"an id twice", good, corpus + long + "\tx\n" + long + "\ty\n", ""},
		{"a source that the first row has not", good + `{"query":"q","positive":"p","negative":"n","source":"` + long + `"}`, "", ""},
		{"a number that is too large", good + `{"query":"q","positive":"p","negative":"n","query_vector":[` + strings.Repeat("1", 1<<18) + `]}`, "", ""},
		{"columns with one name", header, "", ""},
		{"a header without a query", "positive\t" + strings.ReplaceAll(header, "q\t", long[:9]+"\t"), "", ""},
		{"no line of a run", "q Q0 d1 1 1 x\n" + long, corpus, "q 0 d1 1\n"},
		{"no judgment", "q Q0 d1 1 1 x\n", corpus, long},
		{"no table", long, "", ""},
		{"a query in two places", fmt.Sprintf("%s Q0 d1 1 1 x\nq Q0 d1 1 1 x\n%[1]s Q0 d1 1 1 x\n", long), corpus, "q 0 d2 1\n"},
	} {
		fsys := fstest.MapFS{"x": {Data: []byte(test.rows)}, "c": {Data: []byte(test.corpus)}, "r": {Data: []byte(test.qrels)}}
		files := Files{FS: fsys}
		if test.corpus != "" {
			files.Corpus, files.Queries = "c", "c"
		}
		if test.qrels != "" {
			files.Qrels = "r"
		}
		sources, err := files.Sources("x")
		for _, s := range sources {
			for _, rowErr := range s.Triples {
				if rowErr != nil {
					err = rowErr
				}
			}
		}
		if err == nil || len(err.Error()) > 5000 || !utf8.ValidString(err.Error()) {
			t.Errorf("%s: an error of %d bytes: %.200v", test.why, len(fmt.Sprint(err)), err)
		}
	}
}

// TestCompressedIsLimited: what is loaded of a compressed file is limited,
// because a small one may hold very much.
func TestCompressedIsLimited(t *testing.T) {
	for _, test := range []struct {
		why, text string
		read      func(f *Files) error
	}{
		{"a corpus", "d%d\ttext\n", func(f *Files) error {
			f.Corpus, f.Queries, f.Format = "x", "queries", FormatTripleIDsTSV
			_, err := f.Sources("rows")
			return err
		}},
		{"judgments", "q 0 d%d 1\n", func(f *Files) error { f.Qrels = "x"; _, err := f.Relevant(); return err }},
	} {
		var text strings.Builder
		for i := range 1000 {
			fmt.Fprintf(&text, test.text, i)
		}
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Write([]byte(text.String()))
		w.Close()
		fsys := fstest.MapFS{"x": {Data: b.Bytes()}, "queries": {Data: []byte("q1\ttext\n")}, "rows": {Data: []byte("q1\td1\td2\n")}}
		if err := test.read(&Files{FS: fsys, TextBytes: 1000}); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "TextBytes") {
			t.Errorf("%s: error %v", test.why, err)
		}
		if err := test.read(&Files{FS: fsys, TextBytes: 1 << 20}); err != nil {
			t.Errorf("%s: error %v", test.why, err)
		}
		fsys["x"].Data = []byte(text.String())
		if err := test.read(&Files{FS: fsys, TextBytes: 1000}); err != nil {
			t.Errorf("%s, not compressed: error %v", test.why, err)
		}
	}
}
