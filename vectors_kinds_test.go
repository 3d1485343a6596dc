package eci_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/eci"
)

// vectorFolder writes arrays for queries and documents, with ids or texts.
func vectorFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestQuantizedVectors: embeddings of the precisions int8 and ubinary are read, next to
// those of queries in float32. The bytes are those of NumPy (np.packbits([1,0,1,1,0,0,0,1])
// is 177, np.packbits([0]*7+[1]) is 1).
func TestQuantizedVectors(t *testing.T) {
	floats := string(npyBytes("<f4", "1, 8", []float32{.5, -1, 1, 1, -1, -1, -1, 1}))
	bits := string(npyBytes("|u1", "2, 1", []byte{177, 1}))
	numbers := string(npyBytes("|i1", "2, 8", []int8{-128, 127, 0, 1, 2, 3, 4, 5, 1, 1, 1, 1, 1, 1, 1, 1}))
	u8 := safetensorsBytes(`{"embeddings":{"dtype":"U8","shape":[2,1],"data_offsets":[0,2]}}`, []byte{177, 1})
	i8 := safetensorsBytes(`{"embeddings":{"dtype":"I8","shape":[2,8],"data_offsets":[0,16]}}`, []byte(numbers[len(numbers)-16:]))
	ids := "d1\nd2\n"
	for _, test := range []struct {
		reason, file, data string
		stored, want       string // of d1
		says               string
	}{
		{"packed bits", "corpus.npy", bits, "ubinary", "[1 -1 1 1 -1 -1 -1 1]", ""},
		{"numbers", "corpus.npy", numbers, "int8", "[-128 127 0 1 2 3 4 5]", ""},
		{"packed bits of a tensor", "corpus.safetensors", u8, "ubinary", "[1 -1 1 1 -1 -1 -1 1]", ""},
		{"numbers of a tensor", "corpus.safetensors", i8, "int8", "[-128 127 0 1 2 3 4 5]", ""},
		{"packed bits in an archive", "corpus.npz", string(zipped(map[string][]byte{"v.npy": []byte(bits)})), "ubinary", "[1 -1 1 1 -1 -1 -1 1]", ""},
		{"packed bits cut short", "corpus.npy", bits[:len(bits)-1], "", "", "needs"},
		{"packed bits in int8", "corpus.npy", string(npyBytes("|i1", "2, 1", []int8{49, -127})), "", "", "precision binary"},
		{"too many bits", "corpus.npy", string(npyBytes("|u1", "1, 4097", make([]byte, 4097))), "", "", "out of range"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			vectors, err := eci.OpenVectors(vectorFolder(t, map[string]string{"queries.npy": floats, "queries.ids": "q1\n", test.file: test.data, "corpus.ids": ids}))
			if test.says != "" {
				if err == nil || !strings.Contains(err.Error(), test.says) {
					t.Errorf("error %v, want %q", err, test.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer vectors.Close()
			v, err := vectors.AppendDocument(nil, "d1")
			queries, documents := vectors.Stored()
			if err != nil || fmt.Sprint(v) != test.want || queries != "float32" || documents != test.stored && test.file != "corpus.npz" {
				t.Errorf("%v (%s, %s), error %v; want %s", v, queries, documents, err, test.want)
			}
		})
	}
}

// safetensorsBytes is a .safetensors file.
func safetensorsBytes(header string, data []byte) string {
	n := len(header)
	return string([]byte{byte(n), byte(n >> 8), 0, 0, 0, 0, 0, 0}) + header + string(data)
}

// TestDotProducts: with DotProducts the cosines of every query have the order of the dot
// products, which those of the vectors as they are have not.
func TestDotProducts(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	const n, d = 60, 6
	var queries, documents []float32
	var ids [2]string
	for i := range n {
		length := math.Exp(random.NormFloat64() / 2)
		for range d {
			queries, documents = append(queries, float32(random.NormFloat64())), append(documents, float32(length*random.NormFloat64()))
		}
		ids[0], ids[1] = ids[0]+fmt.Sprintf("q%d\n", i), ids[1]+fmt.Sprintf("d%d\n", i)
	}
	shape := fmt.Sprintf("%d, %d", n, d)
	vectors, err := eci.OpenVectors(vectorFolder(t, map[string]string{
		"queries.npy": string(npyBytes("<f4", shape, queries)), "queries.ids": ids[0],
		"corpus.npy": string(npyBytes("<f4", shape, documents)), "corpus.ids": ids[1],
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer vectors.Close()
	if spread, err := vectors.LengthSpread(); err != nil || spread < .3 || spread > 1.5 {
		t.Errorf("lengths vary by %v, error %v", spread, err)
	}
	dots, err := vectors.DotProducts()
	if err != nil {
		t.Fatal(err)
	}
	inner := func(a, b []float32) (sum float64) {
		for i := range a {
			sum += float64(a[i]) * float64(b[i])
		}
		return sum
	}
	differs := 0
	for q := range n {
		order := func(similarity func(i int) float64) []int {
			all := make([]int, n)
			for i := range all {
				all[i] = i
			}
			slices.SortFunc(all, func(a, b int) int { return int(math.Copysign(1, similarity(b)-similarity(a))) })
			return all
		}
		raw := queries[q*d : q*d+d]
		want := order(func(i int) float64 { return inner(raw, documents[i*d:i*d+d]) })
		cosine := func(v *eci.VectorFiles) []int {
			x, err := v.AppendQuery(nil, fmt.Sprintf("q%d", q))
			if err != nil {
				t.Fatal(err)
			}
			var rows [n][]float32
			for i := range rows {
				if rows[i], err = v.AppendDocument(nil, fmt.Sprintf("d%d", i)); err != nil || len(rows[i]) != len(x) {
					t.Fatal(len(rows[i]), err)
				}
			}
			return order(func(i int) float64 { return inner(x, rows[i]) / math.Sqrt(inner(x, x)*inner(rows[i], rows[i])) })
		}
		if got := cosine(dots); !slices.Equal(got, want) {
			t.Errorf("query %d: %v, want %v", q, got, want)
		}
		if !slices.Equal(cosine(vectors), want) {
			differs++
		}
	}
	if differs < n/2 {
		t.Errorf("cosines have another order for %d queries only", differs)
	}
}

// TestDotProductsOfBadVectors are errors with their file, as they are without.
func TestDotProductsOfBadVectors(t *testing.T) {
	for reason, test := range map[string]struct {
		row  []float32
		want error
	}{"a length without end": {[]float32{float32(math.Inf(1)), 1}, eci.ErrNotFinite}, "no length": {[]float32{0, 0}, eci.ErrZeroVector}} {
		vectors, err := eci.OpenVectors(vectorFolder(t, map[string]string{
			"queries.npy": string(npyBytes("<f4", "1, 2", []float32{1, 1})), "queries.ids": "q\n",
			"corpus.npy": string(npyBytes("<f4", "2, 2", append([]float32{1, 2}, test.row...))), "corpus.ids": "a\nb\n",
		}))
		if err != nil {
			t.Fatal(err)
		}
		dots, err := vectors.DotProducts()
		if err == nil {
			_, err = dots.AppendDocument(nil, "b")
		}
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v", reason, err)
		}
		vectors.Close()
	}
}

// TestPromptsOfStoredTexts: a text is found with the encoder's prompt in front of it, or
// without, whichever was stored.
func TestPromptsOfStoredTexts(t *testing.T) {
	array := string(npyBytes("<f4", "2, 2", []float32{1, 0, 0, 1}))
	vectors, err := eci.OpenVectors(vectorFolder(t, map[string]string{
		"queries.npy": array, "queries.txt": "query: a\nb\n", "corpus.npy": array, "corpus.txt": "passage: a\nb\n",
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer vectors.Close()
	if _, err := vectors.AppendQuery(nil, "a"); !errors.Is(err, eci.ErrMissingVector) {
		t.Errorf("without a prefix: %v", err)
	}
	vectors.QueryPrefix, vectors.DocumentPrefix = "query: ", "passage: "
	for _, test := range []struct {
		query bool
		text  string
		want  string // "" for none
	}{{true, "a", "[1 0]"}, {true, "query: a", "[1 0]"}, {true, "query: b", "[0 1]"}, {true, "b", "[0 1]"}, {true, "c", ""}, {true, "passage: b", ""},
		{false, "a", "[1 0]"}, {false, "passage: b", "[0 1]"}, {false, "query: b", ""}} {
		look := vectors.AppendDocument
		if test.query {
			look = vectors.AppendQuery
		}
		v, err := look(nil, test.text)
		if test.want == "" && !errors.Is(err, eci.ErrMissingVector) || test.want != "" && fmt.Sprint(v) != test.want {
			t.Errorf("%q: %v, error %v", test.text, v, err)
		}
	}
}
