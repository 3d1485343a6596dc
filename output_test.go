package eci_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"example.com/eci"
)

// writable are triples with everything that a format may lose: ids, vectors,
// HTML, line breaks, quotes, groups that come back.
func writable() []*eci.Record {
	nasty := []string{"a <b> & c", "line\nbreak\ttab", `"quoted" \ back`, "é漢😀\u2028", "{[,;]}", "plain"}
	var records []*eci.Record
	for i := range 24 {
		q, p := i/4%3, i/2
		records = append(records, &eci.Record{
			QueryID: fmt.Sprint("q", q), QueryText: "query " + nasty[q],
			PositiveID: fmt.Sprint("p", p), PositiveText: "positive " + nasty[p%6] + fmt.Sprint(p),
			NegativeID: fmt.Sprint("n", i), NegativeText: "negative " + nasty[i%6],
			QueryVector: []float32{1, float32(i) / 3}, PositiveVector: []float32{1e-30, -2}, NegativeVector: []float32{3, 4},
		})
	}
	return records
}

// TestWriteRoundTrip: what was written is read as the same triples, through the
// format found from the content.
func TestWriteRoundTrip(t *testing.T) {
	records := writable()
	ids := cmpopts.IgnoreFields(eci.Record{}, "QueryID", "PositiveID", "NegativeID")
	vectors := cmpopts.IgnoreFields(eci.Record{}, "QueryVector", "PositiveVector", "NegativeVector")
	place := cmpopts.IgnoreFields(eci.Record{}, "File", "Row")
	for _, test := range []struct {
		format eci.Format
		rows   int
		lost   cmp.Options
	}{
		{eci.FormatRecord, 24, cmp.Options{place}},
		{eci.FormatTriplet, 24, cmp.Options{place, ids, vectors}},
		{eci.FormatNTuple, 12, cmp.Options{place, ids, vectors}},
		{eci.FormatFlagEmbedding, 12, cmp.Options{place, ids, vectors}},
		{eci.FormatTevatron, 12, cmp.Options{place, vectors}},
	} {
		t.Run(string(test.format), func(t *testing.T) {
			var first, second bytes.Buffer
			for _, w := range []*bytes.Buffer{&first, &second} {
				rows, err := eci.Write(w, test.format, eci.SourceOf("a", records).Triples)
				if err != nil || rows != test.rows {
					t.Fatalf("%d rows, error %v; want %d", rows, err, test.rows)
				}
			}
			if !bytes.Equal(first.Bytes(), second.Bytes()) || bytes.Contains(first.Bytes(), []byte(`\u003c`)) {
				t.Error("not deterministic, or HTML is escaped")
			}
			for line := range strings.Lines(first.String()) {
				if !json.Valid([]byte(line)) {
					t.Errorf("not JSON: %s", line)
				}
			}
			sources, err := (&eci.Files{FS: fstest.MapFS{"a.jsonl": {Data: first.Bytes()}}}).Sources("a.jsonl")
			if err != nil {
				t.Fatal(err)
			}
			var got []*eci.Record
			for triple, err := range sources[0].Triples {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, triple.(*eci.Record))
			}
			if diff := cmp.Diff(records, got, test.lost); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestWriteKeepsSources: a file of several sources is split again when it is
// read.
func TestWriteKeepsSources(t *testing.T) {
	records := writable()
	for i, r := range records {
		r.SourceName = []string{"dense", "bm25"}[i%2]
	}
	var out bytes.Buffer
	if _, err := eci.Write(&out, eci.FormatRecord, eci.SourceOf("a", records).Triples); err != nil {
		t.Fatal(err)
	}
	sources, err := (&eci.Files{FS: fstest.MapFS{"a.jsonl": {Data: out.Bytes()}}}).Sources("a.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) != 2 || sources[0].Name != "dense" || len(collect(t, sources[1])) != 12 {
		t.Errorf("sources %v", sources)
	}
}

type failingWriter struct{ left int }

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestWriteErrors(t *testing.T) {
	good := eci.SourceOf("a", writable()).Triples
	nan := writable()
	nan[3].NegativeVector[1] = float32(math.NaN())
	for _, test := range []struct {
		reason string
		w      io.Writer
		format eci.Format
		source eci.Source
		want   error
		rows   int
		says   string
	}{
		{"a format that is only read", io.Discard, eci.FormatDPR, eci.Source{Triples: good}, eci.ErrSettings, 0, "dpr"},
		{"a malformed row", io.Discard, eci.FormatRecord, lines("a", goodLines(2)[0], "{"), eci.ErrMalformed, 1, "row 2"},
		{"a malformed row behind a group", io.Discard, eci.FormatNTuple, lines("a", goodLines(2)[0], "{"), eci.ErrMalformed, 1, "row 2"},
		{"a nil triple", io.Discard, eci.FormatRecord, eci.SourceOf("a", []*eci.Record{nil}), eci.ErrMalformed, 0, "nil"},
		{"a NaN", io.Discard, eci.FormatRecord, eci.SourceOf("a", nan), eci.ErrNotFinite, 3, "row 4"},
		{"a full disk", &failingWriter{}, eci.FormatTriplet, eci.Source{Triples: good}, nil, 24, "disk full"},
	} {
		rows, err := eci.Write(test.w, test.format, test.source.Triples)
		if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.HasPrefix(err.Error(), "eci: ") || !strings.Contains(err.Error(), test.says) || rows != test.rows {
			t.Errorf("%s: %d rows, error %v", test.reason, rows, err)
		}
	}
}

func ExampleWrite() {
	source := eci.SourceOf("mined", []*eci.Record{
		{QueryText: "Why is bread <dense>?", PositiveText: "Old yeast.", NegativeText: "Slash the loaf."},
		{QueryText: "Why is bread <dense>?", PositiveText: "Old yeast.", NegativeText: "Rye is dark."},
	})
	var out strings.Builder
	rows, err := eci.Write(&out, eci.FormatFlagEmbedding, source.Triples)
	fmt.Print(out.String())
	fmt.Println(rows, err)
	// Output:
	// {"query":"Why is bread <dense>?","pos":["Old yeast."],"neg":["Slash the loaf.","Rye is dark."]}
	// 1 <nil>
}

// reused is a triple whose vectors change when the next one is asked for.
type reused struct{ vector []float32 }

func (r *reused) Query() string    { return "q" }
func (r *reused) Positive() string { return "p" }
func (r *reused) Negative() string { return "n" }
func (r *reused) Vectors() (query, positive, negative []float32) {
	return r.vector, r.vector, r.vector
}

// TestWriteWhatIsReused: a triple is written before the next one is asked for,
// because it is valid no longer than that.
func TestWriteWhatIsReused(t *testing.T) {
	var b bytes.Buffer
	_, err := eci.Write(&b, eci.FormatRecord, func(yield func(eci.Triple, error) bool) {
		r := &reused{vector: make([]float32, 1)}
		for i := range 3 {
			r.vector[0] = float32(i + 1)
			if !yield(r, nil) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(strings.TrimSpace(b.String()), "\n") {
		if want := fmt.Sprintf(`"query_vector":[%d]`, i+1); !strings.Contains(line, want) {
			t.Errorf("row %d: %s, want %s", i+1, line, want)
		}
	}
}
