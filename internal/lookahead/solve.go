package lookahead

import (
	"math"
	"slices"
)

const (
	// tolerance is the residual, relative to the right side, at which conjugate
	// gradients stop. The condition number is at most 1 + r, so they converge long
	// before 2r iterations.
	tolerance     = 1e-13
	maxIterations = 1000
)

// solveDual solves (I + H K) c = b with H = diag(h) / λ in the symmetric form: with R
// = √H, c = b + R y and (I + R K R) y = -R K b. This avoids division by a small h.
func solveDual(k operator, roots, b []float64) (c []float64, iterations int, residual float64) {
	right := make([]float64, len(b))
	k.apply(right, b)
	for i := range right {
		right[i] *= -roots[i]
	}
	c, iterations, residual = conjugate(k, roots, right)
	for i, root := range roots {
		c[i] = b[i] + root*c[i]
	}
	return c, iterations, residual
}

// conjugate solves (I + R K R) y = b by conjugate gradients, and returns the last
// residual relative to b. It overwrites b.
func conjugate(k operator, roots, b []float64) (y []float64, iterations int, residual float64) {
	n := len(b)
	y = make([]float64, n)
	direction, scaled, product := slices.Clone(b), make([]float64, n), make([]float64, n)
	first := dot(b, b)
	square := first
	for iterations < maxIterations && square > tolerance*tolerance*first {
		for i := range scaled {
			scaled[i] = roots[i] * direction[i]
		}
		k.apply(product, scaled)
		for i := range product {
			product[i] = direction[i] + roots[i]*product[i]
		}
		alpha := square / dot(direction, product)
		addScaled(y, alpha, direction)
		addScaled(b, -alpha, product)
		next := dot(b, b)
		beta := next / square
		for i := range direction {
			direction[i] = b[i] + beta*direction[i]
		}
		square = next
		iterations++
	}
	if first > 0 {
		residual = math.Sqrt(square / first)
	}
	return y, iterations, residual
}
