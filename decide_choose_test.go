package eci_test

import (
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"example.com/eci"
	"example.com/eci/testdata/demo"
)

// sharedChoice chooses from one source of a shared collection, "pubmedqa/dense".
func sharedChoice(t *testing.T, name string) *eci.Choice {
	t.Helper()
	collection, from, _ := strings.Cut(name, "/")
	var unused struct{}
	vectors, sources := openShared(t, collection, &unused)
	pool, relevant := sharedPool(t, collection)
	choose := &eci.Choose{Lookahead: eci.Lookahead{Sem: eci.Sem{Vectors: vectors}, Pool: pool, Relevant: relevant}}
	var source eci.Source
	var others []eci.Source
	for _, s := range sources {
		if s.Name == from {
			source = s
		} else {
			others = append(others, s)
		}
	}
	choice, err := choose.From(t.Context(), source, others...)
	if err != nil {
		t.Fatal(err)
	}
	return choice
}

// Influence through the public face, against the independent NumPy reference in
// influence.json: one source of each shared collection.
func TestChooseAgreesWithNumPyReference(t *testing.T) {
	data, err := os.ReadFile("../shared/data/influence.json")
	if err != nil {
		t.Skip("the shared references are not here")
	}
	var want map[string]struct {
		Influence []float64 `json:"influence"`
	}
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	for name, reference := range want {
		t.Run(name, func(t *testing.T) {
			choice := sharedChoice(t, name)
			i, largest, difference := 0, 0.0, 0.0
			for c, err := range choice.All(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				w := reference.Influence[i]
				largest, difference = max(largest, w, -w), max(difference, w-c.Influence, c.Influence-w)
				i++
			}
			if i != len(reference.Influence) || i != choice.Triples {
				t.Fatalf("%d triples, reference %d", i, len(reference.Influence))
			}
			t.Logf("largest difference %.2g of %.3g; kept %d of %d in %d pairs", difference/largest, largest, choice.Kept, choice.Triples, choice.Pairs)
			if !(difference <= 1e-4*largest) {
				t.Errorf("influences differ by %v of %v", difference, largest)
			}
			t.Logf("%+v", *choice.Check)
		})
	}
}

// demoChoose is Choose on the demo, from all its sources.
func demoChoose(t *testing.T) (*eci.Choose, []eci.Source) {
	t.Helper()
	vectors, sources := demoSources(t)
	files := eci.Files{FS: demo.Files, Qrels: "qrels.tsv"}
	relevant, err := files.Relevant()
	if err != nil {
		t.Fatal(err)
	}
	return &eci.Choose{Lookahead: eci.Lookahead{Sem: eci.Sem{Vectors: vectors}, Pool: files.Documents("corpus.jsonl"), Relevant: relevant}}, sources
}

// TestChooseKeeps checks what a loader relies on: the rows are the source's own, in
// its order; within each pair the share with the highest influence is kept.
func TestChooseKeeps(t *testing.T) {
	choose, sources := demoChoose(t)
	choose.Keep, choose.NoCheck = 0.25, true
	joined := eci.SourceSeq("all", func(yield func(eci.Triple, error) bool) {
		for _, s := range sources {
			for x, err := range s.Triples {
				if !yield(x, err) {
					return
				}
			}
		}
	})
	choice, err := choose.From(t.Context(), joined)
	if err != nil {
		t.Fatal(err)
	}
	type pair struct{ query, positive string }
	of := make(map[pair][]eci.Chosen)
	next, stop := iter.Pull2(joined.Triples)
	defer stop()
	n := 0
	for c, err := range choice.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if row, _, _ := next(); row.Negative() != c.Negative() || row.Query() != c.Query() {
			t.Fatalf("row %d is not the source's", n)
		}
		n++
		key := pair{c.Query(), c.Positive()}
		of[key] = append(of[key], c)
	}
	kept := 0
	for key, rows := range of {
		least, most, k := math.Inf(1), math.Inf(-1), 0
		for _, c := range rows {
			if c.Kept {
				least, k = min(least, c.Influence), k+1
			} else {
				most = max(most, c.Influence)
			}
			if c.Kept != (c.Place <= max(1, int(math.Round(0.25*float64(len(rows)))))) {
				t.Errorf("%v: place %d of %d, kept: %v", key, c.Place, len(rows), c.Kept)
			}
		}
		if least < most {
			t.Errorf("%v: one of influence %v is kept, one of %v is not", key, least, most)
		}
		kept += k
	}
	if n != choice.Triples || kept != choice.Kept || len(of) != choice.Pairs || choice.Check != nil {
		t.Errorf("%+v, counted %d, %d and %d", choice, n, kept, len(of))
	}
	again := 0
	for c, err := range choice.Keep(t.Context()) {
		if err != nil || !c.Kept {
			t.Fatalf("%v, %v", c.Kept, err)
		}
		again++
	}
	if again != kept {
		t.Errorf("Keep yields %d rows, All has %d", again, kept)
	}
	for range choice.Keep(t.Context()) {
		break // a loader may stop at any time
	}
}

// Permuted labels: with judgments of other queries the influence has nothing to
// hold on to, and the lead over a random choice goes. It is a mean over queries with
// a standard error, so it lies within four of them.
func TestPermutedLabelsTakeTheGainAway(t *testing.T) {
	choose, sources := demoChoose(t)
	queries := slices.Sorted(maps.Keys(choose.Lookahead.Relevant))
	permuted := make(map[string][]string)
	for i, q := range queries {
		permuted[q] = choose.Lookahead.Relevant[queries[(i+97)%len(queries)]]
	}
	files := eci.Files{FS: demo.Files}
	pool := choose.Lookahead.Pool
	gain := func(relevant map[string][]string) *eci.ChoiceCheck {
		choose.Lookahead.Pool, choose.Lookahead.Relevant = nil, nil
		choose.Lookahead.Target = &eci.Target{Queries: files.Documents("queries.jsonl"), Pool: pool, Relevant: relevant}
		choice, err := choose.From(t.Context(), sources[2])
		if err != nil {
			t.Fatal(err)
		}
		return choice.Check
	}
	relevant := choose.Lookahead.Relevant
	if c := gain(relevant); !c.Helps() {
		t.Errorf("with the labels: %+v", c)
	}
	if c := gain(permuted); c.Helps() || !(math.Abs(c.OverRandom.Value) < 4*c.OverRandom.StandardError) {
		t.Errorf("with permuted labels: %+v", c)
	}
}

// withVectors returns the rows of a source with their vectors, which others may score.
func withVectors(t *testing.T, vectors eci.Vectors, source eci.Source) (rows []*eci.Record) {
	t.Helper()
	for x, err := range source.Triples {
		if err != nil {
			t.Fatal(err)
		}
		r := *x.(*eci.Record)
		for _, side := range []struct {
			id   string
			find func([]float32, string) ([]float32, error)
			into *[]float32
		}{{r.QueryID, vectors.AppendQuery, &r.QueryVector}, {r.PositiveID, vectors.AppendDocument, &r.PositiveVector}, {r.NegativeID, vectors.AppendDocument, &r.NegativeVector}} {
			if *side.into, err = side.find(nil, side.id); err != nil {
				t.Fatal(err)
			}
		}
		rows = append(rows, &r)
	}
	return rows
}

// An influence that was stored and read scores rows to the bits of From, in whatever
// batches they come, for the sources' own queries and for a target.
func TestInfluenceScoresAsFrom(t *testing.T) {
	choose, sources := demoChoose(t)
	choose.Sample, choose.NoCheck = 100, true
	files := eci.Files{FS: demo.Files}
	target := *choose
	target.Lookahead.Target = &eci.Target{Name: "desk", Queries: files.Documents("queries.jsonl"), Pool: choose.Lookahead.Pool, Relevant: choose.Lookahead.Relevant}
	target.Lookahead.Pool, target.Lookahead.Relevant = nil, nil
	rows := withVectors(t, choose.Lookahead.Sem.Vectors, sources[2])
	for name, c := range map[string]*eci.Choose{"own queries": choose, "target": &target} {
		choice, err := c.From(t.Context(), sources[2], sources[0])
		if err != nil {
			t.Fatal(name, err)
		}
		in, err := c.Influence(t.Context(), sources[2], sources[0])
		if err != nil {
			t.Fatal(name, err)
		}
		raw, err := in.MarshalBinary()
		if err != nil {
			t.Fatal(name, err)
		}
		back := new(eci.Influence)
		if err := back.UnmarshalBinary(raw); err != nil {
			t.Fatal(name, err)
		}
		if again, err := back.MarshalBinary(); err != nil || !slices.Equal(again, raw) {
			t.Errorf("%s: it is stored again as something else (%v)", name, err)
		}
		if r := back.Report; back.Source != sources[2].Name || r.Metric != choice.Metric || r.Target != choice.Target || r.Triples != 100 || !slices.Equal(r.Notes, choice.Notes) {
			t.Errorf("%s: made for %q: %+v", name, back.Source, r)
		}
		got := make([]float32, len(rows))
		for first := 0; first < len(rows); first += 31 {
			last := min(first+31, len(rows))
			if err := back.Score(t.Context(), got[first:last], rows[first:last]); err != nil {
				t.Fatal(name, err)
			}
		}
		i := 0
		for want, err := range choice.All(t.Context()) {
			if err != nil || float64(got[i]) != want.Influence {
				t.Fatalf("%s: row %d has influence %v, From says %v (%v)", name, i, got[i], want.Influence, err)
			}
			i++
		}
		for _, damage := range []func([]byte) []byte{
			func([]byte) []byte { return nil },
			func(b []byte) []byte { return b[:len(b)/2] },
			func(b []byte) []byte { b[4] = 2; return b },           // version
			func(b []byte) []byte { b[0] = 'M'; return b },         // of something else
			func(b []byte) []byte { b[len(b)/2] ^= 1; return b },   // checksum
			func(b []byte) []byte { b[len(b)-1] ^= 1; return b },   // the same
			func(b []byte) []byte { return append(b, 0, 0, 0, 0) }, // longer
		} {
			if err := back.UnmarshalBinary(damage(slices.Clone(raw))); !errors.Is(err, eci.ErrFormat) || back.Source != sources[2].Name {
				t.Errorf("%s: damaged: %v", name, err)
			}
		}
	}
}

// A row that cannot be scored is an error with its place, never a number.
func TestInfluenceRefusesRows(t *testing.T) {
	choose, sources := demoChoose(t)
	choose.Sample = 50
	rows := withVectors(t, choose.Lookahead.Sem.Vectors, sources[2])
	in, err := choose.Influence(t.Context(), sources[2])
	if err != nil {
		t.Fatal(err)
	}
	// A target with the query of one row beyond the sample: it is disjoint as far as
	// the sample tells, and the row would be judged by labels of its own query.
	files := eci.Files{FS: demo.Files}
	other := *choose
	other.Lookahead.Target = &eci.Target{Pool: choose.Lookahead.Pool, Relevant: choose.Lookahead.Relevant, Queries: func(yield func(eci.Document, error) bool) {
		for d, err := range files.Documents("queries.jsonl") {
			d.Text = "Elsewhere: " + d.Text
			if !yield(d, err) {
				return
			}
		}
	}}
	other.Lookahead.Pool, other.Lookahead.Relevant = nil, nil
	aimed, err := other.Influence(t.Context(), sources[2])
	if err != nil {
		t.Fatal(err)
	}
	for reason, c := range map[string]struct {
		of     *eci.Influence
		change func(r *eci.Record)
		want   error
	}{
		"no text":           {in, func(r *eci.Record) { r.NegativeText = " " }, eci.ErrEmptyText},
		"no vector":         {in, func(r *eci.Record) { r.QueryVector = nil }, eci.ErrMissingVector},
		"another dimension": {in, func(r *eci.Record) { r.PositiveVector = r.PositiveVector[:3] }, eci.ErrDimension},
		"not finite": {in, func(r *eci.Record) {
			r.PositiveVector = slices.Repeat([]float32{float32(math.NaN())}, len(r.PositiveVector))
		}, eci.ErrNotFinite},
		"zero":           {in, func(r *eci.Record) { r.NegativeVector = make([]float32, len(r.NegativeVector)) }, eci.ErrZeroVector},
		"target's query": {aimed, func(r *eci.Record) { r.QueryText = "elsewhere: " + r.QueryText }, eci.ErrLookahead},
	} {
		bad := *rows[7]
		c.change(&bad)
		dst := []float32{-1, -1}
		err := c.of.Score(t.Context(), dst, []*eci.Record{rows[0], &bad})
		var at *eci.RowError
		if !errors.Is(err, c.want) || !errors.As(err, &at) || at.Source != sources[2].Name || at.Row != bad.Row || dst[0] != -1 {
			t.Errorf("%s: %v, scores %v", reason, err, dst)
		}
	}
	if err := in.Score(t.Context(), make([]float32, 1), []*eci.Record{nil}); !errors.Is(err, eci.ErrMalformed) {
		t.Errorf("a record that is nil: %v", err)
	}
	if err := in.Score(t.Context(), make([]float32, 1), rows); !errors.Is(err, eci.ErrSettings) {
		t.Errorf("room for one: %v", err)
	}
	if err := in.Score(t.Context(), nil, nil); err != nil {
		t.Errorf("no rows: %v", err)
	}
	var none eci.Influence
	if _, err := none.MarshalBinary(); !errors.Is(err, eci.ErrSettings) {
		t.Errorf("an empty influence is stored: %v", err)
	}
	if err := none.Score(t.Context(), nil, nil); !errors.Is(err, eci.ErrSettings) {
		t.Errorf("an empty influence scores: %v", err)
	}
}

func TestChooseRefuses(t *testing.T) {
	choose, sources := demoChoose(t)
	for reason, c := range map[string]eci.Choose{
		"nothing kept":          {Lookahead: choose.Lookahead, Keep: -0.1},
		"more than all":         {Lookahead: choose.Lookahead, Keep: 1.1},
		"not a number":          {Lookahead: choose.Lookahead, Keep: math.NaN()},
		"a negative sample":     {Lookahead: choose.Lookahead, Sample: -1},
		"a sample out of range": {Lookahead: choose.Lookahead, Sample: 1 << 20},
		"pool beside a target":  {Lookahead: eci.Lookahead{Pool: choose.Lookahead.Pool, Target: &eci.Target{}}},
		"an empty target":       {Lookahead: eci.Lookahead{Target: &eci.Target{}}},
	} {
		if _, err := c.From(t.Context(), sources[0]); !errors.Is(err, eci.ErrSettings) {
			t.Errorf("%s: %v", reason, err)
		}
	}
}

// TestChoiceNoticesAnotherSource: rows that changed after the choice are an error,
// not another choice.
func TestChoiceNoticesAnotherSource(t *testing.T) {
	choose, sources := demoChoose(t)
	choose.NoCheck = true
	extra := false
	source := eci.SourceSeq("moving", func(yield func(eci.Triple, error) bool) {
		var last eci.Triple
		for x, err := range sources[0].Triples {
			if last = x; !yield(x, err) {
				return
			}
		}
		if extra {
			yield(last, nil)
		}
	})
	choice, err := choose.From(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	extra = true
	var last error
	for _, err := range choice.Keep(t.Context()) {
		last = err
	}
	if !errors.Is(last, eci.ErrUnstableSource) {
		t.Errorf("a source that grew: %v", last)
	}
}

// TestChoiceConfirmedByTraining: on both shared collections, chosen from all
// sources together, training on the chosen half beats training on a random half of
// the same pairs at 95%, on queries that took no part. The table of docs/choosing.md.
func TestChoiceConfirmedByTraining(t *testing.T) {
	if os.Getenv("ECI_TRAIN") == "" {
		t.Skip("trains 140 adapters, a minute or more: set ECI_TRAIN=1")
	}
	for _, name := range []string{"cranfield", "pubmedqa"} {
		var unused struct{}
		vectors, sources := openShared(t, name, &unused)
		pool, relevant := sharedPool(t, name)
		joined := eci.SourceSeq("all", func(yield func(eci.Triple, error) bool) {
			for _, s := range sources {
				for x, err := range s.Triples {
					if !yield(x, err) {
						return
					}
				}
			}
		})
		for _, train := range []bool{false, true} {
			choose := &eci.Choose{
				CheckByTraining: train,
				Lookahead:       eci.Lookahead{Sem: eci.Sem{Vectors: vectors}, Pool: pool, Relevant: relevant},
			}
			choice, err := choose.From(t.Context(), joined)
			if err != nil {
				t.Fatal(err)
			}
			c := choice.Check
			t.Logf("%s, trained %v: chosen %+.3f, random %+.3f, all %+.3f, opposite %+.3f; over random %v, over all %v",
				name, train, c.Chosen, c.Random, c.All, c.Opposite, c.OverRandom, c.OverAll)
			if !c.Helps() || !(c.Opposite < c.Random) {
				t.Errorf("%s: %+v", name, c)
			}
		}
	}
}
