package design

import "slices"

// openBatches limits how many batches an item may be put in.
const openBatches = 1024

// Batches puts items with keys into batches of equal size in which no key occurs
// twice.
type Batches[K comparable] struct {
	size, items int
	open        []*openBatch[K]
	done, left  []int
	full        int
}

// openBatch is a batch with room.
type openBatch[K comparable] struct {
	items []int
	keys  map[K]struct{}
}

// NewBatches returns batches of the given size, at least 1.
func NewBatches[K comparable](size int) *Batches[K] { return &Batches[K]{size: size} }

// Add puts the next item into the first open batch that has none of its keys. The keys
// of one item may be equal.
func (b *Batches[K]) Add(keys ...K) {
	b.items++
	at := slices.IndexFunc(b.open, func(o *openBatch[K]) bool {
		return !slices.ContainsFunc(keys, func(key K) bool { _, taken := o.keys[key]; return taken })
	})
	if at < 0 && len(b.open) == openBatches {
		b.left = append(b.left, b.items)
		return
	}
	if at < 0 {
		b.open, at = append(b.open, &openBatch[K]{keys: make(map[K]struct{})}), len(b.open)
	}
	o := b.open[at]
	o.items = append(o.items, b.items)
	for _, key := range keys {
		o.keys[key] = struct{}{}
	}
	if len(o.items) == b.size {
		b.done = append(b.done, o.items...)
		b.full++
		b.open = slices.Delete(b.open, at, at+1)
	}
}

// Order returns the numbers of the items, from 1, with those of full batches first.
func (b *Batches[K]) Order() (items []int, full int) {
	items = slices.Clone(b.done)
	for _, o := range b.open {
		items = append(items, o.items...)
	}
	return append(items, b.left...), b.full
}
