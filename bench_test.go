package eci_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"example.com/eci"
)

// BenchmarkMatrixAdd is the accumulator: n d (d + 1) flops for n triples.
func BenchmarkMatrixAdd(b *testing.B) {
	for _, d := range []int{384, 768, 1024} {
		b.Run(fmt.Sprint("d=", d), func(b *testing.B) {
			m, err := eci.NewMatrix(eci.MatrixConfig{Dimension: d})
			if err != nil {
				b.Fatal(err)
			}
			random := rand.New(rand.NewPCG(1, 2))
			residual := make([]float64, d)
			for k := range residual {
				residual[k] = random.NormFloat64()
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if err := m.Add(n/64%32, 0.5, residual); err != nil {
					b.Fatal(err)
				}
				n++
			}
			b.ReportMetric(float64(n)*float64(d)*float64(d+1)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}

// BenchmarkLogDets is the jackknife: 33 factorizations.
func BenchmarkLogDets(b *testing.B) {
	for _, d := range []int{384, 768} {
		b.Run(fmt.Sprint("d=", d), func(b *testing.B) {
			m := filled(b, eci.MatrixConfig{Dimension: d}, 2*d, 1)
			for b.Loop() {
				if _, _, err := m.LogDets(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRankDemo is a whole ranking from files in memory: 5 sources, 600
// triples, d = 512.
func BenchmarkRankDemo(b *testing.B) {
	vectors, sources := demoSources(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := eci.Rank(b.Context(), &eci.Sem{Vectors: vectors}, sources...); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTokenize is the lexical side: tokens and overlap.
func BenchmarkTokenize(b *testing.B) {
	_, sources := demoSources(b)
	var texts []string
	bytes := 0
	for triple := range sources[0].Triples {
		texts = append(texts, triple.Negative())
		bytes += len(triple.Negative())
	}
	b.SetBytes(int64(bytes))
	var tokens []string
	for b.Loop() {
		for _, text := range texts {
			tokens = (eci.Words{}).AppendTokens(tokens[:0], text)
		}
	}
}

// BenchmarkChoose scores a million triples of 768 dimensions, vectors in memory by
// id: ECI_ROWS says how many.
func BenchmarkChoose(b *testing.B) {
	rows, err := strconv.Atoi(cmp.Or(os.Getenv("ECI_ROWS"), "50000"))
	if err != nil {
		b.Fatal(err)
	}
	const d, documents, queries = 768, 20000, 1000
	random := rand.New(rand.NewPCG(1, 1))
	vectors := randomVectors{queries: make([]float32, queries*d), documents: make([]float32, documents*d), d: d}
	for _, data := range [][]float32{vectors.queries, vectors.documents} {
		for i := range data {
			data[i] = float32(random.NormFloat64())
		}
	}
	source := eci.SourceSeq("synthetic", func(yield func(*eci.Record, error) bool) {
		for i := range rows {
			q, n := i%queries, (i*7919+i/queries)%documents
			r := &eci.Record{QueryID: fmt.Sprint("q", q), PositiveID: fmt.Sprint("d", q), NegativeID: fmt.Sprint("d", n)}
			r.QueryText, r.PositiveText, r.NegativeText = r.QueryID, r.PositiveID, r.NegativeID
			if !yield(r, nil) {
				return
			}
		}
	})
	for b.Loop() {
		choose := &eci.Choose{NoCheck: true, Lookahead: eci.Lookahead{Sem: eci.Sem{Vectors: vectors}}}
		choice, err := choose.From(b.Context(), source)
		if err != nil {
			b.Fatal(err)
		}
		if choice.Triples != rows {
			b.Fatal(choice.Triples)
		}
	}
	b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
}

// randomVectors are those of ids such as q17 and d4.
type randomVectors struct {
	queries, documents []float32
	d                  int
}

func (v randomVectors) append(dst, from []float32, id string) ([]float32, error) {
	i, err := strconv.Atoi(id[1:])
	if err != nil {
		return nil, err
	}
	return append(dst, from[i*v.d:][:v.d]...), nil
}

func (v randomVectors) AppendQuery(dst []float32, id string) ([]float32, error) {
	return v.append(dst, v.queries, id)
}

func (v randomVectors) AppendDocument(dst []float32, id string) ([]float32, error) {
	return v.append(dst, v.documents, id)
}

// BenchmarkLookahead is a whole ranking by forecast with checks and controls: nine
// sources of 512 triples, 1,000 queries, a pool of 5,000, 768 dimensions.
func BenchmarkLookahead(b *testing.B) {
	const d, documents, queries, sources, triples = 768, 5000, 1000, 9, 512
	random := rand.New(rand.NewPCG(1, 1))
	vectors := randomVectors{queries: make([]float32, queries*d), documents: make([]float32, documents*d), d: d}
	for i := range vectors.documents {
		vectors.documents[i] = float32(random.NormFloat64())
	}
	for i := range vectors.queries { // near the document of the same number
		vectors.queries[i] = vectors.documents[i] + float32(2*random.NormFloat64())
	}
	pool := func(yield func(eci.Document, error) bool) {
		for i := range documents {
			if !yield(eci.Document{ID: fmt.Sprint("d", i), Text: fmt.Sprint("d", i)}, nil) {
				return
			}
		}
	}
	relevant := make(map[string][]string)
	for q := range queries {
		relevant[fmt.Sprint("q", q)] = []string{fmt.Sprint("d", q)}
	}
	var list []eci.Source
	for s := range sources {
		var rows []*eci.Record
		for i := range queries * 2 {
			r := &eci.Record{QueryID: fmt.Sprint("q", i%queries), PositiveID: fmt.Sprint("d", i%queries), NegativeID: fmt.Sprint("d", (i*7919+s*131+1)%documents)}
			r.QueryText, r.PositiveText, r.NegativeText = r.QueryID, r.PositiveID, r.NegativeID
			rows = append(rows, r)
		}
		list = append(list, eci.SourceOf(fmt.Sprint("source", s), rows))
	}
	for b.Loop() {
		ahead := &eci.Lookahead{Sem: eci.Sem{Vectors: vectors}, Pool: pool, Relevant: relevant, Triples: triples}
		if _, err := eci.Rank(b.Context(), ahead, list...); err != nil {
			b.Fatal(err)
		}
	}
}
