package eci_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/eci"
)

// npyBytes is an array in .npy form: descr, shape and data.
func npyBytes(descr, shape string, data any) []byte {
	var b bytes.Buffer
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }\n", descr, shape)
	b.WriteString("\x93NUMPY\x01\x00")
	binary.Write(&b, binary.LittleEndian, uint16(len(header)))
	b.WriteString(header)
	binary.Write(&b, binary.LittleEndian, data)
	return b.Bytes()
}

func zipped(members map[string][]byte) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, data := range members {
		f, _ := w.Create(name)
		f.Write(data)
	}
	w.Close()
	return b.Bytes()
}

// utf32 are texts as NumPy's <U2.
func utf32(texts ...string) []uint32 {
	var all []uint32
	for _, text := range texts {
		var cell [2]uint32
		for i, r := range []rune(text) {
			cell[i] = uint32(r)
		}
		all = append(all, cell[:]...)
	}
	return all
}

// TestVectorsOfTexts: vectors are found by the texts themselves, from each kind of
// file that says which row is whose.
func TestVectorsOfTexts(t *testing.T) {
	two := npyBytes("<f4", "2, 2", []float32{1, 0, 0, 1})
	one := npyBytes("<f4", "1, 2", []float32{0, 1})
	first := npyBytes("<f4", "1, 2", []float32{1, 0})
	for _, test := range []struct {
		reason string
		files  map[string]string // of queries and corpus alike: % is the stem
		err    error
		says   string
	}{
		{"one text a line", map[string]string{"%.npy": string(two), "%.txt": "é\nb \n"}, nil, ""},
		{"ids that are texts", map[string]string{"%.npy": string(two), "%.ids": "é\nb \n"}, nil, ""},
		{"a JSON list", map[string]string{"%.npy": string(two), "%.json": `["é","b "]`}, nil, ""},
		{"JSON lines", map[string]string{"%.jsonl": `{"text":"é","embedding":[1,0]}` + "\n" + `{"text":"b ","embedding":[0,1]}`}, nil, ""},
		{"an archive with texts", map[string]string{"%.npz": string(zipped(map[string][]byte{"embeddings.npy": two, "texts.npy": npyBytes("<U2", "2,", utf32("é", "b "))}))}, nil, ""},
		{"an archive, texts beside it", map[string]string{"%.npz": string(zipped(map[string][]byte{"arr_0.npy": two})), "%.txt": "é\nb \n"}, nil, ""},
		{"shards with one list of texts", map[string]string{"%-9.npy": string(first), "%-10.npy": string(one), "%.txt": "é\nb \n"}, nil, ""},
		{"shards with underscores", map[string]string{"%_0.npy": string(first), "%_1.npy": string(one), "%.txt": "é\nb \n"}, nil, ""},
		{"a line break in a text", map[string]string{"%.npy": string(two), "%.txt": "é\nb \nc\n"}, eci.ErrRowCount, "JSON list"},
		{"a list of no texts", map[string]string{"%.npy": string(two), "%.json": `{"a":1}`}, eci.ErrFormat, "JSON list"},
		{"an archive without vectors", map[string]string{"%.npz": string(zipped(map[string][]byte{"ids.npy": npyBytes("<i8", "2,", []int64{1, 2})}))}, eci.ErrFormat, "two dimensions"},
		{"an archive that is none", map[string]string{"%.npz": "PK"}, eci.ErrFormat, ".npz"},
		{"texts that are objects", map[string]string{"%.npz": string(zipped(map[string][]byte{"v.npy": two, "texts.npy": npyBytes("|O", "2,", []byte{1})}))}, eci.ErrFormat, "objects"},
		{"an archive with too few texts", map[string]string{"%.npz": string(zipped(map[string][]byte{"v.npy": two, "ids.npy": npyBytes("<i4", "3,", []int32{1})}))}, eci.ErrFormat, "3 elements"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			dir := t.TempDir()
			for name, data := range test.files {
				for _, stem := range []string{"queries", "corpus"} {
					if err := os.WriteFile(filepath.Join(dir, strings.Replace(name, "%", stem, 1)), []byte(data), 0o666); err != nil {
						t.Fatal(err)
					}
				}
			}
			vectors, err := eci.OpenVectors(dir)
			if !errors.Is(err, test.err) || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Fatalf("error %v, want %v with %q", err, test.err, test.says)
			}
			if err != nil {
				return
			}
			defer vectors.Close()
			trimmed := strings.TrimSpace // as ids are, and texts are not
			for text, want := range map[string]string{"é": "[1 0]", "b ": "[0 1]"} {
				v, err := vectors.AppendDocument(nil, text)
				if err != nil {
					v, err = vectors.AppendDocument(nil, trimmed(text))
				}
				if err != nil || fmt.Sprint(v) != want {
					t.Errorf("%q: %v, error %v; want %s", text, v, err, want)
				}
			}
		})
	}
}

// TestTriplesAreLookedUpByText: triples without ids are scored with vectors by text,
// and those of another text are named.
func TestTriplesAreLookedUpByText(t *testing.T) {
	vectors := eci.VectorMap{
		Queries:   map[string][]float32{"q a": {1, 0}, "q b": {0, 1}},
		Documents: map[string][]float32{"p a": {1, .1}, "n a": {.5, .5}, "p b": {.3, 1}},
	}
	rows := []*eci.Record{{QueryText: "q a", PositiveText: "p a", NegativeText: "n a"}, {QueryText: "q b", PositiveText: "p b", NegativeText: "n a"}}
	score := func() error {
		_, err := (&eci.Sem{Vectors: vectors, NoChecks: true, Budget: eci.Unlimited}).Calibrate(t.Context(), eci.SourceOf("a", rows))
		return err
	}
	if err := score(); err != nil {
		t.Error(err)
	}
	rows = append(rows, &eci.Record{QueryText: "q c", PositiveText: "p a", NegativeText: "n a"})
	if err := score(); !errors.Is(err, eci.ErrMissingVector) || !strings.Contains(err.Error(), "in no table") && !strings.Contains(err.Error(), "q c") {
		t.Errorf("error %v, want one that names the text", err)
	}
}

// TestIDsAndTextsOfVectors: a row with ids is looked up by its text where vectors are
// known by texts; with one vector for two texts, a ranking says so.
func TestIDsAndTextsOfVectors(t *testing.T) {
	byText := eci.VectorMap{Queries: map[string][]float32{}, Documents: map[string][]float32{}}
	byID := eci.VectorMap{Queries: map[string][]float32{}, Documents: map[string][]float32{}}
	var rows, twice []*eci.Record
	for q := range 40 {
		r := &eci.Record{QueryID: fmt.Sprint("q", q), QueryText: fmt.Sprint("question ", q), PositiveID: fmt.Sprint("p", q), PositiveText: fmt.Sprint("answer ", q), NegativeID: fmt.Sprint("n", q), NegativeText: fmt.Sprint("other ", q), File: "rows", Row: q + 1}
		x := float32(q)
		for _, m := range []struct{ query, positive, negative, tables string }{{r.QueryText, r.PositiveText, r.NegativeText, "text"}, {r.QueryID, r.PositiveID, r.NegativeID, "id"}} {
			into := byText
			if m.tables == "id" {
				into = byID
			}
			into.Queries[m.query], into.Documents[m.positive], into.Documents[m.negative] = []float32{1, x, 2}, []float32{1, x + 1, 1}, []float32{x, 1, 3}
		}
		again := *r
		if q%20 == 7 {
			again.NegativeID = "n1"
		}
		rows, twice = append(rows, r), append(twice, &again)
	}
	rank := func(vectors eci.Vectors, rows []*eci.Record) string {
		ranking, err := eci.Rank(t.Context(), &eci.Sem{Vectors: vectors, NoChecks: true, Groups: 4}, eci.SourceOf("a", rows))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(ranking.Best().Value, strings.Join(ranking.Notes, "; "))
	}
	want := rank(byID, rows)
	for _, test := range []struct {
		reason  string
		vectors eci.Vectors
		rows    []*eci.Record
		same    bool
		says    string
	}{
		{"rows with ids, vectors by text", byText, rows, true, ""},
		{"an id twice, vectors by text: each text has its own", byText, twice, true, ""},
		{"an id twice, one vector", byID, twice, false, `one vector: 1, such as "n1" in row 8 of a`},
	} {
		got := rank(test.vectors, test.rows)
		if (got == want) != test.same || !strings.Contains(got, test.says) {
			t.Errorf("%s: %s; of vectors by id: %s", test.reason, got, want)
		}
	}
}
