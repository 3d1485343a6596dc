package eci

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"

	"golang.org/x/exp/mmap"
)

// NPY is a two-dimensional array in NumPy's .npy format, versions 1 to 3:
// little-endian float16, float32 or float64 ('<f2', '<f4', '<f8'), C order,
// shape (N, d). Other types, Fortran order and other shapes are refused with
// ErrFormat. It is safe for concurrent use.
type NPY struct {
	name       string
	data       io.ReaderAt
	close      func() error
	start      int64 // offset of the first component
	rows, cols int
	size       int // bytes of a component: 2, 4 or 8
}

// The header is a Python dict; NumPy writes its three keys in this order, other
// writers in any.
var (
	npyDescr   = regexp.MustCompile(`'descr'\s*:\s*'([^']*)'`)
	npyFortran = regexp.MustCompile(`'fortran_order'\s*:\s*(True|False)`)
	npyShape   = regexp.MustCompile(`'shape'\s*:\s*\(\s*(\d+)\s*,\s*(\d+)\s*,?\s*\)`)
)

// OpenNPY memory-maps an .npy file. Close releases it.
func OpenNPY(path string) (*NPY, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("eci: %w", err)
	} else if info.IsDir() {
		return nil, fmt.Errorf("eci: %s: %w: is a directory", path, ErrFormat)
	}
	r, err := mmap.Open(path)
	if err != nil {
		return nil, fmt.Errorf("eci: %w", err)
	}
	n, err := NewNPY(path, r, int64(r.Len()))
	if err != nil {
		r.Close()
		return nil, err
	}
	n.close = r.Close
	return n, nil
}

// NewNPY reads the header of an array of size bytes in all; name is for error
// messages. The data is read from r when rows are asked for. Nothing is
// allocated that the header announces before it is checked against size.
func NewNPY(name string, r io.ReaderAt, size int64) (*NPY, error) {
	bad := func(format string, args ...any) (*NPY, error) {
		return nil, fmt.Errorf("eci: %s: %w: "+format, append([]any{name, ErrFormat}, args...)...)
	}
	var head [12]byte
	n, err := r.ReadAt(head[:], 0)
	if n < 10 {
		return bad("%d bytes are too few for an .npy header: %w", n, orEOF(err))
	}
	if !bytes.Equal(head[:6], []byte("\x93NUMPY")) {
		return bad("no .npy magic; starts with %q", head[:6])
	}
	version := head[6]
	var start, length int64
	switch version {
	case 1:
		start, length = 10, int64(binary.LittleEndian.Uint16(head[8:]))
	case 2, 3:
		if n < 12 {
			return bad("truncated header: %w", io.ErrUnexpectedEOF)
		}
		start, length = 12, int64(binary.LittleEndian.Uint32(head[8:]))
	default:
		return bad(".npy version %d is unknown", version)
	}
	if length > 1<<20 || start+length > size {
		return bad("header of %d bytes in a file of %d: %w", length, size, io.ErrUnexpectedEOF)
	}
	header := make([]byte, length)
	if _, err := r.ReadAt(header, start); err != nil && err != io.EOF {
		return bad("header: %w", err)
	}
	descr, fortran, shape := npyDescr.FindSubmatch(header), npyFortran.FindSubmatch(header), npyShape.FindSubmatch(header)
	if descr == nil || fortran == nil || shape == nil {
		return bad("want a two-dimensional array, header is %q", bytes.TrimSpace(header))
	}
	a := &NPY{name: name, data: r, start: start + length}
	switch string(descr[1]) {
	case "<f2":
		a.size = 2
	case "<f4":
		a.size = 4
	case "<f8":
		a.size = 8
	default:
		return bad("type %q; save it as float32 with .astype('<f4')", descr[1])
	}
	if string(fortran[1]) == "True" {
		return bad("Fortran order; save it with numpy.ascontiguousarray")
	}
	rows, err1 := strconv.ParseInt(string(shape[1]), 10, 64)
	cols, err2 := strconv.ParseInt(string(shape[2]), 10, 64)
	if err1 != nil || err2 != nil || cols < 1 || cols > maxDimension || rows > math.MaxInt64/cols/int64(a.size) {
		return bad("shape (%s, %s) is out of range", shape[1], shape[2])
	}
	if want := a.start + rows*cols*int64(a.size); want != size {
		return bad("shape (%d, %d) needs %d bytes, the file has %d: %w", rows, cols, want, size, io.ErrUnexpectedEOF)
	}
	a.rows, a.cols = int(rows), int(cols)
	return a, nil
}

func orEOF(err error) error {
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Rows returns N.
func (a *NPY) Rows() int { return a.rows }

// Dimension returns d, the length of a row.
func (a *NPY) Dimension() int { return a.cols }

// AppendRow appends row i (0..N-1) to dst as float32 and returns the extended
// slice. float64 components are rounded to the nearest float32.
func (a *NPY) AppendRow(dst []float32, i int) ([]float32, error) {
	if i < 0 || i >= a.rows {
		return dst, fmt.Errorf("eci: %s: %w: row %d of %d", a.name, ErrMissingVector, i, a.rows)
	}
	var buffer [4096]byte
	offset := a.start + int64(i)*int64(a.cols)*int64(a.size)
	for left := a.cols * a.size; left > 0; {
		chunk := buffer[:min(left, len(buffer))]
		if n, err := a.data.ReadAt(chunk, offset); n < len(chunk) {
			return dst, &RowError{File: a.name, Row: i + 1, Err: fmt.Errorf("%w: %w", ErrFormat, orEOF(err))}
		}
		switch a.size {
		case 2:
			for ; len(chunk) > 0; chunk = chunk[2:] {
				dst = append(dst, float16(binary.LittleEndian.Uint16(chunk)))
			}
		case 4:
			for ; len(chunk) > 0; chunk = chunk[4:] {
				dst = append(dst, math.Float32frombits(binary.LittleEndian.Uint32(chunk)))
			}
		case 8:
			for ; len(chunk) > 0; chunk = chunk[8:] {
				dst = append(dst, float32(math.Float64frombits(binary.LittleEndian.Uint64(chunk))))
			}
		}
		read := min(left, len(buffer))
		left -= read
		offset += int64(read)
	}
	return dst, nil
}

// Close releases the file; the array must not be used afterwards.
func (a *NPY) Close() error {
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
