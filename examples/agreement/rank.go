package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"example.com/eci"
	"example.com/eci/internal/stat"
)

// baselines are compared with the outcomes next to Lookahead and S.
var baselines = []string{"disjoint", "hardness", "unique"}

// rank forecasts the sources from the triples of some queries, of all for nil.
func (c *collection) rank(ctx context.Context, keep func(query string) bool) (*eci.Ranking, error) {
	var sources []eci.Source
	for _, s := range c.sources {
		sources = append(sources, eci.Source{Name: s.Name, Triples: func(yield func(eci.Triple, error) bool) {
			for t, err := range s.Triples {
				if err == nil && keep != nil {
					if q, _, _ := t.(eci.Identified).IDs(); !keep(q) {
						continue
					}
				}
				if !yield(t, err) {
					return
				}
			}
		}})
	}
	return eci.Rank(ctx, &eci.Lookahead{
		Sem:  eci.Sem{Vectors: c.vectors, NoChecks: true}, // controls do not enter the comparison
		Pool: c.files.Documents(c.pool), Relevant: c.relevant,
	}, sources...)
}

// byGain is a ranking whose score is the forecast gain, with S among the baselines,
// for [eci.Agree].
func byGain(ranking *eci.Ranking) *eci.Ranking {
	r := &eci.Ranking{Scorer: ranking.Scorer}
	for _, s := range ranking.Ranked {
		few := map[string]float64{new(eci.Sem).Name(): s.Value}
		for _, name := range baselines {
			few[name] = s.Baselines[name]
		}
		r.Ranked = append(r.Ranked, eci.Ranked{Rank: s.Rank, Score: &eci.Score{Source: s.Source, Value: s.Forecast.Gain, Baselines: few}})
	}
	return r
}

// half is what one half of the queries says.
type half struct {
	queries map[string]bool
	ranking *eci.Ranking // by gain
}

// halves splits the queries at random and ranks the sources from each half alone.
func (c *collection) halves(ctx context.Context, splits int, seed uint64, p *progress) (halves [][2]half, err error) {
	random := rand.New(rand.NewPCG(seed, 1))
	for split := range splits {
		var pair [2]half
		order := random.Perm(len(c.names))
		for k := range pair {
			p.show("ranking from halves of the queries", 2*split+k, 2*splits)
			pair[k].queries = make(map[string]bool)
			for _, q := range order[k*len(order)/2 : (k+1)*len(order)/2] {
				pair[k].queries[c.names[q]] = true
			}
			ranking, err := c.rank(ctx, func(query string) bool { return pair[k].queries[query] })
			if err != nil {
				return nil, fmt.Errorf("from half of the queries: %w", err)
			}
			pair[k].ranking = byGain(ranking)
		}
		halves = append(halves, pair)
	}
	if splits > 0 {
		p.show("ranking from halves of the queries", 2*splits, 2*splits)
	}
	return halves, nil
}

// ceiling is how well what one half of the queries says agrees with the training
// measured on the other half.
type ceiling struct {
	names []string // of the measures; the last is the training itself
	tau   map[string][]float64
	right map[string]*share
}

const training = "the training itself"

// ceilingOf compares in both directions of every split.
func (c *collection) ceilingOf(halves [][2]half, trained [][]float64, frozen []float64) (*ceiling, error) {
	result := &ceiling{tau: make(map[string][]float64), right: make(map[string]*share)}
	for _, pair := range halves {
		for from := range pair {
			here, there := pair[from], pair[1-from]
			outcome, err := c.outcomeOn(there.queries, trained, frozen)
			if err != nil {
				return nil, err
			}
			own := c.gainsOn(here.queries, trained, frozen)
			values := map[string]func(source string) float64{training: func(source string) float64 { return own[source] }}
			score := func(source string) *eci.Score { s, _ := here.ranking.Find(source); return s.Score }
			values[here.ranking.Scorer] = func(source string) float64 { return score(source).Value }
			for name := range here.ranking.Ranked[0].Baselines {
				values[name] = func(source string) float64 { return score(source).Baselines[name] }
			}
			for name, of := range values {
				x := outcome.values(of)
				tau, _ := stat.TauB(x, outcome.gain)
				result.tau[name] = append(result.tau[name], tau)
				if result.right[name] == nil {
					result.right[name] = &share{}
				}
				result.right[name].add(outcome.right(x), float64(outcome.significant))
			}
			result.names = slices.Concat([]string{here.ranking.Scorer, new(eci.Sem).Name()}, baselines, []string{training})
		}
	}
	return result, nil
}

// gainsOn are the mean gains over some queries.
func (c *collection) gainsOn(queries map[string]bool, trained [][]float64, frozen []float64) map[string]float64 {
	gains := make(map[string]float64)
	for i, s := range c.sources {
		gains[s.Name], _ = paired(c.some(queries, trained[i]), c.some(queries, frozen))
	}
	return gains
}

// some are the values of some queries.
func (c *collection) some(queries map[string]bool, x []float64) (part []float64) {
	for q, name := range c.names {
		if queries[name] {
			part = append(part, x[q])
		}
	}
	return part
}

// outcomeOn is what was measured on some queries, with the pairs that differ by
// more than two paired standard errors.
func (c *collection) outcomeOn(queries map[string]bool, trained [][]float64, frozen []float64) (*ordered, error) {
	gains := c.gainsOn(queries, trained, frozen)
	var significant [][2]string
	for _, a := range slices.Sorted(maps.Keys(gains)) {
		for _, b := range slices.Sorted(maps.Keys(gains)) {
			difference, standardError := paired(c.some(queries, trained[c.find(a)]), c.some(queries, trained[c.find(b)]))
			if difference > 2*standardError {
				significant = append(significant, [2]string{a, b})
			}
		}
	}
	return order(gains, significant)
}

// print writes the table.
func (r *ceiling) print(out io.Writer) {
	fmt.Fprintf(out, "\nfrom one half of the queries to the training measured on the other half, mean of %d\n", len(r.tau[training]))
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "measure\ttau-b\tpairs right, of %.0f\t\n", r.right[training].of)
	for _, name := range r.names {
		right := "-"
		if r.right[name].of > 0 {
			right = fmt.Sprintf("%.3f", r.right[name].value())
		}
		fmt.Fprintf(t, "%s\t%.2f\t%s\t\n", name, mean(r.tau[name]), right)
	}
	t.Flush()
}

// progress shows how far a long run is: a bar on a terminal, else a line for every
// tenth.
type progress struct {
	out   io.Writer
	bar   bool
	mutex sync.Mutex
	what  string
	begun time.Time
	last  int
}

// show may be called from any goroutine.
func (p *progress) show(what string, done, all int) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if what != p.what {
		p.what, p.begun, p.last = what, time.Now(), -1
	}
	tenth := 10 * done / all
	left := ""
	if done > 0 && done < all {
		left = fmt.Sprint(", ", (time.Since(p.begun) / time.Duration(done) * time.Duration(all-done)).Round(time.Second), " left")
	}
	switch {
	case p.bar:
		const width = 30
		fmt.Fprintf(p.out, "\r[%-*s] %s: %d of %d%s\x1b[K", width, bars(width*done/all), what, done, all, left)
		if done == all {
			fmt.Fprintln(p.out)
		}
	case tenth > p.last:
		fmt.Fprintf(p.out, "%s: %d of %d%s\n", what, done, all, left)
	}
	p.last = max(p.last, tenth)
}

func bars(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = '#'
	}
	return string(b)
}
