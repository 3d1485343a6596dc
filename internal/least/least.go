// Package least keeps bounded samples of a stream by least hash. A hash of the
// item decides, so the same item is always in or out, samples of growing sizes
// are nested, and the sample of a union is the least of the union of the samples.
package least

import (
	"cmp"
	"container/heap"
	"slices"
)

// Sample holds the items with the smallest hashes of those offered, at most a
// fixed number. Among items of equal hash the earlier ones are kept. The zero
// value keeps nothing; use [New].
type Sample[T any] struct {
	most int
	seen int
	heap items[T]
}

// Item is one kept item with its hash and its place in the stream, from 0.
type Item[T any] struct {
	Hash  uint64
	Order int
	Value T
}

// items is a max-heap: the item to leave next is the first.
type items[T any] []Item[T]

func compare[T any](a, b Item[T]) int {
	return cmp.Or(cmp.Compare(a.Hash, b.Hash), cmp.Compare(a.Order, b.Order))
}

func (s items[T]) Len() int           { return len(s) }
func (s items[T]) Less(i, j int) bool { return compare(s[i], s[j]) > 0 }
func (s items[T]) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *items[T]) Push(x any)        { *s = append(*s, x.(Item[T])) }
func (s *items[T]) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}

// New returns an empty sample of at most most items.
func New[T any](most int) *Sample[T] { return &Sample[T]{most: most} }

// Offer counts an item and keeps it if its hash is among the smallest so far.
// make is called only then, so that what is expensive to copy is copied only for
// items that are kept.
func (s *Sample[T]) Offer(hash uint64, make func() T) {
	order := s.seen
	s.seen++
	switch {
	case len(s.heap) < s.most:
		heap.Push(&s.heap, Item[T]{hash, order, make()})
	case s.most > 0 && hash < s.heap[0].Hash:
		s.heap[0] = Item[T]{hash, order, make()}
		heap.Fix(&s.heap, 0)
	}
}

// Len returns the number of items kept and Seen that of items offered.
func (s *Sample[T]) Len() int { return len(s.heap) }

// Seen returns the number of items offered.
func (s *Sample[T]) Seen() int { return s.seen }

// Sorted returns the kept items by ascending hash, equal ones in the order they
// were offered.
func (s *Sample[T]) Sorted() []Item[T] {
	sorted := slices.Clone(s.heap)
	slices.SortFunc(sorted, compare[T])
	return sorted
}

// Distinct holds the values of the smallest hashes of those offered, one for each
// hash, at most a fixed number. The zero value keeps nothing; use [NewDistinct].
type Distinct[T any] struct {
	most   int
	values map[uint64]*T
	heap   hashes
}

// hashes is a max-heap.
type hashes []uint64

func (s hashes) Len() int           { return len(s) }
func (s hashes) Less(i, j int) bool { return s[i] > s[j] }
func (s hashes) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *hashes) Push(x any)        { *s = append(*s, x.(uint64)) }
func (s *hashes) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}

// NewDistinct returns an empty sample of at most most values.
func NewDistinct[T any](most int) *Distinct[T] {
	return &Distinct[T]{most: most, values: make(map[uint64]*T)}
}

// Offer returns the value kept under a hash: the one that is there, or a new one
// from make if the hash is among the smallest so far. It returns nil for a hash
// that is not kept; a hash that has left the sample never comes back.
func (s *Distinct[T]) Offer(hash uint64, make func() T) *T {
	if v, ok := s.values[hash]; ok {
		return v
	}
	switch {
	case len(s.heap) < s.most:
		heap.Push(&s.heap, hash)
	case s.most > 0 && hash < s.heap[0]:
		delete(s.values, s.heap[0])
		s.heap[0] = hash
		heap.Fix(&s.heap, 0)
	default:
		return nil
	}
	v := new(T)
	*v = make()
	s.values[hash] = v
	return v
}

// Len returns the number of values kept.
func (s *Distinct[T]) Len() int { return len(s.heap) }

// Full reports whether the sample holds as many values as it may, so that others
// may have been left out.
func (s *Distinct[T]) Full() bool { return len(s.heap) == s.most }

// Sorted returns the kept values by ascending hash.
func (s *Distinct[T]) Sorted() []*T {
	sorted := slices.Clone(s.heap)
	slices.Sort(sorted)
	values := make([]*T, len(sorted))
	for i, hash := range sorted {
		values[i] = s.values[hash]
	}
	return values
}
