package eci

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"example.com/eci/internal/quote"
	"example.com/eci/internal/spool"
	"example.com/eci/internal/tripleio"
)

// LintReport is what a [Linter] finds.
// It is safe for concurrent use as long as no goroutine changes it.
type LintReport struct {
	// Sources are the sources in the order they were given.
	Sources []LintedSource `json:"sources"`
	// Findings are sorted by severity, worst first, then by source in the order
	// given, then by rule. Empty means that no rule applied anywhere.
	Findings []Finding `json:"findings"`
}

// LintedSource says how much of a source was read.
// It is safe for concurrent use as long as no goroutine changes it.
type LintedSource struct {
	// Name is the source's name. Rows is the number of rows of its files, each of
	// which may hold several triples or none. For a source that does not come from
	// files, it is the sum of Triples and Bad. Triples is the number of triples whose
	// texts could be checked. Bad is the number of rows that could not be read and of
	// triples with an empty text.
	Name    string `json:"name"`
	Rows    int    `json:"rows"`
	Triples int    `json:"triples"`
	Bad     int    `json:"bad,omitempty"`
}

// Finding is one rule that applied in one source.
// It is safe for concurrent use as long as no goroutine changes it.
type Finding struct {
	Kind     LintKind `json:"kind"`
	Severity Severity `json:"severity"`
	Source   string   `json:"source"`
	// Count is the number of triples, or of rows that could not be read, that the rule
	// applies to, each counted once. Share is Count divided by the sum of the source's
	// Triples and Bad, in (0, 1]. For no-positives and no-negatives, both refer to the
	// rows of the files. For positives-not-nearer, mixed-norms and mixed-clusters,
	// they refer to the sample; see these rules.
	Count int     `json:"count"`
	Share float64 `json:"share"`
	// Detail adds a number that the rule is based on. It is empty for most rules.
	Detail string `json:"detail,omitempty"`
	// Examples are the first few rows, Linter.Examples at most.
	Examples []FindingRow `json:"examples"`
}

// FindingRow is a row that a finding applies to.
// It is safe for concurrent use as long as no goroutine changes it.
type FindingRow struct {
	// File and Row (1-based) are those of the triple; File is empty where unknown.
	File string `json:"file,omitempty"`
	Row  int    `json:"row"`
	// Excerpt is the beginning of the text in question. Note says what else is known,
	// such as the earlier row.
	Excerpt string `json:"excerpt"`
	Note    string `json:"note,omitempty"`
}

// String returns the place, the excerpt and the note on one line.
func (r FindingRow) String() string {
	out := fmt.Sprintf("row %d", r.Row)
	if r.Excerpt != "" {
		out += fmt.Sprintf(": %q", r.Excerpt)
	}
	switch r.File {
	case "":
	case spool.Stdin:
		out = "standard input, " + out
	default:
		out = r.File + ", " + out
	}
	if r.Note != "" {
		out += " (" + r.Note + ")"
	}
	return out
}

// Find returns the finding of a kind in a source, if there is one.
func (r *LintReport) Find(source string, kind LintKind) (Finding, bool) {
	for _, f := range r.Findings {
		if f.Source == source && f.Kind == kind {
			return f, true
		}
	}
	return Finding{}, false
}

// Worst returns the worst severity found, and "" when there is no finding.
func (r *LintReport) Worst() Severity {
	if len(r.Findings) == 0 {
		return ""
	}
	return r.Findings[0].Severity
}

func (r *LintReport) sort() {
	place := make(map[string]int)
	for i, s := range r.Sources {
		place[s.Name] = i
	}
	order := make(map[LintKind]int)
	for i, k := range lintSeverities {
		order[k.kind] = i
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity.rank(), b.Severity.rank()),
			cmp.Compare(place[a.Source], place[b.Source]), cmp.Compare(order[a.Kind], order[b.Kind]))
	})
}

// String returns the findings as a table for people, each with its first row.
func (r *LintReport) String() string {
	var out strings.Builder
	if len(r.Findings) > 0 {
		t := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "severity\tsource\tfinding\trows\tshare\tfirst")
		for _, f := range r.Findings {
			first := ""
			if len(f.Examples) > 0 {
				first = f.Examples[0].String()
			}
			if f.Detail != "" {
				first = strings.TrimSuffix(f.Detail+"; "+first, "; ")
			}
			// A share above 0 must not look like 0.
			share := fmt.Sprintf("%.1f%%", 100*f.Share)
			if share == "0.0%" {
				share = "<0.1%"
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\n", f.Severity, f.Source, f.Kind, f.Count, share, first)
		}
		t.Flush()
	}
	for _, s := range r.Sources {
		fmt.Fprintf(&out, "%s: %d rows read, %d triples", s.Name, s.Rows, s.Triples)
		if !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Source == s.Name }) {
			out.WriteString(", nothing found")
		}
		out.WriteByte('\n')
	}
	return out.String()
}

// MarshalJSON writes the report. Lists are never null.
func (r *LintReport) MarshalJSON() ([]byte, error) {
	type plain LintReport
	p := plain(*r)
	p.Sources, p.Findings = append([]LintedSource{}, p.Sources...), append([]Finding{}, p.Findings...)
	return json.Marshal(p)
}

// lintFindings are the findings of one source.
type lintFindings struct {
	source   string
	examples int // the most rows shown for a finding
	byKind   map[LintKind]*Finding
	triple   int              // the number of the current triple
	last     map[LintKind]int // the triple that a rule last applied to
	drop     []LintKind       // rules whose triples are marked
	marked   map[int]bool     // numbers of triples
}

func newLintFindings(source string, settings *lintSettings) *lintFindings {
	return &lintFindings{source: source, examples: settings.examples, drop: settings.drop,
		byKind: make(map[LintKind]*Finding), last: make(map[LintKind]int), marked: make(map[int]bool)}
}

// add counts a row under a rule. text is the one to show.
func (l *lintFindings) add(kind LintKind, rec *Record, text, note string) {
	f := l.byKind[kind]
	if f == nil {
		f = &Finding{Kind: kind, Source: l.source, Examples: []FindingRow{}}
		l.byKind[kind] = f
	}
	f.Count++
	if slices.Contains(l.drop, kind) {
		l.marked[l.triple] = true
	}
	if len(f.Examples) < l.examples {
		f.Examples = append(f.Examples, FindingRow{File: rec.File, Row: rec.Row, Excerpt: strings.ToValidUTF8(quote.Excerpt(text), "\uFFFD"), Note: strings.ToValidUTF8(note, "\uFFFD")})
	}
}

// addOnce is like add, for rules that may apply to several texts of one row. The row
// is counted once. All calls of one rule for one row come together.
func (l *lintFindings) addOnce(kind LintKind, rec *Record, text, note string) {
	if l.last[kind] != l.triple {
		l.last[kind] = l.triple
		l.add(kind, rec, text, note)
	}
}

// addDetail is add with the detail of the finding.
func (l *lintFindings) addDetail(kind LintKind, rec *Record, text, note, detail string) {
	l.add(kind, rec, text, note)
	l.byKind[kind].Detail = detail
}

// addSampled records a finding about some rows of a sample of the given size: those in
// the smallest group.
func (l *lintFindings) addSampled(kind LintKind, size int, what, detail string, groups ...[]lintPassage) {
	for _, row := range slices.MinFunc(groups, func(a, b []lintPassage) int { return cmp.Compare(len(a), len(b)) }) {
		l.add(kind, row.rec, row.text, "")
	}
	f := l.byKind[kind]
	f.Share = float64(f.Count) / float64(size)
	f.Detail = fmt.Sprintf("%d of %d sampled %s%s", f.Count, size, what, detail)
}

// barren adds the rows of the files that gave no triple.
func (l *lintFindings) barren(rows *tripleio.Tally) {
	for _, lack := range [...]struct {
		kind    LintKind
		missing *tripleio.Missing
	}{{LintNoPositives, &rows.Positives}, {LintNoNegatives, &rows.Negatives}} {
		m := lack.missing
		if m.Rows == 0 {
			continue
		}
		f := &Finding{Kind: lack.kind, Source: l.source, Severity: SeverityError, Count: m.Rows, Share: float64(m.Rows) / float64(rows.Rows), Examples: []FindingRow{}}
		if m.Fatal == 0 {
			f.Severity = SeverityInfo
		}
		for _, at := range m.First[:min(len(m.First), l.examples)] {
			f.Examples = append(f.Examples, FindingRow{File: at.File, Row: at.Row, Excerpt: strings.ToValidUTF8(quote.Excerpt(at.Query), "\uFFFD")})
		}
		l.byKind[lack.kind] = f
	}
}

// list completes the findings of a source with this many triples and bad rows.
func (l *lintFindings) list(rows int, settings *lintSettings) (out []Finding) {
	for _, rule := range lintSeverities {
		f := l.byKind[rule.kind]
		if f == nil {
			continue
		}
		f.Severity = cmp.Or(f.Severity, rule.severity)
		if f.Share == 0 {
			f.Share = float64(f.Count) / float64(rows)
		}
		if f.Kind == LintCollision && f.Share > settings.collision || f.Kind == LintPadding && f.Share > settings.padding {
			f.Severity = SeverityWarning
		}
		out = append(out, *f)
	}
	return out
}
