package lookahead

import (
	"context"
	"math"

	"example.com/eci/internal/syrk"
)

// explicitLimit is the number of triples up to which the matrix K is written out.
// Beyond it, repeated multiplication by Γ takes less time and memory.
const explicitLimit = 2048

// A point holds some triples at the vectors as mapped by an adapter.
type point struct {
	omega, curvature []float64
	factors          *factors
	gram             operator // K of the triples
}

// at returns the listed triples after the mapping M or, without M, at the start.
func (s *Space) at(ctx context.Context, p *prepared, m []float64, list []int) (*point, error) {
	r := s.axes.r
	now := p.stay()
	if m != nil {
		now = p.move(m, r)
	}
	to := &point{omega: make([]float64, len(list)), curvature: make([]float64, len(list)), factors: newFactors(len(list), r)}
	const some = 512
	err := each(ctx, chunks(len(list), some), func(b int) {
		for i := b * some; i < min((b+1)*some, len(list)); i++ {
			row := &p.rows[list[i]]
			g := now.gradient(row, r, s.settings.MarginScale)
			to.omega[i], to.curvature[i] = g.omega, g.curvature
			to.factors.set(i, now, row, g)
		}
	})
	if err != nil {
		return nil, err
	}
	if len(list) > explicitLimit {
		to.gram = &implicit{ctx, to.factors}
		return to, nil
	}
	to.gram, err = to.factors.gram(ctx)
	return to, err
}

// part returns the triples of a point with the listed numbers. The point's K must be
// written out.
func (p *point) part(list []int) *point {
	return &point{
		omega: part(p.omega, list), curvature: part(p.curvature, list),
		factors: p.factors.part(list), gram: p.gram.(*gram).part(list),
	}
}

func part[T any](all []T, list []int) []T {
	some := make([]T, len(list))
	for i, number := range list {
		some[i] = all[number]
	}
	return some
}

// ridge returns λ = share/r Σ h ‖Γ‖², without the factor 1/σ of h, and √(h/λ). If
// there is no curvature, both are 0. The sum is computed relative to the largest h,
// which can be tiny.
func (p *point) ridge(share float64) (roots []float64, lambda float64) {
	roots = make([]float64, len(p.curvature))
	var largest float64
	for _, h := range p.curvature {
		largest = max(largest, h)
	}
	if largest == 0 {
		return roots, 0
	}
	var sum float64
	for i, h := range p.curvature {
		sum += h / largest * p.gram.diagonal(i)
	}
	sum *= share / float64(p.factors.r)
	if sum == 0 {
		return roots, 0
	}
	for i, h := range p.curvature {
		roots[i] = math.Sqrt(h / largest / sum)
	}
	return roots, sum * largest
}

// An operator multiplies by K, K_ij = <Γ_i, Γ_j>, and returns ‖Γ_i‖².
type operator interface {
	apply(to, x []float64)
	diagonal(i int) float64
}

// implicit is K in the form Σ x_j Γ_j.
type implicit struct {
	ctx context.Context
	f   *factors
}

func (k *implicit) apply(to, x []float64) { k.f.against(k.ctx, to, k.f.combine(k.ctx, x)) }

func (k *implicit) diagonal(i int) (sum float64) {
	f := k.f
	for a := range 3 {
		for b := range 3 {
			p := dot(f.w[a][i*f.r:][:f.r], f.w[b][i*f.r:][:f.r])
			sum += f.signs[a][i] * f.signs[b][i] * (p * p)
		}
	}
	return sum
}

// against writes <Γ_i, Y> for a symmetric Y. It stops early when the context ends.
func (f *factors) against(ctx context.Context, to []float64, y []float64) {
	r, ld := f.r, roundUp(f.r, syrk.Pad)
	var right syrk.Right64
	right.Pack(y, r, r, r)
	_ = each(ctx, chunks(f.n, rowBlock), func(b int) {
		first := b * rowBlock
		some := min(rowBlock, f.n-first)
		clear(to[first : first+some])
		c := make([]float64, rowBlock*ld)
		var left syrk.Left64
		for a := range 3 {
			w := f.w[a][first*r:]
			left.Pack(w, some, r, r)
			clear(c)
			syrk.Multiply64(c, ld, &left, 0, some, &right, 0, r, 0)
			for i := range some {
				to[first+i] += f.signs[a][first+i] * dot(w[i*r:][:r], c[i*ld:][:r])
			}
		}
	})
}
