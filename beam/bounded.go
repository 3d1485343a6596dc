package ecibeam

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"example.com/eci"
)

// bounded is a sample of rows by least order. It keeps, of every order among the
// lowest most ones, the rows with different IDs or, with one, the lowest most rows.
// Samples of parts merge into that of the whole, whatever the parts were. Of two rows
// with equal order and ID, it keeps the one that compareRows puts first.
//
// A sample of large rows is more than a runner accepts as one element. So a bundle
// sends the rows of its own sample one by one, and separately their keys, 22 bytes
// each. The keys combine into the limit of the sample of all rows; see [leastRows].
type bounded struct {
	most  int
	one   bool // counts rows, not orders
	full  bool
	limit uint64 // of orders that may still be in, when full
	items map[itemKey]eci.Record
	size  int // of items after the last compaction
}

// itemKey is the place of a row in a sample.
type itemKey struct {
	order uint64
	id    fingerprint
}

func (k itemKey) compare(o itemKey) int {
	return cmp.Or(cmp.Compare(k.order, o.order), bytes.Compare(k.id[:], o.id[:]))
}

func newBounded(most int, one bool) *bounded {
	return &bounded{most: most, one: one, items: make(map[itemKey]eci.Record)}
}

func (b *bounded) add(order uint64, id fingerprint, r *eci.Record) {
	if b.most == 0 || b.full && order > b.limit {
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

// admits reports, before an ID is computed, whether a row of this order can be in.
func (b *bounded) admits(order uint64) bool { return b.most > 0 && (!b.full || order <= b.limit) }

// compact removes what does not belong in the sample, and returns its keys in order.
func (b *bounded) compact() []itemKey {
	keys := slices.SortedFunc(maps.Keys(b.items), itemKey.compare)
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

// rows returns the sample, sorted by order.
func (b *bounded) rows() []eci.Record {
	keys := b.compact()
	rows := make([]eci.Record, len(keys))
	for i, k := range keys {
		rows[i] = b.items[k]
	}
	return rows
}

// The names of samples: pairs and queries of the labels, and the triples of each
// source, after sampleOf.
const (
	samplePairs   = "pairs"
	sampleQueries = "queries"
	sampleOf      = "triples/"
)

// size returns the number of rows, or of orders, in the sample with a name.
func (s Settings) size(name string) (most int, one bool) {
	switch name {
	case samplePairs:
		return mostPairs, false
	case sampleQueries:
		return mostQueries, false
	}
	return s.sampled(), true
}

// ranked is a row with its place in a sample.
type ranked struct {
	Key itemKey
	Row eci.Record
}

func encodeRanked(r ranked) []byte { return append(appendKey(nil, r.Key), encodeRecord(r.Row)...) }

const keySize = 8 + len(fingerprint{})

func appendKey(out []byte, k itemKey) []byte {
	return append(binary.LittleEndian.AppendUint64(out, k.order), k.id[:]...)
}

func keyIn(data []byte) (k itemKey) {
	k.order = binary.LittleEndian.Uint64(data)
	copy(k.id[:], data[8:])
	return k
}

func decodeRanked(data []byte) (r ranked, err error) {
	if len(data) < keySize {
		return r, fmt.Errorf("eci/beam: sample: %w: %d bytes are not a stored row", eci.ErrFormat, len(data))
	}
	r.Key = keyIn(data)
	r.Row, err = decodeRecord(data[keySize:])
	return r, err
}

// keys are the lowest keys of a sample, in order. A plain slice would not be encoded
// by the coder that is registered for it.
type keys struct{ least []itemKey }

func encodeKeys(k keys) []byte {
	out := make([]byte, 0, keySize*len(k.least))
	for _, x := range k.least {
		out = appendKey(out, x)
	}
	return out
}

func decodeKeys(data []byte) (keys, error) {
	if len(data)%keySize != 0 {
		return keys{}, fmt.Errorf("eci/beam: keys: %w: %d bytes are not stored keys", eci.ErrFormat, len(data))
	}
	out := make([]itemKey, 0, len(data)/keySize)
	for ; len(data) > 0; data = data[keySize:] {
		out = append(out, keyIn(data))
	}
	return keys{out}, nil
}

// keysFn keeps the lowest keys, each once. Most is the largest size of any sample;
// limitsFn cuts off what a sample has beyond its own size.
type keysFn struct{ Most int }

func (fn *keysFn) CreateAccumulator() keys { return keys{} }

func (fn *keysFn) AddInput(a, b keys) keys { return fn.MergeAccumulators(a, b) }

func (fn *keysFn) MergeAccumulators(a, b keys) keys {
	out := append(slices.Clone(a.least), b.least...)
	slices.SortFunc(out, itemKey.compare)
	out = slices.Compact(out)
	return keys{out[:min(len(out), fn.Most)]}
}

// send emits the rows and keys of a bundle's sample.
func (b *bounded) send(name string, row func(string, ranked), least func(string, keys)) {
	in := b.compact()
	if len(in) == 0 {
		return
	}
	for _, k := range in {
		row(name, ranked{k, b.items[k]})
	}
	least(name, b.keysOf(in))
}

// keysOf returns the keys that are counted. They have no IDs if orders are counted.
func (b *bounded) keysOf(in []itemKey) keys {
	out := slices.Clone(in)
	if !b.one {
		for i := range out {
			out[i].id = fingerprint{}
		}
		out = slices.Compact(out)
	}
	return keys{out}
}

// leastRows draws the samples of all rows from those of bundles. It returns KVs of a
// sample's name and a row.
func leastRows(s beam.Scope, settings Settings, rows, least beam.PCollection) beam.PCollection {
	s = s.Scope("Least")
	most := max(mostPairs, mostQueries, settings.sampled())
	limits := beam.ParDo(s, &limitsFn{settings}, beam.Impulse(s), beam.SideInput{Input: beam.CombinePerKey(s, &keysFn{most}, least)})
	in := beam.ParDo(s, &withinFn{Settings: settings}, rows, beam.SideInput{Input: limits})
	return beam.ParDo(s, &drawFn{settings}, beam.GroupByKey(s, in))
}

// limitsFn finds the last key of each sample that is full.
type limitsFn struct{ Settings Settings }

func (fn *limitsFn) ProcessElement(_ []byte, least func(*string, *keys) bool, emit func([]byte)) {
	var out []byte
	var name string
	for k := (keys{}); least(&name, &k); k = (keys{}) {
		if most, _ := fn.Settings.size(name); most > 0 && len(k.least) >= most {
			out = appendKey(appendText(out, name), k.least[most-1])
		}
	}
	emit(out)
}

// withinFn drops rows beyond the limit of their sample.
type withinFn struct {
	Settings Settings
	limits   map[string]itemKey
}

func (fn *withinFn) StartBundle(_ []byte, _ func(string, ranked)) { fn.limits = nil }

func (fn *withinFn) ProcessElement(name string, r ranked, limits []byte, emit func(string, ranked)) {
	if fn.limits == nil {
		fn.limits = make(map[string]itemKey)
		for in := (reader{data: limits}); len(in.data) > 0; {
			name := in.text()
			fn.limits[name] = keyIn(in.take(keySize))
		}
	}
	key := r.Key
	if _, one := fn.Settings.size(name); !one {
		key.id = fingerprint{}
	}
	if limit, ok := fn.limits[name]; !ok || key.compare(limit) <= 0 {
		emit(name, r)
	}
}

// drawFn takes each row of a sample once.
type drawFn struct{ Settings Settings }

func (fn *drawFn) ProcessElement(_ context.Context, name string, rows func(*ranked) bool, emit func(string, eci.Record)) {
	b := newBounded(fn.Settings.size(name))
	for r := (ranked{}); rows(&r); r = (ranked{}) {
		b.add(r.Key.order, r.Key.id, &r.Row)
	}
	for _, r := range b.rows() {
		emit(name, r)
	}
}

// sourceOf returns the source that a sample is from, if it is from one.
func sourceOf(name string) (string, bool) { return strings.CutPrefix(name, sampleOf) }
