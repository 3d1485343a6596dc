package eci_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"example.com/eci"
)

// madeUp returns a source of triples with vectors of 8 components. noise is the
// share of the negative that is independent of its query: with more of it, the
// residuals point into more directions and the source scores higher.
func madeUp(name string, queries int, noise float64) eci.Source {
	random := rand.New(rand.NewPCG(7, 7)) // the same queries in every source
	var rows []*eci.Record
	for q := range queries {
		vector := func() []float32 {
			v := make([]float32, 8)
			for k := range v {
				v[k] = float32(random.NormFloat64())
			}
			return v
		}
		query, positive, negative := vector(), vector(), vector()
		for k := range query {
			positive[k] += query[k]
			negative[k] = query[k] + float32(noise)*negative[k]
		}
		rows = append(rows, &eci.Record{
			QueryText: fmt.Sprint("query ", q), PositiveText: fmt.Sprint("passage ", q), NegativeText: fmt.Sprint(name, " ", q),
			QueryVector: query, PositiveVector: positive, NegativeVector: negative,
		})
	}
	return eci.SourceOf(name, rows)
}

func TestRaceDropsWhatCannotWin(t *testing.T) {
	sources := []eci.Source{madeUp("near", 3000, 0.05), madeUp("far", 3000, 0.8)}
	full, err := eci.Rank(t.Context(), &eci.Sem{}, sources...)
	if err != nil {
		t.Fatal(err)
	}
	raced, err := eci.Rank(t.Context(), &eci.Race{}, sources...)
	if err != nil {
		t.Fatal(err)
	}
	if raced.Best().Source != full.Best().Source {
		t.Errorf("the race chose %s, the full ranking %s", raced.Best().Source, full.Best().Source)
	}
	report := raced.Race
	if report == nil || report.Share >= 0.5 || report.Read*2 > report.Texts {
		t.Errorf("report %+v: sources far apart must be told apart early", report)
	}
	if report.Texts != 3000+3*3000 {
		t.Errorf("%d distinct texts, want 3000 queries, 3000 positives and 2 x 3000 negatives", report.Texts)
	}
	last := raced.Ranked[1]
	if last.Dropped == 0 || last.Dropped != last.Totals.Triples {
		t.Errorf("dropped at %d of %d triples", last.Dropped, last.Totals.Triples)
	}
}

func TestRaceThatReadsAllAgreesWithRank(t *testing.T) {
	// Two names for the same triples: nothing can be dropped.
	sources := []eci.Source{madeUp("a", 400, 0.5), madeUp("b", 400, 0.5)}
	cal, err := (&eci.Sem{}).Calibrate(t.Context(), sources...)
	if err != nil {
		t.Fatal(err)
	}
	sem := eci.Sem{Calibration: cal}
	full, err := eci.Rank(t.Context(), &sem, sources...)
	if err != nil {
		t.Fatal(err)
	}
	raced, err := eci.Rank(t.Context(), &eci.Race{Sem: sem}, sources...)
	if err != nil {
		t.Fatal(err)
	}
	if raced.Race.Share != 1 || raced.Race.Read != raced.Race.Texts {
		t.Errorf("report %+v, want all texts read", raced.Race)
	}
	for i, want := range full.Ranked {
		got := raced.Ranked[i]
		if got.Source != want.Source || got.Dropped != 0 || !relative(got.Value, want.Value, 1e-9) || !relative(got.StandardError, want.StandardError, 1e-6) {
			t.Errorf("raced %s %v (SE %v), ranked %s %v (SE %v)", got.Source, got.Value, got.StandardError, want.Source, want.Value, want.StandardError)
		}
	}
}

func TestRaceIndifferenceEndsATie(t *testing.T) {
	sources := []eci.Source{madeUp("a", 2000, 0.5), madeUp("b", 2000, 0.5)}
	raced, err := eci.Rank(t.Context(), &eci.Race{Indifference: 1}, sources...)
	if err != nil {
		t.Fatal(err)
	}
	if raced.Race.Share == 1 || raced.Best().Source != "a" {
		t.Errorf("share %v, best %s; want an early end and the tie broken by name", raced.Race.Share, raced.Best().Source)
	}
}

func TestRaceCountsEncoderCalls(t *testing.T) {
	encoder := &countingEncoder{}
	strip := func(s eci.Source) eci.Source { // texts only, vectors from the encoder
		return eci.Source{Name: s.Name, Triples: func(yield func(eci.Triple, error) bool) {
			for triple, err := range s.Triples {
				r := *triple.(*eci.Record)
				encoder.learn(&r)
				r.QueryVector, r.PositiveVector, r.NegativeVector = nil, nil, nil
				if !yield(&r, err) {
					return
				}
			}
		}}
	}
	raced, err := eci.Rank(t.Context(), &eci.Race{Sem: eci.Sem{Embedder: encoder}}, strip(madeUp("near", 2000, 0.05)), strip(madeUp("far", 2000, 0.8)))
	if err != nil {
		t.Fatal(err)
	}
	if encoder.texts != raced.Race.Read || encoder.texts != raced.Embedded {
		t.Errorf("the encoder saw %d texts, the race reports %d, the ranking %d", encoder.texts, raced.Race.Read, raced.Embedded)
	}
}

// countingEncoder hands out the vectors it was taught and counts the texts.
type countingEncoder struct {
	vectors map[string][]float32
	texts   int
}

func (e *countingEncoder) learn(r *eci.Record) {
	if e.vectors == nil {
		e.vectors = make(map[string][]float32)
	}
	e.vectors[r.QueryText], e.vectors[r.PositiveText], e.vectors[r.NegativeText] = r.QueryVector, r.PositiveVector, r.NegativeVector
}

func (e *countingEncoder) EmbedDocuments(_ context.Context, texts []string) ([][]float32, error) {
	out := make([][]float32, len(texts))
	for i, text := range texts {
		e.texts++
		out[i] = e.vectors[text]
	}
	return out, nil
}

func (e *countingEncoder) EmbedQuery(ctx context.Context, text string) ([]float32, error) {
	out, err := e.EmbedDocuments(ctx, []string{text})
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

func TestRaceRefuses(t *testing.T) {
	for _, test := range []struct {
		reason string
		race   eci.Race
	}{
		{"an error rate above a half", eci.Race{ErrorRate: 0.6}},
		{"a negative error rate", eci.Race{ErrorRate: -1}},
		{"a negative indifference", eci.Race{Indifference: -1}},
		{"looks that do not ascend", eci.Race{Looks: []float64{0.5, 0.25, 1}}},
		{"looks that stop before the end", eci.Race{Looks: []float64{0.5}}},
		{"no looks at all", eci.Race{Looks: []float64{}}},
	} {
		if _, err := eci.Rank(t.Context(), &test.race, madeUp("a", 40, 0.5)); !errors.Is(err, eci.ErrSettings) {
			t.Errorf("%s: error %v, want ErrSettings", test.reason, err)
		}
	}
}

func TestRaceSurvivesFewQueriesAndOddOnes(t *testing.T) {
	few := madeUp("few", 3, 0.5)
	other := madeUp("other", 60, 0.4)
	ranking, err := eci.Rank(t.Context(), &eci.Race{}, few, other)
	if err != nil {
		t.Fatal(err)
	}
	if ranking.Race.Share != 1 {
		t.Errorf("ended at %v with too few groups to tell", ranking.Race.Share)
	}
	if _, err := eci.Rank(t.Context(), &eci.Race{}, madeUp("only", 100, 0.5)); err != nil {
		t.Error("one source races alone:", err)
	}
}
