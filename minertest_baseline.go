package eci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"example.com/eci/internal/stat"
	"example.com/eci/internal/wholefile"
)

// minerBaseline is the stored form of what NotWorse compares with.
type minerBaseline struct {
	Version int `json:"version"`
	// Calibration identifies scales, lexicon and components; scores under another
	// are not comparable.
	Calibration string                   `json:"calibration"`
	Dimension   int                      `json:"dimension"`
	Epsilon2    float64                  `json:"eps2"`
	Scores      map[string]baselineScore `json:"scores"`
}

// baselineScore is a score with its jackknife, so that a later one is compared
// pairwise, query by query.
type baselineScore struct {
	Score         float64 `json:"score"`
	StandardError float64 `json:"standard_error"`
	Triples       int     `json:"triples"`
	// Groups is the number of groups that hold queries, Deviations what each group
	// adds to the error; see newJackknife.
	Groups     int       `json:"groups"`
	Deviations []float64 `json:"deviations"`
}

const minerBaselineVersion = 1

// NotWorse asserts that each source scores no worse than it did when the file
// was written, within a tolerance in nats, with the asked-for confidence: that
// the difference to the stored score plus the tolerance is positive. Groups of
// queries are paired, so a miner that finds the same as before passes with any
// tolerance. The file is a little JSON with scores, standard errors and a
// hash of the calibration, to be kept with the test; with Update, or with
// ECI_UPDATE=1 in the environment, it is written instead. Sem.Calibration or
// Reference must be set.
func (m *MinerTest) NotWorse(ctx context.Context, t TB, file string, tolerance float64, sources ...Source) bool {
	t.Helper()
	if !(tolerance >= 0) || math.IsInf(tolerance, 0) {
		t.Fatalf("%s: tolerance %v nats is not finite and at least 0", t.Name(), tolerance)
		return false
	}
	if m.Sem.Calibration == nil && len(m.Reference) == 0 {
		t.Fatalf("%s: NotWorse needs Sem.Calibration or Reference: a calibration taken on the miner's own triples moves with them", t.Name())
		return false
	}
	sem, confidence, ok := m.prepare(ctx, t, nil)
	if !ok {
		return false
	}
	update, err := m.update()
	if err != nil {
		t.Fatalf("%s: %v", t.Name(), err)
		return false
	}
	now, err := m.baseline(ctx, sem, sources)
	if err != nil {
		t.Fatalf("%s: %v", t.Name(), err)
		return false
	}
	if update {
		if err := now.write(file); err != nil {
			t.Fatalf("%s: %v", t.Name(), err)
			return false
		}
		return true
	}
	then := new(minerBaseline)
	err = then.read(file)
	if err == nil {
		err = now.comparable(then)
	}
	if err != nil {
		t.Fatalf("%s: %v; ECI_UPDATE=1 writes it anew", t.Name(), err)
		return false
	}
	held := true
	for _, source := range sources {
		old, ok := then.Scores[source.Name]
		if !ok {
			t.Fatalf("%s: %s has no score of %q; ECI_UPDATE=1 writes it anew", t.Name(), file, source.Name)
			return false
		}
		fresh := now.Scores[source.Name]
		difference := fresh.Score - old.Score
		err := stat.PairedError(fresh.Deviations, old.Deviations)
		df := min(fresh.Groups, old.Groups) - 1
		const rounding = 1e-6 // a relative difference that counts as none
		slack := tolerance + rounding*max(math.Abs(old.Score), 1)
		if p := stat.TProbability(difference+slack, err, df); !(p >= confidence) {
			held = false
			t.Errorf("%s: %s may be worse than in %s: %.2f nats, was %.2f, difference %.2f with standard error %.2f; P(not worse by %v) %.3f, wanted %.3f; %d triples, were %d\n%s",
				t.Name(), source.Name, file, fresh.Score, old.Score, difference, err, tolerance, p, confidence, fresh.Triples, old.Triples, m.explain(ctx, sem, source))
		}
	}
	return held
}

func (m *MinerTest) update() (bool, error) {
	value := os.Getenv("ECI_UPDATE")
	if m.Update || value == "" {
		return m.Update, nil
	}
	update, err := strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("ECI_UPDATE=%q: use 1 or 0", value)
	}
	return update, nil
}

// baseline scores sources for now.
func (*MinerTest) baseline(ctx context.Context, sem *Sem, sources []Source) (*minerBaseline, error) {
	if err := checkSources(sources); err != nil {
		return nil, err
	}
	components := sem.Components
	if components == nil {
		components = []Component{TargetConsistency{}, SemanticLocality{}, LexicalResidual{}}
	}
	// Nine digits are the same on machines whose last bits differ.
	rounded := *sem.Calibration
	for _, x := range []*float64{&rounded.MarginScale, &rounded.SimilarityMidpoint, &rounded.SimilarityScale} {
		*x, _ = strconv.ParseFloat(strconv.FormatFloat(*x, 'e', 8, 64), 64)
	}
	hash, err := rounded.Hash(components)
	if err != nil {
		return nil, err
	}
	b := &minerBaseline{Version: minerBaselineVersion, Calibration: hash, Dimension: sem.Calibration.Dimension, Scores: make(map[string]baselineScore)}
	plain := *sem
	plain.NoChecks = true
	for _, source := range sources {
		s, err := plain.Score(ctx, source)
		if err != nil {
			return nil, err
		}
		if s.Deviations == nil {
			return nil, fmt.Errorf("eci: source %q: no interval, because fewer than two groups hold queries; mine for more queries", source.Name)
		}
		b.Epsilon2 = s.Matrix.config.Epsilon2
		b.Scores[source.Name] = baselineScore{s.Value, s.StandardError, s.Totals.Triples, s.Groups, s.Deviations}
	}
	return b, nil
}

// comparable says why scores of now and then cannot be compared.
func (b *minerBaseline) comparable(then *minerBaseline) error {
	switch {
	case b.Calibration != then.Calibration, b.Dimension != then.Dimension, b.Epsilon2 != then.Epsilon2:
		return fmt.Errorf("%w: the stored scores were taken under another calibration, other components, vectors or eps^2", ErrIncompatible)
	}
	for name, fresh := range b.Scores {
		if old, ok := then.Scores[name]; ok && len(old.Deviations) != len(fresh.Deviations) {
			return fmt.Errorf("%w: %q was scored with %d groups, now with %d", ErrIncompatible, name, len(old.Deviations), len(fresh.Deviations))
		}
	}
	return nil
}

func (b *minerBaseline) write(file string) error {
	raw, err := json.MarshalIndent(b, "", "\t")
	if err != nil {
		return fmt.Errorf("eci: %s: %w", file, err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("eci: %w", err)
	}
	err = wholefile.Write(context.Background(), file, 0o644, func(w io.Writer) error {
		_, err := w.Write(append(raw, '\n'))
		return err
	})
	if err != nil {
		return fmt.Errorf("eci: cannot write %s: %w", file, err)
	}
	return nil
}

func (b *minerBaseline) read(file string) error {
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("eci: there is no baseline yet: %w", err)
	}
	if err != nil {
		return fmt.Errorf("eci: %w", err)
	}
	if err := json.Unmarshal(raw, b); err != nil {
		return fmt.Errorf("eci: %s: %w: %w", file, ErrFormat, err)
	}
	if b.Version != minerBaselineVersion {
		return fmt.Errorf("eci: %s: %w: version %d, this package reads %d", file, ErrFormat, b.Version, minerBaselineVersion)
	}
	return nil
}
