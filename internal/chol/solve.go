package chol

import "math"

// Solve replaces b, of length d, by the solution x of A x = b, where the upper
// triangle of the symmetric positive definite d x d matrix A is given row-major in a.
// It overwrites a with the factor, which takes a third of the time of [Inverse]. ok is
// false when the matrix is not numerically positive definite or not finite; b is
// unchanged then. It panics when a is shorter than d*d or b than d. It does not
// allocate when scratch has been used with this d before. Like in LogDet, all vector
// kernels give the same bits.
func Solve(a []float64, d int, b []float64, scratch *Scratch) (ok bool) {
	return kernels[0].solve(a, d, b, scratch)
}

func (k *kernel) solve(a []float64, d int, b []float64, s *Scratch) (ok bool) {
	b = b[:d]
	if _, ok := k.factorize(a, d, s, true); !ok {
		return false
	}
	// UT y = b, then U x = y.
	for i := range b {
		row := a[i*d:][:d]
		b[i] /= row[i]
		for j := i + 1; j < d; j++ {
			b[j] -= float64(row[j] * b[i])
		}
	}
	for i := d - 1; i >= 0; i-- {
		row := a[i*d:][:d]
		for j := i + 1; j < d; j++ {
			b[i] -= float64(row[j] * b[j])
		}
		b[i] /= row[i]
	}
	return true
}

// store writes the rows of the factor that are in the panels of s in place of the
// matrix's first rows. In the panels the diagonal is squared.
func (k *kernel) store(s *Scratch, m view) {
	nr := k.lane * len(k.tiles)
	rows := min(block, m.size)
	for j := 0; j < m.size; j += nr {
		width := min(nr, roundUp(m.size-j, k.lane))
		panel := s.b[block*j:]
		for r := 0; r < min(rows, j+width); r++ {
			from, until := max(0, r-j), min(width, m.size-j)
			if from < until {
				copy(m.data[r*m.ld+j+from:r*m.ld+j+until], panel[r*width+from:])
			}
		}
	}
	for r := range rows {
		m.data[r*m.ld+r] = math.Sqrt(m.data[r*m.ld+r])
	}
}
