package cores_test

import (
	"runtime"
	"sync/atomic"
	"testing"

	"example.com/eci/internal/cores"
)

// TestSplit: every index is worked on once, in no more ranges than cores allowed.
func TestSplit(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	for _, n := range []int{0, 1, 2, 3, 4, 5, 100} {
		for allowed, most := range []int{4, 1, 2, 3, 4, 4} {
			times := make([]int32, n)
			var ranges atomic.Int32
			cores.Split(allowed, n, func(lo, hi int) {
				ranges.Add(1)
				for i := lo; i < hi; i++ {
					times[i]++
				}
			})
			if got := int(ranges.Load()); got > max(1, min(n, most)) || cores.Of(allowed) != most {
				t.Errorf("%d of %d cores: %d ranges, %d cores", allowed, n, got, cores.Of(allowed))
			}
			for i, k := range times {
				if k != 1 {
					t.Errorf("%d on %d: index %d was worked on %d times", n, allowed, i, k)
				}
			}
		}
	}
}

// TestEach: every piece is taken once, by no more goroutines than are allowed.
func TestEach(t *testing.T) {
	for _, n := range []int{0, 1, 2, 33} {
		for _, allowed := range []int{0, 1, 3} {
			taken := make([]atomic.Int32, n)
			var workers atomic.Int32
			cores.Each(allowed, n, func(next func() int) {
				workers.Add(1)
				for i := next(); i < n; i = next() {
					taken[i].Add(1)
				}
				if i := next(); i != n {
					t.Errorf("%d after the last of %d", i, n)
				}
			})
			for i := range taken {
				if c := taken[i].Load(); c != 1 {
					t.Errorf("n=%d, allowed %d: piece %d was taken %d times", n, allowed, i, c)
				}
			}
			if w := int(workers.Load()); w > max(1, cores.Of(allowed)) {
				t.Errorf("n=%d, allowed %d: %d goroutines", n, allowed, w)
			}
		}
	}
}
