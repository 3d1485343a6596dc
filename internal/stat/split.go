package stat

import "math"

// Split is a division of points on the unit sphere into two groups.
type Split struct {
	Side   []int      // by point: 0 or 1
	Sizes  [2]int     // of the groups
	Within [2]float64 // mean cosine of distinct pairs within each group
	Across float64    // mean cosine of pairs across the groups
}

// TwoMeans splits unit vectors by two-means in 20 rounds. It starts from the first
// point and the one farthest from it. ok is false if a group has fewer than least
// points. least must be at least 2.
func TwoMeans(unit [][]float64, least int) (s Split, ok bool) {
	if len(unit) < 2*least {
		return s, false
	}
	farthest := 0
	for i := range unit {
		if inner(unit[0], unit[i]) < inner(unit[0], unit[farthest]) {
			farthest = i
		}
	}
	centers := [2][]float64{unit[0], unit[farthest]}
	s.Side = make([]int, len(unit))
	for range 20 {
		sums := [2][]float64{make([]float64, len(unit[0])), make([]float64, len(unit[0]))}
		s.Sizes = [2]int{}
		norm := [2]float64{math.Sqrt(inner(centers[0], centers[0])), math.Sqrt(inner(centers[1], centers[1]))}
		for i, u := range unit {
			side := 0
			// Both sides times both norms, so that nothing is divided by zero.
			if inner(u, centers[1])*norm[0] > inner(u, centers[0])*norm[1] {
				side = 1
			}
			s.Side[i] = side
			s.Sizes[side]++
			for k, x := range u {
				sums[side][k] += x
			}
		}
		centers = sums
	}
	if min(s.Sizes[0], s.Sizes[1]) < least {
		return s, false
	}
	for k, n := range s.Sizes {
		// |sum u|^2 = n + n (n-1) mean cosine of distinct pairs.
		s.Within[k] = (inner(centers[k], centers[k]) - float64(n)) / (float64(n) * float64(n-1))
	}
	s.Across = inner(centers[0], centers[1]) / (float64(s.Sizes[0]) * float64(s.Sizes[1]))
	return s, true
}

// inner returns the inner product, added in order.
func inner(a, b []float64) (sum float64) {
	for k := range a {
		sum += float64(a[k] * b[k])
	}
	return sum
}

// WidestGap returns the place of the widest gap in descending positive values: the
// last i with the greatest ratio x[i-1]/x[i]. The ratio must be at least ratio, with
// at least least values, and at least one, on both sides. ok is false if there is no
// such gap.
func WidestGap(x []float64, least int, ratio float64) (at int, ok bool) {
	least = max(least, 1)
	for i := least; i <= len(x)-least; i++ {
		if r := x[i-1] / x[i]; r >= ratio {
			at, ratio, ok = i, r, true
		}
	}
	return at, ok
}
