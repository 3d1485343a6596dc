package vecfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"example.com/eci/internal/fault"
)

// TestCutShortInUse: rows of a file that is cut short after it was opened are an
// error, the rows before them are still read, and a closed file is an error too.
func TestCutShortInUse(t *testing.T) {
	const rows, d = 4096, 16
	path := filepath.Join(t.TempDir(), "a.npy")
	header := "\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (4096, 16), }"
	data := make([]byte, 128+4*rows*d)
	copy(data, header)
	for i := len(header); i < 128; i++ {
		data[i] = ' '
	}
	for i := 128; i < len(data); i += 4 {
		data[i+3] = 0x3f // 0.5
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := OpenNPY(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(len(data)/2)); err != nil {
		t.Skip("a mapped file cannot be cut short here:", err)
	}
	if row, err := file.AppendRow(nil, 1); err != nil || len(row) != d || row[0] != 0.5 {
		t.Errorf("a row before the cut: %v, error %v", row, err)
	}
	row, err := file.AppendRow(nil, rows-1)
	if !errors.Is(err, fault.Format) || !errors.Is(err, io.ErrUnexpectedEOF) || len(row) != 0 {
		t.Errorf("a row behind the cut: %v, error %v", row, err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if row, err := file.AppendRow(nil, 1); err == nil {
		t.Errorf("after Close: %v", row)
	}
}
