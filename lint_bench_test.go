package eci_test

import (
	"testing"

	"example.com/eci"
)

// BenchmarkLint reads the demo's 600 triples, with and without vectors.
func BenchmarkLint(b *testing.B) {
	vectors, sources := demoSources(b)
	for name, linter := range map[string]*eci.Linter{"texts": {}, "vectors": {Vectors: vectors}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := linter.Lint(b.Context(), sources...); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/600, "ns/triple")
		})
	}
}
