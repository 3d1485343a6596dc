package eci

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestVerdictOnPaper: cases in which an engineer with one training run would be
// right, or wrong, to act. Gains are means of 400 queries with a spread that makes
// the half width of an interval about .010, of a difference about .004.
func TestVerdictOnPaper(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const queries = 400
	common := make([]float64, queries)
	for x := range common {
		common[x] = 0.1 * random.NormFloat64()
	}
	forecast := func(curve ...float64) *Forecast {
		gains := make([][]float64, queries)
		var shift [3]float64
		for x := range gains {
			gains[x] = make([]float64, 3)
			own := 0.03 * random.NormFloat64()
			for k := range gains[x] {
				gains[x][k] = common[x] + own
				shift[k] += gains[x][k] / queries
			}
		}
		for x := range gains { // the means are exact
			for k := range gains[x] {
				gains[x][k] += curve[k] - shift[k]
			}
		}
		f := &Forecast{Triples: 512}
		f.take(gains, nil)
		return f
	}
	flat := func(gain float64) *Forecast { return forecast(gain, gain, gain) }
	source := func(name string, f *Forecast, overRandom, auc float64) Ranked {
		if !math.IsNaN(overRandom) {
			f.Random = &Difference{Value: overRandom, StandardError: 0.003, Low: overRandom - 0.006, High: overRandom + 0.006}
		}
		s := &Score{Source: name, Forecast: f}
		if auc > 0 {
			s.Artifact = &Artifact{AUC: auc, Triples: 100, Rows: []ArtifactRow{{Row: 1}}}
		}
		return Ranked{Score: s}
	}
	for _, test := range []struct {
		reason  string
		ranked  []Ranked
		doubts  []string
		action  Action
		sources []string
		says    []string
	}{
		{"a clear winner", []Ranked{source("dense", flat(.052), .02, .6), source("bm25", flat(.03), .01, .5)}, nil,
			ActionTrain, []string{"dense"}, []string{"Train on dense", "+0.052", "0.020 more than random documents"}},
		{"two as good as one another", []Ranked{source("dense", flat(.052), .02, .6), source("bm25", flat(.051), .02, .5)}, nil,
			ActionTrain, []string{"dense", "bm25"}, []string{"No difference is shown to bm25"}},
		{"nothing beats random documents", []Ranked{source("dense", flat(.052), .001, .6), source("bm25", flat(.03), -.02, .5)}, nil,
			ActionRandom, nil, []string{"Random negatives do as well", "Take random documents"}},
		{"the second beats random and the first does not", []Ranked{source("dense", flat(.052), .001, .6), source("bm25", flat(.05), .02, .5)}, nil,
			ActionTrain, []string{"bm25"}, []string{"Train on bm25", "dense promises more", "not shown to beat"}},
		{"the best has an artifact", []Ranked{source("llm", flat(.08), .05, .97), source("bm25", flat(.05), .02, .5)}, nil,
			ActionTrain, []string{"bm25"}, []string{"Train on bm25", "llm promises more", "0.97"}},
		{"all have one", []Ranked{source("llm", flat(.08), .05, .97)}, nil,
			ActionNone, nil, []string{"Trust none"}},
		{"all harm", []Ranked{source("a", flat(-.02), -.05, .5), source("b", flat(-.04), -.05, .5)}, nil,
			ActionNone, nil, []string{"even the best, a, would cost 0.020", "would harm: a", "in-batch"}},
		{"none is shown to help", []Ranked{source("a", flat(.004), .003, .5)}, nil,
			ActionNone, nil, []string{"None of these is shown to help", "+0.004"}},
		{"the best overtrains", []Ranked{source("dense", forecast(.09, .16, .05), .03, .6)}, nil,
			ActionTrain, []string{"dense"}, []string{"overtrains", "stop early"}},
		{"without controls", []Ranked{source("dense", flat(.052), math.NaN(), 0)}, nil,
			ActionTrain, []string{"dense"}, []string{"Train on dense: +0.052"}},
		{"too few queries", []Ranked{source("dense", flat(.052), .02, .6)}, []string{"20 labeled queries are too few"},
			ActionUnknown, nil, []string{"No verdict: 20 labeled queries"}},
	} {
		v := (&Ranking{Ranked: test.ranked}).judge("nDCG@10", test.doubts)
		if v.Action != test.action || !slices.Equal(v.Sources, test.sources) {
			t.Errorf("%s: %+v", test.reason, v)
		}
		all := v.Sentence + " " + strings.Join(v.Warnings, " ")
		for _, part := range test.says {
			if !strings.Contains(all, part) {
				t.Errorf("%s: want %q in %q", test.reason, part, all)
			}
		}
	}
	if new(Ranking).judge("nDCG@10", nil) != nil || (&Ranking{Ranked: []Ranked{{Score: &Score{}}}}).judge("nDCG@10", nil) != nil {
		t.Error("a verdict without forecasts")
	}
}
