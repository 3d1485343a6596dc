package main

import (
	"errors"
	"strings"
	"testing"

	"example.com/eci"
)

// TestRequireBest: a source passes when it is the best of those without a fault,
// and with one only where it is allowed; the reason is given.
func TestRequireBest(t *testing.T) {
	good := func(name string, gain float64) eci.Ranked {
		return eci.Ranked{Score: &eci.Score{
			Source:   name,
			Artifact: &eci.Artifact{AUC: 0.6, Triples: 100},
			Forecast: &eci.Forecast{Gain: gain, Low: gain - 0.01, High: gain + 0.01, Random: &eci.Difference{Value: 0.05, Low: 0.02, High: 0.08}},
		}}
	}
	for _, test := range []struct {
		why    string
		allow  []string
		change func(r *eci.Ranking)
		want   string // of the error; empty to pass
	}{
		{"all is well", nil, func(r *eci.Ranking) {}, ""},
		{"another is better", nil, func(r *eci.Ranking) { r.Ranked[0].Source, r.Ranked[1].Source = "b", "a" }, "the best source is b, not a"},
		{"it would harm", nil, func(r *eci.Ranking) {
			f := r.Ranked[0].Forecast
			f.Low, f.High, f.Harms = -0.2, -0.1, true
		}, "a: it would harm (-0.200 to -0.100) (--allow harm lets it pass)"},
		{"it may do nothing", nil, func(r *eci.Ranking) { r.Ranked[0].Forecast.Low = 0 }, "it is not shown to help"},
		{"it overtrains", nil, func(r *eci.Ranking) { r.Ranked[0].Forecast.Overtrains = true }, "--allow overtraining"},
		{"it overtrains, which is allowed", []string{allowOvertraining}, func(r *eci.Ranking) { r.Ranked[0].Forecast.Overtrains = true }, ""},
		{"random documents do as well", nil, func(r *eci.Ranking) { r.Ranked[0].Forecast.Random.Low = -0.01 }, "it is not shown to beat random documents (+0.050 (-0.010 to +0.080))"},
		{"an artifact", nil, func(r *eci.Ranking) { r.Ranked[0].Artifact.AUC = 0.95 }, "(AUC 0.95) (--allow artifact"},
		{"two faults, one allowed", []string{allowArtifact}, func(r *eci.Ranking) {
			r.Ranked[0].Artifact.AUC, r.Ranked[0].Forecast.Overtrains = 0.95, true
		}, "a: it overtrains (--allow overtraining"},
		{"a race checks nothing", nil, func(r *eci.Ranking) { r.Ranked[0].Artifact, r.Ranked[0].Forecast.Random = nil, nil }, "--allow unchecked"},
		{"a race, which is allowed", []string{allowUnchecked}, func(r *eci.Ranking) {
			for _, s := range r.Ranked {
				s.Artifact, s.Forecast.Random = nil, nil
			}
		}, "with probability 0.00"},
		{"without random documents the shuffled negatives decide", nil, func(r *eci.Ranking) {
			f := r.Ranked[0].Forecast
			f.Random, f.Shuffled = nil, &eci.Difference{Low: -1}
		}, "another query's negatives"},
		{"lint finds errors", nil, func(r *eci.Ranking) {}, "a: near-identical is found in 2.5% of its rows (--allow lint lets it pass)"},
		{"lint finds errors, which is allowed", []string{allowLint}, func(r *eci.Ranking) {}, ""},
		{"the data cannot tell", nil, func(r *eci.Ranking) {
			r.Verdict.Action, r.Lookahead.Doubts = eci.ActionUnknown, []string{"12 queries are too few"}
		}, "a: 12 queries are too few (--allow doubts"},
		{"the one above has a fault", nil, func(r *eci.Ranking) {
			r.Ranked[0].Source, r.Ranked[1].Source = "b", "a"
			r.Ranked[0].Artifact.AUC = 0.95
		}, ""},
	} {
		t.Run(test.why, func(t *testing.T) {
			r := &eci.Ranking{Verdict: &eci.Verdict{Action: eci.ActionTrain}, Lookahead: &eci.LookaheadReport{},
				Ranked: []eci.Ranked{good("a", 0.1), good("b", 0.05)}}
			r.Ranked[0].Rank, r.Ranked[1].Rank = 1, 2
			test.change(r)
			// The made-up ranking has no deviations, so that no probability is known.
			f := rankFlags{requireBest: "a", allow: test.allow}
			if strings.HasPrefix(test.why, "lint") {
				f.wrong = []eci.Finding{{Source: "a", Kind: eci.LintNearIdentical, Share: 0.025}, {Source: "b", Kind: eci.LintNearIdentical, Share: 1}}
			}
			if strings.Contains(test.want, "probability") {
				f.confidence = 0.95
			}
			err := f.check(r)
			var failed *checkError
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (!errors.As(err, &failed) || !strings.Contains(err.Error(), test.want)):
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}
