package eci

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"gonum.org/v1/gonum/mat"

	"example.com/eci/internal/chol"
	"example.com/eci/internal/ctxerr"
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
// group of queries, so that the jackknife can leave one group out.
//
// Triples given to [Matrix.Add] are summed in float64 in the order of the calls.
// A [Sem] that scores a large source (see [Sem.Exact]) sums blocks of 384 rows of
// a group in float32, with fused multiply-add where the processor has it, and the
// blocks in float64: that is twice as fast, and moves the log-determinant by
// about 1e-9 of its value.
//
// It is for one goroutine at a time, except that several may add to different
// groups, and that several may read the Matrix of a finished [Score].
type Matrix struct {
	config MatrixConfig
	groups []matrixGroup
}

// matrixGroup is the sum over one group of queries: the upper triangle of
// sum w r rT, and rows sqrt(w) r that are not yet in it.
type matrixGroup struct {
	triples int
	sum     []float64 // d x d row-major, upper triangle used; nil when empty
	block   []float64 // pending rows of Add, up to blockRows
	fast    []float32 // pending rows of a fast Sem, up to syrk.MaxRows
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
	g, d := &m.groups[group], m.config.Dimension
	if len(g.block) == blockRows*d {
		g.flush(d)
	}
	g.block = grown(g.block, d, blockRows)
	g.triples++
	return g.block[len(g.block)-d:]
}

// release gives back the storage of pending rows, once no more are expected.
func (m *Matrix) release() {
	m.flush()
	for i := range m.groups {
		m.groups[i].block, m.groups[i].fast = nil, nil
	}
}

// grown returns rows with one more of length d, in storage that doubles up to
// most rows.
func grown(rows []float64, d, most int) []float64 {
	if len(rows) == cap(rows) {
		more := make([]float64, len(rows), max(d, min(2*cap(rows), most*d)))
		copy(more, rows)
		rows = more
	}
	return rows[:len(rows)+d]
}

// fastRow is row for float32 blocks.
func (m *Matrix) fastRow(group int) []float32 {
	g, d := &m.groups[group], m.config.Dimension
	if len(g.fast) == syrk.MaxRows*d {
		g.flush(d)
	}
	if g.fast == nil {
		g.fast = make([]float32, 0, syrk.MaxRows*d)
	}
	g.fast = g.fast[:len(g.fast)+d]
	g.triples++
	return g.fast[len(g.fast)-d:]
}

// flush adds the pending rows to the sum. Float64 rows are added one after the
// other, so their sum does not depend on where blocks begin.
func (g *matrixGroup) flush(d int) {
	if len(g.block) == 0 && len(g.fast) == 0 {
		return
	}
	if g.sum == nil {
		g.sum = make([]float64, d*d)
	}
	scratch := scratches.Get().(*scratch)
	defer scratches.Put(scratch)
	syrk.Accumulate64(g.sum, d, g.block, len(g.block)/d, &scratch.syrk64)
	syrk.Accumulate(g.sum, d, g.fast, len(g.fast)/d, &scratch.syrk)
	g.block, g.fast = g.block[:0], g.fast[:0]
}

// scratch is the working memory of the kernels.
type scratch struct {
	syrk   syrk.Scratch
	syrk64 syrk.Scratch64
	chol   chol.Scratch
}

// scratches holds one for each goroutine at work.
var scratches = sync.Pool{New: func() any { return new(scratch) }}

// flush brings all groups up to date.
func (m *Matrix) flush() {
	parallel(len(m.groups), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			m.groups[i].flush(m.config.Dimension)
		}
	})
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
	m.flush()
	o.flush()
	for i := range m.groups {
		g, h := &m.groups[i], &o.groups[i]
		g.triples += h.triples
		switch {
		case h.sum == nil:
		case g.sum == nil:
			g.sum = slices.Clone(h.sum)
		default:
			for k, x := range h.sum {
				g.sum[k] += x
			}
		}
	}
	return nil
}

// Clone returns an independent copy.
func (m *Matrix) Clone() *Matrix {
	m.flush()
	c := &Matrix{config: m.config, groups: make([]matrixGroup, len(m.groups))}
	for i, g := range m.groups {
		c.groups[i] = matrixGroup{triples: g.triples, sum: slices.Clone(g.sum)}
	}
	return c
}

// Scale multiplies every weight by alpha, which must be finite and not negative.
func (m *Matrix) Scale(alpha float64) error {
	if !(alpha >= 0) || math.IsInf(alpha, 0) {
		return fmt.Errorf("eci: matrix: %w: scale %v is not finite and at least 0", ErrSettings, alpha)
	}
	m.flush()
	for i := range m.groups {
		sum := m.groups[i].sum
		for k := range sum {
			sum[k] *= alpha
		}
	}
	return nil
}

// total returns the unscaled upper triangle sum w r rT over all groups; nil when
// there are no triples.
func (m *Matrix) total() (sum []float64, triples int) {
	m.flush()
	d := m.config.Dimension
	if m.Triples() == 0 { // of a dimension that nobody has paid for
		return nil, 0
	}
	sum = make([]float64, d*d)
	for i := range m.groups {
		triples += m.groups[i].triples
		for k, x := range m.groups[i].sum {
			sum[k] += x
		}
	}
	return sum, triples
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
	sum, n := m.total()
	return m.logDet(sum, n)
}

// LogDets returns the score of all triples and, for every group, that of the
// triples outside it: the jackknife replicates S_(-j), length G. The replicate
// of an empty group is the score. The factorizations use all cores; the result
// does not depend on how many there are.
func (m *Matrix) LogDets() (all float64, without []float64, err error) {
	return m.logDets(context.Background())
}

// logDets is LogDets that can be stopped between two factorizations.
func (m *Matrix) logDets(ctx context.Context) (all float64, without []float64, err error) {
	sum, n := m.total()
	without = make([]float64, len(m.groups))
	errs := make([]error, len(m.groups)+1)
	parallel(len(m.groups)+1, func(lo, hi int) {
		scratch := make([]float64, len(sum))
		for i := lo; i < hi; i++ {
			if errs[i] = ctxerr.Of(ctx); errs[i] != nil {
				return
			}
			copy(scratch, sum)
			if i == len(m.groups) {
				all, errs[i] = m.logDet(scratch, n)
				continue
			}
			g := &m.groups[i]
			if g.triples == 0 {
				continue
			}
			for k, x := range g.sum {
				scratch[k] -= x
			}
			without[i], errs[i] = m.logDet(scratch, n-g.triples)
		}
	})
	for _, err := range errs {
		if err != nil {
			return 0, nil, err
		}
	}
	for i := range m.groups {
		if m.groups[i].triples == 0 {
			without[i] = all
		}
	}
	return all, without, nil
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
	sum, n := m.total()
	if n == 0 {
		return 0, nil
	}
	m.precision(sum, n)
	d := m.config.Dimension
	if _, err := invertUpper(sum, d); err != nil {
		return 0, err
	}
	var trace float64 // of (I + a M)^-1
	for i := range d {
		trace += sum[i*d+i]
	}
	return max(0, float64(d)-trace), nil
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
