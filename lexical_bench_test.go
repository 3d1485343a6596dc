package eci

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"example.com/eci/internal/lexicon"
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
	l.features("", new(lexicon.Scratch))
	b.SetBytes(int64(bytes))
	b.ReportAllocs()
	var s lexicon.Scratch
	for b.Loop() {
		for _, t := range triples {
			q, p, n := l.features(t[0], &s), l.features(t[1], &s), l.features(t[2], &s)
			if c := max(lexicon.Coverage(q, n), lexicon.Overlap(p, n)); c > 1 {
				b.Fatal(c)
			}
		}
	}
}
