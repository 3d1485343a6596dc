package eci

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"example.com/eci/internal/vecfile"
)

// VectorTable is a table of vectors with an id for each row.
// Goroutines may share it, until it is closed.
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
// Goroutines may share it, until it is closed.
type VectorFiles struct {
	Queries, Documents *VectorTable
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
	return &VectorFiles{&VectorTable{*queries}, &VectorTable{*documents}}, nil
}

// AppendQuery appends the vector of a query; see [Vectors].
func (v *VectorFiles) AppendQuery(dst []float32, id string) ([]float32, error) {
	return v.Queries.Append(dst, id)
}

// AppendDocument appends the vector of a positive or negative; see [Vectors].
func (v *VectorFiles) AppendDocument(dst []float32, id string) ([]float32, error) {
	return v.Documents.Append(dst, id)
}

// Close releases both tables; they must not be used afterwards.
func (v *VectorFiles) Close() error {
	return errors.Join(v.Queries.Close(), v.Documents.Close())
}
