package report

import (
	"fmt"
	"math"
	"strings"

	"example.com/eci"
)

// ArtifactAUC is the value from which the library flags negatives as recognizable
// without the query.
const ArtifactAUC = 0.9

// sure is the probability from which a best source counts as decided.
const sure = 0.95

// verdict answers "which source and why" in a few sentences.
type verdict struct {
	// State is "decided", "caution" (decided, but there is a warning about the best
	// source) or "open".
	State, Badge         string
	Before, Best, After  string // the headline, with the source's name in the middle
	Short                string // the headline for the title of the window
	Lead, Why, Mix       string
	Warnings             []string
	Comparison           []contrast
	BestName, SecondName string
}

// contrast compares the best source with the second in one figure.
type contrast struct {
	Name, Best, Second string
	Higher             bool // of the best
}

func judge(d Data) verdict {
	r := d.Ranking
	if r.Lookahead != nil {
		return judgeForecast(d)
	}
	best := r.Ranked[0]
	v := verdict{State: "decided", Badge: "Decided, by S alone", Best: best.Source, After: " has the most to teach. Whether that helps, the forecast says.", Short: best.Source, BestName: best.Source}
	v.Warnings = warnings(best, d.Lint)
	if len(r.Ranked) == 1 {
		v.State, v.Badge, v.Before, v.After = "open", "One source", "Only ", " was scored: there is nothing to compare it with."
		return v
	}
	second := r.Ranked[1]
	v.SecondName = second.Source
	pair := pairOf(r, best.Source, second.Source)
	v.Lead = leadSentence(best, second, pair, len(r.Ranked))
	switch {
	case best.Groups < 2:
		v.State, v.Badge, v.Before, v.After = "open", "No interval", "", " has the highest score, without an interval."
	case best.BestProbability < sure:
		v.State, v.Badge, v.Before = "open", "Not decided", ""
		v.After = fmt.Sprintf(" is ahead, but it is not decided: %s may be better.", rivals(r))
	case len(v.Warnings) > 0:
		v.State, v.Badge, v.Before, v.After = "caution", "By S alone, with a warning", "", " has the most to teach; read the warning."
	}
	v.Why, v.Comparison = why(best, second)
	v.Mix = mixSentence(d)
	return v
}

// warnings returns warnings about the best source only. The page has the others
// further down.
func warnings(best eci.Ranked, lint *eci.LintReport) []string {
	var out []string
	if a := best.Artifact; a != nil && a.Triples > 0 && a.AUC > ArtifactAUC {
		out = append(out, fmt.Sprintf("Its negatives can be told from positives without reading the query (AUC %.2f, flagged above %.1f): a retriever may learn the writer instead of the task, and the score does not see it.", a.AUC, ArtifactAUC))
	}
	if c := best.Controls; c != nil {
		for _, x := range []struct {
			c    eci.Control
			name string
		}{{c.Random, "random documents"}, {c.Shuffled, "another query’s negatives"}} {
			if x.c.Triples > 0 && x.c.Low <= 0 {
				out = append(out, fmt.Sprintf("It does not beat %s: %s nats (95%% interval %s to %s). Random negatives may do as well.", x.name, signed(x.c.Difference), signed(x.c.Low), signed(x.c.High)))
			}
		}
	}
	if best.Controls == nil && best.Artifact == nil && best.Matrix != nil {
		out = append(out, "Neither the controls nor the artifact check were made, as in a race: whether it beats random negatives, and whether these can be told without the query, is not known.")
	}
	return append(out, lintWarnings(best, lint)...)
}

// lintWarnings returns the linter's errors for a source.
func lintWarnings(s eci.Ranked, lint *eci.LintReport) (out []string) {
	for _, f := range lintErrors(lint, s.Source) {
		out = append(out, fmt.Sprintf("In %s of its rows %s (%s).", share(f.Share), gloss[f.Kind], f.Kind))
	}
	return out
}

func leadSentence(best, second eci.Ranked, pair eci.Pair, n int) string {
	if best.Groups < 2 {
		return fmt.Sprintf("It scores %.2f nats, %.2f more than %s.", best.Value, pair.Difference, second.Source)
	}
	return fmt.Sprintf("It is the best of %d sources with probability %s. It leads %s by %.2f nats (95%% interval %s to %s).",
		n, probability(best.BestProbability), second.Source, pair.Difference, plain(pair.Low), plain(pair.High))
}

// rivals names the sources that may be better than the best.
func rivals(r *eci.Ranking) string {
	var names []string
	for _, s := range r.Ranked[1:] {
		if s.BestProbability >= 0.05 && len(names) < 3 {
			names = append(names, s.Source)
		}
	}
	if len(names) == 0 {
		names = []string{r.Ranked[1].Source}
	}
	return list(names, "or")
}

// why compares the best source with the second, figure by figure. It puts differences
// of 5% or more into words. S grows with the weighted energy of the residuals, tr M,
// and with how evenly it is spread over directions.
func why(best, second eci.Ranked) (string, []contrast) {
	var rows []contrast
	var gains, costs []string
	greatest, words := 0.0, "" // the greatest gain, for the case that all are small
	compare := func(name, more, less string, a, b float64, digits int) {
		rows = append(rows, contrast{name, minus(fmt.Sprintf("%.*f", digits, a)), minus(fmt.Sprintf("%.*f", digits, b)), a > b})
		figures := fmt.Sprintf(" (%.*f against %.*f)", digits, a, digits, b)
		switch {
		case more == "" || max(a, b) <= 0:
		case math.Abs(a-b) < 0.05*max(a, b):
			if relative := (a - b) / max(a, b); relative > greatest {
				greatest, words = relative, more+figures
			}
		case a > b:
			gains = append(gains, more+figures)
		default:
			costs = append(costs, less+figures)
		}
	}
	if a, b := best.Forecast, second.Forecast; a != nil && b != nil {
		compare("expected gain", "", "", a.Gain, b.Gain, 3)
		for k := range min(len(a.After), len(b.After)) {
			compare(fmt.Sprintf("gain after step %d", k+1), "", "", a.After[k], b.After[k], 3)
		}
	}
	compare("S, nats", "", "", best.Value, second.Value, 2)
	if best.Matrix != nil && second.Matrix != nil {
		compare("energy tr M", "more weighted energy in its residuals", "less weighted energy in its residuals", best.Trace, second.Trace, 3)
		compare("diversity", "residuals that spread over more directions", "residuals that spread over fewer directions", best.Diversity, second.Diversity, 2)
		compare("effective dimension", "", "", best.EffectiveDimension, second.EffectiveDimension, 1)
		compare("mean squared residual", "positives and negatives that lie farther apart", "positives and negatives that lie nearer together", squared(best), squared(second), 3)
	}
	compare("mean weight", "", "", mean(best, best.Totals.Weight), mean(second, second.Totals.Weight), 3)
	for k, name := range best.Components {
		if k < len(second.Totals.Factors) {
			more, less := phrases(name)
			compare(name, more, less, mean(best, best.Totals.Factors[k]), mean(second, second.Totals.Factors[k]), 2)
		}
	}
	compare("unique negatives", "", "", best.Baselines["unique"], second.Baselines["unique"], 2)
	compare("1 − overlap", "", "", best.Baselines["disjoint"], second.Baselines["disjoint"], 2)
	if len(gains) == 0 && words != "" {
		gains = []string{words}
	}
	var b strings.Builder
	if len(gains) > 0 {
		fmt.Fprintf(&b, "Beside %s it has %s.", second.Source, list(gains, "and"))
	}
	if len(costs) > 0 {
		fmt.Fprintf(&b, " On the other side it has %s.", list(costs, "and"))
	}
	return strings.TrimSpace(b.String()), rows
}

// squared returns the mean of |r|^2, weighted by w.
func squared(s eci.Ranked) float64 {
	if s.Totals.Weight == 0 {
		return 0
	}
	return s.Trace * float64(s.Totals.Triples) / s.Totals.Weight
}

// phrases say what more and less of a component mean.
func phrases(component string) (more, less string) {
	switch component {
	case "consistency":
		return "positives that beat their negatives more clearly", "positives that beat their negatives less clearly"
	case "locality":
		return "negatives nearer to their queries", "negatives farther from their queries"
	case "residuality":
		return "fewer words shared with query and positive", "more words shared with query and positive"
	}
	return "more " + component, "less " + component
}

func mixSentence(d Data) string {
	m := d.Mixture
	if m == nil {
		return ""
	}
	switch {
	case m.Gain.AtBudget > 0 && m.Gain.Low > 0:
		return fmt.Sprintf("Mixing pays: the best mixture gains %s nats over %s with all triples and %s with no more triples.", signed(m.Gain.Value), m.Gain.Over, signed(m.Gain.AtBudget))
	case m.Gain.Low > 0:
		return fmt.Sprintf("A mixture gains %s nats over %s with all triples of its members, but %s with no more triples than one source has: there it is the number of triples that pays, not the mixture.", signed(m.Gain.Value), m.Gain.Over, signed(m.Gain.AtBudget))
	}
	return "No mixture is surely better than " + m.Gain.Over + " alone."
}

func pairOf(r *eci.Ranking, better, worse string) eci.Pair {
	for _, p := range r.Pairs {
		if p.Better == better && p.Worse == worse {
			return p
		}
	}
	return eci.Pair{}
}

func mean(s eci.Ranked, sum float64) float64 { return sum / float64(max(1, s.Totals.Triples)) }

// probability avoids a certainty that no sample gives.
func probability(p float64) string {
	switch {
	case p > 0.99:
		return "above .99"
	case p < 0.01:
		return "below .01"
	}
	return strings.TrimPrefix(fmt.Sprintf("%.2f", p), "0")
}

// list joins words as in a sentence.
func list(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + last + " " + words[len(words)-1]
}
