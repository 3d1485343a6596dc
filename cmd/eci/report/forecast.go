package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"example.com/eci"
)

// judgeForecast combines the library's verdict with what else is known about the
// sources it names.
func judgeForecast(d Data) verdict {
	r := d.Ranking
	given := r.Verdict
	v := verdict{State: "open", BestName: r.Ranked[0].Source}
	headline, rest, cut := strings.Cut(given.Sentence, ":")
	switch given.Action {
	case eci.ActionTrain:
		v.State, v.Badge, v.Best = "decided", "Train", given.Sources[0]
		headline, cut = "Train on ", true
		rest = strings.TrimPrefix(given.Sentence, headline+v.Best+":")
	case eci.ActionRandom:
		v.Badge = "Take random documents"
	case eci.ActionNone:
		v.Badge = "Train on none of these"
	default:
		v.Badge = "Not enough to tell"
	}
	v.Before = headline
	v.Short = headline + v.Best
	if cut {
		v.Lead = capital(strings.TrimSpace(rest))
	}
	v.Warnings = slices.Clone(given.Warnings)
	for _, name := range given.Sources {
		s, ok := r.Find(name)
		if !ok {
			continue
		}
		if s.Forecast.Overtrains || s.Forecast.Harms {
			v.State = "caution"
		}
		for _, w := range lintWarnings(s, d.Lint) {
			v.State = "caution"
			v.Warnings = append(v.Warnings, name+": "+w)
		}
	}
	if !checked(r) {
		v.State = "open"
		v.Warnings = append(v.Warnings, missingChecks)
	}
	if v.State == "caution" {
		v.Badge = "Train, and mind the warnings"
	}
	if len(r.Ranked) > 1 {
		v.SecondName = r.Ranked[1].Source
		_, v.Comparison = why(r.Ranked[0], r.Ranked[1])
	}
	v.Mix = MixSentence(r, d.Mixes)
	return v
}

// missingChecks is shown if the checks were not made.
const missingChecks = "Neither the comparison with random documents nor the artifact check was made, as in a race: whether a source beats random negatives, and whether its negatives can be told without the query, is not known."

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// basis says what the forecasts are based on.
func (v *view) basis(d Data) error {
	l := d.Ranking.Lookahead
	if l == nil {
		return nil
	}
	documents := "the labeled positives of all sources; no corpus was given"
	if l.Corpus {
		documents = "a corpus that was given"
	}
	v.Basis = []Setting{
		{"What is forecast", "the change of " + l.Unit()},
		{"Queries looked at", fmt.Sprintf("%d labeled queries, in five folds", l.Queries)},
		{"Searched in", fmt.Sprintf("%d documents: %s", l.Pool, documents)},
		{"Before any training", fmt.Sprintf("%s %.3f with the frozen encoder", l.Metric, l.Frozen)},
		{"Walked on", fmt.Sprintf("up to %d triples of each source", l.Triples)},
		{"What may change", fmt.Sprintf("%d principal axes of the documents", l.Axes)},
	}
	for _, doubt := range l.Doubts {
		v.Doubts = append(v.Doubts, Clean(doubt))
	}
	for _, note := range l.Notes {
		v.BasisNotes = append(v.BasisNotes, Clean(note))
	}
	var rows []whisker
	for i, s := range d.Ranking.Ranked {
		_, low, high, _ := nats.of(s)
		rows = append(rows, whisker{s.Source, s.Value, low, high, standing(d, i), math.NaN()})
	}
	f, err := whiskers(rows, nats.axis, false, figure{ID: "plot-information", Title: "Information S with 95% intervals",
		Caption: "How much each source could teach, in the order of the forecasts.", Describe: describe(rows, nats.figure)})
	v.Information = &f
	return err
}

// gainControls compares the forecasts with those for blindly taken negatives.
func (v *view) gainControls(d Data, m measure) (rows []whisker) {
	for _, s := range d.Ranking.Ranked {
		f := s.Forecast
		row := checkRow{Name: Clean(s.Source), Random: m.difference(f.Random), Shuffled: m.difference(f.Shuffled)}
		if x := f.Random; x != nil {
			row.Weak = !(x.Low > 0)
			color := accentColor
			if row.Weak {
				color = warnColor
			}
			rows = append(rows, whisker{s.Source, x.Value, x.Low, x.High, color, math.NaN()})
		}
		v.Checks = append(v.Checks, v.artifact(s, row))
	}
	return rows
}

// forecastMixes shows the forecasts of mixtures.
func (v *view) forecastMixes(d Data, m measure) error {
	if len(d.Mixes) == 0 {
		return nil
	}
	var rows []whisker
	for _, x := range d.Mixes {
		over := estimate{Value: "–"}
		if x.Over != nil {
			over = m.difference(x.Over)
			rows = append(rows, whisker{mixLabel(x), x.Over.Value, x.Over.Low, x.Over.High, overColor(x.Over), math.NaN()})
		}
		words := Clean(x.Name)
		if x.Name == BestMixture {
			words += ": " + shareWords(x)
		}
		v.Mixes = append(v.Mixes, mixRow{words, m.signed(x.Forecast.Gain), m.signed(x.Forecast.Low) + " to " + m.signed(x.Forecast.High), over, plain(x.Score)})
	}
	v.MixLine = fmt.Sprintf("The forecast for a mixture walks on as many triples as for one source, each member giving its share. %s has the highest forecast of the sources by itself (%s). The best of many looks better than it is.",
		Clean(d.Ranking.Best().Source), m.signed(d.Ranking.Best().Forecast.Gain))
	if rows == nil {
		return nil
	}
	f, err := whiskers(rows, m.unit+" over "+short(d.Ranking.Best().Source, 20), true, figure{ID: "plot-gains",
		Title:    "Mixtures against " + Clean(d.Ranking.Best().Source) + " alone",
		Caption:  "Paired differences with 95% intervals. Only an interval right of zero says that mixing pays.",
		Describe: describe(rows, m.signed)})
	v.Gains = &f
	return err
}

func mixLabel(x Mix) string {
	if x.Name == BestMixture {
		return "best by S"
	}
	return brief(x.Sources)
}

func overColor(d *eci.Difference) int {
	switch {
	case d.Low > 0:
		return accentColor
	case d.High < 0:
		return warnColor
	}
	return mutedColor
}

func shareWords(x Mix) string {
	parts := make([]string, len(x.Sources))
	for i, name := range x.Sources {
		parts[i] = percent(x.Shares[i]) + " " + Clean(name)
	}
	return strings.Join(parts, ", ")
}
