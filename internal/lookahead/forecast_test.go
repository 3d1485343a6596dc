package lookahead_test

import (
	"maps"
	"math"
	"slices"
	"testing"

	"example.com/eci"
	"example.com/eci/internal/syrk"
)

// An outcome is what training on each source measured, with the pairs [better,
// worse] that differ significantly.
type outcome struct {
	gain, standardError map[string]float64
	significant         [][2]string
}

// outcomes reads downstream.json and finetuned.json. The first has no paired
// errors: there two sources differ if they do by more than two standard errors of
// the difference of independent means, which is more than it takes.
func outcomes(t *testing.T, collection string) map[string]outcome {
	all := map[string]outcome{}
	var adapters struct {
		Sources map[string]map[string]struct{ Mean, SE float64 } `json:"sources"`
		Longer  map[string]map[string]struct{ Mean, SE float64 } `json:"sources_64_steps"`
	}
	readJSON(t, collection+"/downstream.json", &adapters)
	for suffix, sources := range map[string]map[string]map[string]struct{ Mean, SE float64 }{"": adapters.Sources, ", 64 steps": adapters.Longer} {
		for _, loss := range []string{"exp", "inb8"} {
			o := outcome{gain: map[string]float64{}, standardError: map[string]float64{}}
			for name, losses := range sources {
				o.gain[name], o.standardError[name] = losses[loss].Mean, losses[loss].SE
			}
			for a, gain := range o.gain {
				for b, other := range o.gain {
					if gain-other > 2*math.Hypot(o.standardError[a], o.standardError[b]) {
						o.significant = append(o.significant, [2]string{a, b})
					}
				}
			}
			if len(o.gain) > 0 {
				all["adapter, "+loss+suffix] = o
			}
		}
	}
	if collection != "pubmedqa" {
		return all
	}
	type tuned struct {
		Gain        map[string][2]float64 `json:"gain"`
		Significant [][2]string           `json:"significant"`
	}
	var encoders struct {
		Explicit tuned `json:"explicit"`
		InBatch  tuned `json:"in_batch"`
	}
	readJSON(t, collection+"/finetuned.json", &encoders)
	for name, e := range map[string]tuned{"encoder, explicit": encoders.Explicit, "encoder, in batch": encoders.InBatch} {
		o := outcome{gain: map[string]float64{}, significant: e.Significant}
		for source, gain := range e.Gain {
			o.gain[source] = gain[0]
		}
		all[name] = o
	}
	return all
}

// agreement returns Kendall's tau-a of a forecast with the outcome over the
// sources that have both, how many significant pairs it puts in the right order,
// and their number.
func (o outcome) agreement(forecast map[string]float64) (tau float64, right, pairs int) {
	var concordant, all float64
	for a, x := range forecast {
		for b, y := range forecast {
			ga, ok := o.gain[a]
			gb, also := o.gain[b]
			if !ok || !also || a >= b {
				continue
			}
			all++
			if product := (x - y) * (ga - gb); product > 0 {
				concordant++
			} else if product < 0 {
				concordant--
			}
		}
	}
	for _, pair := range o.significant {
		better, ok := forecast[pair[0]]
		worse, also := forecast[pair[1]]
		if !ok || !also {
			continue
		}
		pairs++
		if better > worse {
			right++
		}
	}
	return concordant / all, right, pairs
}

// The forecasts agree with what training measured as the evidence says. All
// triples are used, and the corpus is the pool.
func TestForecastsAgreeWithTraining(t *testing.T) {
	for _, c := range []struct {
		collection string
		// The least right among the significant pairs, and the least tau, by
		// condition. What is not named is logged only: there sources hardly differ.
		least map[string]float64
	}{
		{"cranfield", map[string]float64{"adapter, exp": 0.8}},
		{"pubmedqa", map[string]float64{"adapter, exp": 1, "encoder, explicit": 1, "encoder, in batch": 1}},
	} {
		t.Run(c.collection, func(t *testing.T) {
			data := openCollection(t, c.collection)
			if syrk.Name() == "generic" {
				t.Skip("minutes with the portable kernel")
			}
			forecasts := map[string]map[string]float64{
				"Lookahead":   data.forecast(t),
				"S":           data.reported(t),
				"1 - overlap": data.disjoint(t),
			}
			found := outcomes(t, c.collection)
			for _, condition := range slices.Sorted(maps.Keys(found)) {
				for _, name := range []string{"Lookahead", "S", "1 - overlap"} {
					tau, right, pairs := found[condition].agreement(forecasts[name])
					t.Logf("%-22s %-12s tau %5.2f, %2d of %2d significant pairs", condition, name, tau, right, pairs)
					if least := c.least[condition]; name == "Lookahead" && (float64(right) < least*float64(pairs) || pairs == 0 && least > 0) {
						t.Errorf("%s: %d of %d pairs are right", condition, right, pairs)
					}
				}
			}
		})
	}
}

// forecast looks ahead from all sources.
func (c *collection) forecast(t *testing.T) map[string]float64 {
	t.Helper()
	gains := map[string]float64{}
	for name := range c.sources {
		gains[name] = c.lab(t, "corpus").walk(t, name, c.source(name)).Gain
	}
	return gains
}

// reported returns S of the reference.
func (c *collection) reported(t *testing.T) map[string]float64 {
	var reference struct {
		Scores map[string]struct{ Score float64 } `json:"scores"`
	}
	readJSON(t, c.name+"/reference.json", &reference)
	scores := map[string]float64{}
	for name, s := range reference.Scores {
		scores[name] = s.Score
	}
	return scores
}

// disjoint returns the mean 1 - overlap of positive and negative, with document
// frequencies of the distinct positives.
func (c *collection) disjoint(t *testing.T) map[string]float64 {
	lexicon := eci.NewLexicon(nil)
	seen := map[string]bool{}
	for _, triples := range c.sources {
		for _, triple := range triples {
			if !seen[triple.PositiveText] {
				seen[triple.PositiveText] = true
				lexicon.Add(triple.PositiveText)
			}
		}
	}
	means := map[string]float64{}
	for name, triples := range c.sources {
		for _, triple := range triples {
			means[name] += (1 - lexicon.Overlap(triple.PositiveText, triple.NegativeText)) / float64(len(triples))
		}
	}
	return means
}
