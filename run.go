package eci

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"

	"example.com/eci/internal/disk"
	"example.com/eci/internal/fault"
	"example.com/eci/internal/gram"
	"example.com/eci/internal/least"
	"example.com/eci/internal/lexicon"
	"example.com/eci/internal/quote"
	"example.com/eci/internal/sketch"
)

// errStopped ends a run whose caller asked for no more triples.
var errStopped = errors.New("stopped")

// settings is a Sem whose defaults are filled in and that was checked. It lacks Sem's
// methods, so that the one cannot be taken for the other.
type settings Sem

// engine reads sources and finds vectors. It has seen no source yet.
type engine struct {
	settings *settings
	measure  *Measure   // of a baseline, in place of S
	ahead    *Lookahead // resolved; nil without forecasts
	vectors  *vectorSource
	// features are cached by fingerprint of the text; featureBytes is their size.
	features     map[fingerprint]*lexicon.Features
	featureBytes int64
	frozen       *frozen // nil if the sources are to be calibrated on
}

// surveyed is an engine that has read the texts of sources.
type surveyed struct {
	*engine
	samples   map[string]*sample
	labels    *labels
	lexicon   *Lexicon
	shared    *least.Distinct[sharedID] // ids of stored vectors
	aim       *aim                      // what a Lookahead has a Target for; nil without
	encoder   string                    // with a checkpoint: which Embedder it is
	band      band                      // of queries, when a race reads a part
	dimension int                       // 0 until a vector is seen
	cores     int                       // that there is memory for; 0 means all
}

// frozen is a calibration that scores are taken under.
type frozen struct {
	calibration *Calibration
	hash        string
	expected    sketch.Expected // of the vectors of another run
}

// run is a survey and its calibration: it scores sources with S, or with a measure of
// a baseline.
type run struct {
	*surveyed
	*frozen
	forecaster    *forecaster // nil without
	poolDocuments []document  // of the random control, once they are needed
}

// engine returns what reads sources under these settings.
func (s *Sem) engine(measure *Measure) (*engine, error) {
	if s == nil {
		return nil, fault.Nil("Sem")
	}
	resolved, err := settings(*s).resolve()
	if err != nil {
		return nil, err
	}
	if measure != nil && (measure.Name == "" || measure.Value == nil) {
		return nil, fmt.Errorf("eci: %w: Baseline.Measure needs a Name and a Value; see Measures", ErrSettings)
	}
	resolved.NoChecks = resolved.NoChecks || measure != nil
	e := &engine{settings: resolved, measure: measure, vectors: newVectorSource(resolved)}
	e.features = make(map[fingerprint]*lexicon.Features)
	if resolved.Calibration != nil {
		if e.frozen, err = resolved.freeze(); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// calibratedEngine is engine for what needs the Calibration to be set.
func (s *Sem) calibratedEngine(measure *Measure) (*engine, error) {
	e, err := s.engine(measure)
	if err == nil && e.frozen == nil {
		err = s.Calibration.Validate() // of nil
	}
	return e, err
}

// resolve fills in the defaults and refuses settings that make no sense.
func (s settings) resolve() (*settings, error) {
	if s.Components == nil {
		s.Components = []Component{TargetConsistency{}, SemanticLocality{}, LexicalResidual{}}
	}
	if s.files == nil {
		s.files = disk.OS
	}
	s.Groups = cmp.Or(s.Groups, defaultGroups)
	s.Epsilon2 = cmp.Or(s.Epsilon2, defaultEpsilon2)
	s.BatchSize = cmp.Or(s.BatchSize, 256)
	s.CacheBytes = cmp.Or(s.CacheBytes, 1<<30)
	s.MemoryBytes = cmp.Or(s.MemoryBytes, 16<<30)
	s.Temperature = cmp.Or(s.Temperature, 0.05)
	positive := func(x float64) bool { return x > 0 && !math.IsInf(x, 0) }
	refuse := func(format string, args ...any) (*settings, error) {
		return nil, fmt.Errorf("eci: %w: "+format, append([]any{ErrSettings}, args...)...)
	}
	switch {
	case s.Budget < Unlimited:
		return refuse("Budget %d; use a positive number, 0 for the smallest source or Unlimited", s.Budget)
	case s.Groups < 2 || s.Groups > maxGroups:
		return refuse("Groups %d is not in 2..%d; an interval needs two groups of queries", s.Groups, maxGroups)
	case !positive(s.Epsilon2):
		return refuse("Epsilon2 %v is not positive and finite", s.Epsilon2)
	case !positive(s.Temperature):
		return refuse("Temperature %v is not positive and finite", s.Temperature)
	case s.BatchSize < 0:
		return refuse("BatchSize %d is negative", s.BatchSize)
	case s.Dimensions < 0 || s.Dimensions > maxDimension:
		return refuse("Dimensions %d is not in 0..%d", s.Dimensions, maxDimension)
	case s.CacheBytes < 0:
		return refuse("CacheBytes %d is negative", s.CacheBytes)
	case s.MemoryBytes < 0:
		return refuse("MemoryBytes %d is negative", s.MemoryBytes)
	case s.Skip&^(SkipMalformed|SkipEmptyText|SkipMissingVector|SkipBadVector) != 0:
		return refuse("Skip %#x has a policy that there is not", uint8(s.Skip))
	}
	if t, ok := s.Tokenizer.(interface{ Validate() error }); ok {
		if err := t.Validate(); err != nil {
			return refuse("Tokenizer %q: %w", s.Tokenizer.Name(), err)
		}
	}
	if s.Lexicon != nil {
		var err error
		if s.Lexicon, err = s.Lexicon.forRun(s.Tokenizer); err != nil {
			return nil, err
		}
	}
	return &s, s.checkComponents()
}

// checkComponents refuses names that are empty or used twice, and settings that
// make no sense.
func (s *settings) checkComponents() error {
	seen := make(map[string]bool)
	for i, c := range s.Components {
		if c == nil {
			return fmt.Errorf("eci: %w: component %d is nil", ErrSettings, i+1)
		}
		name := c.Name()
		if name == "" || strings.ContainsAny(name, " \t\n\"") || seen[name] {
			return fmt.Errorf("eci: %w: component name %q is empty, has blanks or is used twice", ErrSettings, name)
		}
		seen[name] = true
		if v, ok := c.(interface{ Validate() error }); ok {
			if err := v.Validate(); err != nil {
				return fmt.Errorf("eci: %w: component %q: %w", ErrSettings, name, err)
			}
		}
	}
	return nil
}

// scoreAlone scores a source outside a ranking.
func (s *Sem) scoreAlone(ctx context.Context, measure *Measure, source Source) (*Score, error) {
	e, err := s.calibratedEngine(measure)
	if err != nil {
		return nil, err
	}
	r, err := e.run(ctx, []Source{source})
	if err != nil {
		return nil, err
	}
	defer r.close()
	return r.Score(ctx, source)
}

// prepare returns a run over sources.
func (s *Sem) prepare(ctx context.Context, measure *Measure, sources []Source) (*run, error) {
	e, err := s.engine(measure)
	if err != nil {
		return nil, err
	}
	return e.run(ctx, sources)
}

// run surveys the sources, and calibrates on them unless the calibration is given.
func (e *engine) run(ctx context.Context, sources []Source) (*run, error) {
	survey, err := e.survey(ctx, sources)
	if err != nil {
		return nil, err
	}
	r, err := survey.calibrated(ctx)
	if err != nil {
		survey.close()
	}
	return r, err
}

// calibrated returns the run under the calibration that was given, or that is taken
// now.
func (s *surveyed) calibrated(ctx context.Context) (*run, error) {
	calibration := s.frozen
	if calibration == nil {
		var err error
		if calibration, err = s.calibrate(ctx); err != nil {
			return nil, err
		}
	}
	r := &run{surveyed: s, frozen: calibration}
	if s.ahead == nil {
		return r, nil
	}
	var err error
	r.forecaster, err = r.newForecaster(ctx, s.labels.queries.Sorted())
	return r, err
}

// close releases what a checkpoint holds open.
func (e *engine) close() error { return e.vectors.close() }

// weigher is a run over all triples of one source under the frozen calibration,
// for which there is memory for so many arrays of d x d numbers. It has no survey.
func (s *Sem) weigher(source Source, squares int) (*run, error) {
	if s == nil {
		return nil, fault.Nil("Sem")
	}
	all := *s
	all.Budget = Unlimited
	e, err := all.calibratedEngine(nil)
	if err != nil {
		return nil, err
	}
	if err := checkSources([]Source{source}); err != nil {
		return nil, err
	}
	r := &run{surveyed: e.unread(), frozen: e.frozen}
	return r, r.affords(squares)
}

// fits refuses dimensions whose matrices do not fit into memory, once dimension and
// numbers of triples are known: before anything else is embedded or allocated. It
// sets how many cores there is memory for.
func (s *surveyed) fits() error {
	if _, err := (MatrixConfig{Dimension: s.dimension}).withDefaults(); err != nil {
		return err
	}
	if s.measure != nil { // no matrices
		return nil
	}
	// Arrays of d x d that jackknife, controls and artifact check take at one time, and
	// for each core at work.
	const workSquares, coreSquares = 6, 2
	var kept, largest int64
	for _, part := range s.samples {
		size := s.matrixBytes(part.size(), s.exactSums(part))
		kept, largest = kept+size, max(largest, size)
	}
	if s.settings.ReleaseMatrix {
		kept = largest
	}
	square := 8 * int64(s.dimension) * int64(s.dimension)
	least := kept + largest + (workSquares+coreSquares)*square
	if least > s.settings.MemoryBytes {
		return fmt.Errorf("eci: %w: the matrices of %d sources of dimension %d take %s, the work on them %s, together %s; Sem.MemoryBytes allows %s; take a smaller Budget or fewer sources at once, set Sem.ReleaseMatrix if no mixture is needed, set Sem.Dimensions for an encoder whose vectors can be cut, or raise it",
			ErrMemory, len(s.samples), s.dimension, quote.Bytes(kept), quote.Bytes(least-kept), quote.Bytes(least), quote.Bytes(s.settings.MemoryBytes))
	}
	s.cores = int(min(1<<20, 1+(s.settings.MemoryBytes-least)/(coreSquares*square)))
	return nil
}

// matrixBytes is the most that the matrix of n triples takes: its groups hold rows or
// triangles, whichever is smaller.
func (s *surveyed) matrixBytes(n int, exact bool) int64 {
	d := s.dimension
	rows := gram.RowBytes(n, d, !exact)
	return min(rows, int64(min(s.settings.Groups, n))*gram.Most(d, !exact))
}

// sampled is the number of triples of a source that are kept for checks and
// forecast.
func (r *run) sampled() int {
	if r.settings.NoChecks {
		return r.walked()
	}
	return max(r.walked(), checkedTriples)
}

// walked is the number of triples of a source kept for forecasts.
func (r *run) walked() int {
	if r.ahead == nil {
		return 0
	}
	return r.ahead.Triples
}

// tidyMemory collects what the scoring of a source with a large matrix left behind.
// It would stay until the heap has doubled, while each source adds a matrix. Matrices
// have no pointers, so a collection takes milliseconds.
func (r *run) tidyMemory(a *accumulator) {
	const large = 16 << 20
	if a.matrix != nil && r.matrixBytes(a.matrix.Triples(), a.exact) >= large {
		runtime.GC()
	}
}

// exactSums reports whether a source is summed in float64 throughout. One of few
// triples or dimensions always is: there it costs little.
func (s *surveyed) exactSums(part *sample) bool {
	const exactTriples = 4096
	return s.settings.Exact || !s.settings.fast && (part == nil || part.size() <= exactTriples || s.dimension < exactDimension)
}

// affords refuses more arrays of d x d numbers than MemoryBytes holds.
func (s *surveyed) affords(squares int) error {
	if need := 8 * int64(squares) * int64(s.dimension) * int64(s.dimension); need > s.settings.MemoryBytes {
		return fmt.Errorf("eci: %w: %d matrices of %d x %d take %s, Sem.MemoryBytes allows %s; take fewer Groups or sources at once, or an encoder of fewer dimensions, or raise it",
			ErrMemory, squares, s.dimension, s.dimension, quote.Bytes(need), quote.Bytes(s.settings.MemoryBytes))
	}
	return nil
}

// freeze checks the calibration of the settings, and takes its lexicon.
func (s *settings) freeze() (*frozen, error) {
	c := s.Calibration
	if err := c.Validate(); err != nil {
		return nil, err
	}
	var err error
	if s.Lexicon, err = c.Lexicon.forRun(s.Tokenizer); err != nil {
		return nil, err
	}
	expected, err := c.Encoder.expect(s.Embedder)
	if err != nil {
		return nil, err
	}
	hash, err := c.Hash(s.Components)
	return &frozen{calibration: c, hash: hash, expected: expected}, err
}

func (s *surveyed) progress(stage string, source Source, done int) {
	if s.settings.Progress == nil {
		return
	}
	total := 0
	if part := s.samples[source.Name]; part != nil {
		total = part.size()
	}
	s.settings.Progress(Progress{Stage: stage, Source: source.Name, Triples: done, Total: total})
}
