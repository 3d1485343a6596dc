package lookahead_test

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"

	"example.com/eci/internal/lookahead"
)

// Influence against the NumPy reference: one source of each collection, pool:
// pool.ids.
func TestInfluenceAgreesWithNumPyReference(t *testing.T) {
	var want map[string]struct {
		Triples   int       `json:"triples"`
		Influence []float64 `json:"influence"`
	}
	readJSON(t, "influence.json", &want)
	for name, w := range want {
		t.Run(name, func(t *testing.T) {
			collection, source, _ := strings.Cut(name, "/")
			c := openCollection(t, collection)
			triples := c.source(source)
			in, err := c.lab(t, "corpus").space.Influence(t.Context(), triples)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]float64, len(triples.Triples))
			if err := in.Score(t.Context(), got, triples); err != nil {
				t.Fatal(err)
			}
			if len(got) != w.Triples {
				t.Fatalf("%d triples, reference %d", len(got), w.Triples)
			}
			var largest, difference float64
			for i := range got {
				largest = max(largest, math.Abs(w.Influence[i]))
				difference = max(difference, math.Abs(got[i]-w.Influence[i]))
			}
			r := rankCorrelation(got, w.Influence)
			t.Logf("largest difference %.2g of the largest value %.3g, rank correlation %.9f", difference/largest, largest, r)
			if !(difference <= 1e-7*largest) { // 1e-4 is asked for; the file has 9 digits
				t.Errorf("influences differ by %v of %v", difference, largest)
			}
			if !(r > 0.9999) {
				t.Errorf("rank correlation %v", r)
			}
		})
	}
}

// stored holds an influence to its stored form: the scores are the same to the bit,
// and what is cut or not finite is refused.
func stored(t *testing.T, in *lookahead.Influence, want []float64, source lookahead.Source) {
	t.Helper()
	raw := in.AppendBinary([]byte("before"))[len("before"):]
	back, err := lookahead.ReadInfluence(raw)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float64, len(want))
	if err := back.Score(t.Context(), got, source); err != nil || !slices.Equal(got, want) {
		t.Errorf("an influence that was stored gives other scores (%v)", err)
	}
	if again := back.AppendBinary(nil); !slices.Equal(again, raw) {
		t.Error("an influence that was stored is stored as something else")
	}
	for _, n := range []int{0, 8, 23, 24, 32, len(raw) - 8, len(raw) - 1} {
		if _, err := lookahead.ReadInfluence(raw[:n]); err == nil {
			t.Errorf("cut to %d of %d bytes: no error", n, len(raw))
		}
	}
	for _, at := range []int{3, 7, 11, 15, 23} { // huge lengths and a negative scale
		bad := slices.Clone(raw)
		bad[at] = 0xff
		if _, err := lookahead.ReadInfluence(bad); err == nil {
			t.Errorf("byte %d is another: no error", at)
		}
	}
	for _, at := range []int{24, len(raw) - 8} {
		bad := slices.Clone(raw)
		binary.LittleEndian.PutUint64(bad[at:], math.Float64bits(math.NaN()))
		if _, err := lookahead.ReadInfluence(bad); err == nil || !strings.Contains(err.Error(), "NaN") {
			t.Errorf("a number at %d is NaN: %v", at, err)
		}
	}
}

func rankCorrelation(x, y []float64) float64 {
	a, b := ranks(x), ranks(y)
	var sum float64
	for i := range a {
		sum += (a[i] - b[i]) * (a[i] - b[i])
	}
	n := float64(len(a))
	return 1 - 6*sum/(n*(n*n-1))
}

func ranks(x []float64) []float64 {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(x[a], x[b]) })
	r := make([]float64, len(x))
	for rank, i := range order {
		r[i] = float64(rank)
	}
	return r
}
