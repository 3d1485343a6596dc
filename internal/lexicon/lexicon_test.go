package lexicon

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestPackedIsExact: the number of a token is its bytes, and no other token has
// it.
func TestPackedIsExact(t *testing.T) {
	seen := make(map[uint64]string)
	for _, token := range []string{"a", "b", "ab", "ba", "abc", "abcd", "abcde", "abcdef", "abcdefg", "abcdefgh", "a\x00b", "\x00a", "ü", "日本", "zzzzzzzz"} {
		key, ok := packed(token)
		want := uint64(0)
		for i := range len(token) {
			want |= uint64(token[i]) << (8 * i)
		}
		if !ok || key != want || seen[key] != "" {
			t.Errorf("%q: %x, %v, want %x; %q has it too", token, key, ok, want, seen[key])
		}
		seen[key] = token
	}
	for _, token := range []string{"", "abcdefghi", "a\x00", "\x00"} {
		if _, ok := packed(token); ok {
			t.Errorf("%q is packed", token)
		}
	}
}

// TestSortAgainstComparing: ids of any length and size.
func TestSortAgainstComparing(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 2))
	var s Scratch
	for range 500 {
		ids := make([]uint32, random.IntN(200))
		bits, largest := random.IntN(33), uint32(0)
		for i := range ids {
			ids[i] = uint32(random.Uint64() >> 32 >> (32 - bits))
			largest = max(largest, ids[i])
		}
		want := slices.Sorted(slices.Values(ids))
		s.sort(ids, largest)
		if !slices.Equal(ids, want) {
			t.Fatalf("%d bits: %v, want %v", bits, ids, want)
		}
	}
}
