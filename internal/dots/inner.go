package dots

// Inner returns the inner product of two vectors of equal length, in float64. Unlike
// the other sums of this package it uses four lanes. Element k is added to lane k mod
// 4, and the elements after the last full four to the first lane. Every product is
// rounded to float64 before it is added, so that no fused multiply-add changes the
// bits. Inner panics if y is shorter than x.
func Inner[X, Y float32 | float64](x []X, y []Y) float64 {
	y = y[:len(x)]
	var a, b, c, d float64
	i := 0
	for ; i+4 <= len(x); i += 4 {
		a += float64(float64(x[i]) * float64(y[i]))
		b += float64(float64(x[i+1]) * float64(y[i+1]))
		c += float64(float64(x[i+2]) * float64(y[i+2]))
		d += float64(float64(x[i+3]) * float64(y[i+3]))
	}
	for ; i < len(x); i++ {
		a += float64(float64(x[i]) * float64(y[i]))
	}
	return (a + b) + (c + d)
}
