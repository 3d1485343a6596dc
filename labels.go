package eci

import (
	"math"
	"slices"

	"example.com/eci/internal/least"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
)

// mostPairs is the number of labelled pairs that the scales are taken over.
const mostPairs = 2048

// labels are what the labelled pairs of all sources tell: neutral ground, on
// which no source's negatives stand.
type labels struct {
	seed  uint64
	pairs *least.Distinct[labelledPair]
}

// labelledPair is a query with one of its positives. It has its own copies of
// vectors that came with the triple.
type labelledPair struct {
	key             uint64 // of the query
	query, positive side
}

func newLabels(seed uint64) *labels {
	return &labels{seed: seed, pairs: least.NewDistinct[labelledPair](mostPairs)}
}

// offer takes in the labelled pair of a triple. query and positive are the
// fingerprints of its texts.
func (l *labels) offer(rec *Record, query, positive fingerprint) {
	l.pairs.Offer(tripleHash(l.seed, query, positive, fingerprint{}), func() labelledPair {
		sides := rec.sides()
		for k := range sides {
			sides[k].vector = slices.Clone(sides[k].vector)
		}
		return labelledPair{key: rec.queryKey(), query: sides[0], positive: sides[1]}
	})
}

// scales are what a calibration takes from labelled pairs.
type scales struct {
	margin, midpoint, spread float64 // sigma_m, mu, sigma
}

// unitVector is a vector with 1/|x|.
type unitVector struct {
	data    []float32
	inverse float64
}

// scalesOf takes sigma_m, mu and sigma over labelled pairs i of queries[i] and
// positives[i], and over every two pairs of different queries, told apart by
// their keys:
//
//	s+_i = q_i.p_i, s0_ij = q_i.p_j
//	sigma_m = SD of s+_i - s0_ij over all such i, j
//	mu      = (mean s+ + mean s0) / 2
//	sigma   = sqrt((var s+ + var s0) / 2)
//
// Deviations are population standard deviations. They are taken about the mean of
// s0, in two passes over one block of rows at a time, and do not depend on the
// number of cores. Without two different queries there is no s0, and all scales
// are 0.
func scalesOf(queries, positives []unitVector, keys []uint64) scales {
	n := len(queries)
	if n == 0 {
		return scales{}
	}
	var own, strange, margins spread
	for i, block := 0, (similarityBlock{}); i < n; i += similarityRows {
		rows := min(similarityRows, n-i)
		block.fill(queries[i:i+rows], positives)
		for r := range rows {
			line := block.values[r*n : (r+1)*n]
			positive := line[i+r]
			own.add(positive)
			for j, s := range line {
				if keys[j] != keys[i+r] {
					strange.add(s)
					margins.add(positive - s)
				}
			}
		}
	}
	if strange.n == 0 {
		return scales{}
	}
	return scales{
		margin:   margins.deviation(),
		midpoint: (own.mean + strange.mean) / 2,
		spread:   math.Sqrt((own.square/own.n + strange.square/strange.n) / 2),
	}
}

// similarityRows is the number of queries whose similarities are taken at once.
const similarityRows = 64

// similarityBlock holds the cosines of a block of queries and all documents.
type similarityBlock struct {
	queries, documents, values []float64
}

// fill sets values[r*len(documents)+j] to the cosine of queries[r] and
// documents[j]. The documents are converted at the first call only: they must be
// the same at every call.
func (b *similarityBlock) fill(queries, documents []unitVector) {
	d := len(queries[0].data)
	if b.documents == nil {
		b.documents = unitRows(nil, documents)
		b.values = make([]float64, similarityRows*len(documents))
	}
	b.queries = unitRows(b.queries[:0], queries)
	blas64.Gemm(blas.NoTrans, blas.Trans, 1,
		blas64.General{Rows: len(queries), Cols: d, Stride: d, Data: b.queries},
		blas64.General{Rows: len(documents), Cols: d, Stride: d, Data: b.documents}, 0,
		blas64.General{Rows: len(queries), Cols: len(documents), Stride: len(documents), Data: b.values})
}

// unitRows appends unit vectors in float64 to dst, row by row.
func unitRows(dst []float64, vectors []unitVector) []float64 {
	for _, v := range vectors {
		for _, x := range v.data {
			dst = append(dst, float64(x)*v.inverse)
		}
	}
	return dst
}
