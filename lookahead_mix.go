package eci

import (
	"context"
	"fmt"
	"math"
	"slices"

	"example.com/eci/internal/lookahead"
)

// ForecastMix forecasts training on a mixture of ranked sources, from the triples
// that their own forecasts walked on: of each source its share of as many as a
// source by itself has, those of least hash. shares are at least 0 and finite, and
// need not add up to 1; equal shares are a hybrid.
//
// Compare the result with that of a single source by [Forecast.Over]. It fails
// with ErrIncompatible when the ranking was not made by a [Lookahead] in this
// process, with ErrSourceName for a source that is not in it, and with ErrSettings
// for shares that make no sense.
func (r *Ranking) ForecastMix(ctx context.Context, shares map[string]float64) (*Forecast, error) {
	if r.forecaster == nil {
		return nil, fmt.Errorf("eci: forecast of a mixture: %w: the ranking has no forecasts; rank with a Lookahead", ErrIncompatible)
	}
	total := 0.0
	for name, share := range shares {
		if !(share >= 0) || math.IsInf(share, 1) {
			return nil, fmt.Errorf("eci: forecast of a mixture: %w: the share of %q is %v", ErrSettings, name, share)
		}
		if s, ok := r.Find(name); !ok || s.sample == nil {
			return nil, fmt.Errorf("eci: forecast of a mixture: %w: %q is not in the ranking", ErrSourceName, name)
		}
		total += share
	}
	if !(total > 0) {
		return nil, fmt.Errorf("eci: forecast of a mixture: %w: all shares are 0", ErrSettings)
	}
	union := &lookahead.Source{Disjoint: true}
	given := 0.0
	taken := 0
	for _, name := range slices.Sorted(sourceNames(shares)) {
		s, _ := r.Find(name)
		given += shares[name] / total
		// Rounding the sum keeps the number of all triples what it should be.
		until := int(math.Round(given * float64(r.Lookahead.Triples)))
		appendTriples(union, s.sample, until-taken)
		taken = until
	}
	return r.forecaster.walk(ctx, union)
}

// sourceNames yields the names with a share.
func sourceNames(shares map[string]float64) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for name, share := range shares {
			if share > 0 && !yield(name) {
				return
			}
		}
	}
}

// appendTriples appends the first n triples of a sample, or all that there are.
func appendTriples(to, from *lookahead.Source, n int) {
	to.Disjoint = to.Disjoint && from.Disjoint
	offset := len(to.Vectors)
	to.Vectors = append(to.Vectors, from.Vectors...)
	for _, t := range from.Triples[:min(n, len(from.Triples))] {
		t.Query, t.Positive, t.Negative = t.Query+offset, t.Positive+offset, t.Negative+offset
		to.Triples = append(to.Triples, t)
	}
}
