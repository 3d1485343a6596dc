package gram

// The forms in which a Sum is stored.
const (
	FormTriangle  = iota // packed upper triangle, float64
	FormRows             // rows, float64
	FormShortRows        // rows, float32
	Forms                // how many there are
)

// Form returns the form in which the Sum is stored: that of its rows as long as it has
// only these and no triangle.
func (s *Sum) Form() byte {
	switch {
	case s.triangle == nil && len(s.rows) > 0 && len(s.blocks) == 0:
		return FormRows
	case s.triangle == nil && len(s.rows) == 0 && len(s.blocks) > 0:
		return FormShortRows
	}
	return FormTriangle
}

// StoredBytes returns the number of bytes of a stored Sum of n rows, or 0 for none.
func StoredBytes(form byte, n, d int) int {
	switch {
	case n == 0:
		return 0
	case form == FormRows:
		return 8 * n * d
	case form == FormShortRows:
		return 4 * n * d
	}
	return 8 * Triangle(d)
}

// AddRows adds rows lo to hi of an upper triangle, d x d row-major, to those of sum. A
// nil triangle adds nothing.
func AddRows(sum, upper []float64, d, lo, hi int) {
	if upper == nil {
		return
	}
	for i := lo; i < hi; i++ {
		to := sum[i*d+i : (i+1)*d]
		for k, x := range upper[i*d+i : (i+1)*d] {
			to[k] += x
		}
	}
}
