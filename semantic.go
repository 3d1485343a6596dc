package eci

import "math"

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

// Settings returns the temperature as text.
func (c TargetConsistency) Settings() string { return "T=" + formatFloat(orOne(c.Temperature)) }

// Validate returns an error for a temperature that is negative or not finite.
func (c TargetConsistency) Validate() error { return checkTemperature(c.Temperature) }

// Weight returns c from e.Margin and e.Calibration.MarginScale.
func (c TargetConsistency) Weight(e *Evidence) float64 {
	return sigmoid(e.Margin / (orOne(c.Temperature) * e.Calibration.MarginScale))
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

// Settings returns the temperature as text.
func (c SemanticLocality) Settings() string { return "T=" + formatFloat(orOne(c.Temperature)) }

// Validate returns an error for a temperature that is negative or not finite.
func (c SemanticLocality) Validate() error { return checkTemperature(c.Temperature) }

// Weight returns g from e.NegativeSimilarity and the calibration's SimilarityMidpoint
// and SimilarityScale.
func (c SemanticLocality) Weight(e *Evidence) float64 {
	cal := e.Calibration
	return sigmoid((e.NegativeSimilarity - cal.SimilarityMidpoint) / (orOne(c.Temperature) * cal.SimilarityScale))
}

// sigmoid is 1/(1+exp(-x)), written so that exp never overflows.
func sigmoid(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + math.Exp(-x))
	}
	z := math.Exp(x)
	return z / (1 + z)
}

// softplus is ln(1+exp(x)) without overflow.
func softplus(x float64) float64 {
	return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x)))
}

func orOne(x float64) float64 {
	if x == 0 {
		return 1
	}
	return x
}

// residual writes scale times r = (p - n) - ((p - n).q) q into dst and returns |r|^2.
// The unit vectors are given as raw vectors with inverse norms. margin is (p - n).q. r
// is the direction in which the cosine loss moves the query: its gradient lies in the
// tangent plane at q.
func residual(dst []float64, q, p, n []float32, iq, ip, in, margin, scale float64) float64 {
	p, n, dst = p[:len(q)], n[:len(q)], dst[:len(q)]
	mq := margin * iq
	var square float64
	for k := range q {
		// The conversions prevent fused multiply-add, which would change bits between
		// architectures.
		r := float64(float64(p[k])*ip) - float64(float64(n[k])*in) - float64(mq*float64(q[k]))
		square += float64(r * r)
		dst[k] = r * scale
	}
	return square
}
