package chol

import "math"

// Inverse replaces the upper triangle of the symmetric positive definite d x d
// matrix in a (row-major) by that of its inverse and returns half the
// log-determinant of the matrix that was there, in nats. Elements below the
// diagonal are not read and are left with no meaning. ok is false when the
// matrix is not numerically positive definite, or when it or its inverse is not
// finite; a has no meaning then. It panics when a is shorter than d*d. It does
// not allocate when scratch has been used with this d before.
//
// The inverse is taken in place, by sweeps: for a block K of columns with
// A[K,K] = UTU and V = U^-T A[K,:],
//
//	A[i,j] -= V[i]T V[j]      i, j not in K
//	A[K,j]  = U^-1 V[j]       j not in K
//	A[K,K]  = -U^-1 U^-T
//
// which leaves -A^-1 after the last block. With V[K] = -U^-T and zeros in
// A[K,:] all three lines are the first one: d/block updates of the whole
// triangle by the tiles of [LogDet]. Like there, all vector kernels give the
// same bits.
func Inverse(a []float64, d int, scratch *Scratch) (logDet float64, ok bool) {
	return kernels[0].inverse(a, d, scratch)
}

func (k *kernel) inverse(a []float64, d int, s *Scratch) (logDet float64, ok bool) {
	m := view{a[:d*d], d, d}
	s.grow(block * roundUp(d, k.lane))
	if s.pivots == nil {
		s.pivots = make([]float64, block*block)
	}
	for first := 0; first < d; first += block {
		n := min(block, d-first)
		sum, ok := k.factor(s, view{m.data[first*d+first:], d, n})
		if !ok {
			return 0, false
		}
		logDet += sum
		copy(s.pivots, s.a[:block*roundUp(n, k.mr)])
		k.sweep(s, m, first, n)
		k.subtract(s, m, 0, n)
	}
	for i := range d {
		for j, x := range m.data[i*d+i : (i+1)*d] {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				return 0, false
			}
			m.data[i*d+i+j] = -x
		}
	}
	return logDet, true
}

// sweep computes V for the n columns at first, whose factor is in s.pivots, in
// the panels of s, and clears A[K,:].
func (k *kernel) sweep(s *Scratch, m view, first, n int) {
	nr := k.lane * len(k.tiles)
	rows := roundUp(n, k.mr)
	for j := 0; j < m.size; j += nr {
		width := min(nr, roundUp(m.size-j, k.lane))
		panel := s.b[block*j:][:rows*width]
		take(panel, width, m, j, first, n)
		solve := k.solves[width/k.lane-1]
		for i := 0; i < rows; i += k.mr {
			c := panel[i*width:][:k.mr*width]
			solve(i, s.pivots[block*i:][:i*k.mr], panel, width, c, width, s.triangle[i*k.mr:][:k.mr*k.mr])
			k.copyPanels(s.a[block*j:], i, c, width)
		}
	}
}

// take moves columns j.. of A[K,:] to a panel and leaves zeros; in the columns
// of K it puts minus the identity. Left of the diagonal A[K,:] is AT[:,K].
func take(panel []float64, width int, m view, j, first, n int) {
	last := min(j+width, m.size)
	clear(panel)
	for i := j; i < min(last, first); i++ {
		from := m.data[i*m.ld+first:][:n]
		for r, x := range from {
			panel[r*width+i-j] = x
		}
		clear(from)
	}
	for i := max(j, first); i < min(last, first+n); i++ {
		panel[(i-first)*width+i-j] = -1
		clear(m.data[i*m.ld+i:][:first+n-i])
	}
	if from := max(j, first+n); from < last {
		for r := range n {
			row := m.data[(first+r)*m.ld:][from:last]
			copy(panel[r*width+from-j:], row)
			clear(row)
		}
	}
}
