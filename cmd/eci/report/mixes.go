package report

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"example.com/eci"
)

// Mix is a mixture of sources with the forecast for it.
type Mix struct {
	// Name lists the members, or is "best mixture by S".
	Name string `json:"name"`
	// Sources are the members, in the order of the ranking.
	Sources []string `json:"sources"`
	// Shares are the members' shares of the triples. They add up to 1.
	Shares []float64 `json:"shares"`
	// Forecast is for training on the number of triples of one source. Over is the
	// paired difference from the source that is ranked first.
	// Gain is the forecast's, with its 95% interval.
	Forecast *eci.Forecast   `json:"-"`
	Gain     float64         `json:"gain"`
	Low      float64         `json:"low"`
	High     float64         `json:"high"`
	Over     *eci.Difference `json:"over_best,omitempty"`
	// Score is S of the mixture with all triples of its members, in nats.
	Score float64 `json:"score"`

	words string // the name in a sentence
}

// BestMixture is the name of the mixture with the highest S.
const BestMixture = "best mixture by S"

// ForecastMixes forecasts training on mixtures: most of the hybrids, in equal parts,
// and mixture if it is not nil. The hybrids are those whose members gain most on their
// own. The mixture with the highest gain comes first. There are none for a ranking
// without forecasts, or for a race, whose samples are of different queries.
func ForecastMixes(ctx context.Context, ranking *eci.Ranking, hybrids []eci.Hybrid, mixture *eci.Mixture, most int) ([]Mix, error) {
	if ranking.Lookahead == nil || ranking.Race != nil {
		return nil, nil
	}
	promise := func(h eci.Hybrid) (sum float64) {
		for _, name := range h.Sources {
			if s, ok := ranking.Find(name); ok {
				sum += s.Forecast.Gain / float64(len(h.Sources))
			}
		}
		return sum
	}
	hybrids = slices.Clone(hybrids)
	slices.SortStableFunc(hybrids, func(a, b eci.Hybrid) int { return cmp.Compare(promise(b), promise(a)) })
	var mixes []Mix
	for _, h := range hybrids[:min(most, len(hybrids))] {
		m := Mix{Name: strings.Join(h.Sources, " + "), Sources: h.Sources, Score: h.Score}
		m.words = m.Name + " in equal parts"
		for range h.Sources {
			m.Shares = append(m.Shares, 1/float64(len(h.Sources)))
		}
		mixes = append(mixes, m)
	}
	if mixture != nil {
		m := Mix{Name: BestMixture, words: "the best mixture by S", Score: mixture.Score}
		for _, w := range mixture.Weights {
			if w.Weight > 0 {
				m.Sources, m.Shares = append(m.Sources, w.Source), append(m.Shares, w.Weight)
			}
		}
		mixes = append(mixes, m)
	}
	best := ranking.Best().Forecast
	for i := range mixes {
		m := &mixes[i]
		shares := make(map[string]float64)
		for k, name := range m.Sources {
			shares[name] = m.Shares[k]
		}
		f, err := ranking.ForecastMix(ctx, shares)
		if err != nil {
			return nil, err
		}
		m.Forecast, m.Over = f, f.Over(best)
		m.Gain, m.Low, m.High = f.Gain, f.Low, f.High
	}
	slices.SortStableFunc(mixes, func(a, b Mix) int { return cmp.Compare(b.Forecast.Gain, a.Forecast.Gain) })
	return mixes, nil
}

// MixSentence says whether mixing is shown to be better than the source that is ranked
// first. It is empty without mixtures.
func MixSentence(ranking *eci.Ranking, mixes []Mix) string {
	if len(mixes) == 0 {
		return ""
	}
	best, unit := ranking.Best().Source, ranking.Lookahead.Unit()
	m := mixes[0]
	for _, x := range mixes {
		if x.Over != nil && x.Over.Low > 0 {
			m = x
			break
		}
	}
	figures := fmt.Sprintf("%s promises %s %s", m.words, Signed(m.Forecast.Gain), unit)
	if m.Over == nil {
		return figures + "."
	}
	figures += fmt.Sprintf(", %s (%s to %s) over %s alone", Signed(m.Over.Value), Signed(m.Over.Low), Signed(m.Over.High), best)
	if m.Over.Low > 0 {
		return fmt.Sprintf("Mixing may pay: %s. It is the best of %d forecasts, so expect a little less.", figures, len(mixes))
	}
	return fmt.Sprintf("No mixture is shown to be better than %s alone: %s.", best, figures)
}

// Signed formats a change of the metric with its sign.
func Signed(v float64) string { return fmt.Sprintf("%+.3f", v) }
