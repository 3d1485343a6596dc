// Package dots computes sums of products of float32 vectors in float64, with the same
// bits on every machine: element k is added to lane k mod 8, and the lanes are added
// in a fixed order at the end.
package dots

// lanes is the number of partial sums.
const lanes = 8

// Name returns the kernel in use on this machine: "avx2" or "generic".
func Name() string {
	if useAVX2 {
		return "avx2"
	}
	return "generic"
}

// Five returns the sums of products q.q, p.p, n.n, q.p and q.n of three vectors of
// equal length in one pass. It panics if p or n is shorter than q.
func Five(q, p, n []float32) (qq, pp, nn, qp, qn float64) {
	return five(useAVX2, q, p, n)
}

func five(vector bool, q, p, n []float32) (qq, pp, nn, qp, qn float64) {
	p, n = p[:len(q)], n[:len(q)]
	var sums [5][lanes]float64
	if vector {
		fiveAVX2(q, p, n, &sums)
	} else {
		fiveGeneric(q, p, n, &sums)
	}
	for k := len(q) / lanes * lanes; k < len(q); k++ {
		x, y, z, lane := float64(q[k]), float64(p[k]), float64(n[k]), k%lanes
		sums[0][lane] += x * x
		sums[1][lane] += y * y
		sums[2][lane] += z * z
		sums[3][lane] += x * y
		sums[4][lane] += x * z
	}
	return total(&sums[0]), total(&sums[1]), total(&sums[2]), total(&sums[3]), total(&sums[4])
}

// Residual sets dst[k] to b*p[k] - c*n[k] - a*q[k], every operation rounded in
// float64 and the result to float32, and returns the sum of squares of dst. The
// sum is not finite if and only if an element is not finite. dst may be q, p or
// n. It panics when q, p or n is shorter than dst.
func Residual(dst, q, p, n []float32, a, b, c float64) (squares float64) {
	return residual(useAVX2, dst, q, p, n, a, b, c)
}

func residual(vector bool, dst, q, p, n []float32, a, b, c float64) float64 {
	q, p, n = q[:len(dst)], p[:len(dst)], n[:len(dst)]
	var sums [lanes]float64
	if vector {
		residualAVX2(dst, q, p, n, a, b, c, &sums)
	} else {
		residualGeneric(dst, q, p, n, a, b, c, &sums)
	}
	for k := len(dst) / lanes * lanes; k < len(dst); k++ {
		dst[k] = residualOf(q[k], p[k], n[k], a, b, c)
		sums[k%lanes] += float64(dst[k]) * float64(dst[k])
	}
	return total(&sums)
}

// total adds the lanes pairwise.
func total(s *[lanes]float64) float64 {
	return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

// fiveGeneric sums over whole blocks of 8 elements. The products are exact, so
// it does not matter whether the compiler fuses them with the additions.
func fiveGeneric(q, p, n []float32, sums *[5][lanes]float64) {
	for len(q) >= lanes {
		x8, y8, z8 := (*[lanes]float32)(q), (*[lanes]float32)(p), (*[lanes]float32)(n)
		for lane := range lanes {
			x, y, z := float64(x8[lane]), float64(y8[lane]), float64(z8[lane])
			sums[0][lane] += x * x
			sums[1][lane] += y * y
			sums[2][lane] += z * z
			sums[3][lane] += x * y
			sums[4][lane] += x * z
		}
		q, p, n = q[lanes:], p[lanes:], n[lanes:]
	}
}

// residualGeneric works on whole blocks of 8 elements.
func residualGeneric(dst, q, p, n []float32, a, b, c float64, sums *[lanes]float64) {
	for len(dst) >= lanes {
		to, x, y, z := (*[lanes]float32)(dst), (*[lanes]float32)(q), (*[lanes]float32)(p), (*[lanes]float32)(n)
		for lane := range lanes {
			r := residualOf(x[lane], y[lane], z[lane], a, b, c)
			to[lane] = r
			sums[lane] += float64(r) * float64(r)
		}
		dst, q, p, n = dst[lanes:], q[lanes:], p[lanes:], n[lanes:]
	}
}

// residualOf is one element; the conversions keep the compiler from fusing.
func residualOf(q, p, n float32, a, b, c float64) float32 {
	return float32(float64(b*float64(p)) - float64(c*float64(n)) - float64(a*float64(q)))
}
