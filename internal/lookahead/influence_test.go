package lookahead_test

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"testing"
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
