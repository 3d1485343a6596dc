package stat

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestTwoMeans: two bundles of directions are separated, and the mean cosines
// are those of all pairs.
func TestTwoMeans(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	unit := make([][]float64, 40)
	for i := range unit {
		unit[i] = make([]float64, 6)
		var square float64
		for k := range unit[i] {
			unit[i][k] = 0.2 * random.NormFloat64()
			if k == i%2 {
				unit[i][k] += 2
			}
			square += unit[i][k] * unit[i][k]
		}
		for k := range unit[i] {
			unit[i][k] /= math.Sqrt(square)
		}
	}
	s, ok := TwoMeans(unit, 5)
	if !ok || s.Sizes != [2]int{20, 20} {
		t.Fatalf("%+v", s)
	}
	var sum [3]float64 // within 0, within 1, across
	var pairs [3]float64
	for i := range unit {
		if s.Side[i] != s.Side[i%2] {
			t.Errorf("point %d is in group %d", i, s.Side[i])
		}
		for j := range i {
			kind := 2
			if s.Side[i] == s.Side[j] {
				kind = s.Side[i]
			}
			sum[kind] += inner(unit[i], unit[j])
			pairs[kind]++
		}
	}
	for kind, got := range []float64{s.Within[0], s.Within[1], s.Across} {
		if want := sum[kind] / pairs[kind]; math.Abs(got-want) > 1e-12 {
			t.Errorf("mean cosine %d: %v, by pairs %v", kind, got, want)
		}
	}
	if _, ok := TwoMeans(unit[:9], 5); ok {
		t.Error("nine points make two groups of five")
	}
	same := make([][]float64, 12)
	for i := range same {
		same[i] = []float64{1, 0}
	}
	if _, ok := TwoMeans(same, 2); ok {
		t.Error("equal points make two groups")
	}
}

func TestWidestGap(t *testing.T) {
	for _, test := range []struct {
		reason string
		x      []float64
		least  int
		at     int // 0 for none
	}{
		{"the greatest ratio", []float64{8, 7, 4, 3, 1, 1}, 1, 4},
		{"too near the end", []float64{8, 7, 6, 1}, 2, 0},
		{"the last of equal ratios", []float64{8, 4, 2, 1}, 1, 3},
		{"no ratio is large enough", []float64{1.1, 1}, 1, 0},
		{"nothing", nil, 1, 0},
		{"one value", []float64{1}, 0, 0},
	} {
		if at, ok := WidestGap(test.x, test.least, 1.2); at != test.at || ok != (test.at > 0) {
			t.Errorf("%s: %v: got %d, %v, want %d", test.reason, test.x, at, ok, test.at)
		}
	}
}
