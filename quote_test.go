package eci

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"
)

func TestClip(t *testing.T) {
	for _, test := range []struct{ why, in, want string }{
		{"short", "a text", "a text"},
		{"exactly as long as may be", strings.Repeat("é", quotedRunes), strings.Repeat("é", quotedRunes)},
		{"longer: no rune is cut", strings.Repeat("漢", 1<<20), strings.Repeat("漢", quotedRunes) + "…"},
		{"no UTF-8", strings.Repeat("\xff", 100), strings.Repeat("\xff", quotedRunes) + "…"},
	} {
		if got := clip(test.in); got != test.want || clip([]byte(test.in)) != got {
			t.Errorf("%s: %q, want %q", test.why, got, test.want)
		}
	}
	names := make([]string, 1000)
	for i := range names {
		names[i] = strings.Repeat("x", 1000)
	}
	if got := clipNames(names); len(got) > 2000 || !strings.HasSuffix(got, " and 980 more") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
	if got := clipNames(names[:2]); got != clip(names[0])+", "+clip(names[1]) {
		t.Errorf("%q", got)
	}
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
		{"an id twice", good, corpus + long + "\tx\n" + long + "\tx\n", ""},
		{"a source that the first row has not", good + `{"query":"q","positive":"p","negative":"n","source":"` + long + `"}`, "", ""},
		{"a number that is too large", good + `{"query":"q","positive":"p","negative":"n","query_vector":[` + strings.Repeat("1", 1<<18) + `]}`, "", ""},
		{"columns with one name", header, "", ""},
		{"a header without a query", "positive\t" + strings.ReplaceAll(header, "q\t", long[:9]+"\t"), "", ""},
		{"no line of a run", "q Q0 d1 1 1 x\n" + long, corpus, "q 0 d1 1\n"},
		{"no judgement", "q Q0 d1 1 1 x\n", corpus, long},
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
