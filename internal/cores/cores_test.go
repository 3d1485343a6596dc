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
