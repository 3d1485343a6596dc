package eci

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"example.com/eci/internal/ctxerr"
	"example.com/eci/internal/hash64"
	"example.com/eci/internal/lookahead"
	"example.com/eci/internal/sketch"
)

// forecaster is what the forecasts of all sources share: the pool, the queries and the
// axes. Forecasts do not change it.
type forecaster struct {
	settings  Lookahead
	aim       *aim // nil without a Target
	space     *lookahead.Space
	documents []*document // of the pool
	looked    []lookahead.Query
	relevant  map[uint64][]int // by key of the query: places in the pool
	report    LookaheadReport
	digest    uint64
}

// newForecaster finds pool and queries with their vectors and prepares the space.
func (r *run) newForecaster(ctx context.Context, queries []*labeledQuery) (*forecaster, error) {
	settings := *r.ahead
	f := &forecaster{settings: settings, aim: r.aim, relevant: make(map[uint64][]int)}
	if f.aim != nil {
		f.settings.Pool, f.settings.Relevant = f.aim.Pool, f.aim.Relevant
		settings = f.settings
		for _, q := range queries {
			q.group = f.aim.group(q.query.id, q.query.text)
		}
	}
	p := f.newPool(queries)
	if settings.Pool != nil {
		if err := p.read(ctx, settings.Pool); err != nil {
			return nil, err
		}
	}
	texts := p.finish()
	for i := range texts {
		if f.aim == nil {
			break
		}
		if err := f.aim.vector(documentRole, &texts[i].vector, texts[i].id, texts[i].text); err != nil {
			return nil, texts[i].wrap(err)
		}
	}
	vectors, err := r.unitVectors(ctx, texts, !leaveOut)
	if err != nil {
		return nil, fmt.Errorf("eci: the pool of lookahead: %w", bareError{err})
	}
	asked := make([]located, len(queries))
	for i, q := range queries {
		asked[i] = located{q.query, sideNames[0], q.at}
	}
	of, err := r.unitVectors(ctx, asked, !leaveOut)
	if err != nil {
		return nil, err
	}
	pool := make([][]float32, len(texts))
	for i, v := range vectors {
		pool[i] = v.Data
		f.documents = append(f.documents, &document{id: texts[i].id, text: texts[i].text, vector: &vector{v.Data}, fingerprint: texts[i].fingerprint()})
	}
	looked := make([]lookahead.Query, len(queries))
	for i, q := range queries {
		f.relevant[q.key] = p.relevantTo(q)
		looked[i] = lookahead.Query{Vector: of[i].Data, Group: q.group, Relevant: f.relevant[q.key]}
	}
	// stepQueries is the number of queries that give the variance of the steps. Their
	// own variation cancels in it.
	const stepQueries = 256
	f.space, err = lookahead.NewSpace(ctx, pool, looked, lookahead.Settings{
		MarginScale: r.calibration.MarginScale, Axes: settings.Axes, Cutoff: settings.Cutoff, Folds: folds, StepQueries: stepQueries,
	})
	if err != nil {
		return nil, fmt.Errorf("eci: %w: %w", ErrLookahead, err)
	}
	f.looked = looked
	f.describe(r, queries, p)
	f.digest = f.digestOf(texts, looked)
	return f, nil
}

// describe fills in the report: what the forecasts are based on, and reasons not to
// rely on them.
func (f *forecaster) describe(r *run, queries []*labeledQuery, p *pool) {
	const (
		fewestQueries   = 50
		fewestDocuments = 200
		highestFrozen   = 0.95
	)
	frozen := f.space.Frozen()
	rep := &f.report
	rep.Metric = fmt.Sprintf("nDCG@%d", f.settings.Cutoff)
	if f.aim != nil {
		rep.Target = f.aim.name()
		rep.Notes = append(rep.Notes, f.aim.notes...)
	}
	rep.Queries, rep.Pool, rep.Corpus, rep.Axes = len(frozen), len(p.texts), p.corpus, f.space.Axes()
	for _, x := range frozen {
		rep.Frozen += x / float64(len(frozen))
	}
	doubt := func(format string, args ...any) { rep.Doubts = append(rep.Doubts, fmt.Sprintf(format, args...)) }
	note := func(format string, args ...any) { rep.Notes = append(rep.Notes, fmt.Sprintf(format, args...)) }
	if n := rep.Queries; n < fewestQueries {
		doubt("%d labeled queries are too few to tell; %d are the least", n, fewestQueries)
	}
	if n := rep.Pool; n < fewestDocuments {
		doubt("a pool of %d documents is too small to tell; %d are the least%s", n, fewestDocuments, f.corpusHint())
	}
	switch {
	case rep.Frozen > highestFrozen:
		doubt("the frozen encoder finds almost everything (%s %.2f), so there is nothing to gain; search in a larger pool", rep.Metric, rep.Frozen)
	case rep.Frozen == 0:
		doubt("the frozen encoder finds nothing (%s 0); do the vectors belong to these texts?", rep.Metric)
	}
	inFold := make(map[int]bool)
	withoutID := 0
	for _, q := range queries {
		inFold[q.group%folds] = true
		if q.query.id == "" {
			withoutID++
		}
	}
	if len(inFold) == 1 {
		doubt("all queries are in one fold, so that no step was made without them")
	}
	if r.labels.queries.Full() {
		note("only %d of the labeled queries are used, those of least hash", mostQueries)
	}
	if withoutID > 0 && len(f.settings.Relevant) > 0 {
		note("%d queries have no id, so no judgment was found for them", withoutID)
	}
	if p.corpus && len(f.settings.Relevant) == 0 {
		note("no judgments beyond the triples' own: relevant documents that nobody labeled count as competitors; give all that are known (Lookahead.Relevant, --qrels)")
	}
	if n := p.copies(); n > 0 {
		note("%d documents of the pool have the text of another; an unlabeled copy of a relevant document counts as a competitor", n)
	}
	if n := len(f.space.LeftOut()); n > 0 {
		note("%d queries have no relevant document in the pool and are left out", n)
	}
	if rep.Axes < f.settings.Axes {
		note("the vectors span %d axes, fewer than %d", rep.Axes, f.settings.Axes)
	}
	if !p.corpus && f.aim == nil && len(rep.Doubts) == 0 { // a doubt is no verdict that could change
		note("only the labeled positives are searched; a search in the corpus can change the verdict (Lookahead.Pool, --pool)")
	}
}

func (f *forecaster) corpusHint() string {
	if f.report.Corpus {
		return ""
	}
	return "; give a corpus (Lookahead.Pool, --pool)"
}

// digestOf returns a hash of a pool and its queries.
func (f *forecaster) digestOf(texts []located, queries []lookahead.Query) uint64 {
	digest := f.aim.key() ^ hash64.Mix(uint64(f.settings.Triples)^hash64.Mix(uint64(f.settings.Cutoff)^hash64.Mix(uint64(f.settings.Axes))))
	for i, text := range texts {
		digest = hash64.Mix(hash64.FNV1a(digest, text.identity()) ^ uint64(sketch.Sums(f.documents[i].vector.data)))
	}
	for _, q := range queries {
		digest = hash64.Mix(digest ^ uint64(sketch.Sums(q.Vector)))
		for _, place := range q.Relevant {
			digest = hash64.Mix(digest ^ uint64(place))
		}
	}
	return digest
}

// forecast looks ahead from a source's sample, and from its controls.
func (f *forecaster) forecast(ctx context.Context, source string, rows []*checked, checks bool) (*Forecast, *lookahead.Source, error) {
	own := f.sourceOf(source, rows, nil)
	forecast, err := f.walk(ctx, own)
	if err == nil && f.aim != nil {
		forecast.InPool = f.inPool(rows)
	}
	if err != nil || !checks {
		return forecast, own, err
	}
	for _, control := range []struct {
		into        **Difference
		substitutes []*document
	}{{&forecast.Shuffled, shuffled(rows)}, {&forecast.Random, f.random(rows)}} {
		other := f.sourceOf(source, rows, control.substitutes)
		if len(other.Triples)*2 < len(rows) {
			continue // too little is left to compare with
		}
		against, err := f.walk(ctx, other)
		if err != nil {
			return nil, nil, err
		}
		*control.into = forecast.Over(against)
	}
	return forecast, own, nil
}

// walk returns the forecast for triples.
func (f *forecaster) walk(ctx context.Context, source *lookahead.Source) (*Forecast, error) {
	result, err := f.space.Walk(ctx, *source)
	if err != nil {
		if cause := ctxerr.Of(ctx); cause != nil && !errors.Is(err, cause) {
			err = cause
		}
		return nil, fmt.Errorf("%w: %w", ErrLookahead, err)
	}
	forecast := &Forecast{Triples: len(source.Triples)}
	forecast.take(result.Gains, result.StepDeviations)
	for _, fold := range result.Folds {
		forecast.Norms = append(forecast.Norms, fold.Norm)
		if n := len(fold.Steps); n > 0 && fold.Triples > 0 && fold.Steps[0].Weightless == fold.Triples {
			forecast.Still = true
		}
	}
	return forecast, nil
}

// sourceOf lists the triples of rows. If there are other negatives, they replace those
// of the rows, and a row without one is left out. Equal texts share a vector.
func (f *forecaster) sourceOf(name string, rows []*checked, substitutes []*document) *lookahead.Source {
	source := &lookahead.Source{Disjoint: f.aim.disjoint(name)}
	type key struct {
		role role
		text fingerprint
	}
	places := make(map[key]int)
	place := func(r role, text fingerprint, v []float32) int {
		i, ok := places[key{r, text}]
		if !ok {
			i = len(source.Vectors)
			places[key{r, text}] = i
			source.Vectors = append(source.Vectors, v)
		}
		return i
	}
	for i, c := range rows {
		rec := &c.row.rec
		negative, v := c.row.fingerprints[2], c.row.vectors[2].data
		if substitutes != nil {
			d := substitutes[i]
			if d == nil {
				continue
			}
			negative, v = d.fingerprint, d.vector.data
		}
		source.Triples = append(source.Triples, lookahead.Triple{
			Query:    place(queryRole, hash64.FingerprintOf(rec.QueryText), c.row.vectors[0].data),
			Positive: place(documentRole, hash64.FingerprintOf(rec.PositiveText), c.row.vectors[1].data),
			Negative: place(documentRole, negative, v),
			Group:    f.group(c),
		})
	}
	return source
}

// group returns the fold group of a triple's query.
func (f *forecaster) group(c *checked) int {
	if f.aim == nil {
		return int(c.query % foldGroups)
	}
	return f.aim.group(c.row.rec.QueryID, c.row.rec.QueryText)
}

// inPool counts the triples with a document of the pool.
func (f *forecaster) inPool(rows []*checked) (n int) {
	known := make(map[fingerprint]bool, len(f.documents))
	for _, d := range f.documents {
		known[d.fingerprint] = true
	}
	for _, c := range rows {
		if known[hash64.FingerprintOf(c.row.rec.PositiveText)] || known[c.row.fingerprints[2]] {
			n++
		}
	}
	return n
}

// drawn returns the documents that random negatives are drawn from: the pool, or the
// positives of the source itself if there is a target, which is of another collection.
func (f *forecaster) drawn(rows []*checked) []*document {
	if f.aim == nil {
		return f.documents
	}
	var out []*document
	seen := make(map[fingerprint]bool)
	for _, c := range rows {
		rec := &c.row.rec
		if p := hash64.FingerprintOf(rec.PositiveText); !seen[p] {
			seen[p] = true
			out = append(out, &document{id: rec.PositiveID, text: rec.PositiveText, vector: c.row.vectors[1], fingerprint: p})
		}
	}
	return out
}

// random gives every row a document that does not answer the query, as far as is
// known. It is drawn by a hash of query and negative.
func (f *forecaster) random(rows []*checked) []*document {
	documents := f.drawn(rows)
	out := make([]*document, len(rows))
	for i, c := range rows {
		positive := hash64.FingerprintOf(c.row.rec.PositiveText)
		at := hash64.Mix(c.query ^ hash64.Mix(c.row.fingerprints[2].Word()))
		for try := range uint64(8) {
			place := int((at + try) % uint64(len(documents)))
			d := documents[place]
			_, relevant := slices.BinarySearch(f.relevant[c.query], place)
			if !(relevant && f.aim == nil) && d.fingerprint != positive && d.fingerprint != c.row.fingerprints[2] && (d.id == "" || d.id != c.row.rec.PositiveID) {
				out[i] = d
				break
			}
		}
	}
	return out
}

// annotate adds to a ranking what its forecasts are based on, and the verdict.
func (f *forecaster) annotate(ranking *Ranking) {
	report := f.report
	for _, s := range ranking.Ranked {
		if s.Forecast != nil {
			report.Triples = max(report.Triples, s.Forecast.Triples)
		}
	}
	if f.aim != nil {
		report.Notes = append(slices.Clip(report.Notes), f.aim.overlaps(ranking.Ranked)...)
	}
	ranking.Lookahead, ranking.forecaster = &report, f
	ranking.Verdict = ranking.judge(report.Unit(), report.Doubts)
}

// key hashes what a forecast depends on apart from the source. It is 0 without a
// forecast.
func (f *forecaster) key() uint64 {
	if f == nil {
		return 0
	}
	return f.digest
}

// plausible reports whether a stored score has the forecast that this run makes.
func (f *forecaster) plausible(s *Score) bool {
	if f == nil || s.Forecast == nil || s.sample == nil {
		return f == nil && s.Forecast == nil && s.sample == nil
	}
	c := s.Forecast
	n := len(s.sample.Vectors)
	for _, t := range s.sample.Triples {
		if min(t.Query, t.Positive, t.Negative) < 0 || max(t.Query, t.Positive, t.Negative) >= n || t.Group < 0 {
			return false
		}
	}
	return c.Queries == f.report.Queries && (c.Queries < 2 || len(c.Deviations) == c.Queries) && c.Triples == len(s.sample.Triples) && len(c.After) > 0
}
