package stat

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Pocock returns Pocock's one-sided boundary (Biometrika 1977) for looks at any times:
// the constant c that a standardized sum with mean zero exceeds at any of the looks
// with probability alpha. times are the shares of the data at the looks, ascending, in
// (0, 1]. The joint distribution of the looks is that of Brownian motion. It is
// integrated numerically after Armitage, McPherson and Rowe (JRSS A 1969). c is
// accurate to about 1e-4.
func Pocock(times []float64, alpha float64) float64 {
	low, high := distuv.UnitNormal.Quantile(1-alpha), distuv.UnitNormal.Quantile(1-alpha/float64(len(times)))
	for high-low > 1e-5 {
		middle := low + (high-low)/2
		if crossing(times, middle) > alpha {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}

// crossing returns the probability that Brownian motion exceeds c sqrt(t) at any of
// the times t.
func crossing(times []float64, c float64) float64 {
	const nodes = 121 // odd, for Simpson's rule
	var x, density, next, at [nodes]float64
	// Below -span standard deviations there is no mass worth counting.
	const span = 6
	grid := func(t float64) (step float64) {
		root := math.Sqrt(t)
		step = (c + span) * root / (nodes - 1)
		for i := range at {
			at[i] = -span*root + float64(i)*step
		}
		return step
	}
	simpson := func(i int) float64 {
		switch {
		case i == 0 || i == nodes-1:
			return 1. / 3
		case i%2 == 1:
			return 4. / 3
		}
		return 2. / 3
	}
	crossed := 1 - distuv.UnitNormal.CDF(c)
	step := grid(times[0])
	x = at
	root := math.Sqrt(times[0])
	for i := range x {
		density[i] = distuv.UnitNormal.Prob(x[i]/root) / root * step * simpson(i)
	}
	for k := 1; k < len(times); k++ {
		move := math.Sqrt(times[k] - times[k-1])
		limit := c * math.Sqrt(times[k])
		for j := range x {
			crossed += density[j] * distuv.UnitNormal.CDF((x[j]-limit)/move)
		}
		step = grid(times[k])
		for i := range next {
			var sum float64
			for j := range x {
				sum += density[j] * distuv.UnitNormal.Prob((at[i]-x[j])/move)
			}
			next[i] = sum / move * step * simpson(i)
		}
		x, density = at, next
	}
	return crossed
}
