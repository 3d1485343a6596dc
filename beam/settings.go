package ecibeam

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"example.com/eci"
)

// Settings are the settings of [eci.Sem] and [eci.Lookahead] that a pipeline sends to
// its workers. All are plain data. The zero value of each is the documented default.
// It is a plain value and safe for concurrent use.
type Settings struct {
	// Sources are the names that must have rows. A source without any is
	// ErrEmptySource, which cannot be detected otherwise. Nil means all sources found.
	Sources []string
	// Budget, Seed, Groups, Epsilon2, Temperature and NoChecks are those of eci.Sem.
	Budget      int
	Seed        uint64
	Groups      int
	Epsilon2    float64
	Temperature float64
	NoChecks    bool
	// NoLint leaves out the counts of [Summary].Rules.
	NoLint bool
	// Tokenizer is the name of a tokenizer: "words", which "" means, or "4-grams" and
	// the like.
	Tokenizer string
	// Consistency and Locality are the temperatures of eci.TargetConsistency and
	// eci.SemanticLocality. ResidualFloor is the floor of eci.LexicalResidual.
	Consistency, Locality, ResidualFloor float64

	// Calibration is the JSON of an [eci.Calibration] to use unchanged, like
	// eci.Sem.Calibration. Nil computes one.
	Calibration []byte

	// Lookahead ranks by the forecasts of eci.Lookahead, with its Triples, Cutoff and
	// Axes. Without it, sources are ranked by S. Triples is at most 65,536 here,
	// because they are collected on one worker.
	Lookahead             bool
	Triples, Cutoff, Axes int

	// ChoiceSample is the number of triples of least hash of each source that are kept
	// for [Summary.Influences], in the budget or not, with the labeled queries. It is at
	// most 8,192. 0 means none; eci.Choose takes 2,048.
	ChoiceSample int

	// MatrixBytes limits the size of a source's matrix in a [Summary]. 0 means 64 MiB.
	// Larger matrices are left out, and mixtures with them.
	MatrixBytes int64
	// WorkerBytes limits, approximately, the size of the sums of one bundle. 0 means 2
	// GiB. Beyond it a bundle sends what it has and starts again. A source takes at
	// most about 8 d^2 bytes in each of its groups.
	WorkerBytes int64
}

func (s Settings) workerBytes() int64 { return cmp.Or(s.WorkerBytes, 2<<30) }

const (
	mostWalked = 1 << 16
	// What the library keeps: see eci.Calibration.Pairs, eci.Control.Triples.
	mostPairs      = 2048
	mostQueries    = 4096
	checkedTriples = 1024
	walkedTriples  = 512
	mostChoice     = 8192
)

// tokenizer returns the tokenizer with the name.
func (s Settings) tokenizer() (eci.Tokenizer, error) {
	if s.Tokenizer == "" || s.Tokenizer == (eci.Words{}).Name() {
		return eci.Words{}, nil
	}
	if n, err := strconv.Atoi(strings.TrimSuffix(s.Tokenizer, "-grams")); err == nil && n > 0 && strings.HasSuffix(s.Tokenizer, "-grams") {
		return eci.CharacterNGrams{N: n}, nil
	}
	return nil, fmt.Errorf("eci/beam: %w: Tokenizer %q; use words, or 4-grams for runs of 4 characters", eci.ErrSettings, s.Tokenizer)
}

// check rejects settings that otherwise only a worker would reject, hours later.
func (s Settings) check() error {
	if s.Triples < 0 || s.Triples > mostWalked {
		return fmt.Errorf("eci/beam: %w: Triples %d is not in 0..%d", eci.ErrSettings, s.Triples, mostWalked)
	}
	if s.ChoiceSample < 0 || s.ChoiceSample > mostChoice {
		return fmt.Errorf("eci/beam: %w: ChoiceSample %d is not in 0..%d", eci.ErrSettings, s.ChoiceSample, mostChoice)
	}
	sem, err := s.sem()
	if err != nil {
		return err
	}
	// Without a calibration, all other settings are checked first.
	sem.Calibration = &eci.Calibration{MarginScale: 1, SimilarityScale: 1, Dimension: 1, Lexicon: eci.NewLexicon(sem.Tokenizer)}
	if _, err = sem.NewWeigher(); err != nil || s.Calibration == nil {
		return err
	}
	if sem, err = s.calibrated(s.Calibration); err == nil {
		_, err = sem.NewWeigher()
	}
	return err
}

// sem returns the scorer of these settings, without calibration.
func (s Settings) sem() (*eci.Sem, error) {
	tokenizer, err := s.tokenizer()
	if err != nil {
		return nil, err
	}
	return &eci.Sem{
		Tokenizer: tokenizer, Budget: s.Budget, Seed: s.Seed, Groups: s.Groups, Epsilon2: s.Epsilon2,
		Temperature: s.Temperature, NoChecks: s.NoChecks, Exact: true,
		Components: []eci.Component{
			eci.TargetConsistency{Temperature: s.Consistency}, eci.SemanticLocality{Temperature: s.Locality},
			eci.LexicalResidual{Floor: s.ResidualFloor},
		},
	}, nil
}

// sampled returns the number of triples of a source that are kept for checks,
// forecasts and choices.
func (s Settings) sampled() int {
	n := 0
	if !s.NoChecks {
		n = checkedTriples
	}
	if s.Lookahead {
		n = max(n, cmp.Or(s.Triples, walkedTriples))
	}
	return max(n, s.ChoiceSample)
}
