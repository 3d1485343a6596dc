package ecibeam

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"

	"example.com/eci"
)

// surveyFn reads all rows. It finds the place of each in the order of its source, the
// positives, and the labels in the samples. It sends the results in large elements at
// the end of a bundle, or when enough has accumulated.
type surveyFn struct {
	Settings Settings

	places         map[string]*packed
	positives      map[string][]byte // texts with their lengths, by shard
	seen           map[fingerprint]bool
	pairs, queries *bounded
}

const (
	binBits = 12
	// mostSeen limits how many texts a bundle remembers, at about 50 bytes each.
	mostSeen = 1 << 20
	// packBytes is the size at which packed places, texts or fingerprints are sent.
	packBytes = 256 << 10
)

func (fn *surveyFn) StartBundle(_ context.Context, _ func(string, []byte), _ func(string, []byte), _ func(string, ranked), _ func(string, keys)) {
	fn.places, fn.positives, fn.seen = make(map[string]*packed), make(map[string][]byte), make(map[fingerprint]bool)
	fn.pairs = newBounded(fn.Settings.size(samplePairs))
	fn.queries = newBounded(fn.Settings.size(sampleQueries))
	if !fn.Settings.Lookahead && fn.Settings.ChoiceSample == 0 {
		fn.queries.most = 0
	}
}

func (fn *surveyFn) ProcessElement(ctx context.Context, r eci.Record, places, positives func(string, []byte), labeled func(string, ranked), least func(string, keys)) {
	surveyed.Inc(ctx, 1)
	q, p := fingerprintOf(r.QueryText), fingerprintOf(r.PositiveText)
	seed := fn.Settings.Seed
	at := fn.places[r.SourceName]
	if at == nil {
		at = new(packed)
		fn.places[r.SourceName] = at
	}
	at.add(placeOf(tripleHash(seed, q, p, fingerprintOf(r.NegativeText)), &r))
	if len(at.data) >= packBytes {
		places(r.SourceName, at.data)
		*at = packed{}
	}
	fn.positive(p, r.PositiveText, positives)

	pair, query := tripleHash(seed, q, p, fingerprint{}), mixed(queryKey(&r), seed)
	if fn.pairs.admits(pair) || fn.queries.admits(query) {
		r.NegativeVector = nil // a third of what a label would carry
		fn.pairs.add(pair, fingerprint{}, &r)
		fn.queries.add(query, p, &r)
	}
}

// positive takes a text that is new to the bundle.
func (fn *surveyFn) positive(p fingerprint, text string, emit func(string, []byte)) {
	if fn.seen[p] {
		return
	}
	if len(fn.seen) == mostSeen {
		clear(fn.seen)
	}
	fn.seen[p] = true
	shard := string(p[:1])
	if fn.positives[shard] = appendText(fn.positives[shard], text); len(fn.positives[shard]) >= packBytes {
		emit(shard, fn.positives[shard])
		fn.positives[shard] = nil
	}
}

func (fn *surveyFn) FinishBundle(_ context.Context, places, positives func(string, []byte), labeled func(string, ranked), least func(string, keys)) {
	for name, at := range fn.places {
		if len(at.data) > 0 {
			places(name, at.data)
		}
	}
	for shard, data := range fn.positives {
		if len(data) > 0 {
			positives(shard, data)
		}
	}
	fn.pairs.send(samplePairs, labeled, least)
	fn.queries.send(sampleQueries, labeled, least)
	fn.places, fn.positives, fn.seen, fn.pairs, fn.queries = nil, nil, nil, nil, nil
}

// place is the place of a row in the order of its source: by hash, and among equal
// texts by where it was read, or by IDs if that is not known.
type place struct {
	Hash uint64
	File string
	Row  int
	ID   string
}

func placeOf(hash uint64, r *eci.Record) place {
	p := place{Hash: hash, File: r.File, Row: r.Row}
	if r.Row == 0 {
		id := rowKey(r)
		p.ID = string(id[:])
	}
	return p
}

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.Hash, o.Hash), cmp.Compare(p.File, o.File), cmp.Compare(p.Row, o.Row), cmp.Compare(p.ID, o.ID))
}

// packed holds places one after the other. A file is named where it changes.
type packed struct {
	data []byte
	file string
}

func (p *packed) add(at place) {
	p.data = binary.LittleEndian.AppendUint64(p.data, at.Hash)
	p.data = binary.AppendUvarint(p.data, uint64(at.Row))
	p.data = appendText(p.data, at.ID)
	if p.file == at.File {
		p.data = append(p.data, 0)
		return
	}
	p.file = at.File
	p.data = appendText(append(p.data, 1), at.File)
}

// eachPlace calls fn with packed places.
func eachPlace(data []byte, fn func(p place)) error {
	file := ""
	for r := (reader{data: data}); len(r.data) > 0; {
		head := r.take(8)
		p := place{Row: int(r.uvarint()), ID: r.text()}
		if r.uvarint() == 1 {
			file = r.text()
		}
		if r.bad {
			return fmt.Errorf("eci/beam: places: %w: %d bytes are not stored places", eci.ErrFormat, len(data))
		}
		p.Hash, p.File = binary.LittleEndian.Uint64(head), file
		fn(p)
	}
	return nil
}

// binsFn counts rows by source and bin of hashes.
type binsFn struct{}

func (binsFn) ProcessElement(source string, data []byte, emit func(string, counts)) error {
	var bins [1 << binBits]int64
	if err := eachPlace(data, func(p place) { bins[p.Hash>>(64-binBits)]++ }); err != nil {
		return err
	}
	c := make(counts)
	for bin, n := range bins {
		if n > 0 {
			c[binName(bin)] = n
		}
	}
	emit(source, c)
	return nil
}

func binName(bin int) string { return string([]byte{byte(bin >> 8), byte(bin)}) }
