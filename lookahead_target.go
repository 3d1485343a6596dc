package eci

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"example.com/eci/internal/ctxerr"
	"example.com/eci/internal/fault"
	"example.com/eci/internal/hash64"
	"example.com/eci/internal/textcheck"
)

// Target is the retrieval task that sources are to help: its labeled queries and the
// documents they search. A [Lookahead] with a Target forecasts for every source, from
// whatever collection, what training on it would do to the target. The target supplies
// axes, pool, relevant documents and scales, and also word weights if its documents
// have texts. So a source's figures do not depend on the other sources in the ranking.
//
// Use does not change a Target. It is safe for concurrent use if its sequences are.
type Target struct {
	// Name is what reports call the target; "" means "the target".
	Name string
	// Queries are the labeled queries, each with an ID. A query that is not in
	// Relevant is left out. They are ranged over once.
	Queries iter.Seq2[Document, error]
	// Pool holds the documents that are searched, each with an ID. Their order breaks
	// ties. It is ranged over twice.
	Pool iter.Seq2[Document, error]
	// Relevant lists the IDs of the documents that answer a query, by the query's ID
	// (qrels). An ID that is not in the pool is left out and counted.
	Relevant map[string][]string
	// Vectors holds the vectors of queries and pool by ID. Nil means Sem.Vectors.
	// Texts with a vector neither there nor in the document go to Sem.Embedder.
	Vectors Vectors
	// LeaveOut leaves out the triples whose query is one of the target's, and counts
	// them in [Score.Skipped]. Texts are compared without regard to case and white
	// space. Without LeaveOut, such a source is cross-fitted: no query is evaluated
	// after steps on triples of its own fold.
	LeaveOut bool
}

// aim is the Target of a run.
type aim struct {
	*Target
	queries  map[fingerprint]bool // folded texts
	ids      map[string]bool      // of queries without a text
	digest   uint64               // of the queries
	notes    []string
	shared   map[string]int // by source: triples whose query is one of the target's
	embedder bool
}

// name returns what reports call the target.
func (a *aim) name() string {
	if a.Name == "" {
		return "the target"
	}
	return a.Name
}

// aimAt reads the labeled pairs of a target. The run is then calibrated on them.
func (s *surveyed) aimAt(ctx context.Context, t *Target) error {
	if t.Queries == nil || t.Pool == nil || len(t.Relevant) == 0 {
		return fmt.Errorf("eci: lookahead: %w: a Target needs Queries, Pool and Relevant", ErrSettings)
	}
	a := &aim{
		Target: t, queries: make(map[fingerprint]bool), ids: make(map[string]bool),
		shared: make(map[string]int), embedder: s.settings.Embedder != nil,
	}
	if err := a.read(ctx, s); err != nil {
		return fmt.Errorf("eci: the target of lookahead: %w", bareError{err})
	}
	s.aim = a
	return nil
}

// read adds the labeled pairs to the run's labels and counts words.
func (a *aim) read(ctx context.Context, s *surveyed) error {
	var queries []Document
	wanted, unjudged := make(map[string]bool), 0
	for q, err := range numbered(ctx, a.Queries, "query") {
		if err != nil {
			return err
		}
		if len(a.Relevant[q.ID]) == 0 {
			unjudged++
			continue
		}
		for _, id := range a.Relevant[q.ID] {
			wanted[id] = true
		}
		q.Vector = slices.Clone(q.Vector)
		queries = append(queries, q)
	}
	documents := make(map[string]Document, len(wanted))
	for d, err := range numbered(ctx, a.Pool, "document") {
		if err != nil {
			return err
		}
		if wanted[d.ID] {
			d.Vector = slices.Clone(d.Vector)
			documents[d.ID] = d
		}
	}
	if len(documents) == 0 {
		return fmt.Errorf("%w: none of the %d queries has a relevant document in the pool; do the ids of Relevant, Queries and Pool belong together?", ErrLookahead, len(queries)+unjudged)
	}
	a.count(s, queries, documents)
	a.say(unjudged, "queries have no judgment and are left out")
	a.say(len(wanted)-len(documents), "relevant documents are not in the pool and are left out")
	return a.offer(s, queries, documents)
}

func (a *aim) say(n int, what string) {
	if n > 0 {
		a.notes = append(a.notes, fmt.Sprintf("%s: %d %s", a.name(), n, what))
	}
}

// numbered yields documents with an ID and adds its place to an error.
func numbered(ctx context.Context, all iter.Seq2[Document, error], what string) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		row := 0
		for d, err := range all {
			row++
			if err == nil {
				err = ctxerr.Of(ctx)
			}
			if err == nil && d.ID == "" {
				err = fmt.Errorf("%w: %s %d has no id", ErrMissingField, what, row)
			}
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}

// count derives the word weights from the relevant documents, if they have texts.
func (a *aim) count(s *surveyed, queries []Document, documents map[string]Document) {
	if s.lexicon != nil {
		return
	}
	lexicon, seen := NewLexicon(s.settings.Tokenizer), make(map[fingerprint]bool)
	for _, q := range queries {
		for _, id := range a.Relevant[q.ID] {
			d := documents[id]
			if f := hash64.FingerprintOf(d.Text); !textcheck.Blank(d.Text) && !seen[f] {
				seen[f] = true
				lexicon.Add(d.Text)
			}
		}
	}
	if len(seen) > 0 {
		s.lexicon = lexicon
	}
}

// offer adds a labeled pair for every query and each of its relevant documents.
func (a *aim) offer(s *surveyed, queries []Document, documents map[string]Document) error {
	looked, blind := make(map[string]bool, len(queries)), 0
	for i := range queries {
		q := &queries[i]
		if looked[q.ID] {
			return fmt.Errorf("%w: two queries have the id %q", ErrMalformed, q.ID)
		}
		looked[q.ID] = true
		a.digest = hash64.Mix(hash64.FNV1a(a.digest, q.ID+"\x00"+q.Text))
		if textcheck.Blank(q.Text) {
			a.ids[q.ID] = true
		} else {
			a.queries[hash64.FingerprintOf(textcheck.Normalize(q.Text))] = true
		}
		if err := a.vector(queryRole, &q.Vector, q.ID, q.Text); err != nil {
			return err
		}
		found := false
		for _, id := range a.Relevant[q.ID] {
			d, ok := documents[id]
			if !ok {
				continue
			}
			found = true
			if err := a.vector(documentRole, &d.Vector, d.ID, d.Text); err != nil {
				return err
			}
			rec := &Record{
				QueryText: q.Text, QueryID: q.ID, QueryVector: q.Vector,
				PositiveText: d.Text, PositiveID: d.ID, PositiveVector: d.Vector, Row: i + 1,
			}
			sides := rec.texts()
			s.labels.offer(a.name(), rec, located{side: sides[0]}.fingerprint(), located{side: sides[1]}.fingerprint())
		}
		if !found {
			blind++
		}
	}
	a.say(blind, "queries have no relevant document in the pool and are left out")
	return nil
}

// vector looks up a vector in the target's own tables, if it has them, by the ID or
// else by the text. Texts that are
// not there are left to the embedder.
func (a *aim) vector(r role, into *[]float32, id, text string) (err error) {
	if *into != nil || a.Vectors == nil || id == "" {
		return nil
	}
	v, _, err := side{role: r, id: id, text: text}.in(a.Vectors, nil)
	switch {
	case err == nil:
		*into = v
		return nil
	case a.embedder && !textcheck.Blank(text) && errors.Is(err, ErrMissingVector):
		return nil
	}
	return err
}

// meets reports whether a triple's query is one of the target's.
func (a *aim) meets(rec *Record) bool {
	return a.queries[hash64.FingerprintOf(textcheck.Normalize(rec.QueryText))] || a.ids[rec.QueryID]
}

// group returns the fold group of a query, the same on both sides. It hashes the text,
// since IDs of different collections are unrelated.
func (a *aim) group(id, text string) int {
	if textcheck.Blank(text) || a.ids[id] {
		return int(hash64.FNV1a(hash64.Offset, id) % foldGroups)
	}
	return int(hash64.FingerprintOf(textcheck.Normalize(text)).Word() % foldGroups)
}

// disjoint reports whether none of the source's triples has a query of the target.
func (a *aim) disjoint(source string) bool { return a != nil && a.shared[source] == 0 }

// key identifies the target.
func (a *aim) key() uint64 {
	if a == nil {
		return 0
	}
	if a.LeaveOut {
		return hash64.Mix(a.digest)
	}
	return a.digest
}

// refuse returns the check of rows for a target that leaves out its own queries.
func (a *aim) refuse(next func(*Record) error) func(*Record) error {
	return func(rec *Record) error {
		if a.meets(rec) {
			return fault.TargetQuery
		}
		if next != nil {
			return next(rec)
		}
		return nil
	}
}

// overlaps returns notes on what sources and target share.
func (a *aim) overlaps(ranked []Ranked) (notes []string) {
	say := func(count func(s Ranked) int, format string) {
		by := make(map[int][]string)
		for _, s := range ranked {
			if n := count(s); n > 0 {
				by[n] = append(by[n], s.Source)
			}
		}
		for _, n := range slices.Sorted(maps.Keys(by)) {
			notes = append(notes, fmt.Sprintf(format, strings.Join(by[n], ", "), n, a.name()))
		}
	}
	say(func(s Ranked) int { return a.shared[s.Source] },
		"%s: %d triples of each have a query of %s. They are cross-fitted: no query was looked at after steps on triples of its fold")
	say(func(s Ranked) int {
		if s.Forecast == nil {
			return 0
		}
		return s.Forecast.InPool
	}, "%s: %d of the triples walked on have a document of the pool of %s")
	return notes
}
