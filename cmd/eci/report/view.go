package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
	"unicode"

	"example.com/eci"
	"gonum.org/v1/plot/plotter"
)

// view is the page's data, as words and plots.
type view struct {
	Title, Date, ScriptHash string
	Style                   template.CSS
	Script                  template.JS

	Verdict  verdict
	Scope    string // what was compared
	Ranked   string // the caption of the ranking
	Overview figure
	Ranking  []rankRow
	Headings []string // of the table, after the name
	Checked  bool     // controls and artifact check were made

	// Unit is that of the measure. Basis and the rest say what forecasts are based on.
	// Information plots S next to them. All are empty for a ranking by S.
	Unit        string
	Ahead       bool
	Basis       []Setting
	Doubts      []string
	BasisNotes  []string
	Information *figure
	Mixes       []mixRow

	// Targets shows sources by targets, in Metric; empty for fewer than two targets.
	Targets            []pairRow
	TargetNames        []string
	Metric, TargetName string

	Pairs    []pairRow
	Leads    *figure
	Shapes   []figure
	Shares   []shapeRow
	Legend   []legendItem
	Spectrum *figure
	Spread   []spreadRow
	Controls *figure
	Checks   []checkRow
	Tells    []tellRow
	Gains    *figure
	Hybrids  []hybridRow
	Mixture  []mixtureRow
	MixLine  string
	Notes    []string
	// Linted reports whether the linter ran, whatever it found.
	Linted     bool
	Findings   []findingRow
	Suspects   []suspectRow
	Sweeps     []figure
	SweepRows  []sweepRow
	Thresholds []string
	Settings   []Setting
}

type pairRow struct {
	Name  string
	Cells []pairCell
}

// pairCell is the probability that the row's source is better than the column's.
type pairCell struct {
	Self        bool
	Shade       int // 0 to 10
	Probability string
	Lead        string
}

type shapeRow struct {
	Name  string
	Cells []string
}

type legendItem struct {
	Name  string
	Class string
	Dash  string
}

type spreadRow struct {
	Name, Trace, Bound, Diversity, Dimension, Effective string
}

type checkRow struct {
	Name, AUC        string
	Shuffled, Random estimate
	Weak, Flagged    bool
}

// estimate is a value with its interval, in words.
type estimate struct{ Value, Interval string }

type tellRow struct{ Name, Place, Margin, Negative string }

// mixRow is a mixture with its forecast.
type mixRow struct {
	Name, Gain, Interval string
	Over                 estimate
	Score                string
}

type hybridRow struct{ Name, Score, Gain, Interval, AtBudget string }

type mixtureRow struct{ Name, Weight, Interval string }

var functions = template.FuncMap{"inc": func(i int) int { return i + 1 }}

func newView(d Data) (*view, error) {
	if d.Ranking == nil || len(d.Ranking.Ranked) == 0 {
		return nil, fmt.Errorf("eci: report: %w", eci.ErrNoSources)
	}
	r := d.Ranking
	m := measureOf(r)
	v := &view{Title: d.Title, Date: d.Date, Verdict: judge(d), Settings: d.Settings, Unit: m.unit, Ahead: m.ahead}
	if v.Title == "" {
		v.Title = "Which hard negatives to train on"
	}
	v.Scope = fmt.Sprintf("%d sources, %d triples of each", len(r.Ranked), r.Budget)
	v.Ranked = "Sources, best first. Every source is scored on the same number of triples; scores are comparable within this table only."
	if m.ahead {
		v.Ranked = fmt.Sprintf("Sources by the expected change of %s. The curve has the change after each of three steps of the walk: where it falls, training longer harms.", m.unit)
	}
	switch {
	case r.Race != nil && m.ahead:
		v.Scope = fmt.Sprintf("a race of %d sources, %d triples of the longest in it", len(r.Ranked), r.Budget)
		v.Ranked += " The forecasts of sources that the race dropped are for the queries that it had read by then."
	case r.Race != nil:
		v.Scope = fmt.Sprintf("a race of %d sources, %d triples of the longest in it", len(r.Ranked), r.Budget)
		v.Ranked = "Sources, best first. The scores of sources that the race dropped are projected to the number of triples of the others."
	case len(r.Ranked) == 1:
		v.Scope = fmt.Sprintf("1 source, %d triples", r.Budget)
	}
	if m := r.Ranked[0].Matrix; m != nil {
		v.Scope += fmt.Sprintf(", %d dimensions", m.Config().Dimension)
	}
	v.showTargets(d.Targets)
	for _, n := range r.Notes {
		if r.Verdict != nil && slices.Contains(r.Verdict.Warnings, n) {
			continue // it is next to the verdict
		}
		v.Notes = append(v.Notes, Clean(n))
	}
	for _, step := range []func(Data) error{v.overview, v.basis, v.pairs, v.shapes, v.spectrum, v.controls, v.mixing, v.findings, v.sweep, v.suspects} {
		if err := step(d); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// pairs returns the table of pairwise probabilities and the plot of the best source's
// leads.
func (v *view) pairs(d Data) error {
	r := d.Ranking
	m := measureOf(r)
	if _, _, _, ok := m.of(r.Ranked[0]); !ok || len(r.Ranked) < 2 {
		return nil
	}
	at := make(map[[2]string]eci.Pair)
	for _, p := range r.Pairs {
		at[[2]string{p.Better, p.Worse}] = p
	}
	var rows []whisker
	for i, a := range r.Ranked {
		row := pairRow{Name: Clean(a.Source)}
		for j, b := range r.Ranked {
			p, probability, difference := at[[2]string{a.Source, b.Source}], 0.0, 0.0
			switch {
			case i == j:
				row.Cells = append(row.Cells, pairCell{Self: true})
				continue
			case i < j:
				probability, difference = p.Probability, p.Difference
			default:
				p = at[[2]string{b.Source, a.Source}]
				probability, difference = 1-p.Probability, -p.Difference
			}
			if i == 0 {
				rows = append(rows, whisker{b.Source, p.Difference, p.Low, p.High, accentColor, math.NaN()})
			}
			row.Cells = append(row.Cells, pairCell{Shade: int(math.Round(probability * 10)), Probability: tableProbability(probability), Lead: m.signed(difference)})
		}
		v.Pairs = append(v.Pairs, row)
	}
	f, err := whiskers(rows, "lead, "+m.unit, true, figure{ID: "plot-leads",
		Title:    "Lead of " + Clean(r.Ranked[0].Source) + " over every other source",
		Caption:  "Paired differences with 95% intervals. An interval right of zero is a lead that is sure.",
		Describe: describe(rows, m.signed)})
	v.Leads = &f
	return err
}

func describe(rows []whisker, write func(float64) string) string {
	words := make([]string, len(rows))
	for i, r := range rows {
		words[i] = fmt.Sprintf("%s %s (%s to %s)", Clean(r.Label), write(r.Value), write(r.Low), write(r.High))
	}
	return strings.Join(words, "; ")
}

// shapes returns the distributions of components and weights.
func (v *view) shapes(d Data) error {
	if len(d.Distributions) == 0 {
		return nil
	}
	rank := ranksOf(d.Ranking)
	for k, q := range d.Distributions[0].Quantities {
		var rows []ridge
		top := 0
		words := make([]string, len(d.Distributions))
		for i, s := range d.Distributions {
			q := &s.Quantities[k]
			rows = append(rows, ridge{s.Source, q.smooth(), q.Mean, series(rank[s.Source])})
			for b, c := range q.Bins {
				if c > 0 {
					top = max(top, b)
				}
			}
			words[i] = fmt.Sprintf("%s median %.2f, half of the triples from %.2f to %.2f", Clean(s.Source), q.Quartiles[1], q.Quartiles[0], q.Quartiles[2])
		}
		// Up to the next tenth above the greatest value of any source.
		bins := min(100, (top/10+1)*10)
		for i := range rows {
			rows[i].Bins = rows[i].Bins[:bins]
		}
		f, err := ridges(rows, float64(bins)/100, q.Name, figure{ID: fmt.Sprintf("plot-shape-%d", k+1),
			Title: title(q.Name), Caption: meaning(q.Name), Describe: strings.Join(words, "; ")})
		if err != nil {
			return err
		}
		v.Shapes = append(v.Shapes, f)
	}
	for _, s := range d.Distributions {
		row := shapeRow{Name: Clean(s.Source), Cells: []string{fmt.Sprint(s.Triples)}}
		for _, q := range s.Quantities {
			row.Cells = append(row.Cells, fmt.Sprintf("%.2f", q.Mean), fmt.Sprintf("%.2f to %.2f", q.Quartiles[0], q.Quartiles[2]))
		}
		v.Shares = append(v.Shares, row)
	}
	return nil
}

func meaning(quantity string) string {
	switch quantity {
	case "consistency":
		return "How clearly the encoder prefers the positive. Mass at the left: negatives that may answer the query."
	case "locality":
		return "How near the negative is to the query, compared with all sources. Mass at the left: easy negatives."
	case "residuality":
		return "What is hard for more than shared words. Mass at the left: negatives that repeat the query or the positive."
	case "weight":
		return "The product of the components: how much a triple counts."
	}
	return "A component of the weight."
}

func title(s string) string {
	if s == "" {
		return s
	}
	r := []rune(Clean(s))
	return string(unicode.ToUpper(r[0])) + string(r[1:])
}

func ranksOf(r *eci.Ranking) map[string]int {
	rank := make(map[string]int, len(r.Ranked))
	for i, s := range r.Ranked {
		rank[s.Source] = i
	}
	return rank
}

// spectrum plots the eigenvalues of M.
func (v *view) spectrum(d Data) error {
	var lines []curve
	low, high := math.Inf(1), 0.0
	var words []string
	for i, s := range d.Ranking.Ranked {
		v.Legend = append(v.Legend, legendItem{Clean(s.Source), fmt.Sprintf("line-%d", i%seriesCount+1), []string{"", "6 3", "2 2"}[i/seriesCount%3]})
		if s.Matrix == nil {
			continue
		}
		values, err := s.Matrix.Spectrum()
		if err != nil {
			return err
		}
		if len(values) == 0 || values[0] <= 0 {
			continue
		}
		high = max(high, values[0])
		xy := make(plotter.XYs, 0, len(values))
		for k, l := range values {
			// A direction adds about a l/2 to S for small l. Below 0.01/a it does not
			// matter.
			c := s.Matrix.Config()
			if k > 0 && l < 0.01*c.Epsilon2/float64(c.Dimension) {
				break
			}
			xy = append(xy, plotter.XY{X: float64(k + 1), Y: l})
		}
		low = min(low, xy[len(xy)-1].Y)
		lines = append(lines, curve{XY: xy, Rank: i, Points: len(xy) == 1})
		words = append(words, fmt.Sprintf("%s largest %.2g, effective dimension %.1f", Clean(s.Source), values[0], s.EffectiveDimension))
		v.Spread = append(v.Spread, spreadRow{Clean(s.Source), fmt.Sprintf("%.3f", s.Trace), fmt.Sprintf("%.1f", s.Bound), fmt.Sprintf("%.2f", s.Diversity), fmt.Sprintf("%.1f", s.EffectiveDimension), fmt.Sprintf("%.1f", s.Totals.EffectiveTriples())})
	}
	if len(lines) == 0 {
		return nil
	}
	f, err := curves(lines, "eigenvalue, largest first", "", true, low*0.8, high*1.3, figure{ID: "plot-spectrum",
		Title:    "Spectrum of the information matrix",
		Caption:  "Eigenvalues of M on logarithmic scales, down to where they no longer matter to S. A line that stays high for longer carries information in more directions; a steep one repeats itself.",
		Describe: strings.Join(words, "; ")})
	v.Spectrum = &f
	return err
}

// controls compares with blindly taken negatives.
func (v *view) controls(d Data) error {
	if !v.Checked {
		return nil
	}
	m := measureOf(d.Ranking)
	f := figure{ID: "plot-controls", Title: "Lead over random negatives"}
	var rows []whisker
	var x string
	if m.ahead {
		rows, x = v.gainControls(d, m), m.unit+" over random documents"
		f.Caption = "Paired difference from random documents of the pool with its 95% interval. An interval that reaches zero is not worth a miner."
	} else {
		rows, x = v.scoreControls(d), "lead over the stronger control, nats"
		f.Caption = "Difference from the stronger of the two controls with its 95% interval. An interval that reaches zero is not worth a miner."
	}
	if len(rows) == 0 {
		return nil
	}
	f.Describe = describe(rows, m.signed)
	f, err := whiskers(rows, x, true, f)
	v.Controls = &f
	return err
}

// scoreControls compares the scores with those of blindly taken negatives.
func (v *view) scoreControls(d Data) (rows []whisker) {
	for _, s := range d.Ranking.Ranked {
		row := checkRow{Name: Clean(s.Source)}
		if s.Controls != nil {
			row.Shuffled, row.Random = against(s.Controls.Shuffled), against(s.Controls.Random)
		}
		if c, ok := stronger(s.Controls); ok {
			row.Weak = c.Low <= 0
			color := accentColor
			if row.Weak {
				color = warnColor
			}
			rows = append(rows, whisker{s.Source, c.Difference, c.Low, c.High, color, math.NaN()})
		}
		v.Checks = append(v.Checks, v.artifact(s, row))
	}
	return rows
}

// artifact adds to a row whether the source's negatives can be recognized without the
// query. It lists those of a flagged source that are easiest to recognize.
func (v *view) artifact(s eci.Ranked, row checkRow) checkRow {
	row.AUC = "–"
	a := s.Artifact
	if a == nil || a.Triples == 0 {
		return row
	}
	row.AUC, row.Flagged = fmt.Sprintf("%.2f", a.AUC), a.AUC > ArtifactAUC
	if row.Flagged {
		for _, t := range a.Rows {
			v.Tells = append(v.Tells, tellRow{row.Name, place(s.Source, t.File, t.Row), fmt.Sprintf("%.1f", t.Margin), Clean(t.Negative)})
		}
	}
	return row
}

func against(c eci.Control) estimate {
	if c.Triples == 0 {
		return estimate{Value: "–"}
	}
	return estimate{signed(c.Difference), signed(c.Low) + " to " + signed(c.High)}
}

// place says where a row is. It names the file only if the source is not named after
// it.
func place(source, file string, row int) string {
	if i := strings.LastIndexAny(file, `/\`); i >= 0 {
		file = file[i+1:]
	}
	if stem, _, _ := strings.Cut(file, "."); stem == "" || stem == source {
		return fmt.Sprintf("row %d", row)
	}
	return fmt.Sprintf("%s row %d", Clean(file), row)
}

// MostHybrids is how many hybrids are forecast and how many the page shows.
const MostHybrids = 10

// gainInterval returns the 95% interval of a gain. With fewer than two groups of
// queries there is none.
func gainInterval(g eci.Gain) string {
	if g.StandardError == 0 {
		return "none"
	}
	return signed(g.Low) + " to " + signed(g.High)
}

func gainWhisker(label string, g eci.Gain) whisker {
	if g.StandardError == 0 {
		g.Low, g.High = g.Value, g.Value
	}
	return whisker{label, g.Value, g.Low, g.High, accentColor, g.AtBudget}
}

// mixing shows hybrids and the best mixture.
func (v *view) mixing(d Data) error {
	if m := measureOf(d.Ranking); m.ahead {
		return v.forecastMixes(d, m)
	}
	var rows []whisker
	for _, h := range d.Hybrids[:min(MostHybrids, len(d.Hybrids))] {
		name := Clean(strings.Join(h.Sources, " + "))
		rows = append(rows, gainWhisker(brief(h.Sources), h.Gain))
		v.Hybrids = append(v.Hybrids, hybridRow{name, plain(h.Score), signed(h.Gain.Value) + " over " + Clean(h.Gain.Over),
			gainInterval(h.Gain), signed(h.Gain.AtBudget)})
	}
	if m := d.Mixture; m != nil {
		for _, w := range m.Weights {
			share := "none"
			if m.StandardError > 0 {
				share = percent(w.Low) + " to " + percent(w.High)
			}
			v.Mixture = append(v.Mixture, mixtureRow{Clean(w.Source), percent(w.Weight), share})
		}
		v.MixLine = fmt.Sprintf("The best mixture scores %s nats, %s over %s (95%% interval: %s) with all triples, %s with no more triples than one source has. No mixture of these sources scores more than %.2g nats above it.",
			plain(m.Score), signed(m.Gain.Value), Clean(m.Gain.Over), gainInterval(m.Gain), signed(m.Gain.AtBudget), m.Gap)
		rows = append([]whisker{gainWhisker("best mixture", m.Gain)}, rows...)
	}
	if len(rows) == 0 {
		return nil
	}
	f, err := whiskers(rows, "gain over the best single member, nats", true, figure{ID: "plot-gains",
		Title: "Gain of mixtures", Caption: "Dots: with all triples of the members, 95% interval. Rings: with no more triples than one source has. A ring left of zero says that only the number of triples pays.", Describe: describe(rows, signed)})
	v.Gains = &f
	return err
}

// brief joins names to fit the margin of a plot.
func brief(names []string) string {
	if joined := strings.Join(names, " + "); len([]rune(joined)) <= 18 {
		return joined
	}
	cut := make([]string, len(names))
	for i, n := range names {
		cut[i] = short(n, max(3, 18/len(names)))
	}
	return strings.Join(cut, "+")
}

func percent(v float64) string { return fmt.Sprintf("%.0f%%", 100*v) }
