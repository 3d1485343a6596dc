package eci

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"example.com/eci/internal/cosine"
)

// MarginSweep shows the effect on a source of keeping only triples with margin >= t,
// for every threshold t at once.
//
// The weights are those of the frozen calibration for every t. Filters that changed
// their own scale could not be compared.
// It is safe for concurrent use as long as no goroutine changes it.
type MarginSweep struct {
	// Source is the source's name. Triples is the number of its triples.
	Source  string `json:"source"`
	Triples int    `json:"triples"`
	// MarginScale is sigma_m, the unit of the thresholds, in cosine units.
	MarginScale float64 `json:"margin_scale"`
	// Points has one entry for each threshold, in ascending order. The first has
	// threshold -Inf (null in JSON), which means no filter.
	Points []SweepPoint `json:"points"`
}

// SweepPoint is a source filtered at one threshold.
// It is safe for concurrent use as long as no goroutine changes it.
type SweepPoint struct {
	// Threshold is t in units of sigma_m. Margin is the same in cosine units.
	Threshold, Margin float64
	// Triples is the number of triples with margin >= t. Share is their share of the
	// source, in [0, 1].
	Triples int
	Share   float64
	// Score is S of the triples kept, in nats; 0 if there are none. Like every S it
	// depends on the number of triples. Compare a filter only with another filter or
	// source at the same number of triples.
	Score float64
	// EffectiveTriples is (sum w)^2 / sum w^2 of the triples kept.
	EffectiveTriples float64
}

// Sweep scores the triples of a source with margin at least t, for each of the
// thresholds, in one reading of the source. Thresholds must be finite. They are in
// units of the calibrated spread of margins, in any order. Without thresholds, Sweep
// uses -2, -1.5, ..., 2. It needs d x d numbers of memory for every threshold.
//
// Calibration must be set, as for [Sem.Score]. Budget does not apply. Errors are those
// of [Sem.Weigh], and ErrSettings for a threshold that is not finite.
func (s *Sem) Sweep(ctx context.Context, source Source, thresholds ...float64) (*MarginSweep, error) {
	if len(thresholds) == 0 {
		for t := -2.0; t <= 2; t += 0.5 {
			thresholds = append(thresholds, t)
		}
	}
	edges := slices.Clone(thresholds)
	slices.Sort(edges)
	edges = slices.Compact(edges)
	for _, t := range edges {
		if math.IsNaN(t) || math.IsInf(t, 0) {
			return nil, fmt.Errorf("eci: %w: margin threshold %v is not finite", ErrSettings, t)
		}
	}
	edges = slices.Insert(edges, 0, math.Inf(-1))
	if _, err := s.weigher(source, len(edges)+2); err != nil {
		return nil, err
	}
	sweep := &MarginSweep{Source: source.Name}
	bins := make([]sweepBin, len(edges))
	var scratch []float64
	for w, err := range s.Weigh(ctx, source) {
		if err != nil {
			return nil, err
		}
		sweep.MarginScale = w.Calibration.MarginScale
		// The bin of the highest threshold that the margin reaches.
		k, at := slices.BinarySearchFunc(edges, w.Margin, func(edge, margin float64) int {
			return cmp.Compare(edge*sweep.MarginScale, margin)
		})
		if !at {
			k--
		}
		scratch, err = bins[k].add(s, w, scratch)
		if err != nil {
			return nil, source.wrap(w.Record, err)
		}
		sweep.Triples++
	}
	if sweep.Triples == 0 {
		return nil, &RowError{Source: source.Name, Err: fmt.Errorf("%w to sweep", ErrEmptySource)}
	}
	sweep.Points = make([]SweepPoint, len(edges))
	var kept sweepBin
	for k := len(edges) - 1; k >= 0; k-- {
		if err := kept.merge(&bins[k]); err != nil {
			return nil, source.wrap(nil, err)
		}
		p := SweepPoint{Threshold: edges[k], Margin: edges[k] * sweep.MarginScale, Triples: kept.triples}
		p.Share = float64(p.Triples) / float64(sweep.Triples)
		p.EffectiveTriples = Totals{Weight: kept.weight, WeightSquares: kept.squares}.EffectiveTriples()
		if kept.matrix != nil {
			var err error
			p.Score, err = kept.matrix.LogDet()
			if err != nil {
				return nil, source.wrap(nil, err)
			}
		}
		sweep.Points[k] = p
	}
	return sweep, nil
}

// sweepBin holds the triples between two thresholds.
type sweepBin struct {
	triples         int
	weight, squares float64
	matrix          *Matrix // nil when empty
}

func (b *sweepBin) add(s *Sem, w *Weighted, scratch []float64) ([]float64, error) {
	q, p, n := w.Record.QueryVector, w.Record.PositiveVector, w.Record.NegativeVector
	if b.matrix == nil {
		m, err := NewMatrix(MatrixConfig{Dimension: len(q), Groups: 1, Epsilon2: s.Epsilon2})
		if err != nil {
			return scratch, err
		}
		b.matrix = m
	}
	var inverse [3]float64
	for k, v := range [...][]float32{q, p, n} {
		var err error
		inverse[k], err = cosine.InverseNorm(v)
		if err != nil {
			return scratch, err
		}
	}
	scratch = slices.Grow(scratch[:0], len(q))[:len(q)]
	cosine.Tangent(scratch, q, p, n, inverse[0], inverse[1], inverse[2], w.Margin, 1)
	b.triples++
	b.weight += w.Weight
	b.squares += float64(w.Weight * w.Weight)
	return scratch, b.matrix.Add(0, w.Weight, scratch)
}

func (b *sweepBin) merge(o *sweepBin) error {
	b.triples += o.triples
	b.weight += o.weight
	b.squares += o.squares
	switch {
	case o.matrix == nil:
		return nil
	case b.matrix == nil:
		b.matrix = o.matrix
		return nil
	}
	return b.matrix.Merge(o.matrix)
}

// String returns the sweep as a table for people.
func (s *MarginSweep) String() string {
	var out strings.Builder
	t := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "margin >=\tcosine\ttriples\tshare\teffective\tS\t")
	for _, p := range s.Points {
		threshold, margin := "all", "-"
		if !math.IsInf(p.Threshold, 0) {
			threshold, margin = fmt.Sprintf("%.2f sd", p.Threshold), fmt.Sprintf("%.3f", p.Margin)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%.2f\t%.0f\t%.2f\t\n", threshold, margin, p.Triples, p.Share, p.EffectiveTriples, p.Score)
	}
	t.Flush()
	return out.String()
}

// MarshalJSON writes the point, and a threshold of -Inf as null.
func (p SweepPoint) MarshalJSON() ([]byte, error) {
	finite := func(x float64) *float64 {
		if math.IsInf(x, 0) {
			return nil
		}
		return &x
	}
	return json.Marshal(struct {
		Threshold *float64 `json:"threshold"`
		Margin    *float64 `json:"margin"`
		Triples   int      `json:"triples"`
		Share     float64  `json:"share"`
		Effective float64  `json:"effective_triples"`
		Score     float64  `json:"score"`
	}{finite(p.Threshold), finite(p.Margin), p.Triples, p.Share, p.EffectiveTriples, p.Score})
}

// UnmarshalJSON reads what MarshalJSON wrote; on an error p is unchanged.
func (p *SweepPoint) UnmarshalJSON(data []byte) error {
	in := struct {
		Threshold, Margin *float64
		Triples           int
		Share             float64
		Effective         float64 `json:"effective_triples"`
		Score             float64
	}{}
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("eci: sweep: %w: %w", ErrFormat, err)
	}
	lowest := math.Inf(-1)
	*p = SweepPoint{Threshold: *cmp.Or(in.Threshold, &lowest), Margin: *cmp.Or(in.Margin, &lowest), Triples: in.Triples, Share: in.Share, Score: in.Score, EffectiveTriples: in.Effective}
	return nil
}
