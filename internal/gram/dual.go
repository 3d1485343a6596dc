package gram

import "example.com/eci/internal/syrk"

// DualRows is the number of rows of the product that [Dual] takes together: what
// may be worked on concurrently.
const DualRows = 96

// Dual takes the upper triangle of X XT, n x n, for n rows of length d one after
// the other: the sum over rows and its transpose have the same eigenvalues except for
// zeros, so log-determinants can be had from the smaller one. The product has rows
// at distance ld, a multiple of [syrk.Pad] of at least n. each is called once with
// the number of strips and a function that does strips lo to hi, any split of which,
// on any number of goroutines, gives the same bits.
func Dual(x []float64, n, d int, each func(strips int, work func(lo, hi int))) (product []float64, ld int) {
	ld = (n + syrk.Pad - 1) / syrk.Pad * syrk.Pad
	product = make([]float64, ld*ld)
	var left syrk.Left64
	var right syrk.Right64
	left.Pack(x, n, d, d)
	right.Pack(x, n, d, d)
	each((n+DualRows-1)/DualRows, func(lo, hi int) {
		for strip := lo; strip < hi; strip++ {
			i := strip * DualRows // a multiple of RightBlock too
			syrk.Multiply64(product[i*ld+i:], ld, &left, i, min(DualRows, n-i), &right, i, n-i, 0)
		}
	})
	return product, ld
}

// Without writes the upper triangle of I + scale A to dst, k x k, where A is the
// n x n product with rows at distance ld less the rows and columns from lo to hi,
// and k = n-(hi-lo).
func Without(dst, product []float64, n, ld, lo, hi int, scale float64) {
	k := n - (hi - lo)
	for i := range k {
		from := i
		if i >= lo {
			from += hi - lo
		}
		to := dst[i*k:][:k]
		if i < lo {
			copy(to[i:lo], product[from*ld+i:])
			copy(to[lo:], product[from*ld+hi:from*ld+n])
		} else {
			copy(to[i:], product[from*ld+from:from*ld+n])
		}
		for j := i; j < k; j++ {
			to[j] *= scale
		}
		to[i]++
	}
}

// DualIsFaster reports whether the jackknife over groups takes less time with the
// n x n products of the rows than with their d x d sum. It compares multiplications: those of the update and of the
// factorizations of all replicates.
func DualIsFaster(n, d, groups int) bool {
	cost := func(size, depth int) float64 {
		s := float64(size)
		return s*s*float64(depth)/2 + float64(groups+1)*s*s*s/6
	}
	return cost(n, d) < cost(d, n)
}
