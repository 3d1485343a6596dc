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

// Tangent writes scale times r = (p - n) - ((p - n).q) q into dst, for unit
// vectors given as raw vectors with inverse norms, and returns |r|^2. margin is
// (p - n).q. r lies in the tangent plane at q: it is the gradient of q.p - q.n over
// the sphere.
func Tangent(dst []float64, q, p, n []float32, iq, ip, in, margin, scale float64) float64 {
	p, n, dst = p[:len(q)], n[:len(q)], dst[:len(q)]
	mq := margin * iq
	var square float64
	for k := range q {
		// The conversions forbid fused multiply-add, which would change bits
		// between architectures.
		r := float64(float64(p[k])*ip) - float64(float64(n[k])*in) - float64(mq*float64(q[k]))
		square += float64(r * r)
		dst[k] = r * scale
	}
	return square
}

// Partial is the cosine of p and n in the tangent plane at a third vector q, in
// [-1, 1]: (p.n - a b) / sqrt((1 - a^2)(1 - b^2)) with the cosines a = q.p and b =
// q.n. When either lies on the line of q nothing is left of it, and the value is 0.
func Partial(p, n []float32, a, b float64) float64 {
	ip, err := InverseNorm(p)
	if err != nil {
		return 0
	}
	in, err := InverseNorm(n)
	if err != nil {
		return 0
	}
	left := (1 - float64(a*a)) * (1 - float64(b*b))
	if !(left > 1e-12) { // below the rounding of float32 vectors
		return 0
	}
	return max(-1, min(1, (dots.Inner(p, n)*ip*in-float64(a*b))/math.Sqrt(left)))
}
