package formats

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// The parquet package allocates what a file announces. So every number that it would
// trust is checked first: the footer once, and the pages of a row group before their
// rows are read.
const (
	mostPageBytes   = 512 << 20 // of a page, decompressed
	mostHeaderBytes = 1 << 20   // of a page's header, which may hold two values
	freeValues      = 1 << 22   // that a page may announce whatever its size
	mostValueBytes  = 1 << 20   // of a value of fixed length
	mostDepth       = 64        // of structs in a header
)

var errAnnounced = errors.New("it announces more than it holds")

// checkFooter checks the structure of the footer: it and everything in it must fit
// into the file.
func checkFooter(data io.ReaderAt, size int64) error {
	var tail [8]byte
	if size < int64(len("PAR1")+len(tail)) {
		return io.ErrUnexpectedEOF
	}
	if _, err := data.ReadAt(tail[:], size-int64(len(tail))); err != nil && err != io.EOF {
		return err
	}
	length := int64(binary.LittleEndian.Uint32(tail[:]))
	if length > size-int64(len("PAR1")+len(tail)) {
		return fmt.Errorf("%w: a footer of %d bytes in a file of %d", errAnnounced, length, size)
	}
	footer := make([]byte, length)
	if _, err := data.ReadAt(footer, size-int64(len(tail))-length); err != nil && err != io.EOF {
		return err
	}
	_, err := skipStruct(footer, 0)
	return err
}

// skipStruct returns the length of the Thrift struct, in the compact protocol, at the
// beginning of b. It returns io.ErrUnexpectedEOF if b ends before the struct.
func skipStruct(b []byte, depth int) (int, error) {
	if depth > mostDepth {
		return 0, errors.New("too many structs inside one another")
	}
	i := 0
	for {
		if i >= len(b) {
			return i, io.ErrUnexpectedEOF
		}
		kind := b[i] & 0xf
		if b[i] == 0 {
			return i + 1, nil
		}
		if b[i]>>4 == 0 { // the field's number follows
			_, n := binary.Uvarint(b[i+1:])
			if n <= 0 {
				return i, io.ErrUnexpectedEOF
			}
			i += n
		}
		i++
		if kind == 1 || kind == 2 { // a bool is in the type
			continue
		}
		n, err := skipValue(b[i:], kind, depth)
		if i += n; err != nil {
			return i, err
		}
	}
}

// skipValue returns the length of a value of a Thrift type.
func skipValue(b []byte, kind byte, depth int) (int, error) {
	number := func() (uint64, int, error) {
		x, n := binary.Uvarint(b)
		if n <= 0 {
			return 0, 0, io.ErrUnexpectedEOF
		}
		return x, n, nil
	}
	switch kind {
	case 1, 2, 3: // bool in a list, byte
		return fits(b, 1)
	case 4, 5, 6: // integers
		_, n, err := number()
		return n, err
	case 7: // double
		return fits(b, 8)
	case 8: // binary
		length, n, err := number()
		if err != nil || length > uint64(len(b)-n) {
			return n, io.ErrUnexpectedEOF
		}
		return n + int(length), nil
	case 9, 10: // list, set
		if len(b) == 0 {
			return 0, io.ErrUnexpectedEOF
		}
		size, i, element := uint64(b[0]>>4), 1, b[0]&0xf
		if size == 15 {
			long, n := binary.Uvarint(b[1:])
			if n <= 0 {
				return i, io.ErrUnexpectedEOF
			}
			size, i = long, 1+n
		}
		if size > uint64(len(b)-i) { // an element takes a byte or more
			return i, io.ErrUnexpectedEOF
		}
		for range size {
			n, err := skipValue(b[i:], element, depth+1)
			if i += n; err != nil {
				return i, err
			}
		}
		return i, nil
	case 12:
		return skipStruct(b, depth+1)
	}
	return 0, fmt.Errorf("a header has a value of type %d", kind) // parquet has no maps
}

func fits(b []byte, n int) (int, error) {
	if n > len(b) {
		return len(b), io.ErrUnexpectedEOF
	}
	return n, nil
}

// checker checks the pages of row groups.
type checker struct {
	data          io.ReaderAt
	size          int64
	unpack        unpacker
	page, content []byte
}

// rowGroup checks all pages of a row group.
func (c *checker) rowGroup(f *parquet.File, group *format.RowGroup) error {
	paths := f.Schema().Columns()
	if len(paths) != len(group.Columns) || len(paths) == 0 {
		return fmt.Errorf("%d columns, the schema has %d", len(group.Columns), len(paths))
	}
	if group.NumRows < 0 {
		return errAnnounced
	}
	for i := range group.Columns {
		leaf, ok := f.Schema().Lookup(paths[i]...)
		if !ok {
			return fmt.Errorf("no column %q", paths[i])
		}
		if err := c.chunk(&leaf, &group.Columns[i].MetaData, group.NumRows); err != nil {
			return fmt.Errorf("column %q: %w", paths[i], err)
		}
	}
	return nil
}

// chunk checks all pages of a column in a row group.
func (c *checker) chunk(leaf *parquet.LeafColumn, about *format.ColumnMetaData, rows int64) error {
	start, length := about.DataPageOffset, about.TotalCompressedSize
	if about.DictionaryPageOffset != 0 {
		start = about.DictionaryPageOffset
	}
	if start < 0 || length < 0 || start > c.size || length > c.size-start {
		return fmt.Errorf("%w: %d bytes at %d of %d", errAnnounced, length, start, c.size)
	}
	if t := leaf.Node.Type(); t.Kind() == parquet.FixedLenByteArray && (t.Length() < 0 || t.Length() > mostValueBytes) {
		return fmt.Errorf("%w: values of %d bytes", errAnnounced, t.Length())
	}
	section := io.NewSectionReader(c.data, start, length)
	r := bufio.NewReaderSize(section, mostHeaderBytes)
	found := int64(0)
	for left := length; left > 0; {
		var header format.PageHeader
		n, err := readHeader(r, &header)
		if err != nil {
			return fmt.Errorf("header of a page: %w", err)
		}
		left -= int64(n) + int64(header.CompressedPageSize)
		if header.CompressedPageSize < 0 || header.UncompressedPageSize < 0 || left < 0 {
			return fmt.Errorf("%w: a page of %d bytes", errAnnounced, header.CompressedPageSize)
		}
		if header.UncompressedPageSize > mostPageBytes {
			return fmt.Errorf("a page of %d MB, more than %d", header.UncompressedPageSize>>20, mostPageBytes>>20)
		}
		c.page = grow(c.page, int(header.CompressedPageSize))
		if _, err := io.ReadFull(r, c.page); err != nil {
			return err
		}
		values, err := c.checkPage(leaf, about.Codec, &header)
		if err != nil {
			return err
		}
		found += int64(values)
	}
	// A row has at least one value, possibly null, in every column.
	if found < rows {
		return fmt.Errorf("%w: %d rows, %d values", errAnnounced, rows, found)
	}
	return nil
}

// readHeader reads the header of a page and returns its length.
func readHeader(r *bufio.Reader, header *format.PageHeader) (int, error) {
	for ahead := 512; ; ahead = min(8*ahead, mostHeaderBytes) {
		b, err := r.Peek(ahead)
		if err != nil && err != io.EOF {
			return 0, err
		}
		n, short := skipStruct(b, 0)
		switch {
		case short == nil:
			if err := thrift.Unmarshal(&thrift.CompactProtocol{}, b[:n], header); err != nil {
				return 0, err
			}
			_, err := r.Discard(n)
			return n, err
		case !errors.Is(short, io.ErrUnexpectedEOF) || err == io.EOF || ahead == mostHeaderBytes:
			return 0, short
		}
	}
}

// grow returns a slice of length n. It reuses the slice if it is long enough.
func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}
