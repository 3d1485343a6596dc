package lookahead

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// gaussian returns n rows of d numbers whose spread falls as (k+8)^-power, as
// float32; the last rows repeat the first of them when some are to be the same.
func gaussian(seed uint64, n, d, distinct int, power float64) [][]float32 {
	random := rand.New(rand.NewPCG(seed, 1))
	rows := make([][]float32, n)
	for i := range rows {
		if i >= distinct {
			rows[i] = rows[i%distinct]
			continue
		}
		rows[i] = make([]float32, d)
		for k := range rows[i] {
			rows[i][k] = float32(random.NormFloat64() * math.Pow(float64(k+8), -power))
		}
	}
	return rows
}

// lengthsOf returns the lengths of vectors that are all in order.
func lengthsOf(t testing.TB, vectors [][]float32) []float64 {
	t.Helper()
	lengths, err := norms(t.Context(), "vector", vectors, len(vectors[0]), nil)
	if err != nil {
		t.Fatal(err)
	}
	return lengths
}

// The iteration finds what the whole decomposition finds: the eigenvalues to
// rounding, and the same span, where there is a gap after it.
func TestSubspaceAgreesWithDense(t *testing.T) {
	for _, c := range []struct {
		why         string
		n, r, block int
		rank        int
		power       float64
		span        float64 // tolerance, 0 for none
	}{
		{"the spectrum of an encoder", 300, 64, 96, 300, 0.5, 1e-10},
		{"a steep spectrum", 300, 40, 72, 300, 2, 1e-9},
		{"hardly any gap", 300, 40, 72, 300, 0, 0},
		{"fewer axes than asked for", 300, 40, 72, 30, 0.5, 0},
		{"a size off the grid of the kernels", 277, 33, 72, 277, 0.5, 1e-10},
	} {
		t.Run(c.why, func(t *testing.T) {
			x := transposed(centered(gaussian(1, 500, c.n, c.rank+1, c.power), lengthsOf(t, gaussian(1, 500, c.n, c.rank+1, c.power)), c.n), 500, c.n)
			a, err := outer(t.Context(), x, c.n, 500)
			if err != nil {
				t.Fatal(err)
			}
			got, values, err := subspace(t.Context(), a, c.n, c.r, c.block)
			if err != nil {
				t.Fatal(err)
			}
			want, wantValues, err := dense(a, c.n, c.r)
			if err != nil {
				t.Fatal(err)
			}
			for k := range c.r {
				if math.Abs(values[k]-wantValues[k]) > 1e-12*wantValues[0] {
					t.Errorf("eigenvalue %d is %v, dense %v", k, values[k], wantValues[k])
				}
				var inside float64
				row := got[k*c.n:][:c.n]
				for j := range c.r {
					p := dot(row, want[j*c.n:][:c.n])
					inside += p * p
				}
				if c.span > 0 && math.Abs(1-inside) > c.span {
					t.Errorf("eigenvector %d: %v of its square is outside the dense span", k, 1-inside)
				}
			}
		})
	}
}

// Axes are orthonormal and those of the covariance, whichever of covariance and
// Gram matrix is smaller, and the same bits on any number of cores.
func TestAxes(t *testing.T) {
	for _, c := range []struct {
		why            string
		n, d, distinct int
		most, want     int
	}{
		{"more documents than dimensions", 400, 60, 400, 128, 60},
		{"fewer documents than dimensions", 90, 300, 90, 50, 50},
		{"fewer documents than axes", 20, 300, 20, 128, 19},
		{"repeated documents", 400, 60, 9, 128, 8},
		{"iterated", 600, 520, 600, 100, 100},
		{"iterated, fewer documents than dimensions", 520, 601, 520, 100, 100},
		{"decomposed as a whole, and large", 420, 370, 420, 128, 128},
		{"two documents", 2, 3, 2, 128, 1},
	} {
		t.Run(c.why, func(t *testing.T) {
			pool := gaussian(7, c.n, c.d, c.distinct, 0.5)
			lengths := lengthsOf(t, pool)
			a, err := newAxes(t.Context(), pool, lengths, c.d, c.most)
			if err != nil {
				t.Fatal(err)
			}
			if a.r != c.want {
				t.Fatalf("%d axes, want %d", a.r, c.want)
			}
			x := centered(pool, lengths, c.d)
			before := math.Inf(1)
			for k := range a.r {
				v := a.rows[k*c.d:][:c.d]
				for j := range k + 1 {
					want := 0.0
					if j == k {
						want = 1
					}
					if p := dot(v, a.rows[j*c.d:][:c.d]); math.Abs(p-want) > 1e-12 {
						t.Errorf("axes %d and %d have the product %v", k, j, p)
					}
				}
				variance := compareEigenvector(t, x, v, c.d)
				if variance > before*(1+1e-9) {
					t.Errorf("axis %d has more variance than the one before", k)
				}
				before = variance
			}
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(5))
			b, err := newAxes(t.Context(), pool, lengths, c.d, c.most)
			if err != nil || !slices.Equal(a.rows, b.rows) {
				t.Errorf("other bits on 5 cores (%v)", err)
			}
		})
	}
}

// compareEigenvector checks that v is an eigenvector of XᵀX and returns the
// eigenvalue.
func compareEigenvector(t *testing.T, x, v []float64, d int) float64 {
	t.Helper()
	moved := make([]float64, d)
	var total float64
	for i := 0; i < len(x); i += d {
		addScaled(moved, dot(x[i:][:d], v), x[i:][:d])
		total += dot(x[i:][:d], x[i:][:d])
	}
	value := dot(moved, v)
	addScaled(moved, -value, v)
	if residual := math.Sqrt(dot(moved, moved)); residual > 1e-10*total {
		t.Errorf("residual %v at eigenvalue %v of %v", residual, value, total)
	}
	return value
}

func TestAxesOfEqualDocuments(t *testing.T) {
	for _, n := range []int{1, 2, 50} {
		pool := gaussian(1, n, 30, 1, 0)
		if _, err := newAxes(t.Context(), pool, lengthsOf(t, pool), 30, 128); err == nil {
			t.Errorf("%d equal documents have axes", n)
		}
	}
}
