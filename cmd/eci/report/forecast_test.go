package report_test

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"example.com/eci"
	"example.com/eci/cmd/eci/report"
)

// raceData is the report of a race by forecasts.
func raceData(t testing.TB) report.Data {
	t.Helper()
	raceOnce.Do(func() {
		sem, sources := demoSources(t)
		raceReport = collect(t, &eci.Race{Lookahead: &eci.Lookahead{Sem: *sem}, Looks: []float64{0.5, 1}}, sem, sources)
	})
	return copied(raceReport)
}

var (
	raceOnce   sync.Once
	raceReport report.Data
)

// TestForecastVerdict checks that a page says first what the library's verdict
// says, and all that speaks against acting on it.
func TestForecastVerdict(t *testing.T) {
	given := func(action eci.Action, sentence string, sources ...string) func(*report.Data) {
		return func(d *report.Data) {
			d.Ranking.Verdict = &eci.Verdict{Action: action, Sentence: sentence, Sources: sources}
		}
	}
	for _, test := range []struct {
		why    string
		want   []string
		change func(*report.Data)
	}{
		{"the demo's own", []string{"Train, and mind the warnings Train on dense +0.", "Before you act", "overtrain: dense", "suspects"}, func(*report.Data) {}},
		{"no flag and no warning", []string{"Train Train on random +0.2 nDCG@10."}, given(eci.ActionTrain, "Train on random: +0.2 nDCG@10.", "random")},
		{"a colon in the name does not end it", []string{"Train on a: b +0.2."}, func(d *report.Data) {
			d.Ranking.Ranked[0].Source = "a: b"
			given(eci.ActionTrain, "Train on a: b: +0.2.", "a: b")(d)
		}},
		{"random documents do", []string{"Take random documents Random negatives do as well Dense would add"}, given(eci.ActionRandom, "Random negatives do as well: dense would add 0.1.")},
		{"nothing helps", []string{"Train on none of these None of these is shown to help"}, given(eci.ActionNone, "None of these is shown to help: the best, dense, would change it by 0.")},
		{"it cannot be told", []string{"Not enough to tell No verdict 12 labeled queries are too few"}, given(eci.ActionUnknown, "No verdict: 12 labeled queries are too few.")},
		{"a race makes no checks", []string{"Neither the comparison with random documents nor the artifact check was made"}, func(d *report.Data) {
			d.Ranking.Ranked[0].Controls, d.Ranking.Ranked[0].Artifact = nil, nil
		}},
		{"lint errors of the source that is named", []string{"Train, and mind the warnings", "random: In 12.0% of its rows the negative is its own positive"}, func(d *report.Data) {
			given(eci.ActionTrain, "Train on random: +0.2.", "random")(d)
			d.Lint.Findings = append(d.Lint.Findings, eci.Finding{Kind: eci.LintNegativeIsPositive, Severity: eci.SeverityError, Source: "random", Count: 14, Share: 0.12})
		}},
		{"mixing, with its interval", []string{"Mixing.", " over dense alone"}, func(*report.Data) {}},
	} {
		data := demoData(t)
		test.change(&data)
		got := words(t, data)
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: want %q in\n%s", test.why, want, got)
			}
		}
	}
}

// TestBasis checks that a page by forecasts says what they rest on, doubts first,
// and that one by S does not speak of forecasts it has not made.
func TestBasis(t *testing.T) {
	page := string(render(t, collect(t, &eci.Lookahead{}, &eci.Sem{}, made([]string{"a", "b"}, 12, func(s, row int) string { return "x" }))))
	for _, want := range []string{"What the forecast rests on", "cannot be relied upon", "12 labeled queries are too few to tell", "the labeled positives of all sources", "how much a source could teach"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	page = string(render(t, scoreData(t)))
	for _, other := range []string{"What the forecast rests on", "After each step", "nDCG@10"} {
		if strings.Contains(page, other) {
			t.Errorf("%q is on a page by S", other)
		}
	}
}

// TestForecastMixes checks the order, the shares and the comparison with the best
// source, and that a race and a ranking by S have none.
func TestForecastMixes(t *testing.T) {
	data := demoData(t)
	if len(data.Mixes) != 11 {
		t.Fatalf("%d mixtures, want ten hybrids and the best by S", len(data.Mixes))
	}
	best := data.Ranking.Best().Forecast
	named := false
	for i, m := range data.Mixes {
		if i > 0 && m.Forecast.Gain > data.Mixes[i-1].Forecast.Gain {
			t.Errorf("%s gains more than %s above it", m.Name, data.Mixes[i-1].Name)
		}
		sum := 0.0
		for _, share := range m.Shares {
			sum += share
		}
		if math.Abs(sum-1) > 1e-6 || len(m.Shares) != len(m.Sources) {
			t.Errorf("%s: shares %v", m.Name, m.Shares)
		}
		if m.Over == nil || *m.Over != *m.Forecast.Over(best) || math.Abs(m.Over.Value-(m.Gain-best.Gain)) > 1e-12 {
			t.Errorf("%s: %v over the best source, which gains %v, with %v", m.Name, m.Over, best.Gain, m.Gain)
		}
		named = named || m.Name == report.BestMixture
	}
	if !named {
		t.Error("the best mixture has no forecast")
	}
	for name, other := range map[string]report.Data{"race": raceData(t), "by S": scoreData(t)} {
		if other.Mixes != nil || report.MixSentence(other.Ranking, nil) != "" {
			t.Errorf("%s: forecasts of mixtures", name)
		}
	}
}

// TestMixSentence: only an interval above zero lets a mixture pay.
func TestMixSentence(t *testing.T) {
	data := demoData(t)
	mix := func(name string, low float64) report.Mix {
		m := data.Mixes[0]
		m.Name, m.Over = name, &eci.Difference{Value: 0.02, Low: low, High: 0.05}
		return m
	}
	for _, test := range []struct {
		why, want string
		mixes     []report.Mix
	}{
		{"an interval around zero", "No mixture is shown to be better than dense alone", []report.Mix{mix("x", -0.01)}},
		{"an interval at zero", "No mixture is shown", []report.Mix{mix("x", 0)}},
		{"an interval above", "Mixing may pay", []report.Mix{mix("x", 0.001)}},
		{"the first is not sure, the second is", "the best of 2 forecasts", []report.Mix{mix("x", -0.01), mix("y", 0.01)}},
	} {
		if got := report.MixSentence(data.Ranking, test.mixes); !strings.Contains(got, test.want) {
			t.Errorf("%s: %q is not in %q", test.why, test.want, got)
		}
	}
}

// TestCurves checks that every source's curve is drawn within its picture, on one
// scale: a higher gain is never lower on the page.
func TestCurves(t *testing.T) {
	data := demoData(t)
	curves := regexp.MustCompile(`<svg class="spark[^>]*>.*?</svg>`).FindAll(render(t, data), -1)
	if len(curves) != len(data.Ranking.Ranked) {
		t.Fatalf("%d curves of %d sources", len(curves), len(data.Ranking.Ranked))
	}
	type point struct{ gain, y float64 }
	var points []point
	for i, c := range curves {
		after := data.Ranking.Ranked[i].Forecast.After
		line := regexp.MustCompile(`<path d="M([^"]*)"`).FindSubmatch(c)
		parts := strings.Split(string(line[1]), "L")
		if len(parts) != len(after)+1 {
			t.Fatalf("%d points for %d steps", len(parts), len(after))
		}
		for k, part := range parts {
			_, word, _ := strings.Cut(part, " ")
			y, err := strconv.ParseFloat(word, 64)
			if err != nil || y < 0 || y > 32 {
				t.Fatalf("a point at %q", part)
			}
			gain := 0.0 // before the first step
			if k > 0 {
				gain = after[k-1]
			}
			points = append(points, point{gain, y})
		}
		if falls := bytes.Contains(c, []byte("falls")); falls != data.Ranking.Ranked[i].Forecast.Overtrains {
			t.Errorf("%s: drawn as falling: %t", data.Ranking.Ranked[i].Source, falls)
		}
	}
	for _, a := range points {
		for _, b := range points {
			if a.gain > b.gain && a.y > b.y {
				t.Fatal(fmt.Sprint(a, " is below ", b))
			}
		}
	}
}
