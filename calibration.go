package eci

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"

	"example.com/eci/internal/sketch"
)

// Calibration holds the frozen scales that make every temperature free of the
// encoder's own scale: raw cosines differ widely between encoders. Take it once
// with [Sem.Calibrate], or let [Rank] take it, store it as JSON, and reuse it to
// score further sources on the same footing.
// Goroutines may share one that none of them changes.
type Calibration struct {
	// The scales are taken over labeled pairs of query and positive alone: over
	// s+ = q.p of each pair, and s0 = q.p' of every query and the positives of other
	// queries. MarginScale is sigma_m, the standard deviation of s+ - s0;
	// SimilarityMidpoint is mu, halfway between the means of s+ and s0;
	// SimilarityScale is sigma, the root of the mean of their variances. Cosine
	// units, population standard deviations.
	MarginScale        float64 `json:"margin_scale"`
	SimilarityMidpoint float64 `json:"similarity_midpoint"`
	SimilarityScale    float64 `json:"similarity_scale"`
	// Pairs is the number of distinct labeled pairs that the scales were taken
	// over, at most 2,048, and Dimension is d, the length of the vectors.
	Pairs     int `json:"labeled_pairs"`
	Dimension int `json:"dimension"`
	// Encoder tells the encoder from others: one that has another identity, or gives
	// another vector to a text of the calibration, is refused. Texts that the
	// calibration has not seen tell nothing. Nil accepts any encoder of the dimension.
	Encoder *EncoderMark `json:"encoder,omitempty"`
	// Lexicon holds the document frequencies.
	Lexicon *Lexicon `json:"lexicon"`
}

// Validate reports scales that are missing, not finite or zero, as
// ErrNoSpread, and a missing lexicon or dimension as ErrNotCalibrated.
func (c *Calibration) Validate() error {
	switch {
	case c == nil:
		return fmt.Errorf("eci: %w: calibrate first, with Sem.Calibrate over all sources, or let Rank do it", ErrNotCalibrated)
	case c.Lexicon == nil || c.Dimension < 1:
		return fmt.Errorf("eci: %w: the calibration lacks its lexicon or dimension", ErrNotCalibrated)
	}
	// leastSpread separates a spread from the rounding error of equal cosines of
	// float32 vectors.
	const leastSpread = 1e-9
	for _, scale := range []struct {
		name  string
		value float64
		least float64
	}{
		{"margin scale", c.MarginScale, leastSpread},
		{"similarity scale", c.SimilarityScale, leastSpread},
		{"similarity midpoint", c.SimilarityMidpoint, math.Inf(-1)},
	} {
		if !(scale.value >= scale.least) || math.IsInf(scale.value, 0) {
			return fmt.Errorf("eci: %w: the %s is %v over %d labeled pairs; are all vectors the same, or is there one query only?", ErrNoSpread, scale.name, scale.value, c.Pairs)
		}
	}
	return nil
}

// EncoderMark tells the encoder of a calibration from others, as far as it is
// known. It holds no text and no secret.
// Goroutines may share one that none of them changes.
type EncoderMark struct {
	// Identity is a digest of what an [IdentifiedEmbedder] says of itself; empty for
	// any other Embedder, and where there was none.
	Identity string `json:"identity,omitempty"`
	// Vectors are marks of the vectors of up to 32 queries and positives.
	Vectors []sketch.Mark `json:"vectors,omitempty"`
}

const otherEncoder = "calibrate anew, or set Calibration.Encoder to nil to use its scales all the same"

// expect refuses an embedder of another identity, and returns what to compare
// vectors with.
func (m *EncoderMark) expect(e Embedder) (sketch.Expected, error) {
	if m == nil {
		return nil, nil
	}
	if identity := identityOf(e); identity != "" && m.Identity != "" && identity != m.Identity {
		return nil, fmt.Errorf("eci: %w: the calibration was taken with another encoder (identity %s) than the Embedder (%s); %s", ErrIncompatible, m.Identity, identity, otherEncoder)
	}
	return sketch.Expect(m.Vectors), nil
}

// UnmarshalJSON reads what was marshaled; on an error c is unchanged. Scales that
// are missing or null are ErrFormat. A calibration of an earlier version, whose
// scales depended on the negatives of the ranked sources, is ErrNotCalibrated.
func (c *Calibration) UnmarshalJSON(data []byte) error {
	type plain Calibration
	var in struct {
		plain
		MarginScale        *float64 `json:"margin_scale"`
		SimilarityMidpoint *float64 `json:"similarity_midpoint"`
		SimilarityScale    *float64 `json:"similarity_scale"`
		NegativeMean       *float64 `json:"negative_mean"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("eci: calibration: %w: %w", ErrFormat, err)
	}
	if in.NegativeMean != nil && in.SimilarityScale == nil {
		return fmt.Errorf("eci: calibration: %w: it was taken by an earlier version, over the negatives of the ranked sources; scales are now taken over the labeled pairs alone: calibrate anew", ErrNotCalibrated)
	}
	if in.MarginScale == nil || in.SimilarityMidpoint == nil || in.SimilarityScale == nil {
		return fmt.Errorf("eci: calibration: %w: margin_scale, similarity_midpoint or similarity_scale is missing", ErrFormat)
	}
	*c = Calibration(in.plain)
	c.MarginScale, c.SimilarityMidpoint, c.SimilarityScale = *in.MarginScale, *in.SimilarityMidpoint, *in.SimilarityScale
	return nil
}

// Hash identifies scales and lexicon of the calibration and a list of components
// with their settings: 32 hex digits of SHA-256. Matrices with different hashes
// refuse to merge.
func (c *Calibration) Hash(components []Component) (string, error) {
	scales := *c
	scales.Encoder = nil
	raw, err := json.Marshal(&scales)
	if err != nil {
		return "", fmt.Errorf("eci: calibration: %w", err)
	}
	h := sha256.New()
	h.Write(raw)
	for _, component := range components {
		h.Write([]byte("\n" + component.Name()))
		if s, ok := component.(interface{ Settings() string }); ok {
			h.Write([]byte(" " + s.Settings()))
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}
