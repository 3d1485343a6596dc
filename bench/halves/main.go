// Command halves tests the standard errors of Lookahead. It splits the labeled queries
// of a collection at random into halves, many times. It forecasts every source from
// each half: its own triples, its own queries. The difference of two sources from one
// half should lie within the 95% interval around that from the other, after adding
// both variances, in 95 of 100 cases.
//
//	go run ./bench/halves [-splits 200] [-triples 512] DIR...
//
// An interrupt ends the splits of a collection and prints what they showed so far.
//
// DIR has sources/*.jsonl, the vectors in use/, pool.ids and qrels.tsv.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"math"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"

	"example.com/eci"
	"example.com/eci/internal/lookahead"
)

func main() {
	log.SetFlags(0)
	splits := flag.Int("splits", 200, "how often the queries are split")
	triples := flag.Int("triples", 512, "triples of a source that are walked on, in each half")
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	for _, dir := range flag.Args() {
		c, err := open(dir)
		if err != nil {
			log.Fatal(err)
		}
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		o, err := c.simulate(ctx, *splits, *triples)
		stop()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %d sources, %d queries, %d splits\n", filepath.Base(dir), len(c.sources), len(c.queries), o.splits)
		for k, what := range []string{"variance of the queries alone", "and of the steps"} {
			fmt.Printf("  %-30s differences: %.1f%% within, standard deviation of z %.2f; gains: %.1f%%, %.2f\n",
				what, 100*o.pairs[k].share(), o.pairs[k].deviation(), 100*o.gains[k].share(), o.gains[k].deviation())
		}
	}
}

// collection is what a simulation draws from.
type collection struct {
	margin  float64
	pool    [][]float32
	queries map[string]query
	sources [][]triple
}

type query struct {
	vector   []float32
	relevant []int
}

type triple struct {
	query                      string
	vector, positive, negative []float32
	positiveID, negativeID     string
}

// open reads a collection. The scale of the margins is that of a ranking of all its
// sources.
func open(dir string) (*collection, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "sources", "*.jsonl*"))
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("no sources under %s", dir)
	}
	sources, err := (&eci.Files{}).Sources(paths...)
	if err != nil {
		return nil, err
	}
	vectors, err := eci.OpenVectors(filepath.Join(dir, "use"))
	if err != nil {
		return nil, err
	}
	defer vectors.Close()
	calibration, err := (&eci.Sem{Vectors: vectors}).Calibrate(context.Background(), sources...)
	if err != nil {
		return nil, err
	}
	c := &collection{margin: calibration.MarginScale, queries: make(map[string]query)}
	place := make(map[string]int)
	for d, err := range (&eci.Files{}).Documents(filepath.Join(dir, "pool.ids")) {
		if err != nil {
			return nil, err
		}
		v, err := vectors.AppendDocument(nil, d.ID)
		if err != nil {
			return nil, err
		}
		place[d.ID] = len(c.pool)
		c.pool = append(c.pool, v)
	}
	relevant, err := (&eci.Files{Qrels: filepath.Join(dir, "qrels.tsv")}).Relevant()
	if err != nil {
		return nil, err
	}
	for _, source := range sources {
		rows, err := c.read(source, vectors, relevant, place)
		if err != nil {
			return nil, err
		}
		c.sources = append(c.sources, rows)
	}
	return c, nil
}

// read lists the triples of a source with their vectors.
func (c *collection) read(source eci.Source, vectors eci.Vectors, relevant map[string][]string, place map[string]int) (rows []triple, err error) {
	for t, err := range source.Triples {
		if err != nil {
			return nil, err
		}
		q, p, n := t.(eci.Identified).IDs()
		row := triple{query: q, positiveID: p, negativeID: n}
		if row.vector, err = vectors.AppendQuery(nil, q); err != nil {
			return nil, err
		}
		if row.positive, err = vectors.AppendDocument(nil, p); err != nil {
			return nil, err
		}
		if row.negative, err = vectors.AppendDocument(nil, n); err != nil {
			return nil, err
		}
		if _, ok := c.queries[q]; !ok {
			known := query{vector: row.vector}
			for _, id := range relevant[q] {
				if at, ok := place[id]; ok {
					known.relevant = append(known.relevant, at)
				}
			}
			slices.Sort(known.relevant)
			c.queries[q] = known
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// tally counts standardized differences.
type tally struct {
	n, within int
	squares   float64
}

func (t *tally) add(z float64) {
	t.n++
	t.squares += z * z
	if math.Abs(z) <= 1.959964 {
		t.within++
	}
}

func (t *tally) share() float64     { return float64(t.within) / float64(t.n) }
func (t *tally) deviation() float64 { return math.Sqrt(t.squares / float64(t.n)) }

// outcome tallies differences of sources and gains of single sources, with the
// variance of the queries alone and with that of the steps.
type outcome struct {
	splits       int
	pairs, gains [2]tally
}

func tallyBoth(t *[2]tally, queries, both float64) {
	t[0].add(queries)
	t[1].add(both)
}

func (c *collection) simulate(ctx context.Context, splits, triples int) (*outcome, error) {
	var names []string
	for name := range c.queries {
		names = append(names, name)
	}
	slices.Sort(names)
	o := &outcome{}
	random := rand.New(rand.NewPCG(1, 2))
	for split := range splits {
		random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		var gains [2][]gain // by half and source
		for half := range gains {
			some := names[half*len(names)/2 : (half+1)*len(names)/2]
			var err error
			gains[half], err = c.forecast(ctx, some, triples, random)
			if ctx.Err() != nil && split > 0 {
				fmt.Fprintln(os.Stderr)
				return o, nil
			}
			if err != nil {
				return nil, err
			}
		}
		for a := range c.sources {
			one, both := z(gains[0][a], gains[1][a])
			tallyBoth(&o.gains, one, both)
			for b := range a {
				one, both := z(minus(gains[0][a], gains[0][b]), minus(gains[1][a], gains[1][b]))
				tallyBoth(&o.pairs, one, both)
			}
		}
		o.splits = split + 1
		fmt.Fprintf(os.Stderr, "\r%d of %d splits", o.splits, splits)
	}
	fmt.Fprintln(os.Stderr)
	return o, nil
}

// forecast returns the gains of some queries for every source, from the triples
// of those queries alone.
func (c *collection) forecast(ctx context.Context, names []string, triples int, random *rand.Rand) ([]gain, error) {
	var looked []lookahead.Query
	group := make(map[string]int)
	for i, name := range names {
		q := c.queries[name]
		group[name] = i % 32
		looked = append(looked, lookahead.Query{Vector: q.vector, Group: group[name], Relevant: q.relevant})
	}
	space, err := lookahead.NewSpace(ctx, c.pool, looked, lookahead.Settings{MarginScale: c.margin, StepQueries: 256})
	if err != nil {
		return nil, err
	}
	var gains []gain
	for _, rows := range c.sources {
		source := lookahead.Source{}
		for _, i := range random.Perm(len(rows)) {
			row := rows[i]
			g, ok := group[row.query]
			if !ok || len(source.Triples) == triples {
				continue
			}
			at := len(source.Vectors)
			source.Vectors = append(source.Vectors, row.vector, row.positive, row.negative)
			source.Triples = append(source.Triples, lookahead.Triple{Query: at, Positive: at + 1, Negative: at + 2, Group: g})
		}
		result, err := space.Walk(ctx, source)
		if err != nil {
			return nil, err
		}
		means := make([]float64, len(result.Gains))
		for x := range means {
			means[x] = result.Mean(x)
		}
		gains = append(gains, gain{means, result.StepDeviations})
	}
	return gains, nil
}

// gain returns the gain of every query and the deviations of the steps.
type gain struct{ queries, steps []float64 }

func minus(a, b gain) gain {
	return gain{subtract(a.queries, b.queries), subtract(a.steps, b.steps)}
}

func subtract(a, b []float64) []float64 {
	d := make([]float64, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
	}
	return d
}

// z returns the difference of two means in units of its standard error, with the
// variance of the queries alone and with that of the steps.
func z(a, b gain) (queries, both float64) {
	meanA, varianceA := moments(a.queries)
	meanB, varianceB := moments(b.queries)
	variance := varianceA + varianceB
	queries = (meanA - meanB) / math.Sqrt(variance)
	for _, steps := range [...][]float64{a.steps, b.steps} {
		for _, e := range steps {
			variance += e * e
		}
	}
	return queries, (meanA - meanB) / math.Sqrt(variance)
}

// moments are the mean and the variance of the mean.
func moments(x []float64) (mean, variance float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += v / n
	}
	for _, v := range x {
		variance += (v - mean) * (v - mean) / (n - 1) / n
	}
	return mean, variance
}
