package eci_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"example.com/eci"
)

const samples = "testdata/formats/"

// sampleTriples are the triples that every file of testdata/formats holds.
var sampleTriples = []string{
	"How do I keep cut apples from browning? | Apples Brush the slices with lemon juice; the acid slows the browning. | Apples keep for weeks in a cool cellar.",
	"How do I keep cut apples from browning? | Apples Brush the slices with lemon juice; the acid slows the browning. | An apple pie wants tart fruit & butter.",
	"Why does my bread not rise? | Yeast Old yeast is dead yeast: test a pinch in warm water, it should foam. | Slash the loaf with a \"lame\" before it goes into the oven.",
	"Why does my bread not rise? | Yeast Old yeast is dead yeast: test a pinch in warm water, it should foam. | Rye flour makes a dense, dark loaf.",
}

// collect returns the triples of a source as query | positive | negative.
func collect(t *testing.T, s eci.Source) []string {
	t.Helper()
	var triples []string
	for triple, err := range s.Triples {
		if err != nil {
			t.Fatalf("source %q: %v", s.Name, err)
		}
		triples = append(triples, triple.Query()+" | "+triple.Positive()+" | "+triple.Negative())
	}
	return triples
}

// TestFormats opens a sample of every format and finds the same triples. A file
// of several sources holds the first and third, and the second and fourth.
func TestFormats(t *testing.T) {
	numbered := eci.Files{Corpus: samples + "collection.tsv", Queries: samples + "queries.tsv"}
	beir := eci.Files{BEIR: samples + "beir"}
	for _, test := range []struct {
		file, reason string
		files        eci.Files
		names, rows  string
	}{
		{"record.jsonl", "ours", eci.Files{}, "record", "1 2 3 4"},
		{"record-sources.jsonl", "ours, with several sources", eci.Files{}, "bm25 dense", "1 3 2 4"},
		{"triplet.jsonl", "sentence-transformers", eci.Files{}, "triplet", "1 2 3 4"},
		{"triplet.jsonl.gz", "gzip", eci.Files{}, "triplet", "1 2 3 4"},
		{"n-tuple.jsonl", "sentence-transformers", eci.Files{}, "n-tuple", "1 1 2 2"},
		{"triplet.csv", "CSV with the usual names and CRLF", eci.Files{}, "triplet", "2 3 4 5"},
		{"n-tuple.csv", "CSV with other names and padding", eci.Files{}, "n-tuple", "2 2 3 3"},
		{"positions.csv", "CSV with unknown names counts columns", eci.Files{}, "positions", "2 3 4 5"},
		{"triplet.tsv", "TSV with a header", eci.Files{}, "triplet", "2 3 4 5"},
		{"multi-source.jsonl", "MS MARCO hard negatives", numbered, "bm25 dense", "1 2 1 2"},
		{"flagembedding.jsonl", "", eci.Files{}, "flagembedding", "1 1 2 2"},
		{"tevatron.jsonl", "titles, one of them null", eci.Files{}, "tevatron", "1 1 2 2"},
		{"tevatron-ids.jsonl", "the query's text is in the row", eci.Files{Corpus: samples + "beir/corpus.jsonl"}, "tevatron-ids", "1 1 2 2"},
		{"nemo.jsonl", "a string and a list", eci.Files{}, "nemo", "1 1 2 2"},
		{"dpr.json", "one list, indented", eci.Files{}, "dpr", "1 1 2 2"},
		{"triples.tsv", "MS MARCO triples of texts", eci.Files{}, "triples", "1 2 3 4"},
		{"qidpidtriples.tsv", "MS MARCO triples of ids", numbered, "qidpidtriples", "1 2 3 4"},
		{"bm25.run", "TREC run, BEIR folder", beir, "bm25", "1 3 4 6"},
		{"bm25.run", "TREC run, TREC qrels", eci.Files{BEIR: samples + "beir", Qrels: samples + "qrels.txt"}, "bm25", "1 3 4 6"},
	} {
		t.Run(strings.TrimSpace(test.file+" "+test.reason), func(t *testing.T) {
			sources, err := test.files.Sources(samples + test.file)
			if err != nil {
				t.Fatal(err)
			}
			var names, got, rows, want []string
			for _, s := range sources {
				names = append(names, s.Name)
				once := collect(t, s)
				if diff := cmp.Diff(once, collect(t, s)); diff != "" {
					t.Errorf("the second pass differs: %s", diff)
				}
				got = append(got, once...)
				for triple := range s.Triples {
					file, row := triple.(eci.Located).Location()
					if rows = append(rows, fmt.Sprint(row)); file != samples+test.file {
						t.Errorf("file %q", file)
					}
				}
			}
			want = sampleTriples
			if len(sources) == 2 {
				want = []string{want[0], want[2], want[1], want[3]}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{test.names, test.rows}, []string{strings.Join(names, " "), strings.Join(rows, " ")}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFilesNameSources(t *testing.T) {
	files := eci.Files{Corpus: samples + "collection.tsv", Queries: samples + "queries.tsv"}
	sources, err := files.Sources(samples+"multi-source.jsonl", samples+"triplet.csv", samples+"record-sources.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range sources {
		names = append(names, s.Name)
	}
	want := []string{"multi-source/bm25", "multi-source/dense", "triplet", "record-sources/bm25", "record-sources/dense"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	_, err = files.Sources(samples+"triplet.csv", samples+"triplet.jsonl")
	if !errors.Is(err, eci.ErrSourceName) || !strings.Contains(err.Error(), "triplet.jsonl") {
		t.Errorf("two files of one name: %v", err)
	}
}

func TestFilesKeepIDs(t *testing.T) {
	for _, test := range []struct{ file, want string }{
		{"record.jsonl", "q1 d1 d2"}, {"tevatron.jsonl", "q1 d1 d2"}, {"bm25.run", "q1 d1 d2"}, {"tevatron-ids.jsonl", "q1 d1 d2"},
	} {
		sources, err := (&eci.Files{BEIR: samples + "beir"}).Sources(samples + test.file)
		if err != nil {
			t.Fatal(err)
		}
		for triple, err := range sources[0].Triples {
			if err != nil {
				t.Fatal(err)
			}
			q, p, n := triple.(eci.Identified).IDs()
			if got := q + " " + p + " " + n; got != test.want {
				t.Errorf("%s: ids %s, want %s", test.file, got, test.want)
			}
			break
		}
	}
}

func gzipped(parts ...string) []byte {
	var b bytes.Buffer
	for _, part := range parts {
		w := gzip.NewWriter(&b)
		w.Write([]byte(part))
		w.Close()
	}
	return b.Bytes()
}

func utf16le(s string) []byte {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return b
}

// TestFilesVariants: what differs in form and is the same in content.
func TestFilesVariants(t *testing.T) {
	good := `{"query":"q","positive":"p","negative":"n"}` + "\n"
	longest := strings.Repeat("a long word ", 60000)
	for _, test := range []struct {
		reason, name, data string
		files              eci.Files
		want               []string
	}{
		{"CRLF", "a.jsonl", strings.ReplaceAll(good+good, "\n", "\r\n"), eci.Files{}, []string{"q | p | n", "q | p | n"}},
		{"UTF-8 byte order mark", "a.jsonl", "\xef\xbb\xbf" + good, eci.Files{}, []string{"q | p | n"}},
		{"byte order mark in a CSV", "a.csv", "\xef\xbb\xbfanchor,positive,negative\nq,p,n\n", eci.Files{}, []string{"q | p | n"}},
		{"byte order mark in a list", "a.json", "\xef\xbb\xbf [" + good + "]", eci.Files{}, []string{"q | p | n"}},
		{"no newline at the end", "a.jsonl", strings.TrimSpace(good), eci.Files{}, []string{"q | p | n"}},
		{"blank lines", "a.jsonl", "\n\n" + good + "\n  \n" + good, eci.Files{}, []string{"q | p | n", "q | p | n"}},
		{"gzip of two members", "a", string(gzipped(good, good)), eci.Files{}, []string{"q | p | n", "q | p | n"}},
		{"a line longer than the buffer", "a.jsonl", `{"query":"` + longest + `","positive":"p","negative":"n"}` + "\n" + good, eci.Files{}, []string{longest + " | p | n", "q | p | n"}},
		{"a line break in a CSV cell", "a.csv", "anchor,positive,negative\n\"q\n2\",\"p, \"\"x\"\"\",n\n", eci.Files{}, []string{"q\n2 | p, \"x\" | n"}},
		{"a TSV that pandas wrote", "a.tsv", "anchor\tpositive\tnegative\n\"a \"\"b\"\"\tc\"\t\"quoted\" word\tn\n", eci.Files{}, []string{"a \"b\"\tc | \"quoted\" word | n"}},
		{"quotes in MS MARCO triples are text", "a.tsv", "\"q\"\tp\tn\n", eci.Files{Format: eci.FormatTriplesTSV}, []string{`"q" | p | n`}},
		{"commas in a TSV", "a.txt", "a, b\tp, c\tn o\n", eci.Files{}, []string{"a, b | p, c | n o"}},
		{"a tab in the first row of a CSV", "a.csv", "anchor,positive,negative,a\tb\nq,p,n,x\n", eci.Files{}, []string{"q | p | n"}},
		{"names in capitals", "a.csv", "Query,Positive,Negative\nq,p,n\n", eci.Files{}, []string{"q | p | n"}},
		{"a CSV with ids and score", "a.csv", "query_id,query,score,positive,negative\n1,q,0.5,p,n\n", eci.Files{}, []string{"q | p | n"}},
		{"a TSV with a header of unknown names", "a.tsv", "x\ty\tz\nq\tp\tn\n", eci.Files{Format: eci.FormatTriplet}, []string{"q | p | n"}},
		{"fields of the user's own", "a.jsonl", `{"ask":"q","gold":["p"],"bad_2":"n2","bad_1":["n1",{"title":"T","text":"n"}]}`, eci.Files{Fields: eci.Fields{Query: "ask", Positive: "gold", Negative: "bad"}}, []string{"q | p | n1", "q | p | T n", "q | p | n2"}},
		{"columns of the user's own", "a.csv", "n,ask,gold,bad\n1,q,p,n\n", eci.Files{Fields: eci.Fields{Query: "ask", Positive: "gold", Negative: "bad"}}, []string{"q | p | n"}},
		{"DPR's other negatives", "a.json", `[{"question":"q","positive_ctxs":[{"text":"p"}],"negative_ctxs":[{"title":"T","text":"n"}],"hard_negative_ctxs":[]}]`, eci.Files{Fields: eci.Fields{Negative: "negative_ctxs"}}, []string{"q | p | T n"}},
		{"DPR, one object a line", "a.jsonl", `{"question":"q","positive_ctxs":[{"text":"p"}],"hard_negative_ctxs":[{"title":null,"text":"n"}]}`, eci.Files{}, []string{"q | p | n"}},
		{"every positive with every negative", "a.jsonl", `{"query":"q","pos":["p1","p2"],"neg":["n1","n2"]}`, eci.Files{}, []string{"q | p1 | n1", "q | p1 | n2", "q | p2 | n1", "q | p2 | n2"}},
		{"the first negative only", "a.jsonl", `{"query":"q","pos":["p1","p2"],"neg":["n1","n2"]}`, eci.Files{MaxNegatives: 1}, []string{"q | p1 | n1", "q | p2 | n1"}},
		{"a row without negatives is none", "a.jsonl", `{"query":"q","pos":["p"],"neg":[]}` + "\n" + `{"query":"q","pos":["p"],"neg":["n"]}`, eci.Files{}, []string{"q | p | n"}},
		{"an n-tuple padded with null", "a.jsonl", `{"anchor":"q","positive":"p","negative_1":"n","negative_2":null}`, eci.Files{}, []string{"q | p | n"}},
		{"brackets and quotes in a list's texts", "a.json", `[{"query":"q]}\"","positive":"{[\\","negative":"n"} , ` + good + "]\n", eci.Files{}, []string{`q]}" | {[\ | n`, "q | p | n"}},
		{"a text that begins with a bracket", "a.tsv", "[1] q\tp a\tn b\n", eci.Files{}, []string{"[1] q | p a | n b"}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			test.files.FS = fstest.MapFS{test.name: {Data: []byte(test.data)}}
			sources, err := test.files.Sources(test.name)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, collect(t, sources[0])); diff != "" || sources[0].Name != "a" {
				t.Errorf("source %q: %s", sources[0].Name, diff)
			}
		})
	}
}

// TestFilesBadInput: each a message with file, row and what to try, from
// Sources or from the source.
func TestFilesBadInput(t *testing.T) {
	good := `{"query":"q","positive":"p","negative":"n"}` + "\n"
	whole := gzipped(strings.Repeat(good, 1000))
	texts := fstest.MapFS{
		"corpus.jsonl":  {Data: []byte(`{"_id":"1","text":"one"}` + "\n" + `{"_id":"2","text":"two"}` + "\n")},
		"queries.jsonl": {Data: []byte(`{"_id":"1","text":"one?"}` + "\n")},
		"qrels.tsv":     {Data: []byte("query-id\tcorpus-id\tscore\n1\t1\t1\n")},
		"twice.jsonl":   {Data: []byte(`{"_id":"1","text":"one"}` + "\n\n" + `{"_id":"1","text":"two"}` + "\n")},
		"bare.jsonl":    {Data: []byte(`{"_id":"1","text":"one"}` + "\n" + `{"_id":"2"}` + "\n")},
		"three.tsv":     {Data: []byte("1\ta\tb\n")},
		"broken.tsv":    {Data: []byte("1\ta\n2\n")},
		"twice.gz":      {Data: gzipped("1\ta\n", "2\tb\n1\tc\n")},
		"fine.gz":       {Data: gzipped("1\ta\n", "2\tb\n")},
		"beir/x.jsonl":  {Data: []byte(good)},
		"judged.txt":    {Data: []byte("1 0 1 1\n1 0 2\tyes\n")},
		"folder/a.md":   {Data: []byte("x")},
	}
	ids := func(corpus string) eci.Files {
		return eci.Files{Corpus: corpus, Queries: "queries.jsonl", Qrels: "qrels.tsv"}
	}
	run := "1 Q0 2 1 3.5 t\n"
	for _, test := range []struct {
		reason string
		data   string
		files  eci.Files
		want   error
		file   string
		row    int
		says   string
	}{
		{"an empty file", "", eci.Files{}, eci.ErrEmptySource, "x", 0, "empty"},
		{"blanks only", "\n \n", eci.Files{}, eci.ErrEmptySource, "x", 0, "empty"},
		{"an empty list", " [ ] ", eci.Files{}, eci.ErrEmptySource, "x", 0, "empty"},
		{"a binary file", "\x7fELF\x00\x01", eci.Files{}, eci.ErrFormat, "x", 0, "binary"},
		{"an .npy array", "\x93NUMPY\x01\x00", eci.Files{}, eci.ErrFormat, "x", 0, "OpenVectors"},
		{"UTF-16", string(utf16le(good)), eci.Files{}, eci.ErrFormat, "x", 0, "iconv"},
		{"zstd without a decoder", "\x28\xb5\x2f\xfd....", eci.Files{}, eci.ErrFormat, "x", 0, "formats.Decoders()"},
		{"parquet without a decoder", "PAR1....PAR1", eci.Files{}, eci.ErrFormat, "x", 0, "formats.Decoders()"},
		{"a zip", "PK\x03\x04....", eci.Files{}, eci.ErrFormat, "x", 0, "unpack"},
		{"a cut gzip", string(whole[:len(whole)-9]), eci.Files{}, io.ErrUnexpectedEOF, "x", 0, "gzip"},
		{"a damaged gzip", string(whole[:len(whole)-6]) + "xxxxxx", eci.Files{}, gzip.ErrChecksum, "x", 1001, "fetch"},
		{"gzip in name only", "\x1f\x8bnot", eci.Files{}, eci.ErrFormat, "x", 0, "gzip"},
		{"prose", "no format at all\n", eci.Files{}, eci.ErrFormat, "x", 1, "neither"},
		{"unknown fields", `{"a":1,"b":2}`, eci.Files{}, eci.ErrFormat, "x", 1, "Files.Fields"},
		{"a corpus", `{"_id":"1","text":"one"}`, eci.Files{}, eci.ErrFormat, "x", 1, "Files.Corpus"},
		{"vectors", `{"id":"1","vector":[1]}`, eci.Files{}, eci.ErrFormat, "x", 1, "OpenVectors"},
		{"qrels", "1 0 1 1\n", eci.Files{}, eci.ErrFormat, "x", 1, "Files.Qrels"},
		{"BEIR's qrels", "query-id\tcorpus-id\tscore\n", eci.Files{}, eci.ErrFormat, "x", 1, "Files.Qrels"},
		{"indented JSON", "{\n \"query\":\"q\"\n}", eci.Files{}, eci.ErrFormat, "x", 1, "JSON"},
		{"a list of two texts", `["q","p"]`, eci.Files{}, eci.ErrMissingField, "x", 1, "a list of 2"},
		{"a list of texts in a list of objects", `[{"query":"q","positive":"p","negative":"n"},["q","p","n"]]`, eci.Files{}, eci.ErrMalformed, "x", 2, "object"},
		{"a list cut short", "[" + good + "," + good[:20], eci.Files{}, io.ErrUnexpectedEOF, "x", 2, "cut short"},
		{"a list with something behind it", "[" + good + "]\n" + good, eci.Files{}, eci.ErrFormat, "x", 2, "after"},
		{"a list without a comma", "[" + good + good + "]", eci.Files{}, eci.ErrFormat, "x", 2, "comma"},
		{"mixed formats", good + `{"query":"q","pos":["p"],"neg":["n"]}`, eci.Files{}, eci.ErrMissingField, "x", 2, "split files"},
		{"mixed formats the other way", `{"query":"q","pos":["p"],"neg":["n"]}` + "\n" + good, eci.Files{}, eci.ErrMissingField, "x", 2, "looks like eci"},
		{"JSON behind a table", "anchor\tpositive\tnegative\nq\tp\tn\n" + `{"query":"q"}` + "\n", eci.Files{}, eci.ErrMalformed, "x", 3, "JSON"},
		{"a number in a list of texts", `{"query":"q","pos":["p"],"neg":["n",7]}`, eci.Files{}, eci.ErrMalformed, "x", 1, "element 2"},
		{"a passage without text", `{"query":"q","positive_passages":[{"docid":"1"}],"negative_passages":[]}`, eci.Files{}, eci.ErrMissingField, "x", 1, "element 1"},
		{"a source in a later row only", good + `{"query":"q","positive":"p","negative":"n","source":"bm25"}`, eci.Files{}, eci.ErrMalformed, "x", 2, "none in the first"},
		{"a source in the first row only", `{"query":"q","positive":"p","negative":"n","source":"bm25"}` + "\n" + good, eci.Files{}, eci.ErrMissingField, "x", 2, "source"},
		{"duplicate columns", "anchor,positive,negative,positive\n", eci.Files{}, eci.ErrMalformed, "x", 1, "columns 2 and 4"},
		{"duplicate columns in a TSV", "anchor\tpositive\tpositive\n", eci.Files{}, eci.ErrMalformed, "x", 1, "columns 2 and 3"},
		{"a header without a negative", "anchor,positive\n", eci.Files{}, eci.ErrMissingField, "x", 1, "Files.Fields"},
		{"a CSV without a header", "What is a fig?,A fruit it is,No\n", eci.Files{}, eci.ErrFormat, "x", 1, "header"},
		{"a CSV of two unknown columns", "a,b\n", eci.Files{}, eci.ErrMissingField, "x", 1, "three columns"},
		{"a TSV of four unknown columns", "a\tb\tc\td\n", eci.Files{}, eci.ErrFormat, "x", 1, "FormatTriplet"},
		{"a row with a column too many", "anchor,positive,negative\nq,p,n\nq,p,n,x\n", eci.Files{}, eci.ErrMalformed, "x", 3, "4 here, 3"},
		{"a line break inside an MS MARCO triple", "a q\ta p\tan n\na q\ta p\n", eci.Files{}, eci.ErrMalformed, "x", 2, "line break"},
		{"a stray quote in a CSV", "anchor,positive,negative\nq,a \"b\" c,n\n", eci.Files{}, eci.ErrMalformed, "x", 2, "double those"},
		{"an empty text in a table", "anchor,positive,negative\nq,p,\n", eci.Files{}, eci.ErrEmptyText, "x", 2, "negative"},
		{"an unknown format", good, eci.Files{Format: "xml"}, eci.ErrSettings, "", 0, "xml"},
		{"JSON asked to be a table", good, eci.Files{Format: eci.FormatTriplesTSV}, eci.ErrFormat, "x", 1, "triples-tsv"},
		{"a table asked to be JSON", "q\tp\tn\n", eci.Files{Format: eci.FormatNeMo}, eci.ErrMalformed, "x", 1, "JSON"},
		{"a negative number of negatives", good, eci.Files{MaxNegatives: -1}, eci.ErrSettings, "", 0, "MaxNegatives"},
		{"ids without a corpus", "1\t1\t2\n", eci.Files{}, eci.ErrMissingField, "", 0, "Files.Corpus"},
		{"ids of documents without a corpus", `{"query_id":"1","query_text":"q","positive_document_ids":["1"],"negative_document_ids":["2"]}`, eci.Files{}, eci.ErrMissingField, "", 0, "Files.Corpus"},
		{"a run without qrels", run, eci.Files{Corpus: "corpus.jsonl", Queries: "queries.jsonl"}, eci.ErrMissingField, "", 0, "Files.Qrels"},
		{"a corpus that is not there", run, ids("absent"), fs.ErrNotExist, "absent", 0, ""},
		{"an id that is not in the corpus", "1\t1\t2\n1\t1\t9\n", ids("corpus.jsonl"), eci.ErrMissingField, "x", 2, `"9" is not in corpus.jsonl`},
		{"a query that is not there", "7\t1\t2\n", ids("corpus.jsonl"), eci.ErrMissingField, "x", 1, "query id"},
		{"a retrieved document that is not there", run + "1 Q0 9 2 2 t\n", ids("corpus.jsonl"), eci.ErrMissingField, "x", 2, `"9"`},
		{"a document id twice", run, ids("twice.jsonl"), eci.ErrMalformed, "twice.jsonl", 3, "row 1"},
		{"the same, compressed", run, ids("twice.gz"), eci.ErrMalformed, "twice.gz", 3, "row 1"},
		{"a corpus row without text", run, ids("bare.jsonl"), eci.ErrMissingField, "bare.jsonl", 2, "text"},
		{"a corpus of three columns", run, ids("three.tsv"), eci.ErrFormat, "three.tsv", 1, "3 columns"},
		{"a corpus row without a tab", run, ids("broken.tsv"), eci.ErrMalformed, "broken.tsv", 2, "tab"},
		{"a compressed corpus that is too large", run, func() eci.Files { f := ids("fine.gz"); f.TextBytes = 100; return f }(), eci.ErrFormat, "fine.gz", 2, "decompress"},
		{"a run whose query comes back", run + "2 Q0 2 1 3 t\n" + run, ids("corpus.jsonl"), eci.ErrFormat, "x", 3, "sort"},
		{"a run with a NaN", run + "1 Q0 2 1 NaN t\n", ids("corpus.jsonl"), eci.ErrMalformed, "x", 2, "TREC"},
		{"a run of other queries", "q1 Q0 2 1 3 t\n", ids("corpus.jsonl"), eci.ErrEmptySource, "x", 0, "ids"},
		{"bad qrels", run, func() eci.Files { f := ids("corpus.jsonl"); f.Qrels = "judged.txt"; return f }(), eci.ErrMalformed, "judged.txt", 2, "grade"},
		{"a folder without qrels", run, func() eci.Files { f := ids("corpus.jsonl"); f.Qrels = "folder"; return f }(), eci.ErrFormat, "", 0, ".qrels"},
		{"a folder that is not BEIR's", good, eci.Files{BEIR: "beir"}, eci.ErrFormat, "", 0, "qrels"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			fsys := fstest.MapFS{"x": {Data: []byte(test.data)}}
			for name, f := range texts {
				fsys[name] = f
			}
			test.files.FS = fsys
			sources, err := test.files.Sources("x")
			if err == nil {
				for _, s := range sources {
					for triple, rowErr := range s.Triples {
						if rowErr != nil && err == nil {
							err = rowErr
						} else if rowErr == nil && triple.Negative() == "" {
							err = rank(t, s)
						}
					}
				}
			}
			checkError(t, err, test.want, test.file, test.row, test.says)
		})
	}
	for _, path := range []string{"testdata", "absent.jsonl"} {
		if _, err := new(eci.Files).Sources(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v", path, err)
		}
	}
	if _, err := new(eci.Files).Sources(); !errors.Is(err, eci.ErrNoSources) {
		t.Errorf("no paths: %v", err)
	}
}

func rank(t *testing.T, s eci.Source) error {
	_, err := eci.Rank(t.Context(), &eci.Sem{Vectors: table()}, s)
	return err
}

func checkError(t *testing.T, err, want error, file string, row int, says string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if !errors.Is(err, want) {
		t.Errorf("error %q does not wrap %q", err, want)
	}
	if !strings.HasPrefix(err.Error(), "eci: ") || strings.Count(err.Error(), "eci: ") != 1 || !strings.Contains(err.Error(), says) {
		t.Errorf("error %q: want one eci: in front and %q", err, says)
	}
	var at *eci.RowError
	if file == "" {
		return
	}
	if !errors.As(err, &at) || at.File != file || row > 0 && at.Row != row {
		t.Errorf("error %q: want it at %s, row %d", err, file, row)
	}
}

// TestFilesGoOn: a bad row is left out by policy and the next one is read.
func TestFilesGoOn(t *testing.T) {
	for name, data := range map[string]string{
		"a.jsonl": `{"query":"q","pos":["p"],"neg":["n"]}` + "\n{\n" + `{"query":"q"}` + "\n" + `{"query":"q","pos":["p"],"neg":["n"]}`,
		"a.csv":   "anchor,positive,negative\nq,p,n\nq,p\nq,\"p\"x,n\nq,p,n\n",
		"a.tsv":   "1\t1\t2\n1\t1\t8\n1\t9\t2\n1\t1\t2\n",
	} {
		files := eci.Files{FS: fstest.MapFS{name: {Data: []byte(data)},
			"c": {Data: []byte("1\tp\n2\tn\n")}, "q": {Data: []byte("1\tq\n")}}}
		if name == "a.tsv" {
			files.Corpus, files.Queries = "c", "q"
		}
		sources, err := files.Sources(name)
		if err != nil {
			t.Fatal(err)
		}
		good, bad := 0, 0
		for _, err := range sources[0].Triples {
			switch {
			case err == nil:
				good++
			case errors.Is(err, eci.ErrMalformed), errors.Is(err, eci.ErrMissingField):
				bad++
			default:
				t.Error(err)
			}
		}
		if good != 2 || bad != 2 {
			t.Errorf("%s: %d good rows and %d bad ones, want 2 and 2", name, good, bad)
		}
	}
}

// TestFilesLongLine: 64 MB are the most that one row may take.
func TestFilesLongLine(t *testing.T) {
	if eci.UnderRace {
		t.Skip("long under the race detector, and starts no goroutine of its own")
	}
	if testing.Short() {
		t.Skip("writes 140 MB")
	}
	long := strings.Repeat("x", 66<<20)
	for name, data := range map[string]string{
		"a.jsonl": `{"query":"q","positive":"p","negative":"n"}` + "\n" + `{"query":"` + long + `"}`,
		"a.json":  `[{"query":"q","positive":"p","negative":"n"},{"query":"` + long + `"}]`,
		"a.csv":   "anchor,positive,negative\n\"" + long,
		"a.tsv":   "a q\ta p\tan n\n" + long,
	} {
		sources, err := (&eci.Files{FS: fstest.MapFS{name: {Data: []byte(data)}}}).Sources(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, rowErr := range sources[0].Triples {
			if rowErr != nil {
				err = rowErr
			}
		}
		if !errors.Is(err, eci.ErrFormat) || !strings.Contains(err.Error(), "64 MB") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// FuzzFiles: whatever the bytes, no panic, and every error says eci once.
func FuzzFiles(f *testing.F) {
	entries, err := os.ReadDir(samples)
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			data, err := os.ReadFile(samples + e.Name())
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	for _, text := range []string{
		"query,passage,label\nq,p,1\\\nq,n,0\n", `{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"p"}],"rejected_response":["n",null]}`,
		"a|b|c\n,,\n||\n", "anchor\tpositive\tnegative\nq\tp\t\"n\nm\"\n", `["` + strings.Repeat(`a","`, 150) + `"]`, "a\rb\rc",
	} {
		f.Add([]byte(text))
	}
	corpus := &fstest.MapFile{Data: []byte("1\ta\n2\tb\nd1\tc\n")}
	f.Fuzz(func(t *testing.T, data []byte) {
		check := func(err error) {
			if err != nil && (!strings.HasPrefix(err.Error(), "eci: ") || strings.Contains(strings.ReplaceAll(err.Error()[5:], string(data), ""), "eci: eci: ")) {
				t.Errorf("error %q", err)
			}
		}
		fsys := fstest.MapFS{"x": {Data: data}, "c": corpus, "r": {Data: []byte("1 0 1 1\n")}}
		for _, files := range []eci.Files{{FS: fsys}, {FS: fsys, Corpus: "c", Queries: "c", Qrels: "r"}, {FS: fsys, Corpus: "x", Queries: "x", Qrels: "x"}} {
			sources, err := files.Sources("x")
			check(err)
			for _, s := range sources {
				for triple, err := range s.Triples {
					if check(err); err == nil && triple == nil {
						t.Error("a nil triple")
					}
				}
			}
		}
	})
}

// ExampleFiles opens what a TREC run retrieved and a file of mined negatives, as
// sources to rank; the format of each is found from its content.
func ExampleFiles() {
	files := &eci.Files{BEIR: "testdata/formats/beir"}
	sources, err := files.Sources("testdata/formats/bm25.run", "testdata/formats/tevatron.jsonl")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range sources {
		fmt.Println(s.Name)
		for triple, err := range s.Triples {
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Println(" ", triple.Query(), "/", triple.Negative())
		}
	}
	// Output:
	// bm25
	//   How do I keep cut apples from browning? / Apples keep for weeks in a cool cellar.
	//   How do I keep cut apples from browning? / An apple pie wants tart fruit & butter.
	//   Why does my bread not rise? / Slash the loaf with a "lame" before it goes into the oven.
	//   Why does my bread not rise? / Rye flour makes a dense, dark loaf.
	// tevatron
	//   How do I keep cut apples from browning? / Apples keep for weeks in a cool cellar.
	//   How do I keep cut apples from browning? / An apple pie wants tart fruit & butter.
	//   Why does my bread not rise? / Slash the loaf with a "lame" before it goes into the oven.
	//   Why does my bread not rise? / Rye flour makes a dense, dark loaf.
}
