// Package vecfile reads vectors from files: arrays of NumPy and of safetensors, rows
// of JSON, and tables of them by ID.
package vecfile

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"unsafe"

	"example.com/eci/internal/fault"
)

// MaxDimension is the length of the longest vector that can be read.
const MaxDimension = 1 << 15

// component is the stored type of a number.
type component uint8

const (
	halfFloat component = iota
	brainFloat
	singleFloat
	doubleFloat
	signedByte // quantized to -128 to 127
	signBit    // eight components a byte, the first in its highest bit: 1 is 1, 0 is -1
)

// bytes returns the size of a component, or of eight bits.
func (c component) bytes() int { return [...]int{2, 2, 4, 8, 1, 1}[c] }

// String returns the name of the type, as used by encoders.
func (c component) String() string {
	return [...]string{"float16", "bfloat16", "float32", "float64", "int8", "ubinary"}[c]
}

// File is rows of little-endian numbers in a file. It is safe for
// concurrent use.
type File struct {
	name       string
	data       io.ReaderAt
	close      func() error
	start      int64 // offset of the first component
	rows, cols int
	kind       component
}

// littleEndian reports whether this machine stores numbers as the files do.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// Rows returns N, the number of rows.
func (a *File) Rows() int { return a.rows }

// Dimension returns d, the length of a row.
func (a *File) Dimension() int {
	if a.kind == signBit {
		return 8 * a.cols
	}
	return a.cols
}

// AppendRow appends row i (0..N-1) to dst as float32 and returns the extended slice.
// It rounds float64 components to the nearest float32.
func (a *File) AppendRow(dst []float32, i int) ([]float32, error) {
	if i < 0 || i >= a.rows {
		return dst, fmt.Errorf("eci: %s: %w: row %d of %d", a.name, fault.MissingVector, i, a.rows)
	}
	size := a.kind.bytes()
	offset := a.start + int64(i)*int64(a.cols)*int64(size)
	if a.kind == singleFloat && littleEndian {
		// The stored bytes are the same as those of the numbers in memory.
		start := len(dst)
		dst = slices.Grow(dst, a.cols)[:start+a.cols]
		raw := unsafe.Slice((*byte)(unsafe.Pointer(&dst[start])), 4*a.cols)
		if n, err := a.data.ReadAt(raw, offset); n < len(raw) {
			return dst[:start], &fault.RowError{File: a.name, Row: i + 1, Err: fmt.Errorf("%w: %w", fault.Format, orEOF(err))}
		}
		return dst, nil
	}
	var buffer [4096]byte
	for left := a.cols * size; left > 0; {
		chunk := buffer[:min(left, len(buffer))]
		if n, err := a.data.ReadAt(chunk, offset); n < len(chunk) {
			return dst, &fault.RowError{File: a.name, Row: i + 1, Err: fmt.Errorf("%w: %w", fault.Format, orEOF(err))}
		}
		left -= len(chunk)
		offset += int64(len(chunk))
		for ; len(chunk) > 0; chunk = chunk[size:] {
			switch a.kind {
			case halfFloat:
				dst = append(dst, float16(binary.LittleEndian.Uint16(chunk)))
			case brainFloat: // the upper half of a float32
				dst = append(dst, math.Float32frombits(uint32(binary.LittleEndian.Uint16(chunk))<<16))
			case singleFloat:
				dst = append(dst, math.Float32frombits(binary.LittleEndian.Uint32(chunk)))
			case doubleFloat:
				dst = append(dst, float32(math.Float64frombits(binary.LittleEndian.Uint64(chunk))))
			case signedByte:
				dst = append(dst, float32(int8(chunk[0])))
			case signBit:
				for bit := 7; bit >= 0; bit-- {
					dst = append(dst, float32(int(chunk[0]>>bit&1)*2-1))
				}
			}
		}
	}
	return dst, nil
}

// Close closes the file. The array must not be used afterwards.
func (a *File) Close() error {
	if a.close == nil {
		return nil
	}
	return a.close()
}

// float16 widens an IEEE 754 half.
func float16(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exponent, fraction := uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch {
	case exponent == 0x1f: // infinity or NaN
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	case exponent == 0: // zero or subnormal: fraction * 2^-24
		v := float32(fraction) / (1 << 24)
		if sign != 0 {
			v = -v
		}
		return v
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}

func orEOF(err error) error {
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
