package eci

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"example.com/eci/internal/cores"
	"example.com/eci/internal/gram"
	"example.com/eci/internal/hash64"
	"example.com/eci/internal/least"
	"example.com/eci/internal/lexicon"
	"example.com/eci/internal/syrk"
)

// Controls compare a source with negatives that took no mining: a source that
// does not beat them is not worth its cost. They need no text embedded that the
// ranking does not embed anyway.
// Goroutines may share one that none of them changes.
type Controls struct {
	// Shuffled gives every query another query's negatives of the same source;
	// Random replaces each of its negatives by a random document of neutral ground:
	// a labeled positive of the sources ranked together.
	Shuffled Control `json:"shuffled"`
	Random   Control `json:"random"`
}

// stronger is the control with the smaller difference.
func (c *Controls) stronger() Control {
	if c.Random.Triples == 0 || c.Shuffled.Triples > 0 && c.Shuffled.Difference < c.Random.Difference {
		return c.Shuffled
	}
	return c.Random
}

// unbeaten names the controls that the source is not better than at 95%.
func (c *Controls) unbeaten() (names []string) {
	if c == nil {
		return nil
	}
	if c.Shuffled.Triples > 0 && !(c.Shuffled.Low > 0) {
		names = append(names, "shuffled")
	}
	if c.Random.Triples > 0 && !(c.Random.Low > 0) {
		names = append(names, "random")
	}
	return names
}

// Control compares a source with one control, on the same triples: all of the
// budget, or the 1,024 of it with the smallest seeded hashes.
// Goroutines may share one that none of them changes.
type Control struct {
	// Triples is the number of triples compared; 0 means that there was nothing to
	// compare with, or no interval, as in a source with one query.
	Triples int `json:"triples"`
	// Value is S of the control, in nats, and Difference S of the source on these
	// triples minus Value, with the standard error and the 95% interval [Low, High]
	// of the paired infinitesimal jackknife; Probability is that of the source
	// being better.
	Value         float64 `json:"score"`
	Difference    float64 `json:"difference"`
	StandardError float64 `json:"standard_error"`
	Low           float64 `json:"low"`
	High          float64 `json:"high"`
	Probability   float64 `json:"probability"`
}

// checkedTriples bounds memory and time of controls and artifact check: at d = 768
// about 10 MB for the source that is being scored.
const checkedTriples = 1024

// checked is a triple kept for the checks, with its own copy of everything.
type checked struct {
	row   batchRow
	query uint64
	index int // in the sample, by hash
}

// checkSample keeps the triples with the smallest hashes.
type checkSample struct {
	*least.Sample[*checked]
}

func newCheckSample(most int) *checkSample { return &checkSample{least.New[*checked](most)} }

// offer keeps a copy of the row if its hash is small enough.
func (s *checkSample) offer(row *batchRow, hash uint64) {
	s.Offer(hash, func() *checked {
		c := &checked{row: *row, query: row.rec.queryKey()}
		c.row.factors = nil
		for k, v := range row.vectors {
			c.row.vectors[k] = &vector{slices.Clone(v.data)}
		}
		c.row.rec.QueryVector, c.row.rec.PositiveVector, c.row.rec.NegativeVector = c.row.vectors[0].data, c.row.vectors[1].data, c.row.vectors[2].data
		c.row.evidence.Record = &c.row.rec
		return c
	})
}

// sorted returns the sample by hash.
func (s *checkSample) sorted() []*checked {
	items := s.Sorted()
	rows := make([]*checked, len(items))
	for i, item := range items {
		rows[i] = item.Value
		rows[i].index = i
	}
	return rows
}

// document is a passage that may serve as a negative.
type document struct {
	id, text    string
	vector      *vector
	features    *lexicon.Features
	fingerprint fingerprint
}

// documents returns the distinct positives of the labeled pairs with their
// vectors, in the order of their fingerprints: the pool of the random control.
// They are found once for a ranking. A document without a good vector is left out.
func (r *run) documents(ctx context.Context) ([]document, error) {
	if r.poolDocuments != nil {
		return r.poolDocuments, nil
	}
	byText := make(map[fingerprint]located)
	for _, p := range r.labels.pairs.Sorted() {
		f := hash64.FingerprintOf(p.positive.text)
		if _, ok := byText[f]; !ok {
			_, byText[f] = p.texts()
		}
	}
	documents, texts := make([]document, 0, len(byText)), make([]located, 0, len(byText))
	for f, text := range byText {
		documents = append(documents, document{id: text.id, text: text.text, fingerprint: f})
	}
	slices.SortFunc(documents, func(a, b document) int { return bytes.Compare(a.fingerprint[:], b.fingerprint[:]) })
	for _, d := range documents {
		texts = append(texts, byText[d.fingerprint])
	}
	vectors, err := r.unitVectors(ctx, texts, leaveOut)
	if err != nil {
		return nil, err
	}
	kept := 0
	for i, v := range vectors {
		if v.Data != nil {
			documents[kept] = documents[i]
			documents[kept].vector = &vector{v.Data}
			kept++
		}
	}
	documents = documents[:kept]
	cores.All(len(documents), func(lo, hi int) {
		scratch := lexicon.Borrow()
		defer scratch.Return()
		for i := lo; i < hi; i++ {
			documents[i].features = r.lexicon.features(documents[i].text, scratch)
		}
	})
	r.poolDocuments = documents
	return documents, nil
}

// controls compares the sample with its controls.
func (r *run) controls(ctx context.Context, rows []*checked, exact bool) (*Controls, error) {
	documents, err := r.documents(ctx)
	if err != nil {
		return nil, err
	}
	// The rows themselves are scored once for both controls, and all three at a time.
	own := make([]batchRow, len(rows))
	for i, c := range rows {
		own[i] = c.row
	}
	var all combination
	against := [2][]*document{shuffled(rows), random(rows, documents)}
	var found [2]compared
	var errs [3]error
	cores.All(len(errs), func(lo, hi int) {
		for k := lo; k < hi; k++ {
			if k == 2 {
				all, errs[k] = r.valueOf(own, exact)
			} else {
				found[k], errs[k] = r.compare(rows, against[k], exact)
			}
		}
	})
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return &Controls{Shuffled: found[0].control(&all), Random: found[1].control(&all)}, nil
}

// negativesOf lists the queries of the rows in a pseudo-random order, and the
// first row of every distinct negative of each.
func negativesOf(rows []*checked) (queries []uint64, first map[uint64][]*checked) {
	first = make(map[uint64][]*checked)
	for _, c := range rows {
		if first[c.query] == nil {
			queries = append(queries, c.query)
		}
		if c.nth(first[c.query]) < 0 {
			first[c.query] = append(first[c.query], c)
		}
	}
	slices.SortFunc(queries, func(a, b uint64) int { return cmp.Compare(hash64.Mix(a), hash64.Mix(b)) })
	return queries, first
}

// nth is the place of the row's negative in a list of distinct ones, or -1.
func (c *checked) nth(of []*checked) int {
	return slices.IndexFunc(of, func(o *checked) bool { return o.row.fingerprints[2] == c.row.fingerprints[2] })
}

// shuffled gives every query the negatives of another query: the k-th distinct
// one becomes the k-th of the next query, so that a negative that is repeated for
// several positives stays so.
func shuffled(rows []*checked) []*document {
	out := make([]*document, len(rows))
	queries, first := negativesOf(rows)
	if len(queries) < 2 {
		return out
	}
	next := make(map[uint64]uint64)
	for i, q := range queries {
		next[q] = queries[(i+1)%len(queries)]
	}
	for i, c := range rows {
		others := first[next[c.query]]
		other := &others[c.nth(first[c.query])%len(others)].row
		out[i] = &document{
			id: other.rec.NegativeID, text: other.rec.NegativeText, vector: other.vectors[2],
			features: other.features[2], fingerprint: other.fingerprints[2],
		}
	}
	return out
}

// random gives every negative of a query a document drawn by a hash of both that
// is neither that negative nor the row's positive.
func random(rows []*checked, documents []document) []*document {
	out := make([]*document, len(rows))
	if len(documents) == 0 {
		return out
	}
	for i, c := range rows {
		positive := hash64.FingerprintOf(c.row.rec.PositiveText)
		at := hash64.Mix(c.query ^ hash64.Mix(c.row.fingerprints[2].Word()))
		for try := range uint64(3) {
			d := &documents[(at+try)%uint64(len(documents))]
			if d.fingerprint != positive && d.fingerprint != c.row.fingerprints[2] {
				out[i] = d
				break
			}
		}
	}
	return out
}

// compared are the values of the rows that have a substitute and of the substitutes.
type compared struct {
	triples int
	own     *combination // nil where all rows have one
	other   combination
}

// compare scores the rows that have a substitute, and the substitutes.
func (r *run) compare(rows []*checked, substitutes []*document, exact bool) (c compared, err error) {
	var own, other []batchRow
	for i, c := range rows {
		d := substitutes[i]
		if d == nil {
			continue
		}
		row := c.row
		row.rec.NegativeID, row.rec.NegativeText, row.rec.NegativeVector = d.id, d.text, d.vector.data
		row.vectors[2], row.features[2], row.fingerprints[2], row.factors = d.vector, d.features, d.fingerprint, nil
		own, other = append(own, c.row), append(other, row)
	}
	if c.triples = len(own); c.triples == 0 {
		return c, nil
	}
	b := &batch{rows: other}
	b.similarities()
	if err := r.weighRows(b); err != nil {
		return c, err
	}
	if len(own) < len(rows) {
		mine, err := r.valueOf(own, exact)
		if err != nil {
			return c, err
		}
		c.own = &mine
	}
	c.other, err = r.valueOf(other, exact)
	return c, err
}

// control is the comparison; all is the value of all rows.
func (c *compared) control(all *combination) Control {
	mine := cmp.Or(c.own, all)
	if c.triples == 0 || !mine.ok || !c.other.ok { // no interval: nothing can be said
		return Control{}
	}
	g := mine.gainOver("", &c.other, 0)
	return Control{Triples: c.triples, Value: c.other.score, Difference: g.Value, StandardError: g.StandardError, Low: g.Low, High: g.High, Probability: g.Probability}
}

// valueOf scores weighed rows, with the linearized jackknife. It does what
// [information.combine] does for a matrix, without keeping a matrix for every
// group. Its sums are as exact as those of the source.
func (r *run) valueOf(rows []batchRow, exact bool) (combination, error) {
	d := r.dimension
	triples, ends := make([]int, r.settings.Groups), make([]int, r.settings.Groups)
	for i := range rows {
		triples[rows[i].group]++
	}
	end := 0
	places := make([]int, len(rows)) // by group
	for g, n := range triples {
		ends[g] = end
		end += n
	}
	for i := range rows {
		at := &ends[rows[i].group]
		places[i] = *at
		*at++
	}
	dual := len(rows) < d && d >= exactDimension
	if !exact && !dual {
		residuals := make([]float32, len(rows)*d)
		for i, place := range places {
			rows[i].fastResidual(residuals[place*d:][:d])
		}
		return r.primalValue(triples, ends, func(sum []float64, from, to int, s *scratch) {
			for ; from < to; from += syrk.MaxRows {
				n := min(syrk.MaxRows, to-from)
				syrk.Accumulate(sum, d, residuals[from*d:], n, &s.syrk)
			}
		})
	}
	residuals := make([]float64, len(rows)*d)
	for i, place := range places {
		rows[i].residual(residuals[place*d:][:d], math.Sqrt(rows[i].weight))
	}
	if dual {
		return r.dualValue(residuals, triples, ends)
	}
	return r.primalValue(triples, ends, func(sum []float64, from, to int, s *scratch) {
		syrk.Accumulate64(sum, d, residuals[from*d:], to-from, &s.syrk64)
	})
}

// primalValue is valueOf where add adds the products of some rows to a sum.
func (r *run) primalValue(triples, ends []int, add func(sum []float64, from, to int, s *scratch)) (combination, error) {
	d, n := r.dimension, ends[len(ends)-1]
	sum := make([]float64, d*d)
	s := scratches.Get().(*scratch)
	add(sum, 0, n, s)
	scratches.Put(s)
	for k := range sum {
		sum[k] /= float64(n)
	}
	f, err := MatrixConfig{Dimension: d, Epsilon2: r.settings.Epsilon2}.invert(sum)
	if err != nil {
		return combination{}, err
	}
	slopes := make([]float64, len(ends))
	cores.Split(r.cores, len(ends), func(lo, hi int) {
		s := scratches.Get().(*scratch)
		defer scratches.Put(s)
		own := s.gram.Square(d)
		for g := lo; g < hi; g++ {
			clear(own)
			add(own, ends[g]-triples[g], ends[g], s)
			slopes[g] = f.slope(own)
		}
	})
	return f.jackknife(f.linearize(slopes, triples), triples), nil
}

// dualValue is valueOf from the rows' own products, for fewer rows than dimensions.
// With W = (I + a/N RT R)^-1 the products a/N rT W r, of which the slopes are made,
// are what the diagonal of (I + a/N R RT)^-1 lacks to 1.
func (r *run) dualValue(residuals []float64, triples, ends []int) (combination, error) {
	d := r.dimension
	n := len(residuals) / d
	product, ld := gram.Dual(residuals, n, d, cores.All)
	f := &information{d: d, scale: float64(d) / r.settings.Epsilon2, inverse: make([]float64, n*n)}
	gram.Without(f.inverse, product, n, ld, 0, 0, f.scale/float64(n))
	var err error
	if f.logDet, err = invertUpper(f.inverse, n); err != nil {
		return combination{}, err
	}
	slopes := make([]float64, len(triples))
	for g, end := range ends {
		for i := end - triples[g]; i < end; i++ {
			slopes[g] += float64(n) / 2 * (1 - f.inverse[i*n+i])
		}
	}
	f.inverse = nil // not that of M
	return f.jackknife(f.linearize(slopes, triples), triples), nil
}

// String says in words how a source fares against a control.
func (c Control) String() string {
	if c.Triples == 0 {
		return "nothing to compare with"
	}
	return fmt.Sprintf("%+.2f (%+.2f to %+.2f)", c.Difference, c.Low, c.High)
}
