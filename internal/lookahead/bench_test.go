package lookahead

import (
	"math/rand/v2"
	"testing"
)

// BenchmarkScore scores batches of 4,096 triples, each with vectors of its own and
// with the query and positive of four rows in common.
func BenchmarkScore(b *testing.B) {
	const d, rows = 768, 4096
	vectors := gaussian(1, 1500, d, 1500, 0.5)
	queries := make([]Query, 300)
	source := Source{Vectors: vectors}
	random := rand.New(rand.NewPCG(1, 1))
	for i := range queries {
		queries[i] = Query{Vector: vectors[1000+i], Group: i % 32, Relevant: []int{i}}
		source.Triples = append(source.Triples, Triple{Query: 1000 + i, Positive: i, Negative: random.IntN(1000), Group: i % 32})
	}
	space, err := NewSpace(b.Context(), vectors[:1000], queries, Settings{MarginScale: 0.2})
	if err != nil {
		b.Fatal(err)
	}
	in, err := space.Influence(b.Context(), source)
	if err != nil {
		b.Fatal(err)
	}
	for name, share := range map[string]int{"distinct": 1, "shared": 4} {
		batch := Source{Vectors: gaussian(2, 3*rows, d, 3*rows, 0.5)}
		for i := range rows {
			batch.Triples = append(batch.Triples, Triple{Query: 3 * (i / share), Positive: 3*(i/share) + 1, Negative: 3*i + 2, Group: i % 32})
		}
		scores := make([]float64, rows)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := in.Score(b.Context(), scores, batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
