package formats_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/fstest"

	"example.com/eci"
	"example.com/eci/formats"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/google/go-cmp/cmp"
)

// arrowRows are triplets with a teacher's score, which is NaN in the first row, and
// labels that nobody reads.
func arrowRows(rows int) (*arrow.Schema, []arrow.RecordBatch) {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "anchor", Type: arrow.BinaryTypes.String}, {Name: "positive", Type: arrow.BinaryTypes.LargeString},
		{Name: "negative", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "score", Type: arrow.PrimitiveTypes.Float64},
		{Name: "tags", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64)},
	}, nil)
	var batches []arrow.RecordBatch
	for first := 0; first < rows; first += 2 { // two rows a batch
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		for i := first; i < min(first+2, rows); i++ {
			n := string(rune('a' + i))
			b.Field(0).(*array.StringBuilder).Append("q " + n + " <b>&")
			b.Field(1).(*array.LargeStringBuilder).Append("p " + n + " \"quoted\"")
			b.Field(2).(*array.StringBuilder).Append("n " + n + "\nénd")
			score := float64(i)
			if i == 0 {
				score = math.NaN()
			}
			b.Field(3).(*array.Float64Builder).Append(score)
			list := b.Field(4).(*array.ListBuilder)
			list.Append(true)
			list.ValueBuilder().(*array.Int64Builder).Append(int64(i))
		}
		batches = append(batches, b.NewRecordBatch())
	}
	return schema, batches
}

func arrowStream(t *testing.T, rows int) []byte {
	t.Helper()
	schema, batches := arrowRows(rows)
	var b bytes.Buffer
	w := ipc.NewWriter(&b, ipc.WithSchema(schema))
	for _, batch := range batches {
		if err := w.Write(batch); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func arrowFile(t *testing.T, rows int, options ...ipc.Option) []byte {
	t.Helper()
	schema, batches := arrowRows(rows)
	var b bytes.Buffer
	w, err := ipc.NewFileWriter(&b, append(options, ipc.WithSchema(schema))...)
	for _, batch := range batches {
		if err == nil {
			err = w.Write(batch)
		}
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestArrow reads what save_to_disk of datasets writes (a stream), and Feather files,
// plain and compressed.
func TestArrow(t *testing.T) {
	for name, data := range map[string][]byte{
		"data-00000-of-00001.arrow": arrowStream(t, 5),
		"a.feather":                 arrowFile(t, 5),
		"lz4.feather":               arrowFile(t, 5, ipc.WithLZ4()),
		"zstd.feather":              arrowFile(t, 5, ipc.WithZstd()),
	} {
		var want []string
		for _, n := range []string{"a", "b", "c", "d", "e"} {
			want = append(want, "q "+n+" <b>& | p "+n+" \"quoted\" | n "+n+"\nénd")
		}
		files := &eci.Files{FS: fstest.MapFS{name: {Data: data}}, Decoders: formats.Decoders()}
		if diff := cmp.Diff(want, collect(t, files, name)); diff != "" {
			t.Error(name, diff)
		}
		if _, err := (&eci.Files{FS: files.FS}).Sources(name); !errors.Is(err, eci.ErrFormat) || !strings.Contains(err.Error(), "Arrow") {
			t.Error(name, "without a decoder:", err)
		}
	}
}

// TestArrowCutShort cuts a stream at every byte: an error, or, after the last batch,
// all rows; never fewer without a word, and no panic.
func TestArrowCutShort(t *testing.T) {
	whole := arrowStream(t, 5)
	for n := range whole {
		r, err := formats.Arrow(bytes.NewReader(whole[:n]))
		if err == nil {
			var rows []byte
			rows, err = io.ReadAll(r)
			if err == nil && bytes.Count(rows, []byte("\n")) != 5 {
				t.Fatalf("%d of %d bytes: %d rows and no error", n, len(whole), bytes.Count(rows, []byte("\n")))
			}
			if closed := r.Close(); closed != nil {
				t.Fatal(closed)
			}
		}
	}
}

// FuzzArrow wants an error or rows of damaged data, and no panic.
func FuzzArrow(f *testing.F) {
	for _, data := range [][]byte{[]byte("ARROW1\x00\x00"), []byte("\xff\xff\xff\xff\xff\xff\xff\x7f")} {
		f.Add(data)
	}
	schema, batches := arrowRows(3)
	var b bytes.Buffer
	w := ipc.NewWriter(&b, ipc.WithSchema(schema))
	for _, batch := range batches {
		w.Write(batch)
	}
	w.Close()
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := formats.Arrow(bytes.NewReader(data)); err == nil {
			io.Copy(io.Discard, r)
			r.Close()
		}
	})
}
