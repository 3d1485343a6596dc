// Package chol takes the log-determinant and the inverse of a symmetric positive
// definite matrix by a blocked Cholesky factorization A = UTU on one core.
//
// A block of rows of the factor is computed in packed panels, as many columns
// wide as a tile, and subtracted from the rest of the matrix; the factor itself
// is not needed and not stored. Every element is one chain, in the order of
// the rows of the factor,
//
//	u[i][j] = (a[i][j] - u[0][i]*u[0][j] - u[1][i]*u[1][j] - ...) / u[i][i]
//
// whatever the sizes of blocks and tiles. All vector kernels use fused
// multiply-add in that chain and give the same bits; the portable one rounds
// products where the processor has no fused multiply-add that Go would use, and
// differs within rounding: less than 1e-12 of the log-determinant in the tests.
// Nothing depends on the number of cores, on alignment or on earlier calls.
package chol

import "math"

// Scratch is the working memory of [LogDet] and [Inverse], to be reused between
// calls but not shared by goroutines. The zero value is ready; it grows to about
// 1 KiB for each column.
type Scratch struct {
	a, b     []float64 // panels of mr and of nr columns, block rows each
	pivots   []float64 // A panels of a block on the diagonal, for Inverse
	triangle [block * maxRows]float64
	tile     [maxTile]float64
}

// A tile subtracts from c, mr rows at distance ldc, the product of an A panel
// (n x mr, contiguous) and a B panel (n rows at distance ldb).
type tile func(n int, a, b []float64, ldb int, c []float64, ldc int)

// A solve is a tile that then divides c by the upper triangle t (mr x mr, the
// inverse on the diagonal): c becomes mr rows of the factor.
type solve func(n int, a, b []float64, ldb int, c []float64, ldc int, t []float64)

// A kernel is a set of tiles of one height and of 1, 2, ... vectors of lane
// columns; the last of them is the main one, with nr = lane*len(tiles).
type kernel struct {
	name   string
	mr     int // rows of a tile, a divisor of lane
	lane   int // columns of the narrowest tile
	tiles  []tile
	solves []solve
	// chain is sum - x*y, rounded as in the tiles.
	chain func(sum, x, y float64) float64
}

const (
	block     = 128 // rows of the factor that are computed together
	chunkRows = 96  // rows that stay in a second-level cache while a block is subtracted
	maxRows   = 8
	maxTile   = 8 * 24
)

// Name returns the kernel that [LogDet] uses on this machine: "avx512", "avx2"
// or "generic".
func Name() string { return kernels[0].name }

// LogDet returns half the log-determinant, in nats, of the symmetric d x d
// matrix whose upper triangle is given row-major in a: the sum of the logarithms
// of the diagonal of its Cholesky factor. It overwrites a. ok is false when the
// matrix is not numerically positive definite or not finite. It panics when a is
// shorter than d*d. It does not allocate when scratch has been used with this d
// before.
func LogDet(a []float64, d int, scratch *Scratch) (logDet float64, ok bool) {
	return kernels[0].logDet(a, d, scratch)
}

func (k *kernel) logDet(a []float64, d int, s *Scratch) (logDet float64, ok bool) {
	return k.factorize(a, d, s, false)
}

// factorize returns half the log-determinant. It overwrites a: with the factor, if it
// is to be kept.
func (k *kernel) factorize(a []float64, d int, s *Scratch, keep bool) (logDet float64, ok bool) {
	a = a[:d*d]
	s.grow(block * roundUp(d, k.lane))
	for done := 0; done < d; done += block {
		// What is left is square, d-done, with its corner at the diagonal.
		left := view{a[done*d+done:], d, d - done}
		sum, ok := k.factor(s, left)
		if !ok {
			return 0, false
		}
		logDet += sum
		if keep {
			k.store(s, left)
		}
		k.subtract(s, left, block, block)
	}
	return logDet, true
}

// view is the upper triangle of a square matrix, its rows at distance ld.
type view struct {
	data []float64
	ld   int
	size int
}

// factor computes the first rows of the factor, at most block, in the panels of
// s, and returns the sum of the logarithms of their diagonal. A B panel of
// columns j.. is at block*j, an A panel of columns i.. at block*i.
func (k *kernel) factor(s *Scratch, m view) (logDet float64, ok bool) {
	nr := k.lane * len(k.tiles)
	rows := roundUp(min(block, m.size), k.mr)
	for j := 0; j < m.size; j += nr {
		width := min(nr, roundUp(m.size-j, k.lane))
		panel := s.b[block*j:][:rows*width]
		load(panel, width, m, j)
		solve := k.solves[width/k.lane-1]
		for i := 0; i < min(rows, j+width); i += k.mr {
			a := s.a[block*i:][:i*k.mr]
			c := panel[i*width:][:k.mr*width]
			t := s.triangle[i*k.mr:][:k.mr*k.mr]
			if i < j {
				solve(i, a, panel, width, c, width, t)
			} else {
				k.tiles[width/k.lane-1](i, a, panel, width, c, width)
				sum, ok := k.diagonal(c, width, i-j, t)
				if !ok {
					return 0, false
				}
				logDet += sum
			}
			k.copyPanels(s.a[block*j:], i, c, width)
		}
	}
	return logDet, true
}

// load fills a panel with columns j.. of the first rows; the rest of a panel, to
// the left and to the right of the triangle and below it, is the identity.
func load(panel []float64, width int, m view, j int) {
	for r := range len(panel) / width {
		to := panel[r*width:][:width]
		from, until := max(0, r-j), min(width, m.size-j)
		if r >= m.size || from >= until {
			clear(to)
			if r-j >= 0 && r-j < width {
				to[r-j] = 1
			}
			continue
		}
		clear(to[:from])
		copy(to[from:until], m.data[r*m.ld+j+from:])
		clear(to[until:])
	}
}

// diagonal factors the square of c at the given column and divides the columns
// to its right, with t as in solve.
func (k *kernel) diagonal(c []float64, width, at int, t []float64) (logDet float64, ok bool) {
	for r := range k.mr {
		row := c[r*width+at:][:width-at]
		pivot := row[r]
		if !(pivot > 0) || math.IsInf(pivot, 1) {
			return 0, false
		}
		logDet += math.Log(pivot) / 2
		inverse := 1 / math.Sqrt(pivot)
		for j := r + 1; j < len(row); j++ {
			row[j] *= inverse
		}
		copy(t[r*k.mr:][:k.mr], row)
		t[r*k.mr+r] = inverse
		for below := r + 1; below < k.mr; below++ {
			x := row[below]
			to := c[below*width+at:][:width-at]
			for j := below; j < len(row); j++ {
				to[j] = k.chain(to[j], x, row[j])
			}
		}
	}
	return logDet, true
}

// copyPanels copies rows i..i+mr of a B panel to the A panels of its columns.
func (k *kernel) copyPanels(to []float64, i int, c []float64, width int) {
	for j := 0; j < width; j += k.mr {
		a := to[block*j+i*k.mr:][:k.mr*k.mr]
		for r := range k.mr {
			if k.mr == 8 {
				*(*[8]float64)(a[r*8:]) = *(*[8]float64)(c[r*width+j:])
			} else {
				*(*[4]float64)(a[r*4:]) = *(*[4]float64)(c[r*width+j:])
			}
		}
	}
}

// subtract takes the n rows in the panels from the rows of the matrix that begin
// at from.
func (k *kernel) subtract(s *Scratch, m view, from, n int) {
	nr := k.lane * len(k.tiles)
	for first := from; first < m.size; first += chunkRows {
		last := min(first+chunkRows, m.size)
		for j := first / nr * nr; j < m.size; j += nr {
			width := min(nr, roundUp(m.size-j, k.lane))
			b := s.b[block*j:][:n*width]
			for i := first; i < min(last, j+width); i += k.mr {
				a := s.a[block*i:][:n*k.mr]
				// Whole vectors of columns below the diagonal are left out.
				skip := 0
				if i > j {
					skip = (i - j) / k.lane * k.lane
				}
				w := width - skip
				multiply := k.tiles[w/k.lane-1]
				c := m.data[i*m.ld+j+skip:]
				if i+k.mr <= m.size && j+width <= m.size {
					multiply(n, a, b[skip:], width, c[:(k.mr-1)*m.ld+w], m.ld)
					continue
				}
				// The tile extends beyond the matrix.
				t := s.tile[:k.mr*w]
				rows, columns := min(k.mr, m.size-i), min(w, m.size-j-skip)
				for r := range rows {
					copy(t[r*w:][:columns], c[r*m.ld:])
				}
				multiply(n, a, b[skip:], width, t, w)
				for r := range rows {
					copy(c[r*m.ld:][:columns], t[r*w:])
				}
			}
		}
	}
}

// grow makes room for panels of the given number of elements.
func (s *Scratch) grow(size int) {
	if len(s.a) < size {
		s.a, s.b = make([]float64, size), make([]float64, size)
	}
}

func roundUp(x, multiple int) int { return (x + multiple - 1) / multiple * multiple }
