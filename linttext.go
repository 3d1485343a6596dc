package eci

import (
	"fmt"
	"slices"

	"example.com/eci/internal/textcheck"
)

// copies looks for one text of a row within another.
func (s *lintSource) copies(rec *Record) {
	for k, at := range rec.sides() {
		s.tokens[k] = s.Tokenizer.AppendTokens(s.tokens[k][:0], at.text)
	}
	query, positive, negative := s.tokens[0], s.tokens[1], s.tokens[2]
	if len(query) > 0 && slices.Equal(query, positive) {
		s.add(LintQueryIsPositive, rec, rec.QueryText, "")
	}
	if len(query) >= s.MinTokens && textcheck.Contains(negative, query) {
		s.add(LintQueryInNegative, rec, rec.NegativeText, "")
	}
	switch {
	case slices.Equal(positive, negative):
	case len(positive) >= s.MinTokens && textcheck.Contains(negative, positive):
		s.add(LintPassageInPassage, rec, rec.NegativeText, "holds its positive")
	case len(negative) >= s.MinTokens && textcheck.Contains(positive, negative):
		s.add(LintPassageInPassage, rec, rec.NegativeText, "stands in its positive")
	}
}

func (s *lintSource) truncated(rec *Record) {
	for k, unit := range textcheck.Units {
		cut := s.cut[k]
		for _, text := range [...]string{rec.PositiveText, rec.NegativeText} {
			if cut < 0 || unit.Length(text) != cut || !textcheck.Unfinished(text) {
				continue
			}
			s.add(LintTruncated, rec, textcheck.Tail(text), "")
			s.found[LintTruncated].Detail = fmt.Sprintf("at %d %s", cut, unit)
			return
		}
	}
}

// damage looks at each text of a row by itself.
func (s *lintSource) damage(rec *Record) {
	for _, rule := range []struct {
		kind LintKind
		at   func(text string) int
	}{
		{LintControl, textcheck.Control}, {LintReplacement, textcheck.Replacement},
		{LintMojibake, textcheck.Mojibake}, {LintHTML, textcheck.HTML},
	} {
		for _, text := range [...]string{rec.QueryText, rec.PositiveText, rec.NegativeText} {
			if i := rule.at(text); i >= 0 {
				s.add(rule.kind, rec, textcheck.From(text, i), "")
				break
			}
		}
	}
}
