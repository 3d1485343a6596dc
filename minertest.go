package eci

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"example.com/eci/internal/quote"
	"example.com/eci/internal/stat"
)

// TB is the part of testing.TB that a [MinerTest] needs, so that this package
// does not import testing and a test of a test can put its own in place.
// An assertion uses it from the goroutine that called it.
type TB interface {
	Helper()
	Name() string
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// MinerTest holds assertions about miners of hard negatives, for ordinary Go
// tests: give each the test, and what the miner found as a [Source]. An assertion
// that does not hold calls Errorf with a table and with the rows that explain it;
// an error, or settings that make no sense, Fatalf. Each method also says whether
// the assertion held.
//
// The same triples get the same verdict on every machine: there is no clock and
// no chance in it, and numbers are compared with a tolerance wider than rounding.
// Goroutines may share it under the conditions of Sem, each with a TB of its own.
type MinerTest struct {
	// Sem scores. Its Calibration is used when it is set.
	Sem Sem
	// Reference are the sources to calibrate on when Sem.Calibration is nil:
	// sources that do not change with the miner. Without them each assertion
	// calibrates on the sources it is given, and NotWorse, which compares with the
	// past, fails.
	Reference []Source
	// Lookahead says how GainAtLeast and Improves forecast: its pool, judgments and
	// sample. Its Sem is not used.
	Lookahead Lookahead
	// Confidence is the probability, in [0.5, 1), from which a difference counts;
	// 0 means 0.95.
	Confidence float64
	// Examples is the number of rows shown; 0 means 3.
	Examples int
	// Update makes NotWorse write its file anew instead of comparing. The
	// environment variable ECI_UPDATE=1 does the same.
	Update bool
}

// Outranks asserts that a source scores higher than every one of the others, all
// ranked together, each with the asked-for confidence in their paired difference.
func (m *MinerTest) Outranks(ctx context.Context, t TB, better Source, others ...Source) bool {
	t.Helper()
	if len(others) == 0 {
		t.Fatalf("%s: Outranks needs another source to compare %q with", t.Name(), better.Name)
		return false
	}
	sem, confidence, ok := m.prepare(ctx, t, nil)
	if !ok {
		return false
	}
	ranking, err := Rank(ctx, sem, append([]Source{better}, others...)...)
	if err != nil {
		t.Fatalf("%s: %v", t.Name(), err)
		return false
	}
	var failures []string
	for _, other := range others {
		if said := ranking.doubt(better.Name, other.Name, confidence); said != "" {
			failures = append(failures, said)
		}
	}
	if len(failures) == 0 {
		return true
	}
	sem.Calibration = ranking.Calibration
	t.Errorf("%s: %s\n%s%s", t.Name(), strings.Join(failures, "; "), ranking, m.explain(ctx, sem, better))
	return false
}

// doubt says why a source is not above another at the confidence, or "".
func (r *Ranking) doubt(better, worse string, confidence float64) string {
	for _, p := range r.Pairs {
		difference, probability := p.Difference, p.Probability
		switch {
		case p.Better == worse && p.Worse == better:
			difference, probability = -difference, 1-probability
		case p.Better != better || p.Worse != worse:
			continue
		}
		b, _ := r.Find(better)
		w, _ := r.Find(worse)
		if !b.figure().paired(w.figure()) {
			return fmt.Sprintf("%s against %s: no interval, because fewer than two groups hold queries; mine for more queries", better, worse)
		}
		if probability < confidence {
			return fmt.Sprintf("%s does not outrank %s: difference %.2f nats, P(better) %.3f, wanted %.3f", better, worse, difference, probability, confidence)
		}
	}
	return ""
}

// BeatsControls asserts that a source scores higher, with the asked-for
// confidence, than its [Controls]: another query's negatives, and random
// documents of the source and of others, which are ranked with it.
func (m *MinerTest) BeatsControls(ctx context.Context, t TB, source Source, others ...Source) bool {
	t.Helper()
	sem, confidence, ok := m.prepare(ctx, t, nil)
	if !ok {
		return false
	}
	sem.NoChecks = false
	ranking, err := Rank(ctx, sem, append([]Source{source}, others...)...)
	if err != nil {
		t.Fatalf("%s: %v", t.Name(), err)
		return false
	}
	score, _ := ranking.Find(source.Name)
	var failures []string
	for _, control := range []struct {
		name string
		Control
	}{{"another query's negatives", score.Controls.Shuffled}, {"random documents", score.Controls.Random}} {
		switch {
		case control.Triples == 0:
			failures = append(failures, fmt.Sprintf("%s cannot be compared with %s; mine for more queries", source.Name, control.name))
		case !(control.Probability >= confidence):
			failures = append(failures, fmt.Sprintf("%s does not beat %s: difference %.2f nats, P(better) %.3f, wanted %.3f",
				source.Name, control.name, control.Difference, control.Probability, confidence))
		}
	}
	if len(failures) == 0 {
		return true
	}
	sem.Calibration = ranking.Calibration
	t.Errorf("%s: %s\n%s%s", t.Name(), strings.Join(failures, "; "), ranking, m.explain(ctx, sem, source))
	return false
}

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

// LintSelector chooses findings: a [LintKind] those of one rule, a [Severity]
// those at least as bad.
// Goroutines may share it.
type LintSelector interface{ selects(f Finding) bool }

func (k LintKind) selects(f Finding) bool { return f.Kind == k }

func (s Severity) selects(f Finding) bool { return f.Severity.rank() <= s.rank() }

// LintAtMost asserts that no chosen finding of the linter (nil means &Linter{}
// with Sem's Vectors and Tokenizer) holds of more than a share, in [0, 1], of a
// source's rows. Several rules may hold of one row; each is compared by itself.
func (m *MinerTest) LintAtMost(ctx context.Context, t TB, linter *Linter, which LintSelector, share float64, sources ...Source) bool {
	t.Helper()
	if !m.checkShare(t, share) {
		return false
	}
	if linter == nil {
		linter = &Linter{Vectors: m.Sem.Vectors, Tokenizer: m.Sem.Tokenizer, Examples: m.Examples}
	}
	report, err := linter.Lint(ctx, sources...)
	if err != nil {
		t.Fatalf("%s: %v", t.Name(), err)
		return false
	}
	var failures strings.Builder
	for _, f := range report.Findings {
		if which.selects(f) && f.Share > share {
			fmt.Fprintf(&failures, "\n%s: %s in %d rows, %.1f%%, at most %.1f%% allowed", f.Source, f.Kind, f.Count, 100*f.Share, 100*share)
			for _, row := range f.Examples {
				failures.WriteString("\n  " + row.String())
			}
		}
	}
	if failures.Len() > 0 {
		t.Errorf("%s:%s\n%s", t.Name(), failures.String(), report)
		return false
	}
	return true
}

// SuspectsAtMost asserts that at most a share, in [0, 1], of a source's triples
// have a [Suspect] score of at least threshold.
func (m *MinerTest) SuspectsAtMost(ctx context.Context, t TB, threshold, share float64, source Source) bool {
	t.Helper()
	if !m.checkShare(t, share) {
		return false
	}
	sem, _, ok := m.prepare(ctx, t, []Source{source})
	if !ok {
		return false
	}
	triples, suspects := 0, 0
	worst := worstRows{most: m.examples()}
	for suspect, err := range sem.Suspects(ctx, source, 0) {
		if err != nil {
			t.Fatalf("%s: %v", t.Name(), err)
			return false
		}
		triples++
		if suspect.Score < threshold {
			continue
		}
		suspects++
		worst.offer(-suspect.Score, suspect.Record, fmt.Sprintf("suspect %.2f (ranked %.2f, semantic %.2f, lexical %.2f)",
			suspect.Score, suspect.Ranked, suspect.Semantic, suspect.Lexical))
	}
	if float64(suspects) <= share*float64(triples) {
		return true
	}
	t.Errorf("%s: %s: %d of %d triples, %.1f%%, have negatives that may answer the query (score at least %v), at most %.1f%% allowed\n%s",
		t.Name(), source.Name, suspects, triples, 100*float64(suspects)/float64(triples), threshold, 100*share, &worst)
	return false
}

func (*MinerTest) checkShare(t TB, share float64) bool {
	t.Helper()
	if share >= 0 && share <= 1 {
		return true
	}
	t.Fatalf("%s: share %v is not in [0, 1]", t.Name(), share)
	return false
}

// prepare gives a Sem that is calibrated on Reference, or on the sources when
// there are any and no Reference.
func (m *MinerTest) prepare(ctx context.Context, t TB, sources []Source) (*Sem, float64, bool) {
	t.Helper()
	sem := m.Sem
	confidence := cmp.Or(m.Confidence, 0.95)
	if !(confidence >= 0.5 && confidence < 1) || m.Examples < 0 {
		t.Fatalf("%s: confidence %v is not in [0.5, 1), or %d examples", t.Name(), confidence, m.Examples)
		return nil, 0, false
	}
	if len(m.Reference) > 0 {
		sources = m.Reference
	}
	if sem.Calibration == nil && len(sources) > 0 {
		calibration, err := sem.Calibrate(ctx, sources...)
		if err != nil {
			t.Fatalf("%s: %v", t.Name(), err)
			return nil, 0, false
		}
		sem.Calibration = calibration
	}
	return &sem, confidence, true
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

func (m *MinerTest) examples() int { return cmp.Or(m.Examples, 3) }

// explain shows what weighs a source down: errors that the linter finds, and the
// triples of least weight with their factors.
func (m *MinerTest) explain(ctx context.Context, sem *Sem, source Source) string {
	var out strings.Builder
	linter := &Linter{Vectors: sem.Vectors, Tokenizer: sem.Tokenizer, Examples: m.Examples}
	if report, err := linter.Lint(ctx, source); err == nil && report.Worst() == SeverityError {
		out.WriteString(report.String())
	}
	components := sem.Components
	if components == nil {
		components = []Component{TargetConsistency{}, SemanticLocality{}, LexicalResidual{}}
	}
	worst := worstRows{most: m.examples()}
	for w, err := range sem.Weigh(ctx, source) {
		if err != nil {
			return out.String()
		}
		var why []string
		for k, c := range components {
			why = append(why, fmt.Sprintf("%s %.2f", c.Name(), w.Factors[k]))
		}
		worst.offer(w.Weight, w.Record, fmt.Sprintf("weight %.3f (%s)", w.Weight, strings.Join(why, ", ")))
	}
	fmt.Fprintf(&out, "the triples of %s that weigh least:\n%s", source.Name, &worst)
	return out.String()
}

// worstRows keeps the rows of lowest value, earlier ones first among equals.
type worstRows struct {
	most int
	rows []worstRow
}

type worstRow struct {
	value float64
	text  string
}

func (w *worstRows) offer(value float64, rec *Record, why string) {
	// Values that differ by rounding only count as equal, on every machine.
	at, _ := slices.BinarySearchFunc(w.rows, value+1e-9, func(row worstRow, value float64) int { return cmp.Compare(row.value, value) })
	if at == w.most {
		return
	}
	place := fmt.Sprintf("row %d", rec.Row)
	if rec.File != "" {
		place = rec.File + ", " + place
	}
	w.rows = slices.Insert(w.rows, at, worstRow{value, fmt.Sprintf("  %s: %s\n    query %q\n    negative %q\n", place, why, quote.Excerpt(rec.QueryText), quote.Excerpt(rec.NegativeText))})
	w.rows = w.rows[:min(len(w.rows), w.most)]
}

func (w *worstRows) String() string {
	var out strings.Builder
	for _, row := range w.rows {
		out.WriteString(row.text)
	}
	return out.String()
}
