package eci_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/eci"
)

// npy writes an array as numpy.save does, from a header's dict and the data.
func npy(version byte, dict string, data any) []byte {
	var out bytes.Buffer
	out.WriteString("\x93NUMPY")
	out.Write([]byte{version, 0})
	if version == 1 {
		binary.Write(&out, binary.LittleEndian, uint16(len(dict)+1))
	} else {
		binary.Write(&out, binary.LittleEndian, uint32(len(dict)+1))
	}
	out.WriteString(dict + "\n")
	binary.Write(&out, binary.LittleEndian, data)
	return out.Bytes()
}

func dict(descr, shape string) string {
	return fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr, shape)
}

func openBytes(data []byte) (*eci.NPY, error) {
	return eci.NewNPY("x.npy", bytes.NewReader(data), int64(len(data)))
}

func TestNPYTypes(t *testing.T) {
	for _, test := range []struct {
		reason string
		file   []byte
		want   [][]float32
	}{
		{"float32, version 1", npy(1, dict("<f4", "(2, 3)"), []float32{1, 2, 3, 4, 5, 6}), [][]float32{{1, 2, 3}, {4, 5, 6}}},
		{"version 2 has a longer header", npy(2, dict("<f4", "(1, 2)"), []float32{1, 2}), [][]float32{{1, 2}}},
		{"version 3", npy(3, dict("<f4", "(1,2)"), []float32{1, 2}), [][]float32{{1, 2}}},
		{"float64 is rounded", npy(1, dict("<f8", "(1, 2)"), []float64{1. / 3, 1e-300}), [][]float32{{float32(1. / 3), 0}}},
		{"keys in another order", npy(1, "{'shape': (1, 1), 'fortran_order': False, 'descr': '<f4'}", []float32{7}), [][]float32{{7}}},
		// IEEE 754 halves: 1, -2, the largest 65504, the smallest normal 2^-14, the
		// smallest subnormal 2^-24, -0.
		{"float16", npy(1, dict("<f2", "(1, 6)"), []uint16{0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8000}), [][]float32{{1, -2, 65504, 1. / (1 << 14), 1. / (1 << 24), float32(math.Copysign(0, -1))}}},
		{"no rows", npy(1, dict("<f4", "(0, 4)"), []float32{}), nil},
	} {
		a, err := openBytes(test.file)
		if err != nil {
			t.Errorf("%s: %v", test.reason, err)
			continue
		}
		var got [][]float32
		for i := range a.Rows() {
			row, err := a.AppendRow(nil, i)
			if err != nil || len(row) != a.Dimension() {
				t.Fatal(test.reason, row, err)
			}
			got = append(got, row)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.reason, diff)
		}
		for _, i := range []int{-1, a.Rows()} {
			if _, err := a.AppendRow(nil, i); !errors.Is(err, eci.ErrMissingVector) {
				t.Errorf("%s: row %d: %v", test.reason, i, err)
			}
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
	a, err := openBytes(npy(1, dict("<f2", "(1, 2)"), []uint16{0x7c00, 0x7e00}))
	if err != nil {
		t.Fatal(err)
	}
	if row, err := a.AppendRow(nil, 0); err != nil || !math.IsInf(float64(row[0]), 1) || row[1] == row[1] {
		t.Error("infinity and NaN of a half:", row, err)
	}
}

// TestNPYLongRows: rows longer than the reader's buffer.
func TestNPYLongRows(t *testing.T) {
	data := make([]float32, 2*3000)
	for i := range data {
		data[i] = float32(i)
	}
	path := filepath.Join(t.TempDir(), "long.npy")
	if err := os.WriteFile(path, npy(1, dict("<f4", "(2, 3000)"), data), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := eci.OpenNPY(path)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	row, err := a.AppendRow([]float32{9}, 1)
	if diff := cmp.Diff(append([]float32{9}, data[3000:]...), row); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestNPYRefuses(t *testing.T) {
	good := npy(1, dict("<f4", "(2, 2)"), []float32{1, 2, 3, 4})
	huge := npy(2, dict("<f4", "(2, 2)"), []float32{1, 2, 3, 4})
	binary.LittleEndian.PutUint32(huge[8:], math.MaxUint32)
	for _, test := range []struct {
		reason string
		file   []byte
		says   string
		want   error
	}{
		{"nothing", nil, "too few", io.ErrUnexpectedEOF},
		{"another file", []byte("PK\x03\x04 is a zip, as numpy.savez makes"), "magic", nil},
		{"an unknown version", append([]byte("\x93NUMPY\x09\x00"), good[8:]...), "version 9", nil},
		{"half a header", good[:20], "header", io.ErrUnexpectedEOF},
		{"version 2 cut in its length", []byte("\x93NUMPY\x02\x00\x01\x00"), "header", io.ErrUnexpectedEOF},
		{"a header that claims 4 GB", huge, "header", io.ErrUnexpectedEOF},
		{"data cut short", good[:len(good)-1], "needs", io.ErrUnexpectedEOF},
		{"data too long", append(bytes.Clone(good), 0), "needs", io.ErrUnexpectedEOF},
		{"Fortran order", npy(1, strings.Replace(dict("<f4", "(1, 1)"), "False", "True", 1), []float32{1}), "ascontiguousarray", nil},
		{"objects", npy(1, dict("|O", "(1, 1)"), []float32{1}), "astype", nil},
		{"big-endian", npy(1, dict(">f4", "(1, 1)"), []float32{1}), "astype", nil},
		{"integers", npy(1, dict("<i4", "(1, 1)"), []int32{1}), "astype", nil},
		{"one dimension", npy(1, dict("<f4", "(4,)"), []float32{1, 2, 3, 4}), "two-dimensional", nil},
		{"three dimensions", npy(1, dict("<f4", "(1, 2, 2)"), []float32{1, 2, 3, 4}), "two-dimensional", nil},
		{"no columns", npy(1, dict("<f4", "(4, 0)"), []float32{}), "range", nil},
		{"a size beyond 64 bits", npy(1, dict("<f4", "(9223372036854775807, 30000)"), []float32{}), "range", nil},
		{"a number beyond 64 bits", npy(1, dict("<f4", "(99999999999999999999, 2)"), []float32{}), "range", nil},
		{"an absurd dimension", npy(1, dict("<f4", "(1, 1000000)"), []float32{}), "range", nil},
		{"no dict", npy(1, "shape", []float32{}), "two-dimensional", nil},
	} {
		_, err := openBytes(test.file)
		if !errors.Is(err, eci.ErrFormat) || !strings.Contains(err.Error(), test.says) || !strings.HasPrefix(err.Error(), "eci: x.npy: ") || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: error %v, want one that says %q", test.reason, err, test.says)
		}
	}
	dir := t.TempDir()
	if _, err := eci.OpenNPY(dir); !errors.Is(err, eci.ErrFormat) {
		t.Error("a directory:", err)
	}
	if _, err := eci.OpenNPY(filepath.Join(dir, "gone.npy")); !errors.Is(err, os.ErrNotExist) {
		t.Error("no file:", err)
	}
	empty := filepath.Join(dir, "empty.npy")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := eci.OpenNPY(empty); !errors.Is(err, eci.ErrFormat) {
		t.Error("an empty file:", err)
	}
}

// failing reads the header and then no more.
type failing struct {
	io.ReaderAt
	until int64
}

func (f failing) ReadAt(p []byte, at int64) (int, error) {
	if at >= f.until {
		return 0, errors.New("disk on fire")
	}
	return f.ReaderAt.ReadAt(p, at)
}

func TestNPYReadErrorNamesFileAndRow(t *testing.T) {
	data := npy(1, dict("<f4", "(2, 2)"), []float32{1, 2, 3, 4})
	a, err := eci.NewNPY("x.npy", failing{bytes.NewReader(data), int64(len(data) - 8)}, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.AppendRow(nil, 0); err != nil {
		t.Error(err)
	}
	_, err = a.AppendRow(nil, 1)
	var at *eci.RowError
	if !errors.As(err, &at) || at.File != "x.npy" || at.Row != 2 || !strings.Contains(err.Error(), "fire") {
		t.Error(err)
	}
}

// TestArrayCutShort cuts a file short while it is open, as a writer that begins
// again does: its rows are errors, and nothing else happens.
func TestArrayCutShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npy")
	data := npy(1, dict("<f4", "(65536, 2)"), make([]float32, 2*65536))
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := eci.OpenNPY(path)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := os.Truncate(path, int64(len(data)/2)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.AppendRow(nil, 0); err != nil {
		t.Error(err)
	}
	dst := []float32{7}
	dst, err = a.AppendRow(dst, a.Rows()-1)
	var at *eci.RowError
	if !errors.As(err, &at) || at.File != path || at.Row != a.Rows() || !errors.Is(err, eci.ErrFormat) || !errors.Is(err, io.ErrUnexpectedEOF) || len(dst) != 1 {
		t.Errorf("%v, error %v", dst, err)
	}
}

// FuzzNPY: a header never panics nor allocates what it claims, and an accepted
// one has all its rows.
func FuzzNPY(f *testing.F) {
	f.Add(npy(1, dict("<f4", "(2, 2)"), []float32{1, 2, 3, 4}))
	f.Add(npy(2, dict("<f2", "(1, 2)"), []uint16{1, 2}))
	f.Add(npy(3, dict("<f8", "(1, 1)"), []float64{1}))
	f.Add(npy(1, dict("<f4", "(9223372036854775807, 1)"), []float32{}))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := openBytes(data)
		if err != nil {
			if !errors.Is(err, eci.ErrFormat) {
				t.Error(err)
			}
			return
		}
		for _, i := range []int{0, a.Rows() - 1} {
			if row, err := a.AppendRow(nil, i); a.Rows() > 0 && (err != nil || len(row) != a.Dimension()) {
				t.Error(len(row), err)
			}
		}
	})
}
