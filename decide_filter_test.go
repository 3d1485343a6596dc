package eci_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/eci"
)

// negativesOf are the negatives of a source, in order.
func negativesOf(t *testing.T, source eci.Source) (texts []string) {
	t.Helper()
	for triple, err := range source.Triples {
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, triple.Negative())
	}
	return texts
}

// ranks is a source of queries, each with a given number of negatives.
func rankedSource(negatives ...int) eci.Source {
	var rows []*eci.Record
	for q, n := range negatives {
		for k := range n {
			rows = append(rows, triple(fmt.Sprint("query ", q), fmt.Sprint("positive ", q), fmt.Sprintf("%d.%d", q, k+1)))
		}
	}
	return eci.SourceOf("mined", rows)
}

// TestWindows: ranks are counted for each query and positive, in the order of rows.
func TestWindows(t *testing.T) {
	for _, test := range []struct {
		window eci.Window
		name   string
		want   []string
	}{
		{eci.Window{}, "mined 1-", []string{"0.1", "0.2", "0.3", "1.1"}},
		{eci.Window{First: 1, Last: 2}, "mined 1-2", []string{"0.1", "0.2", "1.1"}},
		{eci.Window{First: 2, Last: 2}, "mined 2", []string{"0.2"}},
		{eci.Window{First: 2}, "mined 2-", []string{"0.2", "0.3"}},
		{eci.Window{Last: 1}, "mined 1", []string{"0.1", "1.1"}},
		{eci.Window{First: 9}, "mined 9-", nil},
	} {
		parts, err := rankedSource(3, 1).Windows(test.window)
		if err != nil || parts[0].Name != test.name && test.window.Last != 1 {
			t.Fatal(parts[0].Name, err)
		}
		for range 2 { // it starts again
			if diff := cmp.Diff(test.want, negativesOf(t, parts[0])); diff != "" {
				t.Errorf("%v: %s", test.window, diff)
			}
		}
	}
	if _, err := rankedSource(1).Windows(eci.Window{First: 3, Last: 2}); !errors.Is(err, eci.ErrSettings) {
		t.Error(err)
	}
}

// TestFilterAgainstEvidence compares each criterion with what Weigh and Suspects say
// of every triple.
func TestFilterAgainstEvidence(t *testing.T) {
	vectors, sources := demoSources(t)
	sem := &eci.Sem{Vectors: vectors}
	var err error
	if sem.Calibration, err = sem.Calibrate(t.Context(), sources...); err != nil {
		t.Fatal(err)
	}
	source := sources[1]
	zero := 0.05
	for _, test := range []struct {
		reason string
		filter eci.Filter
		keep   func(s *eci.Suspect) bool
	}{
		{"by margin", eci.Filter{Margin: &zero}, func(s *eci.Suspect) bool { return s.Margin >= zero }},
		{"by the positive's share", eci.Filter{PositiveShare: 0.95}, func(s *eci.Suspect) bool { return s.NegativeSimilarity <= 0.95*s.PositiveSimilarity }},
		{"by suspicion", eci.Filter{Suspicion: 0.3}, func(s *eci.Suspect) bool { return s.Score < 0.3 }},
		{"by two", eci.Filter{Suspicion: 0.3, Margin: &zero}, func(s *eci.Suspect) bool { return s.Score < 0.3 && s.Margin >= zero }},
		{"by what the caller knows", eci.Filter{Keep: func(r *eci.Record) bool { return r.Row%2 == 0 }}, func(s *eci.Suspect) bool { return s.Record.Row%2 == 0 }},
	} {
		var want []string
		all := 0
		for s, err := range sem.Suspects(t.Context(), source, 0) {
			if err != nil {
				t.Fatal(err)
			}
			if all++; test.keep(s) {
				want = append(want, s.Record.NegativeText)
			}
		}
		got, err := sem.Filter(t.Context(), test.filter, source)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, negativesOf(t, got)); diff != "" || len(want) == 0 || len(want) == all {
			t.Errorf("%s: %d of %d; %s", test.reason, len(want), all, diff)
		}
	}
	for _, filter := range []eci.Filter{{PositiveShare: -1}, {Suspicion: 2}, {Window: eci.Window{First: -1}}} {
		if _, err := sem.Filter(t.Context(), filter, source); !errors.Is(err, eci.ErrSettings) {
			t.Errorf("%+v: %v", filter, err)
		}
	}
}

// TestRandomShare: as many as asked for, in order, another draw for another seed.
func TestRandomShare(t *testing.T) {
	source := rankedSource(40, 60)
	all := negativesOf(t, source)
	share := func(seed uint64) []string {
		s, err := source.RandomShare(t.Context(), 30, seed)
		if err != nil {
			t.Fatal(err)
		}
		return negativesOf(t, s)
	}
	one, again, other := share(1), share(1), share(2)
	if len(one) != 30 || len(other) != 30 || !slices.Equal(one, again) || slices.Equal(one, other) {
		t.Error(len(one), len(other))
	}
	at := 0
	for _, text := range all {
		if at < len(one) && text == one[at] {
			at++
		}
	}
	if at != len(one) {
		t.Error("another order")
	}
	for _, count := range []int{0, 101} {
		if _, err := source.RandomShare(t.Context(), count, 1); !errors.Is(err, eci.ErrSettings) {
			t.Errorf("%d: %v", count, err)
		}
	}
}

// TestRelabel: a negative that repeats its positive becomes a positive of the
// negatives that are left.
func TestRelabel(t *testing.T) {
	vectors, sources := demoSources(t)
	sem := &eci.Sem{Vectors: vectors}
	var err error
	if sem.Calibration, err = sem.Calibrate(t.Context(), sources...); err != nil {
		t.Fatal(err)
	}
	const threshold = 0.4
	suspect := make(map[string]bool)
	byPair := make(map[string][]bool)
	key := func(r eci.Triple) string { return r.Query() + "\n" + r.Positive() }
	for s, err := range sem.Suspects(t.Context(), sources[1], 0) {
		if err != nil {
			t.Fatal(err)
		}
		is := s.Score >= threshold
		suspect[key(s.Record)+"\n"+s.Record.NegativeText] = is
		byPair[key(s.Record)] = append(byPair[key(s.Record)], is)
	}
	suspects, lost, added := 0, 0, 0
	for _, is := range byPair {
		n, honest := 0, 0
		for _, x := range is {
			if x {
				n++
			} else {
				honest++
			}
		}
		suspects += n
		added += n * honest
		if honest == 0 {
			lost += n
		}
	}
	got, err := sem.Relabel(t.Context(), sources[1], threshold)
	if err != nil || got.Suspects != suspects || got.Lost != lost || got.Added != added || suspects == 0 {
		t.Fatalf("%+v, want %d suspects, %d lost, %d added; %v", got, suspects, lost, added, err)
	}
	rows := 0
	for triple, err := range got.Triples {
		if err != nil {
			t.Fatal(err)
		}
		rows++
		if suspect[key(triple)+"\n"+triple.Negative()] {
			t.Errorf("a suspect is still a negative: %q", triple.Negative())
		}
	}
	if rows != 480-suspects+added {
		t.Errorf("%d rows", rows)
	}
}

// TestBatches: no batch holds a text twice, whatever the rows, and nothing is lost.
func TestBatches(t *testing.T) {
	_, sources := demoSources(t)
	for _, test := range []struct {
		reason string
		source eci.Source
		size   int
	}{
		{"the demo's mined rows", sources[2], 32},
		{"random documents that repeat", sources[4], 16},
		{"one query has more rows than there are batches", rankedSource(30, 3, 3, 3), 4},
		{"a batch that is larger than the source", rankedSource(1, 1), 8},
	} {
		var rows []eci.Triple
		for triple, err := range test.source.Triples {
			if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, triple)
		}
		order, err := test.source.Batches(t.Context(), test.size)
		if err != nil {
			t.Fatal(err)
		}
		sorted := slices.Clone(order.Triples)
		slices.Sort(sorted)
		if len(sorted) != len(rows) || sorted[0] != 1 || sorted[len(rows)-1] != len(rows) || len(slices.Compact(sorted)) != len(rows) {
			t.Fatalf("%s: %d of %d triples", test.reason, len(sorted), len(rows))
		}
		if order.Left != len(rows)-order.Full*test.size {
			t.Errorf("%s: %d left", test.reason, order.Left)
		}
		for b := range order.Full {
			seen := make(map[string]bool)
			for _, number := range order.Triples[b*test.size : (b+1)*test.size] {
				row := rows[number-1]
				for _, text := range []string{"query " + row.Query(), row.Positive(), row.Negative()} {
					if seen[text] {
						t.Errorf("%s: batch %d has %q twice", test.reason, b+1, text)
					}
					seen[text] = true
				}
			}
		}
	}
	if _, err := rankedSource(2).Batches(t.Context(), 1); !errors.Is(err, eci.ErrSettings) {
		t.Error(err)
	}
}

// TestClean: what a rule holds for is left out, and nothing else.
func TestClean(t *testing.T) {
	rows := []*eci.Record{
		triple("one", "The Alps.", "The Rhine."),
		triple("two", "The Alps are high.", "The Alps are high!"),
		triple("three", "A", ""),
		triple("one", "The Alps.", "The Rhine."),
		triple("four", "The Rhine.", "The Danube."),
	}
	source := eci.SourceOf("a", rows)
	for _, test := range []struct {
		reason string
		drop   []eci.LintKind
		want   []string // negatives
		errors int
	}{
		{"nothing", nil, []string{"The Rhine.", "The Alps are high!", "The Rhine.", "The Danube."}, 1},
		{"errors", eci.Droppable(eci.SeverityError), []string{"The Rhine.", "The Rhine.", "The Danube."}, 0},
		{"duplicates and empty texts", []eci.LintKind{eci.LintDuplicate, eci.LintEmpty}, []string{"The Rhine.", "The Alps are high!", "The Danube."}, 0},
		{"collisions", []eci.LintKind{eci.LintCollision, eci.LintEmpty}, []string{"The Alps are high!", "The Danube."}, 0},
	} {
		report, clean, err := new(eci.Linter).Clean(t.Context(), test.drop, source)
		if err != nil {
			t.Fatal(err)
		}
		if x, ok := report.Find("a", eci.LintNearIdentical); !ok || x.Count != 1 {
			t.Errorf("%s: %v", test.reason, report)
		}
		for range 2 {
			var got []string
			failed := 0
			for triple, err := range clean[0].Triples {
				if err != nil {
					failed++
					continue
				}
				got = append(got, triple.Negative())
			}
			if diff := cmp.Diff(test.want, got); diff != "" || failed != test.errors {
				t.Errorf("%s: %d errors, want %d; %s", test.reason, failed, test.errors, diff)
			}
		}
	}
	if _, _, err := new(eci.Linter).Clean(t.Context(), []eci.LintKind{eci.LintNotNearer}, source); !errors.Is(err, eci.ErrSettings) {
		t.Error(err)
	}
}
