// Package lookahead computes what a short training on a source of triples would do to
// retrieval: three half Gauss-Newton steps of a small adapter, in closed form. After
// each step it computes the change of nDCG for queries that had no part in it. The
// package knows only vectors and indexes.
//
// # Model
//
// V (d x r) holds the principal axes of the centered pool, z = Vᵀx. The adapter maps
// queries and documents alike to x' = unit(x + V W z). W is r x r and 0 at the start.
// Let M = I + W and D = MᵀM - I. The part outside the axes does not change, so lengths
// and cosines are exact:
//
//	|x + VWz|² = 1 + zᵀDz,  <x + VWz, y + VWu> = <x, y> + zᵀDu
//
// The margin m = <q, p> - <q, n> of a triple has this derivative in W at the current
// vectors:
//
//	Γ = r qᵀ + a pᵀ - b nᵀ,  r = p - n - m q,  a = q - s⁺ p,  b = q - s⁻ n
//
// where q, p and n are the parts of the adapted unit vectors in the axes; Γ is
// symmetric and has rank 3. The loss ln(1 + exp(-m/σ)) has the slope
// ω = sigmoid(-m/σ) and the curvature h = ω(1 - ω)/σ. One step is the solution X
// of
//
//	Σ h Γ <Γ, X> + λ X = Σ ω Γ,  λ = Σ h ‖Γ‖² / r
//
// scaled so that <Γ, X> has root mean square σ, and M becomes (I + X/2) M.
//
// # Bits
//
// Vectors are float32, and sums are accumulated in float64. The same input gives the
// same bits for any number of cores: work is split into pieces that do not depend on
// it, and the pieces are combined in a fixed order. Equal vectors get equal scores.
package lookahead

import (
	"fmt"
	"math"
)

// Settings are the constants of the method. Only MarginScale has no default.
type Settings struct {
	// MarginScale is σ, the standard deviation of the margins of labeled pairs.
	MarginScale float64
	// Axes is the largest number of axes r; 0 means 128.
	Axes int
	// Cutoff is the k of nDCG@k; 0 means 10.
	Cutoff int
	// Folds is the number of folds. A query's fold is its group modulo Folds. 0 means
	// 5.
	Folds int
	// Steps is the number of half steps; 0 means 3.
	Steps int
	// StepQueries is the largest number of queries for the variance of the steps. 0
	// means not to compute it.
	StepQueries int
}

// resolve fills in the defaults and rejects settings that are out of range.
func (s Settings) resolve() (Settings, error) {
	for _, f := range []struct {
		name         string
		value        *int
		byDefault    int
		least, limit int
	}{
		{"axes", &s.Axes, 128, 1, 4096},
		{"cutoff", &s.Cutoff, 10, 1, 1 << 20},
		{"folds", &s.Folds, 5, 2, 1 << 10},
		{"steps", &s.Steps, 3, 1, 64},
	} {
		if *f.value == 0 {
			*f.value = f.byDefault
		}
		if *f.value < f.least || *f.value > f.limit {
			return s, fmt.Errorf("lookahead: %s is %d, want %d to %d", f.name, *f.value, f.least, f.limit)
		}
	}
	if !(s.MarginScale > 0) || math.IsInf(s.MarginScale, 1) {
		return s, fmt.Errorf("lookahead: margin scale is %v, want a positive number", s.MarginScale)
	}
	return s, nil
}

// A Query is a labeled query to be evaluated.
type Query struct {
	// Vector need not have unit length.
	Vector []float32
	// Group is the query's group, 0 or more; see Settings.Folds.
	Group int
	// Relevant holds the positions of its relevant documents in the pool, in any
	// order. A query without one is left out.
	Relevant []int
	// Ignored holds the positions of documents that are not ranked for this
	// query, in any order. None of them may be relevant.
	Ignored []int
}

// A Triple refers to three vectors of its source by index.
type Triple struct {
	Query, Positive, Negative int
	// Group is the query's group, as in Query.
	Group int
}

// A Source is a sample of triples.
type Source struct {
	// Vectors are the vectors that the triples refer to. They need not have unit
	// length.
	Vectors [][]float32
	Triples []Triple
	// Disjoint means that no evaluated query occurs in the triples. One walk on all of
	// them then serves all queries, and groups do not matter.
	Disjoint bool
}

// A Result is the effect of one source on retrieval.
type Result struct {
	// Gains holds, for every query of Space.Evaluated, the change of its nDCG
	// after each step.
	Gains [][]float64
	// Curve is the mean of Gains over the queries, after each step.
	Curve []float64
	// Gain is the mean of Curve.
	Gain float64
	// StandardError is the standard deviation of the queries' mean gains, divided
	// by the square root of their number; +Inf for a single query.
	StandardError float64
	// StepDeviations are the contributions of the folds of triples to the error of the
	// steps. The sum of their squares is the variance of Gain over the triples that
	// the adapters were made from. It is nil unless Settings.StepQueries is positive.
	StepDeviations []float64
	// Folds describes the walks, one for each fold, or a single one for a
	// disjoint source.
	Folds []Fold
}

// A Fold describes the walk of one fold.
type Fold struct {
	// Triples is the number of triples that the walk learned from: those of other
	// folds. Without any, the adapter does not change.
	Triples int
	// Norm is the Frobenius norm of the adapter W after the last step.
	Norm float64
	// Steps describes the steps.
	Steps []Step
}

// A Step describes one half step of a walk.
type Step struct {
	// Weightless is the number of triples without an effect: ω or Γ is zero. If all
	// are, the adapter does not change.
	Weightless int
	// Iterations is the number of conjugate gradient iterations. Residual is their
	// last residual relative to the right side.
	Iterations int
	Residual   float64
}

// Mean returns the mean of a query's gains over the steps.
func (r *Result) Mean(query int) float64 { return mean(r.Gains[query]) }

func mean(x []float64) float64 {
	var sum float64
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}
