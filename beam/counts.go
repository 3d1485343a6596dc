package ecibeam

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"example.com/eci"
)

// counts are counts by name that add up. Many of them are sent as one element, because
// an element for each would cost a runner more than the count.
type counts map[string]int64

// encodeCounts writes names in sorted order, so that equal counts give equal bytes.
func encodeCounts(c counts) []byte {
	var out []byte
	for _, name := range slices.Sorted(maps.Keys(c)) {
		out = appendText(out, name)
		out = binary.AppendVarint(out, c[name])
	}
	return out
}

func decodeCounts(data []byte) (counts, error) {
	c := make(counts)
	for r := (reader{data: data}); len(r.data) > 0; {
		name := r.text()
		c[name] = r.varint()
		if r.bad {
			return nil, fmt.Errorf("eci/beam: counts: %w: %d bytes are not stored counts", eci.ErrFormat, len(data))
		}
	}
	return c, nil
}

// countsFn adds counts.
type countsFn struct{}

func (countsFn) CreateAccumulator() counts { return make(counts) }

func (countsFn) AddInput(a, b counts) counts { return addCounts(a, b) }

func (countsFn) MergeAccumulators(a, b counts) counts { return addCounts(a, b) }

func addCounts(a, b counts) counts {
	for name, n := range b {
		a[name] += n
	}
	return a
}

func appendText(out []byte, s string) []byte {
	out = binary.AppendUvarint(out, uint64(len(s)))
	return append(out, s...)
}

// reader reads what the append functions wrote. After an error it returns zeros.
type reader struct {
	data []byte
	bad  bool
}

func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint(r.data)
	if size <= 0 {
		r.data, r.bad = nil, true
		return 0
	}
	r.data = r.data[size:]
	return n
}

func (r *reader) varint() int64 {
	n, size := binary.Varint(r.data)
	if size <= 0 {
		r.data, r.bad = nil, true
		return 0
	}
	r.data = r.data[size:]
	return n
}

// length reads the number of items of the given size, which must all follow.
func (r *reader) length(width int) int {
	n := r.uvarint()
	if n > uint64(len(r.data)/width) {
		r.data, r.bad = nil, true
		return 0
	}
	return int(n)
}

// take returns the next n bytes.
func (r *reader) take(n int) []byte {
	if n > len(r.data) {
		r.data, r.bad = nil, true
		return nil
	}
	out := r.data[:n]
	r.data = r.data[n:]
	return out
}

func (r *reader) text() string { return string(r.take(r.length(1))) }
