package eci

import (
	"fmt"

	"example.com/eci/internal/quote"
)

// VectorMap implements [Vectors] in memory: slices of the same length d by ID. They
// are never changed by this package. Do not change the maps while they are in use.
// It is safe for concurrent use as long as no goroutine changes it.
type VectorMap struct {
	Queries, Documents map[string][]float32
}

// AppendQuery appends the vector of a query. If there is none, it returns
// ErrMissingVector.
func (m VectorMap) AppendQuery(dst []float32, id string) ([]float32, error) {
	return appendFrom(m.Queries, dst, "queries", id)
}

// AppendDocument appends the vector of a positive or negative. If there is none, it
// returns ErrMissingVector.
func (m VectorMap) AppendDocument(dst []float32, id string) ([]float32, error) {
	return appendFrom(m.Documents, dst, "documents", id)
}

func appendFrom(vectors map[string][]float32, dst []float32, what, id string) ([]float32, error) {
	v, ok := vectors[id]
	if !ok {
		return dst, fmt.Errorf("%w: id %q is not among the %d %s", ErrMissingVector, quote.Clip(id), len(vectors), what)
	}
	return append(dst, v...), nil
}
