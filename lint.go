package eci

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"example.com/eci/internal/ctxerr"
	"example.com/eci/internal/fault"
)

// Linter finds faults in triples before anything is trained on them: rows that
// contradict their labels, copies, damaged texts and damaged vectors. It needs no
// encoder; with vectors it finds more. [LintKind] lists the rules. The zero value
// is the documented default. Use does not change a Linter.
// It is safe for concurrent use as long as no goroutine changes it.
type Linter struct {
	// Vectors finds vectors by ID. nil means those that the triples carry, if any.
	Vectors Vectors
	// Relevant lists the IDs of the documents known to answer a query, by the
	// query's ID (qrels), in addition to the positives of the triples.
	Relevant map[string][]string
	// Tokenizer splits texts. nil means Words{}.
	Tokenizer Tokenizer

	// Examples is the most rows shown for a finding. 0 means 3.
	Examples int
	// MinTokens is the least length at which a copied text counts as copied. 0 means
	// 4.
	MinTokens int
	// Shares in (0, 1]; see the rules. 0 means the default: RepeatedShare 0.05,
	// TruncatedShare 0.02, CommonShare 0.1, PaddingShare 0.15, CollisionShare 0.3,
	// NearerShare 0.6.
	RepeatedShare, TruncatedShare, CommonShare, PaddingShare, CollisionShare, NearerShare float64
}

// lintSettings are the settings of a Linter with defaults resolved.
type lintSettings struct {
	vectors             Vectors // nil for those of the triples
	relevant            map[string][]string
	tokenizer           Tokenizer
	examples, minTokens int
	drop                []LintKind // whose triples Clean leaves out
	// Shares.
	repeated, truncated, common, padding, collision, nearer float64
}

// resolve fills in the defaults and checks what was set.
func (l *Linter) resolve() (*lintSettings, error) {
	if l == nil {
		return nil, fault.Nil("Linter")
	}
	s := &lintSettings{vectors: l.Vectors, relevant: l.Relevant, tokenizer: l.Tokenizer, examples: cmp.Or(l.Examples, 3), minTokens: cmp.Or(l.MinTokens, 4)}
	if s.tokenizer == nil {
		s.tokenizer = Words{}
	}
	if s.examples < 0 || s.minTokens < 0 {
		return nil, fmt.Errorf("eci: lint: %w: %d examples, at least %d tokens", ErrSettings, s.examples, s.minTokens)
	}
	for _, share := range []struct {
		name       string
		set, usual float64
		resolved   *float64
	}{
		{"RepeatedShare", l.RepeatedShare, 0.05, &s.repeated}, {"TruncatedShare", l.TruncatedShare, 0.02, &s.truncated},
		{"CommonShare", l.CommonShare, 0.1, &s.common}, {"PaddingShare", l.PaddingShare, 0.15, &s.padding},
		{"CollisionShare", l.CollisionShare, 0.3, &s.collision}, {"NearerShare", l.NearerShare, 0.6, &s.nearer},
	} {
		*share.resolved = cmp.Or(share.set, share.usual)
		if !(*share.resolved > 0 && *share.resolved <= 1) {
			return nil, fmt.Errorf("eci: lint: %w: %s %v is not in (0, 1]", ErrSettings, share.name, share.set)
		}
	}
	return s, nil
}

// Lint reads every source twice and returns what it finds. Findings are not
// errors; rows that cannot be read and empty texts are findings too. Lint returns
// an error and no report if a source stops with an error, if it differs between
// the two readings (ErrUnstableSource), or if sources or settings are invalid.
//
// Memory holds fingerprints of texts, IDs and triples: about 400 bytes for a
// triple whose texts and IDs are all new (measured), and 50 for a new combination
// of known ones. It also holds the vocabulary and a sample of 128 triples with
// vectors for each source. Texts are distinguished by 64 bits of SHA-256. Among
// 10^7 texts, the chance that any two are confused is 3 in a million. The report is
// the same on every machine.
func (l *Linter) Lint(ctx context.Context, sources ...Source) (*LintReport, error) {
	settings, err := l.resolve()
	if err != nil {
		return nil, err
	}
	report, _, err := settings.lint(ctx, sources)
	return report, err
}

// Clean lints. It returns the report and the sources without the rows to which a rule
// in drop applies. A malformed row or an empty text is left out only if its rule is in
// drop. Rows that give no triple are always left out. Rules about a sample as a whole,
// such as LintNotNearer, cannot be dropped: they are ErrSettings, like unknown rules.
// Errors are those of Lint. Besides the memory of Lint, Clean takes about 40 bytes for
// each row that is left out. A source that has changed since then ends with
// ErrUnstableSource.
func (l *Linter) Clean(ctx context.Context, drop []LintKind, sources ...Source) (*LintReport, []Source, error) {
	settings, err := l.resolve()
	if err != nil {
		return nil, nil, err
	}
	for _, kind := range drop {
		if !slices.Contains(Droppable(""), kind) {
			return nil, nil, fmt.Errorf("eci: lint: %w: rows cannot be dropped by the rule %q; use one of %v", ErrSettings, kind, Droppable(""))
		}
	}
	settings.drop = drop
	report, surveyed, err := settings.lint(ctx, sources)
	if err != nil {
		return nil, nil, err
	}
	clean := make([]Source, len(sources))
	for i, s := range surveyed {
		clean[i] = s.clean(ctx, drop)
	}
	return report, clean, nil
}

// RowRules returns a function that tells which rules apply to a record, in the order
// of the reports: those that need no other row, and count the same however rows are
// divided. They are empty-text, negative-is-positive, near-identical,
// query-is-positive, query-in-negative, passage-in-passage, control-character,
// replacement-character, mojibake, html, and of vectors that the record carries
// missing-vector, vector-not-finite, vector-zero and not-unit. Of the settings,
// Tokenizer and MinTokens apply. The function is for one goroutine at a time; its
// result is the caller's. The error is ErrSettings.
func (l *Linter) RowRules() (func(rec *Record) []LintKind, error) {
	settings, err := l.resolve()
	if err != nil {
		return nil, err
	}
	settings.relevant, settings.vectors, settings.examples = nil, nil, 0
	index := settings.index()
	first := &lintSurvey{lintSurveyed: &lintSurveyed{found: newLintFindings("", settings)}, settings: settings, index: index}
	second := &lintInspection{lintSurveyed: first.lintSurveyed, settings: settings, index: index}
	found := first.found
	return func(rec *Record) (kinds []LintKind) {
		clear(found.byKind)
		found.triple++
		if rec.check() != nil {
			return []LintKind{LintEmpty}
		}
		first.damage(rec)
		second.labels(rec)
		second.copies(rec)
		index.vectors.dimension = 0 // that of other rows is another rule
		say := func(kind LintKind, _ int, _ string) {
			if kind != LintVectorDimension {
				found.addOnce(kind, rec, "", "")
			}
		}
		if vectors, _, err := index.vectors.lookUp(rec, say); err == nil { // it reads no table
			for k, v := range vectors {
				if v != nil {
					first.unit(rec, k, "", v)
				}
			}
		}
		for _, rule := range lintSeverities {
			if found.byKind[rule.kind] != nil {
				kinds = append(kinds, rule.kind)
			}
		}
		return kinds
	}, nil
}

// Droppable returns the rules of a severity, or of all if it is empty, that
// [Linter.Clean] can drop rows by, in the order of the reports.
func Droppable(severity Severity) (kinds []LintKind) {
	for _, rule := range lintSeverities {
		switch rule.kind {
		case LintNotNearer, LintMixedNorms, LintMixedClusters:
			continue
		}
		if severity == "" || rule.severity == severity {
			kinds = append(kinds, rule.kind)
		}
	}
	return kinds
}

// clean returns the source without the marked rows.
func (s *lintSurveyed) clean(ctx context.Context, drop []LintKind) Source {
	return Source{Name: s.source.Name, Triples: func(yield func(Triple, error) bool) {
		triples, rows := 0, 0
		for triple, err := range s.source.Triples {
			rows++
			err = s.source.linted(triple, err, rows)
			kind := s.source.lintKind(err)
			switch {
			case err == nil:
				if triples++; s.found.marked[triples] {
					continue
				}
			case kind != "" && slices.Contains(drop, kind):
				continue
			}
			if err != nil {
				triple = nil
			}
			if err == nil && rows%256 == 0 {
				if stop := ctxerr.Of(ctx); stop != nil {
					triple, err = nil, stop
				}
			}
			if !yield(triple, err) {
				return
			}
		}
		if rows != s.rows {
			yield(nil, s.source.unstable(s.rows, rows))
		}
	}}
}

// linted returns the error, with its place, of a row that lint cannot check.
func (s Source) linted(triple Triple, err error, row int) error {
	rec := Record{Row: row}
	if r, ok := triple.(*Record); err == nil && (triple == nil || ok && r == nil) {
		err = fmt.Errorf("%w: the iterator yielded a nil triple", ErrMalformed)
	}
	if err == nil {
		rec.fill(triple, row, nil)
		err = rec.check()
	}
	return s.wrap(&rec, err)
}

// lintKind returns the rule for rows with an error, or "".
func (Source) lintKind(err error) LintKind {
	switch {
	case errors.Is(err, ErrEmptyText):
		return LintEmpty
	case errors.Is(err, ErrMalformed), errors.Is(err, ErrMissingField):
		return LintMalformed
	case errors.Is(err, ErrNotFinite):
		return LintVectorNotFinite
	}
	return ""
}

// lint reads the sources twice.
func (settings *lintSettings) lint(ctx context.Context, sources []Source) (*LintReport, []*lintSurveyed, error) {
	if err := checkSources(sources); err != nil {
		return nil, nil, err
	}
	index := settings.index()
	surveyed := make([]*lintSurveyed, len(sources))
	for i, source := range sources {
		var err error
		surveyed[i], err = settings.survey(ctx, index, source, uint32(i))
		if err != nil {
			return nil, nil, err
		}
	}
	report := &LintReport{}
	for _, s := range surveyed {
		if err := settings.inspect(ctx, index, s); err != nil {
			return nil, nil, err
		}
		linted := LintedSource{Name: s.source.Name, Rows: s.rows, Triples: s.triples, Bad: s.rows - s.triples}
		if rows := s.source.rows(); rows != nil {
			linted.Rows = rows.Rows
			s.found.barren(rows)
		}
		report.Sources = append(report.Sources, linted)
		report.Findings = append(report.Findings, s.found.list(s.rows, settings)...)
	}
	report.sort()
	return report, surveyed, nil
}

// eachLinted reads a source once. It calls fn with every triple whose texts can be
// checked, and bad with every other row. It returns the number of rows.
func eachLinted(ctx context.Context, source Source, arena *[]float32, bad func(rec *Record, err error), fn func(rec *Record) error) (rows int, err error) {
	err = source.walk(ctx, arena, func(rec *Record, err error) error {
		rows++
		if err == nil {
			err = rec.check()
		}
		switch {
		case err == nil:
			err := fn(rec)
			*arena = (*arena)[:0] // the record's vectors were in it
			return err
		case source.lintKind(err) != "":
			bad(rec, err)
			return nil
		}
		return err
	})
	return rows, err
}
