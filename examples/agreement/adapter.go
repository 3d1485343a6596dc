package main

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
)

// adapter is a residual low-rank linear map on the query side,
//
//	f(q) = (q + U V q) / |q + U V q|, U of d x r, V of r x d,
//
// with U = 0 at the start, so that the untrained adapter is the frozen encoder.
// Documents keep their frozen vectors: training one is what fine-tuning the query
// tower of a two-tower retriever is, made small enough for any computer.
type adapter struct {
	d, r   int
	params []float64 // U row-major, then V row-major
}

// newAdapter draws V from N(0, 1/d).
func newAdapter(d, r int, random *rand.Rand) *adapter {
	a := &adapter{d: d, r: r, params: make([]float64, 2*d*r)}
	_, v := a.split(a.params)
	for i := range v.Data {
		v.Data[i] = random.NormFloat64() / math.Sqrt(float64(d))
	}
	return a
}

// split views a slice of the length of the parameters as U and V.
func (a *adapter) split(x []float64) (u, v blas64.General) {
	return matrix(a.d, a.r, x[:a.d*a.r]), matrix(a.r, a.d, x[a.d*a.r:])
}

func matrix(rows, cols int, data []float64) blas64.General {
	return blas64.General{Rows: rows, Cols: cols, Stride: cols, Data: data}
}

// batch holds what one training step works on and with, for n triples.
type batch struct {
	q, p, neg blas64.General // n x d: frozen vectors
	h         blas64.General // n x r: q Vt
	f         blas64.General // n x d: q + h Ut, then normalised
	norm      []float64      // n: before it was
	similar   blas64.General // n x n: f pt, then the loss's derivative
	df        blas64.General // n x d
	dh        blas64.General // n x r
	query     []int          // n: query of every row
}

func (a *adapter) newBatch(n int) *batch {
	m := func(cols int) blas64.General { return matrix(n, cols, make([]float64, n*cols)) }
	return &batch{
		q: m(a.d), p: m(a.d), neg: m(a.d), h: m(a.r), f: m(a.d), norm: make([]float64, n),
		similar: m(n), df: m(a.d), dh: m(a.r), query: make([]int, n),
	}
}

// apply fills f (n x d) with the adapted unit vectors of q (n x d), by way of h
// (n x r), and norm with their norms before.
func (a *adapter) apply(q, h, f blas64.General, norm []float64) {
	u, v := a.split(a.params)
	blas64.Gemm(blas.NoTrans, blas.Trans, 1, q, v, 0, h)
	copy(f.Data, q.Data)
	blas64.Gemm(blas.NoTrans, blas.Trans, 1, h, u, 1, f)
	for i := range norm {
		row := f.Data[i*a.d : (i+1)*a.d]
		norm[i] = math.Sqrt(dot(row, row))
		for k := range row {
			row[k] /= norm[i]
		}
	}
}

// loss returns the mean InfoNCE loss of a batch, in nats, and adds its gradient
// to gradient. Row i tells its positive from its own hard negative and from the
// positives of the rows of its block of ways rows that have another query; ways
// 1 leaves the hard negative alone.
func (a *adapter) loss(b *batch, ways int, temperature float64, gradient []float64) float64 {
	n := b.q.Rows
	a.apply(b.q, b.h, b.f, b.norm)
	blas64.Gemm(blas.NoTrans, blas.Trans, 1/temperature, b.f, b.p, 0, b.similar)
	clear(b.df.Data)
	total := 0.0
	scale := 1 / (temperature * float64(n))
	for i := range n {
		row := b.similar.Data[i*n : (i+1)*n]
		f, df, neg := b.f.Data[i*a.d:(i+1)*a.d], b.df.Data[i*a.d:(i+1)*a.d], b.neg.Data[i*a.d:(i+1)*a.d]
		own := row[i]
		hard := dot(f, neg) / temperature
		most := max(own, hard)
		for j := range row {
			if j != i && (j/ways != i/ways || b.query[j] == b.query[i]) {
				row[j] = math.Inf(-1)
			}
			most = max(most, row[j])
		}
		sum := math.Exp(hard - most)
		for _, x := range row {
			sum += math.Exp(x - most)
		}
		total += most + math.Log(sum) - own
		for j, x := range row {
			row[j] = math.Exp(x-most) / sum * scale
		}
		row[i] -= scale
		g := math.Exp(hard-most) / sum * scale
		for k, x := range neg {
			df[k] = g * x
		}
	}
	blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, b.similar, b.p, 1, b.df)
	for i := range n { // through the normalisation
		f, df := b.f.Data[i*a.d:(i+1)*a.d], b.df.Data[i*a.d:(i+1)*a.d]
		along := dot(f, df)
		for k := range df {
			df[k] = (df[k] - along*f[k]) / b.norm[i]
		}
	}
	u, _ := a.split(a.params)
	du, dv := a.split(gradient)
	blas64.Gemm(blas.Trans, blas.NoTrans, 1, b.df, b.h, 1, du)
	blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, b.df, u, 0, b.dh)
	blas64.Gemm(blas.Trans, blas.NoTrans, 1, b.dh, b.q, 1, dv)
	return total / float64(n)
}

// dot sums in order, so that the result does not depend on where slices start.
func dot(x, y []float64) (sum float64) {
	for k := range x {
		sum += float64(x[k] * y[k])
	}
	return sum
}

// adam is the optimiser of Kingma and Ba (2015) with decoupled weight decay
// (Loshchilov and Hutter 2019).
type adam struct {
	rate, decay float64
	step        int
	first       []float64
	second      []float64
}

func newAdam(n int, rate, decay float64) *adam {
	return &adam{rate: rate, decay: decay, first: make([]float64, n), second: make([]float64, n)}
}

// update moves the parameters against the gradient, which it clears.
func (o *adam) update(params, gradient []float64) {
	const beta1, beta2, epsilon = 0.9, 0.999, 1e-8
	o.step++
	c1, c2 := 1-math.Pow(beta1, float64(o.step)), 1-math.Pow(beta2, float64(o.step))
	for i, g := range gradient {
		o.first[i] = beta1*o.first[i] + (1-beta1)*g
		o.second[i] = beta2*o.second[i] + (1-beta2)*g*g
		params[i] -= o.rate * (o.first[i]/c1/(math.Sqrt(o.second[i]/c2)+epsilon) + o.decay*params[i])
		gradient[i] = 0
	}
}
