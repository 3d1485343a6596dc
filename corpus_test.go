package eci

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// corpusLines is a corpus of n documents, some longer than a read, with its
// texts as they are to be found.
func corpusLines(n int) (string, map[string]string) {
	var b strings.Builder
	want := make(map[string]string, n)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		id, title := fmt.Sprint("doc", i), []string{"", "Title", "é \"quoted\""}[i%3]
		text := strings.Repeat("words and \\ escapes\n", random.IntN(8))
		if i%97 == 5 {
			text = strings.Repeat("a text of many kilobytes ", 900)
		}
		row, _ := json.Marshal(map[string]any{"_id": id, "title": title, "text": text + fmt.Sprint(i)})
		b.Write(row)
		b.WriteString([]string{"\n", "\r\n", "\n\n"}[i%3])
		want[id] = strings.TrimPrefix(title+" ", " ") + text + fmt.Sprint(i)
	}
	return b.String(), want
}

func writeFile(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCorpusAgainstMap: the index over a plain file, and the same file
// compressed and loaded, give the texts of a map.
func TestCorpusAgainstMap(t *testing.T) {
	data, want := corpusLines(500)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	w.Write([]byte(data))
	w.Close()
	for name, content := range map[string][]byte{
		"plain.jsonl": []byte(data), "packed.gz": packed.Bytes(), "no-end.jsonl": []byte(strings.TrimSpace(data)), "mark.jsonl": []byte("\xef\xbb\xbf" + data),
	} {
		t.Run(name, func(t *testing.T) {
			file, err := new(Files).openTexts(writeFile(t, name, content), false)
			if err != nil {
				t.Fatal(err)
			}
			if indexed := file.loaded == nil; indexed == strings.HasSuffix(name, ".gz") || indexed && len(file.index) != len(want) {
				t.Errorf("indexed %v, %d entries", indexed, len(file.index))
			}
			reader, err := file.reader()
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Close()
			for range 3 { // the later passes find some in the cache
				for id, text := range want {
					if got, err := reader.text(id); err != nil || got != text {
						t.Fatalf("%s: %.50q, error %v; want %.50q", id, got, err, text)
					}
				}
			}
			if _, err := reader.text("doc500"); !errors.Is(err, ErrMissingField) || !strings.Contains(err.Error(), name) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestCorpusCollisions: ids that share a hash are told apart by their lines.
func TestCorpusCollisions(t *testing.T) {
	if UnderRace {
		t.Skip("long under the race detector, and starts no goroutine of its own")
	}
	data, want := corpusLines(60)
	file, err := new(Files).openTexts(writeFile(t, "c.jsonl", []byte(data)), false)
	if err != nil {
		t.Fatal(err)
	}
	// Give every entry the hash of one id, as if all had collided.
	for id, text := range want {
		hash := textHash(id)
		for i := range file.index {
			file.index[i].hash = hash
		}
		if err := file.sort(); err != nil {
			t.Fatal("different ids of one hash:", err)
		}
		reader, err := file.reader()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := reader.text(id); err != nil || got != text {
			t.Errorf("%s: %.50q, error %v", id, got, err)
		}
		reader.Close()
	}
}

func TestCorpusChanged(t *testing.T) {
	data, _ := corpusLines(10)
	path := writeFile(t, "c.jsonl", []byte(data))
	file, err := new(Files).openTexts(path, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data[3:]), 0o666); err != nil {
		t.Fatal(err)
	}
	reader, err := file.reader()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if _, err := reader.text("doc3"); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("error %v", err)
	}
	os.Remove(path)
	if _, err := file.reader(); err == nil {
		t.Error("no error for a corpus that is gone")
	}
}

// TestCorpusHeaders: TSV with a header, as DPR's psgs_w100.tsv.
func TestCorpusHeaders(t *testing.T) {
	for _, test := range []struct{ reason, data, id, want string }{
		{"DPR's order", "id\ttext\ttitle\n1\t\"a \"\"b\"\"\"\tT\n", "1", "T a \"b\""},
		{"without a title", "text\tpid\nx\t7\n", "7", "x"},
		{"a tab in a text without a header", "7\tx\n8\ty\tz\n", "8", "y\tz"},
		{"a title without a text", `{"docid":1,"title":"T","text":""}`, "1", "T"},
		{"other names", `{"pid":"1","contents":"x"}`, "1", "x"},
	} {
		file, err := new(Files).openTexts(writeFile(t, "c", []byte(test.data)), false)
		if err != nil {
			t.Fatal(test.reason, err)
		}
		reader, err := file.reader()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := reader.text(test.id); err != nil || got != test.want {
			t.Errorf("%s: %q, error %v", test.reason, got, err)
		}
		reader.Close()
	}
}

// TestRunAgainstBruteForce pairs a run with its judgements by definition.
func TestRunAgainstBruteForce(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var run, judged, corpus, queries strings.Builder
	relevant := map[string]map[string]bool{}
	var want []string
	const documents = 40
	for d := range documents {
		fmt.Fprintf(&corpus, "d%d\ttext of d%d\n", d, d)
	}
	for q := range 30 {
		query := fmt.Sprint("q", q)
		fmt.Fprintf(&queries, "%s\ttext of %s\n", query, query)
		relevant[query] = map[string]bool{}
		var positives, negatives []string
		for _, d := range random.Perm(documents)[:random.IntN(4)] {
			grade := random.IntN(3)
			fmt.Fprintf(&judged, "%s\t0\td%d  %d\n", query, d, grade)
			if grade > 0 {
				relevant[query][fmt.Sprint("d", d)] = true
				positives = append(positives, fmt.Sprint("d", d))
			}
		}
		for rank, d := range random.Perm(documents)[:15] {
			fmt.Fprintf(&run, "%s Q0 d%d %d %g tag\n", query, d, rank+1, float64(100-rank/2)) // pairs of equal scores
			if id := fmt.Sprint("d", d); !relevant[query][id] && len(negatives) < 7 {
				negatives = append(negatives, id)
			}
		}
		for _, p := range positives {
			for _, n := range negatives {
				want = append(want, query+" "+p+" "+n)
			}
		}
	}
	files := &Files{Corpus: writeFile(t, "c.tsv", []byte(corpus.String())), Queries: writeFile(t, "q.tsv", []byte(queries.String())),
		Qrels: writeFile(t, "qrels.txt", []byte(judged.String())), MaxNegatives: 7}
	sources, err := files.Sources(writeFile(t, "bm25.run", []byte(run.String())))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for triple, err := range sources[0].Triples {
		if err != nil {
			t.Fatal(err)
		}
		r := triple.(*Record)
		got = append(got, r.QueryID+" "+r.PositiveID+" "+r.NegativeID)
		if r.NegativeText != "text of "+r.NegativeID || r.PositiveText != "text of "+r.PositiveID || r.QueryText != "text of "+r.QueryID {
			t.Fatalf("texts of other ids: %+v", r)
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") || len(want) == 0 {
		t.Errorf("%d triples, by definition %d", len(got), len(want))
	}
}

// BenchmarkCorpus reads texts of a plain corpus at random.
func BenchmarkCorpus(b *testing.B) {
	data, _ := corpusLines(20000)
	file, err := new(Files).openTexts(writeFile(b, "c.jsonl", []byte(data)), false)
	if err != nil {
		b.Fatal(err)
	}
	reader, err := file.reader()
	if err != nil {
		b.Fatal(err)
	}
	defer reader.Close()
	random := rand.New(rand.NewPCG(5, 6))
	for b.Loop() {
		if _, err := reader.text(fmt.Sprint("doc", random.IntN(20000))); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFiles reads synthetic rows of about 300 bytes; -benchtime 1x with
// ECI_ROWS=1000000 reads a million.
func BenchmarkFiles(b *testing.B) {
	rows := 100000
	if s := os.Getenv("ECI_ROWS"); s != "" {
		fmt.Sscan(s, &rows)
	}
	words := strings.Fields("the quick method of keeping apples fresh is to brush them with lemon juice and leave them in a cool place")
	random := rand.New(rand.NewPCG(7, 8))
	phrase := func(n int) string {
		out := make([]string, n)
		for i := range out {
			out[i] = words[random.IntN(len(words))]
		}
		return strings.Join(out, " ")
	}
	type format struct {
		name string
		row  func(q, p, n string) string
		head string
	}
	for _, f := range []format{
		{"record.jsonl", func(q, p, n string) string {
			return fmt.Sprintf(`{"query_id":"17","query":%q,"positive_id":"4","positive":%q,"negative_id":"5","negative":%q}`, q, p, n)
		}, ""},
		{"flagembedding.jsonl", func(q, p, n string) string { return fmt.Sprintf(`{"query":%q,"pos":[%q],"neg":[%q]}`, q, p, n) }, ""},
		{"tevatron.jsonl", func(q, p, n string) string {
			return fmt.Sprintf(`{"query_id":"1","query":%q,"positive_passages":[{"docid":"7","title":"","text":%q}],"negative_passages":[{"docid":"9","title":"","text":%q}]}`, q, p, n)
		}, ""},
		{"dpr.json", func(q, p, n string) string {
			return fmt.Sprintf(`{"question":%q,"positive_ctxs":[{"title":"","text":%q}],"hard_negative_ctxs":[{"title":"","text":%q}]},`, q, p, n)
		}, "["},
		{"triplet.csv", func(q, p, n string) string { return fmt.Sprintf("%q,%q,%q", q, p, n) }, "anchor,positive,negative\n"},
		{"triplet.tsv", func(q, p, n string) string { return q + "\t" + p + "\t" + n }, "anchor\tpositive\tnegative\n"},
		{"triples.tsv", func(q, p, n string) string { return q + "\t" + p + "\t" + n }, ""},
	} {
		b.Run(f.name, func(b *testing.B) {
			var data bytes.Buffer
			data.WriteString(f.head)
			for range rows {
				data.WriteString(f.row(phrase(8), phrase(25), phrase(25)))
				data.WriteByte('\n')
			}
			if f.head == "[" {
				data.Truncate(data.Len() - 2)
				data.WriteString("]")
			}
			path := writeFile(b, f.name, data.Bytes())
			b.SetBytes(int64(data.Len()))
			b.ReportAllocs()
			for b.Loop() {
				sources, err := new(Files).Sources(path)
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for _, err := range sources[0].Triples {
					if n++; err != nil {
						b.Fatal(err)
					}
				}
				if n != rows {
					b.Fatalf("%d triples of %d", n, rows)
				}
			}
		})
	}
}

// FuzzCorpus: a corpus that is read in place and one that is loaded, because it
// is compressed, have the same texts, or the same error.
func FuzzCorpus(f *testing.F) {
	for _, text := range []string{
		"1\ta\n2\tb\n", `{"_id":"1","title":"T","text":"a"}` + "\n" + `{"_id":2,"text":"b"}`, "id\ttext\ttitle\n1\t\"a \"\"b\"\"\"\tT\n", "\xef\xbb\xbf1\ta\r\n\r\n2\tb",
		"1\ta\n1\tb\n", "1\n", "{}\n", `{"_id":"1","text":"a"}` + "\n{", "", "\n\n1\ta", "id\ttext\n\n\t\n1",
	} {
		f.Add([]byte(text), true)
		f.Add([]byte(text), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, query bool) {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Write(data)
		w.Close()
		files := &Files{FS: fstest.MapFS{"plain": {Data: data}, "packed": {Data: b.Bytes()}}}
		plain, err := files.openTexts("plain", query)
		loaded, err2 := files.openTexts("packed", query)
		for _, magic := range magics {
			if bytes.HasPrefix(data, []byte(magic.magic)) {
				return // compressed twice
			}
		}
		if (err == nil) != (err2 == nil) {
			t.Fatalf("read in place: error %v; loaded: %v", err, err2)
		}
		if err != nil {
			return
		}
		reader, err := plain.reader()
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
		for id, want := range loaded.loaded {
			if text, err := reader.text(id); err != nil || text != want {
				t.Errorf("%q: %q, error %v; loaded %q", id, text, err, want)
			}
		}
		if len(plain.index) != len(loaded.loaded) {
			t.Errorf("%d entries, loaded %d", len(plain.index), len(loaded.loaded))
		}
	})
}
