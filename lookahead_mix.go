package eci

import (
	"context"
	"fmt"
	"math"
	"slices"

	"example.com/eci/internal/ctxerr"
	"example.com/eci/internal/dots"
	"example.com/eci/internal/lookahead"
	"example.com/eci/internal/sorted"
	"example.com/eci/internal/stat"
)

// ForecastMix forecasts training on a mixture of ranked sources. It uses the triples
// that their own forecasts walked on: from each source, those of least hash, in
// proportion to its share. The mixture has the same number of triples as a single
// source. shares must be finite and at least 0, and need not add up to 1. Equal shares
// make a hybrid.
//
// Use [Forecast.Over] to compare the result with that of a single source. Errors are
// ErrIncompatible if the ranking was not made by a [Lookahead] in this process,
// ErrSourceName for a source that is not in it, and ErrSettings for invalid shares.
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
	return r.forecaster.walk(ctx, r.union(shares, total))
}

// union is a mixture of the triples that forecasts walked on.
func (r *Ranking) union(shares map[string]float64, total float64) *lookahead.Source {
	union := &lookahead.Source{Disjoint: true}
	given := 0.0
	taken := 0
	for _, name := range sorted.Keys(shares) {
		if !(shares[name] > 0) {
			continue
		}
		s, _ := r.Find(name)
		given += shares[name] / total
		// Rounding the sum keeps the number of all triples what it should be.
		until := int(math.Round(given * float64(r.Lookahead.Triples)))
		union.Append(s.sample, until-taken)
		taken = until
	}
	return union
}

// Combination is the mixture of ranked sources that is expected to help most.
// It is safe for concurrent use as long as no goroutine changes it.
type Combination struct {
	// Shares are those of the chosen sources. They add up to 1. Empty means that no
	// source is shown to help.
	Shares map[string]float64
	// Forecast is the forecast of the mixture for all queries. It is too high, because
	// the mixture was chosen on the same queries. Gain is not: every query is
	// evaluated with the mixture that was chosen without its fold. OverBest is the
	// paired difference between Gain and the gain of the source that would have been
	// chosen alone.
	Forecast       *Forecast
	Gain, OverBest Difference
	// Tried is the number of mixtures that were evaluated.
	Tried int
}

// Helps reports whether the mixture is shown, at 95%, to help queries that had no part
// in choosing it.
func (c *Combination) Helps() bool { return len(c.Shares) > 0 && c.Gain.Low > 0 }

// Pays reports whether the mixture is shown, at 95%, to help those queries more than
// the source that would have been chosen alone.
func (c *Combination) Pays() bool { return len(c.Shares) > 1 && c.OverBest.Low > 0 }

// Combine chooses the sources whose union helps most, and their weights, by forward
// selection. Each round takes the source that adds most to the expected gain, as long
// as it adds at least one standard error of the paired difference. A source may be
// taken more than once. The whole selection is repeated without each fold of queries,
// so that the gain comes from queries that took no part in the choice. Errors are
// those of [Ranking.ForecastMix].
func (r *Ranking) Combine(ctx context.Context) (*Combination, error) {
	if r.forecaster == nil {
		return nil, fmt.Errorf("eci: combination: %w: the ranking has no forecasts; rank with a Lookahead", ErrIncompatible)
	}
	c := &combiner{ranking: r, space: r.forecaster.space.WithoutStepError(), walked: make(map[string][]float64)}
	for _, s := range r.Ranked {
		if s.sample != nil && s.Dropped == 0 {
			c.names = append(c.names, s.Source)
		}
	}
	slices.Sort(c.names)
	fold := make([]int, 0, len(r.forecaster.looked))
	for _, q := range r.forecaster.space.Evaluated() {
		fold = append(fold, r.forecaster.looked[q].Group%folds)
	}
	gain, best := make([]float64, len(fold)), make([]float64, len(fold))
	for k := range folds {
		parts, gains, alone, err := c.choose(ctx, func(x int) bool { return fold[x] != k })
		if err != nil {
			return nil, err
		}
		for x := range fold {
			if fold[x] == k && len(parts) > 0 {
				gain[x], best[x] = gains[x], alone[x]
			}
		}
	}
	parts, _, _, err := c.choose(ctx, func(int) bool { return true })
	if err != nil {
		return nil, err
	}
	result := &Combination{Shares: make(map[string]float64), Tried: len(c.walked)}
	mean, deviations := stat.MeanWithDeviations(gain)
	result.Gain = differenceOf(mean, deviations, nil, len(fold)-1)
	alone, others := stat.MeanWithDeviations(best)
	result.OverBest = differenceOf(mean-alone, deviations, others, len(fold)-1)
	if len(parts) == 0 {
		return result, nil
	}
	for _, name := range parts {
		result.Shares[name] += 1 / float64(len(parts))
	}
	result.Forecast, err = r.ForecastMix(ctx, result.Shares)
	return result, err
}

// combiner walks on mixtures and remembers the gains of each.
type combiner struct {
	ranking *Ranking
	space   *lookahead.Space
	names   []string
	walked  map[string][]float64 // by parts: mean gain of every query
}

// choose selects parts by the gains of some queries. It returns the gains of all
// queries from the parts, and from the first part alone.
func (c *combiner) choose(ctx context.Context, on func(query int) bool) (parts []string, gains, alone []float64, err error) {
	// combinedParts is the largest number of parts in a combination. Shares are
	// multiples of one over the number of parts.
	const combinedParts = 5
	for len(parts) < combinedParts {
		next, lead := "", 0.0
		var after []float64
		for _, name := range c.names {
			tried, err := c.gains(ctx, append(slices.Clone(parts), name))
			if err != nil {
				return nil, nil, nil, err
			}
			if more, enough := c.improvement(tried, gains, on); enough && more > lead {
				next, lead, after = name, more, tried
			}
		}
		if next == "" {
			break
		}
		parts, gains = append(parts, next), after
		if alone == nil {
			alone = gains
		}
	}
	return parts, gains, alone, nil
}

// improvement is the mean of x - y over some queries, y being 0 where it is nil, and
// whether it is at least its standard error.
func (*combiner) improvement(x, y []float64, on func(query int) bool) (mean float64, enough bool) {
	var difference []float64
	for q := range x {
		if on(q) {
			d := x[q]
			if y != nil {
				d -= y[q]
			}
			difference = append(difference, d)
		}
	}
	mean, deviations := stat.MeanWithDeviations(difference)
	return mean, deviations != nil && mean > 0 && mean >= math.Sqrt(dots.Inner(deviations, deviations))
}

// gains returns the gains of the union of some parts.
func (c *combiner) gains(ctx context.Context, parts []string) ([]float64, error) {
	slices.Sort(parts)
	key := fmt.Sprintf("%q", parts)
	if gains, ok := c.walked[key]; ok {
		return gains, nil
	}
	shares := make(map[string]float64)
	for _, name := range parts {
		shares[name]++
	}
	result, err := c.space.Walk(ctx, *c.ranking.union(shares, float64(len(parts))))
	if err != nil {
		if cause := ctxerr.Of(ctx); cause != nil {
			err = cause
		}
		return nil, fmt.Errorf("eci: combination: %w: %w", ErrLookahead, err)
	}
	gains := make([]float64, len(result.Gains))
	for x := range gains {
		gains[x] = result.Mean(x)
	}
	c.walked[key] = gains
	return gains, nil
}
