package formats

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

// unpacker decompresses pages within the size that they announce.
type unpacker struct {
	gzip   *gzip.Reader
	zstd   *zstd.Decoder
	brotli *brotli.Reader
	packed bytes.Reader
}

// append appends the decompressed bytes to dst, which must then be size bytes
// long.
func (u *unpacker) append(dst, src []byte, codec format.CompressionCodec, size int) (_ []byte, err error) {
	from := len(dst)
	u.packed.Reset(src)
	var r io.Reader
	switch codec {
	case format.Snappy:
		n, err := snappy.DecodedLen(src)
		if err != nil {
			return dst, err
		}
		if n != size-from || n > 32*len(src) { // 64 bytes for 3 are the most
			return dst, fmt.Errorf("%w: %d bytes of %d in a page of %d", errAnnounced, n, len(src), size-from)
		}
		dst = slices.Grow(dst, n)[:size]
		_, err = snappy.Decode(dst[from:], src)
		return dst, err
	case format.Lz4Raw:
		if size-from > 256*len(src) { // 255 bytes for one are the most
			return dst, fmt.Errorf("%w: %d bytes of %d", errAnnounced, size-from, len(src))
		}
		dst = slices.Grow(dst, size-from)[:size]
		n, err := lz4.UncompressBlock(src, dst[from:])
		if err == nil && n != size-from {
			err = io.ErrUnexpectedEOF
		}
		return dst, err
	case format.Gzip:
		if u.gzip == nil {
			u.gzip = new(gzip.Reader)
		}
		r, err = u.gzip, u.gzip.Reset(&u.packed)
	case format.Zstd:
		if u.zstd == nil {
			u.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		}
		if err == nil {
			r, err = u.zstd, u.zstd.Reset(&u.packed)
		}
	case format.Brotli:
		if u.brotli == nil {
			u.brotli = brotli.NewReader(nil)
		}
		r, err = u.brotli, u.brotli.Reset(&u.packed)
	default:
		return dst, fmt.Errorf("compression %v is not supported", codec)
	}
	if err != nil {
		return dst, err
	}
	// The buffer grows with what was read, not with what is announced.
	b := bytes.NewBuffer(dst)
	n, err := b.ReadFrom(io.LimitReader(r, int64(size-from)+1))
	if err == nil && n != int64(size-from) {
		err = fmt.Errorf("%w: a page of %d bytes with other contents", errAnnounced, size-from)
	}
	return b.Bytes(), err
}
