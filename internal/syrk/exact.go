package syrk

// blockRows64 is how many rows [Accumulate64] packs at a time: few enough for the
// A panels of blockCols columns to stay in a second-level cache, and enough to
// load the sums seldom. It changes no bit of the result.
const blockRows64 = 192

// Scratch64 is the working memory of [Accumulate64], to be reused between calls
// but not shared by goroutines. The zero value is ready; it grows to about
// 3 KiB for each column.
type Scratch64 = scratchOf[float64]

// Accumulate64 is [Accumulate] in float64: for i <= j < d and row after row
//
//	c[i*d+j] = fma(rows[r*d+i], rows[r*d+j], c[i*d+j])
//
// so n rows, n >= 0 and without limit, added in one call or in any number of
// calls that hold the same rows in the same order, give the same bits.
func Accumulate64(c []float64, d int, rows []float64, n int, scratch *Scratch64) {
	accumulate64(kernels64[0], c, d, rows, n, scratch)
}

func accumulate64(k *kernel64, c []float64, d int, rows []float64, n int, s *Scratch64) {
	for n > blockRows64 {
		k.accumulate(c, d, rows, blockRows64, s)
		rows, n = rows[blockRows64*d:], n-blockRows64
	}
	k.accumulate(c, d, rows, n, s)
}
