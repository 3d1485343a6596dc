package eci

import (
	"maps"
	"slices"
	"strings"
)

// cache keeps values by text up to a limit in bytes. What is in stays in: a scan
// over more texts than fit would evict everything before it comes again.
type cache[V any] struct {
	limit, used int64
	values      map[string]V
}

func newCache[V any](limit int64) *cache[V] {
	return &cache[V]{limit: limit, values: make(map[string]V)}
}

func (c *cache[V]) get(text string) (V, bool) {
	v, ok := c.values[text]
	return v, ok
}

// put keeps a copy of the text with a value of the given size, if both fit.
func (c *cache[V]) put(text string, value V, bytes int64) {
	bytes += int64(len(text)) + 64
	if c.used+bytes > c.limit {
		return
	}
	c.used += bytes
	c.values[strings.Clone(text)] = value
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
