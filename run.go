package eci

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"example.com/eci/internal/disk"
	"example.com/eci/internal/fault"
	"example.com/eci/internal/gram"
	"example.com/eci/internal/least"
	"example.com/eci/internal/lexicon"
	"example.com/eci/internal/quote"
	"example.com/eci/internal/sketch"
	"example.com/eci/internal/textcache"
)

// errStopped ends a run whose caller asked for no more triples.
var errStopped = errors.New("stopped")

// run is a Sem with its defaults filled in and what it has learnt of the
// sources. It scores with S, or with a measure of a baseline.
type run struct {
	Sem
	measure       *Measure
	lexicon       *Lexicon
	calibration   *Calibration
	hash          string
	dimension     int
	samples       map[string]*sample
	band          band // of queries, when a race reads a part
	vectors       *vectorSource
	features      *textcache.Cache[*lexicon.Features]
	labels        *labels
	shared        *least.Distinct[sharedID]
	walked        int             // triples of a source kept for forecasts; 0 without
	forecaster    *forecaster     // nil without
	aim           *aim            // what a Lookahead has a Target for; nil without
	poolDocuments []document      // of the random control, once they are needed
	expected      sketch.Expected // of a frozen calibration, not yet met
	encoder       string          // with a checkpoint: which Embedder it is
	cores         int             // that there is memory for; 0 means all
}

func (s *Sem) newRun(measure *Measure) (*run, error) {
	if s == nil {
		return nil, fault.Nil("Sem")
	}
	const mostPairs = 2048 // that the scales are taken over
	r := &run{Sem: *s, measure: measure, samples: make(map[string]*sample)}
	if err := r.Sem.resolve(); err != nil {
		return nil, err
	}
	if measure != nil && (measure.Name == "" || measure.Value == nil) {
		return nil, fmt.Errorf("eci: %w: Baseline.Measure needs a Name and a Value; see Measures", ErrSettings)
	}
	if r.Lexicon != nil {
		var err error
		if r.Lexicon, err = r.Lexicon.forRun(r.Tokenizer); err != nil {
			return nil, err
		}
	}
	r.vectors = newVectorSource(&r.Sem)
	r.features = textcache.New[*lexicon.Features](32 << 20)
	r.labels = &labels{seed: r.Seed, pairs: least.NewDistinct[labeledPair](mostPairs)}
	r.NoChecks = r.NoChecks || measure != nil
	return r, nil
}

// resolve fills in the defaults and refuses settings that make no sense.
func (s *Sem) resolve() error {
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
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("eci: %w: "+format, append([]any{ErrSettings}, args...)...)
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
	return s.checkComponents()
}

// checkComponents refuses names that are empty or used twice, and settings that
// make no sense.
func (s *Sem) checkComponents() error {
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
	r, err := s.newRun(measure)
	if err != nil {
		return nil, err
	}
	defer r.close()
	if err := checkSources([]Source{source}); err != nil {
		return nil, err
	}
	if err := r.useCalibration(); err != nil {
		return nil, err
	}
	if err := r.survey(ctx, []Source{source}); err != nil {
		return nil, err
	}
	return r.Score(ctx, source)
}

// prepare returns a run that has surveyed and calibrated.
func (s *Sem) prepare(ctx context.Context, measure *Measure, sources []Source) (*run, error) {
	r, err := s.newRun(measure)
	if err != nil {
		return nil, err
	}
	if err := r.ready(ctx, sources); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// close releases what a checkpoint holds open.
func (r *run) close() error { return r.vectors.close() }

// ready surveys the sources and calibrates.
func (r *run) ready(ctx context.Context, sources []Source) error {
	if err := checkSources(sources); err != nil {
		return err
	}
	if r.Sem.Calibration != nil {
		if err := r.useCalibration(); err != nil {
			return err
		}
	}
	if err := r.survey(ctx, sources); err != nil {
		return err
	}
	if r.Sem.Calibration == nil {
		if err := r.calibrate(ctx); err != nil {
			return err
		}
	}
	return nil
}

// weigher is a run over all triples of one source under the frozen calibration,
// for which there is memory for so many arrays of d x d numbers.
func (s *Sem) weigher(source Source, squares int) (*run, error) {
	all := *s
	all.Budget = Unlimited
	r, err := all.newRun(nil)
	if err == nil {
		err = r.useCalibration()
	}
	if err == nil {
		err = checkSources([]Source{source})
	}
	if err == nil {
		err = r.affords(squares)
	}
	return r, err
}

// fits refuses dimensions whose matrices do not fit into memory, once dimension and
// numbers of triples are known: before anything else is embedded or allocated. It
// sets how many cores there is memory for.
func (r *run) fits() error {
	if _, err := (MatrixConfig{Dimension: r.dimension}).withDefaults(); err != nil {
		return err
	}
	if r.measure != nil { // no matrices
		return nil
	}
	// Arrays of d x d that jackknife, controls and artifact check take at one time, and
	// for each core at work.
	const workSquares, coreSquares = 6, 2
	var kept, largest int64
	for _, s := range r.samples {
		size := r.matrixBytes(s.size(), r.exactSums(s))
		kept, largest = kept+size, max(largest, size)
	}
	if r.ReleaseMatrix {
		kept = largest
	}
	square := 8 * int64(r.dimension) * int64(r.dimension)
	least := kept + largest + (workSquares+coreSquares)*square
	if least > r.MemoryBytes {
		return fmt.Errorf("eci: %w: the matrices of %d sources of dimension %d take %s, the work on them %s, together %s; Sem.MemoryBytes allows %s; take a smaller Budget or fewer sources at once, set Sem.ReleaseMatrix if no mixture is needed, set Sem.Dimensions for an encoder whose vectors can be cut, or raise it",
			ErrMemory, len(r.samples), r.dimension, quote.Bytes(kept), quote.Bytes(least-kept), quote.Bytes(least), quote.Bytes(r.MemoryBytes))
	}
	r.cores = int(min(1<<20, 1+(r.MemoryBytes-least)/(coreSquares*square)))
	return nil
}

// matrixBytes is the most that the matrix of n triples takes: its groups hold rows or
// triangles, whichever is smaller.
func (r *run) matrixBytes(n int, exact bool) int64 {
	d := r.dimension
	rows := gram.RowBytes(n, d, !exact)
	return min(rows, int64(min(r.Groups, n))*gram.Most(d, !exact))
}

// exactSums reports whether a source is summed in float64 throughout. One of few
// triples or dimensions always is: there it costs little.
func (r *run) exactSums(s *sample) bool {
	const exactTriples = 4096
	return r.Exact || !r.fast && (s == nil || s.size() <= exactTriples || r.dimension < exactDimension)
}

// affords refuses more arrays of d x d numbers than MemoryBytes holds.
func (r *run) affords(squares int) error {
	if need := 8 * int64(squares) * int64(r.dimension) * int64(r.dimension); need > r.MemoryBytes {
		return fmt.Errorf("eci: %w: %d matrices of %d x %d take %s, Sem.MemoryBytes allows %s; take fewer Groups or sources at once, or an encoder of fewer dimensions, or raise it",
			ErrMemory, squares, r.dimension, r.dimension, quote.Bytes(need), quote.Bytes(r.MemoryBytes))
	}
	return nil
}

// useCalibration takes over the frozen calibration, after checking it.
func (r *run) useCalibration() error {
	cal := r.Sem.Calibration
	if err := cal.Validate(); err != nil {
		return err
	}
	lexicon, err := cal.Lexicon.forRun(r.Tokenizer)
	if err != nil {
		return err
	}
	if r.expected, err = cal.Encoder.expect(r.Embedder); err != nil {
		return err
	}
	r.lexicon = lexicon
	r.dimension = cal.Dimension
	return r.freeze(cal)
}

func (r *run) freeze(cal *Calibration) error {
	hash, err := cal.Hash(r.Components)
	if err != nil {
		return err
	}
	r.calibration, r.hash = cal, hash
	return nil
}

func (r *run) progress(stage string, source Source, done int) {
	if r.Progress == nil {
		return
	}
	total := 0
	if s := r.samples[source.Name]; s != nil {
		total = s.size()
	}
	r.Progress(Progress{Stage: stage, Source: source.Name, Triples: done, Total: total})
}
