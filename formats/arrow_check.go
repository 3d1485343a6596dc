package formats

import (
	"fmt"

	flatbuffers "github.com/google/flatbuffers/go"
)

// layout says where a table of Arrow's metadata (Schema.fbs, Message.fbs) has lists
// and tables. It is needed because the arrow package allocates memory for the number
// of elements that a list announces.
type layout struct {
	lists  map[flatbuffers.VOffsetT]int // field to the size of an element of numbers
	tables map[flatbuffers.VOffsetT]string
	one    map[flatbuffers.VOffsetT]string // a table and not a list of them
}

var layouts = map[string]layout{
	"schema":     {lists: map[flatbuffers.VOffsetT]int{10: 8}, tables: map[flatbuffers.VOffsetT]string{6: "field", 8: "pair"}},
	"field":      {tables: map[flatbuffers.VOffsetT]string{14: "field", 16: "pair"}},
	"batch":      {lists: map[flatbuffers.VOffsetT]int{6: 16, 8: 16, 12: 8}},
	"dictionary": {one: map[flatbuffers.VOffsetT]string{6: "batch"}},
	"pair":       {},
}

// headers are the kinds of a message's header.
var headers = map[byte]string{1: "schema", 2: "dictionary", 3: "batch"}

const (
	headerKindField  = 6 // of the table Message
	headerField      = 8
	bodyLengthField  = 10
	maxArrowDepth    = 64 // of lists in lists
	maxArrowElements = 1 << 20
)

// checkMessage returns the length of a message's body, or an error if a list in its
// metadata is longer than the metadata. Like the package that it guards, it may panic.
func checkMessage(metadata []byte) (body int64, err error) {
	message := flatbuffers.Table{Bytes: metadata, Pos: flatbuffers.GetUOffsetT(metadata)}
	if at := message.Offset(bodyLengthField); at != 0 {
		body = message.GetInt64(message.Pos + flatbuffers.UOffsetT(at))
	}
	kind, header := message.Offset(headerKindField), message.Offset(headerField)
	if kind == 0 || header == 0 {
		return body, nil
	}
	name, ok := headers[message.GetByte(message.Pos+flatbuffers.UOffsetT(kind))]
	if !ok {
		return body, nil
	}
	left := maxArrowElements
	pos := message.Indirect(message.Pos + flatbuffers.UOffsetT(header))
	if err := checkTable(metadata, pos, name, 0, &left); err != nil || name != "batch" {
		return body, err
	}
	return body, checkRows(metadata, pos, body)
}

// checkRows rejects a batch, at pos, that announces more rows than its body has bits
// for; they would be written out one by one. Columns of nulls have no bits. A
// compressed body says less.
func checkRows(metadata []byte, pos flatbuffers.UOffsetT, body int64) error {
	const lengthField, compressionField, spare, packed = 4, 10, 1 << 20, 1 << 24
	batch := flatbuffers.Table{Bytes: metadata, Pos: pos}
	at := batch.Offset(lengthField)
	if at == 0 {
		return nil
	}
	rows, most := batch.GetInt64(pos+flatbuffers.UOffsetT(at)), 8*body+spare
	if batch.Offset(compressionField) != 0 {
		most = max(most, packed)
	}
	if rows < 0 || rows > most {
		return fmt.Errorf("damaged file: %d rows in a body of %d bytes", rows, body)
	}
	return nil
}

// checkTable checks the table at pos and everything in it. left limits the work,
// because several elements may point at one table.
func checkTable(metadata []byte, pos flatbuffers.UOffsetT, name string, depth int, left *int) error {
	if *left--; depth > maxArrowDepth || *left < 0 {
		return fmt.Errorf("damaged file: a %s in too many others", name)
	}
	t := flatbuffers.Table{Bytes: metadata, Pos: pos}
	l := layouts[name]
	length := func(field flatbuffers.VOffsetT, size int) (start flatbuffers.UOffsetT, n int, err error) {
		at := t.Offset(field)
		if at == 0 {
			return 0, 0, nil
		}
		start, n = t.Vector(flatbuffers.UOffsetT(at)), t.VectorLen(flatbuffers.UOffsetT(at))
		if n < 0 || int64(start)+int64(n)*int64(size) > int64(len(metadata)) {
			err = fmt.Errorf("damaged file: a list of %d elements in %d bytes", n, len(metadata))
		}
		return start, n, err
	}
	for field, size := range l.lists {
		if _, _, err := length(field, size); err != nil {
			return err
		}
	}
	for field, inner := range l.tables {
		start, n, err := length(field, 4)
		for i := 0; i < n && err == nil; i++ {
			err = checkTable(metadata, t.Indirect(start+flatbuffers.UOffsetT(4*i)), inner, depth+1, left)
		}
		if err != nil {
			return err
		}
	}
	for field, inner := range l.one {
		if at := t.Offset(field); at != 0 {
			if err := checkTable(metadata, t.Indirect(t.Pos+flatbuffers.UOffsetT(at)), inner, depth+1, left); err != nil {
				return err
			}
		}
	}
	return nil
}
