package eci

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"example.com/eci/internal/chol"
	"example.com/eci/internal/cores"
	"example.com/eci/internal/ctxerr"
	"example.com/eci/internal/gram"
)

// LogDet returns the score S = 1/2 ln det(I + (d/eps^2) M) in nats, at least 0;
// 0 for an empty matrix. The error is ErrSingular when the sums have become so
// large that the factorization fails.
func (m *Matrix) LogDet() (float64, error) {
	if f := m.dual(); f != nil {
		return f.logDet(0, 0, nil)
	}
	sum, n := m.total()
	return m.logDet(sum, n)
}

// LogDets returns the score of all triples and, for every group, that of the
// triples outside it: the jackknife replicates S_(-j), length G. The replicate
// of an empty group is the score. The factorizations use all cores; the result
// does not depend on how many there are. They are of the Gram matrix of the rows
// where that takes less time than of the d x d sum, as it does with fewer triples
// than dimensions.
func (m *Matrix) LogDets() (all float64, without []float64, err error) {
	return m.added().logDets(context.Background())
}

// EffectiveDimension returns sum_k a l_k / (1 + a l_k) with a = d/eps^2 and l_k
// the eigenvalues of M, in [0, d]: how many directions carry information.
func (m *Matrix) EffectiveDimension() (float64, error) {
	if f := m.dual(); f != nil {
		return f.effectiveDimension()
	}
	sum, n := m.total()
	return (&added{Matrix: m, sum: sum, triples: n}).effectiveDimension()
}

// added is a matrix with its groups added up once, for all that needs the sum. It is
// used for one thing after the other.
type added struct {
	*Matrix
	dual    *dualForm     // or the sum of
	groups  []matrixGroup // these, as triangles where there was memory for them
	sum     []float64     // unscaled, upper triangle
	triples int
}

// added adds up the groups, or multiplies their rows where the dual form is faster.
func (m *Matrix) added() *added {
	if f := m.dual(); f != nil {
		return &added{Matrix: m, dual: f}
	}
	a := &added{Matrix: m, groups: m.triangles()}
	a.sum, a.triples = m.totalOf(a.groups)
	return a
}

// logDets is [Matrix.LogDets] that can be stopped between two factorizations.
func (a *added) logDets(ctx context.Context) (all float64, without []float64, err error) {
	if f := a.dual; f != nil {
		return a.replicates(ctx, func(i int, memory *[]float64) (float64, error) {
			if i == len(a.Matrix.groups) {
				return f.logDet(0, 0, memory)
			}
			return f.logDet(f.ends[i]-a.Matrix.groups[i].triples, f.ends[i], memory)
		})
	}
	d := a.config.Dimension
	return a.replicates(ctx, func(i int, memory *[]float64) (float64, error) {
		if *memory == nil {
			*memory = make([]float64, len(a.sum))
		}
		if i == len(a.groups) {
			copy(*memory, a.sum)
			return a.logDet(*memory, a.triples)
		}
		scratch := scratches.Get().(*scratch)
		defer scratches.Put(scratch)
		a.groups[i].sum.Rest(*memory, a.sum, d, &scratch.gram)
		return a.logDet(*memory, a.triples-a.groups[i].triples)
	})
}

// effectiveDimension is [Matrix.EffectiveDimension]. It overwrites the sum.
func (a *added) effectiveDimension() (float64, error) {
	if a.dual != nil {
		return a.dual.effectiveDimension()
	}
	if a.triples == 0 {
		return 0, nil
	}
	a.precision(a.sum, a.triples)
	return effectiveDimension(a.sum, a.config.Dimension)
}

// effectiveAhead returns effectiveDimension, to be called after logDets. It begins at
// once where a copy of the sum is small: an inverse is work for one core.
func (a *added) effectiveAhead() func() (float64, error) {
	const small = 1024 // dimensions
	if a.dual != nil || a.config.Dimension > small || cores.Of(a.cores) == 1 {
		return a.effectiveDimension
	}
	own := *a
	own.sum = slices.Clone(a.sum)
	effective := sync.OnceValues(own.effectiveDimension)
	go effective()
	return effective
}

// replicates calls value for every group that has triples and for the number of
// groups, which means all of them, on all cores. memory belongs to one goroutine.
func (m *Matrix) replicates(ctx context.Context, value func(i int, memory *[]float64) (float64, error)) (all float64, without []float64, err error) {
	values := make([]float64, len(m.groups)+1)
	errs := make([]error, len(m.groups)+1)
	cores.Each(m.cores, len(values), func(next func() int) {
		var memory []float64
		for i := next(); i < len(values); i = next() {
			if errs[i] = ctxerr.Of(ctx); errs[i] != nil {
				return
			}
			if i == len(m.groups) || m.groups[i].triples > 0 {
				values[i], errs[i] = value(i, &memory)
			}
		}
	})
	for _, err := range errs {
		if err != nil {
			return 0, nil, err
		}
	}
	all, without = values[len(m.groups)], values[:len(m.groups)]
	for i := range m.groups {
		if m.groups[i].triples == 0 {
			without[i] = all
		}
	}
	return all, without, nil
}

// triangleBytes bounds the memory of triangles that a jackknife makes of groups with
// rows, which it needs twice.
const triangleBytes = 512 << 20

// triangles returns the groups, as triangles where there is memory for them. The
// others are summed from their rows again whenever they are needed.
func (m *Matrix) triangles() []matrixGroup {
	d := m.config.Dimension
	groups := slices.Clone(m.groups)
	some := min(len(groups), triangleBytes/(8*gram.Triangle(max(1, d))))
	cores.Split(m.cores, some, func(lo, hi int) {
		scratch := scratches.Get().(*scratch)
		defer scratches.Put(scratch)
		for i := lo; i < hi; i++ {
			groups[i].sum = groups[i].sum.Folded(d, &scratch.gram)
		}
	})
	return groups
}

// dualForm is the Gram matrix of the rows sqrt(w) r of all groups, one group after
// the other: I + a R RT has the determinant of I + a RT R.
type dualForm struct {
	product []float64 // upper triangle, n x n, rows at distance ld
	n, ld   int
	ends    []int   // by group, of its rows
	scale   float64 // d/eps^2
}

// dual returns the dual form where all groups have their rows and the jackknife
// takes less time with it, which shapes alone decide; otherwise nil.
func (m *Matrix) dual() *dualForm {
	n, d := m.Triples(), m.config.Dimension
	if n == 0 || d < exactDimension || !gram.DualIsFaster(n, d, len(m.groups)) {
		return nil
	}
	f := &dualForm{n: n, scale: float64(d) / m.config.Epsilon2, ends: make([]int, len(m.groups))}
	rows, ok := make([]float64, 0, n*d), true
	for i := range m.groups {
		if rows, ok = m.groups[i].sum.AppendRows(rows); !ok {
			return nil
		}
		f.ends[i] = len(rows) / d
	}
	if len(rows) != n*d { // merged from triples without rows
		return nil
	}
	f.product, f.ld = gram.Dual(rows, n, d, cores.All)
	return f
}

// logDet takes the score without the rows from lo to hi, in memory of the caller's
// that it allocates if need be; nil allocates it.
func (f *dualForm) logDet(lo, hi int, memory *[]float64) (float64, error) {
	k := f.n - (hi - lo)
	if k == 0 {
		return 0, nil
	}
	if memory == nil {
		memory = new([]float64)
	}
	if *memory == nil {
		*memory = make([]float64, f.n*f.n)
	}
	a := (*memory)[:k*k]
	gram.Without(a, f.product, f.n, f.ld, lo, hi, f.scale/float64(k))
	return halfLogDet(a, k)
}

// effectiveDimension is n less the trace of (I + a R RT/n)^-1.
func (f *dualForm) effectiveDimension() (float64, error) {
	a := make([]float64, f.n*f.n)
	gram.Without(a, f.product, f.n, f.ld, 0, 0, f.scale/float64(f.n))
	return effectiveDimension(a, f.n)
}

// logDet takes the score of unscaled sums over n triples, which it overwrites.
func (m *Matrix) logDet(sum []float64, n int) (float64, error) {
	if n == 0 {
		return 0, nil
	}
	m.precision(sum, n)
	return halfLogDet(sum, m.config.Dimension)
}

// precision turns unscaled sums over n triples into I + (d/eps^2) M.
func (m *Matrix) precision(sum []float64, n int) {
	d := m.config.Dimension
	addIdentity(sum, d, float64(d)/m.config.Epsilon2/float64(n))
}

// addIdentity turns the d x d matrix A in the upper triangle of a into I + scale A.
func addIdentity(a []float64, d int, scale float64) {
	for i := range d {
		row := a[i*d+i : (i+1)*d]
		for k := range row {
			row[k] *= scale
		}
		row[0]++
	}
}

// effectiveDimension is the size of A less the trace of its inverse, which takes
// the place of A.
func effectiveDimension(a []float64, size int) (float64, error) {
	if _, err := invertUpper(a, size); err != nil {
		return 0, err
	}
	var trace float64
	for i := range size {
		trace += a[i*size+i]
	}
	return max(0, float64(size)-trace), nil
}

// invertUpper replaces the upper triangle of a by that of its inverse and returns
// half its log-determinant.
func invertUpper(a []float64, d int) (float64, error) {
	scratch := scratches.Get().(*scratch)
	defer scratches.Put(scratch)
	half, ok := chol.Inverse(a, d, &scratch.chol)
	if !ok || math.IsNaN(half) || math.IsInf(half, 0) {
		return 0, fmt.Errorf("eci: matrix: %w", ErrSingular)
	}
	return max(0, half), nil
}

// halfLogDet is half the log-determinant of the symmetric matrix in the upper
// triangle of a, which it overwrites.
func halfLogDet(a []float64, d int) (float64, error) {
	scratch := scratches.Get().(*scratch)
	defer scratches.Put(scratch)
	half, ok := chol.LogDet(a, d, &scratch.chol)
	if !ok || math.IsNaN(half) || math.IsInf(half, 0) {
		return 0, fmt.Errorf("eci: matrix: %w", ErrSingular)
	}
	return max(0, half), nil // rounding must not push S below 0
}
