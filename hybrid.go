package eci

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"example.com/eci/internal/stat"
)

// Hybrid is a mixture of several sources in equal parts.
// Goroutines may share one that none of them changes.
type Hybrid struct {
	// Sources are the members' names, in the order of the ranking.
	Sources []string `json:"sources"`
	// Score is S of the mean of the members' M, in nats: what training on all
	// their triples carries, each counted with weight 1/k. StandardError and the
	// 95% interval [Low, High] are the infinitesimal grouped jackknife's.
	Score         float64 `json:"score"`
	StandardError float64 `json:"standard_error"`
	Low           float64 `json:"low"`
	High          float64 `json:"high"`
	// Gain compares it with its best single member, paired by queries.
	Gain Gain `json:"gain"`
	// AtBudget is S at the number of triples of one member, every query taken from
	// one of them in turn (the mean over all turns): what the mixture is worth
	// without the advantage of k times the triples.
	AtBudget float64 `json:"at_budget"`
}

// Gain is the difference of a combination's score and that of the best single
// source in it, in nats.
// Goroutines may share one that none of them changes.
type Gain struct {
	// Over is the name of the best single source.
	Over string `json:"over"`
	// Value is the difference at all triples of the members, StandardError and the
	// 95% interval [Low, High] those of the paired infinitesimal jackknife,
	// Probability that of a true gain.
	Value         float64 `json:"value"`
	StandardError float64 `json:"standard_error"`
	Low           float64 `json:"low"`
	High          float64 `json:"high"`
	Probability   float64 `json:"probability"`
	// AtBudget is the difference at the number of triples of one source.
	AtBudget float64 `json:"at_budget"`
}

// maxHybrids bounds the work that one call may ask for.
const maxHybrids = 1 << 14

// Hybrids scores the hybrid of every subset of 2 to size sources, from their
// matrices alone: no triple is read again. The best comes first, by Score, ties
// by the number of members and by name. size 0 means all sources. It returns
// ErrNoSources for fewer than two sources, ErrSettings for a size below 2 or more
// than 16,384 subsets, ErrIncompatible for scores without matrices or of
// different calibrations.
func (r *Ranking) Hybrids(size int) ([]Hybrid, error) {
	parts, err := r.parts()
	if err != nil {
		return nil, err
	}
	if size == 0 {
		size = len(parts.matrices)
	}
	size = min(size, len(parts.matrices))
	if size < 2 {
		return nil, fmt.Errorf("eci: hybrids: %w: size %d; a hybrid has at least two members", ErrSettings, size)
	}
	count, binomial := 0, len(parts.matrices)
	for k := 2; k <= size; k++ {
		if binomial = binomial * (len(parts.matrices) - k + 1) / k; count+binomial > maxHybrids {
			return nil, fmt.Errorf("eci: hybrids: %w: more than %d subsets of up to %d of %d sources; ask for a smaller size", ErrSettings, maxHybrids, size, len(parts.matrices))
		}
		count += binomial
	}
	singles, err := parts.evaluate(subsets(len(parts.matrices), 1))
	if err != nil {
		return nil, err
	}
	hybrids := make([]Hybrid, 0, count)
	for k := 2; k <= size; k++ {
		members := subsets(len(parts.matrices), k)
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

// String names the members and the gain on one line.
func (h Hybrid) String() string {
	return fmt.Sprintf("%s: %.2f, %s", strings.Join(h.Sources, " + "), h.Score, h.Gain)
}

// String gives the gain with its interval.
func (g Gain) String() string {
	return fmt.Sprintf("%+.2f over %s (%+.2f to %+.2f); %+.2f with no more triples", g.Value, g.Over, g.Low, g.High, g.AtBudget)
}

// parts are the matrices of a ranking's sources, in its order.
type parts struct {
	names    []string
	matrices []*Matrix
	config   MatrixConfig
	means    [][]float64 // M_s, upper triangles of d x d
}

func (r *Ranking) parts() (*parts, error) {
	if len(r.Ranked) < 2 {
		return nil, fmt.Errorf("eci: hybrids and mixtures: %w: there are %d; two or more are needed", ErrNoSources, len(r.Ranked))
	}
	p := &parts{}
	for _, s := range r.Ranked {
		if s.Matrix == nil {
			return nil, fmt.Errorf("eci: hybrids and mixtures: %w: source %q has no matrix; rank with Sem", ErrIncompatible, s.Source)
		}
		p.names, p.matrices = append(p.names, s.Source), append(p.matrices, s.Matrix)
	}
	weights := make([]float64, len(p.matrices))
	weights[0] = 1
	if _, err := checkMixture(weights, p.matrices); err != nil {
		return nil, err
	}
	for _, m := range p.matrices {
		m.flush()
	}
	p.config = p.matrices[0].config
	d := p.config.Dimension
	p.means = make([][]float64, len(p.matrices))
	parallel(len(p.matrices), func(lo, hi int) {
		for s := lo; s < hi; s++ {
			p.means[s] = make([]float64, d*d)
			meanOf(p.means[s], []float64{1}, p.matrices[s:s+1])
		}
	})
	return p, nil
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

// combination is what is known of one subset.
type combination struct {
	score float64
	stat.Jackknife
	ok bool // there is an interval
}

// evaluate scores mixtures in equal parts and linearises their jackknife.
func (p *parts) evaluate(members [][]int) ([]combination, error) {
	d := p.config.Dimension
	out, errs := make([]combination, len(members)), make([]error, len(members))
	parallel(len(members), func(lo, hi int) {
		scratch := make([]float64, d*d)
		for i := lo; i < hi; i++ {
			weights := make([]float64, len(p.matrices))
			for _, s := range members[i] {
				weights[s] = 1 / float64(len(members[i]))
			}
			p.mix(scratch, weights)
			var f *information
			if f, errs[i] = invert(d, p.config.Epsilon2, scratch); errs[i] != nil {
				continue
			}
			out[i] = f.combine(weights, p.matrices)
		}
	})
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// combine is the infinitesimal jackknife of S of a mixture.
func (f *information) combine(weights []float64, matrices []*Matrix) combination {
	changes := make([]float64, len(matrices[0].groups))
	triples := make([]int, len(changes))
	for s, m := range matrices {
		if weights[s] == 0 {
			continue
		}
		for j, change := range f.linearised(m) {
			changes[j] += weights[s] * change
			triples[j] += m.groups[j].triples
		}
	}
	return f.jackknife(changes, triples)
}

// gainOver compares a combination with the best of its members.
func gainOver(name string, c, single combination, atBudget float64) Gain {
	g := Gain{Over: name, Value: c.score - single.score, AtBudget: atBudget - single.score}
	if !c.ok || !single.ok {
		return g
	}
	g.StandardError = stat.PairedError(c.Deviations, single.Deviations)
	g.Low, g.High, g.Probability = stat.DifferenceInterval(g.Value, g.StandardError, min(c.Groups, single.Groups)-1)
	return g
}

func (p *parts) hybrid(members []int, c combination, singles []combination, atBudget float64) Hybrid {
	h := Hybrid{Score: c.score, AtBudget: atBudget}
	best := members[0]
	for _, s := range members {
		h.Sources = append(h.Sources, p.names[s])
		if singles[s].score > singles[best].score {
			best = s
		}
	}
	if c.ok {
		half := stat.TQuantile(c.Groups-1) * c.StandardError
		h.StandardError, h.Low, h.High = c.StandardError, c.score-half, c.score+half
	}
	h.Gain = gainOver(p.names[best], c, singles[best], atBudget)
	return h
}

// inTurn scores every subset of k sources at the number of triples of one: group
// j of queries is taken from member (j + turn) mod k, for all k turns, and the k
// scores are averaged.
func (p *parts) inTurn(members [][]int, k int) ([]float64, error) {
	d := p.config.Dimension
	// Sums over the groups of each class j mod k, which every subset shares.
	sums := make([][][]float64, len(p.matrices))
	counts := make([][]int, len(p.matrices))
	for s, m := range p.matrices {
		sums[s], counts[s] = make([][]float64, k), make([]int, k)
		for c := range k {
			sums[s][c] = make([]float64, d*d)
		}
		parallel(k, func(lo, hi int) {
			for c := lo; c < hi; c++ {
				for j := c; j < len(m.groups); j += k {
					counts[s][c] += m.groups[j].triples
					for i, x := range m.groups[j].sum {
						sums[s][c][i] += x
					}
				}
			}
		})
	}
	out, errs := make([]float64, len(members)), make([]error, len(members))
	parallel(len(members), func(lo, hi int) {
		scratch := make([]float64, d*d)
		for i := lo; i < hi; i++ {
			turns := 0
			for turn := range k {
				clear(scratch)
				n := 0
				for t, s := range members[i] {
					c := (t + turn) % k
					n += counts[s][c]
					for x, v := range sums[s][c] {
						scratch[x] += v
					}
				}
				if n == 0 {
					continue
				}
				for x := range scratch {
					scratch[x] /= float64(n)
				}
				f, err := newInformation(d, p.config.Epsilon2, scratch)
				if err != nil {
					errs[i] = err
					break
				}
				out[i] += f.logDet
				turns++
			}
			out[i] /= float64(max(turns, 1))
		}
	})
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// subsets returns all ascending k-subsets of 0..n-1 in lexical order.
func subsets(n, k int) [][]int {
	var out [][]int
	chosen := make([]int, 0, k)
	var extend func(from int)
	extend = func(from int) {
		if len(chosen) == k {
			out = append(out, slices.Clone(chosen))
			return
		}
		for i := from; i <= n-(k-len(chosen)); i++ {
			chosen = append(chosen, i)
			extend(i + 1)
			chosen = chosen[:len(chosen)-1]
		}
	}
	extend(0)
	return out
}
