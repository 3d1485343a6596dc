package eci

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"example.com/eci/internal/quote"
	"example.com/eci/internal/vecfile"
)

// VectorTable is a table of vectors with an ID for each row.
// It is safe for concurrent use until it is closed.
type VectorTable struct{ table vecfile.Table }

// NewVectorTable combines an array with the IDs of its rows. It returns ErrRowCount if
// the numbers of IDs and rows differ, and ErrMalformed for an ID that is empty or
// occurs twice. name is the table's name in errors.
func NewVectorTable(name string, ids []string, data VectorArray) (*VectorTable, error) {
	return new(VectorTable).of(vecfile.NewTable(name, ids, data))
}

// of returns t with a table, or its error.
func (t *VectorTable) of(table *vecfile.Table, err error) (*VectorTable, error) {
	if err != nil {
		return nil, err
	}
	t.table = *table
	return t, nil
}

// OpenVectorTable opens an .npy file or, by its extension, a .safetensors file. It
// reads the IDs of the rows from idsPath, one on each line.
func OpenVectorTable(path, idsPath string) (*VectorTable, error) {
	return new(VectorTable).of(vecfile.OpenTable(path, idsPath, new(Files).opener()))
}

// ReadVectorLines reads vectors from JSONL, plain or .gz, one object on each line:
//
//	{"id":"d1","vector":[0.1,-0.2]}
//
// The ID is a string or a number called id, _id, docid or query_id. Without one, the
// text, called text or query, serves as the ID. The vector is called vector or
// embedding. Other fields are ignored. Components are rounded to the nearest float32.
// The table is kept in memory and takes 4 bytes for each component; for millions of
// vectors, prefer .npy or .safetensors. Errors include the row and wrap ErrMalformed,
// ErrMissingField, ErrDimension or ErrFormat.
func ReadVectorLines(path string) (*VectorTable, error) {
	return new(VectorTable).of(vecfile.ReadLines(path, path, new(Files).opener()))
}

// Append appends the vector of an ID to dst and returns the extended slice. If there
// is none, it returns ErrMissingVector.
func (t *VectorTable) Append(dst []float32, id string) ([]float32, error) {
	return t.table.Append(dst, id)
}

// Len returns the number of vectors.
func (t *VectorTable) Len() int { return t.table.Len() }

// Dimension returns d, the length of every vector.
func (t *VectorTable) Dimension() int { return t.table.Dimension() }

// Close releases the table's array.
func (t *VectorTable) Close() error { return t.table.Close() }

// VectorFiles is the usual pair of vector tables: one for queries, and one for
// documents, that is, positives and negatives. It implements [Vectors].
// It is safe for concurrent use until it is closed, as long as no goroutine changes it.
type VectorFiles struct {
	Queries, Documents *VectorTable
	// QueryPrefix and DocumentPrefix are the encoder's prompts, as in [Server]. If IDs
	// are texts, a text is found with or without its prompt in front.
	QueryPrefix, DocumentPrefix string
}

// OpenVectors opens the vectors of queries and documents in a directory. For queries,
// it opens the first of these that it finds. For documents it does the same, with
// corpus instead of queries:
//
//	queries.npy          with queries.ids, one ID on each line
//	queries.safetensors  with queries.ids
//	queries.npz          with an array ids or texts in it, or queries.ids; in memory
//	queries.jsonl        {"id":"q1","vector":[0.1,-0.2]}, or .jsonl.gz; see ReadVectorLines
//	queries-*.npy        all of them as one table, each with its .ids, or with
//	                     queries.ids for all; likewise queries_*.npy and .safetensors
//
// Instead of IDs there may be the texts themselves: in queries.txt, one on each line,
// or in queries.json, as one JSON list. A triple whose ID is not there, or that has
// none, is then looked up by its text. If a text occurs twice, its first row counts. IDs and texts are searched
// for in the folder texts, if given, and then in dir.
//
// Arrays of int8 are read as numbers. Arrays of uint8 are read as packed bits, eight
// components in a byte, with 1 for 1 and 0 for -1. These are the precisions int8 and
// ubinary of sentence-transformers.
//
// The rows of arrays are read from the file on demand; Close closes it. JSONL is read
// into memory.
func OpenVectors(dir string, texts ...string) (*VectorFiles, error) {
	if err := vecfile.CheckFolder(dir); err != nil {
		return nil, err
	}
	files := os.DirFS(dir)
	for _, folder := range texts {
		if err := vecfile.CheckTexts(folder); err != nil {
			return nil, err
		}
		files = vecfile.Beside(files, os.DirFS(folder))
	}
	return new(VectorFiles).of(vecfile.OpenPair(dir, files, func(name string) (*vecfile.File, error) {
		return vecfile.Open(filepath.Join(dir, name))
	}))
}

// ReadVectors reads the same files as [OpenVectors] into memory from a file system,
// such as an embedded one.
func ReadVectors(fsys fs.FS) (*VectorFiles, error) {
	return new(VectorFiles).of(vecfile.OpenPair("", fsys, func(name string) (*vecfile.File, error) {
		return vecfile.Read(fsys, name)
	}))
}

// of returns v with two tables, or their error.
func (v *VectorFiles) of(queries, documents *vecfile.Table, err error) (*VectorFiles, error) {
	if err != nil {
		return nil, err
	}
	v.Queries, v.Documents = &VectorTable{*queries}, &VectorTable{*documents}
	return v, nil
}

// LengthSpread returns the standard deviation of the lengths of the documents' vectors
// divided by their mean, computed on up to 2,000 of them. It is near 0 for encoders
// that normalize. This package compares by cosine and so ignores lengths; see
// [VectorFiles.DotProducts].
func (v *VectorFiles) LengthSpread() (float64, error) {
	mean, deviation, _, err := v.Documents.table.Lengths(2000)
	if err != nil || mean == 0 {
		return 0, err
	}
	return deviation / mean, nil
}

// DotProducts returns the same vectors for an encoder that is searched with dot
// products. Every document gets one more component, the square root of L^2 - l^2,
// where l is its length and L the greatest length of all documents. Every query gets 0
// there. The cosines of a query, by which this package compares, are then its dot
// products divided by a constant, and have the same order. DotProducts reads all
// documents once to find L. What was measured about forecasts was measured with
// cosines. Closing one of the two closes both.
func (v *VectorFiles) DotProducts() (*VectorFiles, error) {
	_, _, longest, err := v.Documents.table.Lengths(0)
	if err != nil {
		return nil, err
	}
	out := *v
	out.Queries, out.Documents = &VectorTable{*v.Queries.table.Lengthened(0)}, &VectorTable{*v.Documents.table.Lengthened(longest)}
	return &out, nil
}

// Stored returns the types of the numbers in the files, such as float32, int8 or
// ubinary. It returns "" for vectors that are not from an array.
func (v *VectorFiles) Stored() (queries, documents string) {
	return v.Queries.table.Stored(), v.Documents.table.Stored()
}

// prompted looks up an ID. If the ID is a text, it looks for the text with its prompt
// in front, or without it.
func (t *VectorTable) prompted(dst []float32, id, prefix string) ([]float32, error) {
	out, err := t.Append(dst, id)
	if prefix == "" || !errors.Is(err, ErrMissingVector) {
		return out, err
	}
	if with, missing := t.Append(dst, prefix+id); !errors.Is(missing, ErrMissingVector) {
		return with, missing
	}
	if bare, ok := strings.CutPrefix(id, prefix); ok {
		if without, missing := t.Append(dst, bare); !errors.Is(missing, ErrMissingVector) {
			return without, missing
		}
	}
	return out, err
}

// AppendQuery appends the vector of a query; see [Vectors].
func (v *VectorFiles) AppendQuery(dst []float32, id string) ([]float32, error) {
	if v == nil || v.Queries == nil {
		return dst, fmt.Errorf("%w: there is no table of queries", ErrMissingVector)
	}
	return v.Queries.prompted(dst, id, v.QueryPrefix)
}

// AppendDocument appends the vector of a positive or negative; see [Vectors].
func (v *VectorFiles) AppendDocument(dst []float32, id string) ([]float32, error) {
	if v == nil || v.Documents == nil {
		return dst, fmt.Errorf("%w: there is no table of documents", ErrMissingVector)
	}
	return v.Documents.prompted(dst, id, v.DocumentPrefix)
}

// Close closes both tables. They must not be used afterwards.
func (v *VectorFiles) Close() error {
	return errors.Join(v.Queries.Close(), v.Documents.Close())
}

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
func OpenNPY(path string) (*NPY, error) { return new(NPY).of(vecfile.OpenNPY(path)) }

// NewNPY reads the header of an array of size bytes in all; name is for error
// messages. The data is read from r when rows are asked for. Nothing is
// allocated that the header announces before it is checked against size.
func NewNPY(name string, r io.ReaderAt, size int64) (*NPY, error) {
	return new(NPY).of(vecfile.NewNPY(name, r, size))
}

// of returns a with a file, or its error.
func (a *NPY) of(file *vecfile.File, err error) (*NPY, error) {
	if err != nil {
		return nil, err
	}
	a.file = file
	return a, nil
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
	return new(Safetensors).of(vecfile.OpenSafetensors(path))
}

// NewSafetensors reads the header of a file of size bytes in all; name is for
// error messages. The data is read from r when rows are asked for. Nothing is
// allocated that the header announces before it is checked against size.
func NewSafetensors(name string, r io.ReaderAt, size int64) (*Safetensors, error) {
	return new(Safetensors).of(vecfile.NewSafetensors(name, r, size))
}

// of returns a with a file, or its error.
func (a *Safetensors) of(file *vecfile.File, err error) (*Safetensors, error) {
	if err != nil {
		return nil, err
	}
	a.file = file
	return a, nil
}

// VectorMap is [Vectors] in memory: slices of one common length d by id, which
// are never changed here. Do not change the maps while they are in use.
// Goroutines may share one that none of them changes.
type VectorMap struct {
	Queries, Documents map[string][]float32
}

// AppendQuery appends the vector of a query, or fails with ErrMissingVector.
func (m VectorMap) AppendQuery(dst []float32, id string) ([]float32, error) {
	return m.append(m.Queries, dst, "queries", id)
}

// AppendDocument appends the vector of a positive or negative, or fails with
// ErrMissingVector.
func (m VectorMap) AppendDocument(dst []float32, id string) ([]float32, error) {
	return m.append(m.Documents, dst, "documents", id)
}

func (VectorMap) append(vectors map[string][]float32, dst []float32, what, id string) ([]float32, error) {
	v, ok := vectors[id]
	if !ok {
		return dst, fmt.Errorf("%w: %q is not among the %d %s", ErrMissingVector, quote.Clip(id), len(vectors), what)
	}
	return append(dst, v...), nil
}
