package formats

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// checkPage checks one page, whose bytes are in c.page. It must unpack to what its
// header says, and the counts inside must not exceed the number of its values.
// checkPage returns that number, 0 for a dictionary.
func (c *checker) checkPage(leaf *parquet.LeafColumn, codec format.CompressionCodec, header *format.PageHeader) (values int, err error) {
	p := page{leaf: leaf}
	body, size := c.page, int(header.UncompressedPageSize)
	levels := 0 // bytes of levels in front that are not compressed
	packed := true
	switch header.Type {
	case format.DictionaryPage:
		p.values, p.encoding, p.dictionary = int(header.DictionaryPageHeader.V.NumValues), format.Plain, true
	case format.DataPage:
		h := &header.DataPageHeader.V
		p.values, p.encoding, p.prefixed = int(h.NumValues), h.Encoding, true
	case format.DataPageV2:
		h := &header.DataPageHeaderV2.V
		p.values, p.encoding = int(h.NumValues), h.Encoding
		p.repetition, p.definition = int(h.RepetitionLevelsByteLength), int(h.DefinitionLevelsByteLength)
		packed = !h.IsCompressed.Valid || h.IsCompressed.V
		if p.repetition < 0 || p.definition < 0 || p.repetition > len(body) || p.definition > len(body)-p.repetition {
			return 0, fmt.Errorf("%w: levels of %d and %d bytes in a page of %d", errAnnounced, p.repetition, p.definition, len(body))
		}
		levels = p.repetition + p.definition
	default:
		return 0, nil // an index
	}
	if p.values < 0 || int64(p.values) > freeValues+8*int64(max(size, len(body))) {
		return 0, fmt.Errorf("%w: a page of %d bytes with %d values", errAnnounced, size, p.values)
	}
	content := body
	if packed && codec != format.Uncompressed {
		if size < levels {
			return 0, errAnnounced
		}
		c.content = append(grow(c.content, 0), body[:levels]...)
		if c.content, err = c.unpack.append(c.content, body[levels:], codec, size); err != nil {
			return 0, err
		}
		content = c.content
	}
	if err := p.check(content); err != nil {
		return 0, err
	}
	if p.dictionary {
		return 0, nil
	}
	return p.values, nil
}

// page is the content of a page's header.
type page struct {
	leaf                   *parquet.LeafColumn
	values                 int // nulls too
	encoding               format.Encoding
	dictionary             bool
	prefixed               bool // levels have their length in front
	repetition, definition int  // bytes of levels that have not
}

// check checks the unpacked bytes of a page.
func (p *page) check(b []byte) (err error) {
	present := p.values
	if !p.dictionary {
		if _, b, err = p.levels(b, p.repetition, p.leaf.MaxRepetitionLevel); err != nil {
			return fmt.Errorf("repetition levels: %w", err)
		}
		if present, b, err = p.levels(b, p.definition, p.leaf.MaxDefinitionLevel); err != nil {
			return fmt.Errorf("definition levels: %w", err)
		}
	}
	switch p.encoding {
	//lint:ignore SA1019 older files have it
	case format.PlainDictionary, format.RLEDictionary:
		if len(b) == 0 {
			return nil
		}
		_, err = runs(b[1:], int(b[0]), present, -1)
		return err
	case format.RLE: // bools
		if len(b) < 4 {
			return io.ErrUnexpectedEOF
		}
		_, err = runs(b[4:], 1, present, -1)
		return err
	case format.DeltaBinaryPacked, format.DeltaLengthByteArray:
		_, err = new(deltas).header(b, present)
		return err
	case format.DeltaByteArray: // beginnings shared with the value before, then the rest
		shared, b, err := new(deltas).lengths(b, present)
		if err == nil {
			_, err = new(deltas).header(b, present)
		}
		if err == nil && shared > mostPageBytes {
			err = fmt.Errorf("%w: values of %d bytes together", errAnnounced, shared)
		}
		return err
	case format.Plain:
		return p.plain(len(b), present)
	}
	return nil
}

// plain checks whether n bytes can hold that many values.
func (p *page) plain(n, values int) error {
	need := 0 // bits of a value
	switch t := p.leaf.Node.Type(); t.Kind() {
	case parquet.Boolean:
		need = 1
	case parquet.Int32, parquet.Float, parquet.ByteArray: // a text has its length in front
		need = 32
	case parquet.Int64, parquet.Double:
		need = 64
	case parquet.Int96:
		need = 96
	case parquet.FixedLenByteArray:
		need = 8 * t.Length()
	}
	if int64(values)*int64(need) > 8*int64(n) {
		return fmt.Errorf("%w: %d values in %d bytes", errAnnounced, values, n)
	}
	return nil
}

// levels checks levels with a maximum of most. It returns how many are equal to it,
// and what follows them.
func (p *page) levels(b []byte, length, most int) (equal int, rest []byte, err error) {
	if p.prefixed {
		if most == 0 {
			return p.values, b, nil
		}
		if len(b) < 4 {
			return 0, nil, io.ErrUnexpectedEOF
		}
		long := binary.LittleEndian.Uint32(b)
		if b = b[4:]; uint64(long) > uint64(len(b)) {
			return 0, nil, io.ErrUnexpectedEOF
		}
		length = int(long)
	}
	equal = p.values
	if most > 0 && length > 0 {
		equal, err = runs(b[:length], bits.Len(uint(most)), p.values, most)
	}
	return equal, b[length:], err
}

// runs checks run-length encoded and bit-packed numbers of a width in bits. Apart from
// padding there must not be more than want. It returns how many of the first want are
// equal to a number.
func runs(b []byte, width, want, equalTo int) (equal int, err error) {
	if width > 32 {
		return 0, fmt.Errorf("numbers of %d bits", width)
	}
	const padding = 1 << 12
	for total := 0; len(b) > 0; {
		head, n := binary.Uvarint(b)
		if n <= 0 {
			return 0, errors.New("a run without its length")
		}
		b = b[n:]
		count, size := head>>1, (width+7)/8
		if head&1 == 1 { // groups of 8
			if count > uint64(want+padding) {
				return 0, errAnnounced
			}
			count, size = 8*count, int(count)*width
		}
		if count > uint64(want+padding-total) {
			return 0, fmt.Errorf("%w: %d numbers more in a page of %d values", errAnnounced, count, want)
		}
		if size > len(b) {
			return 0, io.ErrUnexpectedEOF
		}
		for k := 0; equalTo >= 0 && k < int(count) && total+k < want; k++ {
			at := 0
			if head&1 == 1 {
				at = k * width
			}
			if number(b[:size], at, width) != equalTo {
				continue
			}
			if head&1 == 0 {
				equal += min(int(count), want-total)
				break
			}
			equal++
		}
		b = b[size:]
		total += int(count)
	}
	return equal, nil
}

// number returns the bits from position at on.
func number(b []byte, at, width int) (x int) {
	for k := range width {
		x |= int(b[(at+k)/8]>>((at+k)%8)&1) << k
	}
	return x
}

// deltas holds numbers in the encoding DELTA_BINARY_PACKED.
type deltas struct {
	block, parts int // size of a block, and its parts
	values       int
	first        int64
}

// header reads what precedes the numbers. There must be no more than want of them. It
// returns what follows.
func (d *deltas) header(b []byte, want int) ([]byte, error) {
	var head [3]uint64
	for i := range head {
		x, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, io.ErrUnexpectedEOF
		}
		head[i], b = x, b[n:]
	}
	first, n := binary.Varint(b)
	switch block, parts, values := head[0], head[1], head[2]; {
	case n <= 0:
		return nil, io.ErrUnexpectedEOF
	case block == 0 || block > 1<<16 || parts == 0 || parts > block || block/parts%8 != 0:
		return nil, errors.New("delta encoding: bad sizes of blocks")
	case values > uint64(want):
		return nil, fmt.Errorf("%w: %d numbers in a page of %d values", errAnnounced, values, want)
	}
	*d = deltas{int(head[0]), int(head[1]), int(head[2]), first}
	return b[n:], nil
}

// lengths adds up numbers that are lengths, as 32-bit integers, and returns what
// follows them.
func (d *deltas) lengths(b []byte, want int) (sum int64, rest []byte, err error) {
	if b, err = d.header(b, want); err != nil {
		return 0, nil, err
	}
	last, left := int32(d.first), d.values
	if left > 0 {
		sum, left = int64(max(0, last)), left-1
	}
	for left > 0 {
		least, n := binary.Varint(b)
		if n <= 0 || len(b)-n < d.parts {
			return 0, nil, io.ErrUnexpectedEOF
		}
		widths := b[n : n+d.parts]
		b = b[n+d.parts:]
		for _, width := range widths {
			size := d.block / d.parts * int(width) / 8
			if left == 0 {
				break
			}
			if width > 32 || size > len(b) {
				return 0, nil, io.ErrUnexpectedEOF
			}
			for k := 0; k < d.block/d.parts && left > 0; k++ {
				last += int32(least) + int32(number(b[:size], k*int(width), int(width)))
				sum += int64(max(0, last))
				left--
			}
			b = b[size:]
		}
	}
	return sum, b, nil
}
