package main

import (
	"math"
	"math/rand/v2"
	"slices"

	"example.com/eci/internal/lookahead"
)

// A population is a pool, labeled queries and sources of triples, drawn at
// random: unit vectors around a common mean with a falling spectrum, as encoders
// give them. A query lies near its positive.
type population struct {
	d         int
	documents [][]float32
	queries   [][]float32
	positive  []int   // of each query
	groups    []int   // of each query
	negatives [][]int // source by source, for the query of each triple
	asks      [][]int // source by source, the query of each triple

	marginScale float64
}

const groups = 32

func draw(seed uint64, d, documents, queries, sources, triples int) *population {
	random := rand.New(rand.NewPCG(seed, 1))
	p := &population{d: d}
	spectrum, center := make([]float64, d), make([]float64, d)
	for k := range d {
		spectrum[k] = 1 / math.Sqrt(float64(k+8))
		center[k] = 0.1 * random.NormFloat64()
	}
	var size float64 // of a document before it is made a unit vector, about
	for k := range d {
		size = math.Hypot(size, math.Hypot(spectrum[k], center[k]))
	}
	p.documents = make([][]float32, documents)
	for i := range p.documents {
		p.documents[i] = unit(d, func(k int) float64 { return center[k] + spectrum[k]*random.NormFloat64() })
	}
	p.queries = make([][]float32, queries)
	for i := range p.queries {
		near := random.IntN(documents)
		scale := 0.35 * size
		p.queries[i] = unit(d, func(k int) float64 {
			return 0.6*center[k] + scale*float64(p.documents[near][k]) + spectrum[k]*random.NormFloat64()
		})
		p.positive = append(p.positive, near)
		p.groups = append(p.groups, random.IntN(groups))
	}
	for s := range sources {
		asks, negatives := p.mine(random, triples, s)
		p.asks, p.negatives = append(p.asks, asks), append(p.negatives, negatives)
	}
	p.marginScale = p.calibrate()
	return p
}

func unit(d int, element func(k int) float64) []float32 {
	x := make([]float64, d)
	var sum float64
	for k := range x {
		x[k] = element(k)
		sum += x[k] * x[k]
	}
	u := make([]float32, d)
	for k := range x {
		u[k] = float32(x[k] / math.Sqrt(sum))
	}
	return u
}

// mine draws negatives. Source 0 draws at random. The others draw the nearest of a
// random part of the pool; the higher the number of the source, the smaller the part.
func (p *population) mine(random *rand.Rand, triples, source int) (asks, negatives []int) {
	part := 200 >> source
	for range triples {
		query := random.IntN(len(p.queries))
		best, score := -1, math.Inf(-1)
		for best < 0 || part > 0 {
			document := random.IntN(len(p.documents))
			part--
			if document == p.positive[query] {
				continue
			}
			if s := dot(p.queries[query], p.documents[document]); source == 0 || s > score {
				best, score = document, s
			}
		}
		part = 200 >> source
		asks, negatives = append(asks, query), append(negatives, best)
	}
	return asks, negatives
}

func dot(x, y []float32) (sum float64) {
	for k := range x {
		sum += float64(x[k]) * float64(y[k])
	}
	return sum
}

// calibrate returns the standard deviation of s⁺_i - s⁰_ij over labeled pairs.
func (p *population) calibrate() float64 {
	var n, sum, squares float64
	some := min(len(p.queries), 256)
	for i := range some {
		plus := dot(p.queries[i], p.documents[p.positive[i]])
		for j := range some {
			if j != i {
				m := plus - dot(p.queries[i], p.documents[p.positive[j]])
				n, sum, squares = n+1, sum+m, squares+m*m
			}
		}
	}
	return math.Sqrt(squares/n - sum/n*sum/n)
}

func (p *population) looked() []lookahead.Query {
	queries := make([]lookahead.Query, len(p.queries))
	for i, v := range p.queries {
		queries[i] = lookahead.Query{Vector: v, Group: p.groups[i], Relevant: []int{p.positive[i]}}
	}
	return queries
}

// source returns a source over one table: the queries, then the documents.
func (p *population) source(s int) lookahead.Source {
	source := lookahead.Source{Vectors: slices.Concat(p.queries, p.documents)}
	for i, q := range p.asks[s] {
		source.Triples = append(source.Triples, lookahead.Triple{
			Query: q, Positive: len(p.queries) + p.positive[q], Negative: len(p.queries) + p.negatives[s][i], Group: p.groups[q],
		})
	}
	return source
}
