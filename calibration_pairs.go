package eci

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"example.com/eci/internal/cosine"
	"example.com/eci/internal/fault"
	"example.com/eci/internal/hash64"
	"example.com/eci/internal/least"
	"example.com/eci/internal/sketch"
)

// labels are what the labeled pairs of all sources tell: neutral ground, on
// which no source's negatives stand.
type labels struct {
	seed    uint64
	pairs   *least.Distinct[labeledPair]
	queries *least.Distinct[labeledQuery] // nil unless they are followed
	offered int
}

// labeledPair is a query with one of its positives, and where it was first read.
// It has its own copies of vectors that came with the triple.
type labeledPair struct {
	key             uint64 // of the query
	query, positive side
	at              origin
}

// origin is where a text was first read.
type origin struct {
	source, file string
	row          int
	order        int // of the pairs offered
}

// offer takes in the labeled pair of a triple. query and positive are the
// fingerprints of its texts.
func (l *labels) offer(source string, rec *Record, query, positive fingerprint) {
	l.offered++
	l.offerQuery(source, rec, positive)
	l.pairs.Offer(hash64.Triple(l.seed, query, positive, fingerprint{}), func() labeledPair {
		sides := rec.texts()
		for k := range sides {
			sides[k].vector = slices.Clone(sides[k].vector)
		}
		return labeledPair{
			key: rec.queryKey(), query: sides[0], positive: sides[1],
			at: origin{source, rec.File, rec.Row, l.offered},
		}
	})
}

// labeledQuery is a query with its distinct positives in the order of reading.
type labeledQuery struct {
	key       uint64
	group     int // of its fold
	query     side
	at        origin
	seen      map[fingerprint]bool
	positives []located
}

// followQueries has labels collect queries with all their positives, for
// Lookahead.
func (l *labels) followQueries() { l.queries = least.NewDistinct[labeledQuery](mostQueries) }

// offerQuery takes in the pair of a triple, where its query is followed.
func (l *labels) offerQuery(source string, rec *Record, positive fingerprint) {
	if l.queries == nil {
		return
	}
	key := rec.queryKey()
	at := origin{source, rec.File, rec.Row, l.offered}
	q := l.queries.Offer(hash64.Mix(key^hash64.Mix(l.seed)), func() labeledQuery {
		side := rec.texts()[0]
		side.vector = slices.Clone(side.vector)
		return labeledQuery{key: key, group: int(key % foldGroups), query: side, at: at, seen: make(map[fingerprint]bool)}
	})
	if q == nil || q.seen[positive] {
		return
	}
	q.seen[positive] = true
	side := rec.texts()[1]
	side.vector = slices.Clone(side.vector)
	q.positives = append(q.positives, located{side, sideNames[1], at})
}

// band is a range of hashes of queries, [low, high), or everything.
type band struct {
	on        bool
	seed      uint64
	low, high uint64
}

func (b band) holds(rec *Record) bool { return !b.on || b.holdsKey(rec.queryKey()) }

// holdsKey tells the same of a query's key.
func (b band) holdsKey(key uint64) bool {
	if !b.on {
		return true
	}
	// The top bit is dropped, so that high can lie above all hashes.
	h := hash64.Mix(key^hash64.Mix(b.seed)) >> 1
	return h >= b.low && h < b.high
}

// located is a text with the row it was read in.
type located struct {
	side
	name string // of the side
	at   origin
}

// texts are the query and the positive of a pair.
func (p *labeledPair) texts() (query, positive located) {
	return located{p.query, sideNames[0], p.at}, located{p.positive, sideNames[1], p.at}
}

// wrap says where an error arose.
func (l located) wrap(err error) error {
	return &RowError{Source: l.at.source, File: l.at.file, Row: l.at.row, Err: fmt.Errorf("%s: %w", l.name, err)}
}

// fingerprint identifies the text of a document, or its id where it has no text.
func (l located) fingerprint() fingerprint {
	if l.text == "" {
		return hash64.FingerprintOf("id\x00" + l.id)
	}
	return hash64.FingerprintOf(l.text)
}

// leaveOut has [run.unitVectors] leave out texts without a good vector: theirs
// stay empty.
const leaveOut = true

// unitVectors finds the vectors of texts, in their order: their own, those of the
// tables, or the embedder's.
func (s *surveyed) unitVectors(ctx context.Context, texts []located, lenient bool) ([]cosine.Unit, error) {
	b := newBatch()
	found, reading := make([]*vector, len(texts)), make([]int, len(texts))
	for i := range reading {
		reading[i] = i
	}
	// In the order of reading, so that an error is that of the first row with one.
	slices.SortStableFunc(reading, func(a, b int) int { return cmp.Compare(texts[a].at.order, texts[b].at.order) })
	for _, i := range reading {
		at := texts[i].side
		at.id = cmp.Or(at.id, at.text) // as tables know it
		v, err := s.findOne(b, at)
		_, known := fault.Reason(err) // of one vector
		if err != nil && !(lenient && (known != "" || errors.Is(err, ErrDimension))) {
			return nil, texts[i].wrap(err)
		}
		found[i] = v
	}
	if err := s.embedPending(ctx, b); err != nil {
		var bad *TextError
		for _, i := range reading {
			if errors.As(err, &bad) && found[i] != nil && texts[i].text == bad.Text {
				return nil, texts[i].wrap(fmt.Errorf("%w: %w", ErrEmbedder, bareError{bad}))
			}
		}
		return nil, err
	}
	vectors := make([]cosine.Unit, len(texts))
	for _, i := range reading {
		v := found[i]
		if v == nil {
			continue
		}
		inverse, err := cosine.InverseNorm(v.data)
		switch {
		case err == nil:
			// Vectors of a batch's arena live as long as it: these are kept longer.
			vectors[i] = cosine.Unit{Data: slices.Clone(v.data), Inverse: inverse}
		case !lenient:
			return nil, texts[i].wrap(err)
		}
	}
	return vectors, s.agreeOnDimension()
}

// embedPending embeds the texts of labeled pairs: first a batch, if the dimension
// is not known yet, to see whether its matrices fit into memory.
func (s *surveyed) embedPending(ctx context.Context, b *batch) error {
	for k := range b.pending {
		p := &b.pending[k]
		for _, part := range [...][2]int{{0, min(s.settings.BatchSize, len(p.texts))}, {min(s.settings.BatchSize, len(p.texts)), len(p.texts)}} {
			err := s.vectors.embed(ctx, role(k), p.texts[part[0]:part[1]], p.into[part[0]:part[1]])
			if err != nil {
				return fmt.Errorf("eci: the labeled pairs: %w", err)
			}
			if err := s.agreeOnDimension(); err != nil {
				return err
			}
		}
	}
	return nil
}

// agreeOnDimension takes over the dimension of the vectors met, or compares it
// with that of the calibration.
func (s *surveyed) agreeOnDimension() error {
	if s.dimension == 0 && s.vectors.dimension > 0 {
		s.dimension = s.vectors.dimension
		if err := s.fits(); err != nil {
			return err
		}
	}
	if s.dimension != s.vectors.dimension && s.vectors.dimension != 0 {
		return fmt.Errorf("%w: vectors have %d components, the calibration %d", ErrDimension, s.vectors.dimension, s.dimension)
	}
	return nil
}

// calibrate takes the scales over the labeled pairs of the run's band of
// queries. The document frequencies are those of the survey.
func (s *surveyed) calibrate(ctx context.Context) (*frozen, error) {
	cal := &Calibration{Lexicon: s.lexicon, Encoder: &EncoderMark{Identity: identityOf(s.settings.Embedder)}}
	var texts []located
	var keys []uint64
	for _, p := range s.labels.pairs.Sorted() {
		if s.band.holdsKey(p.key) {
			query, positive := p.texts()
			texts, keys = append(texts, query, positive), append(keys, p.key)
		}
	}
	vectors, err := s.unitVectors(ctx, texts, !leaveOut)
	if err != nil {
		return nil, err
	}
	seen := sketch.Sample{Size: 32}
	queries, positives := make([]cosine.Unit, len(keys)), make([]cosine.Unit, len(keys))
	for i := range keys {
		queries[i], positives[i] = vectors[2*i], vectors[2*i+1]
	}
	for i, text := range texts {
		seen.Offer(text.role == queryRole, text.text, vectors[i].Data)
	}
	scales := cosine.ScalesOf(queries, positives, keys)
	cal.MarginScale, cal.SimilarityMidpoint, cal.SimilarityScale = scales.Margin, scales.Midpoint, scales.Spread
	cal.Encoder.Vectors = seen.Marks()
	cal.Pairs, cal.Dimension = len(keys), s.dimension
	if err := cal.Validate(); err != nil {
		return nil, err
	}
	if s.settings.Progress != nil {
		s.settings.Progress(Progress{Stage: "calibrate", Triples: len(keys), Total: len(keys)})
	}
	hash, err := cal.Hash(s.settings.Components)
	return &frozen{calibration: cal, hash: hash}, err
}

// digest tells labeled pairs apart.
func (l *labels) digest() (digest uint64) {
	for _, p := range l.pairs.Sorted() {
		q, d := hash64.FingerprintOf(p.query.text), hash64.FingerprintOf(p.positive.text)
		digest = hash64.Mix(digest ^ hash64.Triple(l.seed, q, d, fingerprint{}))
	}
	return digest
}
