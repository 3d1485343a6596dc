package eci

import (
	"context"
	"fmt"
	"math"
)

// sieve is a candidate choice for one guess of the best value: a triple is taken
// when its gain keeps the choice on the way to half the guess.
type sieve struct {
	exponent int     // the guess is (1+epsilon)^exponent
	guess    float64 // nats
	chosen   *chosen
	selected []Selected
}

// offer takes a row if it gains enough.
func (s *sieve) offer(row *batchRow, l []float32, square float64, count int) {
	left := count - s.chosen.size
	if left == 0 {
		return
	}
	need := (s.guess/2 - s.chosen.total) / float64(left)
	if math.Log1p(square)/2 < need { // its gain cannot be more than alone
		return
	}
	e := s.chosen.refresh(l, square, 0)
	if gain := math.Log1p(e) / 2; gain < need || gain == 0 {
		return
	}
	gain := s.chosen.add(l, e)
	rec := row.rec
	rec.QueryVector, rec.PositiveVector, rec.NegativeVector = nil, nil, nil
	s.selected = append(s.selected, Selected{Record: &rec, Weight: row.weight, Margin: row.evidence.Margin, Gain: gain, Total: s.chosen.total})
}

// sieve chooses in one pass. Guesses between the best single gain seen so far
// and 2K times that are open at any time; a guess is opened when the best single
// gain first calls for it, which loses nothing, because no earlier triple could
// have passed it.
func (r *run) sieve(ctx context.Context, selection Selection, source Source, yield func(*Selected, error) bool) error {
	base := math.Log1p(selection.Epsilon)
	scale := math.Sqrt(float64(r.dimension) / r.Epsilon2 / float64(selection.Count))
	var open []*sieve
	best, seen := 0.0, 0
	residuals, scratch := make([][]float32, triplesPerBatch), make([]float64, r.dimension)
	for i := range residuals {
		residuals[i] = make([]float32, r.dimension)
	}
	squares := make([]float64, triplesPerBatch)
	err := r.batches(ctx, source, make(map[string]int), func(b *batch) error {
		if err := r.weigh(source, b); err != nil {
			return err
		}
		seen += len(b.rows)
		// The guesses that are open at each row of the batch are settled first, so
		// that each sieve can go through the batch on its own.
		from := make(map[int]int) // exponent: first row
		to := make(map[int]int)   // exponent: first row at which it is closed
		for i := range b.rows {
			b.rows[i].residual(scratch, math.Sqrt(b.rows[i].weight))
			narrow(residuals[i], scratch, scale)
			squares[i] = squared(residuals[i])
			gain := math.Log1p(squares[i]) / 2
			if gain <= best {
				continue
			}
			best = gain
			low := int(math.Ceil(math.Log(best) / base))
			high := int(math.Floor(math.Log(2*float64(selection.Count)*best) / base))
			for _, s := range open {
				if _, closed := to[s.exponent]; s.exponent < low && !closed {
					to[s.exponent] = i
				}
			}
			for x := low; x <= high; x++ {
				if !isOpen(open, x) {
					open = append(open, &sieve{exponent: x, guess: math.Exp(float64(x) * base), chosen: newChosen(r.dimension)})
					from[x] = i
				}
			}
		}
		parallel(len(open), func(lo, hi int) {
			for k := lo; k < hi; k++ {
				end, closed := to[open[k].exponent]
				if !closed {
					end = len(b.rows)
				}
				for i := from[open[k].exponent]; i < end; i++ {
					open[k].offer(&b.rows[i], residuals[i], squares[i], selection.Count)
				}
			}
		})
		kept := open[:0]
		for _, s := range open {
			if _, closed := to[s.exponent]; !closed {
				kept = append(kept, s)
			}
		}
		open = kept
		return nil
	})
	if err != nil {
		return source.wrap(nil, err)
	}
	if seen < selection.Count {
		return &RowError{Source: source.Name, Err: fmt.Errorf("%w: %d triples asked for, there are %d to choose from", ErrSettings, selection.Count, seen)}
	}
	var winner *sieve
	for _, s := range open {
		if winner == nil || s.chosen.total > winner.chosen.total {
			winner = s
		}
	}
	if winner == nil {
		return nil // no triple carries anything
	}
	for i := range winner.selected {
		if !yield(&winner.selected[i], nil) {
			return errStopped
		}
	}
	return nil
}

func isOpen(open []*sieve, exponent int) bool {
	for _, s := range open {
		if s.exponent == exponent {
			return true
		}
	}
	return false
}
