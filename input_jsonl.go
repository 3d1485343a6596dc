package eci

import (
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"example.com/eci/internal/tripleio"
)

// JSONL returns a source read from a file with one JSON object on each line. There are
// three shapes, recognized by their fields:
//
//	{"query_id":"1","query":"q","positive_id":"7","positive":"p","negative_id":"9","negative":"n"}
//	{"anchor":"q","positive":"p","negative":"n"}
//	{"anchor":"q","positive":"p","negative_1":"n1","negative_2":"n2"}
//
// IDs are optional strings or numbers. The query may be called query, anchor, question
// or sentence1. The positive may be called positive, pos or answer. An n-tuple gives
// one triple for every negative, in the order of their numbers. Other fields are
// ignored and blank lines are skipped. The source has the name of the file, without
// folder and extension. The file is opened only when the source is read, and read
// again on every pass. [Files] reads these shapes and many others.
func JSONL(file string) Source {
	return jsonl(nil, file, strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)))
}

// JSONLFrom is like [JSONL] for a file in fsys, such as an embedded one.
func JSONLFrom(fsys fs.FS, file string) Source {
	return jsonl(fsys, file, strings.TrimSuffix(path.Base(file), path.Ext(file)))
}

func jsonl(fsys fs.FS, file, name string) Source {
	return sourceOfFile(tripleio.JSONL(*(&Files{FS: fsys}).opener(), file, name))
}
