// Package cosine has norms and cosines of vectors of float32, and what adds up over
// all cosines of two lists.
package cosine

import (
	"math"

	"example.com/eci/internal/dots"
	"example.com/eci/internal/fault"
)

// InverseNorm returns 1/|x|, or fault.NotFinite or fault.ZeroVector. The squares of
// finite float32 values neither overflow nor vanish in float64, so the test on
// the sum tells for all components.
func InverseNorm(x []float32) (float64, error) {
	square := dots.Inner(x, x)
	switch {
	case math.IsNaN(square) || math.IsInf(square, 0):
		return 0, fault.NotFinite
	case square == 0:
		return 0, fault.ZeroVector
	}
	return 1 / math.Sqrt(square), nil
}

// Of returns the cosine of two vectors of equal length, or 0 when one has no
// direction.
func Of(a, b []float32) float64 {
	x, err := InverseNorm(a)
	if err != nil {
		return 0
	}
	y, err := InverseNorm(b)
	if err != nil {
		return 0
	}
	return dots.Inner(a, b) * x * y
}
