package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"example.com/eci"
	"github.com/spf13/pflag"
)

// scoring holds the flags that filter by a score in the rows, that of a cross-encoder
// or of a teacher.
type scoring struct {
	field    string
	least    float64
	most     float64
	hasLeast bool
	hasMost  bool
	margin   *float64 // of the positive's score over the negative's
	share    float64  // of the positive's score; 0 for any
	stems    []string // names of the field for a document, without positive or negative
}

func (s *scoring) register(flags *pflag.FlagSet) {
	flags.StringVar(&s.field, "score-field", "", "`name` of a field with a score, such as neg_scores or score, that --margin and --positive-share use in place of the encoder's similarities, and --max-score and --min-score")
	flags.Float64Var(&s.most, "max-score", 0, "with --score-field, the highest score of a negative that is kept")
	flags.Float64Var(&s.least, "min-score", 0, "with --score-field, the lowest")
}

// criteria reads what the flags ask of scores. It reports whether they ask for
// anything.
func (s *scoring) criteria(flags *pflag.FlagSet, criteria *eci.Filter) (bool, error) {
	s.hasLeast, s.hasMost = flags.Changed("min-score"), flags.Changed("max-score")
	if s.field == "" {
		if s.hasLeast || s.hasMost {
			return false, usage("--max-score and --min-score go with --score-field NAME")
		}
		return false, nil
	}
	s.margin, s.share = criteria.Margin, criteria.PositiveShare
	criteria.Margin, criteria.PositiveShare = nil, 0
	switch {
	case !s.hasLeast && !s.hasMost && s.margin == nil && s.share == 0:
		return false, usage("--score-field says which score: give --max-score, --min-score, --margin or --positive-share")
	case math.IsNaN(s.least) || math.IsNaN(s.most) || s.hasLeast && s.hasMost && s.least > s.most:
		return false, usage("--min-score %v, --max-score %v: no score lies between them", s.least, s.most)
	case s.margin != nil && math.IsNaN(*s.margin) || !(s.share >= 0) || math.IsInf(s.share, 0):
		return false, usage("--margin and --positive-share are numbers, the share above 0")
	}
	s.stems = []string{s.field}
	name := strings.ToLower(s.field)
	for _, prefix := range []string{"hard_negative_", "negative_", "neg_", "positive_", "pos_"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			name = rest
			break
		}
	}
	s.stems = append(s.stems, name, strings.TrimSuffix(name, "s"))
	return true, nil
}

// of returns the scores of a triple: that of its positive, if there is one, and that
// of its negative or of the row.
func (s *scoring) of(r *eci.Record) (positive, negative float64, hasPositive bool, err error) {
	positive, hasPositive, err = s.find(r, "positive")
	if err != nil {
		return 0, 0, false, err
	}
	negative, ok, err := s.find(r, "negative")
	if err == nil && !ok {
		negative, ok, err = s.find(r, "")
	}
	if err == nil && !ok {
		err = fmt.Errorf("%w: no number in a field %q for this negative", eci.ErrMissingField, s.field)
	}
	return positive, negative, hasPositive, err
}

// find looks for the score of one side of a triple. Side "" is the row.
func (s *scoring) find(r *eci.Record, side string) (score float64, ok bool, err error) {
	for i, stem := range s.stems {
		for _, e := range r.Extra {
			if e.Of != side || e.Name != stem || side == "" && i > 0 {
				continue
			}
			text := strings.Trim(string(e.Value), `"`) // tables and strings hold numbers in quotes
			score, err = strconv.ParseFloat(text, 64)
			if err != nil || math.IsNaN(score) || math.IsInf(score, 0) {
				return 0, false, fmt.Errorf("%w: field %q is %.40s, and no number", eci.ErrMalformed, s.field, e.Value)
			}
			return score, true, nil
		}
	}
	return 0, false, nil
}

// keeps reports whether a triple passes.
func (s *scoring) keeps(r *eci.Record) (bool, error) {
	positive, negative, hasPositive, err := s.of(r)
	switch {
	case err != nil:
		return false, err
	case (s.margin != nil || s.share > 0) && !hasPositive:
		return false, fmt.Errorf("%w: field %q has a score of the negative, and none of the positive: --max-score needs none", eci.ErrMissingField, s.field)
	case s.hasLeast && negative < s.least, s.hasMost && negative > s.most,
		s.margin != nil && positive-negative < *s.margin,
		s.share > 0 && !(positive > 0 && negative <= s.share*positive):
		return false, nil
	}
	return true, nil
}

// apply returns the source with the triples that pass. A row without a score is an
// error with its place. Skipping malformed rows covers it.
func (s *scoring) apply(source eci.Source) eci.Source {
	out := source
	out.Triples = func(yield func(eci.Triple, error) bool) {
		for t, err := range source.Triples {
			if err == nil {
				r, ok := t.(*eci.Record)
				if !ok { // not from a file
					r = &eci.Record{}
				}
				var keep bool
				if keep, err = s.keeps(r); err != nil {
					err, t = &eci.RowError{Source: source.Name, File: r.File, Row: r.Row, Err: err}, nil
				} else if !keep {
					continue
				}
			}
			if !yield(t, err) {
				return
			}
		}
	}
	return out
}
