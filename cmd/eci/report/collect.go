package report

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"

	"example.com/eci"
)

// Distribution describes how the components and the weight of a source are
// distributed.
type Distribution struct {
	Source  string
	Triples int
	// Quantities are the components by name, in the order of the method, followed by
	// "weight".
	Quantities []Quantity
}

// Quantity is one component, or the weight, over the triples of a source.
type Quantity struct {
	Name string
	// Mean is the mean. Quartiles are the 25%, 50% and 75% quantiles, to within the
	// width of a bin.
	Mean      float64
	Quartiles [3]float64
	// Bins counts the triples in 100 equal bins of [0, 1].
	Bins [100]int
}

func (q *Quantity) add(v float64) {
	q.Mean += v
	q.Bins[min(max(int(v*100), 0), 99)]++
}

// finish turns the sum into the mean and computes the quartiles.
func (q *Quantity) finish(n int) {
	if n == 0 {
		return
	}
	q.Mean /= float64(n)
	for k := range q.Quartiles {
		sum := 0
		for b, c := range q.Bins {
			if sum += c; float64(sum) >= float64(k+1)/4*float64(n) {
				q.Quartiles[k] = (float64(b) + 0.5) / 100
				break
			}
		}
	}
}

// suspectsShown is how many suspects Collect keeps for a source. suspectScore is their
// lowest score.
const (
	suspectsShown = 4
	suspectScore  = 0.3
)

// HybridSize is the largest number of members of the hybrids on a page. The number of
// subsets grows fast.
func HybridSize(sources int) int {
	if sources > 6 {
		return 2
	}
	return min(3, sources)
}

// Collect gathers what a page shows beyond the ranking itself. Hybrids and mixture
// come from the matrices, with forecasts. Distributions, suspects and sweeps come from
// two readings of each source under the ranking's calibration. A linter adds its
// findings. sem is the Sem that ranked. linter may be nil for the default one, with
// sem's vectors and tokenizer. Collect changes neither. It reads all triples, not only
// those within the budget.
func Collect(ctx context.Context, sem *eci.Sem, ranking *eci.Ranking, linter *eci.Linter, sources ...eci.Source) (Data, error) {
	data := Data{Ranking: ranking}
	var err error
	// The matrices of a race have different numbers of triples.
	if len(ranking.Ranked) > 1 && ranking.Ranked[0].Matrix != nil && ranking.Race == nil {
		if data.Hybrids, err = ranking.Hybrids(HybridSize(len(ranking.Ranked))); err != nil {
			return data, err
		}
		if data.Mixture, err = ranking.Mixture(); err != nil {
			return data, err
		}
		if data.Mixes, err = ForecastMixes(ctx, ranking, data.Hybrids, data.Mixture, MostHybrids); err != nil {
			return data, err
		}
	}
	var lint eci.Linter
	if linter != nil {
		lint = *linter
	}
	if lint.Vectors == nil {
		lint.Vectors = sem.Vectors
	}
	if lint.Tokenizer == nil {
		lint.Tokenizer = sem.Tokenizer
	}
	if data.Lint, err = lint.Lint(ctx, sources...); err != nil {
		return data, err
	}
	if ranking.Calibration == nil {
		return data, nil
	}
	frozen := *sem
	frozen.Calibration, frozen.Progress = ranking.Calibration, nil
	for _, s := range ranking.Ranked {
		i := slices.IndexFunc(sources, func(o eci.Source) bool { return o.Name == s.Source })
		if i < 0 {
			continue
		}
		if err := data.read(ctx, &frozen, sources[i], s.Components); err != nil {
			return data, err
		}
		sweep, err := frozen.Sweep(ctx, sources[i])
		if err != nil {
			return data, err
		}
		data.Sweeps = append(data.Sweeps, sweep)
	}
	return data, nil
}

// read computes the distribution and the suspects of one source.
func (data *Data) read(ctx context.Context, sem *eci.Sem, source eci.Source, components []string) error {
	d := Distribution{Source: source.Name, Quantities: make([]Quantity, len(components)+1)}
	var suspects []SuspectRow
	for w, err := range sem.Suspects(ctx, source, 0) {
		if err != nil {
			return err
		}
		d.Triples++
		for k, f := range w.Factors {
			d.Quantities[k].add(f)
		}
		d.Quantities[len(components)].add(w.Weight)
		if w.Score >= suspectScore && (len(suspects) < suspectsShown || w.Score > suspects[len(suspects)-1].Score) {
			r := w.Record
			suspects = append(suspects[:min(len(suspects), suspectsShown-1)], SuspectRow{Source: source.Name, File: r.File, Row: r.Row,
				Query: strings.Clone(r.QueryText), Positive: strings.Clone(r.PositiveText), Negative: strings.Clone(r.NegativeText),
				Score: w.Score, Ranked: w.Ranked, Semantic: w.Semantic, Lexical: w.Lexical})
			slices.SortStableFunc(suspects, func(a, b SuspectRow) int { return cmp.Compare(b.Score, a.Score) })
		}
	}
	for k := range d.Quantities {
		d.Quantities[k].Name = "weight"
		if k < len(components) {
			d.Quantities[k].Name = components[k]
		}
		d.Quantities[k].finish(d.Triples)
	}
	data.Distributions = append(data.Distributions, d)
	data.Suspects = append(data.Suspects, suspects...)
	return nil
}

// smooth returns the bins as a density, smoothed by a Gaussian of 1.5 bins.
func (q *Quantity) smooth() []float64 {
	const reach = 5
	out := make([]float64, len(q.Bins))
	for b := range out {
		for k := -reach; k <= reach; k++ {
			if at := b + k; at >= 0 && at < len(q.Bins) {
				out[b] += float64(q.Bins[at]) * math.Exp(-float64(k*k)/(2*1.5*1.5))
			}
		}
	}
	return out
}
