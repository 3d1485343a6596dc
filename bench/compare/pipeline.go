//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"

	"example.com/eci"
	"example.com/eci/internal/chol"
	"example.com/eci/internal/dots"
	"example.com/eci/internal/syrk"
)

const (
	pipelineDimension = 768
	pipelinePool      = 50_000 // distinct triples, 461 MB; more triples pass over them again
	epsilon2          = 0.5
)

// pool reads the generated triples: rows of raw query, positive and negative
// vectors.
func (s *session) pool(q request) (vectors [3][]float32, err error) {
	for k, name := range []string{"q.f32", "p.f32", "n.f32"} {
		if vectors[k], err = s.array(filepath.Join(q.Dir, name), q.Pool*q.Dimension); err != nil {
			return vectors, err
		}
	}
	return vectors, nil
}

// pipeline computes the score from raw vectors with the kernels of the library: the
// five products of a triple, its weight c g, its scaled residual into a block of rows,
// the block into a matrix, and the log-determinant at the end. Each of two threads
// takes every second block and has its own matrix.
func (s *session) pipeline(q request) (reply, error) {
	d := q.Dimension
	v, err := s.pool(q)
	if err != nil {
		return reply{}, err
	}
	var value float64
	ok := true
	r, err := timed(func() error {
		sum := shards(q.Threads, d, q.Triples, func() func(first, n int) []float32 {
			rows := make([]float32, syrk.MaxRows*d)
			return func(first, n int) []float32 {
				for i := range n {
					at := (first + i) % q.Pool * d
					residual(rows[i*d:][:d], v[0][at:at+d], v[1][at:at+d], v[2][at:at+d], q.Scales)
				}
				return rows
			}
		})
		a := float64(d) / q.Epsilon2 / float64(q.Triples)
		for k := range sum {
			sum[k] *= a
		}
		for i := range d {
			sum[i*d+i]++
		}
		value, ok = chol.LogDet(sum, d, new(chol.Scratch))
		return nil
	})
	if !ok {
		return r, errors.New("not positive definite")
	}
	r.Value = value
	return r, err
}

// residual writes sqrt(w) r for raw vectors.
func residual(dst, x, y, z []float32, s scales) {
	xx, yy, zz, xy, xz := dots.Five(x, y, z)
	ix, iy, iz := 1/math.Sqrt(xx), 1/math.Sqrt(yy), 1/math.Sqrt(zz)
	positive, negative := xy*ix*iy, xz*ix*iz
	margin := positive - negative
	w := math.Sqrt(sigmoid(margin/s.Margin) * sigmoid((negative-s.Midpoint)/s.Scale))
	dots.Residual(dst, x, y, z, w*margin*ix, w*iy, w*iz)
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// vectorTriple is a triple with its vectors, as in a user's loader.
type vectorTriple struct {
	texts   *[3]string
	vectors [3][]float32
}

func (t vectorTriple) Query() string    { return t.texts[0] }
func (t vectorTriple) Positive() string { return t.texts[1] }
func (t vectorTriple) Negative() string { return t.texts[2] }
func (t vectorTriple) Vectors() (q, p, n []float32) {
	return t.vectors[0], t.vectors[1], t.vectors[2]
}

// score does the work of pipeline with the public interface: a Sem with a frozen
// calibration scores a source of triples with vectors. That also reads the
// triples twice, checks every vector, fingerprints and compares texts, and takes
// the jackknife over 32 groups.
func (s *session) score(q request) (reply, error) {
	d := q.Dimension
	v, err := s.pool(q)
	if err != nil {
		return reply{}, err
	}
	texts := make([][3]string, q.Pool)
	for i := range texts {
		texts[i] = [3]string{fmt.Sprint("query ", i), fmt.Sprint("positive ", i), fmt.Sprint("negative ", i)}
	}
	lexicon := eci.NewLexicon(nil)
	lexicon.Add("none")
	sem := &eci.Sem{
		Components: []eci.Component{eci.TargetConsistency{}, eci.SemanticLocality{}},
		Calibration: &eci.Calibration{MarginScale: q.Scales.Margin, SimilarityMidpoint: q.Scales.Midpoint, SimilarityScale: q.Scales.Scale,
			Pairs: q.Pool, Dimension: d, Lexicon: lexicon},
		Epsilon2: q.Epsilon2, Groups: q.Groups, NoChecks: true,
	}
	source := eci.SourceSeq("generated", func(yield func(vectorTriple, error) bool) {
		for i := range q.Triples {
			at := i % q.Pool
			t := vectorTriple{texts: &texts[at]}
			for k := range v {
				t.vectors[k] = v[k][at*d:][:d]
			}
			if !yield(t, nil) {
				return
			}
		}
	})
	var value float64
	r, err := timed(func() error {
		score, err := sem.Score(context.Background(), source)
		if err == nil {
			value = score.Value
		}
		return err
	})
	r.Value = value
	return r, err
}

// pipeline compares the way from raw vectors to the score.
func (c *comparison) pipeline() error {
	const d, pool = pipelineDimension, pipelinePool
	scales, err := c.writePool(d, pool)
	if err != nil {
		return err
	}
	goSide, err := c.worker("go")
	if err != nil {
		return err
	}
	numpy, err := c.worker("numpy", "OPENBLAS_CORETYPE="+c.cores, "OPENBLAS_NUM_THREADS=2")
	if err != nil {
		return err
	}
	sizes := []int{10_000, 200_000}
	if c.large {
		sizes = append(sizes, 1_000_000)
	}
	var rows [][]string
	for _, n := range sizes {
		for _, threads := range []int{1, 2} {
			q := request{Dir: c.dir, Dimension: d, Triples: n, Pool: pool, Threads: threads, Scales: scales, Groups: 32, Epsilon2: epsilon2}
			kind := func(kind, variant string) request { q.Kind, q.Variant = kind, variant; return q }
			contenders := []contender{
				{"NumPy", numpy, kind("pipeline", "")},
				{"Go kernels", goSide, kind("pipeline", "")},
				{"Go eci.Sem", goSide, kind("score", "")},
			}
			if threads > 1 {
				contenders = append(contenders, contender{"NumPy, two Python threads", numpy, kind("pipeline", "shards")})
			}
			runs := c.runs
			if n > 100_000 {
				runs = max(1, (runs+1)/2)
			}
			out, err := interleave(contenders, 1, runs)
			if err != nil {
				return err
			}
			if err := agree(contenders, out, 1e-5); err != nil {
				return err
			}
			best := out[0]
			if threads > 1 && out[3].wall < best.wall {
				best = out[3]
			}
			for i, m := range out {
				rows = append(rows, []string{fmt.Sprint(n), fmt.Sprint(threads), contenders[i].name,
					seconds(m.wall), ratio(m.wall, best.wall), seconds(m.cpu), ratio(m.cpu, best.cpu),
					fmt.Sprintf("%.9g", m.last.Value)})
			}
		}
	}
	table(fmt.Sprintf("From raw vectors to the score, d = %d (medians of %d runs, %d for the larger; ratios to the faster NumPy)", d, c.runs, max(1, (c.runs+1)/2)),
		[]string{"triples", "threads", "", "time", "ratio", "processor", "ratio", "S"}, rows)
	return nil
}

// writePool generates raw vectors of triples and returns their calibration.
func (c *comparison) writePool(d, pool int) (scales, error) {
	base := func(i int) float32 { return uniform(uint64(i) * 0x9e3779b97f4a7c15) }
	for k, file := range []struct {
		name string
		near float32 // how near to the query
	}{{"q.f32", 0}, {"p.f32", 0.8}, {"n.f32", 0.5}} {
		err := writeFloats(c.path(file.name), uint64(k+2), pool*d, func(i int, x float32) float32 {
			if k == 0 {
				return base(i) + 0.3*x
			}
			// Some rows are nearer than others, or there would be no spread.
			return base(i)*file.near*(1+0.5*base(i/d+k)) + x
		})
		if err != nil {
			return scales{}, err
		}
	}
	var s session
	v, err := s.pool(request{Dir: c.dir, Dimension: d, Pool: pool})
	if err != nil {
		return scales{}, err
	}
	var margins, negatives []float64
	for at := 0; at < min(pool, 10_000)*d; at += d {
		xx, yy, zz, xy, xz := dots.Five(v[0][at:at+d], v[1][at:at+d], v[2][at:at+d])
		negatives = append(negatives, xz/math.Sqrt(xx*zz))
		margins = append(margins, xy/math.Sqrt(xx*yy)-xz/math.Sqrt(xx*zz))
	}
	_, margin := moments(margins)
	mean, negative := moments(negatives)
	return scales{Margin: margin, Midpoint: mean, Scale: negative}, nil
}

func moments(x []float64) (mean, deviation float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		deviation += (v - mean) * (v - mean) / float64(len(x))
	}
	return mean, math.Sqrt(deviation)
}
