package eci

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"example.com/eci/internal/chol"
	"example.com/eci/internal/cores"
	"example.com/eci/internal/discriminant"
	"example.com/eci/internal/dots"
	"example.com/eci/internal/gram"
	"example.com/eci/internal/hash64"
	"example.com/eci/internal/quote"
	"example.com/eci/internal/stat"
)

// Artifact says whether a source's negatives can be told from its positives
// without reading the query. A retriever that is trained on such negatives can
// learn the writer instead of the task, and the score does not see it.
// Goroutines may share one that none of them changes.
type Artifact struct {
	// AUC is the probability that a linear discriminant, trained on other queries,
	// tells a positive from a negative by its vector alone: 0.5 is blind, above
	// 0.9 is flagged. It is the mean over five folds by query of a ridge linear
	// discriminant on the unit vectors.
	AUC float64 `json:"auc"`
	// Triples is the number of triples looked at; 0 means too few to tell.
	Triples int `json:"triples"`
	// Rows are the triples that are easiest to tell, the easiest first.
	Rows []ArtifactRow `json:"rows,omitempty"`
}

// ArtifactRow is a triple whose negative is easily told from its positive.
// Goroutines may share one that none of them changes.
type ArtifactRow struct {
	File       string `json:"file,omitempty"`
	Row        int    `json:"row"`
	QueryID    string `json:"query_id,omitempty"`
	NegativeID string `json:"negative_id,omitempty"`
	Negative   string `json:"negative"` // the first 60 characters or so
	// Margin is the discriminant's value at the positive minus that at the
	// negative, in standard deviations of the values within a class.
	Margin float64 `json:"margin"`
}

// place says where the row is.
func (a ArtifactRow) place() string {
	if a.File != "" {
		return fmt.Sprintf("%s row %d", a.File, a.Row)
	}
	return fmt.Sprintf("row %d", a.Row)
}

const (
	artifactFolds = 5
	artifactRidge = 0.1 // of the mean variance of a component
	artifactAUC   = 0.9 // above it is flagged
)

// artifact takes the AUC over the sample.
func (r *run) artifact(rows []*checked) (*Artifact, error) {
	const fewest, shown = 20, 5 // triples
	if len(rows) < fewest {
		return &Artifact{}, nil
	}
	folds := make([][]*checked, artifactFolds)
	for _, c := range rows {
		f := hash64.Mix(c.query) % artifactFolds
		folds[f] = append(folds[f], c)
	}
	held := r.heldOut
	if 2*len(rows) < r.dimension && r.dimension >= exactDimension {
		held = r.heldOutDual
	}
	values, spreads, err := held(rows, folds)
	if err != nil {
		return nil, err
	}
	a := &Artifact{}
	var pairs float64
	type told struct {
		c      *checked
		margin float64
	}
	var easiest []told
	for f, v := range values {
		if v[0] == nil {
			continue
		}
		n := float64(len(folds[f]))
		a.AUC += n * n * stat.AUC(v[0], v[1])
		pairs += n * n
		a.Triples += len(folds[f])
		for i, c := range folds[f] {
			margin := 0.0
			if spreads[f] > 0 {
				margin = (v[0][i] - v[1][i]) / spreads[f]
			}
			easiest = append(easiest, told{c, margin})
		}
	}
	if pairs == 0 {
		return &Artifact{}, nil
	}
	a.AUC = max(0, min(1, a.AUC/pairs))
	slices.SortFunc(easiest, func(x, y told) int {
		return cmp.Or(cmp.Compare(y.margin, x.margin), cmp.Compare(x.c.index, y.c.index))
	})
	for _, e := range easiest[:min(shown, len(easiest))] {
		rec := &e.c.row.rec
		a.Rows = append(a.Rows, ArtifactRow{
			File: rec.File, Row: rec.Row, QueryID: rec.QueryID, NegativeID: rec.NegativeID,
			Negative: quote.Excerpt(rec.NegativeText), Margin: e.margin,
		})
	}
	return a, nil
}

// heldOut trains a discriminant without each fold, and returns its values at the
// fold's positives and negatives and their standard deviation within a class.
func (r *run) heldOut(rows []*checked, folds [][]*checked) (values [][2][]float64, spreads []float64, err error) {
	d := r.dimension
	// Second moments of all passages and sums of each class, by fold.
	moments, err := NewMatrix(MatrixConfig{Dimension: d, Groups: artifactFolds})
	if err != nil {
		return nil, nil, err
	}
	moments.cores = r.cores
	sums := make([][2][]float64, artifactFolds)
	cores.Split(r.cores, artifactFolds, func(lo, hi int) {
		for f := lo; f < hi; f++ {
			for class := range 2 {
				sums[f][class] = make([]float64, d)
				for _, c := range folds[f] {
					x := moments.row(f)
					c.unit(x, 1+class)
					for k, v := range x {
						sums[f][class][k] += v
					}
				}
			}
		}
	})
	all, _ := moments.total()
	values = make([][2][]float64, artifactFolds)
	spreads = make([]float64, artifactFolds)
	cores.Split(r.cores, artifactFolds, func(lo, hi int) {
		scratch := scratches.Get().(*scratch)
		defer scratches.Put(scratch)
		for f := lo; f < hi; f++ {
			if n := len(rows) - len(folds[f]); n == 0 || len(folds[f]) == 0 {
				continue
			}
			w, spread := fisher(d, f, folds, all, moments.groups[f].upper(d, scratch), sums, scratch)
			if w == nil {
				continue
			}
			spreads[f] = spread
			x := make([]float64, d)
			for class := range 2 {
				for _, c := range folds[f] {
					c.unit(x, 1+class)
					values[f][class] = append(values[f][class], dots.Inner(w, x))
				}
			}
		}
	})
	return values, spreads, nil
}

// heldOutDual is heldOut from the inner products of the passages, for fewer of them
// than dimensions.
func (r *run) heldOutDual(rows []*checked, folds [][]*checked) (values [][2][]float64, spreads []float64, err error) {
	n, d := len(rows), r.dimension
	place := make(map[*checked]int, n)
	passages := make([]float64, 2*n*d)
	for i, c := range rows {
		place[c] = i
		for class := range 2 {
			c.unit(passages[(class*n+i)*d:][:d], 1+class)
		}
	}
	products, stride := gram.Dual(passages, 2*n, d, cores.All)
	pairs := discriminant.Pairs{N: n, Products: products, Stride: stride}
	values, spreads = make([][2][]float64, artifactFolds), make([]float64, artifactFolds)
	cores.Split(r.cores, artifactFolds, func(lo, hi int) {
		for f := lo; f < hi; f++ {
			var trained, held []int
			for g := range folds {
				for _, c := range folds[g] {
					if g == f {
						held = append(held, place[c])
					} else {
						trained = append(trained, place[c])
					}
				}
			}
			if len(held) > 0 && len(trained) > 0 {
				if v, spread, ok := pairs.HeldOut(trained, held, artifactRidge/float64(d)); ok {
					values[f], spreads[f] = v, spread
				}
			}
		}
	})
	return values, spreads, nil
}

// unit writes the unit vector of one side to dst.
func (c *checked) unit(dst []float64, side int) {
	inverse := c.row.inverse[side]
	for k, x := range c.row.vectors[side].data {
		dst[k] = float64(x) * inverse
	}
}

// fisher is Fisher's discriminant with a ridge, w = (C + l I)^-1 (mean+ - mean-), of all
// folds but one: C is the covariance within the classes, l a share of its mean
// diagonal. It also returns the standard deviation of w.x within a class. nil
// means that there is nothing to invert. It overwrites fold.
func fisher(d, without int, folds [][]*checked, all, fold []float64, sums [][2][]float64, scratch *scratch) (w []float64, spread float64) {
	c := fold
	for k, x := range fold {
		c[k] = all[k] - x
	}
	n := 0.0
	var mean [2][]float64
	for class := range 2 {
		mean[class] = make([]float64, d)
		for f := range folds {
			if f != without {
				for k, x := range sums[f][class] {
					mean[class][k] += x
				}
			}
		}
	}
	for f := range folds {
		if f != without {
			n += float64(len(folds[f]))
		}
	}
	w = make([]float64, d)
	for k := range d {
		mean[0][k] /= n
		mean[1][k] /= n
		w[k] = mean[0][k] - mean[1][k]
	}
	var trace float64
	for i := range d {
		for j := i; j < d; j++ {
			c[i*d+j] = c[i*d+j]/(2*n) - (mean[0][i]*mean[0][j]+mean[1][i]*mean[1][j])/2
		}
		trace += c[i*d+i]
	}
	ridge := artifactRidge * trace / float64(d)
	if !(ridge > 0) {
		return nil, 0
	}
	for i := range d {
		c[i*d+i] += ridge
	}
	difference := slices.Clone(w)
	if !chol.Solve(c, d, w, &scratch.chol) {
		return nil, 0
	}
	// wT (C + l I) w = w.(mean+ - mean-).
	return w, math.Sqrt(max(0, dots.Inner(w, difference)))
}

// String says in words what the AUC means.
func (a *Artifact) String() string {
	if a == nil || a.Triples == 0 {
		return "too few triples to tell"
	}
	return fmt.Sprintf("AUC %.2f", a.AUC)
}
