package formats

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// faulty fails one call of ReadAt.
type faulty struct {
	*bytes.Reader
	at, calls int
}

var errDisk = errors.New("the disk is gone")

func (f *faulty) ReadAt(p []byte, at int64) (int, error) {
	if f.calls++; f.calls == f.at {
		return 0, errDisk
	}
	return f.Reader.ReadAt(p, at)
}

// TestParquetReadFaults fails every reading of a file in turn: the fault comes
// out as it was, after whole rows.
func TestParquetReadFaults(t *testing.T) {
	data := parquetBytes(t, wideRows(300), parquet.PageBufferSize(1000), parquet.MaxRowsPerRowGroup(120))
	read := func(f *faulty) ([]byte, error) {
		r, err := Parquet(f)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return io.ReadAll(r)
	}
	sound := &faulty{Reader: bytes.NewReader(data)}
	want, err := read(sound)
	if err != nil || bytes.Count(want, []byte("\n")) != 300 {
		t.Fatalf("%d bytes, error %v", len(want), err)
	}
	for at := 1; at <= sound.calls; at++ {
		got, err := read(&faulty{Reader: bytes.NewReader(data), at: at})
		if !errors.Is(err, errDisk) || !bytes.HasPrefix(want, got) || len(got) > 0 && got[len(got)-1] != '\n' {
			t.Errorf("call %d of %d: %d bytes, error %v", at, sound.calls, len(got), err)
		}
	}
	t.Logf("%d faults", sound.calls)
}
