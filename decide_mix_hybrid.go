package eci

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat/combin"

	"example.com/eci/internal/cores"
	"example.com/eci/internal/gram"
)

// Hybrid is a mixture of several sources in equal parts.
// It is safe for concurrent use as long as no goroutine changes it.
type Hybrid struct {
	// Sources are the members' names, in the order of the ranking.
	Sources []string `json:"sources"`
	// Score is S of the mean of the members' M, in nats: the information in all
	// their triples, with weight 1/k for each of the k members. StandardError and the
	// 95% interval [Low, High] come from the infinitesimal grouped jackknife.
	Score         float64 `json:"score"`
	StandardError float64 `json:"standard_error"`
	Low           float64 `json:"low"`
	High          float64 `json:"high"`
	// Gain compares the hybrid with its best single member, paired by queries.
	Gain Gain `json:"gain"`
	// AtBudget is S with the number of triples of one member. Each query is taken from
	// one member in turn, and the score is the mean over all turns. It shows what the
	// mixture is worth without the advantage of k times the triples.
	AtBudget float64 `json:"at_budget"`
}

// Hybrids scores the hybrid of every subset of 2 to size sources from their
// matrices alone. It reads no triple again. Hybrids are sorted by descending Score;
// ties by the number of members, then by name. size 0 means all sources. Errors are
// ErrNoSources for fewer than two sources, ErrSettings for a size below 2 or more
// than 16,384 subsets, and ErrIncompatible for scores without matrices or from
// different calibrations.
func (r *Ranking) Hybrids(size int) ([]Hybrid, error) {
	parts, err := r.parts()
	if err != nil {
		return nil, err
	}
	n := len(parts.matrices)
	if size == 0 {
		size = n
	}
	size = min(size, n)
	if size < 2 {
		return nil, fmt.Errorf("eci: hybrids: %w: size %d; a hybrid has at least two members", ErrSettings, size)
	}
	const maxHybrids = 1 << 14 // in one call
	count, binomial := 0, n
	for k := 2; k <= size; k++ {
		binomial = binomial * (n - k + 1) / k
		count += binomial
		if count > maxHybrids {
			return nil, fmt.Errorf("eci: hybrids: %w: more than %d subsets of up to %d of %d sources; ask for a smaller size", ErrSettings, maxHybrids, size, n)
		}
	}
	singles, err := parts.singles()
	if err != nil {
		return nil, err
	}
	hybrids := make([]Hybrid, 0, count)
	for k := 2; k <= size; k++ {
		members := combin.Combinations(n, k)
		values, err := parts.evaluate(members)
		if err != nil {
			return nil, err
		}
		atBudget, err := parts.inTurn(members, k)
		if err != nil {
			return nil, err
		}
		for i, of := range members {
			hybrids = append(hybrids, parts.hybrid(of, values[i], singles, atBudget[i]))
		}
	}
	slices.SortFunc(hybrids, func(a, b Hybrid) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(len(a.Sources), len(b.Sources)), slices.Compare(a.Sources, b.Sources))
	})
	return hybrids, nil
}

// String returns the members and the gain on one line.
func (h Hybrid) String() string {
	return fmt.Sprintf("%s: %.2f, %s", strings.Join(h.Sources, " + "), h.Score, h.Gain)
}

// parts are the matrices of a ranking's sources, in its order.
type parts struct {
	names    []string
	matrices []*Matrix
	config   MatrixConfig
	means    [][]float64 // M_s, upper triangles of d x d
}

func (r *Ranking) parts() (*parts, error) {
	if r == nil {
		return nil, fmt.Errorf("eci: hybrids and mixtures: %w: the ranking is nil", ErrNoSources)
	}
	if len(r.Ranked) < 2 {
		return nil, fmt.Errorf("eci: hybrids and mixtures: %w: there are %d; two or more are needed", ErrNoSources, len(r.Ranked))
	}
	p := &parts{}
	for i, s := range r.Ranked {
		if s.Score == nil {
			return nil, fmt.Errorf("eci: hybrids and mixtures: %w: ranked source %d has no score", ErrIncompatible, i+1)
		}
		if s.Matrix == nil {
			return nil, fmt.Errorf("eci: hybrids and mixtures: %w: source %q has no matrix; rank with Sem, without ReleaseMatrix", ErrIncompatible, s.Source)
		}
		p.names, p.matrices = append(p.names, s.Source), append(p.matrices, s.Matrix)
	}
	weights := make([]float64, len(p.matrices))
	weights[0] = 1
	if _, err := checkMixture(weights, p.matrices); err != nil {
		return nil, err
	}
	p.config = p.matrices[0].config
	p.means = make([][]float64, len(p.matrices))
	cores.All(len(p.matrices), func(lo, hi int) {
		for s := lo; s < hi; s++ {
			p.means[s] = p.matrices[s].mean()
		}
	})
	return p, nil
}

// mean returns the upper triangle of M, d x d.
func (m *Matrix) mean() []float64 {
	d := m.config.Dimension
	mean := make([]float64, d*d)
	scale := 1 / float64(max(m.Triples(), 1))
	scratch := scratches.Get().(*scratch)
	defer scratches.Put(scratch)
	for j := range m.groups {
		upper := m.groups[j].upper(d, scratch)
		for k := range upper {
			upper[k] *= scale
		}
		gram.AddRows(mean, upper, d, 0, d)
	}
	return mean
}

// mix writes the upper triangle of sum_s weights[s] M_s to dst.
func (p *parts) mix(dst, weights []float64) {
	clear(dst)
	for s, m := range p.means {
		if weights[s] == 0 {
			continue
		}
		for k, x := range m {
			dst[k] += weights[s] * x
		}
	}
}

// evaluate scores mixtures in equal parts with their infinitesimal jackknife.
func (p *parts) evaluate(members [][]int) ([]combination, error) {
	d := p.config.Dimension
	out, errs := make([]combination, len(members)), make([]error, len(members))
	cores.All(len(members), func(lo, hi int) {
		scratch := make([]float64, d*d)
		for i := lo; i < hi; i++ {
			weights := make([]float64, len(p.matrices))
			for _, s := range members[i] {
				weights[s] = 1 / float64(len(members[i]))
			}
			p.mix(scratch, weights)
			f, err := p.config.invert(scratch)
			if err != nil {
				errs[i] = err
				continue
			}
			out[i] = f.combine(weights, p.matrices)
		}
	})
	return out, cmp.Or(errs...)
}

// singles scores every single source.
func (p *parts) singles() ([]combination, error) {
	return p.evaluate(combin.Combinations(len(p.matrices), 1))
}

// gain compares a mixture with its best member, or the first of equally good ones.
func (p *parts) gain(c *combination, members []int, singles []combination, atBudget float64) Gain {
	best := members[0]
	for _, s := range members {
		if singles[s].score > singles[best].score {
			best = s
		}
	}
	return c.gainOver(p.names[best], &singles[best], atBudget)
}

func (p *parts) hybrid(members []int, c combination, singles []combination, atBudget float64) Hybrid {
	h := Hybrid{Score: c.score, AtBudget: atBudget}
	for _, s := range members {
		h.Sources = append(h.Sources, p.names[s])
	}
	h.StandardError, h.Low, h.High = c.interval()
	h.Gain = p.gain(&c, members, singles, atBudget)
	return h
}

// classes are sums over the groups of each class j mod k of every source.
type classes struct {
	sums    [][][]float64 // by source and class, upper triangles
	triples [][]int       // by source and class
}

func (p *parts) classes(k int) *classes {
	d := p.config.Dimension
	c := &classes{sums: make([][][]float64, len(p.matrices)), triples: make([][]int, len(p.matrices))}
	for s := range p.matrices {
		c.sums[s], c.triples[s] = make([][]float64, k), make([]int, k)
		for class := range k {
			c.sums[s][class] = make([]float64, d*d)
		}
	}
	cores.All(len(p.matrices)*k, func(lo, hi int) {
		scratch := scratches.Get().(*scratch)
		defer scratches.Put(scratch)
		for at := lo; at < hi; at++ {
			s, class := at/k, at%k
			groups := p.matrices[s].groups
			for j := class; j < len(groups); j += k {
				c.triples[s][class] += groups[j].triples
				gram.AddRows(c.sums[s][class], groups[j].upper(d, scratch), d, 0, d)
			}
		}
	})
	return c
}

// inTurn scores every subset of k sources with the number of triples of one. Group j
// of queries is taken from member (j + turn) mod k. The k scores, one for each turn,
// are averaged.
func (p *parts) inTurn(members [][]int, k int) ([]float64, error) {
	of := p.classes(k) // shared by all subsets
	out, errs := make([]float64, len(members)), make([]error, len(members))
	cores.All(len(members), func(lo, hi int) {
		scratch := make([]float64, p.config.Dimension*p.config.Dimension)
		for i := lo; i < hi; i++ {
			out[i], errs[i] = p.turns(of, members[i], scratch)
		}
	})
	return out, cmp.Or(errs...)
}

// turns averages the scores of one subset over its turns.
func (p *parts) turns(of *classes, members []int, scratch []float64) (mean float64, err error) {
	k, scored := len(members), 0
	for turn := range k {
		clear(scratch)
		n := 0
		for t, s := range members {
			class := (t + turn) % k
			n += of.triples[s][class]
			for x, v := range of.sums[s][class] {
				scratch[x] += v
			}
		}
		if n == 0 {
			continue
		}
		score, err := p.config.meanScore(scratch, n)
		if err != nil {
			return 0, err
		}
		mean += score
		scored++
	}
	return mean / float64(max(scored, 1)), nil
}
