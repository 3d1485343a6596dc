package eci

import (
	"fmt"
	"math"

	"example.com/eci/internal/dots"
	"example.com/eci/internal/stat"
)

// information is I + a M with its factorisation: what the derivatives of S need.
type information struct {
	d       int
	scale   float64   // a = d/eps^2
	logDet  float64   // S
	inverse []float64 // W = (I + a M)^-1, upper triangle of d x d; nil until asked for
}

// newInformation factorises I + a M, given the upper triangle of M, which it
// overwrites.
func newInformation(d int, epsilon2 float64, m []float64) (*information, error) {
	f := &information{d: d, scale: float64(d) / epsilon2}
	addIdentity(m, d, f.scale)
	var err error
	f.logDet, err = halfLogDet(m, d)
	return f, err
}

// invert is newInformation with W, whose storage is m's.
func invert(d int, epsilon2 float64, m []float64) (*information, error) {
	f := &information{d: d, scale: float64(d) / epsilon2, inverse: m}
	addIdentity(m, d, f.scale)
	var err error
	f.logDet, err = invertUpper(m, d)
	return f, err
}

// slope returns <W, B> a/2 for the upper triangle of a symmetric B: the
// derivative of S in the direction B.
func (f *information) slope(b []float64) float64 {
	if b == nil { // an empty group
		return 0
	}
	var diagonal, above float64
	d := f.d
	for i := range d {
		w, row := f.inverse[i*d+i:(i+1)*d], b[i*d+i:(i+1)*d]
		diagonal += w[0] * row[0]
		above += dots.Inner(w[1:], row[1:])
	}
	return f.scale / 2 * (diagonal + 2*above)
}

// linearised returns S_(-j) - S of the infinitesimal jackknife for every group j:
// the first-order change of S when the group is left out of m, whatever else S is
// made of. With M_(-j) - M = (m_j M - B_j)/(N - m_j) it needs inner products only,
// where the exact jackknife needs a factorisation for every group. Groups that
// are empty, or all there is, change nothing.
func (f *information) linearised(m *Matrix) []float64 {
	slopes, triples := make([]float64, len(m.groups)), m.GroupTriples()
	for j := range m.groups {
		slopes[j] = f.slope(m.groups[j].sum)
	}
	return f.linearise(slopes, triples)
}

// linearise turns the slopes in the directions B_j into the changes, in place.
func (f *information) linearise(slopes []float64, triples []int) []float64 {
	n, all := 0, 0.0
	for j, s := range slopes {
		n += triples[j]
		all += s
	}
	for j, k := range triples {
		if k == 0 || k == n {
			slopes[j] = 0
			continue
		}
		slopes[j] = (float64(k)*all/float64(n) - slopes[j]) / float64(n-k)
	}
	return slopes
}

// jackknife takes the changes of S by group.
func (f *information) jackknife(changes []float64, triples []int) combination {
	c := combination{score: f.logDet}
	for j := range changes {
		changes[j] += f.logDet
	}
	c.Jackknife, c.ok = stat.GroupJackknife(f.logDet, changes, triples)
	return c
}

// mean writes the upper triangle of sum_s weights[s] M_s to dst, d x d.
func meanOf(dst []float64, weights []float64, matrices []*Matrix) {
	clear(dst)
	for s, m := range matrices {
		n := m.Triples()
		if n == 0 || weights[s] == 0 {
			continue
		}
		scale := weights[s] / float64(n)
		for j := range m.groups {
			for k, x := range m.groups[j].sum {
				dst[k] += scale * x
			}
		}
	}
}

// Mix returns the matrix of a mixture, M = sum_s weights[s] M_s, with the groups
// of its parts. Weights must be finite, at least 0 and not all 0; they are
// divided by their sum. The matrices must be compatible as for [Matrix.Merge],
// and are not changed. Its number of triples is that of all parts together.
func Mix(weights []float64, matrices ...*Matrix) (*Matrix, error) {
	sum, err := checkMixture(weights, matrices)
	if err != nil {
		return nil, err
	}
	total := 0
	for _, m := range matrices {
		total += m.Triples()
	}
	mixed, err := NewMatrix(matrices[0].config)
	if err != nil {
		return nil, err
	}
	for s, m := range matrices {
		part := m.Clone()
		if n := part.Triples(); n > 0 {
			if err := part.Scale(weights[s] / sum * float64(total) / float64(n)); err != nil {
				return nil, err
			}
		}
		if err := mixed.Merge(part); err != nil {
			return nil, err
		}
	}
	return mixed, nil
}

func checkMixture(weights []float64, matrices []*Matrix) (sum float64, err error) {
	if len(matrices) == 0 {
		return 0, fmt.Errorf("eci: mixture: %w: give at least one matrix", ErrNoSources)
	}
	if len(weights) != len(matrices) {
		return 0, fmt.Errorf("eci: mixture: %w: %d weights for %d matrices", ErrSettings, len(weights), len(matrices))
	}
	for s, w := range weights {
		if !(w >= 0) || math.IsInf(w, 0) {
			return 0, fmt.Errorf("eci: mixture: %w: weight %v is not finite and at least 0", ErrSettings, w)
		}
		sum += w
		if err := matrices[0].compatible(matrices[s]); err != nil {
			return 0, err
		}
	}
	if !(sum > 0) || math.IsInf(sum, 0) {
		return 0, fmt.Errorf("eci: mixture: %w: the weights sum to %v", ErrSettings, sum)
	}
	return sum, nil
}
