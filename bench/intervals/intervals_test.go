package main

import (
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"example.com/eci"
	"example.com/eci/testdata/demo"
)

func small(t *testing.T, dimension int) *population {
	t.Helper()
	p, err := load(demo.Files, "vectors", []string{"bm25", "dense", "llm"}, dimension)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestScoresAreThoseOfRank: the short way to the truth gives what eci.Rank gives
// for the sample written out, repeated queries and all.
func TestScoresAreThoseOfRank(t *testing.T) {
	for _, dimension := range []int{16, 0} {
		p := small(t, dimension)
		drawn := p.draw(rand.New(rand.NewPCG(1, 2)), 90) // of 60 queries
		scores, err := p.scores(drawn)
		if err != nil {
			t.Fatal(err)
		}
		ranking, err := eci.Rank(t.Context(), &p.sem, p.sources(drawn, "x")...)
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range p.names {
			s, _ := ranking.Find(name)
			if math.Abs(s.Value-scores[i]) > 1e-9*s.Value || s.Totals.Triples != 2*90 {
				t.Errorf("dimension %d, %s: %v, Rank says %v over %d triples", dimension, name, scores[i], s.Value, s.Totals.Triples)
			}
		}
	}
}

// TestCoverageByHand: truth 0, standard errors 1 and 2 degrees of freedom, of
// which the t quantile is 4.303 (tables).
func TestCoverageByHand(t *testing.T) {
	c := coverage{}
	for _, value := range []float64{-5, -4, 1, 4.2, 4.4} {
		c.add(value, value+1, 1, 2)
	}
	want := coverage{held: 3, below: 1, corrected: 3, normal: 1, mean: 0.6, square: 25 + 16 + 1 + 4.2*4.2 + 4.4*4.4, variance: 5, jackknife: 5.6, n: 5}
	for _, x := range []*float64{&c.mean, &c.jackknife} {
		*x = math.Round(*x*1e9) / 1e9
	}
	if c != want {
		t.Errorf("%+v, want %+v", c, want)
	}
	if math.Abs(c.bias()-0.12) > 1e-12 || math.Abs(c.error()-1) > 1e-12 || math.Abs(c.deviation()-math.Sqrt(want.square/5-0.0144)) > 1e-12 {
		t.Error(c.bias(), c.error(), c.deviation())
	}
}

// TestSimulateIsDeterministic: on one core as on all; every count in range.
func TestSimulateIsDeterministic(t *testing.T) {
	p := small(t, 8)
	s := setting{queries: 40, groups: 8, replicates: 12, truths: 30}
	once := func() *result {
		r, err := p.simulate(s, 7)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := once()
	old := runtime.GOMAXPROCS(1)
	second := once()
	runtime.GOMAXPROCS(old)
	if !reflect.DeepEqual(first, second) {
		t.Errorf("%+v\n%+v", first, second)
	}
	if len(first.scores) != 3 || len(first.pairs) != 3 || first.wrong > first.called || first.called > s.replicates {
		t.Errorf("%+v", first)
	}
	for _, c := range first.pairs {
		if c.n != s.replicates || math.IsNaN(c.error()) || c.held+c.below > c.n {
			t.Errorf("%+v", c)
		}
	}
	var out strings.Builder
	header(&out)
	first.print(&out, true)
	if rows := strings.Count(out.String(), "\n"); rows != 2+2+6 || strings.Contains(out.String(), "NaN") {
		t.Errorf("%d rows\n%s", rows, &out)
	}
}

func TestErrors(t *testing.T) {
	if _, err := load(demo.Files, "vectors", []string{"bm25", "none"}, 8); err == nil {
		t.Error("a source that is not there")
	}
	if _, err := load(demo.Files, "none", nil, 8); err == nil {
		t.Error("no vectors")
	}
	for _, text := range []string{"", "a", "1,,2", "-1", "0"} {
		if _, err := numbers(text); err == nil {
			t.Errorf("%q is no list of positive numbers", text)
		}
	}
}
