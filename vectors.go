package eci

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"example.com/eci/internal/vecfile"
)

// VectorTable is a table of vectors with an id for each row.
// It is safe for concurrent use until it is closed.
type VectorTable struct{ table vecfile.Table }

// NewVectorTable joins an array with its ids, one a row. It returns ErrRowCount
// when ids and rows differ in number, and ErrMalformed for an empty id or one that
// occurs twice. name is the table's in errors.
func NewVectorTable(name string, ids []string, data VectorArray) (*VectorTable, error) {
	return tableOf(vecfile.NewTable(name, ids, data))
}

func tableOf(t *vecfile.Table, err error) (*VectorTable, error) {
	if err != nil {
		return nil, err
	}
	return &VectorTable{*t}, nil
}

// OpenVectorTable opens an .npy or, by its extension, a .safetensors file and
// reads the ids of its rows, one a line.
func OpenVectorTable(path, idsPath string) (*VectorTable, error) {
	return tableOf(vecfile.OpenTable(path, idsPath, new(Files).opener()))
}

// ReadVectorLines reads vectors from JSONL, plain or .gz, one object a line:
//
//	{"id":"d1","vector":[0.1,-0.2]}
//
// The id is a string or a number called id, _id, docid or query_id; without one, the
// text, called text or query, is. The vector is
// called vector or embedding. Other fields are ignored. Components are rounded to
// the nearest float32. The table is in memory and takes 4 bytes a component: prefer
// .npy or .safetensors for millions of vectors. Errors have the row and wrap
// ErrMalformed, ErrMissingField, ErrDimension or ErrFormat.
func ReadVectorLines(path string) (*VectorTable, error) {
	return tableOf(vecfile.ReadLines(path, path, new(Files).opener()))
}

// Append appends the vector of an id to dst and returns the extended slice. It
// returns ErrMissingVector when there is none.
func (t *VectorTable) Append(dst []float32, id string) ([]float32, error) {
	return t.table.Append(dst, id)
}

// Len returns the number of vectors.
func (t *VectorTable) Len() int { return t.table.Len() }

// Dimension returns d, the length of every vector.
func (t *VectorTable) Dimension() int { return t.table.Dimension() }

// Close releases the table's array.
func (t *VectorTable) Close() error { return t.table.Close() }

// VectorFiles is the usual pair of vector tables, one for queries and one for
// the documents that are positives and negatives. It implements [Vectors].
// It is safe for concurrent use until it is closed, as long as no goroutine changes it.
type VectorFiles struct {
	Queries, Documents *VectorTable
	// QueryPrefix and DocumentPrefix are the encoder's prompts, as those of a [Server].
	// Where ids are texts, a text is also found with its prompt in front, or without.
	QueryPrefix, DocumentPrefix string
}

// OpenVectors opens the vectors of queries and of documents in a directory. Of
// queries it opens the first of these that it finds, and of documents the same
// with corpus in place of queries:
//
//	queries.npy          with queries.ids, one id a line
//	queries.safetensors  with queries.ids
//	queries.npz          with an array ids or texts in it, or queries.ids; in memory
//	queries.jsonl        {"id":"q1","vector":[0.1,-0.2]}, or .jsonl.gz; see ReadVectorLines
//	queries-*.npy        all of them as one table, each with its .ids, or with
//	                     queries.ids for all; likewise queries_*.npy and .safetensors
//
// In place of ids there may be the texts themselves, in queries.txt, one a line, or
// in queries.json, one JSON list: a triple without an id is looked up by its text. A
// text may be there twice; its first row counts. texts is a folder that is searched for
// ids and texts before dir is.
//
// Arrays of int8 are read as numbers and those of uint8 as packed bits, eight
// components a byte, which stand for 1 and -1: the precisions int8 and ubinary of
// sentence-transformers.
//
// The rows of arrays are read from the file when they are asked for; Close
// releases it. JSONL is read into memory.
func OpenVectors(dir string, texts ...string) (*VectorFiles, error) {
	files := os.DirFS(dir)
	for _, folder := range texts {
		files = vecfile.Beside(files, os.DirFS(folder))
	}
	return vectorFiles(vecfile.OpenPair(dir, files, func(name string) (*vecfile.File, error) {
		return vecfile.Open(filepath.Join(dir, name))
	}))
}

// ReadVectors reads the files that [OpenVectors] opens from a file system, such
// as an embedded one, into memory.
func ReadVectors(fsys fs.FS) (*VectorFiles, error) {
	return vectorFiles(vecfile.OpenPair("", fsys, func(name string) (*vecfile.File, error) {
		return vecfile.Read(fsys, name)
	}))
}

func vectorFiles(queries, documents *vecfile.Table, err error) (*VectorFiles, error) {
	if err != nil {
		return nil, err
	}
	return &VectorFiles{Queries: &VectorTable{*queries}, Documents: &VectorTable{*documents}}, nil
}

// LengthSpread returns the standard deviation of the lengths of the documents' vectors
// over their mean, from up to 2,000 of them. It is near 0 for encoders that normalize.
// This package compares by cosine, so that lengths do not count; see
// [VectorFiles.DotProducts].
func (v *VectorFiles) LengthSpread() (float64, error) {
	mean, deviation, _, err := v.Documents.table.Lengths(2000)
	if err != nil || mean == 0 {
		return 0, err
	}
	return deviation / mean, nil
}

// DotProducts returns the same vectors for an encoder that is searched with dot
// products. Every document gets one component more, the square root of L^2 - l^2, where
// l is its length and L the greatest of all documents, and every query gets 0 there:
// then the cosines of a query, which this package compares by, are its dot products
// over a constant, and so have their order. All documents are read once to find L. What
// was measured about forecasts was measured with cosines. Both are closed at once.
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
// ubinary, "" where they are not from an array.
func (v *VectorFiles) Stored() (queries, documents string) {
	return v.Queries.table.Stored(), v.Documents.table.Stored()
}

// prompted looks an id up, or, where it is a text, the text with its prompt in front, or
// without it.
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
	return v.Queries.prompted(dst, id, v.QueryPrefix)
}

// AppendDocument appends the vector of a positive or negative; see [Vectors].
func (v *VectorFiles) AppendDocument(dst []float32, id string) ([]float32, error) {
	return v.Documents.prompted(dst, id, v.DocumentPrefix)
}

// Close releases both tables; they must not be used afterwards.
func (v *VectorFiles) Close() error {
	return errors.Join(v.Queries.Close(), v.Documents.Close())
}
