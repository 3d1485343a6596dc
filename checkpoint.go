package eci

import (
	"bytes"
	"crypto/sha256"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// A checkpoint is a directory with one file for the calibration and one for
// every source that was scored: 32 bytes of SHA-256 over what follows, then the
// calibration as JSON or a [checkpointed] as gob. The name of a file is a hash of
// all that its content depends on, so that one made for other triples or other
// settings is never found.

// checkpointed is a finished Score; gob stores its Matrix in the stored form.
type checkpointed struct {
	Score      *Score
	Deviations []float64
}

// restore returns the score that an earlier run stored for a source, or nil.
func (r *run) restore(source Source) (*Score, error) {
	raw, err := r.load(r.scoreFile(source))
	if raw == nil || err != nil {
		return nil, err
	}
	var c checkpointed
	if err := gob.NewDecoder(bytes.NewReader(raw)).Decode(&c); err != nil || c.Score == nil {
		return nil, nil // written by another version: score again
	}
	s := c.Score
	s.Deviations = c.Deviations
	// gob leaves out what is empty.
	if s.Skipped == nil {
		s.Skipped = make(map[string]int)
	}
	if s.Baselines == nil {
		s.Baselines = make(map[string]float64)
	}
	return s, nil
}

// store keeps a finished score.
func (r *run) store(source Source, s *Score) error {
	var out bytes.Buffer
	if err := gob.NewEncoder(&out).Encode(checkpointed{s, s.Deviations}); err != nil {
		return fmt.Errorf("eci: checkpoint of source %q: %w", source.Name, err)
	}
	return r.save(r.scoreFile(source), out.Bytes())
}

// restoreCalibration returns the calibration of an earlier run, or nil.
func (r *run) restoreCalibration(sources []Source) (*Calibration, error) {
	raw, err := r.load(r.calibrationFile(sources))
	if raw == nil || err != nil {
		return nil, err
	}
	cal := new(Calibration)
	if json.Unmarshal(raw, cal) != nil || cal.Lexicon == nil {
		return nil, nil
	}
	// The lexicon of the survey has the same counts and the run's own tokenizer.
	cal.Lexicon = r.lexicon
	return cal, nil
}

func (r *run) storeCalibration(sources []Source, cal *Calibration) error {
	raw, err := json.Marshal(cal)
	if err != nil {
		return fmt.Errorf("eci: checkpoint of the calibration: %w", err)
	}
	return r.save(r.calibrationFile(sources), raw)
}

func (r *run) scoreFile(source Source) string {
	measure := ""
	if r.measure != nil {
		measure = r.measure.Name
	}
	s := r.samples[source.Name]
	return "score-" + r.key(r.hash, measure, r.NoChecks, r.Exact, r.surveyed, source.Name, s.digest, s.available, s.budget, s.limit, s.ties) + ".eci"
}

func (r *run) calibrationFile(sources []Source) string {
	parts := []any{r.lexicon.Tokenizer().Name(), r.lexicon.Documents(), slices.Sorted(slices.Values(r.CalibrateOn))}
	for _, source := range sources {
		s := r.samples[source.Name]
		parts = append(parts, source.Name, s.digest, s.available, s.budget, s.limit, s.ties)
	}
	return "calibration-" + r.key(parts...) + ".eci"
}

// key hashes what a result depends on.
func (r *run) key(parts ...any) string {
	h := sha256.New()
	fmt.Fprintf(h, "1 %d %d %v %v %d\n", r.Seed, r.Groups, r.Epsilon2, r.Temperature, r.Skip)
	for _, p := range parts {
		fmt.Fprintf(h, "%q\n", fmt.Sprint(p))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// load returns the content of a checkpoint's file, nil if there is none or it
// is damaged.
func (r *run) load(name string) ([]byte, error) {
	raw, err := os.ReadFile(filepath.Join(r.Checkpoint, name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("eci: checkpoint: %w", err)
	case len(raw) < sha256.Size:
		return nil, nil
	}
	if sum := sha256.Sum256(raw[sha256.Size:]); !bytes.Equal(sum[:], raw[:sha256.Size]) {
		return nil, nil
	}
	return raw[sha256.Size:], nil
}

// save writes a file whole or not at all.
func (r *run) save(name string, content []byte) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("eci: checkpoint: %w", err)
		}
	}()
	if err := os.MkdirAll(r.Checkpoint, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(r.Checkpoint, "partial-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	sum := sha256.Sum256(content)
	_, err = f.Write(append(sum[:], content...))
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(r.Checkpoint, name))
}
