package eci

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"example.com/eci/internal/disk"
)

// A segment is one file of a DiskCache: segmentMagic, then records. It has one
// writer, which only appends, and any number of readers. A record is, all
// integers and floats little-endian,
//
//	32 bytes    key, SHA-256 of all that the vector depends on
//	 4 bytes    number of components d, 1 to mostComponents
//	 4 bytes    CRC-32C of the 36 bytes before
//	4d bytes    components, float32
//	 4 bytes    CRC-32C of all bytes of the record before
//
// A reader stops at the first record that is not whole, and looks there again
// once the file has grown.
const (
	segmentMagic   = "ECIvec\x00\x01"
	segmentSuffix  = ".vectors"
	recordHeader   = 32 + 4 + 4
	mostComponents = 1 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// cacheKey is a SHA-256 digest.
type cacheKey [32]byte

// short is what the index in memory keeps of a key; the whole one is compared
// when a record is read.
func (k *cacheKey) short() (s [16]byte) {
	copy(s[:], k[:])
	return s
}

func recordSize(components int) int64 { return recordHeader + 4*int64(components) + 4 }

// appendRecord appends the record of a vector.
func appendRecord(dst []byte, key cacheKey, vector []float32) []byte {
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
func parseHeader(raw []byte) (key cacheKey, components int, ok bool) {
	copy(key[:], raw)
	n := binary.LittleEndian.Uint32(raw[32:])
	ok = binary.LittleEndian.Uint32(raw[36:]) == crc32.Checksum(raw[:36], castagnoli)
	return key, int(n), ok && n >= 1 && n <= mostComponents
}

// parseRecord returns the vector of a record, if it is whole and has the key.
func parseRecord(raw []byte, want cacheKey) ([]float32, bool) {
	key, components, ok := parseHeader(raw)
	body := len(raw) - 4
	if !ok || key != want || recordSize(components) != int64(len(raw)) ||
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
func (s *segment) scan(file io.ReaderAt, size int64, found func(key cacheKey, offset int64, components int)) error {
	in := bufio.NewReaderSize(io.NewSectionReader(file, s.scanned, size-s.scanned), 1<<16)
	if s.scanned == 0 {
		magic := make([]byte, len(segmentMagic))
		if _, err := io.ReadFull(in, magic); err != nil {
			return endOfSegment(err)
		}
		if !bytes.Equal(magic, []byte(segmentMagic)) {
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
		if !ok || s.scanned+recordSize(components) > size {
			return nil
		}
		if _, err := in.Discard(int(recordSize(components)) - recordHeader); err != nil {
			return endOfSegment(err)
		}
		found(key, s.scanned, components)
		s.scanned += recordSize(components)
	}
}

func endOfSegment(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil
	}
	return err
}

// begin opens a new file to append to.
func (c *DiskCache) begin() (err error) {
	last, err := c.makeRoom(c.segmentBytes)
	if err != nil {
		return err
	}
	var chance [8]byte
	rand.Read(chance[:])
	// Names sort by age; chance keeps apart processes that begin at one time.
	name := fmt.Sprintf("%010d-%x%s", last+1, chance, segmentSuffix)
	path := filepath.Join(c.config.Dir, name)
	file, err := c.files.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := file.WriteAt([]byte(segmentMagic), 0); err != nil {
		return errors.Join(err, file.Close(), c.files.Remove(path))
	}
	c.current = &segment{name: name, file: file, scanned: int64(len(segmentMagic)), own: true}
	c.add(c.current)
	c.open++
	return nil
}

// write appends whole records to the current file. What an error leaves behind
// there is overwritten by the next records; until then readers stop at it.
func (c *DiskCache) write(records []byte) error {
	s := c.current
	if _, err := s.file.WriteAt(records, s.scanned); err != nil {
		return err
	}
	s.scanned += int64(len(records))
	return nil
}

// list returns the files of the cache, oldest first, with their sizes.
func (c *DiskCache) list() (names []string, sizes []int64, err error) {
	entries, err := c.files.ReadDir(c.config.Dir)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries { // sorted by name
		if !strings.HasSuffix(e.Name(), segmentSuffix) || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue // removed by another process, or of no use
		}
		names, sizes = append(names, e.Name()), append(sizes, info.Size())
	}
	return names, sizes, nil
}

// makeRoom removes the oldest files until so many more bytes fit, and returns
// the number in the newest name. A file that cannot be removed stays in use, and
// the next one goes.
func (c *DiskCache) makeRoom(bytes int64) (last int64, err error) {
	names, sizes, err := c.list()
	if err != nil {
		return 0, err
	}
	const most = 1e10 // names have ten digits
	total := bytes
	for i, name := range names {
		total += sizes[i]
		digits, _, _ := strings.Cut(name, "-")
		if n, err := strconv.ParseInt(digits, 10, 64); err == nil && n < most {
			last = max(last, n)
		}
	}
	var failed error
	for i := 0; i < len(names) && total > c.config.MaxBytes; i++ {
		s := c.segments[c.ids[names[i]]]
		if s != nil { // some systems do not remove what is open
			failed = errors.Join(failed, c.shut(s))
		}
		if err := c.files.Remove(filepath.Join(c.config.Dir, names[i])); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, err)
			continue
		}
		total -= sizes[i]
		if s != nil {
			c.forget(s)
		}
	}
	if total > c.config.MaxBytes {
		return 0, fmt.Errorf("%d bytes are to fit into MaxBytes, %d: %w", total, c.config.MaxBytes, failed)
	}
	return last, nil
}

// refresh brings the index up to what is on disk. At first a newer record
// replaces an older one of the same key, which may be a damaged one; later, what
// a run has used stays what it uses. A file that cannot be read is left out: it
// must not keep the others from being used.
func (c *DiskCache) refresh(first bool) error {
	names, sizes, err := c.list()
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(names))
	for i, name := range names {
		there[name] = true
		id, ok := c.ids[name]
		if !ok {
			id = c.add(&segment{name: name})
		}
		s := c.segments[id]
		if s.own || s.bad || sizes[i] <= s.scanned {
			continue
		}
		err := c.reopen(s)
		if err == nil {
			err = s.scan(s.file, sizes[i], func(key cacheKey, offset int64, components int) {
				if _, ok := c.index[key.short()]; (first || !ok) && offset <= math.MaxUint32 {
					c.index[key.short()] = place{id, uint32(offset), uint32(components)}
				}
			})
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.bad = true
			c.stats.Unreadable++
		}
	}
	for name, id := range c.ids {
		if !there[name] {
			c.forget(c.segments[id])
		}
	}
	return nil
}

func (c *DiskCache) add(s *segment) uint32 {
	c.nextID++
	c.segments[c.nextID], c.ids[s.name] = s, c.nextID
	return c.nextID
}

// forget drops a file that is gone.
func (c *DiskCache) forget(s *segment) {
	c.shut(s)
	if s == c.current {
		c.current = nil
	}
	id := c.ids[s.name]
	maps.DeleteFunc(c.index, func(_ [16]byte, p place) bool { return p.segment == id })
	delete(c.segments, id)
	delete(c.ids, s.name)
}

// reopen opens a file to read from, and closes others where many are open.
func (c *DiskCache) reopen(s *segment) (err error) {
	if s.file != nil {
		return nil
	}
	for _, other := range c.segments {
		if c.open < mostOpenFiles {
			break
		}
		if other != c.current {
			c.shut(other)
		}
	}
	s.file, err = c.files.OpenFile(filepath.Join(c.config.Dir, s.name), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	c.open++
	return nil
}

func (c *DiskCache) shut(s *segment) error {
	if s.file == nil {
		return nil
	}
	if s == c.current {
		c.current = nil // opened again it can only be read
	}
	err := s.file.Close()
	s.file = nil
	c.open--
	return err
}
