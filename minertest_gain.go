package eci

import (
	"context"
	"slices"

	"example.com/eci/internal/stat"
)

// GainAtLeast asserts that training on a source would change the metric by at
// least so much, with the asked-for confidence: 0 asserts that it helps. others
// are ranked with it, for their labeled pairs. A forecast that cannot be relied
// upon (see [LookaheadReport.Doubts]) does not hold.
func (m *MinerTest) GainAtLeast(ctx context.Context, t TB, least float64, source Source, others ...Source) bool {
	t.Helper()
	ranking, confidence, ok := m.lookAhead(ctx, t, append([]Source{source}, others...))
	if !ok {
		return false
	}
	s, _ := ranking.Find(source.Name)
	f := s.Forecast
	if p := stat.TProbability(f.Gain-least, f.standardError(), f.freedom()); p < confidence {
		t.Errorf("%s: %s would change %s by %s; P(at least %v) %.3f, wanted %.3f\n%s", t.Name(), source.Name, ranking.Lookahead.Metric, f.interval(), least, p, confidence, ranking)
		return false
	}
	return true
}

// Improves asserts that training on a source would help more than training on the
// reference, with the asked-for confidence in their paired difference. A forecast
// that cannot be relied upon does not hold.
func (m *MinerTest) Improves(ctx context.Context, t TB, source, reference Source) bool {
	t.Helper()
	ranking, confidence, ok := m.lookAhead(ctx, t, []Source{source, reference})
	if !ok {
		return false
	}
	better, _ := ranking.Find(source.Name)
	worse, _ := ranking.Find(reference.Name)
	d := better.Forecast.Over(worse.Forecast)
	if d == nil || d.Probability < confidence {
		t.Errorf("%s: %s is not shown to improve on %s: %s, wanted P(better) %.3f\n%s", t.Name(), source.Name, reference.Name, d.brief(), confidence, ranking)
		return false
	}
	return true
}

// lookAhead forecasts for sources, with the settings of Lookahead and the Sem.
func (m *MinerTest) lookAhead(ctx context.Context, t TB, sources []Source) (*Ranking, float64, bool) {
	t.Helper()
	sem, confidence, ok := m.prepare(ctx, t, nil)
	if !ok {
		return nil, 0, false
	}
	ahead := m.Lookahead
	ahead.Sem = *sem
	ahead.Sem.NoChecks = true
	ranking, err := Rank(ctx, &ahead, slices.Clip(sources)...)
	if err != nil {
		t.Fatalf("%s: %v", t.Name(), err)
		return nil, 0, false
	}
	if ranking.Verdict.Action == ActionUnknown {
		t.Errorf("%s: %s", t.Name(), ranking.Verdict.Sentence)
		return nil, 0, false
	}
	return ranking, confidence, true
}
