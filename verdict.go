package eci

import (
	"fmt"
	"strings"
)

// Action is what a [Verdict] advises.
// It is a plain value and safe for concurrent use.
type Action string

// The actions.
const (
	// ActionTrain: train on the source, or on any of the sources, named.
	ActionTrain Action = "train"
	// ActionRandom: negatives taken blindly do as well; take those.
	ActionRandom Action = "random"
	// ActionNone: no source has been shown to help.
	ActionNone Action = "none"
	// ActionUnknown: the data cannot tell.
	ActionUnknown Action = "unknown"
)

// Verdict is what to do with one training run to spend, according to the forecasts of
// a ranking.
// It is safe for concurrent use as long as no goroutine changes it.
type Verdict struct {
	Action Action `json:"action"`
	// Sources are the sources to train on. The first has the highest gain, and none of
	// the others is shown to differ from it. It is empty for every action except
	// ActionTrain.
	Sources []string `json:"sources,omitempty"`
	// Sentence says the same in plain words, with the figures.
	Sentence string `json:"sentence"`
	// Warnings say what to check before or while acting.
	Warnings []string `json:"warnings,omitempty"`
}

// verdict judges a ranking by its forecasts. unit is the metric, such as "nDCG@10".
// doubts are reasons not to rely on the forecasts.
func verdict(ranked []Ranked, unit string, doubts []string) *Verdict {
	if len(ranked) == 0 || ranked[0].Forecast == nil {
		return nil
	}
	v := &Verdict{}
	var harmful []string
	for _, s := range ranked {
		if s.Forecast.Harms {
			harmful = append(harmful, fmt.Sprintf("%s %s", s.Source, s.Forecast.interval()))
		}
	}
	if harmful != nil {
		v.Warnings = append(v.Warnings, fmt.Sprintf("would harm: %s. That is for a loss over the explicit negatives; in-batch negatives soften differences and can turn harm into a smaller gain", strings.Join(harmful, ", ")))
	}
	v.warnOfOvertraining(ranked)
	best := ranked[0]
	f := best.Forecast
	switch chosen, equals := advised(ranked); {
	case len(doubts) > 0:
		v.Action = ActionUnknown
		v.Sentence = fmt.Sprintf("No verdict: %s.", strings.Join(doubts, "; "))
	case f.Harms:
		v.Action = ActionNone
		v.Sentence = fmt.Sprintf("Train on none of these: even the best, %s, would cost %s %s.", best.Source, plain(-f.Gain), unit)
	case !(f.Low > 0):
		v.Action = ActionNone
		v.Sentence = fmt.Sprintf("None of these is shown to help: the best, %s, would change %s by %s.", best.Source, unit, f.interval())
	case chosen == nil && best.flagged():
		v.Action = ActionNone
		v.Sentence = fmt.Sprintf("Trust none of these yet: %s promises %s %s, but its negatives can be told from positives without the query.", best.Source, f.interval(), unit)
	case chosen == nil:
		v.Action = ActionRandom
		name, control := f.control()
		v.Sentence = fmt.Sprintf("Negatives taken blindly do as well: %s would add %s %s, which is %s over %s. Take random documents: they cost nothing.",
			best.Source, plain(f.Gain), unit, control, controlNames[name])
	default:
		v.Action = ActionTrain
		v.Sources = append([]string{chosen.Source}, equals...)
		v.Sentence = recommend(chosen, equals, unit)
		if chosen.Source != best.Source {
			v.Sentence += fmt.Sprintf(" %s promises more (%s), %s.", best.Source, f.interval(), best.why())
		}
	}
	return v
}

var controlNames = map[string]string{"random": "random documents", "shuffled": "another query's negatives"}

// advised returns the sources to train on. Candidates are shown to help and to beat
// blindly taken negatives, and have no artifact. chosen has the highest gain; it is
// not shown to be better than any of the others returned.
func advised(ranked []Ranked) (chosen *Ranked, equals []string) {
	for i := range ranked {
		s := &ranked[i]
		if !(s.Forecast.Low > 0) || s.flagged() || !s.beatsRandom() {
			continue
		}
		if chosen == nil {
			chosen = s
		} else if d := chosen.Forecast.Over(s.Forecast); d == nil || !(d.Low > 0) {
			equals = append(equals, s.Source)
		}
	}
	return chosen, equals
}

// flagged reports whether the source's negatives can be recognized without the query.
func (s *Ranked) flagged() bool { return s.Artifact != nil && s.Artifact.AUC > artifactAUC }

// beatsRandom reports whether the source is better at 95% than negatives that cost
// nothing. Those are random documents or, without a pool to draw them from, another
// query's negatives. Without either there is nothing to beat.
func (s *Ranked) beatsRandom() bool {
	_, d := s.Forecast.control()
	return d == nil || d.Low > 0
}

// why says why a source that helps is not advised.
func (s *Ranked) why() string {
	if s.flagged() {
		return fmt.Sprintf("but its negatives can be told from positives without the query (AUC %.2f)", s.Artifact.AUC)
	}
	return "but is not shown to beat negatives taken blindly"
}

// recommend returns the sentence for a source and those that are as good.
func recommend(chosen *Ranked, equals []string, unit string) string {
	f := chosen.Forecast
	over := ""
	if name, d := f.control(); d != nil {
		over = fmt.Sprintf(", %s more than %s", plain(d.Value), controlNames[name])
	}
	if len(equals) == 0 {
		return fmt.Sprintf("Train on %s: %s %s%s.", chosen.Source, f.interval(), unit, over)
	}
	return fmt.Sprintf("Train on %s: %s %s%s. No difference is shown to %s: take the one that costs least.",
		chosen.Source, f.interval(), unit, over, strings.Join(equals, ", "))
}

// warnOfOvertraining names the sources whose curve falls, on one line.
func (v *Verdict) warnOfOvertraining(ranked []Ranked) {
	var falling []string
	for _, s := range ranked {
		if s.Forecast.Overtrains && !s.Forecast.Harms {
			falling = append(falling, fmt.Sprintf("%s (%s)", s.Source, s.Forecast.curve()))
		}
	}
	switch len(falling) {
	case 0:
	case 1:
		v.Warnings = append(v.Warnings, fmt.Sprintf("overtrains: %s: stop early, look for false negatives", falling[0]))
	default:
		v.Warnings = append(v.Warnings, fmt.Sprintf("overtrain: %s: stop early, look for false negatives", strings.Join(falling, ", ")))
	}
}

// interval returns the gain with its 95% interval.
func (f *Forecast) interval() string {
	if f.Deviations == nil {
		return fmt.Sprintf("%+.3f", f.Gain)
	}
	return fmt.Sprintf("%+.3f (%+.3f to %+.3f)", f.Gain, f.Low, f.High)
}

// curve returns the gains after each step.
func (f *Forecast) curve() string {
	parts := make([]string, len(f.After))
	for k, g := range f.After {
		parts[k] = fmt.Sprintf("%+.3f", g)
	}
	return strings.Join(parts, " ")
}

// plain formats a figure of the metric, without a sign if it is positive.
func plain(x float64) string { return fmt.Sprintf("%.3f", x) }
