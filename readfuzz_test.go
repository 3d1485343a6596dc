package eci_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"example.com/eci"
)

// packed is data in gzip.
func packed(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// checkFileError holds an error to what every one of a file is: eci once, the
// place, and short.
func checkFileError(t *testing.T, err error, size int) {
	t.Helper()
	var at *eci.RowError
	if err != nil && (!errors.As(err, &at) || at.File == "" || !strings.HasPrefix(err.Error(), "eci: ") || len(err.Error()) > 5000) {
		t.Errorf("error %q of %d bytes", err, size)
	}
}

// FuzzVectorLines: vectors in JSONL are those that encoding/json finds, none of
// them with a null, an infinity or another number of components.
func FuzzVectorLines(f *testing.F) {
	good := `{"id":"a","vector":[1,-2e-3]}` + "\n"
	for _, text := range []string{
		good, good + `{"_id":7,"embedding":[1,2]}`, good + "\n\r\n" + `{"docid":"é","vector":[0,1e38]}`, good + good, good + `{"id":"b","vector":[1,null]}`,
		`{"id":"b","vector":[1e39]}`, `{"id":"b","vector":[]}`, `{"id":"","vector":[1]}`, `{"id":"b","vector":null,"embedding":[1]}`, `{"id":"b","vector":[1,[2]]}`, "\xef\xbb\xbf" + good, `[1]`, "",
		`{"id":"\u0062","vector":[1,2],"vector":[3,4]}`,
	} {
		f.Add([]byte(text))
	}
	documents := npy(1, dict("<f4", "(1, 2)"), []float32{1, 2})
	f.Fuzz(func(t *testing.T, data []byte) {
		open := func(name string, data []byte) (*eci.VectorFiles, error) {
			return eci.ReadVectors(fstest.MapFS{name: {Data: data}, "corpus.npy": {Data: documents}, "corpus.ids": {Data: []byte("d\n")}})
		}
		v, err := open("queries.jsonl", data)
		if again, err2 := open("queries.jsonl.gz", packed(t, data)); (err == nil) != (err2 == nil) && !errors.Is(err, eci.ErrFormat) {
			t.Errorf("error %v, packed %v", err, err2)
		} else if err == nil && again.Queries.Len() != v.Queries.Len() {
			t.Errorf("%d vectors, packed %d", v.Queries.Len(), again.Queries.Len())
		}
		if err != nil {
			if !errors.Is(err, eci.ErrDimension) { // of the two files together
				checkFileError(t, err, len(data))
			}
			return
		}
		rows := 0
		for _, line := range bytes.Split(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), []byte("\n")) {
			if len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			rows++
			var fields map[string]json.RawMessage
			if err := json.Unmarshal(line, &fields); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			raw := fields["vector"]
			if raw == nil || string(raw) == "null" {
				raw = fields["embedding"]
			}
			var numbers []*float64
			if err := json.Unmarshal(raw, &numbers); err != nil || slices.Contains(numbers, nil) || len(numbers) != v.Queries.Dimension() {
				t.Fatalf("%q was read: %v", line, err)
			}
		}
		if rows != v.Queries.Len() {
			t.Errorf("%d vectors of %d rows", v.Queries.Len(), rows)
		}
	})
}

// FuzzVectorIDs: ids are the lines without blanks and byte order mark, each once.
func FuzzVectorIDs(f *testing.F) {
	for _, text := range []string{"a\nb\n", "a\r\nb", "\xef\xbb\xbfa\nb\n", " a \n\tb", "a\na\n", "a\n\n", "\n", "", "\xff\xfea\x00", "a\x00b\nc", "\u00a0a\n\u2028b"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		lines := strings.Split(strings.TrimSuffix(strings.TrimPrefix(string(data), "\xef\xbb\xbf"), "\n"), "\n")
		rows := len(lines)
		if rows > 1000 {
			t.Skip()
		}
		array := npy(1, dict("<f4", fmt.Sprintf("(%d, 1)", rows)), make([]float32, rows))
		v, err := eci.ReadVectors(fstest.MapFS{"queries.npy": {Data: array}, "queries.ids": {Data: data}, "corpus.npy": {Data: array}, "corpus.ids": {Data: data}})
		if err != nil {
			if !errors.Is(err, eci.ErrRowCount) {
				checkFileError(t, err, len(data))
			}
			return
		}
		for _, line := range lines {
			if _, err := v.AppendQuery(nil, strings.TrimSpace(line)); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		}
		if v.Queries.Len() != rows {
			t.Errorf("%d ids of %d lines", v.Queries.Len(), rows)
		}
	})
}

// FuzzRun reads a TREC run with judgments: every triple is by definition, no
// judgment counts twice, and packed files give the same.
func FuzzRun(f *testing.F) {
	f.Add("q Q0 d1 1 3 x\nq Q0 d2 2 2 x\nr Q0 d1 1 1 x\n", "q 0 d2 1\nr 0 d2 1\nr 0 d2 2\n")
	f.Add("q Q0 d1 1 nan x\nq Q0 d2 2 inf x", "query-id\tcorpus-id\tscore\nq\td1\t1")
	f.Add("q Q0 d1 1 1 x\n\nr Q0 d1 1 1 x\nq Q0 d2 1 1 x", "q 0 d1 0\nq 0 d2 -1")
	f.Add("q Q0 d1 1 3 x\nq Q0 d2 2 2 x\n", "query_id,doc_id,rel\nq,\"d1\",1\nq,,1\n")
	f.Add("q Q0 d1 1 3 x\nq Q0 d2 2 2 x\n", `{"q":["d1",""],"":["d2"]}`)
	f.Add("q\tQ0  d1\t1 1e400 x\r\n", "q 0 d1 1 1\n")
	f.Fuzz(func(t *testing.T, run, judged string) {
		texts := []byte("q\tquery\nr\tother\nd1\tone\nd2\ttwo\nd3\tthree\n")
		files := eci.Files{Format: eci.FormatRun, Corpus: "c", Queries: "c", Qrels: "r", FS: fstest.MapFS{"x": {Data: []byte(run)}, "r": {Data: []byte(judged)}, "c": {Data: texts}}}
		relevant, err := files.Relevant()
		checkFileError(t, err, len(judged))
		for query, ids := range relevant {
			sorted := slices.Clone(ids)
			slices.Sort(sorted)
			if len(slices.Compact(sorted)) != len(ids) || query == "" || slices.Contains(ids, "") {
				t.Errorf("query %q: %q", query, ids)
			}
		}
		sources, err := files.Sources("x")
		checkFileError(t, err, len(run))
		if err != nil {
			return
		}
		got, errs := readAll(sources[0])
		for _, err := range errs {
			checkFileError(t, err, len(run))
		}
		for _, r := range got {
			if !slices.Contains(relevant[r.QueryID], r.PositiveID) || slices.Contains(relevant[r.QueryID], r.NegativeID) || r.Row < 1 {
				t.Errorf("%+v with the judgments %q", r, relevant[r.QueryID])
			}
		}
		files.FS = fstest.MapFS{"x": {Data: packed(t, []byte(run))}, "r": {Data: packed(t, []byte(judged))}, "c": {Data: packed(t, texts)}}
		if sources, err = files.Sources("x"); err != nil {
			t.Fatal("packed:", err)
		}
		if again, errs2 := readAll(sources[0]); len(again) != len(got) || len(errs2) != len(errs) {
			t.Errorf("%d triples and %d errors, packed %d and %d", len(got), len(errs), len(again), len(errs2))
		}
	})
}

// FuzzWrite: what is written in any format is read as it was, except for invalid
// UTF-8, which becomes U+FFFD.
func FuzzWrite(f *testing.F) {
	f.Add("query", "positive", "negative", "id", float32(1.5))
	f.Add("q\n\"", "<p>\u2028", "\xff\xfen", "", float32(-1e-38))
	f.Add("", " ", "\x00", "7", float32(0))
	f.Add("{", "[", "a\tb", "\ufeff", float32(math.MaxFloat32))
	f.Fuzz(func(t *testing.T, q, p, n, id string, x float32) {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			t.Skip()
		}
		record := &eci.Record{QueryID: id, QueryText: q, PositiveText: p, NegativeText: n, NegativeID: id, QueryVector: []float32{x, 1}}
		valid := func(s string) string { return string([]rune(s)) }
		for _, format := range []eci.Format{eci.FormatRecord, eci.FormatTriplet, eci.FormatNTuple, eci.FormatFlagEmbedding, eci.FormatTevatron} {
			var b bytes.Buffer
			rows, err := eci.Write(&b, format, func(yield func(eci.Triple, error) bool) {
				if yield(record, nil) {
					yield(record, nil)
				}
			})
			if err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			sources, err := (&eci.Files{Format: format, FS: fstest.MapFS{"x": {Data: b.Bytes()}}}).Sources("x")
			if err != nil {
				t.Fatalf("%s: %v in %q", format, err, &b)
			}
			got, errs := readAll(sources[0])
			if len(errs) > 0 || len(got) != 2 || rows < 1 || rows > 2 {
				t.Fatalf("%s: %d rows, read %d, errors %v: %q", format, rows, len(got), errs, &b)
			}
			for _, r := range got {
				if r.QueryText != valid(q) || r.PositiveText != valid(p) || r.NegativeText != valid(n) {
					t.Errorf("%s: %+v of %+v", format, r, record)
				}
				if format == eci.FormatRecord && (r.QueryID != valid(id) || r.NegativeID != valid(id) || r.QueryVector[0] != x) {
					t.Errorf("%+v of %+v", r, record)
				}
			}
		}
	})
}
