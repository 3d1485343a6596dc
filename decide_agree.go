package eci

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"text/tabwriter"

	"example.com/eci/internal/sorted"
	"example.com/eci/internal/stat"
)

// ErrOutcome is the error of [Agree] and [ReadOutcomes] for outcomes that cannot
// be used.
var ErrOutcome = errors.New("unusable outcomes")

// Outcome is the measured value of training on one source, such as the change of
// nDCG@10 on held-out queries. Higher is better. Any unit will do.
// It is safe for concurrent use as long as no goroutine changes it.
type Outcome struct {
	Source string
	Value  float64
	// StandardError is the standard error of Value over queries and seeds, at least 0.
	// 0 means that the value is exact.
	StandardError float64
}

// UnknownSourceError reports outcomes of sources that a ranking does not have.
// It is safe for concurrent use as long as no goroutine changes it.
type UnknownSourceError struct {
	// Unknown lists the names with an outcome and no score. Have lists those with a
	// score.
	Unknown, Have []string
}

// Error returns a message with both lists.
func (e *UnknownSourceError) Error() string {
	return fmt.Sprintf("eci: agreement: %v for %s, which the ranking does not have; it has %s",
		ErrOutcome, strings.Join(e.Unknown, ", "), strings.Join(e.Have, ", "))
}

// Unwrap returns ErrOutcome.
func (e *UnknownSourceError) Unwrap() error { return ErrOutcome }

// AgreeOptions are the settings of [Agree]. The zero value is the default.
// It is safe for concurrent use as long as no goroutine changes it.
type AgreeOptions struct {
	// Resamples is the number of bootstrap samples. 0 means 2000.
	Resamples int
	// Seed is that of the generator (PCG) that draws them.
	Seed uint64
	// DifferenceError returns the standard error of the difference of the outcomes of
	// two sources, at least 0 and finite. Outcomes measured on the same queries are
	// not independent and need it. nil means sqrt(SE_a^2 + SE_b^2).
	DifferenceError func(a, b string) float64
}

// Agreement says how far a ranking and each of its baselines agree with measured
// outcomes of training.
// It is safe for concurrent use as long as no goroutine changes it.
type Agreement struct {
	// Sources lists the names with both a score and an outcome, best outcome first,
	// ties by name.
	Sources []string `json:"sources"`
	// Significant is the number of pairs of sources whose outcomes differ
	// significantly, of len(Sources) (len(Sources)-1)/2.
	Significant int `json:"significant_pairs"`
	// Measures starts with the ranking's own score. Its baselines follow in the order
	// of [Measures].
	Measures []Concordance `json:"measures"`
	// Notes say in plain words what a reader should know before acting on this.
	Notes []string `json:"notes"`
}

// Concordance compares the values of one measure with the outcomes.
// It is safe for concurrent use as long as no goroutine changes it.
type Concordance struct {
	Measure string `json:"measure"`
	// Tau is Kendall's tau-b. Rho is Spearman's rank correlation, with average ranks
	// for ties. Both are in [-1, 1], and 0 if either side is constant.
	Tau Estimate `json:"tau_b"`
	Rho Estimate `json:"rho"`
	// Accuracy is the share of the significant pairs that the measure orders as the
	// outcomes do. A tie counts half. It is 0 if there are no such pairs.
	Accuracy Estimate `json:"pairwise_accuracy"`
	// Lead is the tau-b of the ranking's score minus that of this measure, over the
	// same bootstrap samples. It is 0 for the score itself.
	Lead Estimate `json:"lead"`
}

// Estimate is a figure with its 95% bootstrap interval.
// It is safe for concurrent use as long as no goroutine changes it.
type Estimate struct {
	Value, Low, High float64
}

// MarshalJSON writes the value and its interval.
func (e Estimate) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Value    float64    `json:"value"`
		Interval [2]float64 `json:"interval"`
	}{e.Value, [2]float64{e.Low, e.High}})
}

// UnmarshalJSON reads what MarshalJSON wrote; on an error e is unchanged.
func (e *Estimate) UnmarshalJSON(data []byte) error {
	var in struct {
		Value    float64
		Interval [2]float64
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("eci: estimate: %w: %w", ErrFormat, err)
	}
	*e = Estimate{in.Value, in.Interval[0], in.Interval[1]}
	return nil
}

// Agree compares a ranking with measured outcomes of at least three of its
// sources. It leaves out sources without an outcome and lists them in a note.
//
// Two outcomes differ significantly if |a - b| > 1.96 SE, a two-sided test of each
// pair at the 5% level. SE is that of independent errors, sqrt(SE_a^2 + SE_b^2),
// unless DifferenceError is set. Outcomes measured on the same queries are usually
// positively correlated. Then the SE of independent errors is too large, and some
// pairs that differ are missed.
//
// Intervals are percentiles of the bootstrap over sources. A resample draws as many
// sources with replacement. It does not count for a figure that is undefined for
// it, because one side is constant or no pair is significant. Intervals say how a
// figure would vary over other sources of the same kind, not how it varies with the
// noise of the outcomes. With fewer than about ten sources they are wide and rough.
// All measures use the same resamples.
//
// Agree returns an [UnknownSourceError] for an outcome of an unknown source. It
// returns ErrOutcome for a source given twice, a value that is not finite, a
// standard error that is negative or not finite, or fewer than three sources.
func Agree(ranking *Ranking, outcomes []Outcome, options AgreeOptions) (*Agreement, error) {
	if ranking == nil {
		return nil, fmt.Errorf("eci: agreement: %w: the ranking is nil", ErrSettings)
	}
	for i, s := range ranking.Ranked {
		if s.Score == nil {
			return nil, fmt.Errorf("eci: agreement: %w: ranked source %d has no score", ErrSettings, i+1)
		}
	}
	if options.Resamples == 0 {
		options.Resamples = 2000
	}
	const maxResamples = 1_000_000
	if options.Resamples < 0 || options.Resamples > maxResamples {
		return nil, fmt.Errorf("eci: agreement: %w: %d resamples are not in 1..%d", ErrSettings, options.Resamples, maxResamples)
	}
	outcomes = slices.Clone(outcomes)
	if err := ranking.checkOutcomes(outcomes); err != nil {
		return nil, err
	}
	slices.SortFunc(outcomes, func(a, b Outcome) int {
		return cmp.Or(cmp.Compare(b.Value, a.Value), cmp.Compare(a.Source, b.Source))
	})
	a := &Agreement{Notes: []string{}}
	scores := make([]*Score, len(outcomes))
	measured := make([]float64, len(outcomes))
	for i, o := range outcomes {
		ranked, _ := ranking.Find(o.Source)
		scores[i], measured[i] = ranked.Score, o.Value
		a.Sources = append(a.Sources, o.Source)
	}
	names, values := ranking.measureValues(scores)
	pairs, err := options.significantPairs(outcomes)
	if err != nil {
		return nil, err
	}
	for _, row := range pairs {
		for _, differ := range row {
			if differ {
				a.Significant++
			}
		}
	}
	a.note(ranking, measured, names, values, pairs)
	a.Measures = options.concordances(names, values, measured, pairs)
	return a, nil
}

func (r *Ranking) checkOutcomes(outcomes []Outcome) error {
	// leastCommon is the fewest sources that an order can be compared on: with two
	// there is one pair and every figure is 0 or 1.
	const leastCommon = 3
	fail := func(format string, args ...any) error {
		return fmt.Errorf("eci: agreement: %w: "+format, append([]any{ErrOutcome}, args...)...)
	}
	seen := make(map[string]bool, len(outcomes))
	unknown := &UnknownSourceError{}
	for _, o := range outcomes {
		switch {
		case seen[o.Source]:
			return fail("source %q has two outcomes", o.Source)
		case math.IsNaN(o.Value) || math.IsInf(o.Value, 0):
			return fail("the outcome of %q is %v", o.Source, o.Value)
		case !(o.StandardError >= 0) || math.IsInf(o.StandardError, 0):
			return fail("the standard error of %q is %v; it must be finite and at least 0", o.Source, o.StandardError)
		}
		seen[o.Source] = true
		if _, ok := r.Find(o.Source); !ok {
			unknown.Unknown = append(unknown.Unknown, o.Source)
		}
	}
	if len(unknown.Unknown) > 0 {
		for _, s := range r.Ranked {
			unknown.Have = append(unknown.Have, s.Source)
		}
		slices.Sort(unknown.Unknown)
		slices.Sort(unknown.Have)
		return unknown
	}
	if len(outcomes) < leastCommon {
		return fail("%d of the %d ranked sources have one; an order needs at least %d", len(outcomes), len(r.Ranked), leastCommon)
	}
	return nil
}

// measureValues returns what the sources are ranked by, S where that is the forecast,
// and those baselines that every source has, by measure and then by source.
func (r *Ranking) measureValues(scores []*Score) (names []string, values [][]float64) {
	scorer := r.Scorer
	own := make([]float64, len(scores))
	shared := make(map[string]int)
	for i, s := range scores {
		own[i] = s.figure().value
		for name := range s.Baselines {
			shared[name]++
		}
	}
	names, values = []string{scorer}, [][]float64{own}
	if !slices.ContainsFunc(scores, func(s *Score) bool { return s.Forecast == nil }) {
		information := make([]float64, len(scores))
		for i, s := range scores {
			information[i] = s.Value
		}
		names, values = append(names, new(Sem).Name()), append(values, information)
		delete(shared, names[1])
	}
	take := func(name string) {
		all := shared[name] == len(scores) && name != scorer
		delete(shared, name)
		if !all {
			return
		}
		column := make([]float64, len(scores))
		for i, s := range scores {
			column[i] = s.Baselines[name]
		}
		names, values = append(names, name), append(values, column)
	}
	for _, m := range Measures() {
		take(m.Name)
	}
	for _, name := range sorted.Keys(shared) {
		take(name)
	}
	return names, values
}

// significantPairs marks the pairs i < j whose outcomes differ at the 5% level;
// outcomes are in descending order, so i is the better one.
func (o *AgreeOptions) significantPairs(outcomes []Outcome) ([][]bool, error) {
	const twoSided5 = 1.959963984540054 // normal quantile at 0.975
	pairs := make([][]bool, len(outcomes))
	for i, a := range outcomes {
		pairs[i] = make([]bool, len(outcomes))
		for j := i + 1; j < len(outcomes); j++ {
			b := outcomes[j]
			standardError := math.Hypot(a.StandardError, b.StandardError)
			if o.DifferenceError != nil {
				standardError = o.DifferenceError(a.Source, b.Source)
			}
			if !(standardError >= 0) {
				return nil, fmt.Errorf("eci: agreement: %w: DifferenceError(%q, %q) is %v", ErrSettings, a.Source, b.Source, standardError)
			}
			pairs[i][j] = a.Value-b.Value > twoSided5*standardError
		}
	}
	return pairs, nil
}

// concordances takes every figure over all sources and over the resamples.
func (o *AgreeOptions) concordances(names []string, values [][]float64, measured []float64, pairs [][]bool) []Concordance {
	n := len(measured)
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	list := make([]Concordance, len(names))
	draws := make([][4][]float64, len(names)) // by measure: tau, rho, accuracy, lead
	for k, name := range names {
		c := &list[k]
		c.Measure = name
		c.Tau.Value, _ = stat.TauB(values[k], measured)
		c.Rho.Value, _ = stat.Spearman(values[k], measured)
		c.Accuracy.Value, _ = stat.PairAccuracy(values[k], pairs, all)
		c.Lead.Value = list[0].Tau.Value - c.Tau.Value
	}
	random := rand.New(rand.NewPCG(o.Seed, 0x9e3779b97f4a7c15))
	draw, x, y := make([]int, n), make([]float64, n), make([]float64, n)
	for range o.Resamples {
		for i := range draw {
			draw[i] = random.IntN(n)
			y[i] = measured[draw[i]]
		}
		var first float64
		var firstOK bool
		for k := range names {
			for i, from := range draw {
				x[i] = values[k][from]
			}
			keep := func(figure int, value float64, ok bool) {
				if ok {
					draws[k][figure] = append(draws[k][figure], value)
				}
			}
			tau, ok := stat.TauB(x, y)
			if k == 0 {
				first, firstOK = tau, ok
			}
			keep(0, tau, ok)
			keep(3, first-tau, ok && firstOK)
			rho, ok := stat.Spearman(x, y)
			keep(1, rho, ok)
			share, ok := stat.PairAccuracy(values[k], pairs, draw)
			keep(2, share, ok)
		}
	}
	for k := range list {
		c := &list[k]
		for figure, e := range []*Estimate{&c.Tau, &c.Rho, &c.Accuracy, &c.Lead} {
			e.Low, e.High = stat.Percentiles(draws[k][figure], e.Value)
		}
	}
	return list
}

// note fills in Notes.
func (a *Agreement) note(ranking *Ranking, measured []float64, names []string, values [][]float64, pairs [][]bool) {
	say := func(format string, args ...any) { a.Notes = append(a.Notes, fmt.Sprintf(format, args...)) }
	var without, dropped []string
	for _, s := range ranking.Ranked {
		if !slices.Contains(a.Sources, s.Source) {
			without = append(without, s.Source)
		} else if s.Dropped > 0 {
			dropped = append(dropped, s.Source)
		}
	}
	slices.Sort(without)
	if len(without) > 0 {
		say("left out, because they have no outcome: %s", strings.Join(without, ", "))
	}
	if len(dropped) > 0 {
		say("a race dropped %s: their scores are projected, and their baselines come from fewer triples", strings.Join(dropped, ", "))
	}
	constant := func(x []float64) bool { return slices.Min(x) == slices.Max(x) }
	if constant(measured) {
		say("all outcomes are equal, so no order agrees or disagrees with them; tau-b and rho are 0")
	}
	for k, name := range names {
		if constant(values[k]) {
			say("%s is the same for all sources; its tau-b and rho are 0", name)
		}
	}
	if a.Significant == 0 {
		say("no two outcomes differ significantly, so there are no pairs to be right about; measure with more queries or seeds")
	}
	if n := a.Significant; n > 0 && n < 5 {
		say("only %d of the pairs of outcomes differ significantly: the share of pairs right and its interval say little", n)
	}
	if n := len(a.Sources); n < 10 {
		say("%d sources are few: the intervals are rough", n)
	}
}

// String returns the agreement as a table for people, followed by the notes.
func (a *Agreement) String() string {
	var out strings.Builder
	n := len(a.Sources)
	fmt.Fprintf(&out, "%d sources, %d of %d pairs of outcomes differ significantly\n", n, a.Significant, n*(n-1)/2)
	t := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "measure\ttau-b\t95% interval\trho\t95% interval\tpairs right\t95% interval\tlead in tau-b\t95% interval\t")
	for k, c := range a.Measures {
		fmt.Fprintf(t, "%s\t", c.Measure)
		for _, cell := range []struct {
			e    Estimate
			none bool
		}{{c.Tau, false}, {c.Rho, false}, {c.Accuracy, a.Significant == 0}, {c.Lead, k == 0}} {
			if cell.none {
				fmt.Fprint(t, "-\t-\t")
				continue
			}
			fmt.Fprintf(t, "%.2f\t%.2f to %.2f\t", cell.e.Value, cell.e.Low, cell.e.High)
		}
		fmt.Fprintln(t)
	}
	t.Flush()
	for _, note := range a.Notes {
		out.WriteString("note: " + note + "\n")
	}
	return out.String()
}
