// Package syrk adds blocks of float32 rows to a float64 Gram matrix:
// C += ATA, the upper triangle only (BLAS calls it a symmetric rank-k update).
//
// The rows are copied once into panels that the micro-kernel reads from first
// to last: B panels hold nr adjacent columns, row after row, and A panels hold
// mr columns. A micro-kernel multiplies one A panel by one B panel, keeps the
// whole mr x nr tile in registers over all the rows of the block, and only then
// adds it to C.
//
// The vector kernels sum the products of one block in float32 with fused
// multiply-add and add that sum to C in float64: every element is one chain
// over the rows in their order, so all vector kernels give the same bits. The
// portable kernel sums in float64, where products of float32 are exact. The two
// differ within the rounding of a float32 sum over a block, which is why a
// block has at most [MaxRows] rows. Nothing depends on the number of cores, on
// alignment or on earlier calls.
package syrk

import "unsafe"

// MaxRows is the largest number of rows in one call of [Accumulate].
const MaxRows = 384

// Scratch is the working memory of [Accumulate], to be reused between calls but
// not shared by goroutines. The zero value is ready; it grows to about
// 8*n*d bytes.
type Scratch struct {
	memory []float32
	a, b   []float32 // panels, within memory, on cache line boundaries
	tile   [maxTile]float64
}

// A tile adds to c, mr rows of float64 at distance ldc, the product of an A
// panel (n x mr, contiguous) and a B panel (n rows at distance ldb); its width
// is fixed for each function.
type tile func(n int, a, b []float32, ldb int, c []float64, ldc int)

// A pack copies n rows of float32 at distance d into one B panel of nr columns
// and the A panels of the same columns, at distance lda.
type pack func(n int, rows []float32, d int, a []float32, lda int, b []float32)

// A kernel is a set of tiles of one height and of 1, 2, ... vectors of lane
// columns; the last of them is the main one, with nr = lane*len(tiles).
type kernel struct {
	name  string
	mr    int // rows of a tile, a divisor of lane
	lane  int // columns of the narrowest tile
	tiles []tile
	pack  pack
}

const (
	maxTile   = 8 * 48 // elements of the largest tile
	packRows  = 16     // rows that are packed together: they fit a first-level cache
	blockCols = 192    // columns of A panels that stay in a second-level cache
	cacheLine = 64
)

// Name returns the kernel that [Accumulate] uses on this machine: "avx512",
// "avx2" or "generic".
func Name() string { return kernels[0].name }

// Accumulate adds ATA to the upper triangle of c: for i <= j < d
//
//	c[i*d+j] += sum over r < n of rows[r*d+i] * rows[r*d+j]
//
// where rows holds n rows of length d, 0 <= n <= [MaxRows]. Elements of c below
// the diagonal are neither read nor written.
//
// Magnitudes between 1e-15 and 1e15 are safe; beyond about 1e18 the sum of one
// block can leave the range of float32 and become infinite, below about 1e-19
// products lose digits or vanish.
//
// It panics when a slice is shorter than d*d or n*d, or when n is out of range.
// It does not allocate when scratch has been used with the same shape before.
func Accumulate(c []float64, d int, rows []float32, n int, scratch *Scratch) {
	kernels[0].accumulate(c, d, rows, n, scratch)
}

func (k *kernel) accumulate(c []float64, d int, rows []float32, n int, s *Scratch) {
	if n < 0 || n > MaxRows {
		panic("syrk: number of rows out of range")
	}
	if d < 0 {
		panic("syrk: negative dimension")
	}
	c, rows = c[:d*d], rows[:n*d]
	if n == 0 || d == 0 {
		return
	}
	k.packAll(s, d, rows, n)
	nr := k.lane * len(k.tiles)
	for first := 0; first < d; first += blockCols {
		last := min(first+blockCols, d)
		for j := first / nr * nr; j < d; j += nr {
			width := min(nr, roundUp(d-j, k.lane))
			b := s.b[j*n:][:n*width]
			// Tiles entirely above the diagonal.
			i := first
			if j+width <= d {
				multiply := k.tiles[width/k.lane-1]
				for ; i+k.mr <= min(j+1, last); i += k.mr {
					multiply(n, s.a[i*n:][:n*k.mr], b, width, c[i*d+j:][:(k.mr-1)*d+width], d)
				}
			}
			for ; i < min(j+width, last); i += k.mr {
				k.partial(s, c, d, n, i, j, width)
			}
		}
	}
}

// partial adds the tile of rows i..i+mr and columns j..j+width, of which only a
// part is in the triangle. Whole vectors of columns below the diagonal are left
// out.
func (k *kernel) partial(s *Scratch, c []float64, d, n, i, j, width int) {
	skip := max(0, i-j) / k.lane * k.lane
	left, w := j+skip, width-skip
	t := s.tile[:k.mr*w]
	clear(t)
	k.tiles[w/k.lane-1](n, s.a[i*n:][:n*k.mr], s.b[j*n:][skip:n*width], width, t, w)
	for r := i; r < min(i+k.mr, d); r++ {
		from := max(r, left)
		to := c[r*d+from : r*d+min(left+w, d)]
		for q, x := range t[(r-i)*w+from-left:][:len(to)] {
			to[q] += x
		}
	}
}

// packAll copies the rows into panels, the B panel of columns j.. at n*j and the
// A panel of columns i.. at n*i; columns beyond d are zero.
func (k *kernel) packAll(s *Scratch, d int, rows []float32, n int) {
	s.grow(n * roundUp(d, k.lane))
	nr := k.lane * len(k.tiles)
	for first := 0; first < n; first += packRows {
		some := min(packRows, n-first)
		for j := 0; j < d; j += nr {
			from := rows[first*d+j:]
			a := s.a[n*j+first*k.mr:]
			if j+nr <= d {
				k.pack(some, from, d, a, n*k.mr, s.b[n*j+first*nr:])
				continue
			}
			width := roundUp(d-j, k.lane)
			b := s.b[n*j+first*width:]
			for r := range some {
				to := b[r*width:][:width]
				copy(to, from[r*d:][:d-j])
				clear(to[d-j:])
				for i := 0; i < width; i += k.mr {
					copy(a[i*n+r*k.mr:][:k.mr], to[i:])
				}
			}
		}
	}
}

// grow makes room for A and B panels of the given number of elements.
func (s *Scratch) grow(size int) {
	const line = cacheLine / 4
	size = roundUp(size, line)
	if len(s.memory) < 2*size+line {
		s.memory = make([]float32, 2*size+line)
	}
	// The address is read for speed only: results do not depend on it.
	skip := int(-uintptr(unsafe.Pointer(&s.memory[0]))%cacheLine) / 4
	s.b = s.memory[skip:][:size]
	s.a = s.memory[skip+size:][:size]
}

func roundUp(x, multiple int) int { return (x + multiple - 1) / multiple * multiple }
