package eci

import (
	"io"

	"example.com/eci/internal/vecfile"
)

// VectorArray is a table of vectors: rows 0 to Rows()-1, each with Dimension()
// components. [NPY] and [Safetensors] implement it. Implementations must be safe for
// concurrent use.
type VectorArray interface {
	Rows() int
	Dimension() int
	// AppendRow appends row i to dst and returns the extended slice. If there is no
	// such row, it returns ErrMissingVector, wrapped or not.
	AppendRow(dst []float32, i int) ([]float32, error)
	// Close releases the resources of the array. The array must not be used
	// afterwards.
	Close() error
}

// array is a VectorArray in a file.
type array struct{ file *vecfile.File }

// Rows returns N, the number of rows.
func (a *array) Rows() int { return a.file.Rows() }

// Dimension returns d, the length of a row.
func (a *array) Dimension() int { return a.file.Dimension() }

// AppendRow appends row i (0..N-1) to dst as float32 and returns the extended slice.
// It rounds float64 components to the nearest float32.
func (a *array) AppendRow(dst []float32, i int) ([]float32, error) { return a.file.AppendRow(dst, i) }

// Close closes the file. The array must not be used afterwards.
func (a *array) Close() error { return a.file.Close() }

// NPY is a two-dimensional array in NumPy's .npy format, versions 1 to 3. It holds
// little-endian float16, float32 or float64 ('<f2', '<f4', '<f8'), int8 ('|i1'), or
// packed bits ('|u1', 1 for 1 and 0 for -1, as np.packbits writes them), in C order.
// The shape is (N, d), or (N, d/8) for bits. Other types, Fortran order and other
// shapes are ErrFormat. It is safe for concurrent use.
type NPY struct{ array }

// OpenNPY opens an .npy file. Rows are read on demand. Close closes the file.
func OpenNPY(path string) (*NPY, error) { return npyOf(vecfile.OpenNPY(path)) }

// NewNPY reads the header of an array of size bytes in total. The data is read from r
// on demand. name is used in error messages. What the header announces is checked
// against size before anything is allocated for it.
func NewNPY(name string, r io.ReaderAt, size int64) (*NPY, error) {
	return npyOf(vecfile.NewNPY(name, r, size))
}

func npyOf(file *vecfile.File, err error) (*NPY, error) {
	if err != nil {
		return nil, err
	}
	return &NPY{array{file}}, nil
}

// Safetensors is a two-dimensional tensor of shape (N, d) in a .safetensors file, of
// type F32, F16, BF16, I8 or U8 (packed bits). It is the tensor called "embeddings",
// or the only one. Others are ErrFormat. It is safe for concurrent use.
//
// Byte layout: the length h of the header as a little-endian uint64; h bytes of JSON,
// {"name":{"dtype":"F32","shape":[N,d],"data_offsets":[begin,end]}}, with offsets
// counted from byte 8+h; the data, row by row, little-endian.
type Safetensors struct{ array }

// OpenSafetensors opens a .safetensors file. Rows are read on demand. Close closes the
// file.
func OpenSafetensors(path string) (*Safetensors, error) {
	return safetensorsOf(vecfile.OpenSafetensors(path))
}

// NewSafetensors reads the header of a file of size bytes in total. The data is read
// from r on demand. name is used in error messages. What the header announces is
// checked against size before anything is allocated for it.
func NewSafetensors(name string, r io.ReaderAt, size int64) (*Safetensors, error) {
	return safetensorsOf(vecfile.NewSafetensors(name, r, size))
}

func safetensorsOf(file *vecfile.File, err error) (*Safetensors, error) {
	if err != nil {
		return nil, err
	}
	return &Safetensors{array{file}}, nil
}
