package vecstore

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"

	"example.com/eci/internal/disk"
)

// A segment is one file of a Store: Magic, then records. It has one
// writer, which only appends, and any number of readers. A record is, all
// integers and floats little-endian,
//
//	32 bytes    key, SHA-256 of all that the vector depends on
//	 4 bytes    number of components d, 1 to MostComponents
//	 4 bytes    CRC-32C of the 36 bytes before
//	4d bytes    components, float32
//	 4 bytes    CRC-32C of all bytes of the record before
//
// A reader stops at the first record that is not whole, and looks there again
// once the file has grown.
const (
	// Magic begins every file; its last byte is the version of the format.
	Magic = "ECIvec\x00\x01"
	// Suffix ends the name of every file.
	Suffix = ".vectors"
	// MostComponents is the largest dimension of a vector.
	MostComponents = 1 << 20

	recordHeader = 32 + 4 + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Key is a SHA-256 digest of all that a vector depends on.
type Key [32]byte

// short is what the index in memory keeps of a key; the whole one is compared
// when a record is read.
func (k *Key) short() (s [16]byte) {
	copy(s[:], k[:])
	return s
}

// RecordSize is the number of bytes that a vector takes on disk.
func RecordSize(components int) int64 { return recordHeader + 4*int64(components) + 4 }

// appendRecord appends the record of a vector.
func appendRecord(dst []byte, key Key, vector []float32) []byte {
	start := len(dst)
	dst = append(dst, key[:]...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(vector)))
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
	for _, x := range vector {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(x))
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// parseHeader returns key and number of components, if the header is whole.
func parseHeader(raw []byte) (key Key, components int, ok bool) {
	copy(key[:], raw)
	n := binary.LittleEndian.Uint32(raw[32:])
	ok = binary.LittleEndian.Uint32(raw[36:]) == crc32.Checksum(raw[:36], castagnoli)
	return key, int(n), ok && n >= 1 && n <= MostComponents
}

// parseRecord returns the vector of a record, if it is whole and has the key.
func parseRecord(raw []byte, want Key) ([]float32, bool) {
	key, components, ok := parseHeader(raw)
	body := len(raw) - 4
	if !ok || key != want || RecordSize(components) != int64(len(raw)) ||
		binary.LittleEndian.Uint32(raw[body:]) != crc32.Checksum(raw[:body], castagnoli) {
		return nil, false
	}
	vector := make([]float32, components)
	for i := range vector {
		vector[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[recordHeader+4*i:]))
	}
	return vector, true
}

// segment is a file as one process knows it.
type segment struct {
	name    string
	file    disk.File // nil while closed
	scanned int64     // up to here its records are in the index
	own     bool      // written by this process, which indexes what it writes
	bad     bool      // it could not be read
}

// scan calls found with the place of every whole record after scanned in the
// size bytes of the file.
func (s *segment) scan(file io.ReaderAt, size int64, found func(key Key, offset int64, components int)) error {
	in := bufio.NewReaderSize(io.NewSectionReader(file, s.scanned, size-s.scanned), 1<<16)
	if s.scanned == 0 {
		magic := make([]byte, len(Magic))
		if _, err := io.ReadFull(in, magic); err != nil {
			return endOfSegment(err)
		}
		if !bytes.Equal(magic, []byte(Magic)) {
			s.scanned = math.MaxInt64 // of another version: not ours to read
			return nil
		}
		s.scanned = int64(len(magic))
	}
	var header [recordHeader]byte
	for {
		if _, err := io.ReadFull(in, header[:]); err != nil {
			return endOfSegment(err)
		}
		key, components, ok := parseHeader(header[:])
		if !ok || s.scanned+RecordSize(components) > size {
			return nil
		}
		if _, err := in.Discard(int(RecordSize(components)) - recordHeader); err != nil {
			return endOfSegment(err)
		}
		found(key, s.scanned, components)
		s.scanned += RecordSize(components)
	}
}

func endOfSegment(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil
	}
	return err
}
