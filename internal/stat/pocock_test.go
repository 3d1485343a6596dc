package stat

import (
	"math"
	"testing"
)

// The constants are those of Pocock's two-sided test for equally spaced looks,
// as tabulated by Jennison and Turnbull, Group Sequential Methods (2000), table
// 2.1; a one-sided test at half the level has the same, because crossing both
// sides has negligible probability.
func TestPocockAgreesWithPublishedConstants(t *testing.T) {
	for _, test := range []struct {
		looks int
		alpha float64
		want  float64
	}{
		{1, 0.025, 1.960},
		{2, 0.025, 2.178},
		{3, 0.025, 2.289},
		{5, 0.025, 2.413},
		{10, 0.025, 2.555},
		{2, 0.005, 2.772},
		{5, 0.005, 2.986},
		{5, 0.05, 2.122},
	} {
		times := make([]float64, test.looks)
		for k := range times {
			times[k] = float64(k+1) / float64(test.looks)
		}
		if got := Pocock(times, test.alpha); math.Abs(got-test.want) > 0.002 {
			t.Errorf("%d looks at %v: %.4f, published %.3f", test.looks, test.alpha, got, test.want)
		}
	}
}
