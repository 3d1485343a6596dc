package eci

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"example.com/eci/internal/ctxerr"
	"example.com/eci/internal/hash64"
	"example.com/eci/internal/least"
	"example.com/eci/internal/textcheck"
)

// pool collects the documents that queries are searched in.
type pool struct {
	corpus    bool
	texts     []located
	byID      map[string]int
	byText    map[fingerprint]int
	positives []located           // of all queries, distinct
	relevant  map[string][]string // qrels
	judged    map[string]bool     // ids that qrels of the followed queries name
	kept      *least.Sample[located]
	wanted    []least.Item[located] // relevant ones, beyond the sample
	offered   int
}

// newPool returns a pool of the labeled positives, for more to be read.
func (f *forecaster) newPool(queries []*labeledQuery) *pool {
	relevant := f.settings.Relevant
	const mostDocuments = 4096
	p := &pool{
		byID: make(map[string]int), byText: make(map[fingerprint]int), relevant: relevant,
		judged: make(map[string]bool), kept: least.New[located](mostDocuments),
	}
	seen := make(map[string]bool)
	for _, q := range queries {
		for _, d := range q.positives {
			if name := d.identity(); !seen[name] {
				seen[name] = true
				p.positives = append(p.positives, d)
			}
		}
		for _, id := range relevant[q.query.id] {
			p.judged[id] = true
		}
	}
	slices.SortFunc(p.positives, func(a, b located) int {
		// Documents without an ID come last. One of them is found if another has its
		// text.
		return cmp.Or(cmp.Compare(min(len(b.id), 1), min(len(a.id), 1)), cmp.Compare(a.identity(), b.identity()))
	})
	for _, d := range p.positives {
		p.judged[d.id] = true
	}
	delete(p.judged, "")
	return p
}

// identity distinguishes documents and orders them. It is the ID, or the text of a
// document without one.
func (l located) identity() string { return cmp.Or(l.id, l.text) }

// read adds a corpus.
func (p *pool) read(ctx context.Context, corpus func(yield func(Document, error) bool)) error {
	p.corpus = true
	row := 0
	for d, err := range corpus {
		row++
		if err == nil && d.ID == "" && textcheck.Blank(d.Text) {
			err = fmt.Errorf("%w: document %d has neither an id nor a text", ErrMissingField, row)
		}
		if err == nil {
			err = ctxerr.Of(ctx)
		}
		if err != nil {
			return fmt.Errorf("eci: the pool of lookahead: %w", bareError{err})
		}
		text := located{side{documentRole, d.ID, d.Text, d.Vector}, "document", origin{source: "the pool", row: row, order: row}}
		if p.judged[d.ID] {
			text.vector = slices.Clone(text.vector)
			p.wanted = append(p.wanted, least.Item[located]{Order: row, Value: text})
			continue
		}
		f := text.fingerprint()
		p.kept.Offer(hash64.Mix(hash64.FNV1a(hash64.Offset, string(f[:]))), func() located {
			text.vector = slices.Clone(text.vector)
			return text
		})
	}
	p.offered = row
	return nil
}

// finish orders the pool: the corpus as given, then the labeled positives that are not
// in it, by ID.
func (p *pool) finish() []located {
	inOrder := p.wanted
	for _, item := range p.kept.Sorted() {
		// Offer counts only what it is offered; the row is the place in the corpus.
		item.Order = item.Value.at.order
		inOrder = append(inOrder, item)
	}
	slices.SortFunc(inOrder, func(a, b least.Item[located]) int { return cmp.Compare(a.Order, b.Order) })
	for _, item := range inOrder {
		p.add(item.Value)
	}
	for _, d := range p.positives {
		if _, ok := p.find(d.id, d.text); !ok {
			p.add(d)
		}
	}
	return p.texts
}

// add appends a document, unless there is one with the same ID.
func (p *pool) add(d located) {
	if d.id != "" {
		if _, ok := p.byID[d.id]; ok {
			return
		}
		p.byID[d.id] = len(p.texts)
	}
	if d.text != "" {
		if f := hash64.FingerprintOf(d.text); d.id == "" {
			if _, ok := p.byText[f]; ok {
				return
			}
			p.byText[f] = len(p.texts)
		} else if _, ok := p.byText[f]; !ok {
			p.byText[f] = len(p.texts)
		}
	}
	p.texts = append(p.texts, d)
}

// find returns the place of a document, by its ID if it has a known one, else by its
// text.
func (p *pool) find(id, text string) (int, bool) {
	if id != "" {
		if i, ok := p.byID[id]; ok {
			return i, true
		}
		if !p.corpus {
			return 0, false
		}
	}
	if text == "" {
		return 0, false
	}
	i, ok := p.byText[hash64.FingerprintOf(text)]
	if !ok && p.corpus {
		i, ok = p.byID[text] // a pool of texts, whose vectors are known by them
	}
	return i, ok
}

// relevantTo returns the places of the documents that answer a query, ascending.
func (p *pool) relevantTo(q *labeledQuery) (places []int) {
	for _, d := range q.positives {
		if i, ok := p.find(d.id, d.text); ok {
			places = append(places, i)
		}
	}
	if q.query.id != "" {
		for _, id := range p.relevant[q.query.id] {
			if i, ok := p.byID[id]; ok {
				places = append(places, i)
			}
		}
	}
	slices.Sort(places)
	return slices.Compact(places)
}

// copies counts the documents with the text of an earlier one.
func (p *pool) copies() (n int) {
	seen := make(map[fingerprint]bool)
	for _, d := range p.texts {
		if d.text == "" {
			continue
		}
		f := hash64.FingerprintOf(d.text)
		if seen[f] {
			n++
		}
		seen[f] = true
	}
	return n
}
