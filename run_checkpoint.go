package eci

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"example.com/eci/internal/hash64"
	"example.com/eci/internal/lookahead"
	"example.com/eci/internal/sketch"
)

// A checkpoint is a directory with one file for every scored source. A file has 32
// bytes of SHA-256 over the rest, then a [checkpointed] as gob, with its Matrix in the
// stored form. The file name is a hash of everything that the content depends on. A
// file made for other triples, other vectors or other settings is therefore never
// found. If the Embedder is not a [DiskCache], there is one in the folder "vectors".
// For an Embedder without an identity, a file "encoder-" identifies the encoder by the
// vectors of a few texts.

const (
	partialPrefix = "partial-"
	// recognizedTexts is the number of texts by which an Embedder without an identity
	// is recognized.
	recognizedTexts = 8
)

// openCheckpoint collects the identities that file names depend on, and caches the
// embedder's vectors. The sources have been surveyed.
func (s *surveyed) openCheckpoint(ctx context.Context, sources []Source) error {
	if s.settings.Checkpoint == "" {
		return nil
	}
	if err := s.tidy(); err != nil {
		return fmt.Errorf("eci: checkpoint: %w", err)
	}
	for _, source := range sources {
		digest, err := s.tableDigest(s.samples[source.Name])
		if err != nil {
			return source.wrap(nil, err)
		}
		s.samples[source.Name].tables = digest
	}
	if s.settings.Embedder == nil {
		return nil
	}
	config := DiskCacheConfig{Embedder: s.settings.Embedder, Dir: filepath.Join(s.settings.Checkpoint, "vectors")}
	if s.encoder = identityOf(s.settings.Embedder); s.encoder == "" {
		var err error
		if s.encoder, err = s.recognize(ctx, sources); err != nil {
			return err
		}
		config.Identity = "of checkpoint " + s.encoder
	}
	if _, ok := s.settings.Embedder.(*DiskCache); ok {
		return nil
	}
	kept, err := config.open(s.settings.files)
	if err != nil {
		return fmt.Errorf("eci: checkpoint: %w", err)
	}
	s.vectors.keep(kept)
	return nil
}

// tidy creates the directory and removes partial files left by killed runs.
func (e *engine) tidy() error {
	if err := e.settings.files.MkdirAll(e.settings.Checkpoint, 0o700); err != nil {
		return err
	}
	entries, err := e.settings.files.ReadDir(e.settings.Checkpoint)
	if err != nil {
		return err
	}
	// partialAge is how long a file that is being written may rest. Older ones are
	// what a run that was killed has left.
	const partialAge = 10 * time.Minute
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), "calibration-") && strings.HasSuffix(entry.Name(), ".eci") {
			return fmt.Errorf("%w: %s was written by an earlier version, which took its scales over the negatives of the ranked sources; take another directory, or remove it", ErrIncompatible, e.settings.Checkpoint)
		}
		if !strings.HasPrefix(entry.Name(), partialPrefix) || !entry.Type().IsRegular() {
			continue
		}
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > partialAge {
			e.settings.files.Remove(filepath.Join(e.settings.Checkpoint, entry.Name())) // an error is fine: another run may have removed it
		}
	}
	return nil
}

// tableDigest returns a hash of the vectors in tables for the triples sampled from a
// source.
func (s *surveyed) tableDigest(part *sample) (digest uint64, err error) {
	if s.settings.Vectors == nil {
		return 0, nil
	}
	var v []float32
	for _, c := range part.probe.Sorted() {
		for _, at := range c.Value.sides() {
			if at.vector != nil || at.id == "" {
				continue
			}
			v, _, err = at.in(s.vectors.tables, v[:0])
			if err != nil && !errors.Is(err, ErrMissingVector) {
				return 0, err
			}
			digest = hash64.Mix(digest ^ uint64(len(v))<<32 ^ uint64(sketch.Sums(v)))
		}
	}
	return digest, nil
}

// recognize embeds a few texts of the budget and compares them with those of the
// encoders that the checkpoint knows, which tells them apart also where an encoder
// does not give the same bits twice. It returns a name for the encoder.
func (s *surveyed) recognize(ctx context.Context, sources []Source) (string, error) {
	b := newBatch()
	for _, source := range sources {
		part := s.samples[source.Name]
		for _, c := range part.probe.Sorted() {
			for _, at := range c.Value.sides() {
				if p := &b.pending[at.role]; (part.all() || c.Hash < part.limit) && len(p.texts) < recognizedTexts/2 && at.vector == nil {
					if _, err := s.findOne(b, at); err != nil {
						return "", source.wrap(&c.Value, err)
					}
				}
			}
		}
	}
	seen := sketch.Sample{Size: recognizedTexts}
	for k := range b.pending {
		p := &b.pending[k]
		if err := s.vectors.embed(ctx, role(k), p.texts, p.into); err != nil {
			return "", err
		}
		for i, text := range p.texts {
			seen.Offer(role(k) == queryRole, text, p.into[i].data)
		}
	}
	marks := seen.Marks()
	texts := make([]any, len(marks))
	for i, m := range marks {
		texts[i] = m.Text
	}
	file := "encoder-" + s.digestOf(texts...) + ".eci"
	var known [][]sketch.Mark
	raw, err := s.load(file)
	if err != nil {
		return "", err
	}
	if json.Unmarshal(raw, &known) != nil {
		known = nil
	}
	for _, k := range known {
		if slices.EqualFunc(k, marks, sketch.Mark.Alike) {
			return s.digestOf(k), nil
		}
	}
	if raw, err = json.Marshal(append(known, marks)); err == nil {
		err = s.save(file, raw)
	}
	return s.digestOf(marks), err
}

// checkpointed is a finished score with the sample of its forecast.
type checkpointed struct {
	Score  *Score
	Sample *lookahead.Source
}

// restore returns the score that an earlier run stored for a source, or nil.
func (r *run) restore(source Source) (*Score, error) {
	raw, err := r.load(r.scoreFile(source))
	if raw == nil || err != nil {
		return nil, err
	}
	return r.decode(source, raw), nil
}

// decode returns the stored score of a source. It returns nil for a score that another
// version has written, or that this run could not have computed: it is computed again.
func (r *run) decode(source Source, raw []byte) *Score {
	var kept checkpointed
	if err := gob.NewDecoder(bytes.NewReader(raw)).Decode(&kept); err != nil || kept.Score == nil {
		return nil
	}
	s := kept.Score
	s.sample = kept.Sample
	// gob omits empty fields.
	if s.Skipped == nil {
		s.Skipped = make(map[string]int)
	}
	if s.Baselines == nil {
		s.Baselines = make(map[string]float64)
	}
	if !r.plausible(source, s) {
		return nil
	}
	return s
}

// plausible reports whether this run could have computed a stored score, so that all
// of it is safe to read.
func (r *run) plausible(source Source, s *Score) bool {
	names := make([]string, len(r.settings.Components))
	for i, c := range r.settings.Components {
		names[i] = c.Name()
	}
	t := &s.Totals
	if s.Source != source.Name || !r.forecaster.plausible(s) || !slices.Equal(s.Components, names) || len(t.Factors) != len(names) ||
		t.Triples != r.samples[source.Name].size() || s.check() != nil || !maps.Equal(s.Skipped, r.samples[source.Name].survey.skipped) {
		return false
	}
	if s.Groups < 1 || s.Groups > r.settings.Groups || (s.Deviations != nil) != (s.Groups >= 2) || s.Deviations != nil && len(s.Deviations) != r.settings.Groups {
		return false
	}
	if checks := !r.settings.NoChecks; checks != (s.Controls != nil) || checks != (s.Artifact != nil) {
		return false
	}
	if a := s.Artifact; a != nil && (a.Triples > 0) != (len(a.Rows) > 0) {
		return false
	}
	if r.measure != nil || r.settings.ReleaseMatrix {
		return s.Matrix == nil
	}
	want := MatrixConfig{Dimension: r.dimension, Groups: r.settings.Groups, Epsilon2: r.settings.Epsilon2, Settings: r.hash}
	return s.Matrix != nil && s.Matrix.config == want && s.Matrix.Triples() == t.Triples
}

// store keeps a finished score.
func (r *run) store(source Source, s *Score) error {
	var out bytes.Buffer
	if err := gob.NewEncoder(&out).Encode(checkpointed{s, s.sample}); err != nil {
		return fmt.Errorf("eci: checkpoint of source %q: %w", source.Name, err)
	}
	return r.save(r.scoreFile(source), out.Bytes())
}

func (r *run) scoreFile(source Source) string {
	measure := ""
	if r.measure != nil {
		measure = r.measure.Name
	}
	parts := append([]any{r.hash, measure, r.settings.NoChecks, r.settings.Exact, r.labels.digest(), r.forecaster.key()}, r.inputOf(source)...)
	if r.settings.ReleaseMatrix {
		parts = append(parts, "without the matrix")
	}
	return "score-" + r.key(parts...) + ".eci"
}

// inputOf returns what a result depends on in one source.
func (r *run) inputOf(source Source) []any {
	s := r.samples[source.Name]
	return []any{source.Name, s.digest, s.survey.digest, s.survey.skipped, s.tables, r.encoder, s.available, s.budget, s.limit, s.ties}
}

// key hashes everything that a result depends on, including settings.
func (r *run) key(parts ...any) string {
	return r.digestOf(append([]any{r.settings.Seed, r.settings.Groups, r.settings.Epsilon2, r.settings.Temperature, r.settings.Skip}, parts...)...)
}

func (*engine) digestOf(parts ...any) string {
	h := sha256.New()
	const version = 3
	for _, p := range append([]any{version}, parts...) {
		fmt.Fprintf(h, "%q\n", fmt.Sprint(p))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// load returns the content of a checkpoint's file. It returns nil if there is none or
// it is damaged.
func (e *engine) load(name string) ([]byte, error) {
	raw, err := e.settings.files.ReadFile(filepath.Join(e.settings.Checkpoint, name))
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

// save writes a file completely or not at all.
func (e *engine) save(name string, content []byte) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("eci: checkpoint: %w", err)
		}
	}()
	f, err := e.settings.files.CreateTemp(e.settings.Checkpoint, partialPrefix+"*")
	if err != nil {
		return err
	}
	defer e.settings.files.Remove(f.Name())
	sum := sha256.Sum256(content)
	_, err = f.Write(append(sum[:], content...))
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return e.settings.files.Rename(f.Name(), filepath.Join(e.settings.Checkpoint, name))
}
