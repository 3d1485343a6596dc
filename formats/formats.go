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

// Decoders returns the decoders of this package for Files.Decoders, under the names
// that Files uses for formats: zst, parquet and arrow. The caller owns the map.
func Decoders() map[string]func(io.Reader) (io.ReadCloser, error) {
	return map[string]func(io.Reader) (io.ReadCloser, error){
		"zst":     Zstd,
		"parquet": Parquet,
		"arrow":   Arrow,
	}
}

// Zstd decompresses zstd data of one or more frames. It rejects frames that need a
// window of more than 128 MB of memory.
func Zstd(r io.Reader) (io.ReadCloser, error) {
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	return d.IOReadCloser(), nil
}
