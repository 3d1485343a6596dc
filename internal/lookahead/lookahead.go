// Package lookahead computes what a short training on a source of triples would
// do to retrieval: three half Gauss-Newton steps of a small adapter, in closed
// form, and after each of them the change of nDCG for queries that had no part
// in it. It knows vectors and indexes only.
//
// # Model
//
// V (d x r) holds the principal axes of the centered pool, z = Vᵀx. The adapter
// maps queries and documents alike to x' = unit(x + V W z), W is r x r and 0 at
// the start. With M = I + W and D = MᵀM - I, what lies outside the axes stays,
// so lengths and cosines are exact:
//
//	|x + VWz|² = 1 + zᵀDz,  <x + VWz, y + VWu> = <x, y> + zᵀDu
//
// A triple's margin m = <q, p> - <q, n> has the derivative, in W and at the
// vectors as they are now,
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
// Vectors come in float32; everything is accumulated in float64. The same input
// gives the same bits for any number of cores: work is cut into pieces that do
// not depend on it, and pieces are put together in a fixed order. Equal vectors
// get equal scores.
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
	// Folds is the number of folds; a query's fold is its group modulo Folds. 0
	// means 5.
	Folds int
	// Steps is the number of half steps; 0 means 3.
	Steps int
	// StepQueries is the most queries on which the variance of the steps is taken;
	// 0 means that it is not.
	StepQueries int
}

// resolve sets the defaults and reports what is out of range.
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

// A Query is a labeled query whose retrieval is looked at.
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
	// Vectors are what the triples refer to. They need not have unit length.
	Vectors [][]float32
	Triples []Triple
	// Disjoint reports that no query that is looked at occurs in the triples: one
	// walk from all of them then serves all queries, and groups do not matter.
	Disjoint bool
}

// A Result is what one source does to retrieval.
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
	// StepDeviations are the shares of the folds of triples in the error of the steps:
	// the sum of their squares is the variance of Gain over the triples that the
	// adapters were made from. Nil unless Settings.StepQueries is positive.
	StepDeviations []float64
	// Folds describes the walks, one for each fold, or a single one for a
	// disjoint source.
	Folds []Fold
}

// A Fold describes the walk of one fold.
type Fold struct {
	// Triples is how many triples the walk learned from: those of other folds.
	// Without any, the adapter stays as it is.
	Triples int
	// Norm is the Frobenius norm of the adapter W after the last step.
	Norm float64
	// Steps describes the steps.
	Steps []Step
}

// A Step describes one half step of a walk.
type Step struct {
	// Weightless is the number of triples that teach nothing: ω or Γ is zero.
	// Where it is all of them the adapter stays as it is.
	Weightless int
	// Iterations is the number of conjugate gradient iterations, Residual their
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
