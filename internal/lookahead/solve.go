package lookahead

import "math"

const (
	// tolerance is the residual, relative to the right side, at which conjugate
	// gradients stop. With 2r iterations they have converged long before, as the
	// condition number is at most 1 + r.
	tolerance     = 1e-13
	maxIterations = 1000
)

// An operator multiplies by K, K_ij = <Γ_i, Γ_j>, and returns ‖Γ_i‖².
type operator interface {
	apply(to, x []float64)
	diagonal(i int) float64
}

// solveDual solves (I + H K) c = b with H = diag(h) / λ by conjugate gradients in
// the symmetric form: with R = √H, c = b + R y and (I + R K R) y = -R K b. So
// nothing is divided by a small h.
func solveDual(k operator, roots, b []float64) (c []float64, step Step) {
	n := len(b)
	c, y, residual, direction, product := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	scaled := make([]float64, n)
	k.apply(residual, b)
	for i := range residual {
		residual[i] *= -roots[i]
	}
	square := dot(residual, residual)
	first := square
	copy(direction, residual)
	for step.Iterations < maxIterations && square > tolerance*tolerance*first {
		for i := range scaled {
			scaled[i] = roots[i] * direction[i]
		}
		k.apply(product, scaled)
		for i := range product {
			product[i] = direction[i] + roots[i]*product[i]
		}
		alpha := square / dot(direction, product)
		addScaled(y, alpha, direction)
		addScaled(residual, -alpha, product)
		next := dot(residual, residual)
		beta := next / square
		for i := range direction {
			direction[i] = residual[i] + beta*direction[i]
		}
		square = next
		step.Iterations++
	}
	if first > 0 {
		step.Residual = math.Sqrt(square / first)
	}
	for i := range c {
		c[i] = b[i] + roots[i]*y[i]
	}
	return c, step
}

// ridgeRoots returns √(h/λ) for λ = ridge/r Σ h ‖Γ‖², and λ. Where nothing is curved
// both are 0. The sum is taken relative to the largest h, which can be tiny.
func ridgeRoots(k operator, curvature []float64, ridge float64, r int) (roots []float64, lambda float64) {
	roots = make([]float64, len(curvature))
	var largest float64
	for _, h := range curvature {
		largest = max(largest, h)
	}
	if largest == 0 {
		return roots, 0
	}
	var sum float64
	for i, h := range curvature {
		sum += h / largest * k.diagonal(i)
	}
	sum *= ridge / float64(r)
	if sum == 0 {
		return roots, 0
	}
	for i, h := range curvature {
		roots[i] = math.Sqrt(h / largest / sum)
	}
	return roots, sum * largest
}
