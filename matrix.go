package eci

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"gonum.org/v1/gonum/mat"

	"example.com/eci/internal/chol"
	"example.com/eci/internal/cores"
	"example.com/eci/internal/ctxerr"
	"example.com/eci/internal/gram"
	"example.com/eci/internal/syrk"
	"example.com/eci/internal/vecfile"
)

// MatrixConfig fixes what two matrices must share before they can be merged.
// Goroutines may share one that none of them changes.
type MatrixConfig struct {
	// Dimension is d, the length of the vectors; at least 1.
	Dimension int
	// Groups is G, the number of jackknife groups; 0 means 32.
	Groups int
	// Epsilon2 is eps^2, the distortion of the coding rate; 0 means 0.5.
	Epsilon2 float64
	// Settings identifies calibration and components; see [Calibration.Hash].
	Settings string
}

const (
	defaultGroups   = 32
	defaultEpsilon2 = 0.5
	maxGroups       = 1 << 12
	maxDimension    = vecfile.MaxDimension
	blockRows       = 192
	exactDimension  = 64 // below it float64 costs little
)

func (c MatrixConfig) withDefaults() (MatrixConfig, error) {
	if c.Groups == 0 {
		c.Groups = defaultGroups
	}
	if c.Epsilon2 == 0 {
		c.Epsilon2 = defaultEpsilon2
	}
	switch {
	case c.Dimension < 1 || c.Dimension > maxDimension:
		return c, fmt.Errorf("eci: matrix: %w: dimension %d is not in 1..%d", ErrSettings, c.Dimension, maxDimension)
	case c.Groups < 1 || c.Groups > maxGroups:
		return c, fmt.Errorf("eci: matrix: %w: %d groups is not in 1..%d", ErrSettings, c.Groups, maxGroups)
	case !(c.Epsilon2 > 0) || math.IsInf(c.Epsilon2, 0):
		return c, fmt.Errorf("eci: matrix: %w: eps^2 = %v is not positive and finite", ErrSettings, c.Epsilon2)
	}
	return c, nil
}

// Matrix accumulates the weighted residual information matrix
// M = (1/N) sum w r rT of one source, d x d, kept as unscaled sums for each
// group of queries, so that the jackknife can leave one group out. A group keeps its
// rows while they take less memory than a triangle of d (d+1)/2 sums.
//
// Triples given to [Matrix.Add] are summed in float64 in the order of the calls.
// A [Sem] that scores a large source (see [Sem.Exact]) sums blocks of 384 rows of
// a group in float32, with fused multiply-add where the processor has it, and the
// blocks in float64: that is twice as fast, and moves the log-determinant by
// about 1e-9 of its value.
//
// It is for one goroutine at a time, except that several may add to different
// groups, and that several may read it, by any method that does not change it.
type Matrix struct {
	config MatrixConfig
	groups []matrixGroup
	cores  int // that a jackknife may use, as each takes memory; 0 means all
}

// matrixGroup is sum w r rT over one group of queries.
type matrixGroup struct {
	triples int
	sum     gram.Sum
}

// NewMatrix returns an empty matrix, or an error for settings out of range.
func NewMatrix(config MatrixConfig) (*Matrix, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Matrix{config: config, groups: make([]matrixGroup, config.Groups)}, nil
}

// Config returns the settings with defaults filled in.
func (m *Matrix) Config() MatrixConfig { return m.config }

// Triples returns N, the number of triples added.
func (m *Matrix) Triples() int {
	n := 0
	for i := range m.groups {
		n += m.groups[i].triples
	}
	return n
}

// GroupTriples returns the number of triples in each group, length G.
func (m *Matrix) GroupTriples() []int {
	n := make([]int, len(m.groups))
	for i := range m.groups {
		n[i] = m.groups[i].triples
	}
	return n
}

// Add counts one triple in a group (0..G-1) with its weight, at least 0, and its
// residual of length d, all finite. The residual is copied.
func (m *Matrix) Add(group int, weight float64, residual []float64) error {
	if group < 0 || group >= len(m.groups) {
		return fmt.Errorf("eci: matrix: %w: group %d is not in 0..%d", ErrSettings, group, len(m.groups)-1)
	}
	if len(residual) != m.config.Dimension {
		return fmt.Errorf("eci: matrix: %w: residual of length %d in a matrix of dimension %d", ErrDimension, len(residual), m.config.Dimension)
	}
	if !(weight >= 0) || math.IsInf(weight, 0) {
		return fmt.Errorf("eci: matrix: %w: weight %v", ErrWeight, weight)
	}
	for _, x := range residual {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("eci: matrix: %w in the residual", ErrNotFinite)
		}
	}
	row := m.row(group)
	root := math.Sqrt(weight)
	for k, x := range residual {
		row[k] = root * x
	}
	return nil
}

// row counts a triple in a group and returns the row of length d that the
// caller must fill with sqrt(w) r before the group is used again.
func (m *Matrix) row(group int) []float64 {
	scratch := scratches.Get().(*scratch)
	defer scratches.Put(scratch)
	g := &m.groups[group]
	g.triples++
	return g.sum.Row(m.config.Dimension, &scratch.gram)
}

// fastRow is row for float32 blocks.
func (m *Matrix) fastRow(group int) []float32 {
	scratch := scratches.Get().(*scratch)
	defer scratches.Put(scratch)
	g := &m.groups[group]
	g.triples++
	return g.sum.FastRow(m.config.Dimension, &scratch.gram)
}

// settle gives back the storage of pending rows, once no more are expected.
func (m *Matrix) settle() {
	m.eachGroup(func(g *matrixGroup, s *scratch) { g.sum.Settle(m.config.Dimension, &s.gram) })
}

// eachGroup calls fn for every group, on all cores.
func (m *Matrix) eachGroup(fn func(g *matrixGroup, s *scratch)) {
	cores.Split(m.cores, len(m.groups), func(lo, hi int) {
		scratch := scratches.Get().(*scratch)
		defer scratches.Put(scratch)
		for i := lo; i < hi; i++ {
			fn(&m.groups[i], scratch)
		}
	})
}

// scratch is the working memory of the kernels.
type scratch struct {
	gram   gram.Scratch
	syrk64 syrk.Scratch64
	chol   chol.Scratch
}

// scratches holds one for each goroutine at work.
var scratches = sync.Pool{New: func() any { return new(scratch) }}

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

// compatible says why two matrices cannot be combined.
func (m *Matrix) compatible(o *Matrix) error {
	a, b := m.config, o.config
	differ := func(what string, x, y any) error {
		return fmt.Errorf("eci: matrix: %w: %s differ, %v and %v", ErrIncompatible, what, x, y)
	}
	switch {
	case a.Dimension != b.Dimension:
		return differ("dimensions", a.Dimension, b.Dimension)
	case a.Groups != b.Groups:
		return differ("numbers of groups", a.Groups, b.Groups)
	case a.Epsilon2 != b.Epsilon2:
		return differ("values of eps^2", a.Epsilon2, b.Epsilon2)
	case a.Settings != b.Settings:
		return differ("calibrations or components", a.Settings, b.Settings)
	}
	return nil
}

// Merge adds the triples of o, as if they had been added to m. It refuses, with
// ErrIncompatible and m unchanged, a matrix of another dimension, grouping, eps
// or settings. Merging is commutative to the bit, and within 1e-12 relative of
// adding all triples to one matrix; within 1e-8 for the matrices of large sources
// that were not scored exactly, because their blocks begin elsewhere.
func (m *Matrix) Merge(o *Matrix) error {
	if err := m.compatible(o); err != nil {
		return err
	}
	parallel(len(m.groups), func(lo, hi int) {
		scratch := scratches.Get().(*scratch)
		defer scratches.Put(scratch)
		for i := lo; i < hi; i++ {
			g, h := &m.groups[i], &o.groups[i]
			g.triples += h.triples
			g.sum.Add(&h.sum, m.config.Dimension, &scratch.gram)
		}
	})
	return nil
}

// Clone returns an independent copy.
func (m *Matrix) Clone() *Matrix {
	c := &Matrix{config: m.config, groups: make([]matrixGroup, len(m.groups))}
	for i := range m.groups {
		c.groups[i] = matrixGroup{triples: m.groups[i].triples, sum: m.groups[i].sum.Clone()}
	}
	return c
}

// Scale multiplies every weight by alpha, which must be finite and not negative.
func (m *Matrix) Scale(alpha float64) error {
	if !(alpha >= 0) || math.IsInf(alpha, 0) {
		return fmt.Errorf("eci: matrix: %w: scale %v is not finite and at least 0", ErrSettings, alpha)
	}
	m.eachGroup(func(g *matrixGroup, s *scratch) { g.sum.Scale(alpha, m.config.Dimension, &s.gram) })
	return nil
}

// total returns the unscaled upper triangle sum w r rT over all groups; nil when
// there are no triples.
func (m *Matrix) total() (sum []float64, triples int) {
	return m.totalOf(m.groups)
}

// totalOf is total with the groups in another form.
func (m *Matrix) totalOf(groups []matrixGroup) (sum []float64, triples int) {
	d := m.config.Dimension
	for i := range groups {
		triples += groups[i].triples
	}
	if triples == 0 { // of a dimension that nobody has paid for
		return nil, 0
	}
	sum = make([]float64, d*d)
	// A few groups at a time are summed concurrently, then added in their order.
	width := min(len(groups), cores.Of(m.cores), 8)
	working := make([]*scratch, width)
	uppers := make([][]float64, width)
	for w := range working {
		working[w] = scratches.Get().(*scratch)
		defer scratches.Put(working[w])
	}
	for first := 0; first < len(groups); first += width {
		some := groups[first:min(first+width, len(groups))]
		parallel(len(some), func(lo, hi int) {
			for w := lo; w < hi; w++ {
				uppers[w] = some[w].upper(d, working[w])
			}
		})
		parallel(d, func(lo, hi int) {
			for _, upper := range uppers[:len(some)] {
				gram.AddRows(sum, upper, d, lo, hi)
			}
		})
	}
	return sum, triples
}

// upper returns the upper triangle of the group in the scratch, d x d; nil for an
// empty group.
func (g *matrixGroup) upper(d int, s *scratch) []float64 {
	if g.triples == 0 {
		return nil
	}
	square := s.gram.Square(d)
	g.sum.Upper(square, d, &s.gram)
	return square
}

// Symmetric returns M, d x d, as a new gonum matrix; zero when there are no
// triples.
func (m *Matrix) Symmetric() *mat.SymDense {
	sum, n := m.total()
	if n > 0 {
		for k := range sum {
			sum[k] /= float64(n)
		}
	}
	if m.config.Dimension == 0 { // the zero Matrix
		return &mat.SymDense{}
	}
	return mat.NewSymDense(m.config.Dimension, sum)
}

// Trace returns tr M = (1/N) sum w |r|^2.
func (m *Matrix) Trace() float64 {
	sum, n := m.total()
	if n == 0 {
		return 0
	}
	d := m.config.Dimension
	var trace float64
	for i := range d {
		trace += sum[i*d+i]
	}
	return trace / float64(n)
}

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
	return m.logDets(context.Background())
}

// logDets is LogDets that can be stopped between two factorizations.
func (m *Matrix) logDets(ctx context.Context) (all float64, without []float64, err error) {
	if f := m.dual(); f != nil {
		return m.replicates(ctx, func(i int, memory *[]float64) (float64, error) {
			if i == len(m.groups) {
				return f.logDet(0, 0, memory)
			}
			return f.logDet(f.ends[i]-m.groups[i].triples, f.ends[i], memory)
		})
	}
	groups := m.triangles()
	sum, n := m.totalOf(groups)
	d := m.config.Dimension
	return m.replicates(ctx, func(i int, memory *[]float64) (float64, error) {
		if *memory == nil {
			*memory = make([]float64, len(sum))
		}
		copy(*memory, sum)
		if i == len(m.groups) {
			return m.logDet(*memory, n)
		}
		scratch := scratches.Get().(*scratch)
		defer scratches.Put(scratch)
		upper := groups[i].upper(d, scratch)
		for r := range d {
			from := (*memory)[r*d+r : (r+1)*d]
			for k, x := range upper[r*d+r : (r+1)*d] {
				from[k] -= x
			}
		}
		return m.logDet(*memory, n-groups[i].triples)
	})
}

// replicates calls value for every group that has triples and for the number of
// groups, which means all of them, on all cores. memory belongs to one goroutine.
func (m *Matrix) replicates(ctx context.Context, value func(i int, memory *[]float64) (float64, error)) (all float64, without []float64, err error) {
	values := make([]float64, len(m.groups)+1)
	errs := make([]error, len(m.groups)+1)
	cores.Split(m.cores, len(values), func(lo, hi int) {
		var memory []float64
		for i := lo; i < hi; i++ {
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

// triangles returns the groups, as triangles where these take at most
// 512 MiB while a jackknife needs them twice. Beyond that they are summed from their
// rows again.
func (m *Matrix) triangles() []matrixGroup {
	d := m.config.Dimension
	if 8*int64(gram.Triangle(d))*int64(len(m.groups)) > 512<<20 {
		return m.groups
	}
	groups := make([]matrixGroup, len(m.groups))
	cores.Split(m.cores, len(groups), func(lo, hi int) {
		scratch := scratches.Get().(*scratch)
		defer scratches.Put(scratch)
		for i := lo; i < hi; i++ {
			groups[i] = matrixGroup{m.groups[i].triples, m.groups[i].sum.Folded(d, &scratch.gram)}
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
	f.product, f.ld = gram.Dual(rows, n, d, parallel)
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
	for k := range a {
		a[k] *= scale
	}
	for i := range d {
		a[i*d+i]++
	}
}

// EffectiveDimension returns sum_k a l_k / (1 + a l_k) with a = d/eps^2 and l_k
// the eigenvalues of M, in [0, d]: how many directions carry information.
func (m *Matrix) EffectiveDimension() (float64, error) {
	if f := m.dual(); f != nil {
		return f.effectiveDimension()
	}
	sum, n := m.total()
	if n == 0 {
		return 0, nil
	}
	m.precision(sum, n)
	return effectiveDimension(sum, m.config.Dimension)
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

// Spectrum returns the eigenvalues of M in descending order, length d; negative
// rounding errors are set to 0.
func (m *Matrix) Spectrum() ([]float64, error) {
	if m.config.Dimension == 0 {
		return nil, nil
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(m.Symmetric(), false) {
		return nil, fmt.Errorf("eci: matrix: %w: the eigenvalues did not converge", ErrSingular)
	}
	values := eigen.Values(nil)
	for i, v := range values {
		values[i] = max(0, v)
	}
	slices.SortFunc(values, func(a, b float64) int {
		switch {
		case a > b:
			return -1
		case a < b:
			return 1
		}
		return 0
	})
	return values, nil
}
