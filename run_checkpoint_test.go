package eci_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/eci"
)

// reading counts how often each source is read from its start.
func reading(s eci.Source, passes *int, stopAt int, stop func()) eci.Source {
	return eci.Source{Name: s.Name, Triples: func(yield func(eci.Triple, error) bool) {
		*passes++
		if *passes == stopAt {
			stop()
		}
		s.Triples(yield)
	}}
}

func asJSON(t *testing.T, ranking *eci.Ranking) string {
	t.Helper()
	raw, err := json.Marshal(ranking)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestCheckpointResumesToTheSameBits(t *testing.T) {
	sources := func() []eci.Source {
		return []eci.Source{madeUp("a", 700, 0.3), madeUp("b", 700, 0.5), madeUp("c", 650, 0.7)}
	}
	fresh, err := eci.Rank(t.Context(), &eci.Sem{}, sources()...)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "made", "by", "the", "run")
	sem := &eci.Sem{Checkpoint: dir}
	// Stop while the second source is being scored: b is read for the survey, for
	// its exact sample and for the score.
	ctx, cancel := context.WithCancel(t.Context())
	passes := 0
	stopped := sources()
	stopped[1] = reading(stopped[1], &passes, 3, cancel)
	if _, err := eci.Rank(ctx, sem, stopped...); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want context.Canceled", err)
	}
	// Go on: a is surveyed but neither calibrated nor scored again.
	again := sources()
	passes = 0
	again[0] = reading(again[0], &passes, 0, nil)
	resumed, err := eci.Rank(t.Context(), sem, again...)
	if err != nil {
		t.Fatal(err)
	}
	if passes != 2 {
		t.Errorf("source a was read %d times after the restart, want 2 (survey and sample)", passes)
	}
	if diff := cmp.Diff(asJSON(t, fresh), asJSON(t, resumed)); diff != "" {
		t.Errorf("the resumed run differs:\n%s", diff)
	}
	// What only a restored matrix can answer.
	for _, want := range fresh.Ranked {
		got, _ := resumed.Find(want.Source)
		if diff := cmp.Diff(want.Matrix.Symmetric().RawSymmetric().Data, got.Matrix.Symmetric().RawSymmetric().Data); diff != "" {
			t.Errorf("%s: the matrix differs:\n%s", want.Source, diff)
		}
	}
}

func TestCheckpointIsNotUsedForOtherInput(t *testing.T) {
	dir := t.TempDir()
	rank := func(sem eci.Sem, sources ...eci.Source) string {
		t.Helper()
		ranking, err := eci.Rank(t.Context(), &sem, sources...)
		if err != nil {
			t.Fatal(err)
		}
		return asJSON(t, ranking)
	}
	rank(eci.Sem{Checkpoint: dir}, madeUp("a", 300, 0.3), madeUp("b", 300, 0.5))
	for _, test := range []struct {
		reason  string
		sem     eci.Sem
		sources []eci.Source
	}{
		{"another seed for the sample", eci.Sem{Seed: 1, Budget: 100}, []eci.Source{madeUp("a", 300, 0.3), madeUp("b", 300, 0.5)}},
		{"another number of groups", eci.Sem{Groups: 16}, []eci.Source{madeUp("a", 300, 0.3), madeUp("b", 300, 0.5)}},
		{"another eps^2", eci.Sem{Epsilon2: 0.25}, []eci.Source{madeUp("a", 300, 0.3), madeUp("b", 300, 0.5)}},
		{"another component", eci.Sem{Components: []eci.Component{eci.SemanticLocality{}}}, []eci.Source{madeUp("a", 300, 0.3), madeUp("b", 300, 0.5)}},
		{"a source more", eci.Sem{}, []eci.Source{madeUp("a", 300, 0.3), madeUp("b", 300, 0.5), madeUp("c", 300, 0.5)}},
		{"another number of triples", eci.Sem{}, []eci.Source{madeUp("a", 300, 0.3), madeUp("b", 299, 0.5)}},
		{"another tokenizer", eci.Sem{Tokenizer: eci.CharacterNGrams{}}, []eci.Source{madeUp("a", 300, 0.3), madeUp("b", 300, 0.5)}},
	} {
		kept := test.sem
		kept.Checkpoint = dir
		if diff := cmp.Diff(rank(test.sem, test.sources...), rank(kept, test.sources...)); diff != "" {
			t.Errorf("%s: a stale checkpoint was used:\n%s", test.reason, diff)
		}
	}
}

func TestCheckpointThatIsDamagedIsMadeAnew(t *testing.T) {
	dir := t.TempDir()
	sem := &eci.Sem{Checkpoint: dir}
	first, err := eci.Rank(t.Context(), sem, madeUp("a", 300, 0.3), madeUp("b", 300, 0.5))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.eci"))
	if err != nil || len(files) != 2 {
		t.Fatal("want two scores, have", files, err)
	}
	for i, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		switch i {
		case 0:
			raw[len(raw)/2] ^= 1
		case 1:
			raw = raw[:len(raw)-5]
		}
		if err := os.WriteFile(file, raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	second, err := eci.Rank(t.Context(), sem, madeUp("a", 300, 0.3), madeUp("b", 300, 0.5))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(asJSON(t, first), asJSON(t, second)); diff != "" {
		t.Error(diff)
	}
}

func TestCheckpointThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := eci.Rank(t.Context(), &eci.Sem{Checkpoint: file}, madeUp("a", 100, 0.3)); err == nil {
		t.Error("a checkpoint in a file that is no directory must be an error")
	}
}
