package design

import (
	"math"

	"example.com/eci/internal/dots"
)

// Set is a set T of rows with what is needed to price another row l. With W = (I + sum
// l lT)^-1, adding l gains 1/2 ln(1 + lT W l). The number lT W l is called the price
// of l; it falls as T grows. Every addition subtracts u uT from W. The last d of the u
// are kept, so that the price of a row can be updated for later additions.
type Set struct {
	d, size int
	inverse []float64 // W, d x d, full
	updates []float64 // u of additions size-d..size-1, in a ring of d rows
	total   float64   // f(T)
}

// NewSet returns the empty set of rows of length d.
func NewSet(d int) *Set {
	s := &Set{d: d, inverse: make([]float64, d*d), updates: make([]float64, d*d)}
	for i := range d {
		s.inverse[i*d+i] = 1
	}
	return s
}

// Size returns the number of rows in T.
func (s *Set) Size() int { return s.size }

// Total returns f(T).
func (s *Set) Total() float64 { return s.total }

// Alone returns the price of a row in the empty set.
func Alone(l []float32) float64 { return dots.Inner(l, l) }

// Gain returns what a row of the given price adds to f.
func Gain(price float64) float64 { return math.Log1p(price) / 2 }

// Price returns the price of a row from its price when T had the given size.
func (s *Set) Price(l []float32, price float64, size int) float64 {
	if s.size-size > s.d/2 {
		var sum float64
		for i := range s.d {
			sum += float64(float64(l[i]) * dots.Inner(s.inverse[i*s.d:(i+1)*s.d], l))
		}
		return max(0, min(price, sum)) // rounding must not raise it
	}
	for t := size; t < s.size; t++ {
		x := dots.Inner(s.updates[t%s.d*s.d:][:s.d], l)
		price -= float64(x * x)
	}
	return max(0, price)
}

// Add adds a row to T, given its current price, and returns its gain.
func (s *Set) Add(l []float32, price float64) float64 {
	u := s.updates[s.size%s.d*s.d:][:s.d]
	root := 1 / math.Sqrt(1+price)
	for i := range u {
		u[i] = root * dots.Inner(s.inverse[i*s.d:(i+1)*s.d], l)
	}
	for i, x := range u {
		row := s.inverse[i*s.d : (i+1)*s.d]
		for k, y := range u {
			row[k] -= float64(x * y)
		}
	}
	s.size++
	gain := Gain(price)
	s.total += gain
	return gain
}
