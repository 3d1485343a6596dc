// Package textcache caches values computed from texts, within a limit.
package textcache

import "strings"

// Cache keeps values by text up to a limit in bytes. It never evicts: a scan over more
// texts than fit would evict everything before it is needed again.
type Cache[V any] struct {
	limit, used int64
	values      map[string]V
}

// New returns a cache that keeps at most limit bytes.
func New[V any](limit int64) *Cache[V] {
	return &Cache[V]{limit: limit, values: make(map[string]V)}
}

// Get returns the value of a text.
func (c *Cache[V]) Get(text string) (V, bool) {
	v, ok := c.values[text]
	return v, ok
}

// Put keeps a copy of the text with a value of the given size, if both fit.
func (c *Cache[V]) Put(text string, value V, bytes int64) {
	bytes += int64(len(text)) + 64
	if c.used+bytes > c.limit {
		return
	}
	c.used += bytes
	c.values[strings.Clone(text)] = value
}
