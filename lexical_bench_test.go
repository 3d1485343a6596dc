package eci

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// BenchmarkLexical is all that the lexical component does for new texts: tokens,
// weights, coverage and overlap of triples of 12, 90 and 90 words that follow
// Zipf's law. Bytes are those of the three texts.
func BenchmarkLexical(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 1))
	words := make([]string, 30000)
	for i := range words {
		n := 1 + int(math.Log2(float64(i+2))/2) + random.IntN(4)
		for range n {
			words[i] += string(rune('a' + random.IntN(26)))
		}
		words[i] += fmt.Sprint(i % 10)
	}
	text := func(n int) string {
		var out strings.Builder
		for range n {
			out.WriteString(words[int(math.Pow(float64(len(words)), random.Float64()))-1])
			out.WriteByte(' ')
		}
		return out.String()
	}
	l := NewLexicon(nil)
	triples := make([][3]string, 2000)
	bytes := 0
	for i := range triples {
		triples[i] = [3]string{text(12), text(90), text(90)}
		for k, t := range triples[i] {
			bytes += len(t)
			if k > 0 {
				l.Add(t)
			}
		}
	}
	l.features("", new(featureScratch))
	b.SetBytes(int64(bytes))
	b.ReportAllocs()
	var s featureScratch
	for b.Loop() {
		for _, t := range triples {
			q, p, n := l.features(t[0], &s), l.features(t[1], &s), l.features(t[2], &s)
			if c := max(coverage(q, n), overlap(p, n)); c > 1 {
				b.Fatal(c)
			}
		}
	}
}

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
	var s featureScratch
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
