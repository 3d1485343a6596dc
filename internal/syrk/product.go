package syrk

import "unsafe"

// Pad is the number of rows and of columns that [Multiply64] works on at a time:
// its result has room for a multiple of them.
const Pad = 8

// RightBlock is the number of rows of a [Right64] at whose multiples
// [Multiply64] may begin.
const RightBlock = 24

// depthBlock64 is the part of the depth of one pass of [Multiply64]: a B panel of
// it fits a first-level cache. It changes no bit of the result.
const depthBlock64 = 192

// Left64 holds the rows of a matrix as A panels, to be multiplied by
// [Multiply64]. The zero value holds no rows.
type Left64 struct{ packed64 }

// Right64 holds the rows of a matrix as B panels, to be multiplied by
// [Multiply64]. The zero value holds no rows.
type Right64 struct{ packed64 }

type packed64 struct {
	memory, panels []float64
	n, depth       int
}

// Pack copies n rows of length depth, at distance stride, into the panels. It
// reuses the memory of an earlier call where it is large enough.
func (l *Left64) Pack(rows []float64, n, depth, stride int) {
	l.pack(kernels64[0], rows, n, depth, stride)
}

func (l *Left64) pack(k *kernel64, rows []float64, n, depth, stride int) {
	mr := k.mr
	l.reserve(n, depth, mr)
	for first := 0; first < n; first += mr {
		transpose(l.panels[first*depth:], mr, rows[first*stride:], min(mr, n-first), depth, stride)
	}
}

// Pack copies n rows of length depth, at distance stride, into the panels. It
// reuses the memory of an earlier call where it is large enough.
func (r *Right64) Pack(rows []float64, n, depth, stride int) {
	r.pack(kernels64[0], rows, n, depth, stride)
}

func (r *Right64) pack(k *kernel64, rows []float64, n, depth, stride int) {
	r.reserve(n, depth, k.lane)
	nr := k.lane * len(k.tiles)
	for first := 0; first < n; first += nr {
		width := min(nr, roundUp(n-first, k.lane))
		transpose(r.panels[first*depth:], width, rows[first*stride:], min(width, n-first), depth, stride)
	}
}

// transpose sets panel[k*width+i] to element k of row i, and to 0 for the rows
// from n to width.
func transpose(panel []float64, width int, rows []float64, n, depth, stride int) {
	panel = panel[:width*depth]
	if n < width {
		clear(panel)
	}
	for i := range n {
		at := i
		for _, x := range rows[i*stride:][:depth] {
			panel[at] = x
			at += width
		}
	}
}

// reserve makes room for n rows, rounded up to a multiple.
func (p *packed64) reserve(n, depth, multiple int) {
	if n < 0 || depth < 0 {
		panic("syrk: negative number of rows or depth")
	}
	const line = cacheLine / 8
	size := roundUp(n, multiple) * depth
	if len(p.memory) < size+line {
		p.memory = make([]float64, size+line)
	}
	// The address is read for speed only: results do not depend on it.
	skip := int(-uintptr(unsafe.Pointer(&p.memory[0]))%cacheLine) / 8
	p.n, p.depth, p.panels = n, depth, p.memory[skip:][:size]
}

// Multiply64 adds to c the products of m rows of a, from row i, with n rows of b,
// from row j, over the elements from, from+1, ... of the rows: for x < m, y < n
// and one k after the other
//
//	c[x*ldc+y] = fma(a[i+x][k], b[j+y][k], c[x*ldc+y])
//
// so an element does not depend on where it lies, and the same rows give the same
// bits. i is a multiple of [Pad] and j of [RightBlock]; m and n are multiples of
// Pad or reach the last row. c has room for m and n rounded up to multiples of
// Pad; elements beyond m and n may change.
//
// It panics when a range is out of bounds, when the depths differ, or when c is
// too short.
func Multiply64(c []float64, ldc int, a *Left64, i, m int, b *Right64, j, n, from int) {
	multiply64(kernels64[0], c, ldc, a, i, m, b, j, n, from)
}

func multiply64(k *kernel64, c []float64, ldc int, a *Left64, i, m int, b *Right64, j, n, from int) {
	switch {
	case a.depth != b.depth || from < 0 || from > a.depth:
		panic("syrk: depths do not match")
	case i < 0 || m < 0 || i+m > a.n || i%Pad != 0 || m%Pad != 0 && i+m != a.n:
		panic("syrk: rows of the left matrix out of range")
	case j < 0 || n < 0 || j+n > b.n || j%RightBlock != 0 || n%Pad != 0 && j+n != b.n:
		panic("syrk: rows of the right matrix out of range")
	case m == 0 || n == 0:
		return
	case ldc < roundUp(n, Pad):
		panic("syrk: rows of the product are too short")
	}
	c = c[:(roundUp(m, Pad)-1)*ldc+roundUp(n, Pad)]
	for ; from < a.depth; from += depthBlock64 {
		depth := min(depthBlock64, a.depth-from)
		product(k, c, ldc, a, i, m, b, j, n, from, depth)
	}
}

// product adds the products over depth elements from element from.
func product(k *kernel64, c []float64, ldc int, a *Left64, i, m int, b *Right64, j, n, from, depth int) {
	nr := k.lane * len(k.tiles)
	for y := 0; y < n; y += nr {
		panel := min(nr, roundUp(b.n-j-y, k.lane)) // columns of the panel
		width := min(panel, roundUp(n-y, k.lane))  // those that are asked for
		right := b.panels[(j+y)*b.depth:][from*panel : (from+depth)*panel]
		multiply := k.tiles[width/k.lane-1]
		for x := 0; x < m; x += k.mr {
			left := a.panels[(i+x)*a.depth:][from*k.mr : (from+depth)*k.mr]
			multiply(depth, left, right, panel, c[x*ldc+y:][:(k.mr-1)*ldc+width], ldc)
		}
	}
}
