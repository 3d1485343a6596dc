package eci

import (
	"context"
	"errors"
	"testing"
)

// TestStopsAtTheNextRow: whatever reads a source looks at the context at every
// row, and says why it was stopped.
func TestStopsAtTheNextRow(t *testing.T) {
	encoder := &hashEncoder{components: 4}
	sources := withVectors(encoder, textSources(40))
	calibration, err := (&Sem{}).Calibrate(t.Context(), sources...)
	if err != nil {
		t.Fatal(err)
	}
	frozen := &Sem{Calibration: calibration}
	score, err := frozen.Score(t.Context(), sources[0])
	if err != nil {
		t.Fatal(err)
	}
	why := errors.New("the machine is wanted for something else")
	for _, test := range []struct {
		name string
		read func(ctx context.Context, source Source) error
	}{
		{"Rank", func(ctx context.Context, s Source) error { _, err := Rank(ctx, &Sem{}, s); return err }},
		{"Rank under a calibration", func(ctx context.Context, s Source) error { _, err := Rank(ctx, frozen, s); return err }},
		{"race", func(ctx context.Context, s Source) error { _, err := Rank(ctx, &Race{}, s, sources[1]); return err }},
		{"Calibrate", func(ctx context.Context, s Source) error { _, err := new(Sem).Calibrate(ctx, s); return err }},
		{"Weigh", func(ctx context.Context, s Source) error { return drain(frozen.Weigh(ctx, s)) }},
		{"Suspects", func(ctx context.Context, s Source) error { return drain(frozen.Suspects(ctx, s, 0)) }},
		{"Leverage", func(ctx context.Context, s Source) error { return drain(frozen.Leverage(ctx, score.Matrix, s)) }},
		{"Select", func(ctx context.Context, s Source) error { return drain(frozen.Select(ctx, Selection{Count: 9}, s)) }},
		{"Select in one pass", func(ctx context.Context, s Source) error {
			return drain(frozen.Select(ctx, Selection{Count: 9, Stream: true}, s))
		}},
		{"Sweep", func(ctx context.Context, s Source) error { _, err := frozen.Sweep(ctx, s); return err }},
		{"Study", func(ctx context.Context, s Source) error { _, err := new(Study).Run(ctx, s, sources[1]); return err }},
		{"Lint", func(ctx context.Context, s Source) error { _, err := new(Linter).Lint(ctx, s); return err }},
	} {
		for _, at := range []int{1, 7, 80, 150} { // of 80 rows: also in a later reading
			ctx, cancel := context.WithCancelCause(t.Context())
			rows := 0
			slow := Source{Name: sources[0].Name, Triples: func(yield func(Triple, error) bool) {
				sources[0].Triples(func(triple Triple, err error) bool {
					if rows++; rows == at {
						cancel(why)
					}
					return yield(triple, err)
				})
			}}
			err := test.read(ctx, slow)
			if rows < at { // it reads the source fewer times than that
				cancel(nil)
				continue
			}
			if !errors.Is(err, why) || !errors.Is(err, context.Canceled) || rows > at {
				t.Errorf("%s, stopped at row %d, ended at %d: %v", test.name, at, rows, err)
			}
		}
	}
}

func drain[V any](sequence func(func(V, error) bool)) (err error) {
	sequence(func(_ V, e error) bool {
		err = e
		return e == nil
	})
	return err
}

// TestStopsWhileEmbedding: the cause is reported where the embedder reports no more
// than that its context has ended.
func TestStopsWhileEmbedding(t *testing.T) {
	why := errors.New("no money left")
	ctx, cancel := context.WithCancelCause(t.Context())
	e := stoppingEncoder{&hashEncoder{components: 4}, func() { cancel(why) }}
	_, err := Rank(ctx, &Sem{Embedder: e}, textSources(40)...)
	if !errors.Is(err, why) || !errors.Is(err, context.Canceled) || !errors.Is(err, ErrEmbedder) {
		t.Error(err)
	}
}

type stoppingEncoder struct {
	*hashEncoder
	stop func()
}

func (e stoppingEncoder) EmbedDocuments(ctx context.Context, texts []string) ([][]float32, error) {
	e.stop()
	return nil, ctx.Err()
}

// TestStopsBetweenFactorizations: the jackknife of a large dimension takes long.
func TestStopsBetweenFactorizations(t *testing.T) {
	m := madeMatrix(t, 5, 8, 100, 1, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := m.added().logDets(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
