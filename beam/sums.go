package ecibeam

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
	"math"
	"slices"
	"strconv"
	"strings"

	"example.com/eci"
	"example.com/eci/internal/gram"
)

// A part is a part of the sum of outer products of a source and group. It holds rows
// while these are fewer numbers than the triangle of their sum, and then a tile of the
// triangle, so that no element is larger than elementBytes. Rows are collected by
// group and folded. Tiles are added number by number.
type part struct {
	Dimension int
	Group     int
	Tile      int       // of the triangle; of rows -1
	Numbers   []float64 // rows one after the other, or a tile
}

// tileNumbers is the length of all tiles except the last.
const tileNumbers = elementBytes / 8

func encodePart(p part) []byte {
	out := make([]byte, 0, 24+8*len(p.Numbers))
	out = binary.AppendUvarint(out, uint64(p.Dimension))
	out = binary.AppendUvarint(out, uint64(p.Group))
	out = binary.AppendVarint(out, int64(p.Tile))
	out = binary.AppendUvarint(out, uint64(len(p.Numbers)))
	for _, x := range p.Numbers {
		out = binary.LittleEndian.AppendUint64(out, math.Float64bits(x))
	}
	return out
}

func decodePart(data []byte) (part, error) {
	r := reader{data: data}
	p := part{Dimension: int(r.uvarint()), Group: int(r.uvarint()), Tile: int(r.varint())}
	n := r.length(8)
	if r.bad || len(r.data) != 8*n || p.Dimension < 1 || p.Tile < 0 && n%p.Dimension != 0 {
		return part{}, fmt.Errorf("eci/beam: sums: %w: %d bytes are not a stored part", eci.ErrFormat, len(data))
	}
	p.Numbers = make([]float64, n)
	for i := range p.Numbers {
		p.Numbers[i] = math.Float64frombits(binary.LittleEndian.Uint64(r.data[8*i:]))
	}
	return p, nil
}

// groupKey is the key of a group of a source, tileKey that of a tile of its triangle.
// The numbers come before the name of the source, which may contain anything.
func groupKey(group int, source string) string { return strconv.Itoa(group) + "/" + source }

func tileKey(tile int, key string) string { return strconv.Itoa(tile) + "/" + key }

// parts calls rows or tile with the parts of a sum, and leaves it empty.
func parts(sum *gram.Sum, d, group int, scratch *gram.Scratch, rows, tile func(part)) {
	triangle, pending, _ := sum.Parts()
	if triangle == nil && len(pending) <= gram.Triangle(d) {
		perPart := max(1, tileNumbers/d) * d
		for chunk := range slices.Chunk(pending, perPart) {
			rows(part{d, group, -1, chunk})
		}
		*sum = gram.Sum{}
		return
	}
	sum.Fold(d, scratch)
	triangle, _, _ = sum.Parts()
	at := 0
	for chunk := range slices.Chunk(triangle, tileNumbers) {
		tile(part{d, group, at, chunk})
		at++
	}
	*sum = gram.Sum{}
}

// addRows adds rows, one after the other, to a sum.
func addRows(sum *gram.Sum, d int, rows []float64, scratch *gram.Scratch) {
	for row := range slices.Chunk(rows, d) {
		copy(sum.Row(d, scratch), row)
	}
}

// foldFn adds the rows of one group that bundles sent.
type foldFn struct{}

func (foldFn) ProcessElement(key string, all func(*part) bool, rows, tiles func(string, part)) error {
	group, source, err := splitKey(key)
	if err != nil {
		return err
	}
	var sum gram.Sum
	var scratch gram.Scratch
	d := 0
	for p := (part{}); all(&p); p = (part{}) {
		d = p.Dimension
		addRows(&sum, d, p.Numbers, &scratch)
	}
	parts(&sum, d, group, &scratch, func(p part) { rows(source, p) }, func(p part) { tiles(tileKey(p.Tile, key), p) })
	return nil
}

func splitKey(key string) (number int, rest string, err error) {
	first, rest, _ := strings.Cut(key, "/")
	number, err = strconv.Atoi(first)
	return number, rest, err
}

// tilesFn adds tiles of one place.
type tilesFn struct{}

func (tilesFn) CreateAccumulator() part { return part{} }

func (fn tilesFn) AddInput(a, b part) (part, error) { return fn.MergeAccumulators(a, b) }

func (tilesFn) MergeAccumulators(a, b part) (part, error) {
	switch {
	case b.Numbers == nil:
		return a, nil
	case a.Numbers == nil:
		b.Numbers = slices.Clone(b.Numbers) // an accumulator must not change its input
		return b, nil
	case len(a.Numbers) != len(b.Numbers):
		return a, fmt.Errorf("eci/beam: %w: tiles of %d and %d numbers in one place", eci.ErrDimension, len(a.Numbers), len(b.Numbers))
	}
	for i, x := range b.Numbers {
		a.Numbers[i] += x
	}
	return a, nil
}

// untileFn brings the tiles of a source together.
type untileFn struct{}

func (untileFn) ProcessElement(key string, p part, emit func(string, part)) error {
	_, group, err := splitKey(key)
	if err != nil {
		return err
	}
	_, source, err := splitKey(group)
	if err != nil {
		return err
	}
	emit(source, p)
	return nil
}

// totals are the sums over the triples of each group of a source. They are sent as one
// element for each source and bundle.
type totals struct {
	Config  eci.MatrixConfig
	ByGroup []eci.Totals
}

func encodeTotals(t totals) ([]byte, error)    { return encodeGob(t) }
func decodeTotals(data []byte) (totals, error) { return decodeGob[totals](data) }

type totalsFn struct{}

func (totalsFn) CreateAccumulator() totals { return totals{} }

func (fn totalsFn) AddInput(a, b totals) totals { return fn.MergeAccumulators(a, b) }

func (totalsFn) MergeAccumulators(a, b totals) totals {
	if a.ByGroup == nil {
		a.Config, a.ByGroup = b.Config, make([]eci.Totals, len(b.ByGroup))
	}
	for g := range b.ByGroup {
		if b.ByGroup[g].Triples > 0 {
			a.ByGroup[g].Add(&b.ByGroup[g])
		}
	}
	return a
}

// bundleSums are the sums of a bundle by source and group.
type bundleSums struct {
	config  eci.MatrixConfig
	sums    map[string]*sourceSums
	scratch gram.Scratch
	bytes   int64 // of rows and triangles
}

type sourceSums struct {
	groups []gram.Sum
	totals totals
}

func (b *bundleSums) reset(config eci.MatrixConfig) {
	b.config, b.sums, b.bytes = config, make(map[string]*sourceSums), 0
}

// add adds a triple.
func (b *bundleSums) add(source string, w *eci.Weighted) error {
	s := b.sums[source]
	if s == nil {
		s = &sourceSums{make([]gram.Sum, b.config.Groups), totals{b.config, make([]eci.Totals, b.config.Groups)}}
		b.sums[source] = s
	}
	d := b.config.Dimension
	sum := &s.groups[w.Group]
	if s.totals.ByGroup[w.Group].Triples < max(2*192, d) {
		b.bytes += 8 * int64(d) // more rows take no more space: they are folded into a triangle
	}
	row := sum.Row(d, &b.scratch)
	w.AddTo(&s.totals.ByGroup[w.Group], row)
	for _, x := range row {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("eci/beam: %w in a residual", eci.ErrNotFinite)
		}
	}
	return nil
}

// send emits everything and starts again.
func (b *bundleSums) send(emit func(string, part), sums func(string, totals)) {
	for source, s := range b.sums {
		for g := range s.groups {
			if s.groups[g].Empty() {
				continue
			}
			key := groupKey(g, source)
			parts(&s.groups[g], b.config.Dimension, g, &b.scratch, func(p part) { emit(key, p) }, func(p part) { emit(tileKey(p.Tile, key), p) })
		}
		sums(source, s.totals)
	}
	b.reset(b.config)
}

// collect adds rows and tiles of the groups of one source.
func collect(config eci.MatrixConfig, rows, tiles func(*part) bool) ([]gram.Sum, error) {
	d := config.Dimension
	triangles := make([][]float64, config.Groups)
	place := func(p *part) error {
		if p.Dimension != d || p.Group >= config.Groups {
			return fmt.Errorf("eci/beam: %w: a part of dimension %d of group %d, but %d groups of dimension %d", eci.ErrDimension, p.Dimension, p.Group, config.Groups, d)
		}
		return nil
	}
	for p := (part{}); tiles(&p); p = (part{}) {
		if err := place(&p); err != nil {
			return nil, err
		}
		if triangles[p.Group] == nil {
			triangles[p.Group] = make([]float64, gram.Triangle(d))
		}
		from := p.Tile * tileNumbers
		if to := from + len(p.Numbers); to > gram.Triangle(d) || len(p.Numbers) < tileNumbers && to < gram.Triangle(d) {
			return nil, fmt.Errorf("eci/beam: %w: tile %d of %d numbers in a triangle of %d", eci.ErrFormat, p.Tile, len(p.Numbers), gram.Triangle(d))
		}
		copy(triangles[p.Group][from:], p.Numbers)
	}
	sums := make([]gram.Sum, config.Groups)
	for g := range sums {
		sums[g] = gram.FromParts(triangles[g], nil, nil, d)
	}
	var scratch gram.Scratch
	for p := (part{}); rows(&p); p = (part{}) {
		if err := place(&p); err != nil {
			return nil, err
		}
		addRows(&sums[p.Group], d, p.Numbers, &scratch)
	}
	for g := range sums {
		if triangles[g] != nil {
			sums[g].Fold(d, &scratch)
		}
	}
	return sums, nil
}

// stored returns the stored form of the [eci.Matrix] of these sums; see binary.go of
// the library.
func stored(config eci.MatrixConfig, sums []gram.Sum, triples []int) ([]byte, error) {
	if len(config.Settings) > math.MaxUint16 {
		return nil, fmt.Errorf("eci/beam: %w: Settings of %d bytes", eci.ErrSettings, len(config.Settings))
	}
	size := 32 + len(config.Settings) + 9*len(sums)
	for g := range sums {
		size += gram.StoredBytes(sums[g].Form(), triples[g], config.Dimension)
	}
	out := append(make([]byte, 0, size), "ECIM"...)
	out = binary.LittleEndian.AppendUint16(out, 2)
	out = binary.LittleEndian.AppendUint16(out, uint16(len(config.Settings)))
	out = binary.LittleEndian.AppendUint32(out, uint32(config.Dimension))
	out = binary.LittleEndian.AppendUint32(out, uint32(config.Groups))
	out = binary.LittleEndian.AppendUint64(out, math.Float64bits(config.Epsilon2))
	out = append(out, config.Settings...)
	for _, n := range triples {
		out = binary.LittleEndian.AppendUint64(out, uint64(n))
	}
	for g := range sums {
		out = append(out, sums[g].Form())
	}
	for g := range sums {
		triangle, rows, _ := sums[g].Parts()
		numbers := triangle
		if sums[g].Form() == gram.FormRows {
			numbers = rows
		}
		for _, x := range numbers {
			out = binary.LittleEndian.AppendUint64(out, math.Float64bits(x))
		}
	}
	return binary.LittleEndian.AppendUint64(out, crc64.Checksum(out, crcTable)), nil
}

// matrixOf returns the matrix of one source and its stored form.
func matrixOf(t totals, rows, tiles func(*part) bool) (*eci.Matrix, []byte, error) {
	sums, err := collect(t.Config, rows, tiles)
	if err != nil {
		return nil, nil, err
	}
	triples := make([]int, len(t.ByGroup))
	for g := range triples {
		if triples[g] = t.ByGroup[g].Triples; (triples[g] == 0) != sums[g].Empty() {
			return nil, nil, errors.Join(eci.ErrFormat, fmt.Errorf("eci/beam: group %d has %d triples, and not their sums", g, triples[g]))
		}
	}
	raw, err := stored(t.Config, sums, triples)
	if err != nil {
		return nil, nil, err
	}
	m := new(eci.Matrix)
	return m, raw, m.UnmarshalBinary(raw)
}
