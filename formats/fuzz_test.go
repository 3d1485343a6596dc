package formats

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
)

// FuzzParquet: no file makes the decoder panic, run forever, or allocate what
// it announces.
func FuzzParquet(f *testing.F) {
	f.Add([]byte("PAR1PAR1"))
	for _, codec := range codecs {
		for version := 1; version <= 2; version++ {
			f.Add(parquetBytes(f, wideRows(5), parquet.Compression(codec), parquet.DataPageVersion(version)))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		grown := allocated(func() {
			if r, err := Parquet(bytes.NewReader(data)); err == nil {
				io.Copy(io.Discard, io.LimitReader(r, 1<<20))
				r.Close()
			}
		})
		if grown > 256<<20+1000*uint64(len(data)) {
			t.Errorf("%d MB allocated for a file of %d bytes", grown>>20, len(data))
		}
	})
}

// FuzzZstd: no data makes the decoder panic, and what it decodes is what any
// other way of reading gives.
func FuzzZstd(f *testing.F) {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	text := bytes.Repeat([]byte(`{"query":"q","positive":"p","negative":"n"}`+"\n"), 100)
	f.Add(w.EncodeAll(text, nil))
	f.Add(w.EncodeAll(text, w.EncodeAll([]byte("first"), nil)))
	f.Add([]byte("\x28\xb5\x2f\xfd"))
	f.Fuzz(func(t *testing.T, data []byte) {
		read := func(r io.Reader) ([]byte, error) {
			d, err := Zstd(r)
			if err != nil {
				return nil, err
			}
			defer d.Close()
			return io.ReadAll(io.LimitReader(d, 1<<20))
		}
		whole, err := read(bytes.NewReader(data))
		pieces, err2 := read(iotest.OneByteReader(bytes.NewReader(data)))
		if (err == nil) != (err2 == nil) || err == nil && !bytes.Equal(whole, pieces) {
			t.Errorf("%d bytes, error %v; byte by byte %d, error %v", len(whole), err, len(pieces), err2)
		}
	})
}
