package stat

import (
	"math"
	"testing"
)

// TestJackknifeOfTheMean: with equal groups of one, the jackknife of a mean is
// the mean, and its standard error the usual s/sqrt(n).
func TestJackknifeOfTheMean(t *testing.T) {
	x := []float64{1, 2, 4, 8, 16, 0}
	var sum float64
	for _, v := range x {
		sum += v
	}
	n := float64(len(x))
	without, triples := make([]float64, len(x)), make([]int, len(x))
	var square float64
	for i, v := range x {
		without[i], triples[i] = (sum-v)/(n-1), 1
		square += (v - sum/n) * (v - sum/n)
	}
	j, ok := GroupJackknife(sum/n, without, triples)
	if !ok || math.Abs(j.Corrected-sum/n) > 1e-12 || math.Abs(j.StandardError-math.Sqrt(square/(n-1)/n)) > 1e-12 {
		t.Errorf("%+v", j)
	}
}

// TestJackknifeUnequalGroups: the formulas of Busing, Meijer and van der Leeden
// written out for three groups, one of them empty.
func TestJackknifeUnequalGroups(t *testing.T) {
	triples, without, s := []int{2, 0, 6}, []float64{3, 99, 5}, 4.0
	j, ok := GroupJackknife(s, without, triples)
	if !ok {
		t.Fatal("no interval from two groups")
	}
	h0, h2 := 8./2, 8./6
	corrected := 2*s - (1-2./8)*3 - (1-6./8)*5
	d0, d2 := h0*s-(h0-1)*3-corrected, h2*s-(h2-1)*5-corrected
	se := math.Sqrt((d0*d0/(h0-1) + d2*d2/(h2-1)) / 2)
	if j.Groups != 2 || math.Abs(j.Corrected-corrected) > 1e-12 || math.Abs(j.StandardError-se) > 1e-12 || j.Deviations[1] != 0 {
		t.Errorf("%+v, want J %v, SE %v", j, corrected, se)
	}
	for _, few := range [][]int{nil, {0, 0}, {5, 0}} {
		if _, ok := GroupJackknife(1, make([]float64, len(few)), few); ok {
			t.Errorf("an interval from groups of %v", few)
		}
	}
}

// TestStudent: quantiles from the tables of Student's t.
func TestStudent(t *testing.T) {
	for df, want := range map[int]float64{1: 12.7062, 2: 4.30265, 31: 2.03951, 1000: 1.96234} {
		if got := TQuantile(df); math.Abs(got-want) > 1e-4 {
			t.Errorf("t(%d) = %v, table %v", df, got, want)
		}
	}
	for _, test := range []struct {
		difference, se, want float64
	}{{0, 1, 0.5}, {0, 0, 0.5}, {1, 0, 1}, {-1, 0, 0}, {2.03951, 1, 0.975}} {
		if got := TProbability(test.difference, test.se, 31); math.Abs(got-test.want) > 1e-5 {
			t.Errorf("P(%v, %v) = %v, want %v", test.difference, test.se, got, test.want)
		}
	}
}
