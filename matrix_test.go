package eci_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/eci"
)

// filled is a matrix of n random triples.
func filled(t testing.TB, config eci.MatrixConfig, n int, seed uint64) *eci.Matrix {
	t.Helper()
	m, err := eci.NewMatrix(config)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(seed, 1))
	residual := make([]float64, config.Dimension)
	for i := range n {
		for k := range residual {
			residual[k] = random.NormFloat64() / float64(k+1)
		}
		if err := m.Add(i%m.Config().Groups, random.Float64(), residual); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// TestMatrixByHand: two orthogonal residuals in two dimensions give a diagonal M
// whose score, spectrum and effective dimension can be written down.
func TestMatrixByHand(t *testing.T) {
	m, err := eci.NewMatrix(eci.MatrixConfig{Dimension: 2, Groups: 2, Epsilon2: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	for g, row := range [][]float64{{2, 0}, {0, 1}} {
		if err := m.Add(g, 0.5, row); err != nil {
			t.Fatal(err)
		}
	}
	// M = diag(0.5 4, 0.5 1)/2 = diag(1, 0.25), a = d/eps^2 = 4.
	all, without, err := m.LogDets()
	if err != nil {
		t.Fatal(err)
	}
	near(t, "S", all, (math.Log(1+4*1)+math.Log(1+4*0.25))/2)
	near(t, "S without group 0", without[0], math.Log(1+4*0.5)/2)
	near(t, "S without group 1", without[1], math.Log(1+4*2)/2)
	near(t, "trace", m.Trace(), 1.25)
	dimension, err := m.EffectiveDimension()
	if err != nil {
		t.Fatal(err)
	}
	near(t, "effective dimension", dimension, 4./5+1./2)
	spectrum, err := m.Spectrum()
	if err != nil {
		t.Fatal(err)
	}
	near(t, "first eigenvalue", spectrum[0], 1)
	near(t, "second eigenvalue", spectrum[1], 0.25)
	if m.Triples() != 2 || !slices.Equal(m.GroupTriples(), []int{1, 1}) {
		t.Error(m.Triples(), m.GroupTriples())
	}
}

func near(t *testing.T, name string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-12*max(1, math.Abs(want)) {
		t.Errorf("%s = %v, want %v", name, got, want)
	}
}

func TestEmptyMatrix(t *testing.T) {
	for _, m := range []*eci.Matrix{filled(t, eci.MatrixConfig{Dimension: 3}, 0, 1), {}} {
		all, without, err := m.LogDets()
		dimension, err2 := m.EffectiveDimension()
		if err != nil || err2 != nil || all != 0 || dimension != 0 || m.Trace() != 0 || slices.Max(append(without, 0)) != 0 {
			t.Errorf("S = %v, without %v, dimension %v, trace %v, errors %v %v", all, without, dimension, m.Trace(), err, err2)
		}
		if n := m.Symmetric().SymmetricDim(); n != m.Config().Dimension {
			t.Errorf("M is %d x %d", n, n)
		}
		if _, err := m.Spectrum(); err != nil {
			t.Error(err)
		}
	}
}

func TestMatrixInvariants(t *testing.T) {
	for _, d := range []int{1, 2, 7, 33, 130} {
		for _, n := range []int{1, 5, 64, 65, 400} {
			m := filled(t, eci.MatrixConfig{Dimension: d, Groups: 8}, n, uint64(d*n))
			s, err := m.LogDet()
			if err != nil {
				t.Fatal(err)
			}
			a := float64(d) / m.Config().Epsilon2
			if bound := float64(d) / 2 * math.Log1p(m.Trace()/m.Config().Epsilon2); s < 0 || s > bound*(1+1e-12) {
				t.Errorf("d=%d n=%d: S = %v is not in [0, %v]", d, n, s, bound)
			}
			spectrum, err := m.Spectrum()
			if err != nil {
				t.Fatal(err)
			}
			var fromSpectrum, dimension, trace float64
			for _, l := range spectrum {
				fromSpectrum += math.Log1p(a*l) / 2
				dimension += a * l / (1 + a*l)
				trace += l
			}
			got, err := m.EffectiveDimension()
			if err != nil || !relative(s, fromSpectrum, 1e-9) || !relative(got, dimension, 1e-9) || !relative(m.Trace(), trace, 1e-9) {
				t.Errorf("d=%d n=%d: S %v, from the spectrum %v; dimension %v, %v; trace %v, %v; %v", d, n, s, fromSpectrum, got, dimension, m.Trace(), trace, err)
			}
			if !slices.IsSortedFunc(spectrum, func(a, b float64) int { return int(math.Copysign(1, b-a)) }) {
				t.Errorf("spectrum does not descend: %v", spectrum)
			}
			double := m.Clone()
			if err := double.Merge(m); err != nil {
				t.Fatal(err)
			}
			if twice, err := double.LogDet(); err != nil || !relative(twice, s, 1e-12) {
				t.Errorf("the same triples twice: S %v, once %v, %v", twice, s, err)
			}
			if err := double.Scale(2); err != nil {
				t.Fatal(err)
			}
			if scaled, err := double.LogDet(); err != nil || scaled <= s || !relative(double.Trace(), 2*m.Trace(), 1e-12) {
				t.Errorf("weights doubled: S %v, before %v, %v", scaled, s, err)
			}
			if again, _ := m.LogDet(); again != s {
				t.Error("a clone shares its sums with the original")
			}
		}
	}
}

func TestMatrixRefuses(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, test := range []struct {
		reason   string
		group    int
		weight   float64
		residual []float64
		want     error
	}{
		{"a negative group", -1, 1, []float64{1, 1}, eci.ErrSettings},
		{"a group beyond the last", 4, 1, []float64{1, 1}, eci.ErrSettings},
		{"a residual that is too long", 0, 1, []float64{1, 1, 1}, eci.ErrDimension},
		{"a negative weight", 0, -1, []float64{1, 1}, eci.ErrWeight},
		{"a weight that is NaN", 0, nan, []float64{1, 1}, eci.ErrWeight},
		{"an infinite weight", 0, inf, []float64{1, 1}, eci.ErrWeight},
		{"NaN in the residual", 0, 1, []float64{nan, 1}, eci.ErrNotFinite},
		{"infinity in the residual", 0, 1, []float64{1, -inf}, eci.ErrNotFinite},
	} {
		m := filled(t, eci.MatrixConfig{Dimension: 2, Groups: 4}, 6, 1)
		before, _ := m.LogDet()
		if err := m.Add(test.group, test.weight, test.residual); !errors.Is(err, test.want) {
			t.Errorf("%s: error %v, want %v", test.reason, err, test.want)
		}
		if after, _ := m.LogDet(); after != before || m.Triples() != 6 {
			t.Errorf("%s: the matrix changed", test.reason)
		}
	}
	for _, alpha := range []float64{-1, nan, inf} {
		if err := filled(t, eci.MatrixConfig{Dimension: 2}, 3, 1).Scale(alpha); !errors.Is(err, eci.ErrSettings) {
			t.Errorf("scale %v: error %v", alpha, err)
		}
	}
	for _, config := range []eci.MatrixConfig{{}, {Dimension: -1}, {Dimension: 1 << 20}, {Dimension: 2, Groups: -1}, {Dimension: 2, Groups: 1 << 20}, {Dimension: 2, Epsilon2: -1}, {Dimension: 2, Epsilon2: nan}, {Dimension: 2, Epsilon2: inf}} {
		if _, err := eci.NewMatrix(config); !errors.Is(err, eci.ErrSettings) {
			t.Errorf("%+v: error %v", config, err)
		}
	}
}

// TestMergeRefuses: each field that must agree, one at a time.
func TestMergeRefuses(t *testing.T) {
	config := eci.MatrixConfig{Dimension: 3, Groups: 4, Epsilon2: 0.5, Settings: "a"}
	for _, test := range []struct {
		field  string
		change func(c *eci.MatrixConfig)
	}{
		{"dimensions", func(c *eci.MatrixConfig) { c.Dimension = 2 }},
		{"groups", func(c *eci.MatrixConfig) { c.Groups = 5 }},
		{"eps", func(c *eci.MatrixConfig) { c.Epsilon2 = 0.25 }},
		{"calibrations", func(c *eci.MatrixConfig) { c.Settings = "b" }},
	} {
		other := config
		test.change(&other)
		m := filled(t, config, 9, 1)
		before, _ := m.LogDet()
		err := m.Merge(filled(t, other, 9, 2))
		if !errors.Is(err, eci.ErrIncompatible) || !strings.Contains(err.Error(), test.field) {
			t.Errorf("%s: error %v", test.field, err)
		}
		if after, _ := m.LogDet(); after != before {
			t.Errorf("%s: the matrix changed", test.field)
		}
	}
	m := filled(t, config, 9, 1)
	if err := m.Merge(m); err != nil || m.Triples() != 18 {
		t.Errorf("merged with itself: %d triples, %v", m.Triples(), err)
	}
}

func TestSumsTooLargeAreSingular(t *testing.T) {
	m, err := eci.NewMatrix(eci.MatrixConfig{Dimension: 2, Groups: 2})
	if err != nil {
		t.Fatal(err)
	}
	for g := range 2 {
		if err := m.Add(g, 1, []float64{1e200, -1e200}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = m.LogDet()
	_, _, err2 := m.LogDets()
	_, err3 := m.EffectiveDimension()
	if diff := cmp.Diff([]bool{true, true, true}, []bool{errors.Is(err, eci.ErrSingular), errors.Is(err2, eci.ErrSingular), errors.Is(err3, eci.ErrSingular)}); diff != "" {
		t.Error(diff, err, err2, err3)
	}
}
