package eci

import (
	"testing"

	"example.com/eci/internal/cosine"
)

// BenchmarkScales takes the scales over as many pairs as there may be.
func BenchmarkScales(b *testing.B) {
	queries, positives, keys := make([]unitVector, 2048), make([]unitVector, 2048), make([]uint64, 2048)
	for i := range queries {
		data := make([]float32, 768)
		for k := range data {
			data[k] = float32((i*31+k*17)%101) - 50
		}
		inverse, _ := cosine.InverseNorm(data)
		queries[i], positives[i], keys[i] = unitVector{data, inverse}, unitVector{data, inverse}, uint64(i)
	}
	for b.Loop() {
		scalesOf(queries, positives, keys)
	}
}
