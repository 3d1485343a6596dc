package lookahead

import (
	"context"
	"math"

	"example.com/eci/internal/syrk"
)

const (
	gramRows    = 48                  // rows of a block of the Gram matrix
	gramColumns = 4 * syrk.RightBlock // columns of a block
)

// factors hold Γ = Σ_a sign_a w_a w_aᵀ of some triples: for each of the three terms
// the signs and the vectors, r elements in each row.
type factors struct {
	n, r  int
	w     [3][]float64
	signs [3][]float64
}

func newFactors(n, r int) *factors {
	f := &factors{n: n, r: r}
	for a := range 3 {
		f.w[a], f.signs[a] = make([]float64, n*r), make([]float64, n)
	}
	return f
}

// set sets the factors of one triple.
func (f *factors) set(i int, now *moved, w *row, g gradient) {
	r := f.r
	signs := now.factor(w, r, g, f.w[0][i*r:][:r], f.w[1][i*r:][:r], f.w[2][i*r:][:r])
	for a, sign := range signs {
		f.signs[a][i] = sign
	}
}

// part returns the factors of the listed triples.
func (f *factors) part(list []int) *factors {
	if len(list) == f.n {
		return f
	}
	p := newFactors(len(list), f.r)
	for a := range 3 {
		p.signs[a] = part(f.signs[a], list)
		for i, number := range list {
			copy(p.w[a][i*f.r:][:f.r], f.w[a][number*f.r:])
		}
	}
	return p
}

// combine returns Σ c_i Γ_i, added in parts of a fixed size. It stops early when the
// context ends.
func (f *factors) combine(ctx context.Context, c []float64) []float64 {
	const size = 2048
	parts := make([][]float64, chunks(f.n, size))
	_ = each(ctx, len(parts), func(b int) {
		parts[b] = f.combinePart(c, b*size, min((b+1)*size, f.n))
	})
	x := make([]float64, f.r*f.r)
	for _, part := range parts {
		if part != nil {
			addScaled(x, 1, part)
		}
	}
	return x
}

// combinePart adds the terms of either sign separately.
func (f *factors) combinePart(c []float64, first, last int) []float64 {
	r := f.r
	parts := [2][]float64{make([]float64, r*r), make([]float64, r*r)}
	rows := make([]float64, (last-first)*r)
	var scratch syrk.Scratch64
	for a := range 3 {
		for side, sign := range [2]float64{1, -1} {
			n := 0
			for i := first; i < last; i++ {
				factor := c[i] * sign * f.signs[a][i]
				if factor <= 0 {
					continue
				}
				root := math.Sqrt(factor)
				to := rows[n*r:][:r]
				for k, v := range f.w[a][i*r:][:r] {
					to[k] = root * v
				}
				n++
			}
			syrk.Accumulate64(parts[side], r, rows, n, &scratch)
		}
	}
	x := parts[0]
	for i := range r {
		for j := i; j < r; j++ {
			x[i*r+j] -= parts[1][i*r+j]
			x[j*r+i] = x[i*r+j]
		}
	}
	return x
}

// A gram is the matrix K, K_ij = <Γ_i, Γ_j>, row after row.
type gram struct {
	n      int
	values []float64
}

func (g *gram) diagonal(i int) float64 { return g.values[i*g.n+i] }

func (g *gram) apply(to, x []float64) {
	for i := range to {
		to[i] = dot(g.values[i*g.n:][:g.n], x)
	}
}

// part returns the listed rows and columns.
func (g *gram) part(list []int) *gram {
	p := &gram{n: len(list), values: make([]float64, len(list)*len(list))}
	for i, from := range list {
		row := g.values[from*g.n:][:g.n]
		to := p.values[i*p.n:][:p.n]
		for j, column := range list {
			to[j] = row[column]
		}
	}
	return p
}

// gram returns K_ij = Σ_ab sign_ia sign_jb (w_ia . w_jb)².
func (f *factors) gram(ctx context.Context) (*gram, error) {
	g := &gram{n: f.n, values: make([]float64, f.n*f.n)}
	var left [3]syrk.Left64
	var right [3]syrk.Right64
	for a := range 3 {
		left[a].Pack(f.w[a], f.n, f.r, f.r)
		right[a].Pack(f.w[a], f.n, f.r, f.r)
	}
	err := each(ctx, chunks(f.n, gramRows), func(b int) {
		i := b * gramRows
		m := min(gramRows, f.n-i)
		memory := make([]float64, 2*gramRows*gramColumns)
		for j := i / gramColumns * gramColumns; j < f.n; j += gramColumns {
			n := min(gramColumns, f.n-j)
			f.block(memory, &left, i, m, &right, j, n)
			for x := range m {
				for y, v := range memory[x*gramColumns:][:n] {
					if j+y >= i+x {
						g.values[(i+x)*g.n+j+y] = v
						g.values[(j+y)*g.n+i+x] = v
					}
				}
			}
		}
	})
	return g, err
}

// block writes m x n elements of K to memory, at distance gramColumns. It uses the
// second half of memory as working memory.
func (f *factors) block(memory []float64, left *[3]syrk.Left64, i, m int, right *[3]syrk.Right64, j, n int) {
	k, c := memory[:gramRows*gramColumns], memory[gramRows*gramColumns:]
	clear(k)
	for a := range 3 {
		for b := range 3 {
			clear(c)
			syrk.Multiply64(c, gramColumns, &left[a], i, m, &right[b], j, n, 0)
			for x := range m {
				sign, signs := f.signs[a][i+x], f.signs[b][j:][:n]
				from, to := c[x*gramColumns:][:n], k[x*gramColumns:][:n]
				for y, v := range from {
					to[y] += sign * signs[y] * (v * v)
				}
			}
		}
	}
}
