package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"example.com/eci"
	"example.com/eci/cmd/eci/report"
)

// fault is a reason for which --require-best rejects a source.
type fault struct {
	word   string // value of --allow
	reason string
}

// The values of --allow.
const (
	allowDoubts       = "doubts"
	allowHarm         = "harm"
	allowOvertraining = "overtraining"
	allowRandom       = "random"
	allowArtifact     = "artifact"
	allowUnchecked    = "unchecked"
	allowLint         = "lint"
)

var allowances = []string{allowArtifact, allowDoubts, allowHarm, allowLint, allowOvertraining, allowRandom, allowUnchecked}

// faults returns the faults of a source.
func faults(s eci.Ranked) (out []fault) {
	add := func(word, format string, args ...any) { out = append(out, fault{word, fmt.Sprintf(format, args...)}) }
	if f := s.Forecast; f != nil {
		switch {
		case f.Harms:
			add(allowHarm, "it would harm (%+.3f to %+.3f)", f.Low, f.High)
		case !(f.Low > 0):
			add(allowHarm, "it is not shown to help (%+.3f to %+.3f)", f.Low, f.High)
		}
		if f.Overtrains {
			add(allowOvertraining, "it overtrains")
		}
	}
	switch name, difference, beaten := control(s); {
	case name == "":
		add(allowUnchecked, "it was not compared with random negatives")
	case !beaten:
		add(allowRandom, "it is not shown to beat %s (%s)", name, difference)
	}
	switch a := s.Artifact; {
	case a == nil || a.Triples == 0:
		add(allowUnchecked, "whether its negatives can be told without the query was not checked")
	case a.AUC > report.ArtifactAUC:
		add(allowArtifact, "its negatives can be told from positives without the query (AUC %.2f)", a.AUC)
	}
	return out
}

// control returns the decisive comparison with negatives that cost nothing.
func control(s eci.Ranked) (name, difference string, beaten bool) {
	const random, shuffled = "random documents", "another query's negatives"
	if f := s.Forecast; f != nil {
		switch {
		case f.Random != nil:
			return random, f.Random.String(), f.Random.Low > 0
		case f.Shuffled != nil:
			return shuffled, f.Shuffled.String(), f.Shuffled.Low > 0
		}
		return "", "", false
	}
	c := s.Controls
	switch {
	case c == nil || c.Random.Triples+c.Shuffled.Triples == 0:
		return "", "", false
	case lead(c) == c.Random.Difference && c.Random.Triples > 0:
		return random, c.Random.String(), c.Random.Low > 0
	}
	return shuffled, c.Shuffled.String(), c.Shuffled.Low > 0
}

// check implements --require-best. The source must be free of faults, and the best of
// those that are.
func (f *rankFlags) check(r *eci.Ranking) error {
	if f.requireBest == "" {
		return nil
	}
	required, ok := r.Find(f.requireBest)
	if !ok {
		return usage("--require-best %s: there is no such source", f.requireBest)
	}
	if r.Verdict != nil && r.Verdict.Action == eci.ActionUnknown && !f.allows(allowDoubts) {
		return refused(f.requireBest, []fault{{allowDoubts, strings.Join(r.Lookahead.Doubts, "; ")}})
	}
	if found := f.refuse(required); len(found) > 0 {
		return refused(f.requireBest, found)
	}
	var names []string
	for _, s := range r.Ranked {
		if len(f.refuse(s)) == 0 {
			names = append(names, s.Source)
		}
	}
	best, probability, err := r.BestOf(names...)
	if err != nil {
		return err
	}
	among := ""
	if len(names) < len(r.Ranked) {
		among = fmt.Sprintf(" of the %d without a fault", len(names))
	}
	switch {
	case best.Source != f.requireBest:
		return &checkError{fmt.Sprintf("the best source%s is %s, not %s", among, best.Source, f.requireBest)}
	case probability < f.confidence:
		return &checkError{fmt.Sprintf("%s is the best%s with probability %.2f, below %.2f", best.Source, among, probability, f.confidence)}
	}
	return nil
}

func (f *rankFlags) allows(word string) bool { return slices.Contains(f.allow, word) }

// refuse returns the faults of a source that are not allowed.
func (f *rankFlags) refuse(s eci.Ranked) []fault {
	found := faults(s)
	for _, x := range f.wrong {
		if x.Source == s.Source {
			found = append(found, fault{allowLint, fmt.Sprintf("%s is found in %s of its rows", x.Kind, shareOf(x))})
		}
	}
	return slices.DeleteFunc(found, func(x fault) bool { return f.allows(x.word) })
}

// refused says why a source does not pass and what would let it pass.
func refused(name string, found []fault) error {
	var reasons, words []string
	for _, x := range found {
		reasons = append(reasons, x.reason)
		if !slices.Contains(words, x.word) {
			words = append(words, x.word)
		}
	}
	return &checkError{fmt.Sprintf("%s: %s (--allow %s lets it pass)", name, strings.Join(reasons, "; "), strings.Join(words, ","))}
}

// lint looks for errors in the rows and adds what it finds to the ranking. Rows that a
// ranking leaves out or fails on are not counted again.
func (f *rankFlags) lint(ctx context.Context, o *opened, r *eci.Ranking, sources []eci.Source) error {
	linter := eci.Linter{Vectors: o.sem.Vectors, Tokenizer: o.sem.Tokenizer, Examples: 1}
	var err error
	if linter.Relevant, err = f.files.Relevant(); err != nil {
		return err
	}
	found, err := linter.Lint(ctx, sources...)
	if err != nil {
		return err
	}
	where := make(map[eci.LintKind][]string)
	var kinds []eci.LintKind
	for _, x := range found.Findings {
		switch x.Kind {
		case eci.LintMalformed, eci.LintEmpty, eci.LintVectorNotFinite, eci.LintVectorZero, eci.LintVectorDimension:
			continue
		}
		if x.Severity != eci.SeverityError {
			continue
		}
		f.wrong = append(f.wrong, x)
		if where[x.Kind] == nil {
			kinds = append(kinds, x.Kind)
		}
		where[x.Kind] = append(where[x.Kind], fmt.Sprintf("%s of %s", shareOf(x), x.Source))
	}
	for _, kind := range kinds {
		r.Notes = append(r.Notes, fmt.Sprintf("lint: %s: %s; eci lint shows the rows", kind, strings.Join(where[kind], ", ")))
	}
	return nil
}

// shareOf returns the share of rows that a finding applies to.
func shareOf(x eci.Finding) string { return fmt.Sprintf("%.1f%%", 100*x.Share) }
