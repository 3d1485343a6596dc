package eci_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"example.com/eci"
)

// safetensors is a file with a header and data.
func safetensors(header string, data ...byte) []byte {
	return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...), data...)
}

func f32(values ...float32) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func u16(values ...uint16) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	return b
}

func TestSafetensors(t *testing.T) {
	for _, test := range []struct {
		reason string
		file   []byte
		want   [][]float32
	}{
		{"float32", safetensors(`{"embeddings":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}`, f32(1, -2, 3.5, 4)...), [][]float32{{1, -2}, {3.5, 4}}},
		{"the only one, whatever its name; metadata; padding", safetensors(`{"__metadata__":{"format":"pt"},"x":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}}   `, f32(7)...), [][]float32{{7}}},
		{"by name among others, behind another", safetensors(`{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"embeddings":{"dtype":"F32","shape":[1,1],"data_offsets":[8,12]}}`, append(make([]byte, 8), f32(7)...)...), [][]float32{{7}}},
		// 0x3c00 is 1, 0xc000 is -2, 0x0001 is 2^-24 in IEEE 754 binary16.
		{"float16", safetensors(`{"e":{"dtype":"F16","shape":[1,3],"data_offsets":[0,6]}}`, u16(0x3c00, 0xc000, 1)...), [][]float32{{1, -2, 1.0 / (1 << 24)}}},
		// bfloat16 is the upper half of a float32: 0x3f80 is 1, 0xc049 is -3.140625.
		{"bfloat16", safetensors(`{"e":{"dtype":"BF16","shape":[1,2],"data_offsets":[0,4]}}`, u16(0x3f80, 0xc049)...), [][]float32{{1, -3.140625}}},
		{"no rows", safetensors(`{"e":{"dtype":"F32","shape":[0,4],"data_offsets":[0,0]}}`), nil},
	} {
		t.Run(test.reason, func(t *testing.T) {
			s, err := eci.NewSafetensors("x", bytes.NewReader(test.file), int64(len(test.file)))
			if err != nil {
				t.Fatal(err)
			}
			var got [][]float32
			for i := range s.Rows() {
				row, err := s.AppendRow(nil, i)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, row)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			for _, i := range []int{-1, s.Rows()} {
				if _, err := s.AppendRow(nil, i); !errors.Is(err, eci.ErrMissingVector) {
					t.Errorf("row %d: error %v", i, err)
				}
			}
		})
	}
}

var badSafetensors = []struct {
	reason, says string
	file         []byte
}{
	{"empty", "too few", nil},
	{"shorter than a length", "too few", []byte{1, 2, 3}},
	{"a header of 2^63 bytes", "header of", append(binary.LittleEndian.AppendUint64(nil, 1<<63), '{', '}')},
	{"a header longer than the file", "header of", append(binary.LittleEndian.AppendUint64(nil, 99), '{', '}')},
	{"no JSON", "JSON", safetensors("not JSON")},
	{"no tensors", "0 tensors", safetensors("{}")},
	{"null", "0 tensors", safetensors("null")},
	{"two tensors", "a, b", safetensors(`{"b":{},"a":{}}`)},
	{"integers", "I64", safetensors(`{"e":{"dtype":"I64","shape":[1,1],"data_offsets":[0,8]}}`, make([]byte, 8)...)},
	{"a vector", "1 dimensions", safetensors(`{"e":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, make([]byte, 8)...)},
	{"a negative shape", "out of range", safetensors(`{"e":{"dtype":"F32","shape":[-1,-2],"data_offsets":[0,8]}}`, make([]byte, 8)...)},
	{"no columns", "out of range", safetensors(`{"e":{"dtype":"F32","shape":[2,0],"data_offsets":[0,0]}}`)},
	{"a shape that overflows", "out of range", safetensors(`{"e":{"dtype":"F32","shape":[4611686018427387905,4],"data_offsets":[0,16]}}`, make([]byte, 16)...)},
	{"a shape that no integer holds", "e", safetensors(`{"e":{"dtype":"F32","shape":[1e30,4],"data_offsets":[0,16]}}`, make([]byte, 16)...)},
	{"a shape for more data", "needs 24", safetensors(`{"e":{"dtype":"F32","shape":[3,2],"data_offsets":[0,16]}}`, make([]byte, 16)...)},
	{"offsets behind the end", "bytes 0 to 16 of 8", safetensors(`{"e":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}`, make([]byte, 8)...)},
	{"offsets the wrong way round", "bytes 8 to 0", safetensors(`{"e":{"dtype":"F32","shape":[2,2],"data_offsets":[8,0]}}`, make([]byte, 8)...)},
	{"negative offsets", "bytes -8", safetensors(`{"e":{"dtype":"F32","shape":[2,2],"data_offsets":[-8,8]}}`, make([]byte, 8)...)},
	{"an .npy array", "is this .safetensors", append([]byte("\x93NUMPY\x01\x00"), make([]byte, 64)...)},
}

func TestSafetensorsBadInput(t *testing.T) {
	for _, test := range badSafetensors {
		_, err := eci.NewSafetensors("x.safetensors", bytes.NewReader(test.file), int64(len(test.file)))
		if !errors.Is(err, eci.ErrFormat) || !strings.HasPrefix(err.Error(), "eci: x.safetensors: ") || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: error %v, want one that says %q", test.reason, err, test.says)
		}
	}
	if _, err := eci.OpenSafetensors("testdata"); !errors.Is(err, eci.ErrFormat) {
		t.Errorf("a directory: %v", err)
	}
	// Data that shrinks after the header was read.
	file := safetensors(`{"e":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}`, make([]byte, 16)...)
	s, err := eci.NewSafetensors("x", bytes.NewReader(file[:len(file)-8]), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	var at *eci.RowError
	if _, err := s.AppendRow(nil, 1); !errors.As(err, &at) || at.Row != 2 {
		t.Errorf("error %v, want row 2", err)
	}
}

// FuzzSafetensors: no header makes the reader panic or read outside the file.
func FuzzSafetensors(f *testing.F) {
	for _, test := range badSafetensors {
		f.Add(test.file)
	}
	f.Add(safetensors(`{"embeddings":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]}}`, make([]byte, 8)...))
	f.Fuzz(func(t *testing.T, file []byte) {
		s, err := eci.NewSafetensors("x", bytes.NewReader(file), int64(len(file)))
		if err != nil {
			if !errors.Is(err, eci.ErrFormat) || s != nil {
				t.Fatalf("error %v, tensor %v", err, s)
			}
			return
		}
		if s.Rows() == 0 {
			return
		}
		for _, i := range []int{0, s.Rows() / 2, s.Rows() - 1} {
			if row, err := s.AppendRow(nil, i); err != nil || len(row) != s.Dimension() {
				t.Fatalf("row %d of %d: %d components, error %v", i, s.Rows(), len(row), err)
			}
		}
	})
}

// TestOpenVectorsFindsTheFormat: the same vectors in every format, from a
// directory and from a file system; text files next to them do no harm.
func TestOpenVectorsFindsTheFormat(t *testing.T) {
	queries := safetensors(`{"embeddings":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}`, f32(1, 2, 3, 4)...)
	ids := "q1\nq2\n"
	jsonl := `{"id":"q1","vector":[1,2]}` + "\n\n" + `{"_id":"q2","embedding":[3,4.0],"text":"x"}`
	for _, test := range []struct {
		reason string
		files  map[string][]byte
	}{
		{"npy", map[string][]byte{"queries.npy": npy(1, dict("<f4", "(2, 2)"), []float32{1, 2, 3, 4}), "queries.ids": []byte(ids)}},
		{"npy beside the queries of a BEIR folder", map[string][]byte{"queries.npy": npy(1, dict("<f4", "(2, 2)"), []float32{1, 2, 3, 4}), "queries.ids": []byte(ids), "queries.jsonl": []byte(`{"_id":"q1","text":"x"}`)}},
		{"safetensors", map[string][]byte{"queries.safetensors": queries, "queries.ids": []byte(ids)}},
		{"JSONL", map[string][]byte{"queries.jsonl": []byte(jsonl)}},
		{"compressed JSONL", map[string][]byte{"queries.jsonl.gz": gzipped(jsonl)}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			dir, fsys := t.TempDir(), fstest.MapFS{}
			test.files["corpus.jsonl"] = []byte(`{"id":7,"vector":[5,6]}`)
			for name, data := range test.files {
				fsys[name] = &fstest.MapFile{Data: data}
				if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			opened, err := eci.OpenVectors(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer opened.Close()
			read, err := eci.ReadVectors(fsys)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range []*eci.VectorFiles{opened, read} {
				q, err := v.AppendQuery(nil, "q2")
				if err != nil {
					t.Fatal(err)
				}
				all, err := v.AppendDocument(q, "7")
				if diff := cmp.Diff([]float32{3, 4, 5, 6}, all); diff != "" || err != nil || v.Queries.Len() != 2 || v.Queries.Dimension() != 2 {
					t.Errorf("error %v %s", err, diff)
				}
				if _, err := v.AppendQuery(nil, "q3"); !errors.Is(err, eci.ErrMissingVector) {
					t.Errorf("error %v", err)
				}
			}
		})
	}
}

func TestOpenVectorTableSafetensors(t *testing.T) {
	dir := t.TempDir()
	array, ids := filepath.Join(dir, "a.safetensors"), filepath.Join(dir, "a.txt")
	if err := errors.Join(os.WriteFile(array, safetensors(`{"e":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}`, f32(1, 2)...), 0o666), os.WriteFile(ids, []byte("x\n"), 0o666)); err != nil {
		t.Fatal(err)
	}
	table, err := eci.OpenVectorTable(array, ids)
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	if v, err := table.Append(nil, "x"); err != nil || v[1] != 2 {
		t.Errorf("vector %v, error %v", v, err)
	}
	if _, err := eci.OpenVectorTable(array, filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "ids") {
		t.Errorf("error %v", err)
	}
}

func TestOpenVectorsSaysWhatItWants(t *testing.T) {
	_, err := eci.OpenVectors(t.TempDir())
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v does not wrap fs.ErrNotExist", err)
	}
	for _, name := range []string{"queries.npy", "queries.safetensors", "queries.ids", "queries.jsonl"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v does not name %s", err, name)
		}
	}
}

func TestVectorLinesBadInput(t *testing.T) {
	good := `{"id":"a","vector":[1,2]}` + "\n"
	for _, test := range []struct {
		reason, data string
		want         error
		row          int
		says         string
	}{
		{"empty", "", eci.ErrFormat, 0, "no vectors"},
		{"no id", good + `{"vector":[1,2]}`, eci.ErrMissingField, 2, "id"},
		{"no vector", good + `{"id":"b"}`, eci.ErrMissingField, 2, "vector"},
		{"texts", `{"_id":"a","text":"x"}`, eci.ErrMissingField, 1, "vector"},
		{"an id twice", good + "\n" + good, eci.ErrMalformed, 3, "row 1"},
		{"another dimension", good + `{"id":"b","vector":[1,2,3]}`, eci.ErrDimension, 2, "3 components"},
		{"no components", `{"id":"b","vector":[]}`, eci.ErrDimension, 1, "0 components"},
		{"no list", `{"id":"b","vector":1}`, eci.ErrMalformed, 1, "list"},
		{"null in it", `{"id":"b","vector":[1,null]}`, eci.ErrMalformed, 1, "component 2"},
		{"a text in it", `{"id":"b","vector":[1,"2"]}`, eci.ErrMalformed, 1, "component 2"},
		{"a number beyond float32", `{"id":"b","vector":[1e39]}`, eci.ErrMalformed, 1, "1e39"},
		{"NaN", `{"id":"b","vector":[NaN]}`, eci.ErrMalformed, 1, "NaN"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "v.jsonl")
			if err := os.WriteFile(path, []byte(test.data), 0o666); err != nil {
				t.Fatal(err)
			}
			_, err := eci.ReadVectorLines(path)
			checkError(t, err, test.want, path, test.row, test.says)
		})
	}
}
