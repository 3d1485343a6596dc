package gram_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"example.com/eci/internal/gram"
	"example.com/eci/internal/syrk"
)

// made returns a Sum of n random rows, and the rows.
func made(n, d int, fast bool, seed uint64) (*gram.Sum, []float64) {
	random := rand.New(rand.NewPCG(seed, 1))
	var s gram.Sum
	var scratch gram.Scratch
	var all []float64
	for range n {
		x := make([]float32, d)
		for k := range x {
			x[k] = float32(random.NormFloat64())
			all = append(all, float64(x[k]))
		}
		if fast {
			copy(s.FastRow(d, &scratch), x)
			continue
		}
		row := s.Row(d, &scratch)
		for k := range row {
			row[k] = float64(x[k])
		}
	}
	return &s, all
}

func upper(s *gram.Sum, d int) []float64 {
	c := make([]float64, d*d)
	s.Upper(c, d, new(gram.Scratch))
	return c
}

// direct sums the outer products element by element.
func direct(rows []float64, d int) []float64 {
	c := make([]float64, d*d)
	for r := range len(rows) / d {
		x := rows[r*d : (r+1)*d]
		for i := range d {
			for j := i; j < d; j++ {
				c[i*d+j] += x[i] * x[j]
			}
		}
	}
	return c
}

func near(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	for k := range want {
		if !(math.Abs(got[k]-want[k]) <= tolerance*max(1, math.Abs(want[k]))) {
			t.Fatalf("%s: element %d is %v, want %v", what, k, got[k], want[k])
		}
	}
}

// TestSumForms: at every number of rows about which the form changes, the sum is
// that of the rows, and all that leaves it as it is leaves its bits.
func TestSumForms(t *testing.T) {
	for _, d := range []int{1, 3, 65, 400} {
		for _, fast := range []bool{false, true} {
			turn := max(192, d/2)
			if fast {
				turn = (d + syrk.MaxRows - 1) / syrk.MaxRows * syrk.MaxRows
			}
			for _, n := range []int{0, 1, turn - 1, turn, turn + 1, turn + syrk.MaxRows, 2*turn + 1} {
				t.Run(fmt.Sprintf("d=%d fast=%v n=%d", d, fast, n), func(t *testing.T) {
					s, rows := made(n, d, fast, 7)
					var scratch gram.Scratch
					got := upper(s, d)
					near(t, "sum", got, direct(rows, d), 1e-3)
					triangle, _, _ := s.Parts()
					if has := triangle != nil; has != (n > turn) {
						t.Errorf("triangle %v with %d rows, the form changes after %d", has, n, turn)
					}
					back, ok := s.AppendRows(nil)
					if ok != (n <= turn) || ok && !slices.Equal(back, rows) {
						t.Error("the rows are lost")
					}
					folded, clone := s.Folded(d, &scratch), s.Clone()
					for what, o := range map[string]*gram.Sum{"folded": &folded, "clone": &clone} {
						if !slices.Equal(upper(o, d), got) {
							t.Errorf("%s: other bits", what)
						}
					}
					all, rest := make([]float64, d*d), make([]float64, d*d)
					for k := range all {
						all[k] = float64(k % 17)
					}
					for what, o := range map[string]*gram.Sum{"rows": s, "folded": &folded} {
						o.Rest(rest, all, d, &scratch)
						for i := range d {
							for k := i; k < d; k++ {
								if want := all[i*d+k] - got[i*d+k]; rest[i*d+k] != want {
									t.Fatalf("%s: the rest at %d, %d is %v, want %v", what, i, k, rest[i*d+k], want)
								}
							}
						}
					}
					s.Settle(d, &scratch)
					if !slices.Equal(upper(s, d), got) {
						t.Error("settled: other bits")
					}
					clone.Fold(d, &scratch)
					if !slices.Equal(upper(&clone, d), got) {
						t.Error("folded in place: other bits")
					}
				})
			}
		}
	}
}

// TestAddCommutes: a+b and b+a are the same bits in every pair of forms, and the
// empty sum changes none.
func TestAddCommutes(t *testing.T) {
	const d = 20
	var scratch gram.Scratch
	for _, n := range []int{0, 5, 300} {
		for _, m := range []int{0, 7, 500} {
			for _, fast := range []bool{false, true} {
				a, x := made(n, d, false, 1)
				b, y := made(m, d, fast, 2)
				ab, ba := a.Clone(), b.Clone()
				ab.Add(b, d, &scratch)
				ba.Add(a, d, &scratch)
				if !slices.Equal(upper(&ab, d), upper(&ba, d)) {
					t.Errorf("%d and %d rows do not commute", n, m)
				}
				near(t, "sum", upper(&ab, d), direct(append(slices.Clone(x), y...), d), 1e-3)
				ab.Scale(0.5, d, &scratch)
				half := direct(append(slices.Clone(x), y...), d)
				for k := range half {
					half[k] /= 2
				}
				near(t, "half", upper(&ab, d), half, 1e-3)
			}
		}
	}
}

// TestDual: the product of the rows with themselves, and what is left of it
// without some, on any split of the strips.
func TestDual(t *testing.T) {
	for _, n := range []int{1, 7, 8, 95, 96, 97, 200} {
		_, x := made(n, 5, false, 3)
		var splits [2][]float64
		var ld int
		for i := range splits {
			splits[i], ld = gram.Dual(x, n, 5, func(strips int, work func(lo, hi int)) {
				if i == 0 {
					work(0, strips)
					return
				}
				for s := strips - 1; s >= 0; s-- {
					work(s, s+1)
				}
			})
		}
		product := func(i, j int) (sum float64) {
			for k := range 5 {
				sum += x[i*5+k] * x[j*5+k]
			}
			return sum
		}
		for _, cut := range [][2]int{{0, 0}, {0, n / 2}, {n / 3, n/3 + n/2}, {n - 1, n}} {
			lo, hi := cut[0], cut[1]
			k := n - (hi - lo)
			var got [2][]float64
			for i := range got {
				got[i] = make([]float64, k*k)
				gram.Without(got[i], splits[i], n, ld, lo, hi, 3)
			}
			for i := range k {
				for j := i; j < k; j++ {
					at := func(i int) int {
						if i >= lo {
							i += hi - lo
						}
						return i
					}
					want := 3 * product(at(i), at(j))
					if i == j {
						want++
					}
					if g := got[0][i*k+j]; math.Abs(g-want) > 1e-12*max(1, math.Abs(want)) || g != got[1][i*k+j] {
						t.Fatalf("n=%d without %v: (%d, %d) is %v and %v, want %v", n, cut, i, j, g, got[1][i*k+j], want)
					}
				}
			}
		}
	}
}

// TestMost: a settled Sum takes no more than is said, in either form.
func TestMost(t *testing.T) {
	for _, fast := range []bool{false, true} {
		for _, n := range []int{1, 100, 384, 385, 1000} {
			const d = 300
			s, _ := made(n, d, fast, 4)
			s.Settle(d, new(gram.Scratch))
			triangle, rows, short := s.Parts()
			took := 8*cap(triangle) + 8*cap(rows)
			for _, b := range short {
				took += 4 * cap(b)
			}
			if int64(took) > gram.Most(d, fast) || triangle == nil && int64(took) != gram.RowBytes(n, d, fast) {
				t.Errorf("%d rows, fast %v: %d bytes, at most %d", n, fast, took, gram.Most(d, fast))
			}
		}
	}
}
