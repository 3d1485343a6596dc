package eci

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"example.com/eci/internal/dots"
	"example.com/eci/internal/stat"
)

// lintSampled is a triple kept for the rules that look at a whole source.
type lintSampled struct {
	hash  uint64
	rec   Record // with vectors of its own
	query lintKey
}

// lintSample holds the 128 triples of the lowest hash, in that order, so that it
// depends on the triples alone.
type lintSample struct {
	rows     []lintSampled
	shuffled float64 // mean cosine of queries and other queries' negatives
	ok       bool    // shuffled is known
}

const lintSampleSize = 128

func (s *lintSample) offer(rec *Record, vectors [3][]float32) {
	hash := rec.hash(0x11)
	at, found := slices.BinarySearchFunc(s.rows, hash, func(row lintSampled, hash uint64) int { return cmp.Compare(row.hash, hash) })
	if found || at == lintSampleSize {
		return
	}
	if len(s.rows) == lintSampleSize {
		s.rows = s.rows[:lintSampleSize-1]
	}
	kept := lintSampled{hash: hash, rec: *rec, query: keyOf(rec.QueryText)}
	kept.rec.QueryVector, kept.rec.PositiveVector, kept.rec.NegativeVector = slices.Clone(vectors[0]), slices.Clone(vectors[1]), slices.Clone(vectors[2])
	s.rows = slices.Insert(s.rows, at, kept)
}

func (s *lintSample) conclude() {
	sum, pairs := 0.0, 0
	for i := range s.rows {
		for j := range s.rows {
			if s.rows[i].query != s.rows[j].query {
				sum += cosine(s.rows[i].rec.QueryVector, s.rows[j].rec.NegativeVector)
				pairs++
			}
		}
	}
	if pairs > 0 {
		s.shuffled, s.ok = sum/float64(pairs), true
	}
}

// cosine of two vectors of one length that inverseNorm accepts.
func cosine(a, b []float32) float64 {
	x, err := inverseNorm(a)
	if err != nil {
		return 0
	}
	y, err := inverseNorm(b)
	if err != nil {
		return 0
	}
	return dots.Inner(a, b) * x * y
}

// lookUp finds the vectors of a row. ok is false when one is missing or bad;
// say is called with every fault.
func (s *lintSource) lookUp(rec *Record, say func(kind LintKind, k int, note string)) (vectors [3][]float32, ok bool, err error) {
	ok = true
	present := rec.QueryVector != nil || rec.PositiveVector != nil || rec.NegativeVector != nil
	for k, at := range rec.sides() {
		v := at.vector
		if v == nil && s.Vectors != nil && at.id != "" {
			start := len(s.arena)
			var arena []float32
			if at.role == queryRole {
				arena, err = s.Vectors.AppendQuery(s.arena, at.id)
			} else {
				arena, err = s.Vectors.AppendDocument(s.arena, at.id)
			}
			switch {
			case errors.Is(err, ErrMissingVector):
				say(LintMissingVector, k, fmt.Sprintf("no vector for id %q", at.id))
				ok = false
				continue
			case err != nil:
				return vectors, false, fmt.Errorf("%s: %w", sideNames[k], err)
			}
			s.arena = arena
			v = arena[start:len(arena):len(arena)]
		}
		if v == nil {
			if present || s.Vectors != nil {
				say(LintMissingVector, k, "the "+sideNames[k]+" has neither a vector nor an id to find one by")
			}
			ok = false
			continue
		}
		if s.dimension == 0 {
			s.dimension = len(v)
		}
		_, bad := inverseNorm(v)
		switch {
		case len(v) == 0 || len(v) != s.dimension:
			say(LintVectorDimension, k, fmt.Sprintf("%d components, the first vector has %d", len(v), s.dimension))
		case errors.Is(bad, ErrNotFinite):
			say(LintVectorNotFinite, k, sideNames[k])
		case errors.Is(bad, ErrZeroVector):
			say(LintVectorZero, k, sideNames[k])
		default:
			vectors[k] = v
			continue
		}
		ok = false
	}
	return vectors, ok, nil
}

// surveyVectors looks at each vector by itself and fills the sample.
func (s *lintSource) surveyVectors(rec *Record) error {
	if s.Vectors == nil && rec.QueryVector == nil && rec.PositiveVector == nil && rec.NegativeVector == nil {
		return nil
	}
	sides := rec.sides()
	vectors, ok, err := s.lookUp(rec, func(kind LintKind, k int, note string) { s.addOnce(kind, rec, sides[k].text, note) })
	if err != nil {
		return err
	}
	for k, v := range vectors {
		if v == nil {
			continue
		}
		inverse, _ := inverseNorm(v)
		if norm := 1 / inverse; math.Abs(norm-1) > 1e-3 {
			s.addOnce(LintNotUnit, rec, sides[k].text, fmt.Sprintf("the %s's norm is %.4g", sideNames[k], norm))
		}
		s.constant(rec, sides[k].text, v)
	}
	if ok {
		s.sample.offer(rec, vectors)
	}
	return nil
}

// constant looks for a vector that stood for another text.
func (s *lintSource) constant(rec *Record, text string, v []float32) {
	hash := uint64(len(v))
	for _, x := range v {
		hash = mix64(hash ^ uint64(math.Float32bits(x)))
	}
	tokens := uint64(fnvOffset)
	s.tokens[0] = s.Tokenizer.AppendTokens(s.tokens[0][:0], text)
	for _, token := range s.tokens[0] {
		tokens = fnv1a(fnv1a(tokens, token), " ")
	}
	first, seen := s.vectors[hash]
	switch {
	case !seen:
		s.vectors[hash] = lintText{lintKey(tokens), uint32(rec.Row)}
	case first.key != lintKey(tokens):
		s.addOnce(LintConstantVector, rec, text, fmt.Sprintf("as another text in row %d", first.row))
	}
}

// addOnce is add for rules that may hold of several texts of one row: the row is
// counted once. All calls of one rule for one row come together.
func (s *lintSource) addOnce(kind LintKind, rec *Record, text, note string) {
	if s.last == nil {
		s.last = make(map[LintKind]int)
	}
	if s.last[kind] != s.triples {
		s.last[kind] = s.triples
		s.add(kind, rec, text, note)
	}
}

// padding looks for a negative that has nothing to do with its row.
func (s *lintSource) padding(rec *Record) error {
	if s.lexicon.Documents() < 20 {
		return nil
	}
	scratch := featureScratches.Get().(*featureScratch)
	defer featureScratches.Put(scratch)
	negative := s.lexicon.features(rec.NegativeText, scratch)
	least := idf(s.lexicon.Documents(), uint32(s.CommonShare*float64(s.lexicon.Documents())))
	for _, text := range [...]string{rec.QueryText, rec.PositiveText} {
		if sharesRare(s.lexicon.features(text, scratch), negative, least) {
			return nil
		}
	}
	if s.sample.ok {
		vectors, ok, err := s.lookUp(rec, func(LintKind, int, string) {})
		if err != nil {
			return err
		}
		if ok {
			if near := cosine(vectors[0], vectors[2]); near < s.sample.shuffled {
				s.add(LintPadding, rec, rec.NegativeText, fmt.Sprintf("cosine %.2f, shuffled %.2f", near, s.sample.shuffled))
			}
			return nil
		}
	}
	if n := s.negatives[keyOf(rec.NegativeText)]; n.several {
		s.add(LintPadding, rec, rec.NegativeText, fmt.Sprintf("in %d rows", n.rows))
	}
	return nil
}

// finish applies the rules that look at the sample as a whole.
func (s *lintSource) finish() {
	s.notNearer()
	seen := make(map[lintKey]bool)
	var passages []lintPassage
	for i := range s.sample.rows {
		rec := &s.sample.rows[i].rec
		for k, at := range rec.sides() {
			if key := keyOf(at.text); k > 0 && !seen[key] {
				seen[key] = true
				inverse, err := inverseNorm(at.vector)
				if err == nil {
					passages = append(passages, lintPassage{rec, at.text, at.vector, inverse})
				}
			}
		}
	}
	s.mixedNorms(passages)
	s.mixedClusters(passages)
}

// lintPassage is a distinct passage of the sample.
type lintPassage struct {
	rec     *Record
	text    string
	vector  []float32
	inverse float64 // of its norm
}

// addSampled records a finding about n of the sample, of which rows are examples.
func (s *lintSource) addSampled(kind LintKind, of int, what, detail string, rows []lintPassage) {
	for _, row := range rows {
		s.add(kind, row.rec, row.text, "")
	}
	f := s.found[kind]
	f.Share = float64(f.Count) / float64(of)
	f.Detail = fmt.Sprintf("%d of %d sampled %s%s", f.Count, of, what, detail)
}

// notNearer compares each sampled triple with the next one of another query.
func (s *lintSource) notNearer() {
	rows := s.sample.rows
	compared := 0
	var not []lintPassage
	for i := range rows {
		for step := 1; step < len(rows); step++ {
			other := &rows[(i+step)%len(rows)]
			if other.query == rows[i].query || other.rec.PositiveText == rows[i].rec.PositiveText {
				continue
			}
			compared++
			rec := &rows[i].rec
			if !(cosine(rec.QueryVector, rec.PositiveVector) > cosine(rec.QueryVector, other.rec.PositiveVector)) {
				not = append(not, lintPassage{rec: rec, text: rec.PositiveText})
			}
			break
		}
	}
	if compared >= 30 && float64(compared-len(not)) < s.NearerShare*float64(compared) {
		s.addSampled(LintNotNearer, compared, "positives", " are no nearer than another query's", not)
	}
}

// mixedNorms looks for a wide gap between the norms.
func (s *lintSource) mixedNorms(passages []lintPassage) {
	descending := slices.Clone(passages)
	slices.SortStableFunc(descending, func(a, b lintPassage) int { return cmp.Compare(b.inverse, a.inverse) })
	inverses := make([]float64, len(descending))
	for i, p := range descending {
		inverses[i] = p.inverse
	}
	at, ok := stat.WidestGap(inverses, lintGroup(len(descending)), 1.2)
	if !ok {
		return
	}
	detail := fmt.Sprintf(" have norms beyond the gap from %.3g to %.3g", 1/inverses[at-1], 1/inverses[at])
	s.addSampled(LintMixedNorms, len(descending), "passages", detail, smaller(descending[:at], descending[at:]))
}

// lintGroup is the least size of a group of n passages.
func lintGroup(n int) int { return max(5, (n+19)/20) }

func smaller(a, b []lintPassage) []lintPassage {
	if len(b) < len(a) {
		return b
	}
	return a
}

// mixedClusters looks for two groups of directions that have little in common.
func (s *lintSource) mixedClusters(passages []lintPassage) {
	unit := make([][]float64, len(passages))
	for i, p := range passages {
		unit[i] = make([]float64, len(p.vector))
		for k, x := range p.vector {
			unit[i][k] = float64(x) * p.inverse
		}
	}
	split, ok := stat.TwoMeans(unit, lintGroup(len(passages)))
	tight := min(split.Within[0], split.Within[1])
	if !ok || tight < 0.1 || math.Abs(split.Across) > 0.1*tight {
		return
	}
	var groups [2][]lintPassage
	for i, p := range passages {
		groups[split.Side[i]] = append(groups[split.Side[i]], p)
	}
	detail := fmt.Sprintf(" form a group of their own: mean cosine %.2f and %.2f within the groups, %.3f across", split.Within[0], split.Within[1], split.Across)
	s.addSampled(LintMixedClusters, len(passages), "passages", detail, smaller(groups[0], groups[1]))
}
