package eci

import (
	"encoding/binary"
	"errors"
	"flag"
	"hash/crc64"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/eci/internal/gram"
	"example.com/eci/internal/hash64"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// smallMatrix has exact binary fractions throughout, so that every kernel and
// every machine gives the same sums.
func smallMatrix(t testing.TB) *Matrix {
	t.Helper()
	m, err := NewMatrix(MatrixConfig{Dimension: 3, Groups: 4, Epsilon2: 0.25, Settings: "golden"})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		group    int
		weight   float64
		residual []float64
	}{
		{0, 1, []float64{1, 0.5, -0.25}},
		{0, 0.25, []float64{0, 2, 1}},
		{2, 0, []float64{1, 1, 1}}, // weighs nothing but counts
		{3, 4, []float64{-1, 0, 0.5}},
	} {
		if err := m.Add(row.group, row.weight, row.residual); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func TestMatrixBinaryRoundTrip(t *testing.T) {
	m := smallMatrix(t)
	data, err := m.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var back Matrix
	if err := back.UnmarshalBinary(data); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m.Config(), back.Config()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(m.GroupTriples(), back.GroupTriples()); diff != "" {
		t.Error(diff)
	}
	want, got := m.Symmetric().RawSymmetric().Data, back.Symmetric().RawSymmetric().Data
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := back.Merge(m); err != nil {
		t.Error("a stored matrix must merge with the one it was stored from:", err)
	}
	if got := back.Triples(); got != 8 {
		t.Errorf("%d triples after the merge, want 8", got)
	}
}

func TestMatrixBinaryGolden(t *testing.T) {
	got, err := smallMatrix(t).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "golden", "matrix-v2.bin")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the stored form changed; raise the version and keep reading this one:\n%s", diff)
	}
}

// TestMatrixReadsVersion1: files of the version that knew sums only are read, with
// the same sums.
func TestMatrixReadsVersion1(t *testing.T) {
	old, err := os.ReadFile(filepath.Join("testdata", "golden", "matrix-v1.bin"))
	if err != nil {
		t.Fatal(err)
	}
	var m Matrix
	if err := m.UnmarshalBinary(old); err != nil {
		t.Fatal(err)
	}
	want := smallMatrix(t)
	if diff := cmp.Diff(want.Config(), m.Config()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want.Symmetric().RawSymmetric().Data, m.Symmetric().RawSymmetric().Data); diff != "" {
		t.Error(diff)
	}
}

// TestMatrixStoredRows: rows of both widths come back as rows, which a jackknife
// and further rows treat alike; damaged ones are refused.
func TestMatrixStoredRows(t *testing.T) {
	const d = 70
	for form, fill := range map[byte]func(m *Matrix, g int, x float64){
		gram.FormRows:      func(m *Matrix, g int, x float64) { fillRow(m.row(g), x) },
		gram.FormShortRows: func(m *Matrix, g int, x float64) { fillRow(m.fastRow(g), float32(x)) },
	} {
		m, err := NewMatrix(MatrixConfig{Dimension: d, Groups: 3})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 30 {
			fill(m, i%2, float64(i+1)) // the last group stays empty
		}
		data, err := m.MarshalBinary()
		if err != nil || m.groups[0].sum.Form() != form {
			t.Fatalf("form %d, want %d: %v", m.groups[0].sum.Form(), form, err)
		}
		var back Matrix
		if err := back.UnmarshalBinary(data); err != nil || back.groups[1].sum.Form() != form {
			t.Fatal(err)
		}
		for range 2 {
			all, without, err := m.LogDets()
			again, rest, err2 := back.LogDets()
			if err != nil || err2 != nil || all != again || !cmp.Equal(without, rest) {
				t.Errorf("form %d: %v and %v, %v %v", form, all, again, err, err2)
			}
			fill(m, 0, 40)
			fill(&back, 0, 40)
		}
		for reason, change := range map[string]func(b []byte){
			"a form that there is not": func(b []byte) { b[matrixHeader+3*8] = gram.Forms },
			"the form of longer rows":  func(b []byte) { b[matrixHeader+3*8] = 3 - form },
			"the form of sums":         func(b []byte) { b[matrixHeader+3*8] = gram.FormTriangle },
			"more rows than there are": func(b []byte) { b[matrixHeader]++ },
			"rows beyond counting":     func(b []byte) { b[matrixHeader+4] = 1 },
			"a row that is not finite": func(b []byte) {
				for k := range 8 {
					b[matrixHeader+3*9+k] = 0xff
				}
			},
		} {
			damaged := append([]byte(nil), data...)
			change(damaged)
			if err := new(Matrix).UnmarshalBinary(sealed(damaged)); !errors.Is(err, ErrFormat) {
				t.Errorf("form %d, %s: %v, want ErrFormat", form, reason, err)
			}
		}
	}
}

func fillRow[T float32 | float64](row []T, x T) {
	for k := range row {
		row[k] = T(math.Sin(float64(k+1)*float64(x))) / 4
	}
}

// sealed recomputes the checksum, so that later checks are reached.
func sealed(data []byte) []byte {
	body := data[:len(data)-crc64.Size]
	return binary.LittleEndian.AppendUint64(body[:len(body):len(body)], crc64.Checksum(body, crc64.MakeTable(crc64.ECMA)))
}

func TestMatrixUnmarshalRefuses(t *testing.T) {
	made := smallMatrix(t)
	if err := made.Scale(1); err != nil { // sums, not rows
		t.Fatal(err)
	}
	good, err := made.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	put := func(offset int, bytes ...byte) func([]byte) []byte {
		return func(b []byte) []byte { copy(b[offset:], bytes); return sealed(b) }
	}
	nan := binary.LittleEndian.AppendUint64(nil, math.Float64bits(math.NaN()))
	minus := binary.LittleEndian.AppendUint64(nil, math.Float64bits(-1))
	sums := matrixHeader + len("golden") + 4*9
	for _, test := range []struct {
		reason string
		change func([]byte) []byte
	}{
		{"empty", func([]byte) []byte { return nil }},
		{"cut in the header", func(b []byte) []byte { return b[:20] }},
		{"cut in the sums", func(b []byte) []byte { return b[:len(b)-9] }},
		{"one bit flipped", func(b []byte) []byte { b[60] ^= 1; return b }},
		{"another magic", put(0, 'X')},
		{"a future version", put(4, matrixVersion+1)},
		{"version zero", put(4, 0)},
		{"settings longer than the data", put(6, 0xff, 0xff)},
		{"dimension zero", put(8, 0, 0, 0, 0)},
		{"a dimension that would take all memory", put(8, 0xff, 0xff, 0xff, 0x7f)},
		{"a dimension that does not fit the data", put(8, 4)},
		{"no groups", put(12, 0, 0, 0, 0)},
		{"groups that would take all memory", put(12, 0xff, 0xff, 0xff, 0x7f)},
		{"eps^2 zero, which means a default elsewhere", put(16, make([]byte, 8)...)},
		{"eps^2 NaN", put(16, nan...)},
		{"triples beyond counting", put(matrixHeader+6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)},
		{"a group emptied with its sums left", put(matrixHeader+6, make([]byte, 8)...)},
		{"NaN in the sums", put(sums+8, nan...)},
		{"negative on the diagonal", put(sums, minus...)},
		{"bytes to spare", func(b []byte) []byte { return sealed(append(b, make([]byte, 8)...)) }},
	} {
		t.Run(test.reason, func(t *testing.T) {
			m := smallMatrix(t)
			before := m.Symmetric().RawSymmetric().Data
			err := m.UnmarshalBinary(test.change(append([]byte(nil), good...)))
			if !errors.Is(err, ErrFormat) {
				t.Errorf("error %v, want ErrFormat", err)
			}
			if diff := cmp.Diff(before, m.Symmetric().RawSymmetric().Data); diff != "" || m.Triples() != 4 {
				t.Errorf("the receiver changed: %d triples\n%s", m.Triples(), diff)
			}
		})
	}
}

func TestMatrixMarshalRefusesLongSettings(t *testing.T) {
	m, err := NewMatrix(MatrixConfig{Dimension: 1, Settings: string(make([]byte, 1<<16))})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.MarshalBinary(); !errors.Is(err, ErrSettings) {
		t.Errorf("error %v, want ErrSettings", err)
	}
}

func FuzzMatrixBinary(f *testing.F) {
	good, err := smallMatrix(f).MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add([]byte(matrixMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, data := range [][]byte{data, seal(data)} {
			var m Matrix
			if m.UnmarshalBinary(data) != nil {
				continue
			}
			again, err := m.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			if data[4] == matrixVersion {
				if diff := cmp.Diff(data, again); diff != "" {
					t.Fatalf("what was read is not written again:\n%s", diff)
				}
			}
			// An earlier version is written as this one, and is the same matrix.
			var same Matrix
			if err := same.UnmarshalBinary(again); err != nil {
				t.Fatal("what was written is not read:", err)
			}
			if diff := cmp.Diff(m.Symmetric().RawSymmetric().Data, same.Symmetric().RawSymmetric().Data); diff != "" {
				t.Fatalf("another matrix after a write:\n%s", diff)
			}
			if s, err := m.LogDet(); err == nil && (math.IsNaN(s) || math.IsInf(s, 0)) {
				t.Fatal("score", s)
			}
		}
	})
}

// seal is sealed for data of any length.
func seal(data []byte) []byte {
	if len(data) < crc64.Size {
		return data
	}
	return sealed(data)
}

// TestDualForm: the jackknife from the rows' own products is the direct one to
// 1e-9, on both sides of where it begins, with empty groups and with all triples in
// one; the choice is by shape alone.
func TestDualForm(t *testing.T) {
	for _, test := range []struct {
		n, d, groups int
		dual         bool
	}{
		{1, 64, 4, true}, {2, 64, 2, true}, {63, 64, 32, true}, {64, 64, 32, false}, {65, 64, 32, false},
		{40, 63, 32, false}, // small matrices stay as they are
		{120, 200, 32, true}, {150, 200, 1, true}, {199, 200, 32, true}, {200, 200, 32, false}, {97, 300, 7, true},
	} {
		m, err := NewMatrix(MatrixConfig{Dimension: test.d, Groups: test.groups})
		if err != nil {
			t.Fatal(err)
		}
		for i := range test.n {
			fillRow(m.row(int(hash64.Mix(uint64(i))%uint64(test.groups))), float64(i+1))
		}
		if got := m.dual() != nil; got != test.dual {
			t.Errorf("%+v: dual form %v", test, got)
		}
		direct := m.Clone()
		if err := direct.Scale(1); err != nil { // sums have no dual form
			t.Fatal(err)
		}
		if direct.dual() != nil {
			t.Fatal("a dual form without rows")
		}
		all, without, err := m.LogDets()
		want, rest, err2 := direct.LogDets()
		if err != nil || err2 != nil || math.Abs(all-want) > 1e-9*max(1, want) {
			t.Errorf("%+v: %v, directly %v; %v %v", test, all, want, err, err2)
		}
		for g := range rest {
			if math.Abs(without[g]-rest[g]) > 1e-9*max(1, rest[g]) {
				t.Errorf("%+v: without group %d %v, directly %v", test, g, without[g], rest[g])
			}
		}
		if one, err := m.LogDet(); err != nil || one != all {
			t.Errorf("%+v: LogDet %v, LogDets %v, %v", test, one, all, err)
		}
		e, err := m.EffectiveDimension()
		f, err2 := direct.EffectiveDimension()
		if err != nil || err2 != nil || math.Abs(e-f) > 1e-9*max(1, f) {
			t.Errorf("%+v: effective dimension %v, directly %v; %v %v", test, e, f, err, err2)
		}
	}
}
