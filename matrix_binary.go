package eci

import (
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"math"

	"example.com/eci/internal/gram"
)

// The stored form of a Matrix, version 2, little-endian:
//
//	offset  size          content
//	0       4             "ECIM"
//	4       2             version, 2
//	6       2             s, the length of Settings in bytes
//	8       4             d, the dimension
//	12      4             G, the number of groups
//	16      8             eps^2, float64
//	24      s             Settings
//	24+s    8 G           triples of each group
//	...     G             form of each group: 0 sums, 1 rows, 2 short rows
//	...                   for each group with triples, one of
//	        4 d (d+1)     the upper triangle of sum w r rT, row by row, float64
//	        8 d triples   rows sqrt(w) r, float64
//	        4 d triples   rows sqrt(w) r, float32
//	end-8   8             CRC-64 (ECMA) of all that comes before
//
// Version 1, which can also be read, has no forms: all groups hold sums.
const (
	matrixMagic   = "ECIM"
	matrixVersion = 2
	matrixHeader  = 24
)

// MarshalBinary returns the stored form of the matrix: its settings, the rows or
// sums of each group, whichever it holds, and a checksum; at most about 4 G d^2
// bytes. The same triples, added in the same order by the same calls, give the same
// bytes on every machine.
func (m *Matrix) MarshalBinary() ([]byte, error) {
	c := m.config
	if len(c.Settings) > math.MaxUint16 {
		return nil, fmt.Errorf("eci: matrix: %w: settings of %d bytes; at most %d can be stored", ErrSettings, len(c.Settings), math.MaxUint16)
	}
	size := matrixHeader + len(c.Settings) + 9*len(m.groups) + crc64.Size
	for i := range m.groups {
		size += gram.StoredBytes(m.groups[i].sum.Form(), m.groups[i].triples, c.Dimension)
	}
	out := make([]byte, 0, size)
	out = append(out, matrixMagic...)
	out = binary.LittleEndian.AppendUint16(out, matrixVersion)
	out = binary.LittleEndian.AppendUint16(out, uint16(len(c.Settings)))
	out = binary.LittleEndian.AppendUint32(out, uint32(c.Dimension))
	out = binary.LittleEndian.AppendUint32(out, uint32(c.Groups))
	out = binary.LittleEndian.AppendUint64(out, math.Float64bits(c.Epsilon2))
	out = append(out, c.Settings...)
	for i := range m.groups {
		out = binary.LittleEndian.AppendUint64(out, uint64(m.groups[i].triples))
	}
	for i := range m.groups {
		out = append(out, m.groups[i].sum.Form())
	}
	for i := range m.groups {
		out = m.groups[i].appendTo(out, c.Dimension)
	}
	return binary.LittleEndian.AppendUint64(out, crc64.Checksum(out, crc64.MakeTable(crc64.ECMA))), nil
}

func (g *matrixGroup) appendTo(out []byte, d int) []byte {
	if g.triples == 0 {
		return out
	}
	_, numbers, short := g.sum.Parts()
	switch g.sum.Form() {
	case gram.FormShortRows:
		for _, block := range short {
			for _, x := range block {
				out = binary.LittleEndian.AppendUint32(out, math.Float32bits(x))
			}
		}
		return out
	case gram.FormTriangle:
		scratch := scratches.Get().(*scratch)
		defer scratches.Put(scratch)
		folded := g.sum.Folded(d, &scratch.gram)
		numbers, _, _ = folded.Parts()
	}
	for _, x := range numbers {
		out = binary.LittleEndian.AppendUint64(out, math.Float64bits(x))
	}
	return out
}

// UnmarshalBinary replaces m with what MarshalBinary stored. It returns an error, and
// leaves m unchanged, if it cannot: ErrFormat for anything that MarshalBinary does not
// write. It checks lengths against the data before it allocates anything.
func (m *Matrix) UnmarshalBinary(data []byte) error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("eci: matrix: %w: %s", ErrFormat, fmt.Sprintf(format, args...))
	}
	switch {
	case len(data) < matrixHeader+crc64.Size:
		return fail("%d bytes are fewer than a header", len(data))
	case string(data[:4]) != matrixMagic:
		return fail("it does not begin with %q", matrixMagic)
	}
	version := binary.LittleEndian.Uint16(data[4:])
	if version < 1 || version > matrixVersion {
		return fail("version %d; this program reads versions 1 to %d", version, matrixVersion)
	}
	body, sum := data[:len(data)-crc64.Size], data[len(data)-crc64.Size:]
	if crc64.Checksum(body, crc64.MakeTable(crc64.ECMA)) != binary.LittleEndian.Uint64(sum) {
		return fail("the checksum does not match; it is damaged or cut short")
	}
	config := MatrixConfig{
		Dimension: int(binary.LittleEndian.Uint32(data[8:])),
		Groups:    int(binary.LittleEndian.Uint32(data[12:])),
		Epsilon2:  math.Float64frombits(binary.LittleEndian.Uint64(data[16:])),
	}
	if checked, err := config.withDefaults(); err != nil || checked != config {
		return fail("dimension %d, %d groups, eps^2 = %v", config.Dimension, config.Groups, config.Epsilon2)
	}
	body = body[matrixHeader:]
	settings := int(binary.LittleEndian.Uint16(data[6:]))
	perGroup := 8
	if version > 1 {
		perGroup++ // its form
	}
	if len(body) < settings+perGroup*config.Groups {
		return fail("%d bytes are too few for %d groups", len(data), config.Groups)
	}
	config.Settings = string(body[:settings])
	counts, sums := body[settings:settings+8*config.Groups], body[settings+perGroup*config.Groups:]
	kinds := make([]byte, config.Groups)
	copy(kinds, body[settings+8*config.Groups:settings+perGroup*config.Groups])
	groups, err := config.readGroups(counts, kinds, sums)
	if err != nil {
		return fail("%v", err)
	}
	m.config, m.groups = config, groups
	return nil
}

// readGroups reads the groups of a stored matrix from their counts, forms and rows or
// sums. It compares the lengths first.
func (config MatrixConfig) readGroups(counts, kinds, sums []byte) ([]matrixGroup, error) {
	d := config.Dimension
	groups := make([]matrixGroup, config.Groups)
	var total uint64
	want := 0
	for i, kind := range kinds {
		n := binary.LittleEndian.Uint64(counts[8*i:])
		if total += n; n > math.MaxInt32<<20 || total > math.MaxInt32<<20 {
			return nil, fmt.Errorf("group %d has %d triples", i, n)
		}
		if kind >= gram.Forms || kind != gram.FormTriangle && (n == 0 || n > uint64(len(sums)/(4*d))) {
			return nil, fmt.Errorf("group %d of %d triples has form %d", i, n, kind)
		}
		groups[i].triples = int(n)
		want += gram.StoredBytes(kind, int(n), d)
	}
	if len(sums) != want {
		return nil, fmt.Errorf("%d bytes of sums, %d groups of dimension %d take %d", len(sums), len(groups), d, want)
	}
	for i := range groups {
		g := &groups[i]
		size := gram.StoredBytes(kinds[i], g.triples, d)
		if err := g.read(sums[:size], kinds[i], d); err != nil {
			return nil, fmt.Errorf("group %d holds %w", i, err)
		}
		sums = sums[size:]
	}
	return groups, nil
}

// read takes the group's rows or sums from their stored form.
func (g *matrixGroup) read(data []byte, form byte, d int) error {
	if g.triples == 0 {
		return nil
	}
	if form == gram.FormShortRows {
		short := make([]float32, len(data)/4)
		for k := range short {
			short[k] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*k:]))
			if x := float64(short[k]); !finite(x) {
				return fmt.Errorf("%v in row %d", x, k/d+1)
			}
		}
		g.sum = gram.FromParts(nil, nil, short, d)
		return nil
	}
	numbers := make([]float64, len(data)/8)
	for k := range numbers {
		numbers[k] = math.Float64frombits(binary.LittleEndian.Uint64(data[8*k:]))
		if form == gram.FormRows && !finite(numbers[k]) {
			return fmt.Errorf("%v in row %d", numbers[k], k/d+1)
		}
	}
	if form == gram.FormRows {
		g.sum = gram.FromParts(nil, numbers, nil, d)
		return nil
	}
	at := 0
	for row := range d {
		for col := row; col < d; col++ {
			if x := numbers[at]; !finite(x) || row == col && x < 0 {
				return fmt.Errorf("%v at row %d, column %d", x, row+1, col+1)
			}
			at++
		}
	}
	g.sum = gram.FromParts(numbers, nil, nil, d)
	return nil
}
