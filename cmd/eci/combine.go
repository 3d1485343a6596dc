package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"example.com/eci"
)

// combined is a combination of sources, for JSON.
type combined struct {
	Verdict  string             `json:"verdict"`
	Shares   map[string]float64 `json:"shares"`
	Gain     eci.Difference     `json:"gain"`
	OverBest eci.Difference     `json:"over_best"`
	Tried    int                `json:"tried"`
}

// combine chooses sources and shares, and reports what the combination is worth.
func combine(ctx context.Context, ranking *eci.Ranking) (*combined, error) {
	c, err := ranking.Combine(ctx)
	if err != nil {
		return nil, err
	}
	return &combined{combinationVerdict(c, ranking.Lookahead), c.Shares, c.Gain, c.OverBest, c.Tried}, nil
}

// combinationVerdict says what to train on.
func combinationVerdict(c *eci.Combination, l *eci.LookaheadReport) string {
	unit := l.Unit()
	parts := sharesOf(c.Shares)
	held := fmt.Sprintf("on queries that took no part in it, it is worth %v %s", c.Gain, unit)
	switch {
	case len(l.Doubts) > 0:
		return "No verdict: " + strings.Join(l.Doubts, "; ") + "."
	case len(c.Shares) == 0:
		return fmt.Sprintf("Combine none of these: no source adds a standard error to %s.", unit)
	case !c.Helps():
		return fmt.Sprintf("No combination is shown to help: %s would be chosen, but %s.", parts, held)
	case len(c.Shares) == 1:
		return fmt.Sprintf("Train on %s alone, nothing adds to it: %s.", parts, held)
	case c.Pays():
		return fmt.Sprintf("Train on %s together: %s, and %v more than the best alone.", parts, held, c.OverBest)
	}
	return fmt.Sprintf("Train on one source: %s would be combined, but on queries that took no part in the choice that is not shown to beat the best alone (%v).", parts, c.OverBest)
}

// largest lists the sources by share, the largest first.
func largest(shares map[string]float64) []string {
	return slices.SortedFunc(maps.Keys(shares), func(a, b string) int {
		return cmp.Or(cmp.Compare(shares[b], shares[a]), strings.Compare(a, b))
	})
}

// sharesOf describes a combination in words.
func sharesOf(shares map[string]float64) string {
	names := largest(shares)
	for i, name := range names {
		if shares[name] < 1 {
			names[i] = fmt.Sprintf("%s (%.0f%%)", name, 100*shares[name])
		}
	}
	return strings.Join(names, " + ")
}

// sheet returns the table of the shares.
func (c *combined) sheet() sheet {
	s := sheet{title: "combination by the forecast", header: []string{"source", "share"}}
	for _, name := range largest(c.Shares) {
		s.rows = append(s.rows, []any{name, fixed(c.Shares[name], 2)})
	}
	return s
}
