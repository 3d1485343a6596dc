package eci

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func writeFile(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRunAgainstBruteForce pairs a run with its judgments by definition.
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
