package ecibeam

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"slices"

	"example.com/eci"
)

// elementBytes limits an element that may be split. It is below every known limit of a
// runner; see docs/beam.md.
const elementBytes = 2 << 20

// piece is a part of a [Summary] on its way to the file: piece Seq of the Of pieces of
// one value, which may belong to a source.
type piece struct {
	Kind    pieceKind
	Source  string
	Seq, Of int
	Data    []byte
}

type pieceKind byte

const (
	pieceSettings    pieceKind = iota // gob of Settings
	pieceCalibration                  // JSON
	pieceBudget                       // gob of admission
	pieceSource                       // gob of SourceSummary without Matrix and Sample
	pieceMatrix                       // stored form of a Matrix
	pieceSample                       // a row, one of many values
	pieceLabel                        // a row, one of many values
	pieceSkipped                      // counts by reason, a source's
	pieceInfluence                    // stored form of an Influence, of the source it was made for
	pieceChooses                      // the source whose influence a source's rows have
	pieceLint                         // counts by rule of lint, a source's
	pieceKinds
)

// split divides a value into pieces.
func split(kind pieceKind, source string, data []byte) []piece {
	of := max(1, (len(data)+elementBytes-1)/elementBytes)
	out := make([]piece, of)
	for i := range out {
		n := min(elementBytes, len(data))
		out[i] = piece{kind, source, i, of, data[:n]}
		data = data[n:]
	}
	return out
}

// joined restores a value from all its pieces.
func joined(pieces []piece) ([]byte, error) {
	slices.SortFunc(pieces, comparePieces)
	var out []byte
	for i, p := range pieces {
		if p.Seq != i || p.Of != len(pieces) {
			return nil, fmt.Errorf("eci/beam: %w: a value of %d pieces has %d", eci.ErrFormat, p.Of, len(pieces))
		}
		out = append(out, p.Data...)
	}
	return out, nil
}

func comparePieces(a, b piece) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Seq, b.Seq), slices.Compare(a.Data, b.Data))
}

func encodePiece(p piece) []byte {
	out := appendText([]byte{byte(p.Kind)}, p.Source)
	out = binary.AppendUvarint(out, uint64(p.Seq))
	out = binary.AppendUvarint(out, uint64(p.Of))
	return append(out, p.Data...)
}

func decodePiece(data []byte) (piece, error) {
	r := reader{data: data}
	kind := r.take(1)
	p := piece{Source: r.text(), Seq: int(r.uvarint()), Of: int(r.uvarint())}
	if r.bad || kind[0] >= byte(pieceKinds) {
		return piece{}, fmt.Errorf("eci/beam: %w: %d bytes are not a piece of a summary", eci.ErrFormat, len(data))
	}
	p.Kind, p.Data = pieceKind(kind[0]), slices.Clone(r.data)
	return p, nil
}

// The stored form of a Summary, or of influences: magic, the number of pieces, each piece with its
// length, in the order of comparePieces, and a CRC-64 of all of this.
const summaryMagic = "ECIB2"

var crcTable = crc64.MakeTable(crc64.ECMA)

func storePieces(magic string, pieces []piece) []byte {
	slices.SortFunc(pieces, comparePieces)
	out := binary.AppendUvarint([]byte(magic), uint64(len(pieces)))
	for _, p := range pieces {
		raw := encodePiece(p)
		out = binary.AppendUvarint(out, uint64(len(raw)))
		out = append(out, raw...)
	}
	return binary.LittleEndian.AppendUint64(out, crc64.Checksum(out, crcTable))
}

func readPieces(magic string, data []byte) ([]piece, error) {
	fail := func(why string) ([]piece, error) {
		return nil, fmt.Errorf("eci/beam: %w: %s", eci.ErrFormat, why)
	}
	if len(data) < len(magic)+8 || string(data[:len(magic)]) != magic {
		return fail(fmt.Sprintf("it does not begin with %q", magic))
	}
	body, sum := data[:len(data)-8], data[len(data)-8:]
	if crc64.Checksum(body, crcTable) != binary.LittleEndian.Uint64(sum) {
		return fail("the checksum does not match; it is damaged or cut short")
	}
	r := reader{data: body[len(magic):]}
	pieces := make([]piece, r.length(1))
	for i := range pieces {
		var err error
		if pieces[i], err = decodePiece(r.take(r.length(1))); err != nil || r.bad {
			return fail(fmt.Sprintf("piece %d cannot be read", i+1))
		}
	}
	if len(r.data) > 0 {
		return fail("there is more after its last piece")
	}
	return pieces, nil
}
