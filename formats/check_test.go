package formats

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/format"
)

// wide has a column of every kind and encoding.
type wide struct {
	Plain    string                  `parquet:"plain,plain" json:"plain"`
	Dict     string                  `parquet:"dict,dict" json:"dict"`
	Length   string                  `parquet:"length,delta" json:"length"`
	Optional *string                 `parquet:"optional,optional" json:"optional"`
	Bool     bool                    `parquet:"bool" json:"bool"`
	Maybe    *bool                   `parquet:"maybe,optional" json:"maybe"`
	Int      int32                   `parquet:"int,delta" json:"int"`
	Long     int64                   `parquet:"long,delta" json:"long"`
	Float    float64                 `parquet:"float,split" json:"float"`
	List     []string                `parquet:"list,list,dict" json:"list"`
	Numbers  []int64                 `parquet:"numbers,list" json:"numbers"`
	Groups   []struct{ A, B string } `parquet:"groups,list" json:"groups"`
}

func wideRows(n int) []wide {
	rows := make([]wide, n)
	for i := range rows {
		text := fmt.Sprint("text ", i%7, strings.Repeat("x", i%50))
		rows[i] = wide{Plain: text, Dict: fmt.Sprint(i % 5), Length: text, Bool: i%3 == 0, Int: int32(i * i), Long: int64(i) << 33, Float: float64(i) / 3}
		if i%4 != 0 && i > n/3 {
			rows[i].Optional, rows[i].Maybe = &text, &rows[i].Bool
		}
		for k := range i % 4 {
			rows[i].List = append(rows[i].List, fmt.Sprint(k))
			rows[i].Numbers = append(rows[i].Numbers, int64(k-i))
			rows[i].Groups = append(rows[i].Groups, struct{ A, B string }{text, fmt.Sprint(k)})
		}
	}
	return rows
}

func parquetBytes(t testing.TB, rows []wide, options ...parquet.WriterOption) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[wide](&b, options...)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var codecs = []compress.Codec{&parquet.Uncompressed, &parquet.Snappy, &parquet.Gzip, &parquet.Zstd, &parquet.Brotli, &parquet.Lz4Raw}

// TestChecksPass: no check refuses a sound file, whatever its compression,
// encodings and version of pages.
func TestChecksPass(t *testing.T) {
	rows := wideRows(3000)
	for _, codec := range codecs {
		for version := 1; version <= 2; version++ {
			t.Run(fmt.Sprintf("%v/%d", codec, version), func(t *testing.T) {
				data := parquetBytes(t, rows, parquet.Compression(codec), parquet.DataPageVersion(version), parquet.PageBufferSize(10000), parquet.MaxRowsPerRowGroup(1100))
				r, err := Parquet(bytes.NewReader(data))
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				lines := json.NewDecoder(r)
				for i := range rows {
					var got wide
					if err := lines.Decode(&got); err != nil {
						t.Fatalf("row %d: %v", i, err)
					}
					if diff := cmp.Diff(rows[i], got, cmpopts.EquateEmpty()); diff != "" && i%97 == 0 {
						t.Fatalf("row %d: %s", i, diff)
					}
				}
				if _, err := lines.Token(); err != io.EOF {
					t.Errorf("error %v behind the last row", err)
				}
			})
		}
	}
}

// allocated returns the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestAnnounced: what a small file announces is not allocated.
func TestAnnounced(t *testing.T) {
	sound := parquetBytes(t, wideRows(20))
	footer := func(list []byte) []byte {
		return append(append(append([]byte("PAR1"), list...), binary.LittleEndian.AppendUint32(nil, uint32(len(list)))...), "PAR1"...)
	}
	for _, test := range []struct {
		why  string
		data []byte
	}{
		{"a footer of 4 GB", append(append([]byte{}, sound[:len(sound)-8]...), "\xff\xff\xff\xffPAR1"...)},
		{"a footer larger than the file by a byte", append(append([]byte{}, sound[:len(sound)-8]...), string(binary.LittleEndian.AppendUint32(nil, uint32(len(sound)-11)))+"PAR1"...)},
		{"a schema of 2^31 elements", footer([]byte{0x15, 2, 0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 7})},
		{"structs without an end", footer(bytes.Repeat([]byte{0x1c}, 1<<20))},
		{"a text of 2^31 bytes", footer([]byte{0x18, 0xff, 0xff, 0xff, 0xff, 7})},
	} {
		var err error
		grown := allocated(func() { _, err = Parquet(bytes.NewReader(test.data)) })
		if err == nil || grown > 64<<20 {
			t.Errorf("%s: %d MB allocated, error %v", test.why, grown>>20, err)
		}
	}
}

// TestRuns: levels and indices that are more than the page has values, and those
// that are as many.
func TestRuns(t *testing.T) {
	run := func(count uint64, value ...byte) []byte { return append(binary.AppendUvarint(nil, count<<1), value...) }
	for _, test := range []struct {
		why         string
		data        []byte
		width, want int
		equal       int
		err         error
	}{
		{"one run", run(1000, 1), 1, 1000, 1000, nil},
		{"a run longer than the page", run(1<<31, 1), 1, 1000, 0, errAnnounced},
		{"many runs", bytes.Repeat(run(1000, 1), 50), 1, 1000, 0, errAnnounced},
		{"bit-packed, padded", []byte{3, 0b101}, 1, 5, 2, nil},
		{"two bits each, the levels 0 1 2 3", []byte{3, 0b11100100, 0}, 2, 4, 1, nil},
		{"cut short", []byte{5, 1}, 1, 16, 0, io.ErrUnexpectedEOF},
		{"no bits at all", run(1 << 40), 0, 10, 0, errAnnounced},
	} {
		most := 1<<test.width - 1
		equal, err := runs(test.data, test.width, test.want, most)
		if equal != test.equal && err == nil || !errors.Is(err, test.err) {
			t.Errorf("%s: %d equal, error %v; want %d, %v", test.why, equal, err, test.equal, test.err)
		}
	}
}

// TestUnpackBombs: pages that unpack to more, or less, than they announce.
func TestUnpackBombs(t *testing.T) {
	zeros := make([]byte, 64<<20)
	for _, codec := range codecs[1:] {
		packed, err := codec.Encode(nil, zeros)
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{1000, len(zeros) - 1, len(zeros) + 1} {
			var u unpacker
			grown := allocated(func() { _, err = u.append(nil, packed, codec.CompressionCodec(), size) })
			if err == nil || size == 1000 && grown > 32<<20 {
				t.Errorf("%v: %d bytes announced: %d MB allocated, error %v", codec, size, grown>>20, err)
			}
		}
		got, err := new(unpacker).append([]byte("levels"), packed, codec.CompressionCodec(), len(zeros)+6)
		if err != nil || len(got) != len(zeros)+6 || string(got[:6]) != "levels" {
			t.Errorf("%v: %d bytes, error %v", codec, len(got), err)
		}
	}
	if _, err := new(unpacker).append(nil, []byte("\xff\xff\xff\xff\x07"), format.Snappy, 1<<31-1); !errors.Is(err, errAnnounced) {
		t.Errorf("a snappy page of 2 GB in 5 bytes: error %v", err)
	}
}

// TestDeltaLengths compares the sum of lengths with that of the numbers.
func TestDeltaLengths(t *testing.T) {
	rest := []byte("rest")
	for _, numbers := range [][]int32{{}, {5}, {3, 1, 4, 1, 5, 9, 2, 6}, make([]int32, 1000)} {
		want := int64(0)
		for i := range numbers {
			if len(numbers) > 100 {
				numbers[i] = int32(i * i % 977)
			}
			want += int64(numbers[i])
		}
		data, err := parquet.DeltaBinaryPacked.EncodeInt32(nil, numbers)
		if err != nil {
			t.Fatal(err)
		}
		sum, left, err := new(deltas).lengths(append(data, rest...), len(numbers))
		if err != nil || sum != want || !bytes.Equal(left, rest) {
			t.Errorf("%d numbers: sum %d, %q left, error %v; want %d", len(numbers), sum, left, err, want)
		}
		if _, err := new(deltas).header(data, len(numbers)-1); len(numbers) > 0 && !errors.Is(err, errAnnounced) {
			t.Errorf("%d numbers: error %v for one more than the page has values", len(numbers), err)
		}
	}
}
