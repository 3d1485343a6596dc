package eci

import (
	"bytes"
	"encoding/gob"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// keptRun is a run that has surveyed two sources and calibrated, and what it kept.
func keptRun(t testing.TB) (*run, []Source) {
	t.Helper()
	sources := withVectors(&hashEncoder{components: 3}, textSources(24))
	sem := &Sem{Checkpoint: t.TempDir(), Groups: 4}
	if _, err := Rank(t.Context(), sem, sources...); err != nil {
		t.Fatal(err)
	}
	r, err := sem.prepare(t.Context(), nil, sources)
	if err != nil {
		t.Fatal(err)
	}
	return r, sources
}

// encoded is a score as a checkpoint stores it.
func encoded(t testing.TB, s *Score) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := gob.NewEncoder(&out).Encode(checkpointed{s, s.sample}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestForgedScoresAreMadeAnew: a file with the right name and checksum whose score
// this run could not have made.
func TestForgedScoresAreMadeAnew(t *testing.T) {
	r, sources := keptRun(t)
	whole, err := r.restore(sources[0])
	if err != nil || whole == nil {
		t.Fatal("the score was not kept:", err)
	}
	if again, err := r.Score(t.Context(), sources[0]); err != nil || again.Value != whole.Value {
		t.Fatal(again, err)
	}
	for reason, forge := range map[string]func(s *Score){
		"of another source":                    func(s *Score) { s.Source = "two" },
		"without its matrix":                   func(s *Score) { s.Matrix = nil },
		"a matrix of another shape":            func(s *Score) { s.Matrix = madeMatrix(t, 5, 4, 48, 1, 1) },
		"a matrix of fewer triples":            func(s *Score) { s.Matrix, _ = NewMatrix(s.Matrix.config) },
		"other components":                     func(s *Score) { s.Components = []string{"x"} },
		"fewer sums":                           func(s *Score) { s.Totals.Factors = s.Totals.Factors[1:] },
		"fewer deviations":                     func(s *Score) { s.Deviations = s.Deviations[1:] },
		"no deviations":                        func(s *Score) { s.Deviations = nil },
		"a deviation that is NaN":              func(s *Score) { s.Deviations[0] = math.NaN() },
		"a value that is infinite":             func(s *Score) { s.Value = math.Inf(1) },
		"more groups than there are":           func(s *Score) { s.Groups = 5 },
		"other triples":                        func(s *Score) { s.Totals.Triples++ },
		"rows left out":                        func(s *Score) { s.Skipped = map[string]int{"malformed": 1} },
		"without controls":                     func(s *Score) { s.Controls = nil },
		"without the artifact":                 func(s *Score) { s.Artifact = nil },
		"an artifact without rows":             func(s *Score) { s.Artifact = &Artifact{AUC: 0.99, Triples: 48} },
		"sums of which nothing finite is made": func(s *Score) { s.Totals.Weight = 1e300 },
		"a forecast":                           func(s *Score) { s.Forecast = &Forecast{} },
	} {
		var kept checkpointed
		if err := gob.NewDecoder(bytes.NewReader(encoded(t, whole))).Decode(&kept); err != nil {
			t.Fatal(err)
		}
		s := kept.Score
		forge(s)
		if err := r.save(r.scoreFile(sources[0]), encoded(t, s)); err != nil {
			t.Fatal(err)
		}
		if got, err := r.restore(sources[0]); got != nil || err != nil {
			t.Errorf("%s: restored %+v, %v", reason, got, err)
		}
		if got, err := r.Score(t.Context(), sources[0]); err != nil || got.Value != whole.Value {
			t.Errorf("%s: scored %v, %v", reason, got, err)
		}
	}
}

// TestCheckpointOfAnEarlierVersionIsRefused: such versions took the scales over the
// ranked negatives and kept them next to the scores.
func TestCheckpointOfAnEarlierVersionIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "calibration-0123.eci"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Rank(t.Context(), &Sem{Checkpoint: dir}, withVectors(&hashEncoder{components: 3}, textSources(24))...)
	if !errors.Is(err, ErrIncompatible) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "earlier version") {
		t.Error(err)
	}
}

// TestFilesOfAnotherVersionAreLeftAlone: names and contents that no run makes.
func TestFilesOfAnotherVersionAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	sources := withVectors(&hashEncoder{components: 3}, textSources(24))
	want := bitsOf(t, &Sem{}, sources...)
	for name, content := range map[string]string{"score-0123.eci": "old", "encoder-.eci": "", "partial-": "x", "readme": "mine"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "partial-directory"), 0o700); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, bitsOf(t, &Sem{Checkpoint: dir}, sources...)); diff != "" {
		t.Error(diff)
	}
}

// FuzzStoredScore: whatever is decoded can be ranked and printed.
func FuzzStoredScore(f *testing.F) {
	r, sources := keptRun(f)
	whole, err := r.restore(sources[0])
	if err != nil || whole == nil {
		f.Fatal("the score was not kept:", err)
	}
	for _, seed := range [][]byte{encoded(f, whole), encoded(f, &Score{Source: "one"}), encoded(f, whole)[:200], []byte("{}"), nil} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		s := r.decode(sources[0], content)
		if s == nil {
			return
		}
		ranking := &Ranking{Ranked: []Ranked{{Score: s, Rank: 1}}}
		ranking.note()
		if _, err := ranking.MarshalJSON(); err != nil || ranking.String() == "" {
			t.Fatal(err)
		}
	})
}
