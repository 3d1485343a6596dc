package eci

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"example.com/eci/internal/textcheck"
)

// Linter looks for what is wrong with triples before anything is trained on
// them: rows that contradict their labels, copies, damaged texts and vectors. It
// needs no encoder; with vectors it sees more. [LintKind] lists the rules. The
// zero value is the documented default. A Linter is not changed by use.
// Goroutines may share one that none of them changes.
type Linter struct {
	// Vectors finds vectors by id; nil means those that the triples carry, if any.
	Vectors Vectors
	// Relevant lists the ids of the documents known to answer a query, by the
	// query's id (qrels), beyond the positives of the triples themselves.
	Relevant map[string][]string
	// Tokenizer splits texts; nil means Words{}.
	Tokenizer Tokenizer

	// Examples is the number of rows shown for a finding; 0 means 3.
	Examples int
	// MinTokens is the length from which a copied text counts as copied; 0 means 4.
	MinTokens int
	// Shares, in (0, 1]; see the rules. 0 means the default: RepeatedShare 0.05,
	// TruncatedShare 0.02, CommonShare 0.1, PaddingShare 0.15, CollisionShare 0.3,
	// NearerShare 0.6.
	RepeatedShare, TruncatedShare, CommonShare, PaddingShare, CollisionShare, NearerShare float64
}

func (l *Linter) withDefaults() (Linter, error) {
	d := *l
	if d.Tokenizer == nil {
		d.Tokenizer = Words{}
	}
	d.Examples = cmp.Or(d.Examples, 3)
	d.MinTokens = cmp.Or(d.MinTokens, 4)
	if d.Examples < 0 || d.MinTokens < 0 {
		return d, fmt.Errorf("eci: lint: %w: %d examples, at least %d tokens", ErrSettings, d.Examples, d.MinTokens)
	}
	for _, share := range []struct {
		name  string
		value *float64
		usual float64
	}{
		{"RepeatedShare", &d.RepeatedShare, 0.05}, {"TruncatedShare", &d.TruncatedShare, 0.02},
		{"CommonShare", &d.CommonShare, 0.1}, {"PaddingShare", &d.PaddingShare, 0.15},
		{"CollisionShare", &d.CollisionShare, 0.3}, {"NearerShare", &d.NearerShare, 0.6},
	} {
		if *share.value == 0 {
			*share.value = share.usual
		}
		if !(*share.value > 0 && *share.value <= 1) {
			return d, fmt.Errorf("eci: lint: %w: %s %v is not in (0, 1]", ErrSettings, share.name, *share.value)
		}
	}
	return d, nil
}

// Lint reads every source twice and reports what it finds; findings are no
// errors. Rows that cannot be read and empty texts are findings too. An error is
// returned, and no report, when a source cannot be read on, when it is not the
// same both times (ErrUnstableSource), and for sources or settings that make no
// sense.
//
// Memory: fingerprints of texts, ids and triples, about 400 bytes in all for a
// triple of which every text and id is new (measured), 50 where only the
// combination is; the vocabulary; and a sample of 128 triples a source with
// vectors. Texts are told apart by 64 bits of SHA-256: the chance that any
// two of 10^7 are mistaken for one another is 3 in a million. The report is the
// same on every machine.
func (l *Linter) Lint(ctx context.Context, sources ...Source) (*LintReport, error) {
	settings, err := l.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := checkSources(sources); err != nil {
		return nil, err
	}
	run := newLintRun(&settings)
	states := make([]*lintSource, len(sources))
	for i, source := range sources {
		states[i] = newLintSource(run, source, uint32(i))
		if err := states[i].read(ctx, states[i].survey); err != nil {
			return nil, err
		}
		states[i].seen = nil
	}
	report := &LintReport{}
	for _, s := range states {
		s.conclude()
		if err := s.read(ctx, s.inspect); err != nil {
			return nil, err
		}
		s.finish()
		report.Sources = append(report.Sources, LintedSource{Name: s.source.Name, Rows: s.rows, Triples: s.triples})
		report.Findings = append(report.Findings, s.findings()...)
	}
	report.sort()
	return report, nil
}

// lintKey stands for a text or an id: the first 64 bits of its fingerprint.
type lintKey uint64

func keyOf(text string) lintKey {
	f := fingerprintOf(text)
	return lintKey(binary.LittleEndian.Uint64(f[:]))
}

// pairKey stands for an ordered pair.
func pairKey(a, b lintKey) lintKey { return lintKey(mix64(mix64(uint64(a)) ^ uint64(b))) }

// Prefixes keep ids of queries, ids of documents and texts apart.
const (
	queryPrefix    = "query id\x00"
	documentPrefix = "document id\x00"
)

// lintRun is what is known over all sources.
type lintRun struct {
	*Linter
	lexicon   *Lexicon
	positives map[lintKey]struct{}  // of any query: normalised texts and ids
	pairs     map[lintKey]struct{}  // (query, positive), each by text and by id
	triplets  map[uint64]lintTriple // by their texts
	texts     map[lintKey]lintText  // of ids
	ids       map[lintKey]lintText  // of texts: the first id each had
	passages  map[lintKey]struct{}  // distinct positives and negatives
	vectors   map[uint64]lintText   // of vectors: the text each was for
	dimension int                   // of the first vector
}

// lintTriple says where a triple was last seen.
type lintTriple struct {
	row     uint32 // the first of that source
	source  uint32
	several bool // in more than one source
}

// lintText is a text or id with the row it was first seen in.
type lintText struct {
	key lintKey
	row uint32
}

func newLintRun(l *Linter) *lintRun {
	r := &lintRun{
		Linter: l, lexicon: NewLexicon(l.Tokenizer),
		positives: make(map[lintKey]struct{}), pairs: make(map[lintKey]struct{}),
		triplets: make(map[uint64]lintTriple), texts: make(map[lintKey]lintText), ids: make(map[lintKey]lintText),
		passages: make(map[lintKey]struct{}), vectors: make(map[uint64]lintText),
	}
	for query, documents := range l.Relevant {
		for _, document := range documents {
			key := keyOf(documentPrefix + document)
			r.positives[key] = struct{}{}
			r.pairs[pairKey(keyOf(queryPrefix+query), key)] = struct{}{}
		}
	}
	return r
}

// lintSource is what is known of one source.
type lintSource struct {
	*lintRun
	source        Source
	index         uint32
	rows, triples int
	found         map[LintKind]*Finding
	arena         []float32
	tokens        [3][]string
	last          map[LintKind]int // the triple a rule last held of, see addOnce

	negatives map[lintKey]lintNegative // by text
	commonest int                      // rows with the commonest negative
	cuts      []*textcheck.Lengths     // of passages, by unit
	seen      map[lintKey]struct{}     // passages that are in cuts; nil after the first reading
	cut       [2]int                   // lengths taken for cuts; -1 for none
	sample    lintSample
}

// lintNegative counts the rows of a negative.
type lintNegative struct {
	rows    uint32
	several bool    // for more than one query
	query   lintKey // the first one
}

func newLintSource(r *lintRun, source Source, index uint32) *lintSource {
	return &lintSource{
		lintRun: r, source: source, index: index, found: make(map[LintKind]*Finding),
		negatives: make(map[lintKey]lintNegative), seen: make(map[lintKey]struct{}),
		cuts: []*textcheck.Lengths{textcheck.NewLengths(textcheck.Characters), textcheck.NewLengths(textcheck.Words)},
	}
}

// read goes through the source once.
func (s *lintSource) read(ctx context.Context, fn func(rec *Record) error) error {
	first := s.seen != nil
	rows := 0
	err := s.source.walk(ctx, &s.arena, func(rec *Record, err error) error {
		rows++
		if err == nil {
			err = rec.check()
		}
		switch {
		case err == nil:
			if first {
				s.triples++
			}
			err := fn(rec)
			s.arena = s.arena[:0] // the record's vectors were in it
			return err
		case errors.Is(err, ErrEmptyText):
			if first {
				s.add(LintEmpty, rec, firstText(rec), err.Error())
			}
		case errors.Is(err, ErrMalformed), errors.Is(err, ErrMissingField):
			if first {
				at := *rec
				var row *RowError
				if errors.As(err, &row) {
					at.File, at.Row, err = row.File, cmp.Or(row.Row, at.Row), row.Err
				}
				s.add(LintMalformed, &at, "", strings.TrimPrefix(err.Error(), "eci: "))
			}
		default:
			return err
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case first:
		s.rows = rows
	case rows != s.rows:
		return unstable(s.source, s.rows, rows)
	}
	return nil
}

// firstText is the first text of a row that is not blank.
func firstText(rec *Record) string {
	for _, text := range [...]string{rec.QueryText, rec.PositiveText, rec.NegativeText} {
		if !blank(text) {
			return text
		}
	}
	return ""
}

// add counts a row under a rule. text is the one to show.
func (s *lintSource) add(kind LintKind, rec *Record, text, note string) {
	f := s.found[kind]
	if f == nil {
		f = &Finding{Kind: kind, Source: s.source.Name, Examples: []FindingRow{}}
		s.found[kind] = f
	}
	f.Count++
	if len(f.Examples) < s.Examples {
		f.Examples = append(f.Examples, FindingRow{File: rec.File, Row: rec.Row, Excerpt: strings.ToValidUTF8(excerpt(text), "\uFFFD"), Note: strings.ToValidUTF8(note, "\uFFFD")})
	}
}

// findings completes what was found.
func (s *lintSource) findings() []Finding {
	var out []Finding
	for _, rule := range lintSeverities {
		f := s.found[rule.kind]
		if f == nil {
			continue
		}
		f.Severity = rule.severity
		if f.Share == 0 {
			f.Share = float64(f.Count) / float64(s.rows)
		}
		switch {
		case f.Kind == LintCollision && f.Share > s.CollisionShare, f.Kind == LintPadding && f.Share > s.PaddingShare:
			f.Severity = SeverityWarning
		}
		out = append(out, *f)
	}
	return out
}

// queryKeys are the ways to name the query of a row: by id where it has one, by
// text always.
func queryKeys(rec *Record) []lintKey {
	keys := []lintKey{keyOf(rec.QueryText)}
	if rec.QueryID != "" {
		keys = append(keys, keyOf(queryPrefix+rec.QueryID))
	}
	return keys
}

// documentKeys are the ways to name a passage.
func documentKeys(id, text string) []lintKey {
	keys := []lintKey{keyOf(textcheck.Normalize(text))}
	if id != "" {
		keys = append(keys, keyOf(documentPrefix+id))
	}
	return keys
}

// survey is the first reading of a row: what later rows are compared with.
func (s *lintSource) survey(rec *Record) error {
	s.duplicate(rec)
	s.identity(queryPrefix, rec.QueryID, rec.QueryText, rec)
	s.identity(documentPrefix, rec.PositiveID, rec.PositiveText, rec)
	if rec.NegativeID != rec.PositiveID || rec.NegativeText != rec.PositiveText {
		s.identity(documentPrefix, rec.NegativeID, rec.NegativeText, rec)
	}
	for _, document := range documentKeys(rec.PositiveID, rec.PositiveText) {
		s.positives[document] = struct{}{}
		for _, query := range queryKeys(rec) {
			s.pairs[pairKey(query, document)] = struct{}{}
		}
	}
	for _, text := range [...]string{rec.PositiveText, rec.NegativeText} {
		key := keyOf(text)
		if _, ok := s.passages[key]; !ok {
			s.passages[key] = struct{}{}
			s.lexicon.Add(text)
		}
		if _, ok := s.seen[key]; !ok {
			s.seen[key] = struct{}{}
			for k := range s.cuts {
				s.cuts[k].Add(text)
			}
		}
	}
	key, query := keyOf(rec.NegativeText), keyOf(rec.QueryText)
	n, ok := s.negatives[key]
	if !ok {
		n.query = query
	}
	n.rows, n.several = n.rows+1, n.several || n.query != query
	s.negatives[key] = n
	s.commonest = max(s.commonest, int(n.rows))
	s.damage(rec)
	return s.surveyVectors(rec)
}

// duplicate looks for the same three texts in an earlier row.
func (s *lintSource) duplicate(rec *Record) {
	hash := rec.hash(0)
	t, ok := s.triplets[hash]
	switch {
	case !ok:
		t = lintTriple{row: uint32(rec.Row), source: s.index}
	case t.source == s.index:
		s.add(LintDuplicate, rec, rec.NegativeText, fmt.Sprintf("as row %d", t.row))
		return
	default:
		t = lintTriple{row: uint32(rec.Row), source: s.index, several: true}
	}
	s.triplets[hash] = t
}

// identity looks for the id with another text and for the text with another id.
func (s *lintSource) identity(space, id, text string, rec *Record) {
	if id == "" {
		return
	}
	name, content := keyOf(space+id), keyOf(space+text)
	if first, ok := s.texts[name]; !ok {
		s.texts[name] = lintText{content, uint32(rec.Row)}
	} else if first.key != content {
		s.addOnce(LintIDConflict, rec, text, fmt.Sprintf("id %q stood for another text in row %d", id, first.row))
	}
	if first, ok := s.ids[content]; !ok {
		s.ids[content] = lintText{name, uint32(rec.Row)}
	} else if first.key != name {
		s.addOnce(LintSameText, rec, text, fmt.Sprintf("id %q; another in row %d", id, first.row))
	}
}

// conclude draws from the first reading what the second one needs.
func (s *lintSource) conclude() {
	for k := range s.cut {
		s.cut[k] = s.cuts[k].Cut(s.TruncatedShare)
	}
	s.sample.conclude()
}

// inspect is the second reading of a row.
func (s *lintSource) inspect(rec *Record) error {
	s.labels(rec)
	s.copies(rec)
	if n := s.negatives[keyOf(rec.NegativeText)]; n.rows >= 5 && float64(n.rows) > s.RepeatedShare*float64(s.rows) {
		s.add(LintRepeated, rec, rec.NegativeText, fmt.Sprintf("in %d rows", n.rows))
		s.found[LintRepeated].Detail = fmt.Sprintf("the commonest negative is in %d rows", s.commonest)
	}
	if t := s.triplets[rec.hash(0)]; t.several {
		s.add(LintShared, rec, rec.NegativeText, "")
	}
	s.truncated(rec)
	return s.padding(rec)
}

// labels checks the negative against the positives.
func (s *lintSource) labels(rec *Record) {
	switch {
	case rec.NegativeText == rec.PositiveText:
		s.add(LintNegativeIsPositive, rec, rec.NegativeText, "")
		return
	case rec.NegativeID != "" && rec.NegativeID == rec.PositiveID:
		s.add(LintNegativeIsPositive, rec, rec.NegativeText, fmt.Sprintf("both have id %q", rec.NegativeID))
		return
	case textcheck.Normalize(rec.NegativeText) == textcheck.Normalize(rec.PositiveText):
		s.add(LintNearIdentical, rec, rec.NegativeText, "")
		return
	}
	documents := documentKeys(rec.NegativeID, rec.NegativeText)
	for _, query := range queryKeys(rec) {
		for _, document := range documents {
			if _, ok := s.pairs[pairKey(query, document)]; ok {
				s.add(LintFalseNegative, rec, rec.NegativeText, "")
				return
			}
		}
	}
	if slices.ContainsFunc(documents, func(key lintKey) bool { _, ok := s.positives[key]; return ok }) {
		s.add(LintCollision, rec, rec.NegativeText, "")
	}
}
