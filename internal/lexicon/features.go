package lexicon

import (
	"slices"
	"strings"
	"sync"

	"example.com/eci/internal/sorted"
)

// Features is the set of distinct tokens of one text: ids of known tokens in
// ascending order with weights, the unknown tokens as sorted strings, and the
// total mass. All unknown tokens weigh the same.
type Features struct {
	ids     []uint32
	weights []float64 // by id: those of the lexicon
	unknown []string
	rare    float64 // weight of each unknown token
	mass    float64
}

// Scratch is working memory for one goroutine, of any lexicon.
type Scratch struct {
	tokens []string
	seen   []uint32 // by id: the last text it was seen in
	text   uint32
	sorted []uint32
}

// sort puts ids, of which the largest is given, in ascending order: byte by byte
// from the lowest, which beats comparing from a few dozen on.
func (s *Scratch) sort(ids []uint32, largest uint32) {
	if len(ids) < 32 {
		slices.Sort(ids)
		return
	}
	if cap(s.sorted) < len(ids) {
		s.sorted = make([]uint32, len(ids))
	}
	from, to := ids, s.sorted[:len(ids)]
	for shift := 0; shift < 32 && largest>>shift > 0; shift += 8 {
		var ends [257]uint32 // of the buckets before a byte
		for _, id := range from {
			ends[int(uint8(id>>shift))+1]++
		}
		for b := range 256 {
			ends[b+1] += ends[b]
		}
		for _, id := range from {
			b := uint8(id >> shift)
			to[ends[b]] = id
			ends[b]++
		}
		from, to = to, from
	}
	copy(ids, from)
}

var scratches = sync.Pool{New: func() any { return new(Scratch) }}

// Borrow returns working memory, which Return gives back.
func Borrow() *Scratch { return scratches.Get().(*Scratch) }

// Return gives back what Borrow returned.
func (s *Scratch) Return() { scratches.Put(s) }

// Bytes is the memory that a cached value takes, roughly.
func (f *Features) Bytes() int64 {
	return int64(4*len(f.ids) + 32*len(f.unknown) + 96)
}

// Tokenizer splits texts.
type Tokenizer interface {
	AppendTokens(dst []string, text string) []string
}

// Features returns the features of a text.
func (c *Counts) Features(tokenizer Tokenizer, text string, s *Scratch) *Features {
	c = c.read()
	w := c.freeze()
	s.tokens = tokenizer.AppendTokens(s.tokens[:0], text)
	if s.text++; len(s.seen) < len(w.idf) || s.text == 0 {
		s.seen, s.text = make([]uint32, len(w.idf)), 1
	}
	f := &Features{rare: w.rare, ids: make([]uint32, 0, len(s.tokens)), weights: w.idf}
	largest := uint32(0)
	for _, t := range s.tokens {
		if id, ok := c.find(w, t); !ok {
			f.unknown = append(f.unknown, strings.Clone(t))
		} else if s.seen[id] != s.text {
			s.seen[id] = s.text
			f.ids = append(f.ids, id)
			largest = max(largest, id)
		}
	}
	s.sort(f.ids, largest)
	slices.Sort(f.unknown)
	f.unknown = slices.Compact(f.unknown)
	for _, id := range f.ids {
		f.mass += f.weights[id]
	}
	f.mass += f.rare * float64(len(f.unknown))
	return f
}

// shared is the IDF mass of the tokens that a and b have in common.
func shared(a, b *Features) float64 {
	var mass float64
	sorted.Common(a.ids, b.ids, func(id uint32) bool {
		mass += a.weights[id]
		return true
	})
	common := 0
	sorted.Common(a.unknown, b.unknown, func(string) bool {
		common++
		return true
	})
	return mass + a.rare*float64(common)
}

// Without returns the features of f that are not in g. Both come from one
// lexicon.
func (f *Features) Without(g *Features) *Features {
	out := &Features{rare: f.rare, weights: f.weights, ids: sorted.Minus(f.ids, g.ids), unknown: sorted.Minus(f.unknown, g.unknown)}
	for _, id := range out.ids {
		out.mass += f.weights[id]
	}
	out.mass += out.rare * float64(len(out.unknown))
	return out
}

// ShareRare reports whether a and b have a known token of weight at least least
// in common.
func ShareRare(a, b *Features, least float64) (found bool) {
	sorted.Common(a.ids, b.ids, func(id uint32) bool {
		found = a.weights[id] >= least
		return !found
	})
	return found
}

// Coverage returns the mass of the tokens of q that n has, over that of all of q's,
// in [0, 1]; 0 if q has none. Both come from one lexicon.
func Coverage(q, n *Features) float64 {
	if q.mass == 0 {
		return 0
	}
	return min(1, shared(q, n)/q.mass)
}

// Overlap returns the mass of the tokens that p and n share, over that of all of
// them, in [0, 1]; 0 if neither has any. Both come from one lexicon.
func Overlap(p, n *Features) float64 {
	both := shared(p, n)
	either := p.mass + n.mass - both
	if either <= 0 {
		return 0
	}
	return min(1, both/either)
}
