// Command race checks by simulation what eci.Race promises: that the truly best
// source is dropped at most as often as the error rate allows, and how many
// texts a race saves.
//
//	go run ./bench/race -data DIR [-queries 225,1000] [-replicates 200]
//
// DIR holds vectors under use/ and triples under sources/, as Cranfield does.
// The population is its queries with all their triples: a replicate draws
// queries with replacement, the same for every source, and races the sources of
// a scenario. The truth is the mean score at the full size over all replicates.
// Vectors are projected to 48 dimensions with seeded Gaussian directions, which
// changes the scores but not what is checked, and makes thousands of races
// affordable. Calibration and document frequencies are frozen at the population's.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"example.com/eci"
)

const dimension = 48

func main() {
	data := flag.String("data", "../shared/data/cranfield", "`directory` with use/ and sources/")
	sizes := flag.String("queries", "225,1000", "numbers of queries in a replicate")
	replicates := flag.Int("replicates", 200, "races for each scenario and size")
	flag.Parse()
	p, err := load(*data)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("| queries | sources | lead, nats | lead / SE | best dropped | wrong winner | texts read, median | same with indifference of the lead |")
	fmt.Println("|--:|---|--:|--:|--:|--:|--:|--:|")
	for size := range strings.SplitSeq(*sizes, ",") {
		queries, err := strconv.Atoi(size)
		if err != nil {
			log.Fatal(err)
		}
		for _, names := range [][]string{
			{"dense_pa", "llm", "random"},
			{"dense_far", "dense_pa", "llm", "random"},
			{"dense_far", "dense_mid", "gen_tok"},
			{"dense_far", "bm25_mid", "gen_tok", "dense", "bm25"},
			{"dense_mid", "dense", "bm25"},
		} {
			if err := p.simulate(names, queries, *replicates); err != nil {
				log.Fatal(err)
			}
		}
	}
}

// population holds the triples of every source by query.
type population struct {
	queries []string
	triples map[string]map[string][]*eci.Record // by source and query
	sem     eci.Sem
}

func load(dir string) (*population, error) {
	vectors, err := eci.OpenVectors(filepath.Join(dir, "use"))
	if err != nil {
		return nil, err
	}
	defer vectors.Close()
	files, err := filepath.Glob(filepath.Join(dir, "sources", "*.jsonl"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no sources in %s: %v", dir, err)
	}
	p := &population{triples: make(map[string]map[string][]*eci.Record)}
	projection := newProjection()
	seen := make(map[string]bool)
	var sources []eci.Source
	for _, file := range files {
		source := eci.JSONL(file)
		byQuery := make(map[string][]*eci.Record)
		var rows []*eci.Record
		for t, err := range source.Triples {
			if err != nil {
				return nil, err
			}
			r := *t.(*eci.Record)
			for _, side := range []struct {
				id  string
				get func([]float32, string) ([]float32, error)
				put *[]float32
			}{
				{r.QueryID, vectors.AppendQuery, &r.QueryVector},
				{r.PositiveID, vectors.AppendDocument, &r.PositiveVector},
				{r.NegativeID, vectors.AppendDocument, &r.NegativeVector},
			} {
				v, err := side.get(nil, side.id)
				if err != nil {
					return nil, err
				}
				*side.put = projection.apply(v)
			}
			byQuery[r.QueryID] = append(byQuery[r.QueryID], &r)
			rows = append(rows, &r)
			if !seen[r.QueryID] {
				seen[r.QueryID] = true
				p.queries = append(p.queries, r.QueryID)
			}
		}
		p.triples[source.Name] = byQuery
		sources = append(sources, eci.SourceOf(source.Name, rows))
	}
	if p.sem.Calibration, err = p.sem.Calibrate(context.Background(), sources...); err != nil {
		return nil, err
	}
	return p, nil
}

// projection maps vectors of equal length to dimension Gaussian directions.
type projection struct{ rows [][]float64 }

func newProjection() *projection { return &projection{} }

func (p *projection) apply(v []float32) []float32 {
	if p.rows == nil {
		random := rand.New(rand.NewPCG(1, 2))
		p.rows = make([][]float64, dimension)
		for i := range p.rows {
			p.rows[i] = make([]float64, len(v))
			for k := range p.rows[i] {
				p.rows[i][k] = random.NormFloat64()
			}
		}
	}
	out := make([]float32, dimension)
	for i, row := range p.rows {
		var sum float64
		for k, x := range v {
			sum += row[k] * float64(x)
		}
		out[i] = float32(sum)
	}
	return out
}

// draw makes the sources of one replicate.
func (p *population) draw(random *rand.Rand, names []string, queries int) []eci.Source {
	drawn := make([]string, queries)
	for i := range drawn {
		drawn[i] = p.queries[random.IntN(len(p.queries))]
	}
	sources := make([]eci.Source, len(names))
	for k, name := range names {
		var rows []*eci.Record
		for i, q := range drawn {
			for _, r := range p.triples[name][q] {
				// Every draw is a query of its own, with texts of its own, so that texts
				// are counted as they would be in a collection of this size. The mark
				// holds no token, so that the lexical weights stay.
				c := *r
				mark := punctuation(i)
				c.QueryID += mark
				c.QueryText += mark
				c.PositiveText += mark
				c.NegativeText += mark
				rows = append(rows, &c)
			}
		}
		sources[k] = eci.SourceOf(name, rows)
	}
	return sources
}

// punctuation writes a number in binary with commas and full stops.
func punctuation(i int) string {
	return " " + strings.NewReplacer("0", ".", "1", ",").Replace(strconv.FormatInt(int64(i), 2))
}

func (p *population) simulate(names []string, queries, replicates int) error {
	ctx := context.Background()
	random := rand.New(rand.NewPCG(uint64(queries), uint64(len(names))))
	expected := make(map[string]float64)
	var races, loose []*eci.Ranking
	var full []*eci.Ranking
	for range replicates {
		sources := p.draw(random, names, queries)
		sem := p.sem
		sem.Seed = random.Uint64()
		ranking, err := eci.Rank(ctx, &sem, sources...)
		if err != nil {
			return err
		}
		for _, s := range ranking.Ranked {
			expected[s.Source] += s.Value / float64(replicates)
		}
		full = append(full, ranking)
		race, err := eci.Rank(ctx, &eci.Race{Sem: sem}, sources...)
		if err != nil {
			return err
		}
		races = append(races, race)
	}
	order := slices.Clone(names)
	slices.SortFunc(order, func(a, b string) int {
		if expected[a] > expected[b] {
			return -1
		}
		return 1
	})
	best, lead := order[0], expected[order[0]]-expected[order[1]]
	var deviation []float64
	for _, r := range full {
		a, _ := r.Find(best)
		b, _ := r.Find(order[1])
		deviation = append(deviation, a.Value-b.Value)
	}
	// The same draws again, with an indifference zone as wide as the lead.
	random = rand.New(rand.NewPCG(uint64(queries), uint64(len(names))))
	for range replicates {
		sources := p.draw(random, names, queries)
		sem := p.sem
		sem.Seed = random.Uint64()
		race, err := eci.Rank(ctx, &eci.Race{Sem: sem, Indifference: lead}, sources...)
		if err != nil {
			return err
		}
		loose = append(loose, race)
	}
	dropped, wrong := 0, 0
	for _, r := range races {
		if s, _ := r.Find(best); s.Dropped > 0 {
			dropped++
		}
		if r.Best().Source != best {
			wrong++
		}
	}
	share := func(n int) string { return fmt.Sprintf("%.1f%%", 100*float64(n)/float64(replicates)) }
	fmt.Printf("| %d | %s | %.2f | %.1f | %s | %s | %.0f%% | %.0f%% |\n", queries, strings.Join(order, ", "), lead, lead/standardDeviation(deviation),
		share(dropped), share(wrong), 100*medianRead(races), 100*medianRead(loose))
	return nil
}

func standardDeviation(x []float64) float64 {
	var mean, square float64
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		square += (v - mean) * (v - mean)
	}
	return math.Sqrt(square / float64(len(x)-1))
}

func medianRead(rankings []*eci.Ranking) float64 {
	shares := make([]float64, len(rankings))
	for i, r := range rankings {
		shares[i] = float64(r.Race.Read) / float64(r.Race.Texts)
	}
	slices.Sort(shares)
	return shares[len(shares)/2]
}
