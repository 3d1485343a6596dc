package eci

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"example.com/eci/internal/cosine"
	"example.com/eci/internal/lexicon"
	"example.com/eci/internal/stat"
	"example.com/eci/internal/textcheck"
)

// lintInspection is the second reading of a source, after the first reading of
// all sources.
type lintInspection struct {
	*lintSurveyed
	settings *lintSettings
	index    *lintIndex
	tokens   [3][]string
}

// inspect is the second reading of a source. It adds to its findings.
func (settings *lintSettings) inspect(ctx context.Context, index *lintIndex, surveyed *lintSurveyed) error {
	s := &lintInspection{lintSurveyed: surveyed, settings: settings, index: index}
	s.found.triple = 0
	rows, err := eachLinted(ctx, s.source, &index.vectors.arena, func(*Record, error) {}, s.row)
	if err != nil {
		return err
	}
	if rows != s.rows {
		return s.source.unstable(s.rows, rows)
	}
	s.sampled()
	return nil
}

// row is the second reading of a row.
func (s *lintInspection) row(rec *Record) error {
	s.found.triple++
	s.labels(rec)
	s.copies(rec)
	if n := s.negatives[keyOf(rec.NegativeText)]; n.rows >= 5 && float64(n.rows) > s.settings.repeated*float64(s.rows) {
		s.found.addDetail(LintRepeated, rec, rec.NegativeText, fmt.Sprintf("in %d rows", n.rows), fmt.Sprintf("the commonest negative is in %d rows", s.commonest))
	}
	if t := s.index.triplets[rec.hash(0)]; t.several {
		s.found.add(LintShared, rec, rec.NegativeText, "")
	}
	s.truncated(rec)
	return s.padding(rec)
}

// labels checks the negative against the positives.
func (s *lintInspection) labels(rec *Record) {
	switch {
	case rec.NegativeText == rec.PositiveText:
		s.found.add(LintNegativeIsPositive, rec, rec.NegativeText, "")
		return
	case rec.NegativeID != "" && rec.NegativeID == rec.PositiveID:
		s.found.add(LintNegativeIsPositive, rec, rec.NegativeText, fmt.Sprintf("both have ID %q", rec.NegativeID))
		return
	case textcheck.Fold(rec.NegativeText) == textcheck.Fold(rec.PositiveText):
		s.found.add(LintNearIdentical, rec, rec.NegativeText, "")
		return
	}
	if len(s.index.positives) == 0 {
		return // RowRules, which knows no other rows
	}
	documents := documentKeys(rec.NegativeID, rec.NegativeText)
	for _, query := range rec.queryKeys() {
		for _, document := range documents {
			if _, ok := s.index.pairs[query.with(document)]; ok {
				s.found.add(LintFalseNegative, rec, rec.NegativeText, "")
				return
			}
		}
	}
	if slices.ContainsFunc(documents, func(key lintKey) bool { _, ok := s.index.positives[key]; return ok }) {
		s.found.add(LintCollision, rec, rec.NegativeText, "")
	}
}

// copies looks for one text of a row within another.
func (s *lintInspection) copies(rec *Record) {
	for k, at := range rec.sides() {
		s.tokens[k] = s.settings.tokenizer.AppendTokens(s.tokens[k][:0], at.text)
	}
	query, positive, negative := s.tokens[0], s.tokens[1], s.tokens[2]
	if len(query) > 0 && slices.Equal(query, positive) {
		s.found.add(LintQueryIsPositive, rec, rec.QueryText, "")
	}
	if len(query) >= s.settings.minTokens && textcheck.Contains(negative, query) {
		s.found.add(LintQueryInNegative, rec, rec.NegativeText, "")
	}
	switch {
	case slices.Equal(positive, negative):
	case len(positive) >= s.settings.minTokens && textcheck.Contains(negative, positive):
		s.found.add(LintPassageInPassage, rec, rec.NegativeText, "contains its positive")
	case len(negative) >= s.settings.minTokens && textcheck.Contains(positive, negative):
		s.found.add(LintPassageInPassage, rec, rec.NegativeText, "is part of its positive")
	}
}

// truncated looks for a passage of a length at which passages were cut.
func (s *lintInspection) truncated(rec *Record) {
	for k, unit := range textcheck.Units {
		cut := s.cuts[k]
		for _, text := range [...]string{rec.PositiveText, rec.NegativeText} {
			if cut < 0 || unit.Length(text) != cut || !textcheck.Unfinished(text) {
				continue
			}
			s.found.addDetail(LintTruncated, rec, textcheck.Tail(text), "", fmt.Sprintf("at %d %s", cut, unit))
			return
		}
	}
}

// padding looks for a negative that has nothing to do with its row.
func (s *lintInspection) padding(rec *Record) error {
	if s.index.lexicon.Documents() < 20 {
		return nil
	}
	scratch := lexicon.Borrow()
	defer scratch.Return()
	negative := s.index.lexicon.features(rec.NegativeText, scratch)
	least := s.index.lexicon.counts.IDFOf(uint32(s.settings.common * float64(s.index.lexicon.Documents())))
	for _, text := range [...]string{rec.QueryText, rec.PositiveText} {
		if lexicon.ShareRare(s.index.lexicon.features(text, scratch), negative, least) {
			return nil
		}
	}
	if s.sample.ok {
		vectors, ok, err := s.index.vectors.lookUp(rec, func(LintKind, int, string) {})
		if err != nil {
			return err
		}
		if ok {
			if near := cosine.Of(vectors[0], vectors[2]); near < s.sample.shuffled {
				s.found.add(LintPadding, rec, rec.NegativeText, fmt.Sprintf("cosine %.2f, shuffled %.2f", near, s.sample.shuffled))
			}
			return nil
		}
	}
	if n := s.negatives[keyOf(rec.NegativeText)]; n.several {
		s.found.add(LintPadding, rec, rec.NegativeText, fmt.Sprintf("in %d rows", n.rows))
	}
	return nil
}

// sampled applies the rules that look at the sample as a whole.
func (s *lintInspection) sampled() {
	s.notNearer()
	seen := make(map[lintKey]bool)
	var passages []lintPassage
	for i := range s.sample.rows {
		rec := &s.sample.rows[i].rec
		for k, at := range rec.sides() {
			if key := keyOf(at.text); k > 0 && !seen[key] {
				seen[key] = true
				inverse, err := cosine.InverseNorm(at.vector)
				if err == nil {
					passages = append(passages, lintPassage{rec, at.text, at.vector, inverse})
				}
			}
		}
	}
	s.mixedNorms(passages)
	s.mixedClusters(passages)
}

// lintPassage is a distinct passage in the sample.
type lintPassage struct {
	rec     *Record
	text    string
	vector  []float32
	inverse float64 // of its norm
}

// notNearer compares each sampled triple with the next one of another query.
func (s *lintInspection) notNearer() {
	rows := s.sample.rows
	compared := 0
	var not []lintPassage
	for i := range rows {
		for step := 1; step < len(rows); step++ {
			other := rows[(i+step)%len(rows)]
			if other.query == rows[i].query || other.rec.PositiveText == rows[i].rec.PositiveText {
				continue
			}
			compared++
			rec := &rows[i].rec
			if !(cosine.Of(rec.QueryVector, rec.PositiveVector) > cosine.Of(rec.QueryVector, other.rec.PositiveVector)) {
				not = append(not, lintPassage{rec: rec, text: rec.PositiveText})
			}
			break
		}
	}
	if compared >= 30 && float64(compared-len(not)) < s.settings.nearer*float64(compared) {
		s.found.addSampled(LintNotNearer, compared, "positives", " are no nearer than another query's", not)
	}
}

// mixedNorms looks for a wide gap between the norms.
func (s *lintInspection) mixedNorms(passages []lintPassage) {
	descending := slices.Clone(passages)
	slices.SortStableFunc(descending, func(a, b lintPassage) int { return cmp.Compare(b.inverse, a.inverse) })
	inverses := make([]float64, len(descending))
	for i, p := range descending {
		inverses[i] = p.inverse
	}
	at, ok := stat.WidestGap(inverses, s.group(len(descending)), 1.2)
	if !ok {
		return
	}
	detail := fmt.Sprintf(" have norms beyond the gap from %.3g to %.3g", 1/inverses[at-1], 1/inverses[at])
	s.found.addSampled(LintMixedNorms, len(descending), "passages", detail, descending[:at], descending[at:])
}

// group returns the smallest allowed size of a group of n passages.
func (lintInspection) group(n int) int { return max(5, (n+19)/20) }

// mixedClusters looks for two groups of directions that have little in common.
func (s *lintInspection) mixedClusters(passages []lintPassage) {
	unit := make([][]float64, len(passages))
	for i, p := range passages {
		unit[i] = make([]float64, len(p.vector))
		for k, x := range p.vector {
			unit[i][k] = float64(x) * p.inverse
		}
	}
	split, ok := stat.TwoMeans(unit, s.group(len(passages)))
	tight := min(split.Within[0], split.Within[1])
	if !ok || tight < 0.1 || math.Abs(split.Across) > 0.1*tight {
		return
	}
	var groups [2][]lintPassage
	for i, p := range passages {
		groups[split.Side[i]] = append(groups[split.Side[i]], p)
	}
	detail := fmt.Sprintf(" form a group of their own: mean cosine %.2f and %.2f within the groups, %.3f across", split.Within[0], split.Within[1], split.Across)
	s.found.addSampled(LintMixedClusters, len(passages), "passages", detail, groups[:]...)
}
