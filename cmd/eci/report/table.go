package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"

	"example.com/eci"
)

// rankRow is the row of a source in the table of the ranking.
type rankRow struct {
	Rank  int
	Name  string
	Best  bool
	Cells []cell
}

// cell is a cell of numbers.
type cell struct {
	Text    string
	Small   string // below the text
	Mark    string // a warning below both
	Strong  bool
	Picture template.HTML // above all
}

// overview returns the first plot and the table of the ranking.
func (v *view) overview(d Data) error {
	r := d.Ranking
	m := measureOf(r)
	v.Checked = checked(r)
	v.Headings = v.headings(r, m)
	var rows []whisker
	lowest, highest := 0.0, 0.01 // the smallest change that is worth a picture
	for _, s := range r.Ranked {
		if m.ahead {
			for _, g := range s.Forecast.After {
				lowest, highest = min(lowest, g), max(highest, g)
			}
		}
	}
	for i, s := range r.Ranked {
		value, low, high, _ := m.of(s)
		rows = append(rows, whisker{s.Source, value, low, high, standing(d, i), math.NaN()})
		v.Ranking = append(v.Ranking, rankRow{s.Rank, Clean(s.Source), v.advises(d, i), v.cells(s, m, len(r.Ranked), lowest, highest)})
	}
	f := figure{ID: "plot-scores", Title: "Scores with 95% intervals", Describe: describe(rows, m.figure),
		Caption: "Score and 95% interval of every source. Sources share their queries, so a lead can be sure where intervals overlap."}
	if m.ahead {
		f.Title = "Expected gain with 95% intervals"
		f.Caption = "What training on each source would do to retrieval. Right of the line it helps, left of it it harms. Sources share their queries, so a lead can be sure where intervals overlap."
	}
	var err error
	v.Overview, err = whiskers(rows, m.axis, m.ahead, f)
	return err
}

// advises reports whether the row of a source is the answer: it is named by the
// verdict, or first.
func (v *view) advises(d Data, i int) bool {
	if verdict := d.Ranking.Verdict; verdict != nil {
		return len(verdict.Sources) > 0 && verdict.Sources[0] == d.Ranking.Ranked[i].Source
	}
	return i == 0
}

// standing returns the color of a source in the first plot. The sources to train on,
// those that would harm, and the others have different colors.
func standing(d Data, i int) int {
	s := d.Ranking.Ranked[i]
	if verdict := d.Ranking.Verdict; verdict != nil {
		for _, name := range verdict.Sources {
			if name == s.Source {
				return accentColor
			}
		}
		if s.Forecast.Harms {
			return warnColor
		}
		return mutedColor
	}
	if i == 0 {
		return accentColor
	}
	return mutedColor
}

// checked reports whether controls and artifact check were made.
func checked(r *eci.Ranking) bool { return r.Ranked[0].Controls != nil }

// headings returns the headings of the cells.
func (v *view) headings(r *eci.Ranking, m measure) []string {
	out, control := []string{m.name, "95% interval"}, "Over control"
	if m.ahead {
		out, control = []string{m.name, "After each step"}, "Over random"
	}
	out = append(out, "P(best)", "Ranks")
	if v.Checked {
		out = append(out, control, "Artifact AUC")
	}
	if m.ahead {
		out = append(out, "S, nats")
	}
	out = append(out, r.Ranked[0].Components...)
	if !m.ahead {
		out = append(out, "unique", "disjoint")
	}
	return out
}

func (v *view) cells(s eci.Ranked, m measure, sources int, lowest, highest float64) []cell {
	value, low, high, ok := m.of(s)
	interval, probability, ranks := "–", cell{Text: "–"}, cell{Text: fmt.Sprint(s.RankLow)}
	if ok {
		interval = m.figure(low) + " to " + m.figure(high)
	}
	if ok && sources > 1 {
		probability.Text = tableProbability(s.BestProbability)
	}
	if s.RankHigh > s.RankLow {
		ranks.Text = fmt.Sprintf("%d–%d", s.RankLow, s.RankHigh)
	}
	out := []cell{{Text: m.figure(value), Strong: true}}
	if m.ahead {
		out[0].Small = interval
		if s.Forecast.Harms {
			out[0].Mark = "would harm"
		}
		out = append(out, curveCell(s.Forecast, lowest, highest))
	} else {
		out = append(out, cell{Text: interval})
	}
	out = append(out, probability, ranks)
	if v.Checked {
		out = append(out, controlCell(s, m), artifactCell(s))
	}
	if m.ahead {
		out = append(out, cell{Text: plain(s.Value)})
	}
	for _, f := range s.Totals.Factors {
		out = append(out, cell{Text: plain(mean(s, f))})
	}
	if !m.ahead {
		out = append(out, cell{Text: plain(s.Baselines["unique"])}, cell{Text: plain(s.Baselines["disjoint"])})
	}
	return out
}

// curveCell shows the gain after each step, as a picture and as text.
func curveCell(f *eci.Forecast, lowest, highest float64) cell {
	words := make([]string, len(f.After))
	for k, g := range f.After {
		words[k] = brief3(g)
	}
	c := cell{Small: strings.Join(words, " "), Picture: spark(f, lowest, highest)}
	if f.Overtrains {
		c.Mark = "overtrains"
	}
	return c
}

// brief3 formats a change of the metric with three digits and no zero before the
// point.
func brief3(g float64) string {
	s := minus(fmt.Sprintf("%+.3f", g))
	return strings.Replace(s, "0.", ".", 1)
}

func controlCell(s eci.Ranked, m measure) cell {
	c := cell{Text: "–"}
	weak := false
	if m.ahead {
		if d := s.Forecast.Random; d != nil {
			c.Text, weak = m.signed(d.Value), !(d.Low > 0)
		}
	} else if x, ok := stronger(s.Controls); ok {
		c.Text, weak = m.signed(x.Difference), x.Low <= 0
	}
	if weak {
		c.Mark = "no better than random"
	}
	return c
}

func artifactCell(s eci.Ranked) cell {
	a := s.Artifact
	if a == nil || a.Triples == 0 {
		return cell{Text: "–"}
	}
	c := cell{Text: plain(a.AUC)}
	if a.AUC > ArtifactAUC {
		c.Mark = "flagged"
	}
	return c
}

// spark draws the curve of a source on a scale that all sources share, starting from
// no change before the first step.
func spark(f *eci.Forecast, lowest, highest float64) template.HTML {
	const width, height, edge = 76.0, 32.0, 3.0
	y := func(g float64) float64 { return edge + (height-2*edge)*(highest-g)/(highest-lowest) }
	at := func(k int, g float64) string {
		return fmt.Sprintf("%.1f %.1f", edge+(width-2*edge)*float64(k)/float64(max(1, len(f.After))), y(g))
	}
	var line, dots strings.Builder
	line.WriteString("M" + at(0, 0))
	for k, g := range f.After {
		line.WriteString("L" + at(k+1, g))
		dots.WriteString("M" + at(k+1, g) + "h0")
	}
	class := "spark"
	if f.Harms || f.Overtrains {
		class += " falls"
	}
	return template.HTML(fmt.Sprintf(`<svg class="%s" viewBox="0 0 %g %g" aria-hidden="true" focusable="false"><path class="zero" d="M0 %.1fH%g"/><path d="%s"/><path class="dots" d="%s"/></svg>`,
		class, width, height, y(0), width, line.String(), dots.String()))
}

func tableProbability(p float64) string {
	switch {
	case p > 0.99:
		return ">.99"
	case p < 0.01:
		return "<.01"
	}
	return probability(p)
}

// stronger returns the control over which the lead of a source is smaller.
func stronger(c *eci.Controls) (eci.Control, bool) {
	switch {
	case c == nil || c.Random.Triples == 0 && c.Shuffled.Triples == 0:
		return eci.Control{}, false
	case c.Random.Triples == 0 || c.Shuffled.Triples > 0 && c.Shuffled.Difference < c.Random.Difference:
		return c.Shuffled, true
	}
	return c.Random, true
}
