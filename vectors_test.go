package eci_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"example.com/eci"
)

// vectorFiles is a directory as OpenVectors wants it.
func vectorFiles() fstest.MapFS {
	return fstest.MapFS{
		"queries.npy": {Data: npy(1, dict("<f4", "(2, 2)"), []float32{1, 0, 0, 1})},
		"queries.ids": {Data: []byte("\xef\xbb\xbfq1\nq2\n")}, // a byte order mark is no part of an id
		"corpus.npy":  {Data: npy(1, dict("<f4", "(3, 2)"), []float32{1, 2, 3, 4, 5, 6})},
		"corpus.ids":  {Data: []byte("d1\nd2 \r\nd3")}, // blanks and line ends do not matter
	}
}

// both opens the files from memory and from a disk.
func both(t *testing.T, files fstest.MapFS) map[string]func() (*eci.VectorFiles, error) {
	dir := t.TempDir()
	for name, f := range files {
		if err := os.WriteFile(filepath.Join(dir, name), f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return map[string]func() (*eci.VectorFiles, error){
		"memory": func() (*eci.VectorFiles, error) { return eci.ReadVectors(files) },
		"disk":   func() (*eci.VectorFiles, error) { return eci.OpenVectors(dir) },
	}
}

func TestVectorsById(t *testing.T) {
	for where, open := range both(t, vectorFiles()) {
		v, err := open()
		if err != nil {
			t.Fatal(where, err)
		}
		q, err := v.AppendQuery(nil, "q2")
		d, err2 := v.AppendDocument([]float32{9}, "d2")
		if diff := cmp.Diff([][]float32{{0, 1}, {9, 3, 4}}, [][]float32{q, d}); diff != "" || err != nil || err2 != nil {
			t.Error(where, diff, err, err2)
		}
		if _, err := v.AppendQuery(nil, "d1"); !errors.Is(err, eci.ErrMissingVector) || !strings.Contains(err.Error(), `"d1"`) || !strings.Contains(err.Error(), "queries.ids") {
			t.Error(where, "a document is no query:", err)
		}
		if v.Queries.Len() != 2 || v.Documents.Len() != 3 || v.Documents.Dimension() != 2 {
			t.Error(where, v.Queries.Len(), v.Documents.Len(), v.Documents.Dimension())
		}
		if err := v.Close(); err != nil {
			t.Error(where, err)
		}
	}
}

func TestVectorsRefuse(t *testing.T) {
	for _, test := range []struct {
		reason, file string
		data         []byte
		want         error
		says         string
	}{
		{"ids and rows that differ in number", "corpus.ids", []byte("d1\nd2\n"), eci.ErrRowCount, "2 ids, 3 rows"},
		{"an id twice", "corpus.ids", []byte("d1\nd2\nd1\n"), eci.ErrMalformed, "row 3"},
		{"an empty id", "queries.ids", []byte("q1\n\n"), eci.ErrMalformed, "row 2"},
		{"an array in the place of the ids", "queries.ids", npy(1, dict("<f4", "(1, 3)"), make([]float32, 3)), eci.ErrFormat, ".npy"},
		{"ids in UTF-16", "queries.ids", []byte("\xff\xfeq\x001\x00\n\x00"), eci.ErrFormat, "UTF-16"},
		{"queries of another dimension", "queries.npy", npy(1, dict("<f4", "(2, 3)"), make([]float32, 6)), eci.ErrDimension, "one encoder"},
		{"no array", "corpus.npy", []byte("text"), eci.ErrFormat, "corpus.npy"},
		{"no queries at all", "queries.npy", nil, os.ErrNotExist, "queries.npy"},
		{"no ids", "corpus.ids", nil, os.ErrNotExist, "corpus.ids"},
	} {
		files := vectorFiles()
		if files[test.file] = (&fstest.MapFile{Data: test.data}); test.data == nil {
			delete(files, test.file)
		}
		for where, open := range both(t, files) {
			_, err := open()
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) || !strings.HasPrefix(err.Error(), "eci: ") {
				t.Errorf("%s (%s): error %v, want %v with %q", test.reason, where, err, test.want, test.says)
			}
		}
	}
}

// parts is vectorFiles with the documents in two arrays.
func parts() fstest.MapFS {
	files := vectorFiles()
	delete(files, "corpus.npy")
	delete(files, "corpus.ids")
	files["corpus-1.npy"] = &fstest.MapFile{Data: npy(1, dict("<f4", "(2, 2)"), []float32{1, 2, 3, 4})}
	files["corpus-1.ids"] = &fstest.MapFile{Data: []byte("d1\nd2\n")}
	files["corpus-2.npy"] = &fstest.MapFile{Data: npy(1, dict("<f4", "(1, 2)"), []float32{5, 6})}
	files["corpus-2.ids"] = &fstest.MapFile{Data: []byte("d3\n")}
	return files
}

// TestVectorsInParts: parts are one table, and a whole array next to them is taken
// instead.
func TestVectorsInParts(t *testing.T) {
	whole := parts()
	whole["corpus.jsonl"] = &fstest.MapFile{Data: []byte(`{"id":"d3","vector":[7,8]}`)}
	for _, test := range []struct {
		reason string
		files  fstest.MapFS
		len    int
		d3     []float32
	}{
		{"two parts", parts(), 3, []float32{5, 6}},
		{"a whole table beside them", whole, 1, []float32{7, 8}},
	} {
		for where, open := range both(t, test.files) {
			v, err := open()
			if err != nil {
				t.Fatal(test.reason, where, err)
			}
			got, err := v.AppendDocument(nil, "d3")
			if diff := cmp.Diff(test.d3, got); diff != "" || err != nil || v.Documents.Len() != test.len || v.Documents.Dimension() != 2 {
				t.Error(test.reason, where, diff, err, v.Documents.Len(), v.Documents.Dimension())
			}
			if _, err := v.AppendDocument(nil, "d4"); !errors.Is(err, eci.ErrMissingVector) {
				t.Error(test.reason, where, err)
			}
			if err := v.Close(); err != nil {
				t.Error(test.reason, where, err)
			}
		}
	}
}

func TestVectorsInPartsRefuse(t *testing.T) {
	for _, test := range []struct {
		reason, file string
		data         []byte
		want         error
		says         string
	}{
		{"an id in two parts", "corpus-2.ids", []byte("d2\n"), eci.ErrMalformed, "corpus-2.ids, row 1"},
		{"ids of one part and rows that differ in number", "corpus-1.ids", []byte("d1\n"), eci.ErrRowCount, "1 ids, 2 rows"},
		{"parts of two dimensions", "corpus-2.npy", npy(1, dict("<f4", "(1, 3)"), make([]float32, 3)), eci.ErrDimension, "corpus-2.ids"},
		{"a part without ids", "corpus-2.ids", nil, os.ErrNotExist, "corpus-2.ids"},
		{"a part that is no array", "corpus-2.npy", []byte("text"), eci.ErrFormat, "corpus-2.npy"},
	} {
		files := parts()
		if files[test.file] = (&fstest.MapFile{Data: test.data}); test.data == nil {
			delete(files, test.file)
		}
		for where, open := range both(t, files) {
			if _, err := open(); !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) || !strings.HasPrefix(err.Error(), "eci: ") {
				t.Errorf("%s (%s): error %v, want %v with %q", test.reason, where, err, test.want, test.says)
			}
		}
	}
}

// TestMissingVectorsSayWhatIsWanted: the newcomer's first mistake.
func TestMissingVectorsSayWhatIsWanted(t *testing.T) {
	_, err := eci.OpenVectors(t.TempDir())
	if !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, name := range []string{"queries.npy", "queries.ids", "corpus"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("error %q does not mention %s", err, name)
		}
	}
}
