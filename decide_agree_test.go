package eci

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"example.com/eci/internal/sorted"
	"example.com/eci/internal/stat"
)

// ranked makes a ranking of sources a, b, c... with these scores and a baseline
// of the opposite order.
func ranked(scores ...float64) *Ranking {
	r := &Ranking{Scorer: "eci"}
	for i, s := range scores {
		r.Ranked = append(r.Ranked, Ranked{Rank: i + 1, Score: &Score{
			Source: string(rune('a' + i)), Value: s,
			Baselines: map[string]float64{"disjoint": -s, "unique": 1, "own": s * s * s},
		}})
	}
	return r
}

func outcomesOf(se float64, values ...float64) []Outcome {
	var list []Outcome
	for i, v := range values {
		list = append(list, Outcome{string(rune('a' + i)), v, se})
	}
	return list
}

// TestAgreeByHand: outcomes 4, 3, 2.9, 0 with standard errors 0.5: a difference
// is significant above 1.96 * 0.7071 = 1.386, so all pairs with d and none of
// the others (4 - 2.9 = 1.1). The score puts d above c.
func TestAgreeByHand(t *testing.T) {
	a, err := Agree(ranked(10, 9, 3, 4), outcomesOf(0.5, 4, 3, 2.9, 0), AgreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(a.Sources, []string{"a", "b", "c", "d"}) || a.Significant != 3 {
		t.Errorf("sources %v, %d significant", a.Sources, a.Significant)
	}
	var names []string
	for _, c := range a.Measures {
		names = append(names, c.Measure)
		for _, e := range []Estimate{c.Tau, c.Rho, c.Accuracy, c.Lead} {
			if !(e.Low <= e.Value && e.Value <= e.High) {
				t.Errorf("%s: %+v", c.Measure, c)
			}
		}
	}
	if !slices.Equal(names, []string{"eci", "unique", "disjoint", "own"}) {
		t.Errorf("measures %v: want the score, the baselines in the order of Measures, others by name", names)
	}
	// Of six pairs five agree and one does not; rho = 1 - 6*2/(4*15).
	own, constant, opposite := a.Measures[0], a.Measures[1], a.Measures[2]
	for _, row := range []struct {
		what      string
		got, want float64
	}{
		{"tau", own.Tau.Value, 4. / 6}, {"rho", own.Rho.Value, 0.8}, {"accuracy", own.Accuracy.Value, 2. / 3}, {"lead", own.Lead.Value, 0},
		{"constant tau", constant.Tau.Value, 0}, {"constant rho", constant.Rho.Value, 0}, {"constant accuracy", constant.Accuracy.Value, 0.5}, {"constant lead", constant.Lead.Value, 4. / 6},
		{"opposite tau", opposite.Tau.Value, -4. / 6}, {"opposite accuracy", opposite.Accuracy.Value, 1. / 3}, {"opposite lead", opposite.Lead.Value, 8. / 6},
		{"monotone", a.Measures[3].Tau.Value, 4. / 6},
	} {
		if math.Abs(row.got-row.want) > 1e-15 {
			t.Errorf("%s %v, want %v", row.what, row.got, row.want)
		}
	}
	if !slices.ContainsFunc(a.Notes, func(s string) bool { return strings.HasPrefix(s, "unique is the same") }) {
		t.Errorf("no note of the constant baseline: %q", a.Notes)
	}
	if constant.Tau != (Estimate{}) {
		t.Errorf("interval of a constant measure: %+v", constant.Tau)
	}
}

// TestAgreePaired: errors shared by all outcomes cancel in their differences; the
// smaller standard error finds all six pairs of TestAgreeByHand but 3 and 2.9.
func TestAgreePaired(t *testing.T) {
	paired := func(a, b string) float64 { return 0.1 }
	a, err := Agree(ranked(10, 9, 3, 4), outcomesOf(0.5, 4, 3, 2.9, 0), AgreeOptions{DifferenceError: paired})
	if err != nil {
		t.Fatal(err)
	}
	if a.Significant != 5 || math.Abs(a.Measures[0].Accuracy.Value-0.8) > 1e-15 {
		t.Errorf("%d pairs, %+v", a.Significant, a.Measures[0].Accuracy)
	}
}

// TestAgreeNotesAndConstants: what is not defined is 0 with a note, never NaN.
func TestAgreeNotesAndConstants(t *testing.T) {
	r := ranked(3, 2, 1, 0)
	r.Ranked[0].Dropped = 100
	for _, row := range []struct {
		reason   string
		outcomes []Outcome
		note     string
	}{
		{"equal outcomes", outcomesOf(0, 1, 1, 1), "all outcomes are equal"},
		{"noisy outcomes", outcomesOf(9, 1, 2, 3), "no two outcomes differ significantly"},
		{"a few pairs", outcomesOf(0, 1, 2, 3), "only 3 of the pairs"},
		{"a source without outcome", outcomesOf(0, 1, 2, 3), "left out, because they have no outcome: d"},
		{"a raced source", outcomesOf(0, 1, 2, 3), "a race dropped a"},
		{"few sources", outcomesOf(0, 1, 2, 3), "3 sources are few"},
	} {
		a, err := Agree(r, row.outcomes, AgreeOptions{Resamples: 50})
		if err != nil {
			t.Fatalf("%s: %v", row.reason, err)
		}
		if !slices.ContainsFunc(a.Notes, func(s string) bool { return strings.HasPrefix(s, row.note) }) {
			t.Errorf("%s: notes %q", row.reason, a.Notes)
		}
		raw, err := json.Marshal(a)
		if err != nil || strings.Contains(string(raw), "null") {
			t.Errorf("%s: %v\n%s", row.reason, err, raw)
		}
		if strings.Contains(a.String(), "NaN") {
			t.Errorf("%s:\n%s", row.reason, a)
		}
	}
}

// TestAgreeIsDeterministic: the same seed gives the same bits whatever the order
// of the outcomes and the number of cores, another seed other intervals; the
// caller's slice stays as it is.
func TestAgreeIsDeterministic(t *testing.T) {
	r := ranked(5, 4, 4.5, 2, 3, 1, 0)
	outcomes := outcomesOf(0.5, 7, 6, 5, 4, 1, 2, 3)
	marshal := func(o []Outcome, seed uint64) string {
		a, err := Agree(r, o, AgreeOptions{Seed: seed, Resamples: 300})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	first := marshal(outcomes, 1)
	backwards := slices.Clone(outcomes)
	slices.Reverse(backwards)
	kept := slices.Clone(backwards)
	old := runtime.GOMAXPROCS(1)
	second := marshal(backwards, 1)
	runtime.GOMAXPROCS(old)
	if first != second {
		t.Errorf("differs:\n%s\n%s", first, second)
	}
	if !slices.Equal(kept, backwards) {
		t.Error("the caller's outcomes were changed")
	}
	if first == marshal(outcomes, 2) {
		t.Error("the seed does nothing")
	}
}

// TestBootstrapTwin: the interval of tau, drawn again from the documented scheme.
func TestBootstrapTwin(t *testing.T) {
	r, outcomes := ranked(6, 5, 4, 3, 2, 1), outcomesOf(1, 6, 4, 5, 3, 1, 2)
	a, err := Agree(r, outcomes, AgreeOptions{Seed: 3, Resamples: 400})
	if err != nil {
		t.Fatal(err)
	}
	measured := []float64{6, 5, 4, 3, 2, 1} // best first
	scores := []float64{6, 4, 5, 3, 1, 2}   // of a, c, b, d, f, e
	random := rand.New(rand.NewPCG(3, 0x9e3779b97f4a7c15))
	var taus []float64
	for range 400 {
		var x, y []float64
		for range measured {
			i := random.IntN(len(measured))
			x, y = append(x, scores[i]), append(y, measured[i])
		}
		if tau, ok := stat.TauB(x, y); ok {
			taus = append(taus, tau)
		}
	}
	slices.Sort(taus)
	low, high := taus[len(taus)*25/1000], taus[len(taus)*975/1000]
	if got := a.Measures[0].Tau; got.Low != low || got.High != high {
		t.Errorf("%+v, want %v to %v", got, low, high)
	}
}

func TestAgreeErrors(t *testing.T) {
	r := ranked(3, 2, 1)
	nan, inf := math.NaN(), math.Inf(1)
	for _, row := range []struct {
		reason   string
		ranking  *Ranking
		outcomes []Outcome
		options  AgreeOptions
		kind     error
		says     string
	}{
		{"no ranking", nil, nil, AgreeOptions{}, ErrSettings, "nil"},
		{"no outcomes", r, nil, AgreeOptions{}, ErrOutcome, "0 of the 3"},
		{"two outcomes", r, outcomesOf(0, 1, 2), AgreeOptions{}, ErrOutcome, "at least 3"},
		{"NaN", r, outcomesOf(0, 1, nan, 2), AgreeOptions{}, ErrOutcome, `"b" is NaN`},
		{"infinity", r, outcomesOf(0, 1, 2, inf), AgreeOptions{}, ErrOutcome, `"c" is +Inf`},
		{"NaN error", r, outcomesOf(nan, 1, 2, 3), AgreeOptions{}, ErrOutcome, "standard error"},
		{"negative error", r, outcomesOf(-1, 1, 2, 3), AgreeOptions{}, ErrOutcome, "standard error"},
		{"twice", r, append(outcomesOf(0, 1, 2, 3), Outcome{Source: "b"}), AgreeOptions{}, ErrOutcome, `"b" has two`},
		{"unknown", r, outcomesOf(0, 1, 2, 3, 4, 5), AgreeOptions{}, ErrOutcome, "d, e, which the ranking does not have; it has a, b, c"},
		{"negative resamples", r, outcomesOf(0, 1, 2, 3), AgreeOptions{Resamples: -1}, ErrSettings, "-1 resamples"},
		{"too many resamples", r, outcomesOf(0, 1, 2, 3), AgreeOptions{Resamples: 1 << 30}, ErrSettings, "resamples"},
		{"NaN error of a difference", r, outcomesOf(0, 1, 2, 3), AgreeOptions{DifferenceError: func(a, b string) float64 { return nan }}, ErrSettings, `DifferenceError("c", "b") is NaN`},
	} {
		a, err := Agree(row.ranking, row.outcomes, row.options)
		if a != nil || !errors.Is(err, row.kind) || !strings.Contains(fmt.Sprint(err), row.says) || strings.Count(fmt.Sprint(err), "eci: ") != 1 {
			t.Errorf("%s: %v", row.reason, err)
		}
	}
	_, err := Agree(r, outcomesOf(0, 1, 2, 3, 4), AgreeOptions{})
	var unknown *UnknownSourceError
	if !errors.As(err, &unknown) || !slices.Equal(unknown.Unknown, []string{"d"}) || !slices.Equal(unknown.Have, []string{"a", "b", "c"}) {
		t.Errorf("%v", err)
	}
}

// TestAgreeIncompleteBaselines: a measure that a source lacks is not compared,
// and a ranking by a baseline does not list it twice.
func TestAgreeIncompleteBaselines(t *testing.T) {
	r := ranked(3, 2, 1)
	r.Scorer = "disjoint"
	delete(r.Ranked[2].Baselines, "own")
	a, err := Agree(r, outcomesOf(0, 1, 2, 3), AgreeOptions{Resamples: 10})
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Measures) != 2 || a.Measures[0].Measure != "disjoint" || a.Measures[1].Measure != "unique" {
		t.Errorf("%+v", a.Measures)
	}
}

// TestAgreeOnMeasuredOutcomes: scores of the NumPy reference against outcomes that
// were measured on Cranfield; the constants are SciPy 1.10.1's for the same files.
func TestAgreeOnMeasuredOutcomes(t *testing.T) {
	const dir = "../shared/data/cranfield/"
	raw, err := os.ReadFile(dir + "expected.json")
	if err != nil {
		t.Skip("the Cranfield data is not at hand:", err)
	}
	var expected struct {
		Scores map[string]struct{ Score float64 }
	}
	if err := json.Unmarshal(raw, &expected); err != nil {
		t.Fatal(err)
	}
	r := &Ranking{Scorer: "eci"}
	for _, name := range sorted.Keys(expected.Scores) {
		r.Ranked = append(r.Ranked, Ranked{Score: &Score{Source: name, Value: expected.Scores[name].Score}})
	}
	for _, row := range []struct {
		setting            string
		tau, rho, accuracy float64
		significant        int
	}{
		{"exp", 1. / 9, 0.11666666666666665, 14. / 19, 19},
		{"inb8", 0.6479515952918627, 0.7615129419677079, 0, 0},
	} {
		f, err := os.Open(dir + "downstream.json")
		if err != nil {
			t.Skip("the Cranfield data is not at hand:", err)
		}
		outcomes, err := ReadOutcomes(f.Name(), f, row.setting)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		a, err := Agree(r, outcomes, AgreeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		c := a.Measures[0]
		if a.Significant != row.significant || math.Abs(c.Tau.Value-row.tau) > 1e-14 || math.Abs(c.Rho.Value-row.rho) > 1e-14 || math.Abs(c.Accuracy.Value-row.accuracy) > 1e-14 {
			t.Errorf("%s: %d significant, %+v", row.setting, a.Significant, c)
		}
	}
}

// TestStudyingNothing: what is nil is an error, never a panic.
func TestStudyingNothing(t *testing.T) {
	ctx := t.Context()
	sources := []Source{SourceOf("a", []*Record{}), SourceOf("b", []*Record{})}
	for _, test := range []struct {
		reason string
		run    func() error
	}{
		{"no ranking", func() error { _, err := Agree(nil, nil, AgreeOptions{}); return err }},
		{"sources without scores", func() error {
			_, err := Agree(&Ranking{Ranked: make([]Ranked, 3)}, outcomesOf(0, 1, 2), AgreeOptions{})
			return err
		}},
		{"no reader", func() error { _, err := ReadOutcomes("x.json", nil, ""); return err }},
		{"a nil lexicon", func() error {
			_, err := (&Study{Lexicons: map[string]*Lexicon{"web": nil}}).Run(ctx, sources...)
			return err
		}},
		{"a measure without a value", func() error { _, err := Rank(ctx, &Baseline{}, sources...); return err }},
		{"the same, one source", func() error { _, err := (&Baseline{}).Score(ctx, sources[0]); return err }},
	} {
		if err := test.run(); !errors.Is(err, ErrSettings) {
			t.Errorf("%s: %v", test.reason, err)
		}
	}
}
