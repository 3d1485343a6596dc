package eci

import (
	"fmt"
	"math"

	"example.com/eci/internal/cores"
	"example.com/eci/internal/cosine"
	"example.com/eci/internal/dots"
	"example.com/eci/internal/hash64"
	"example.com/eci/internal/lexicon"
	"example.com/eci/internal/stat"
)

// weigh fills evidence, factors and weight of every row.
func (r *run) weigh(source Source, b *batch) error {
	r.lexical(b)
	if err := r.weighRows(b); err != nil {
		for i := range b.rows {
			if row := &b.rows[i]; row.err != nil {
				return source.wrap(&row.rec, row.err)
			}
		}
	}
	return nil
}

// weighRows takes the factors of rows with similarities and features. It returns
// the first error of a row.
func (r *run) weighRows(b *batch) error {
	cores.All(len(b.rows), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			row := &b.rows[i]
			e := &row.evidence
			e.Calibration = r.calibration
			q, p, n := row.features[0], row.features[1], row.features[2]
			e.Coverage, e.Overlap = lexicon.Coverage(q, n), lexicon.Overlap(p, n)
			row.factors, row.weight = row.factors[:0], 1
			for _, c := range r.Components {
				f := c.Weight(e)
				if !(f >= 0 && f <= 1) {
					row.err = fmt.Errorf("%w: component %q gave %v", ErrWeight, c.Name(), f)
				}
				row.factors = append(row.factors, f)
				row.weight *= f
			}
			row.fingerprint = hash64.FingerprintOf(row.rec.NegativeText)
			if r.sampled() > 0 {
				row.hash = hash64.Triple(r.Seed, hash64.FingerprintOf(row.rec.QueryText), hash64.FingerprintOf(row.rec.PositiveText), row.fingerprint)
			}
		}
	})
	for i := range b.rows {
		if err := b.rows[i].err; err != nil {
			return err
		}
	}
	return nil
}

// lexical points every row at the features of its texts, taking those of each
// distinct text once.
func (r *run) lexical(b *batch) {
	w := &b.words
	clear(w.index)
	w.texts = w.texts[:0]
	for i := range b.rows {
		row := &b.rows[i]
		for k, at := range row.rec.sides() {
			if f, ok := r.features.Get(at.text); ok {
				row.features[k] = f
				continue
			}
			row.features[k] = nil
			if _, ok := w.index[at.text]; !ok {
				w.index[at.text] = len(w.texts)
				w.texts = append(w.texts, at.text)
			}
		}
	}
	if len(w.texts) == 0 {
		return
	}
	w.features = append(w.features[:0], make([]*lexicon.Features, len(w.texts))...)
	cores.All(len(w.texts), func(lo, hi int) {
		scratch := lexicon.Borrow()
		defer scratch.Return()
		for i := lo; i < hi; i++ {
			w.features[i] = r.lexicon.features(w.texts[i], scratch)
		}
	})
	for i := range b.rows {
		row := &b.rows[i]
		for k, at := range row.rec.sides() {
			if row.features[k] == nil {
				row.features[k] = w.features[w.index[at.text]]
			}
		}
	}
	for i, text := range w.texts {
		r.features.Put(text, w.features[i], w.features[i].Bytes())
	}
}

// residual writes scale times the row's residual to dst, and returns its squared
// norm before scaling.
func (row *batchRow) residual(dst []float64, scale float64) float64 {
	q, p, n := row.vectors[0], row.vectors[1], row.vectors[2]
	return cosine.Tangent(dst, q.data, p.data, n.data, row.inverse[0], row.inverse[1], row.inverse[2], row.evidence.Margin, scale)
}

// fastResidual writes sqrt(w) r to dst, rounded to float32, and returns |r|^2.
func (row *batchRow) fastResidual(dst []float32) (square float64) {
	q, p, n := row.vectors[0], row.vectors[1], row.vectors[2]
	scale := math.Sqrt(row.weight)
	if scale < leastScale { // too small to tell |r| from it
		square = dots.Residual(dst, q.data, p.data, n.data, row.evidence.Margin*row.inverse[0], row.inverse[1], row.inverse[2])
		for k := range dst {
			dst[k] *= float32(scale)
		}
		return square
	}
	square = dots.Residual(dst, q.data, p.data, n.data, scale*row.evidence.Margin*row.inverse[0], scale*row.inverse[1], scale*row.inverse[2])
	return square / row.weight
}

// leastScale keeps float32 squares of a residual's components normal numbers.
const leastScale = 1e-9

func (row *batchRow) weighted() Weighted {
	return Weighted{Evidence: row.evidence, Factors: row.factors, Weight: row.weight, Group: row.group}
}

// loss is the InfoNCE loss of a triple, ln(1 + exp(-m/T)), in nats, and the norm
// of its gradient with respect to the query, sigmoid(-m/T) |r| / T.
func loss(margin, temperature, residualNorm float64) (value, gradient float64) {
	x := -margin / temperature
	return stat.Softplus(x), stat.Sigmoid(x) * residualNorm / temperature
}
