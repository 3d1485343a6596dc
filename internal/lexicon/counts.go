// Package lexicon counts in how many documents tokens are, and compares texts by
// the inverse document frequencies (IDF) of the tokens that they share.
package lexicon

import (
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"example.com/eci/internal/sorted"
)

// Counts are document frequencies. Nil is none. Goroutines may share Counts that
// nothing more is added to.
type Counts struct {
	documents int
	ids       map[string]uint32 // in the order in which tokens were first seen
	counts    []uint32          // by id
	bytes     int64             // of all tokens
	shared    atomic.Bool       // by several owners; Writable copies them

	mutex  sync.Mutex // held while frozen is made
	frozen atomic.Pointer[weights]
}

// weights are what features are taken with; they are never changed.
type weights struct {
	rank  []uint32          // by id: the token's place in byte order
	idf   []float64         // by rank
	rare  float64           // idf of a token that no document contains
	short map[uint64]uint32 // ranks of tokens of up to 8 bytes, by their packed bytes
}

var none Counts

// read returns c or, for nil, no counts.
func (c *Counts) read() *Counts {
	if c == nil {
		return &none
	}
	return c
}

// Share says that c has one more owner.
func (c *Counts) Share() *Counts {
	if c != nil {
		c.shared.Store(true)
	}
	return c
}

// Writable returns counts that the caller alone owns: c, or a copy of it if c is
// shared or nil.
func (c *Counts) Writable() *Counts {
	switch {
	case c == nil:
		return &Counts{ids: make(map[string]uint32)}
	case c.shared.Load():
		return &Counts{documents: c.documents, ids: maps.Clone(c.ids), counts: slices.Clone(c.counts), bytes: c.bytes}
	}
	return c
}

// Add counts a document by its tokens, which it sorts.
func (c *Counts) Add(tokens []string) {
	c.documents++
	c.frozen.Store(nil)
	slices.Sort(tokens)
	for i, t := range tokens {
		if i > 0 && t == tokens[i-1] {
			continue
		}
		id, ok := c.ids[t]
		if !ok {
			id = c.add(strings.Clone(t), 0)
		}
		c.counts[id]++
	}
}

// add takes in a token that is not there yet.
func (c *Counts) add(token string, count uint32) (id uint32) {
	id = uint32(len(c.counts))
	c.ids[token] = id
	c.counts = append(c.counts, count)
	c.bytes += int64(len(token))
	return id
}

// Documents returns the number of documents counted.
func (c *Counts) Documents() int { return c.read().documents }

// Tokens returns the number of distinct tokens.
func (c *Counts) Tokens() int { return len(c.read().counts) }

// Bytes is the memory that the counts take, roughly.
func (c *Counts) Bytes() int64 {
	const beyond = 100 // a token's own bytes, measured: an entry of ids and of short, count, rank and weight
	return c.read().bytes + beyond*int64(c.Tokens())
}

// IDF returns the weight of a token, in nats, above 0.
func (c *Counts) IDF(token string) float64 {
	c = c.read()
	if id, ok := c.ids[token]; ok {
		return idf(c.documents, c.counts[id])
	}
	return idf(c.documents, 0)
}

// IDFOf returns the weight that a token of this document frequency has.
func (c *Counts) IDFOf(frequency uint32) float64 { return idf(c.Documents(), frequency) }

func idf(documents int, frequency uint32) float64 {
	df := float64(frequency)
	return math.Log(1 + (float64(documents)-df+0.5)/(df+0.5))
}

// Stored is the stored form: df by token, in token order.
type Stored struct {
	Tokenizer   string            `json:"tokenizer"`
	Documents   int               `json:"documents"`
	Frequencies map[string]uint32 `json:"document_frequencies"`
}

// Stored returns the counts in their stored form, with a tokenizer's name.
func (c *Counts) Stored(tokenizer string) Stored {
	c = c.read()
	out := Stored{tokenizer, c.documents, make(map[string]uint32, len(c.ids))}
	for t, id := range c.ids {
		out.Frequencies[t] = c.counts[id]
	}
	return out
}

// Counts returns the counts of a stored form, or the first error of check, which is
// asked about every token in order.
func (s *Stored) Counts(check func(token string, frequency uint32) error) (*Counts, error) {
	c := &Counts{documents: s.Documents, ids: make(map[string]uint32, len(s.Frequencies))}
	for _, t := range sorted.Keys(s.Frequencies) {
		if err := check(t, s.Frequencies[t]); err != nil {
			return nil, err
		}
		c.add(t, s.Frequencies[t])
	}
	return c, nil
}

// freeze returns the weights of the counts as they are, made once.
func (c *Counts) freeze() *weights {
	if w := c.frozen.Load(); w != nil {
		return w
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if w := c.frozen.Load(); w != nil {
		return w
	}
	// Features are sorted by rank, so that sums of weights are the same for a
	// lexicon that was counted and one that was loaded.
	tokens := make([]string, 0, len(c.ids))
	for t := range c.ids {
		tokens = append(tokens, t)
	}
	slices.Sort(tokens)
	w := &weights{
		rank: make([]uint32, len(tokens)), idf: make([]float64, len(tokens)),
		rare: idf(c.documents, 0), short: make(map[uint64]uint32),
	}
	for rank, t := range tokens {
		id := c.ids[t]
		w.rank[id], w.idf[rank] = uint32(rank), idf(c.documents, c.counts[id])
		if key, ok := packed(t); ok {
			w.short[key] = uint32(rank)
		}
	}
	c.frozen.Store(w)
	return w
}

// packed returns the bytes of a token of up to 8 as a number, which is faster to
// look up than a string. Tokens that end in a zero byte have none: they would
// equal shorter ones.
func packed(token string) (key uint64, ok bool) {
	n := len(token)
	if n == 0 || n > 8 || token[n-1] == 0 {
		return 0, false
	}
	if n >= 4 { // two loads that may overlap
		end := token[n-4:]
		first := uint64(token[0]) | uint64(token[1])<<8 | uint64(token[2])<<16 | uint64(token[3])<<24
		last := uint64(end[0]) | uint64(end[1])<<8 | uint64(end[2])<<16 | uint64(end[3])<<24
		return first | last<<(8*(n-4)), true
	}
	for i := n - 1; i >= 0; i-- {
		key = key<<8 | uint64(token[i])
	}
	return key, true
}

// find returns the rank of a token.
func (c *Counts) find(w *weights, token string) (rank uint32, ok bool) {
	if key, ok := packed(token); ok {
		rank, ok = w.short[key]
		return rank, ok
	}
	id, ok := c.ids[token]
	if !ok {
		return 0, false
	}
	return w.rank[id], true
}
