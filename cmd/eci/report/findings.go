package report

import (
	"fmt"
	"math"
	"strings"

	"example.com/eci"
	"gonum.org/v1/plot/plotter"
)

// SuspectRow is a triple whose negative may answer the query.
type SuspectRow struct {
	Source                           string
	File                             string
	Row                              int
	Query, Positive, Negative        string
	Score, Ranked, Semantic, Lexical float64
}

type findingRow struct {
	Severity, Source, Rule, Gloss, Count, Share, Detail string
	Examples                                            []exampleRow
}

type exampleRow struct{ Place, Excerpt, Note string }

type suspectRow struct {
	Source, Place, Score, Signs, Query, Positive, Negative string
}

type sweepRow struct {
	Name  string
	Cells []string
}

// lintErrors returns the errors that apply to at least 1% of a source's rows.
func lintErrors(report *eci.LintReport, source string) []eci.Finding {
	if report == nil {
		return nil
	}
	var out []eci.Finding
	for _, f := range report.Findings {
		if f.Source == source && f.Severity == eci.SeverityError && f.Share >= 0.01 {
			out = append(out, f)
		}
	}
	return out
}

// findings shows what the linter found.
func (v *view) findings(d Data) error {
	if d.Lint == nil {
		return nil
	}
	v.Linted = true
	for _, f := range d.Lint.Findings {
		row := findingRow{Severity: string(f.Severity), Source: Clean(f.Source), Rule: string(f.Kind), Gloss: gloss[f.Kind],
			Count: fmt.Sprint(f.Count), Share: share(f.Share), Detail: Clean(f.Detail)}
		shown := len(f.Examples)
		if f.Severity == eci.SeverityInfo {
			shown = min(1, shown)
		}
		for _, e := range f.Examples[:shown] {
			row.Examples = append(row.Examples, exampleRow{place(f.Source, e.File, e.Row), cut(e.Excerpt, 160), Clean(e.Note)})
		}
		v.Findings = append(v.Findings, row)
	}
	return nil
}

func share(v float64) string {
	if v > 0 && v < 0.001 {
		return "<0.1%"
	}
	return fmt.Sprintf("%.1f%%", 100*v)
}

// gloss explains a rule in a few words.
var gloss = map[eci.LintKind]string{
	eci.LintNegativeIsPositive: "the negative is its own positive",
	eci.LintNearIdentical:      "negative and positive differ in case or blanks only",
	eci.LintFalseNegative:      "the negative is labeled a positive of the same query elsewhere",
	eci.LintCollision:          "the negative is a positive of another query",
	eci.LintMalformed:          "the row cannot be read",
	eci.LintEmpty:              "a text is empty",
	eci.LintDuplicate:          "the same triple again",
	eci.LintShared:             "another source has the same triple",
	eci.LintRepeated:           "one negative serves many rows",
	eci.LintIDConflict:         "one id, two texts",
	eci.LintSameText:           "one text has two ids",
	eci.LintQueryIsPositive:    "the positive is the query",
	eci.LintQueryInNegative:    "the negative holds the whole query",
	eci.LintPassageInPassage:   "one passage holds the other",
	eci.LintTruncated:          "passages cut at a fixed length",
	eci.LintPadding:            "the negative looks drawn at random",
	eci.LintControl:            "control characters in a text",
	eci.LintReplacement:        "characters that could not be decoded",
	eci.LintMojibake:           "text decoded with the wrong encoding",
	eci.LintHTML:               "HTML in a text",
	eci.LintMissingVector:      "an id without a vector",
	eci.LintVectorNotFinite:    "a vector with NaN or infinity",
	eci.LintVectorZero:         "a vector of zeros",
	eci.LintVectorDimension:    "a vector of another length",
	eci.LintNotUnit:            "vectors that are not of length 1",
	eci.LintConstantVector:     "different texts have one vector",
	eci.LintNotNearer:          "positives are no nearer than chance: ids or encoders may be mixed up",
	eci.LintMixedNorms:         "lengths of vectors fall into two groups",
	eci.LintMixedClusters:      "vectors fall into two unrelated groups",
}

// suspects shows triples whose negative may answer the query.
func (v *view) suspects(d Data) error {
	for _, s := range d.Suspects {
		v.Suspects = append(v.Suspects, suspectRow{Source: Clean(s.Source), Place: place(s.Source, s.File, s.Row),
			Score: fmt.Sprintf("%.2f", s.Score), Signs: fmt.Sprintf("%.2f, %.2f, %.2f", s.Ranked, s.Semantic, s.Lexical),
			Query: cut(s.Query, 200), Positive: cut(s.Positive, 280), Negative: cut(s.Negative, 280)})
	}
	return nil
}

// cut shortens a text for the page.
func cut(s string, n int) string {
	return short(strings.Join(strings.Fields(Clean(s)), " "), n)
}

// sweep shows what a filter on the margin keeps.
func (v *view) sweep(d Data) error {
	if len(d.Sweeps) == 0 {
		return nil
	}
	rank := ranksOf(d.Ranking)
	var kept, scores []curve
	var keptWords, scoreWords []string
	high := 0.0
	for _, s := range d.Sweeps {
		a, b := curve{Rank: rank[s.Source], Points: true}, curve{Rank: rank[s.Source], Points: true}
		row := sweepRow{Name: Clean(s.Source)}
		for _, p := range s.Points {
			if !math.IsInf(p.Threshold, 0) {
				a.XY = append(a.XY, plotter.XY{X: p.Threshold, Y: 100 * p.Share})
				b.XY = append(b.XY, plotter.XY{X: p.Threshold, Y: p.Score})
			}
			high = max(high, p.Score)
			row.Cells = append(row.Cells, fmt.Sprintf("%.0f%% · %.1f", 100*p.Share, p.Score))
			if p.Threshold == 0 {
				keptWords = append(keptWords, fmt.Sprintf("%s keeps %.0f%% at 0", Clean(s.Source), 100*p.Share))
				scoreWords = append(scoreWords, fmt.Sprintf("%s scores %.1f at 0", Clean(s.Source), p.Score))
			}
		}
		if len(a.XY) == 0 {
			continue
		}
		kept, scores = append(kept, a), append(scores, b)
		v.SweepRows = append(v.SweepRows, row)
	}
	if len(kept) == 0 {
		return nil
	}
	for _, p := range d.Sweeps[0].Points {
		label := "all"
		if !math.IsInf(p.Threshold, 0) {
			label = "≥ " + minus(fmt.Sprintf("%.1f", p.Threshold))
		}
		v.Thresholds = append(v.Thresholds, label)
	}
	const axis = "least margin kept, in units of σₘ"
	f, err := curves(kept, axis, "% kept", false, 0, 100, figure{ID: "plot-kept", Title: "Share kept",
		Caption: "Triples whose margin, positive minus negative similarity, is at least the threshold.", Describe: strings.Join(keptWords, "; ")})
	if err != nil {
		return err
	}
	g, err := curves(scores, axis, "S, nats", false, 0, high*1.05, figure{ID: "plot-swept", Title: "Score of what is kept",
		Caption: "S falls with the number of triples as well as with their worth: compare filters at one number of triples.", Describe: strings.Join(scoreWords, "; ")})
	v.Sweeps = []figure{f, g}
	return err
}
