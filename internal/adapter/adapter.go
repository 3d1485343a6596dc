// Package adapter trains small adapters on frozen vectors by gradient descent and
// measures retrieval with them. Forecasts are checked against it. It is a substitute
// for fine-tuning an encoder, not the same. Vectors are float64 and held in memory.
package adapter

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
)

// Adapter is a residual low-rank linear map, the same for queries and documents:
//
//	f(x) = (x + U V x) / |x + U V x|, U of d x r, V of r x d
//
// U starts at 0, so the untrained adapter is the frozen encoder. The map is shared,
// like the encoder of most retrievers, so it learns a metric. A map for queries only
// would learn the direction from negatives to positives whatever the query, and gain
// less.
type Adapter struct {
	d, r   int
	params []float64 // U row-major, then V row-major
}

// New draws V from N(0, 1/d).
func New(d, r int, random *rand.Rand) *Adapter {
	a := &Adapter{d: d, r: r, params: make([]float64, 2*d*r)}
	_, v := a.split(a.params)
	for i := range v.Data {
		v.Data[i] = random.NormFloat64() / math.Sqrt(float64(d))
	}
	return a
}

// split returns the parameters, or a slice of the same length, as U and V.
func (a *Adapter) split(x []float64) (u, v blas64.General) {
	return Matrix(a.d, a.r, x[:a.d*a.r]), Matrix(a.r, a.d, x[a.d*a.r:])
}

// Matrix returns a matrix of rows x cols numbers, row by row.
func Matrix(rows, cols int, data []float64) blas64.General {
	return blas64.General{Rows: rows, Cols: cols, Stride: cols, Data: data}
}

// batch holds the input and the working memory of one training step for n triples. The
// rows of its 3n x d matrices are the queries, then the positives, then the negatives.
type batch struct {
	n       int
	query   []int          // n: query of every triple
	x       blas64.General // 3n x d: frozen vectors
	h       blas64.General // 3n x r: x Vt
	f       blas64.General // 3n x d: x + h Ut, then normalized
	norm    []float64      // 3n: the norms before
	similar blas64.General // n x n: of queries and positives; then the loss's derivative
	df      blas64.General // 3n x d: derivative by f, then by x + h Ut
	dh      blas64.General // 3n x r
}

func (a *Adapter) newBatch(n int) *batch {
	m := func(rows, cols int) blas64.General { return Matrix(rows, cols, make([]float64, rows*cols)) }
	return &batch{
		n: n, query: make([]int, n), x: m(3*n, a.d), h: m(3*n, a.r), f: m(3*n, a.d),
		norm: make([]float64, 3*n), similar: m(n, n), df: m(3*n, a.d), dh: m(3*n, a.r),
	}
}

// set sets the three vectors of triple i.
func (b *batch) set(i, query int, q, p, n []float64) {
	b.query[i] = query
	for role, v := range [...][]float64{q, p, n} {
		copy(Row(b.x, role*b.n+i), v)
	}
}

// Row returns row i of m.
func Row(m blas64.General, i int) []float64 { return m.Data[i*m.Stride : i*m.Stride+m.Cols] }

// apply fills f (n x d) with the adapted unit vectors of x (n x d). It fills h (n x r)
// with the intermediate values and norm with the norms before.
func (a *Adapter) apply(x, h, f blas64.General, norm []float64) {
	u, v := a.split(a.params)
	blas64.Gemm(blas.NoTrans, blas.Trans, 1, x, v, 0, h)
	copy(f.Data, x.Data)
	blas64.Gemm(blas.NoTrans, blas.Trans, 1, h, u, 1, f)
	for i := range norm {
		r := Row(f, i)
		norm[i] = math.Sqrt(Dot(r, r))
		for k := range r {
			r[k] /= norm[i]
		}
	}
}

// loss returns the mean InfoNCE loss of a batch, in nats, and adds its gradient to
// gradient. The positive of a query competes with its own hard negative and with the
// positives of other queries in its block of ways triples. With ways 1 it competes
// with the hard negative only.
func (a *Adapter) loss(b *batch, ways int, temperature float64, gradient []float64) float64 {
	a.apply(b.x, b.h, b.f, b.norm)
	third := func(m blas64.General, role int) blas64.General {
		return Matrix(b.n, a.d, m.Data[role*b.n*a.d:(role+1)*b.n*a.d])
	}
	q, p := third(b.f, 0), third(b.f, 1)
	blas64.Gemm(blas.NoTrans, blas.Trans, 1/temperature, q, p, 0, b.similar)
	hard := make([]float64, b.n) // derivative by the similarity of the hard negative
	total := 0.0
	scale := 1 / (temperature * float64(b.n))
	for i := range b.n {
		logits := Row(b.similar, i)
		own, negative := logits[i], Dot(Row(b.f, i), Row(b.f, 2*b.n+i))/temperature
		most := max(own, negative)
		for j := range logits {
			if j != i && (j/ways != i/ways || b.query[j] == b.query[i]) {
				logits[j] = math.Inf(-1)
			}
			most = max(most, logits[j])
		}
		sum := math.Exp(negative - most)
		for _, x := range logits {
			sum += math.Exp(x - most)
		}
		total += most + math.Log(sum) - own
		for j, x := range logits {
			logits[j] = math.Exp(x-most) / sum * scale
		}
		logits[i] -= scale
		hard[i] = math.Exp(negative-most) / sum * scale
	}
	blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, b.similar, p, 0, third(b.df, 0))
	blas64.Gemm(blas.Trans, blas.NoTrans, 1, b.similar, q, 0, third(b.df, 1))
	for i, g := range hard {
		query, negative := Row(b.f, i), Row(b.f, 2*b.n+i)
		dq, dn := Row(b.df, i), Row(b.df, 2*b.n+i)
		for k := range dq {
			dq[k] += g * negative[k]
			dn[k] = g * query[k]
		}
	}
	for i, norm := range b.norm { // through the normalization
		f, df := Row(b.f, i), Row(b.df, i)
		along := Dot(f, df)
		for k := range df {
			df[k] = (df[k] - along*f[k]) / norm
		}
	}
	u, _ := a.split(a.params)
	du, dv := a.split(gradient)
	blas64.Gemm(blas.Trans, blas.NoTrans, 1, b.df, b.h, 1, du)
	blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, b.df, u, 0, b.dh)
	blas64.Gemm(blas.Trans, blas.NoTrans, 1, b.dh, b.x, 1, dv)
	return total / float64(b.n)
}

// Dot sums in order, so that the result does not depend on where slices start.
func Dot(x, y []float64) (sum float64) {
	for k := range x {
		sum += float64(x[k] * y[k])
	}
	return sum
}

// adam is the optimizer of Kingma and Ba (2015).
type adam struct {
	rate          float64
	step          int
	first, second []float64
}

func newAdam(n int, rate float64) *adam {
	return &adam{rate: rate, first: make([]float64, n), second: make([]float64, n)}
}

// update moves the parameters against the gradient, which it clears.
func (o *adam) update(params, gradient []float64) {
	const beta1, beta2, epsilon = 0.9, 0.999, 1e-8
	o.step++
	c1, c2 := 1-math.Pow(beta1, float64(o.step)), 1-math.Pow(beta2, float64(o.step))
	for i, g := range gradient {
		o.first[i] = beta1*o.first[i] + (1-beta1)*g
		o.second[i] = beta2*o.second[i] + (1-beta2)*g*g
		params[i] -= o.rate * o.first[i] / c1 / (math.Sqrt(o.second[i]/c2) + epsilon)
		gradient[i] = 0
	}
}
