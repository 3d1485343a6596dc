package ecibeam

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"example.com/eci"
)

// bounded is a sample of rows by least order: of every order among the least most
// ones, the rows with different ids, or, with one, the most least rows. Samples of
// parts merge into that of the whole, whatever the parts were. Of two rows of one
// order and id, the one that compareRows puts first is kept.
type bounded struct {
	*sample
}

type sample struct {
	most  int
	one   bool // counts rows, not orders
	full  bool
	limit uint64 // of orders that may still be in, when full
	items map[itemKey]eci.Record
	size  int // of items after the last compaction
}

type itemKey struct {
	order uint64
	id    fingerprint
}

func newBounded(most int, one bool) bounded {
	return bounded{&sample{most: most, one: one, items: make(map[itemKey]eci.Record)}}
}

func (b bounded) add(order uint64, id fingerprint, r *eci.Record) {
	if b.full && order > b.limit {
		return
	}
	key := itemKey{order, id}
	if old, ok := b.items[key]; ok && compareRows(&old, r) <= 0 {
		return
	}
	b.items[key] = *r
	if len(b.items) > 2*max(b.most, b.size) {
		b.compact()
	}
}

// compact leaves what belongs in the sample.
func (b bounded) compact() []itemKey {
	keys := slices.SortedFunc(maps.Keys(b.items), func(x, y itemKey) int {
		return cmp.Or(cmp.Compare(x.order, y.order), bytes.Compare(x.id[:], y.id[:]))
	})
	kept, orders := 0, 0
	for i, k := range keys {
		if b.one || i == 0 || k.order != keys[i-1].order {
			if orders == b.most {
				break
			}
			orders++
		}
		kept++
	}
	for _, k := range keys[kept:] {
		delete(b.items, k)
	}
	if orders == b.most && kept > 0 {
		b.full, b.limit = true, keys[kept-1].order
	}
	b.size = kept
	return keys[:kept]
}

// rows returns the sample by order.
func (b bounded) rows() []eci.Record {
	keys := b.compact()
	rows := make([]eci.Record, len(keys))
	for i, k := range keys {
		rows[i] = b.items[k]
	}
	return rows
}

func (b bounded) merge(o bounded) {
	for k, r := range o.items {
		b.add(k.order, k.id, &r)
	}
}

func encodeBounded(b bounded) []byte {
	keys := b.compact()
	out := binary.AppendUvarint(nil, uint64(b.most))
	out = append(out, 0)
	if b.one {
		out[len(out)-1] = 1
	}
	for _, k := range keys {
		out = binary.LittleEndian.AppendUint64(out, k.order)
		out = append(out, k.id[:]...)
		row := encodeRecord(b.items[k])
		out = binary.AppendUvarint(out, uint64(len(row)))
		out = append(out, row...)
	}
	return out
}

func decodeBounded(data []byte) (bounded, error) {
	bad := fmt.Errorf("eci/beam: sample: %w: %d bytes are not a stored sample", eci.ErrFormat, len(data))
	most, n := binary.Uvarint(data)
	if n <= 0 || len(data) < n+1 || most > 1<<30 {
		return bounded{}, bad
	}
	b := newBounded(int(most), data[n] == 1)
	for data = data[n+1:]; len(data) > 0; {
		var k itemKey
		head := 8 + len(k.id)
		if len(data) < head {
			return bounded{}, bad
		}
		k.order = binary.LittleEndian.Uint64(data)
		copy(k.id[:], data[8:])
		size, n := binary.Uvarint(data[head:])
		if n <= 0 || size > uint64(len(data)-head-n) {
			return bounded{}, bad
		}
		data = data[head+n:]
		r, err := decodeRecord(data[:size])
		if err != nil {
			return bounded{}, err
		}
		data = data[size:]
		b.items[k] = r
	}
	b.compact()
	return b, nil
}
