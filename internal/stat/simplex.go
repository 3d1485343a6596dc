package stat

import "math"

// SimplexMaximum maximizes g.(x - x0) - 1/2 (x - x0)^T B (x - x0) over the probability
// simplex, starting from x0 in the simplex. B is positive semidefinite, k x k
// row-major. The method is sequential minimal optimization (Platt 1998): it moves
// weight between the two coordinates that violate optimality most.
func SimplexMaximum(g, b, x0 []float64) []float64 {
	k := len(g)
	x, slope := append([]float64(nil), x0...), append([]float64(nil), g...)
	tolerance := 0.0
	for _, v := range g {
		tolerance = max(tolerance, math.Abs(v)*1e-13)
	}
	for range 1000 * k {
		up, down := -1, -1
		for i := range k {
			if up < 0 || slope[i] > slope[up] {
				up = i
			}
			if x[i] > 0 && (down < 0 || slope[i] < slope[down]) {
				down = i
			}
		}
		if slope[up]-slope[down] <= tolerance {
			break
		}
		step := x[down]
		if curvature := b[up*k+up] + b[down*k+down] - 2*b[up*k+down]; curvature > 0 {
			step = min(step, (slope[up]-slope[down])/curvature)
		}
		if step == 0 {
			break
		}
		x[up] += step
		if step == x[down] {
			x[down] = 0
		} else {
			x[down] -= step
		}
		for i := range k {
			slope[i] -= step * (b[i*k+up] - b[i*k+down])
		}
	}
	return x
}

// Share returns the index whose share of [0, 1) contains u, for a point of the
// simplex.
func Share(x []float64, u float64) int {
	i, sum := 0, x[0]
	for u >= sum && i < len(x)-1 {
		i++
		sum += x[i]
	}
	return i
}
