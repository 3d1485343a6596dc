package stat

import "math"

// Point is a point of the probability simplex with the value and the gradient of a
// concave function there. State is what the function wants to keep for it.
type Point[S any] struct {
	X        []float64
	Value    float64
	Gradient []float64
	State    S
}

// Gap returns the Kiefer-Wolfowitz duality gap, max_i g_i - sum_i x_i g_i. No point of
// the simplex has a value above Value + Gap. The gap is at least 0.
func (p *Point[S]) Gap() float64 {
	most, mean := math.Inf(-1), 0.0
	for i, g := range p.Gradient {
		most = max(most, g)
		mean += p.X[i] * g
	}
	return max(0, most-mean)
}

// Ascend maximizes a concave function over the simplex, starting from a point, by
// projected quasi-Newton steps (BFGS). b is a first guess of minus the Hessian, k x k
// row-major and positive semidefinite; Ascend overwrites it. It ends when the gap is
// at most gap, when only rounding is left, or after most iterations. It returns the
// last point and the number of iterations.
func Ascend[S any](at Point[S], b []float64, gap float64, most int, evaluate func(x []float64) (Point[S], error)) (Point[S], int, error) {
	iterations := 0
	for ; iterations < most && at.Gap() > gap; iterations++ {
		target := SimplexMaximum(at.Gradient, b, at.X)
		var slope float64
		for i := range target {
			slope += at.Gradient[i] * (target[i] - at.X[i])
		}
		if !(slope > 0) {
			break
		}
		next, ok, err := search(at, target, slope, evaluate)
		if err != nil || !ok {
			return at, iterations, err
		}
		updateCurvature(b, at.X, next.X, at.Gradient, next.Gradient)
		at = next
	}
	return at, iterations, nil
}

// search halves the step to target until it gains enough by Armijo's rule. Short
// steps of a concave function always gain; ok is false when only rounding is left.
func search[S any](at Point[S], target []float64, slope float64, evaluate func(x []float64) (Point[S], error)) (next Point[S], ok bool, err error) {
	for step := 1.0; step >= 1e-9; step /= 2 {
		x := make([]float64, len(target))
		for i := range x {
			x[i] = at.X[i] + step*(target[i]-at.X[i])
		}
		if next, err = evaluate(x); err != nil {
			return next, false, err
		}
		if next.Value >= at.Value+1e-4*step*slope {
			return next, true, nil
		}
	}
	return next, false, nil
}

// updateCurvature applies the BFGS update for the step from x to y to b. It skips the
// update if rounding hides the curvature.
func updateCurvature(b, x, y, gx, gy []float64) {
	k := len(x)
	step, change, bs := make([]float64, k), make([]float64, k), make([]float64, k)
	var ys, sbs float64
	for i := range k {
		step[i], change[i] = y[i]-x[i], gx[i]-gy[i]
		ys += step[i] * change[i]
	}
	for i := range k {
		for j := range k {
			bs[i] += b[i*k+j] * step[j]
		}
		sbs += step[i] * bs[i]
	}
	if !(ys > 1e-12*sbs) || !(sbs > 0) {
		return
	}
	for i := range k {
		for j := range k {
			b[i*k+j] += change[i]*change[j]/ys - bs[i]*bs[j]/sbs
		}
	}
}
