package formats_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"example.com/eci"
	"example.com/eci/formats"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
)

const samples = "../testdata/formats/"

func collect(t *testing.T, files *eci.Files, path string) []string {
	t.Helper()
	sources, err := files.Sources(path)
	if err != nil {
		t.Fatal(err)
	}
	var triples []string
	for _, s := range sources {
		for triple, err := range s.Triples {
			if err != nil {
				t.Fatal(err)
			}
			triples = append(triples, triple.Query()+" | "+triple.Positive()+" | "+triple.Negative())
		}
	}
	return triples
}

func compress(t *testing.T, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	// Two consecutive frames are one file.
	half := len(data) / 2
	return w.EncodeAll(data[half:], w.EncodeAll(data[:half], nil))
}

// write makes a parquet file, compressed with snappy and in two row groups.
func write[T any](t *testing.T, rows []T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b, parquet.Compression(&parquet.Snappy))
	for len(rows) > 0 {
		n := (len(rows) + 1) / 2
		if _, err := w.Write(rows[:n]); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		rows = rows[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// decodeLines reads a JSONL sample into rows of a parquet file.
func decodeLines[T any](t *testing.T, name string) (rows []T) {
	t.Helper()
	data, err := os.ReadFile(samples + name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var row T
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

type triplet struct {
	Anchor   string `parquet:"anchor" json:"anchor"`
	Positive string `parquet:"positive" json:"positive"`
	Negative string `parquet:"negative" json:"negative"`
}

// unmarked are columns of bytes that are not declared to be text.
type unmarked struct {
	Anchor   []byte `parquet:"anchor"`
	Positive []byte `parquet:"positive"`
	Negative []byte `parquet:"negative"`
}

type flagEmbedding struct {
	Query     *string   `parquet:"query,optional" json:"query"`
	Positives []string  `parquet:"pos,list" json:"pos"`
	Negatives []string  `parquet:"neg,list" json:"neg"`
	Scores    []float64 `parquet:"neg_scores,list" json:"neg_scores"`
}

type passage struct {
	ID    string  `parquet:"docid" json:"docid"`
	Title *string `parquet:"title,optional" json:"title"`
	Text  string  `parquet:"text" json:"text"`
}

type tevatron struct {
	ID        string    `parquet:"query_id" json:"query_id"`
	Query     string    `parquet:"query" json:"query"`
	Positives []passage `parquet:"positive_passages,list" json:"positive_passages"`
	Negatives []passage `parquet:"negative_passages,list" json:"negative_passages"`
}

type byID struct {
	ID        string  `parquet:"query_id" json:"query_id"`
	Query     string  `parquet:"query_text"`
	Positives []int64 `parquet:"positive_document_ids,list"`
	Negatives []int64 `parquet:"negative_document_ids,list"`
}

// TestDecoders: what was compressed is read as what was not.
func TestDecoders(t *testing.T) {
	want := collect(t, &eci.Files{}, samples+"record.jsonl")
	var binary []unmarked
	for _, r := range decodeLines[triplet](t, "triplet.jsonl") {
		binary = append(binary, unmarked{[]byte(r.Anchor), []byte(r.Positive), []byte(r.Negative)})
	}
	plain, err := os.ReadFile(samples + "triplet.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	corpus, err := os.ReadFile(samples + "collection.tsv")
	if err != nil {
		t.Fatal(err)
	}
	ids := []byID{
		{"1", "How do I keep cut apples from browning?", []int64{1}, []int64{2, 3}},
		{"2", "Why does my bread not rise?", []int64{4}, []int64{5, 6}},
	}
	for _, test := range []struct {
		reason string
		data   []byte
	}{
		{"zstd", compress(t, plain)},
		{"parquet, triplets", write(t, decodeLines[triplet](t, "triplet.jsonl"))},
		{"parquet, bytes that are not marked as text", write(t, binary)},
		{"parquet, lists", write(t, decodeLines[flagEmbedding](t, "flagembedding.jsonl"))},
		{"parquet, lists of groups, null titles", write(t, decodeLines[tevatron](t, "tevatron.jsonl"))},
		{"parquet, ids of a corpus in zstd", write(t, ids)},
		{"parquet, lists as pyarrow before version 13 names them", oldLists(t)},
	} {
		t.Run(test.reason, func(t *testing.T) {
			files := &eci.Files{Decoders: formats.Decoders(), FS: fstest.MapFS{"a": {Data: test.data}, "c.tsv": {Data: compress(t, corpus)}}, Corpus: "c.tsv"}
			if diff := cmp.Diff(want, collect(t, files, "a")); diff != "" {
				t.Error(diff)
			}
		})
	}
	// A file of the machine and a reader that cannot read at random.
	data := write(t, decodeLines[triplet](t, "triplet.jsonl"))
	path := t.TempDir() + "/a.parquet"
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, collect(t, &eci.Files{Decoders: formats.Decoders()}, path)); diff != "" {
		t.Error(diff)
	}
	r, err := formats.Parquet(io.MultiReader(bytes.NewReader(data)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if lines, err := io.ReadAll(r); err != nil || bytes.Count(lines, []byte("\n")) != len(want) {
		t.Errorf("error %v in\n%s", err, lines)
	}
}

// listNode is a LIST whose element is called item.
type listNode struct{ parquet.Node }

func (n listNode) Type() parquet.Type { return parquet.List(parquet.String()).Type() }

func oldLists(t *testing.T) []byte {
	t.Helper()
	list := func() parquet.Node {
		return parquet.Optional(listNode{parquet.Group{"list": parquet.Repeated(parquet.Group{"item": parquet.Optional(parquet.String())})}})
	}
	schema := parquet.NewSchema("schema", parquet.Group{"neg": list(), "pos": list(), "query": parquet.Optional(parquet.String())})
	var b bytes.Buffer
	w := parquet.NewWriter(&b, schema)
	for _, r := range decodeLines[flagEmbedding](t, "flagembedding.jsonl") {
		var row parquet.Row
		for i, n := range r.Negatives {
			row = append(row, parquet.ValueOf(n).Level(min(i, 1), 3, 0))
		}
		row = append(row, parquet.ValueOf(r.Positives[0]).Level(0, 3, 1), parquet.ValueOf(*r.Query).Level(0, 1, 2))
		if _, err := w.WriteRows([]parquet.Row{row}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestDecodersBadInput(t *testing.T) {
	whole := write(t, decodeLines[triplet](t, "triplet.jsonl"))
	packed := compress(t, bytes.Repeat([]byte(`{"query":"q","positive":"p","negative":"n"}`+"\n"), 5000))
	damaged := bytes.Clone(whole)
	for i := 4; i < len(damaged)-200; i++ {
		damaged[i] = 0xff
	}
	for _, test := range []struct {
		reason string
		data   []byte
		says   string
	}{
		{"a cut parquet file", whole[:len(whole)-20], "parquet"},
		{"parquet magic only", []byte("PAR1PAR1"), "parquet"},
		{"a hostile length of the footer", []byte("PAR1\xff\xff\xff\x7fPAR1"), "parquet"},
		{"damaged pages", damaged, "parquet"},
		{"a cut zstd file", packed[:len(packed)-10], "zstd"},
		{"zstd magic only", []byte("\x28\xb5\x2f\xfd"), "zstd"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			files := &eci.Files{Decoders: formats.Decoders(), FS: fstest.MapFS{"a": {Data: test.data}}}
			sources, err := files.Sources("a")
			if err == nil {
				for _, rowErr := range sources[0].Triples {
					err = rowErr
				}
			}
			if !errors.Is(err, eci.ErrFormat) || !strings.Contains(err.Error(), test.says) || !strings.HasPrefix(err.Error(), "eci: a") {
				t.Errorf("error %v", err)
			}
		})
	}
}
