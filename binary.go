package eci

import (
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"math"
)

// The stored form of a Matrix, version 1, little-endian:
//
//	offset  size          content
//	0       4             "ECIM"
//	4       2             version, 1
//	6       2             s, the length of Settings in bytes
//	8       4             d, the dimension
//	12      4             G, the number of groups
//	16      8             eps^2, float64
//	24      s             Settings
//	24+s    8 G           triples of each group
//	...     4 d (d+1)     for each group with triples: the upper triangle of
//	                      sum w r rT, row by row, float64
//	end-8   8             CRC-64 (ECMA) of all that comes before
const (
	matrixMagic   = "ECIM"
	matrixVersion = 1
	matrixHeader  = 24
	checksumSize  = 8
)

var crcTable = crc64.MakeTable(crc64.ECMA)

// MarshalBinary returns the stored form of the matrix: its settings, the sums of
// each group and a checksum, about 4 G d^2 bytes. The same sums give the same
// bytes on every machine.
func (m *Matrix) MarshalBinary() ([]byte, error) {
	m.flush()
	c := m.config
	if len(c.Settings) > math.MaxUint16 {
		return nil, fmt.Errorf("eci: matrix: %w: settings of %d bytes; at most %d can be stored", ErrSettings, len(c.Settings), math.MaxUint16)
	}
	out := make([]byte, 0, m.storedSize())
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
	d := c.Dimension
	for i := range m.groups {
		if m.groups[i].triples == 0 {
			continue
		}
		for row := range d {
			for _, x := range m.groups[i].sum[row*d+row : (row+1)*d] {
				out = binary.LittleEndian.AppendUint64(out, math.Float64bits(x))
			}
		}
	}
	return binary.LittleEndian.AppendUint64(out, crc64.Checksum(out, crcTable)), nil
}

func (m *Matrix) storedSize() int {
	size := matrixHeader + len(m.config.Settings) + checksumSize
	for i := range m.groups {
		size += 8
		if m.groups[i].triples > 0 {
			size += 4 * m.config.Dimension * (m.config.Dimension + 1)
		}
	}
	return size
}

// UnmarshalBinary replaces m by what MarshalBinary stored. On an error, an
// ErrFormat for anything that MarshalBinary does not write, m is unchanged.
// Lengths are checked against the data before anything is allocated.
func (m *Matrix) UnmarshalBinary(data []byte) error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("eci: matrix: %w: %s", ErrFormat, fmt.Sprintf(format, args...))
	}
	switch {
	case len(data) < matrixHeader+checksumSize:
		return fail("%d bytes are fewer than a header", len(data))
	case string(data[:4]) != matrixMagic:
		return fail("it does not begin with %q", matrixMagic)
	case binary.LittleEndian.Uint16(data[4:]) != matrixVersion:
		return fail("version %d; this program reads version %d", binary.LittleEndian.Uint16(data[4:]), matrixVersion)
	}
	body, sum := data[:len(data)-checksumSize], data[len(data)-checksumSize:]
	if crc64.Checksum(body, crcTable) != binary.LittleEndian.Uint64(sum) {
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
	if len(body) < settings+8*config.Groups {
		return fail("%d bytes are too few for %d groups", len(data), config.Groups)
	}
	config.Settings = string(body[:settings])
	counts, sums := body[settings:settings+8*config.Groups], body[settings+8*config.Groups:]
	d := config.Dimension
	triangle := 4 * d * (d + 1)
	filled := 0
	var total uint64
	for i := range config.Groups {
		n := binary.LittleEndian.Uint64(counts[8*i:])
		if total += n; n > math.MaxInt32<<20 || total > math.MaxInt32<<20 {
			return fail("group %d has %d triples", i, n)
		}
		if n > 0 {
			filled++
		}
	}
	if len(sums) != filled*triangle {
		return fail("%d bytes of sums, %d groups of dimension %d take %d", len(sums), filled, d, filled*triangle)
	}
	groups := make([]matrixGroup, config.Groups)
	for i := range groups {
		n := binary.LittleEndian.Uint64(counts[8*i:])
		if n == 0 {
			continue
		}
		groups[i] = matrixGroup{triples: int(n), sum: make([]float64, d*d)}
		for row := range d {
			for col := row; col < d; col++ {
				x := math.Float64frombits(binary.LittleEndian.Uint64(sums))
				if math.IsNaN(x) || math.IsInf(x, 0) || row == col && x < 0 {
					return fail("group %d holds %v at row %d, column %d", i, x, row+1, col+1)
				}
				groups[i].sum[row*d+col] = x
				sums = sums[8:]
			}
		}
	}
	m.config, m.groups = config, groups
	return nil
}
