// Package formats has decoders for [eci.Files] that need more than the standard
// library: zstd, parquet and Arrow.
//
//	files := &eci.Files{Decoders: formats.Decoders()}
//	sources, err := files.Sources("mined.parquet", "bm25.jsonl.zst")
package formats

import (
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// Decoders returns decoders of this package for Files.Decoders, by the names
// that Files gives to formats: zst, parquet and arrow. The map is the caller's.
func Decoders() map[string]func(io.Reader) (io.ReadCloser, error) {
	return map[string]func(io.Reader) (io.ReadCloser, error){
		"zst":     Zstd,
		"parquet": Parquet,
		"arrow":   Arrow,
	}
}

// Zstd decompresses zstd data of one frame or several. It refuses frames that
// need a window of more than 128 MB of memory.
func Zstd(r io.Reader) (io.ReadCloser, error) {
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	return d.IOReadCloser(), nil
}
