package vecfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/quote"
)

// The header is a Python dict. NumPy writes its three keys in this order, other
// writers in any order.
var (
	npyDescr   = regexp.MustCompile(`'descr'\s*:\s*'([^']*)'`)
	npyFortran = regexp.MustCompile(`'fortran_order'\s*:\s*(True|False)`)
	npyShape   = regexp.MustCompile(`'shape'\s*:\s*\(\s*(\d+)\s*,\s*(\d+)\s*,?\s*\)`)
)

// OpenNPY opens an .npy file. Rows are read on demand. Close closes the file.
func OpenNPY(path string) (*File, error) {
	r, size, err := openRandom(path)
	if err != nil {
		return nil, err
	}
	n, err := NewNPY(path, r, size)
	if err != nil {
		r.Close()
		return nil, err
	}
	n.close = r.Close
	return n, nil
}

// NewNPY reads the header of an array of size bytes in total. The data is read from r
// on demand. name is used in error messages. What the header announces is checked
// against size before anything is allocated for it.
func NewNPY(name string, r io.ReaderAt, size int64) (*File, error) {
	bad := func(format string, args ...any) (*File, error) {
		return nil, fmt.Errorf("eci: %s: %w: "+format, append([]any{name, fault.Format}, args...)...)
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
		return bad("want a two-dimensional array, header is %q", quote.Clip(bytes.TrimSpace(header)))
	}
	a := &File{name: name, data: r, start: start + length}
	switch string(descr[1]) {
	case "<f2":
		a.kind = halfFloat
	case "<f4":
		a.kind = singleFloat
	case "<f8":
		a.kind = doubleFloat
	case "|i1":
		a.kind = signedByte
	case "|u1":
		a.kind = signBit
	default:
		return bad("type %q; save it as float32 with .astype('<f4')", quote.Clip(descr[1]))
	}
	if string(fortran[1]) == "True" {
		return bad("Fortran order; save it with numpy.ascontiguousarray")
	}
	rows, err1 := strconv.ParseInt(string(shape[1]), 10, 64)
	cols, err2 := strconv.ParseInt(string(shape[2]), 10, 64)
	if err1 != nil || err2 != nil || cols < 1 || cols > MaxDimension || a.kind == signBit && cols > MaxDimension/8 || rows > math.MaxInt64/cols/8 {
		return bad("shape (%s, %s) is out of range", quote.Clip(shape[1]), quote.Clip(shape[2]))
	}
	if want := a.start + rows*cols*int64(a.kind.bytes()); want != size {
		return bad("shape (%d, %d) needs %d bytes, the file has %d: %w", rows, cols, want, size, io.ErrUnexpectedEOF)
	}
	a.rows, a.cols = int(rows), int(cols)
	return a, nil
}
