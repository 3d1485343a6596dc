package least

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSampleAgainstSorting: the heap keeps what sorting everything would, with the
// earlier of equal hashes first.
func TestSampleAgainstSorting(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for trial := range 300 {
		most, n := random.IntN(8), random.IntN(40)
		s := New[int](most)
		type offer struct {
			hash  uint64
			order int
		}
		var all []offer
		made := 0
		for i := range n {
			hash := random.Uint64N(1 + uint64(trial%20)) // many ties
			all = append(all, offer{hash, i})
			s.Offer(hash, func() int { made++; return i })
		}
		slices.SortStableFunc(all, func(a, b offer) int { return int(a.hash) - int(b.hash) })
		all = all[:min(most, n)]
		got := s.Sorted()
		if len(got) != len(all) || s.Len() != len(all) || s.Seen() != n || made < len(all) {
			t.Fatalf("trial %d: %d items of %d, want %d", trial, len(got), n, len(all))
		}
		for i, item := range got {
			if item.Hash != all[i].hash || item.Order != all[i].order || item.Value != all[i].order {
				t.Fatalf("trial %d: item %d is %+v, want %+v", trial, i, item, all[i])
			}
		}
	}
}

// TestDistinctAgainstSorting: one value for each of the smallest distinct hashes,
// made at its first offer and found again at the others.
func TestDistinctAgainstSorting(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for trial := range 300 {
		most, n := random.IntN(8), random.IntN(60)
		s := NewDistinct[[]int](most)
		times := make(map[uint64][]int)
		for i := range n {
			hash := random.Uint64N(12)
			times[hash] = append(times[hash], i)
			if v := s.Offer(hash, func() []int { return nil }); v != nil {
				*v = append(*v, i)
			}
		}
		var want []uint64
		for hash := range times {
			want = append(want, hash)
		}
		slices.Sort(want)
		full := len(want) >= most
		want = want[:min(most, len(want))]
		got := s.Sorted()
		if len(got) != len(want) || s.Len() != len(want) || s.Full() != full {
			t.Fatalf("trial %d: %d values, want %d", trial, len(got), len(want))
		}
		for i, hash := range want {
			if !slices.Equal(*got[i], times[hash]) {
				t.Fatalf("trial %d: hash %d was offered at %v, kept %v", trial, hash, times[hash], *got[i])
			}
		}
	}
}
