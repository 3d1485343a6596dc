package main

import (
	"context"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"example.com/eci"
)

// population is a finite population of queries with all their triples in every
// source, under one frozen calibration. What is true of it is known: a sample is
// a number of queries drawn with replacement.
type population struct {
	dimension int
	names     []string                   // of the sources
	queries   []string                   // ids
	triples   []map[string][]*eci.Record // by source and query
	weighed   []map[string][]weightedRow // the same triples, by source and query
	sem       eci.Sem                    // calibrated
}

// weightedRow is what a triple adds to the information matrix.
type weightedRow struct {
	weight   float64
	residual []float64
}

// load reads the named sources (all for none) and projects their vectors to
// dimension seeded Gaussian directions, or leaves them as they are for 0.
func load(files fs.FS, folder string, names []string, dimension int) (*population, error) {
	sub, err := fs.Sub(files, folder)
	if err != nil {
		return nil, err
	}
	vectors, err := eci.ReadVectors(sub)
	if err != nil {
		return nil, err
	}
	defer vectors.Close()
	paths, err := fs.Glob(files, "sources/*.jsonl")
	if err != nil {
		return nil, err
	}
	p := &population{dimension: dimension}
	if dimension == 0 {
		p.dimension = vectors.Documents.Dimension()
	}
	project := projection(vectors.Documents.Dimension(), dimension)
	seen := make(map[string]bool)
	var sources []eci.Source
	for _, path := range paths {
		source := eci.JSONLFrom(files, path)
		if len(names) > 0 && !slices.Contains(names, source.Name) {
			continue
		}
		rows, err := embedded(source, vectors, project)
		if err != nil {
			return nil, err
		}
		byQuery := make(map[string][]*eci.Record)
		for _, r := range rows {
			if !seen[r.QueryID] {
				seen[r.QueryID] = true
				p.queries = append(p.queries, r.QueryID)
			}
			byQuery[r.QueryID] = append(byQuery[r.QueryID], r)
		}
		p.names = append(p.names, source.Name)
		p.triples = append(p.triples, byQuery)
		sources = append(sources, eci.SourceOf(source.Name, rows))
	}
	if len(p.names) < 2 || len(names) > len(p.names) {
		return nil, fmt.Errorf("want two or more sources of %v, found %v", names, p.names)
	}
	if p.sem.Calibration, err = p.sem.Calibrate(context.Background(), sources...); err != nil {
		return nil, err
	}
	// Every drawn triple counts; sources have equally many for each query.
	p.sem.Budget = eci.Unlimited
	p.sem.NoChecks = true // they do not touch the intervals
	for _, source := range sources {
		if err := p.weigh(source); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// embedded reads the triples of a source with their vectors.
func embedded(source eci.Source, vectors *eci.VectorFiles, project func([]float32) []float32) (rows []*eci.Record, err error) {
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
			*side.put = project(v)
		}
		rows = append(rows, &r)
	}
	return rows, nil
}

// weigh adds up the weighted triples of a source by query.
func (p *population) weigh(source eci.Source) error {
	byQuery := make(map[string][]weightedRow)
	for w, err := range p.sem.Weigh(context.Background(), source) {
		if err != nil {
			return err
		}
		id := w.Record.QueryID
		byQuery[id] = append(byQuery[id], weightedRow{w.Weight, residual(w.Record)})
	}
	p.weighed = append(p.weighed, byQuery)
	return nil
}

// residual is r = (p - n) - ((p - n).q) q of the unit vectors.
func residual(r *eci.Record) []float64 {
	unit := func(v []float32) []float64 {
		u := make([]float64, len(v))
		var square float64
		for k, x := range v {
			u[k] = float64(x)
			square += u[k] * u[k]
		}
		for k := range u {
			u[k] /= math.Sqrt(square)
		}
		return u
	}
	q, out, n := unit(r.QueryVector), unit(r.PositiveVector), unit(r.NegativeVector)
	var margin float64
	for k := range q {
		out[k] -= n[k]
		margin += out[k] * q[k]
	}
	for k := range q {
		out[k] -= margin * q[k]
	}
	return out
}

// projection maps vectors of n components to d seeded Gaussian directions.
func projection(n, d int) func([]float32) []float32 {
	if d == 0 {
		return func(v []float32) []float32 { return v }
	}
	random := rand.New(rand.NewPCG(1, 2))
	directions := make([]float64, n*d)
	for i := range directions {
		directions[i] = random.NormFloat64()
	}
	return func(v []float32) []float32 {
		out := make([]float32, d)
		for i := range out {
			var sum float64
			for k, x := range v {
				sum += directions[i*n+k] * float64(x)
			}
			out[i] = float32(sum)
		}
		return out
	}
}

// draw is a sample: the number of a query of the population for every draw.
func (p *population) draw(random *rand.Rand, queries int) []int {
	drawn := make([]int, queries)
	for i := range drawn {
		drawn[i] = random.IntN(len(p.queries))
	}
	return drawn
}

// sources returns the sample's sources. Every draw is a query with an ID of its own,
// so that repeats fall into different groups. With label, the groups of different
// samples differ.
func (p *population) sources(drawn []int, label string) []eci.Source {
	sources := make([]eci.Source, len(p.names))
	for s, name := range p.names {
		var rows []*eci.Record
		for i, q := range drawn {
			for _, r := range p.triples[s][p.queries[q]] {
				fresh := *r
				fresh.QueryID = label + "-" + strconv.Itoa(i)
				rows = append(rows, &fresh)
			}
		}
		sources[s] = eci.SourceOf(name, rows)
	}
	return sources
}

// scores returns S of every source over a sample without its groups: each
// distinct triple once, with its weight times the number of its draws.
func (p *population) scores(drawn []int) ([]float64, error) {
	times := make([]int, len(p.queries))
	for _, q := range drawn {
		times[q]++
	}
	scores := make([]float64, len(p.names))
	for s := range p.names {
		distinct, all := 0, 0
		for q, n := range times {
			if n > 0 {
				distinct += len(p.weighed[s][p.queries[q]])
				all += n * len(p.weighed[s][p.queries[q]])
			}
		}
		m, err := eci.NewMatrix(eci.MatrixConfig{Dimension: p.dimension, Groups: 1})
		if err != nil {
			return nil, err
		}
		for q, n := range times {
			if n == 0 {
				continue
			}
			// The matrix divides by the rows it was given, S by the triples drawn.
			factor := float64(n) * float64(distinct) / float64(all)
			for _, row := range p.weighed[s][p.queries[q]] {
				if err := m.Add(0, factor*row.weight, row.residual); err != nil {
					return nil, err
				}
			}
		}
		if scores[s], err = m.LogDet(); err != nil {
			return nil, err
		}
	}
	return scores, nil
}
