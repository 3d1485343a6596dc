// Package discriminant computes Fisher's linear discriminant with a ridge from the
// inner products of the rows. With fewer rows than dimensions, that is less work than
// computing it from their d x d covariance.
package discriminant

import (
	"math"

	"example.com/eci/internal/chol"
)

// Pairs are n rows of either of two classes; row i of the first and row i of the
// second belong together. It holds the upper triangle of the inner products of all 2n
// rows: the first class, then the second. Rows of the triangle are at distance Stride.
type Pairs struct {
	N        int
	Products []float64
	Stride   int
}

func (p *Pairs) product(i, j int) float64 {
	if i > j {
		i, j = j, i
	}
	return p.Products[i*p.Stride+j]
}

// HeldOut returns w.x for row x of every pair in held, of the first class and of the
// second. Here w = (C + l I)^-1 (mean of the first - mean of the second). The means
// and the covariance C within the classes are those of the pairs in trained, and l is
// ridge times the trace of C. spread is the standard deviation of w.x within a class
// according to C. ok is false if there is nothing to invert.
//
// With Y the centered rows over the root of their number, C = YT Y, and
// l w = delta - YT (l I + Y YT)^-1 Y delta.
func (p *Pairs) HeldOut(trained, held []int, ridge float64) (values [2][]float64, spread float64, ok bool) {
	n := len(trained)
	t := p.center(trained)
	size := 2 * n
	a, trace := make([]float64, size*size), 0.0
	for r := range size {
		for s := r; s < size; s++ {
			a[r*size+s] = t.centered(r, s) / float64(size)
		}
		trace += a[r*size+r]
	}
	l := ridge * trace
	if !(l > 0) {
		return values, 0, false
	}
	for r := range size {
		a[r*size+r] += l
	}
	var scratch chol.Scratch
	if _, ok := chol.Inverse(a, size, &scratch); !ok {
		return values, 0, false
	}
	root := math.Sqrt(float64(size))
	delta := make([]float64, size) // Y delta
	for r := range size {
		c := r / n
		delta[r] = (t.toMean[0][t.row(r)] - t.toMean[1][t.row(r)] - (t.means[c][0] - t.means[c][1])) / root
	}
	beta := multiply(a, size, delta)
	square := t.means[0][0] - 2*t.means[0][1] + t.means[1][1]
	for r, x := range delta {
		square -= x * beta[r]
	}
	for class := range 2 {
		for _, i := range held {
			j := class*p.N + i
			x := t.toMean[0][j] - t.toMean[1][j]
			for r, b := range beta {
				x -= b * (p.product(t.row(r), j) - t.toMean[r/n][j]) / root
			}
			values[class] = append(values[class], x/l)
		}
	}
	return values, math.Sqrt(max(0, square/l)), true
}

// centering holds what the means of the trained rows give.
type centering struct {
	pairs   *Pairs
	trained []int
	toMean  [2][]float64  // inner product of each row with the mean of each class
	means   [2][2]float64 // those of the means
}

func (p *Pairs) center(trained []int) *centering {
	t := &centering{pairs: p, trained: trained}
	for class := range 2 {
		t.toMean[class] = make([]float64, 2*p.N)
		for j := range t.toMean[class] {
			for _, i := range trained {
				t.toMean[class][j] += p.product(class*p.N+i, j)
			}
			t.toMean[class][j] /= float64(len(trained))
		}
	}
	for c := range 2 {
		for e := range 2 {
			for _, i := range trained {
				t.means[c][e] += t.toMean[c][e*p.N+i] / float64(len(trained))
			}
		}
	}
	t.means[1][0] = t.means[0][1]
	return t
}

// row is the place among all rows of trained row r of 2n.
func (t *centering) row(r int) int {
	n := len(t.trained)
	return r/n*t.pairs.N + t.trained[r%n]
}

// centered is the inner product of two trained rows less the means of their classes.
func (t *centering) centered(r, s int) float64 {
	n := len(t.trained)
	i, j := t.row(r), t.row(s)
	return t.pairs.product(i, j) - t.toMean[r/n][j] - t.toMean[s/n][i] + t.means[r/n][s/n]
}

// multiply is A x for the symmetric A in an upper triangle.
func multiply(a []float64, size int, x []float64) []float64 {
	out := make([]float64, size)
	for i := range size {
		row := a[i*size : (i+1)*size]
		sum := row[i] * x[i]
		for j := i + 1; j < size; j++ {
			sum += row[j] * x[j]
			out[j] += row[j] * x[i]
		}
		out[i] += sum
	}
	return out
}
