package design

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
)

func always() error { return nil }

func serial(n int, work func(low, high int)) { work(0, n) }

// backward works on one index after the other, the last first.
func backward(n int, work func(low, high int)) {
	for i := n - 1; i >= 0; i-- {
		work(i, i+1)
	}
}

func madeRows(random *rand.Rand, n, d int) [][]float32 {
	rows := make([][]float32, n)
	for i := range rows {
		rows[i] = make([]float32, d)
		for k := range rows[i] {
			rows[i][k] = float32(random.NormFloat64() / float64(1+k))
		}
	}
	return rows
}

// value is f(T) by a factorization of its own.
func value(rows [][]float32, chosen []int) float64 {
	d := len(rows[0])
	sum := mat.NewSymDense(d, nil)
	for i := range d {
		sum.SetSym(i, i, 1)
	}
	for _, c := range chosen {
		x := mat.NewVecDense(d, nil)
		for k, v := range rows[c] {
			x.SetVec(k, float64(v))
		}
		sum.SymRankOne(sum, 1, x)
	}
	var factor mat.Cholesky
	if !factor.Factorize(sum) {
		return math.NaN()
	}
	return factor.LogDet() / 2
}

// TestGreedyAgainstPlainGreedy: every choice gains as much as any candidate that
// was left, and totals are the values of the sets. Both orders of work give the
// same choice.
func TestGreedyAgainstPlainGreedy(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	for trial := range 30 {
		n, d, quota := 3+random.IntN(60), 1+random.IntN(8), random.IntN(3)
		pool := &Pool{Rows: madeRows(random, n, d), Keys: make([]uint64, n), Quota: quota}
		for i := range pool.Keys {
			pool.Keys[i] = uint64(random.IntN(n/2 + 1))
		}
		var chosen []int
		taken := make(map[uint64]int)
		open := func(i int) bool {
			return !slices.Contains(chosen, i) && (quota == 0 || taken[pool.Keys[i]] < quota)
		}
		pool.Greedy(n, serial, always, func(c int, gain, total float64) error {
			if !open(c) {
				t.Fatalf("trial %d: candidate %d was not to be had", trial, c)
			}
			before, after := value(pool.Rows, chosen), value(pool.Rows, append(slices.Clone(chosen), c))
			if math.Abs(after-before-gain) > 1e-5 || math.Abs(after-total) > 1e-5 {
				t.Fatalf("trial %d: gain %v, total %v; factorized %v, %v", trial, gain, total, after-before, after)
			}
			for i := range pool.Rows {
				if open(i) && value(pool.Rows, append(slices.Clone(chosen), i)) > after+1e-6 {
					t.Fatalf("trial %d: candidate %d gains more than %d", trial, i, c)
				}
			}
			chosen, taken[pool.Keys[c]] = append(chosen, c), taken[pool.Keys[c]]+1
			return nil
		})
		for i := range pool.Rows {
			if open(i) {
				t.Fatalf("trial %d: candidate %d was left", trial, i)
			}
		}
		var again []int
		pool.Greedy(n, backward, always, func(c int, _, _ float64) error { again = append(again, c); return nil })
		if !slices.Equal(chosen, again) {
			t.Fatalf("trial %d: the order of work changed the choice", trial)
		}
	}
}

// TestSieveGuarantee: the one-pass choice is at least 1/2 - epsilon of the best,
// here bounded by the value of all rows, and does not depend on how rows are
// batched.
func TestSieveGuarantee(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 8))
	type kept struct {
		row   int
		total float64
	}
	for range 30 {
		n, d, count := 20+random.IntN(100), 2+random.IntN(6), 1+random.IntN(6)
		rows := madeRows(random, n, d)
		choose := func(batch int) []kept {
			s := NewSieve[kept](d, count, 0.1)
			for low := 0; low < n; low += batch {
				s.Offer(rows[low:min(low+batch, n)], serial, func(i int, _, total float64) kept { return kept{low + i, total} })
			}
			return s.Best()
		}
		best := choose(n)
		if len(best) == 0 || len(best) > count {
			t.Fatalf("%d rows of %d", len(best), count)
		}
		var greedy float64 // at least 1-1/e of the best
		(&Pool{Rows: rows, Keys: make([]uint64, n)}).Greedy(count, serial, always, func(_ int, _, total float64) error { greedy = total; return nil })
		if got := best[len(best)-1].total; got < (0.5-0.1)*greedy {
			t.Fatalf("the sieve is worth %v, greedy %v", got, greedy)
		}
		for _, batch := range []int{1, 7} {
			if again := choose(batch); !slices.Equal(best, again) {
				t.Fatalf("batches of %d: %v, at once %v", batch, again, best)
			}
		}
	}
	none := NewSieve[int](3, 2, 0.1)
	none.Offer([][]float32{{0, 0, 0}}, serial, func(i int, _, _ float64) int { return i })
	if best := none.Best(); len(best) != 0 {
		t.Errorf("%v of rows of zeros", best)
	}
}

// TestStop: an error of either function ends the choice.
func TestStop(t *testing.T) {
	pool := &Pool{Rows: madeRows(rand.New(rand.NewPCG(1, 1)), 9, 3), Keys: make([]uint64, 9)}
	enough := errors.New("enough")
	calls := 0
	third := func() error {
		if calls++; calls == 3 {
			return enough
		}
		return nil
	}
	if err := pool.Greedy(9, serial, always, func(int, float64, float64) error { return third() }); err != enough || calls != 3 {
		t.Errorf("yield: %v after %d calls", err, calls)
	}
	calls = 0
	if err := pool.Greedy(9, serial, third, func(int, float64, float64) error { return nil }); err != enough || calls != 3 {
		t.Errorf("proceed: %v after %d calls", err, calls)
	}
	if err := (&Pool{}).Greedy(3, serial, nil, nil); err != nil {
		t.Errorf("an empty pool: %v", err)
	}
}
