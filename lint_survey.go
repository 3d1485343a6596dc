package eci

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"example.com/eci/internal/hash64"
	"example.com/eci/internal/textcheck"
)

// lintKey represents a text or an ID: the first 64 bits of its fingerprint.
type lintKey uint64

func keyOf(text string) lintKey {
	f := hash64.FingerprintOf(text)
	return lintKey(binary.LittleEndian.Uint64(f[:]))
}

// with returns the key of the ordered pair of a and b.
func (a lintKey) with(b lintKey) lintKey {
	return lintKey(hash64.Mix(hash64.Mix(uint64(a)) ^ uint64(b)))
}

// Prefixes separate IDs of queries, IDs of documents and texts.
const (
	queryPrefix    = "query id\x00"
	documentPrefix = "document id\x00"
)

// lintIndex is what the first reading finds out over all sources. Rows are compared
// with it. [lintSettings.survey] fills it.
type lintIndex struct {
	lexicon   *Lexicon
	positives map[lintKey]struct{}  // of any query: folded texts and ids
	pairs     map[lintKey]struct{}  // (query, positive), each by text and by id
	triplets  map[uint64]lintTriple // by their texts
	texts     map[lintKey]lintText  // of ids
	ids       map[lintKey]lintText  // of texts: the first id each had
	passages  map[lintKey]struct{}  // distinct positives and negatives
	vectors   *lintVectors
}

// lintTriple says where a triple was last seen.
type lintTriple struct {
	row     uint32 // the first of that source
	source  uint32
	several bool // in more than one source
}

// lintText is a text or ID with the row it was first seen in.
type lintText struct {
	key lintKey
	row uint32
}

// index returns an index of what is known before any source is read.
func (settings *lintSettings) index() *lintIndex {
	x := &lintIndex{
		lexicon:   NewLexicon(settings.tokenizer),
		positives: make(map[lintKey]struct{}), pairs: make(map[lintKey]struct{}),
		triplets: make(map[uint64]lintTriple), texts: make(map[lintKey]lintText), ids: make(map[lintKey]lintText),
		passages: make(map[lintKey]struct{}), vectors: &lintVectors{table: settings.vectors, first: make(map[uint64]lintText)},
	}
	for query, documents := range settings.relevant {
		for _, document := range documents {
			key := keyOf(documentPrefix + document)
			x.positives[key] = struct{}{}
			x.pairs[keyOf(queryPrefix+query).with(key)] = struct{}{}
		}
	}
	return x
}

// lintSurveyed is what the first reading finds out about a source.
type lintSurveyed struct {
	source        Source
	rows, triples int                      // what was read: triples and bad rows; triples alone
	negatives     map[lintKey]lintNegative // by text
	commonest     int                      // rows with the commonest negative
	cuts          []int                    // length at which passages were cut, by unit; -1 for none
	sample        lintSample
	found         *lintFindings
}

// lintNegative counts the rows of a negative.
type lintNegative struct {
	rows    uint32
	several bool    // for more than one query
	query   lintKey // the first one
}

// lintSurvey is the first reading of a source: what it fills in and its working
// memory.
type lintSurvey struct {
	*lintSurveyed
	settings *lintSettings
	index    *lintIndex
	number   uint32               // of the source
	seen     map[lintKey]struct{} // passages that are in lengths
	lengths  []*textcheck.Lengths // of passages, by unit
	tokens   []string
}

// survey is the first reading of a source. It adds to the index.
func (settings *lintSettings) survey(ctx context.Context, index *lintIndex, source Source, number uint32) (*lintSurveyed, error) {
	s := &lintSurvey{
		lintSurveyed: &lintSurveyed{source: source, negatives: make(map[lintKey]lintNegative), found: newLintFindings(source.Name, settings)},
		settings:     settings, index: index, number: number, seen: make(map[lintKey]struct{}),
	}
	for _, unit := range textcheck.Units {
		s.lengths = append(s.lengths, textcheck.NewLengths(unit))
	}
	var err error
	s.rows, err = eachLinted(ctx, source, &index.vectors.arena, s.bad, func(rec *Record) error {
		s.triples++
		s.found.triple = s.triples
		return s.row(rec)
	})
	if err != nil {
		return nil, err
	}
	for _, l := range s.lengths {
		s.cuts = append(s.cuts, l.Cut(settings.truncated))
	}
	s.sample.conclude()
	return s.lintSurveyed, nil
}

// bad records a row that cannot be checked.
func (s *lintSurvey) bad(rec *Record, err error) {
	s.found.triple = 0 // it is none
	if errors.Is(err, ErrEmptyText) {
		s.found.add(LintEmpty, rec, rec.firstText(), err.Error())
		return
	}
	at := *rec
	var row *RowError
	if errors.As(err, &row) {
		at.File, at.Row, err = row.File, cmp.Or(row.Row, at.Row), row.Err
	}
	s.found.add(s.source.lintKind(err), &at, "", strings.TrimPrefix(err.Error(), "eci: "))
}

// firstText is the first text of a row that is not blank.
func (r *Record) firstText() string {
	for _, text := range [...]string{r.QueryText, r.PositiveText, r.NegativeText} {
		if !textcheck.Blank(text) {
			return text
		}
	}
	return ""
}

// queryKeys returns the keys for the query of a row: the text always, and the ID if
// there is one.
func (r *Record) queryKeys() []lintKey {
	keys := []lintKey{keyOf(r.QueryText)}
	if r.QueryID != "" {
		keys = append(keys, keyOf(queryPrefix+r.QueryID))
	}
	return keys
}

// documentKeys returns the keys for a passage.
func documentKeys(id, text string) []lintKey {
	keys := []lintKey{keyOf(textcheck.Fold(text))}
	if id != "" {
		keys = append(keys, keyOf(documentPrefix+id))
	}
	return keys
}

// row is the first reading of a row. It records what later rows are compared with.
func (s *lintSurvey) row(rec *Record) error {
	s.duplicate(rec)
	s.identity(queryPrefix, rec.QueryID, rec.QueryText, rec)
	s.identity(documentPrefix, rec.PositiveID, rec.PositiveText, rec)
	if rec.NegativeID != rec.PositiveID || rec.NegativeText != rec.PositiveText {
		s.identity(documentPrefix, rec.NegativeID, rec.NegativeText, rec)
	}
	for _, document := range documentKeys(rec.PositiveID, rec.PositiveText) {
		s.index.positives[document] = struct{}{}
		for _, query := range rec.queryKeys() {
			s.index.pairs[query.with(document)] = struct{}{}
		}
	}
	for _, text := range [...]string{rec.PositiveText, rec.NegativeText} {
		key := keyOf(text)
		if _, ok := s.index.passages[key]; !ok {
			s.index.passages[key] = struct{}{}
			s.index.lexicon.Add(text)
		}
		if _, ok := s.seen[key]; !ok {
			s.seen[key] = struct{}{}
			for _, l := range s.lengths {
				l.Add(text)
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
	return s.vectors(rec)
}

// duplicate looks for the same three texts in an earlier row.
func (s *lintSurvey) duplicate(rec *Record) {
	hash := rec.hash(0)
	t, ok := s.index.triplets[hash]
	switch {
	case !ok:
		t = lintTriple{row: uint32(rec.Row), source: s.number}
	case t.source == s.number:
		s.found.add(LintDuplicate, rec, rec.NegativeText, fmt.Sprintf("as row %d", t.row))
		return
	default:
		t = lintTriple{row: uint32(rec.Row), source: s.number, several: true}
	}
	s.index.triplets[hash] = t
}

// identity looks for the ID with another text and for the text with another ID.
func (s *lintSurvey) identity(space, id, text string, rec *Record) {
	if id == "" {
		return
	}
	name, content := keyOf(space+id), keyOf(space+text)
	if first, ok := s.index.texts[name]; !ok {
		s.index.texts[name] = lintText{content, uint32(rec.Row)}
	} else if first.key != content {
		s.found.addOnce(LintIDConflict, rec, text, fmt.Sprintf("ID %q belonged to another text in row %d", id, first.row))
	}
	if first, ok := s.index.ids[content]; !ok {
		s.index.ids[content] = lintText{name, uint32(rec.Row)}
	} else if first.key != name {
		s.found.addOnce(LintSameText, rec, text, fmt.Sprintf("ID %q; another in row %d", id, first.row))
	}
}

// damage checks each text of a row on its own.
func (s *lintSurvey) damage(rec *Record) {
	for _, rule := range []struct {
		kind LintKind
		at   func(text string) int
	}{
		{LintControl, textcheck.Control}, {LintReplacement, textcheck.Replacement},
		{LintMojibake, textcheck.Mojibake}, {LintHTML, textcheck.HTML},
	} {
		for _, text := range [...]string{rec.QueryText, rec.PositiveText, rec.NegativeText} {
			if i := rule.at(text); i >= 0 {
				s.found.add(rule.kind, rec, textcheck.From(text, i), "")
				break
			}
		}
	}
}
