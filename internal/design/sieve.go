package design

import (
	"math"
	"slices"
)

// Sieve chooses rows in one pass without keeping them (Badanidiyuru and others 2014).
// The best value f is guessed as a power of 1 + epsilon. There is a set for every
// guess between the best single gain seen so far and 2 count times that. A guess is
// opened when the best single gain first requires it. That loses nothing, because no
// earlier row could have passed it. T is the type that the caller keeps for a chosen
// row.
type Sieve[T any] struct {
	d, count int
	base     float64 // ln(1 + epsilon)
	best     float64 // single gain
	open     []*guess[T]
}

// guess is the set for one guess of the best value. It takes a row if the row's gain
// keeps the set on course for half the guess.
type guess[T any] struct {
	exponent int
	value    float64 // (1+epsilon)^exponent, nats
	set      *Set
	kept     []T
	// The rows of the current batch that are offered to it.
	from, to int
}

// NewSieve returns a sieve that chooses count rows of length d.
func NewSieve[T any](d, count int, epsilon float64) *Sieve[T] {
	return &Sieve[T]{d: d, count: count, base: math.Log1p(epsilon)}
}

// Offer offers a batch of rows to the sieve. For a chosen row, the sieve keeps what
// keep returns for its index i, its gain and f of its set so far. keep is called
// concurrently, and more than once for a row that several sets take.
func (s *Sieve[T]) Offer(rows [][]float32, parallel Parallel, keep func(i int, gain, total float64) T) {
	prices := s.bound(rows)
	parallel(len(s.open), func(low, high int) {
		for _, g := range s.open[low:high] {
			for i := g.from; i < g.to; i++ {
				if gain, ok := g.take(rows[i], prices[i], s.count); ok {
					g.kept = append(g.kept, keep(i, gain, g.set.total))
				}
			}
		}
	})
	s.open = slices.DeleteFunc(s.open, func(g *guess[T]) bool { return g.to < len(rows) })
}

// bound determines which guesses are open at each row of a batch, so that every set
// can process the batch on its own. It returns the prices of the single rows.
func (s *Sieve[T]) bound(rows [][]float32) []float64 {
	for _, g := range s.open {
		g.from, g.to = 0, len(rows)
	}
	prices := make([]float64, len(rows))
	for i, l := range rows {
		prices[i] = Alone(l)
		gain := Gain(prices[i])
		if gain <= s.best {
			continue
		}
		s.best = gain
		lowest := int(math.Ceil(math.Log(gain) / s.base))
		highest := int(math.Floor(math.Log(2*float64(s.count)*gain) / s.base))
		for _, g := range s.open {
			if g.exponent < lowest {
				g.to = min(g.to, i)
			}
		}
		for x := lowest; x <= highest; x++ {
			if !slices.ContainsFunc(s.open, func(g *guess[T]) bool { return g.exponent == x }) {
				s.open = append(s.open, &guess[T]{exponent: x, value: math.Exp(float64(x) * s.base), set: NewSet(s.d), from: i, to: len(rows)})
			}
		}
	}
	return prices
}

// take adds a row to the set if it gains enough.
func (g *guess[T]) take(l []float32, alone float64, count int) (gain float64, ok bool) {
	left := count - g.set.size
	if left == 0 {
		return 0, false
	}
	need := (g.value/2 - g.set.total) / float64(left)
	if Gain(alone) < need { // no row gains more than in the empty set
		return 0, false
	}
	price := g.set.Price(l, alone, 0)
	if gain := Gain(price); gain < need || gain == 0 {
		return 0, false
	}
	return g.set.Add(l, price), true
}

// Best returns what was kept for the set with the highest f, in the order of the rows.
// It is empty if no row carries any information.
func (s *Sieve[T]) Best() []T {
	var winner *guess[T]
	for _, g := range s.open {
		if winner == nil || g.set.total > winner.set.total {
			winner = g
		}
	}
	if winner == nil {
		return nil
	}
	return winner.kept
}
