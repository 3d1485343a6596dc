package eci_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"example.com/eci"
)

// BenchmarkMatrixAdd is the accumulator: n d (d + 1) flops for n triples.
func BenchmarkMatrixAdd(b *testing.B) {
	for _, d := range []int{384, 768, 1024} {
		b.Run(fmt.Sprint("d=", d), func(b *testing.B) {
			m, err := eci.NewMatrix(eci.MatrixConfig{Dimension: d})
			if err != nil {
				b.Fatal(err)
			}
			random := rand.New(rand.NewPCG(1, 2))
			residual := make([]float64, d)
			for k := range residual {
				residual[k] = random.NormFloat64()
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if err := m.Add(n/64%32, 0.5, residual); err != nil {
					b.Fatal(err)
				}
				n++
			}
			b.ReportMetric(float64(n)*float64(d)*float64(d+1)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}

// BenchmarkLogDets is the jackknife: 33 factorizations.
func BenchmarkLogDets(b *testing.B) {
	for _, d := range []int{384, 768} {
		b.Run(fmt.Sprint("d=", d), func(b *testing.B) {
			m := filled(b, eci.MatrixConfig{Dimension: d}, 2*d, 1)
			for b.Loop() {
				if _, _, err := m.LogDets(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRankDemo is a whole ranking from files in memory: 5 sources, 600
// triples, d = 512.
func BenchmarkRankDemo(b *testing.B) {
	vectors, sources := demoSources(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := eci.Rank(b.Context(), &eci.Sem{Vectors: vectors}, sources...); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTokenize is the lexical side: tokens and overlap.
func BenchmarkTokenize(b *testing.B) {
	_, sources := demoSources(b)
	var texts []string
	bytes := 0
	for triple := range sources[0].Triples {
		texts = append(texts, triple.Negative())
		bytes += len(triple.Negative())
	}
	b.SetBytes(int64(bytes))
	var tokens []string
	for b.Loop() {
		for _, text := range texts {
			tokens = (eci.Words{}).AppendTokens(tokens[:0], text)
		}
	}
}
