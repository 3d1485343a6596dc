package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"slices"

	"example.com/eci/internal/stat"
)

// studied is what is known of the sources of one collection: testdata/evidence has
// the meaning of the fields.
type studied struct {
	Queries  int                     `json:"queries"`
	Sources  map[string]numbers      `json:"sources"`
	Outcomes map[string]measuredGain `json:"outcomes"`
}

// numbers are what was computed for a source before any training.
type numbers struct {
	Lookahead    float64    `json:"lookahead"`
	Curve        [3]float64 `json:"lookahead_curve"`
	Positives    float64    `json:"lookahead_positives"`
	OwnLabels    float64    `json:"lookahead_own_labels"`
	Disjoint     float64    `json:"disjoint"`
	Sem          float64    `json:"sem"`
	SemTogether  float64    `json:"sem_ranked_together"`
	Hardness     float64    `json:"hardness"`
	UniqueShares float64    `json:"unique"`
}

// measuredGain is what training on every source was measured to be worth.
type measuredGain struct {
	Gain          map[string]float64 `json:"gain"`
	StandardError map[string]float64 `json:"standard_error"`
	Frozen        float64            `json:"frozen"`
	Significant   [][2]string        `json:"significant"` // better, worse
}

// pairedGain is a gain with its standard error, as in target.json and finetuned.json.
type pairedGain = map[string][2]float64

type finetuned struct {
	Gain        pairedGain  `json:"gain"`
	Significant [][2]string `json:"significant"`
}

// targeted is what training sets of other collections do for one.
type targeted struct {
	Lookahead   pairedGain             `json:"lookahead"`
	Gain        map[string]pairedGain  `json:"gain"`        // by loss
	Significant map[string][][2]string `json:"significant"` // by loss
}

// evidence is everything that is committed.
type evidence struct {
	collections, second map[string]studied
	targets             map[string]targeted
	finetuned           map[string]finetuned // by loss
}

func readEvidence(files fs.FS) (*evidence, error) {
	e := &evidence{}
	for name, into := range map[string]any{
		"collections.json": &e.collections, "collections_wv.json": &e.second,
		"target.json": &e.targets, "finetuned.json": &e.finetuned,
	} {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(raw, into); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return e, nil
}

// conditions are the ways of training, in the order of the tables.
var conditions = []string{"explicit_4_epochs", "in_batch_4_epochs", "explicit_64_steps", "in_batch_64_steps"}

// losses are those of the fine-tuning and of the targets.
var losses = []string{"explicit", "in_batch"}

// compared is a number that sources can be ordered by before any training.
type compared struct {
	key, name string
	of        func(numbers) float64
	forecast  bool // in the unit of the gain, with its sign
}

var measures = []compared{
	{"lookahead", "Lookahead", func(n numbers) float64 { return n.Lookahead }, true},
	{"positives", "Lookahead, positives as pool", func(n numbers) float64 { return n.Positives }, true},
	{"own labels", "Lookahead, own labels alone", func(n numbers) float64 { return n.OwnLabels }, true},
	{"disjoint", "1 − overlap", func(n numbers) float64 { return n.Disjoint }, false},
	{"S", "S", func(n numbers) float64 { return n.Sem }, false},
	{"S together", "S, scales from all sources", func(n numbers) float64 { return n.SemTogether }, false},
	{"hardness", "mean hardness", func(n numbers) float64 { return n.Hardness }, false},
	{"unique", "unique negatives", func(n numbers) float64 { return n.UniqueShares }, false},
}

// ordered is the outcome of one condition, sources by descending gain.
type ordered struct {
	names       []string
	gain        []float64
	pairs       [][]bool
	significant int
}

func order(gain map[string]float64, significant [][2]string) (*ordered, error) {
	o := &ordered{significant: len(significant)}
	o.names = slices.SortedFunc(maps.Keys(gain), func(a, b string) int {
		return cmp.Or(cmp.Compare(gain[b], gain[a]), cmp.Compare(a, b))
	})
	at := make(map[string]int)
	for i, name := range o.names {
		at[name] = i
		o.gain = append(o.gain, gain[name])
		o.pairs = append(o.pairs, make([]bool, len(o.names)))
	}
	for _, p := range significant {
		better, ok := at[p[0]]
		worse, known := at[p[1]]
		if !ok || !known || better >= worse || o.pairs[better][worse] {
			return nil, fmt.Errorf("significant pair %v: twice, of an unknown source, or the worse one first", p)
		}
		o.pairs[better][worse] = true
	}
	return o, nil
}

// values returns the numbers of a measure in the order of the outcomes.
func (o *ordered) values(of func(name string) float64) []float64 {
	x := make([]float64, len(o.names))
	for i, name := range o.names {
		x[i] = of(name)
	}
	return x
}

// right is the number of significant pairs that x puts in the right order, ties
// half.
func (o *ordered) right(x []float64) float64 {
	all := make([]int, len(x))
	for i := range all {
		all[i] = i
	}
	share, _ := stat.PairAccuracy(x, o.pairs, all)
	return math.Round(2*share*float64(o.significant)) / 2
}

// share counts what is right of what there is.
type share struct{ right, of float64 }

func (s *share) add(right, of float64) { s.right += right; s.of += of }
func (s share) value() float64         { return s.right / s.of }

// agreementOf returns the agreement of one measure with the outcomes of a study.
type agreementOf struct {
	tau          map[string][]float64 // by condition, of every collection by name
	pairs        share                // over everything
	byCondition  map[string]*share
	byCollection map[string]*share
	conditions   []float64 // share of right pairs in every collection and condition
	signs        share     // of gains beyond two standard errors
}

// compare a measure with the outcomes of all collections.
func compare(study map[string]studied, m compared) (*agreementOf, error) {
	a := &agreementOf{tau: make(map[string][]float64), byCondition: make(map[string]*share), byCollection: make(map[string]*share)}
	for _, name := range slices.Sorted(maps.Keys(study)) {
		c := study[name]
		a.byCollection[name] = &share{}
		for _, condition := range conditions {
			g, ok := c.Outcomes[condition]
			if !ok {
				continue
			}
			if a.byCondition[condition] == nil {
				a.byCondition[condition] = &share{}
			}
			o, err := order(g.Gain, g.Significant)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", name, condition, err)
			}
			x := o.values(func(source string) float64 { return m.of(c.Sources[source]) })
			tau, _ := stat.TauB(x, o.gain)
			a.tau[condition] = append(a.tau[condition], tau)
			right := o.right(x)
			for _, s := range []*share{&a.pairs, a.byCondition[condition], a.byCollection[name]} {
				s.add(right, float64(o.significant))
			}
			a.conditions = append(a.conditions, right/float64(o.significant))
			for i, source := range o.names {
				if math.Abs(o.gain[i]) > 2*g.StandardError[source] {
					a.signs.add(sameSign(x[i], o.gain[i]), 1)
				}
			}
		}
	}
	return a, nil
}

func sameSign(x, y float64) float64 {
	if x*y > 0 {
		return 1
	}
	return 0
}

func mean(x []float64) (sum float64) {
	for _, v := range x {
		sum += v / float64(len(x))
	}
	return sum
}

// pearson is the correlation of x and y.
func pearson(x, y []float64) float64 {
	mx, my := mean(x), mean(y)
	var xy, xx, yy float64
	for i := range x {
		xy += (x[i] - mx) * (y[i] - my)
		xx += (x[i] - mx) * (x[i] - mx)
		yy += (y[i] - my) * (y[i] - my)
	}
	return xy / math.Sqrt(xx*yy)
}
