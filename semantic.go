package eci

import (
	"cmp"
	"fmt"
	"math"

	"example.com/eci/internal/stat"
)

// Evidence is the input of a [Component] for one triple. A Component may read it
// during the call only.
type Evidence struct {
	// PositiveSimilarity is s+ = q.p and NegativeSimilarity is s- = q.n, the cosines
	// of the unit vectors, in [-1, 1]. Margin is s+ - s-.
	PositiveSimilarity, NegativeSimilarity, Margin float64
	// Coverage is cov(q, n), the share of the query's IDF mass found in the negative.
	// Overlap is ovl(p, n), the IDF-weighted Jaccard overlap of positive and negative.
	// Both are in [0, 1]; see [Lexicon].
	Coverage, Overlap float64
	// Calibration holds the frozen scales. It is never nil when a Sem calls.
	Calibration *Calibration
	// Record is the triple with its texts, IDs and vectors, for custom components. It
	// is valid during the call only and must not be changed. The components of this
	// package do not read it.
	Record *Record
}

// Component computes a factor of a triple's weight from the evidence. To add one to
// the method, implement these two methods and append it to [Sem.Components].
//
// Weight must return a finite value in [0, 1], be deterministic and be safe for
// concurrent use. A component with settings should also have a method Settings()
// string, so that matrices made under different settings cannot be merged. Otherwise
// change Name with the settings. If a component has a method Validate() error, it is
// called before anything is read.
type Component interface {
	// Name returns one lower-case word for tables and JSON, such as "consistency".
	Name() string
	Weight(e *Evidence) float64
}

// TargetConsistency is c = sigmoid(m / (T sigma_m)), in (0, 1). It is high if the
// target encoder agrees that the positive beats the negative. It guards against false
// negatives. m is the margin and sigma_m the calibrated spread of margins.
// It is a plain value and safe for concurrent use.
type TargetConsistency struct {
	// Temperature is T_c, without unit; 0 means 1.
	Temperature float64
}

// Name returns "consistency".
func (TargetConsistency) Name() string { return "consistency" }

// Settings names the temperature.
func (c TargetConsistency) Settings() string { return "T=" + fmt.Sprint(cmp.Or(c.Temperature, 1)) }

// Validate refuses a temperature that is negative or not finite.
func (c TargetConsistency) Validate() error {
	if t := c.Temperature; t != 0 && !(t > 0 && !math.IsInf(t, 0)) {
		return fmt.Errorf("field Temperature %v is not positive and finite", t)
	}
	return nil
}

// Weight returns c from e.Margin and e.Calibration.MarginScale.
func (c TargetConsistency) Weight(e *Evidence) float64 {
	return stat.Sigmoid(e.Margin / (cmp.Or(c.Temperature, 1) * e.Calibration.MarginScale))
}

// SemanticLocality is g = sigmoid((s- - mu) / (T sigma)), in (0, 1). It is high if the
// negative is near the query. mu and sigma are the calibrated midpoint and spread of
// similarities.
// It is a plain value and safe for concurrent use.
type SemanticLocality struct {
	// Temperature is T_g, without unit; 0 means 1.
	Temperature float64
}

// Name returns "locality".
func (SemanticLocality) Name() string { return "locality" }

// Settings names the temperature.
func (c SemanticLocality) Settings() string { return "T=" + fmt.Sprint(cmp.Or(c.Temperature, 1)) }

// Validate refuses a temperature that is negative or not finite.
func (c SemanticLocality) Validate() error { return TargetConsistency(c).Validate() }

// Weight returns g from e.NegativeSimilarity and the calibration's SimilarityMidpoint
// and SimilarityScale.
func (c SemanticLocality) Weight(e *Evidence) float64 {
	cal := e.Calibration
	return stat.Sigmoid((e.NegativeSimilarity - cal.SimilarityMidpoint) / (cmp.Or(c.Temperature, 1) * cal.SimilarityScale))
}
