package ecibeam

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"example.com/eci"
)

func init() {
	register.DoFn2x0[eci.Record, func(string, counts)](&lintFn{})
	beam.RegisterDoFn(&lintedFn{})
}

// lintFn counts rows and the rules that apply to them, by source: those that need no
// other row ([eci.Linter.RowRules]). They are sums, whatever the bundles are.
type lintFn struct {
	Settings Settings

	rules  func(*eci.Record) []eci.LintKind
	counts map[string]counts
}

// linter is that of the pipeline's counts.
func (s Settings) linter() (*eci.Linter, error) {
	tokenizer, err := s.tokenizer()
	return &eci.Linter{Tokenizer: tokenizer}, err
}

func (fn *lintFn) Setup() error {
	linter, err := fn.Settings.linter()
	if err == nil {
		fn.rules, err = linter.RowRules()
	}
	return err
}

func (fn *lintFn) StartBundle(_ func(string, counts)) { fn.counts = make(map[string]counts) }

// lintedRows is the name for the count of rows. No rule has it.
const lintedRows = ""

func (fn *lintFn) ProcessElement(r eci.Record, _ func(string, counts)) {
	at := fn.counts[r.SourceName]
	if at == nil {
		at = make(counts)
		fn.counts[r.SourceName] = at
	}
	at[lintedRows]++
	for _, kind := range fn.rules(&r) {
		at[string(kind)]++
	}
}

func (fn *lintFn) FinishBundle(emit func(string, counts)) {
	for source, c := range fn.counts {
		emit(source, c)
	}
	fn.counts = nil
}

// lintedFn makes pieces of the counts of a source.
type lintedFn struct{}

func (lintedFn) ProcessElement(source string, c counts, emit func(piece)) {
	emit(piece{pieceLint, source, 0, 1, encodeCounts(c)})
}

// Lint returns what a linter finds. Rules that need one row only
// ([eci.Linter.RowRules]) are counted over all rows, and so are malformed rows and empty
// texts that were set aside. The other rules look at the samples ([Summary.Samples]);
// where a sample is not the whole source, the Detail of their findings says so. All
// examples are from the samples. linter may be nil. Its Tokenizer and MinTokens must be
// those of the pipeline, or not set, else the error is ErrSettings. With
// [Settings].NoLint, all rules look at the samples. Rows of files without a positive or
// a negative are not findings here; rankings count them ([eci.Score].Skipped).
func (s *Summary) Lint(ctx context.Context, linter *eci.Linter) (*eci.LintReport, error) {
	usual, err := s.Settings.linter()
	if err != nil {
		return nil, err
	}
	l := *usual
	if linter != nil {
		l = *linter
		if l.Tokenizer == nil {
			l.Tokenizer = usual.Tokenizer
		}
	}
	if len(s.Rules) > 0 && (l.Tokenizer.Name() != usual.Tokenizer.Name() || l.MinTokens != 0 && l.MinTokens != 4) {
		return nil, fmt.Errorf("eci/beam: lint: %w: the pipeline has counted with the tokenizer %q and MinTokens 4; leave them unset, or lint Summary.Samples", eci.ErrSettings, usual.Tokenizer.Name())
	}
	report := &eci.LintReport{}
	if samples := s.Samples(); len(samples) > 0 {
		if report, err = l.Lint(ctx, samples...); err != nil {
			return nil, err
		}
	}
	for i := range s.Sources {
		if of := &s.Sources[i]; s.Rules[of.Name] != nil {
			s.lintAll(report, of)
		}
	}
	s.sortFindings(report)
	return report, nil
}

// lintAll puts the counts of all rows of a source into the report of its sample.
func (s *Summary) lintAll(report *eci.LintReport, of *SourceSummary) {
	rules, skipped := s.Rules[of.Name], s.Skipped[of.Name]
	all := make(map[eci.LintKind]int)
	for kind, n := range rules {
		if kind != lintedRows {
			all[kind] = n
		}
	}
	for kind, reason := range map[eci.LintKind]string{eci.LintMalformed: "malformed", eci.LintEmpty: "empty text"} {
		if n := skipped[reason]; n > 0 {
			all[kind] += n
		}
	}
	triples, bad := rules[lintedRows], all[eci.LintMalformed]+all[eci.LintEmpty]
	linted := eci.LintedSource{Name: of.Name, Rows: triples + bad, Triples: triples, Bad: bad}
	if i := slices.IndexFunc(report.Sources, func(x eci.LintedSource) bool { return x.Name == of.Name }); i >= 0 {
		report.Sources[i] = linted
	} else {
		report.Sources = append(report.Sources, linted)
	}
	for i := range report.Findings {
		f := &report.Findings[i]
		if f.Source != of.Name {
			continue
		}
		if n, ok := all[f.Kind]; ok {
			f.Count, f.Share = n, float64(n)/float64(linted.Rows)
			delete(all, f.Kind)
		} else if len(of.Sample) < triples {
			detail := fmt.Sprintf("of %d sampled rows", len(of.Sample))
			f.Detail = strings.TrimPrefix(f.Detail+"; "+detail, "; ")
		}
	}
	for kind, n := range all { // that the sample does not show
		f := eci.Finding{Kind: kind, Severity: eci.SeverityInfo, Source: of.Name, Count: n, Share: float64(n) / float64(linted.Rows), Examples: []eci.FindingRow{}}
		for _, severity := range [...]eci.Severity{eci.SeverityError, eci.SeverityWarning} {
			if slices.Contains(eci.Droppable(severity), kind) {
				f.Severity = severity
			}
		}
		report.Findings = append(report.Findings, f)
	}
}

// sortFindings puts findings into the order of [eci.LintReport].
func (s *Summary) sortFindings(report *eci.LintReport) {
	severities := []eci.Severity{eci.SeverityError, eci.SeverityWarning, eci.SeverityInfo}
	kinds := eci.Droppable("") // the others come last
	place := func(kind eci.LintKind) int {
		if i := slices.Index(kinds, kind); i >= 0 {
			return i
		}
		return len(kinds)
	}
	source := func(name string) int {
		return slices.IndexFunc(s.Sources, func(x SourceSummary) bool { return x.Name == name })
	}
	slices.SortFunc(report.Sources, func(a, b eci.LintedSource) int { return cmp.Compare(source(a.Name), source(b.Name)) })
	slices.SortStableFunc(report.Findings, func(a, b eci.Finding) int {
		return cmp.Or(cmp.Compare(slices.Index(severities, a.Severity), slices.Index(severities, b.Severity)),
			cmp.Compare(source(a.Source), source(b.Source)), cmp.Compare(place(a.Kind), place(b.Kind)))
	})
}
