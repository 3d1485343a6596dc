package eci

import (
	"context"
	"errors"
	"iter"
	"math"

	"example.com/eci/internal/disk"
)

// Sem is the Scorer that computes S, the information of a source, with the settings
// that a [Lookahead] shares. Rank by a Lookahead, which holds a Sem, to learn whether a
// source helps. The zero value with an Embedder or Vectors (or neither, if the triples
// carry vectors) is the documented default. Use does not change a Sem, and it may be
// copied.
//
// Goroutines may share a Sem that none of them changes, if its Vectors, Embedder,
// Components, Tokenizer and Progress may be shared.
type Sem struct {
	// Vectors finds precomputed vectors by id; Embedder computes the others from
	// their texts. A triple's own vectors come before both.
	Vectors  Vectors
	Embedder Embedder

	// Components are multiplied into a triple's weight; nil means
	// TargetConsistency{}, SemanticLocality{}, LexicalResidual{}.
	Components []Component
	// Tokenizer splits texts for the lexical component; nil means Words{}.
	Tokenizer Tokenizer
	// Lexicon gives the IDF weights; nil means one counted over the distinct
	// positives and negatives of all sources ranked together.
	Lexicon *Lexicon
	// Calibration is frozen: when set it is used as it is; nil means that Rank
	// takes one over the budgeted triples of all sources.
	Calibration *Calibration

	// Budget is the number of triples scored of every source: 0 means the
	// smallest source's count, Unlimited all of them. Which triples are in depends
	// on their texts and Seed only.
	Budget int
	Seed   uint64
	// Groups is G, the number of jackknife groups of queries, at least 2; 0 means 32.
	Groups int
	// Epsilon2 is eps^2, the distortion of the coding rate; 0 means 0.5.
	Epsilon2 float64
	// Temperature is the InfoNCE temperature of the baselines "infonce" and
	// "gradient"; 0 means 0.05. The score itself does not use it.
	Temperature float64

	// Exact sums in float64 throughout. Without it, sources of more than 4,096
	// scored triples of 64 dimensions or more are summed in blocks of float32 (see
	// [Matrix]), which is faster and as good as the vectors are: S moves by about
	// 1e-9 of its value.
	Exact bool

	// Dimensions takes the first so many components of every vector, of any origin,
	// and scales them to length 1 again, for encoders that are trained for it
	// (Matryoshka); 0 means all. Shorter vectors are refused with ErrDimension.
	Dimensions int

	// BatchSize is the most texts handed to the Embedder at once; 0 means 256. It
	// does not change the result.
	BatchSize int
	// CacheBytes limits the memory for embeddings; 0 means 1 GiB. Beyond it, texts
	// are embedded again when they come again.
	CacheBytes int64
	// MemoryBytes limits the memory for the information matrices and for the work on
	// one, and for the lexicon that is counted, about 100 bytes and its own length for
	// each distinct token; 0 means 16 GiB. More is refused with ErrMemory before it is
	// allocated. The matrix of a source of n triples, dimension d and G groups takes
	// 8 n d bytes, 4 n d where blocks are of float32 (see Exact), but at most about
	// 4 G d^2; the work takes about 64 d^2 and the matrix again, and 16 d^2 more for
	// every core, of which no more are used than there is memory for.
	MemoryBytes int64
	// ReleaseMatrix lets the matrix of a source go once the source is scored, so that
	// a ranking takes the memory of its largest source rather than of all. Score.Matrix
	// is then nil, and mixtures and hybrids are refused.
	ReleaseMatrix bool
	// Skip says which bad rows to leave out and count instead of failing.
	Skip Skip
	// Checkpoint is a directory in which the calibration, every finished score and,
	// unless the Embedder is a DiskCache, the Embedder's vectors are kept, so that a
	// run that was stopped goes on where it was, with the same result to the bit;
	// empty means none. A Race keeps the vectors only. What was kept is used for the
	// same triples, vectors and settings only: texts, ids and the triples' own
	// vectors are compared as a whole, those of Vectors for 64 triples of each
	// source; an Embedder is told by its identity (see IdentifiedEmbedder), or else
	// by up to 8 texts, which it is sent each time. The vectors take up to 8 GiB.
	Checkpoint string
	// NoChecks leaves out the controls and the artifact check of every source.
	NoChecks bool
	// Progress, if not nil, is called now and then from the goroutine that runs.
	Progress func(Progress)

	fast  bool    // blocks of float32 for sources of any size: for tests
	files disk.FS // of the checkpoint; nil means the machine's
}

// Unlimited as [Sem.Budget] scores all triples of every source, however many.
const Unlimited = -1

// Progress says how far a run is.
// It is a value, which goroutines may share.
type Progress struct {
	// Stage is "survey", "calibrate", of which Triples counts labeled pairs of all
	// sources, or "score".
	Stage  string
	Source string
	// Triples is the number of triples of this source done in this stage, Total
	// how many there will be, 0 if unknown.
	Triples, Total int
}

// Name returns "eci".
func (s *Sem) Name() string { return "eci" }

// Score scores one source with the frozen Calibration, which must be set. All of
// its triples are scored unless Budget is positive.
func (s *Sem) Score(ctx context.Context, source Source) (*Score, error) {
	return s.scoreAlone(ctx, nil, source)
}

// Prepare surveys all sources, equalises their budgets, calibrates if there is
// no Calibration yet, and returns the scorer that Rank uses.
func (s *Sem) Prepare(ctx context.Context, sources ...Source) (Scorer, error) {
	return s.prepare(ctx, nil, sources)
}

// Calibrate takes the scales over the labeled pairs of all sources, and the
// document frequencies over their distinct positives, unless Lexicon is set. No
// negative takes part. Any Calibration already there is not used.
func (s *Sem) Calibrate(ctx context.Context, sources ...Source) (*Calibration, error) {
	fresh := *s
	fresh.Calibration = nil
	r, err := fresh.prepare(ctx, nil, sources)
	if err != nil {
		return nil, err
	}
	return r.calibration, r.close()
}

// Weighted is one triple with its evidence and weight.
// It belongs to the goroutine that ranges over the sequence.
type Weighted struct {
	Evidence
	// Factors are the values of the components, in their order, and Weight is
	// their product, each in [0, 1].
	Factors []float64
	Weight  float64
	// Group is the triple's jackknife group, in 0..G-1.
	Group int

	row         *batchRow // for a Weigher
	temperature float64
}

// Weigh yields the evidence and weight of every triple of a source, in order,
// under the frozen Calibration, which must be set: to look into a score, to
// filter triples in a loader, to test a miner. A Weighted and what it points to
// are valid until the next one is asked for. Rows that Skip covers are left out;
// Budget is not applied.
func (s *Sem) Weigh(ctx context.Context, source Source) iter.Seq2[*Weighted, error] {
	return func(yield func(*Weighted, error) bool) {
		r, err := s.weigher(source, 0)
		if err == nil {
			err = r.batches(ctx, source, r.reading(), func(b *batch) error {
				if err := r.weigh(source, b); err != nil {
					return err
				}
				for i := range b.rows {
					if w := b.rows[i].weighted(); !yield(&w, nil) {
						return errStopped
					}
				}
				return nil
			})
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, err)
		}
	}
}

// Weigher weighs triples that its caller hands over, batch by batch, where a
// [Source] cannot be ranged over: in a worker of a distributed run. It takes
// totals and residuals as [Sem.Score] does, in float64. It is for one goroutine at
// a time.
type Weigher struct{ run *run }

// NewWeigher returns a Weigher under the frozen Calibration, which must be set.
// Budget, Skip, Checkpoint and Progress are not applied: all rows handed over must
// be good.
func (s *Sem) NewWeigher() (*Weigher, error) {
	all := *s
	all.Checkpoint = ""
	r, err := all.weigher(SourceOf[*Record]("weigher", nil), 0)
	if err != nil {
		return nil, err
	}
	return &Weigher{run: r}, nil
}

// Config is that of the matrices that the residuals belong in.
func (w *Weigher) Config() MatrixConfig {
	r := w.run
	return MatrixConfig{Dimension: r.dimension, Groups: r.settings.Groups, Epsilon2: r.settings.Epsilon2, Settings: r.hash}
}

// Weigh calls fn with every triple of a source, in order. A Weighted is valid until
// fn returns. An error, with source, file and row, ends it: of a bad row, before fn
// is called with any of its batch, or of fn.
func (w *Weigher) Weigh(ctx context.Context, source string, records []*Record, fn func(w *Weighted) error) error {
	from := SourceOf(source, records)
	return w.run.batches(ctx, from, w.run.reading(), func(b *batch) error {
		if err := w.run.weigh(from, b); err != nil {
			return err
		}
		for i := range b.rows {
			weighted := b.rows[i].weighted()
			weighted.row, weighted.temperature = &b.rows[i], w.run.settings.Temperature
			if err := fn(&weighted); err != nil {
				return err
			}
		}
		return nil
	})
}

// AddTo adds a triple that a [Weigher] weighed to the totals, but for
// UniqueNegatives, and writes sqrt(w) r, of length d, to residual.
func (w *Weighted) AddTo(totals *Totals, residual []float64) {
	if totals.Factors == nil {
		totals.Factors = make([]float64, len(w.Factors))
	}
	totals.count(w.row, w.row.residual(residual, math.Sqrt(w.Weight)), w.temperature)
}
