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

// judge gives the verdict by the forecasts of the sources. unit is the metric, such as
// "nDCG@10"; doubts are reasons for which its forecasts cannot be relied upon.
func (r *Ranking) judge(unit string, doubts []string) *Verdict {
	ranked := r.Ranked
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
	switch chosen, equals := r.advised(); {
	case len(doubts) > 0:
		v.Action = ActionUnknown
		v.Sentence = fmt.Sprintf("No verdict: %s.", strings.Join(doubts, "; "))
	case f.Harms:
		v.Action = ActionNone
		v.Sentence = fmt.Sprintf("Train on none of these: even the best, %s, would cost %.3f %s.", best.Source, -f.Gain, unit)
	case !(f.Low > 0):
		v.Action = ActionNone
		v.Sentence = fmt.Sprintf("None of these is shown to help: the best, %s, would change %s by %s.", best.Source, unit, f.interval())
	case chosen == nil && best.flagged():
		v.Action = ActionNone
		v.Sentence = fmt.Sprintf("Trust none of these yet: %s promises %s %s, but its negatives can be told from positives without the query.", best.Source, f.interval(), unit)
	case chosen == nil:
		v.Action = ActionRandom
		name, control := f.control()
		v.Sentence = fmt.Sprintf("Random negatives do as well: %s would add %.3f %s, which is %s over %s. Take random documents: they cost nothing.",
			best.Source, f.Gain, unit, control, controlNames[name])
	default:
		v.Action = ActionTrain
		v.Sources = append([]string{chosen.Source}, equals...)
		v.Sentence = chosen.recommend(equals, unit)
		if chosen.Source != best.Source {
			v.Sentence += fmt.Sprintf(" %s promises more (%s), %s.", best.Source, f.interval(), best.why())
		}
	}
	return v
}

var controlNames = map[string]string{"random": "random documents", "shuffled": "another query's negatives"}

// advised are the source with the highest gain among those that are shown to
// help, to beat negatives taken blindly and to have no artifact, and the others
// among them that it is not shown to be better than.
func (r *Ranking) advised() (chosen *Ranked, equals []string) {
	for i := range r.Ranked {
		s := &r.Ranked[i]
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
	return "but is not shown to beat random negatives"
}

// recommend is the sentence for a source and those as good.
func (s *Ranked) recommend(equals []string, unit string) string {
	f := s.Forecast
	over := ""
	if name, d := f.control(); d != nil {
		over = fmt.Sprintf(", %.3f more than %s", d.Value, controlNames[name])
	}
	if len(equals) == 0 {
		return fmt.Sprintf("Train on %s: %s %s%s.", s.Source, f.interval(), unit, over)
	}
	return fmt.Sprintf("Train on %s: %s %s%s. No difference is shown to %s: take the one that costs least.",
		s.Source, f.interval(), unit, over, strings.Join(equals, ", "))
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
