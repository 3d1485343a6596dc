package eci

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"gonum.org/v1/gonum/mat"

	"example.com/eci/internal/chol"
	"example.com/eci/internal/cores"
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

// expect says that about n triples will come: an eighth more than its share for each
// group, since queries have different numbers of them.
func (m *Matrix) expect(n int) {
	share := n / len(m.groups)
	for i := range m.groups {
		m.groups[i].sum.Expect(share + share/8)
	}
}

// settle gives back the storage of pending rows, once no more are expected.
func (m *Matrix) settle() {
	m.eachGroup(func(g *matrixGroup, s *scratch) { g.sum.Settle(m.config.Dimension, &s.gram) })
}

// eachGroup calls fn for every group, on all cores.
func (m *Matrix) eachGroup(fn func(g *matrixGroup, s *scratch)) {
	cores.Each(m.cores, len(m.groups), func(next func() int) {
		scratch := scratches.Get().(*scratch)
		defer scratches.Put(scratch)
		for i := next(); i < len(m.groups); i = next() {
			fn(&m.groups[i], scratch)
		}
	})
}

// scratch is the working memory of the kernels.
type scratch struct {
	gram   gram.Scratch
	syrk   syrk.Scratch
	syrk64 syrk.Scratch64
	chol   chol.Scratch
}

// scratches holds one for each goroutine at work.
var scratches = sync.Pool{New: func() any { return new(scratch) }}

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
	cores.All(len(m.groups), func(lo, hi int) {
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
		cores.All(len(some), func(lo, hi int) {
			for w := lo; w < hi; w++ {
				uppers[w] = some[w].upper(d, working[w])
			}
		})
		cores.All(d, func(lo, hi int) {
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
