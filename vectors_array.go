package eci

import (
	"io"

	"example.com/eci/internal/vecfile"
)

// VectorArray is a table of vectors: rows 0 to Rows()-1, each of Dimension()
// components. [NPY] and [Safetensors] are two. Implementations must be safe for
// concurrent use.
type VectorArray interface {
	Rows() int
	Dimension() int
	// AppendRow appends row i to dst and returns the extended slice;
	// ErrMissingVector, wrapped or not, when there is no such row.
	AppendRow(dst []float32, i int) ([]float32, error)
	// Close releases what the array holds; it must not be used afterwards.
	Close() error
}

// array is a VectorArray in a file.
type array struct{ file *vecfile.File }

// Rows returns N.
func (a *array) Rows() int { return a.file.Rows() }

// Dimension returns d, the length of a row.
func (a *array) Dimension() int { return a.file.Dimension() }

// AppendRow appends row i (0..N-1) to dst as float32 and returns the extended
// slice. float64 components are rounded to the nearest float32.
func (a *array) AppendRow(dst []float32, i int) ([]float32, error) { return a.file.AppendRow(dst, i) }

// Close releases the file; the array must not be used afterwards.
func (a *array) Close() error { return a.file.Close() }

// NPY is a two-dimensional array in NumPy's .npy format, versions 1 to 3:
// little-endian float16, float32 or float64 ('<f2', '<f4', '<f8'), int8 ('|i1'), or
// packed bits ('|u1', 1 for 1 and 0 for -1, as np.packbits writes them), C order,
// shape (N, d), of bits (N, d/8). Other types, Fortran order and other shapes are ErrFormat.
// It is safe for concurrent use.
type NPY struct{ array }

// OpenNPY opens an .npy file, whose rows are read when they are asked for. Close
// releases it.
func OpenNPY(path string) (*NPY, error) { return npyOf(vecfile.OpenNPY(path)) }

// NewNPY reads the header of an array of size bytes in all; name is for error
// messages. The data is read from r when rows are asked for. Nothing is
// allocated that the header announces before it is checked against size.
func NewNPY(name string, r io.ReaderAt, size int64) (*NPY, error) {
	return npyOf(vecfile.NewNPY(name, r, size))
}

func npyOf(file *vecfile.File, err error) (*NPY, error) {
	if err != nil {
		return nil, err
	}
	return &NPY{array{file}}, nil
}

// Safetensors is a two-dimensional tensor of shape (N, d) in a .safetensors
// file, of type F32, F16, BF16, I8 or U8 (packed bits): the one called "embeddings", or the only one.
// Others are ErrFormat. It is safe for concurrent use.
//
// Byte layout: the length h of the header as a little-endian uint64; h bytes of
// JSON, {"name":{"dtype":"F32","shape":[N,d],"data_offsets":[begin,end]}}, with
// offsets counted from byte 8+h; the data, row by row, little-endian.
type Safetensors struct{ array }

// OpenSafetensors opens a .safetensors file, whose rows are read when they are
// asked for. Close releases it.
func OpenSafetensors(path string) (*Safetensors, error) {
	return safetensorsOf(vecfile.OpenSafetensors(path))
}

// NewSafetensors reads the header of a file of size bytes in all; name is for
// error messages. The data is read from r when rows are asked for. Nothing is
// allocated that the header announces before it is checked against size.
func NewSafetensors(name string, r io.ReaderAt, size int64) (*Safetensors, error) {
	return safetensorsOf(vecfile.NewSafetensors(name, r, size))
}

func safetensorsOf(file *vecfile.File, err error) (*Safetensors, error) {
	if err != nil {
		return nil, err
	}
	return &Safetensors{array{file}}, nil
}
