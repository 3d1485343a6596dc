package ecibeam

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"fmt"
	"math"
	"reflect"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"example.com/eci"
)

func init() {
	beam.RegisterCoder(reflect.TypeFor[eci.Record](), encodeRecord, decodeRecord)
	beam.RegisterCoder(reflect.TypeFor[counts](), encodeCounts, decodeCounts)
	beam.RegisterCoder(reflect.TypeFor[keys](), encodeKeys, decodeKeys)
	beam.RegisterCoder(reflect.TypeFor[part](), encodePart, decodePart)
	beam.RegisterCoder(reflect.TypeFor[piece](), encodePiece, decodePiece)
	beam.RegisterCoder(reflect.TypeFor[ranked](), encodeRanked, decodeRanked)
	beam.RegisterCoder(reflect.TypeFor[totals](), encodeTotals, decodeTotals)
	beam.RegisterCoder(reflect.TypeFor[admission](), encodeAdmission, decodeAdmission)
}

// encodeRecord writes texts and IDs with their lengths, then vectors as they are in
// memory. Most of what is shuffled is rows.
func encodeRecord(r eci.Record) []byte {
	vectors := [...][]float32{r.QueryVector, r.PositiveVector, r.NegativeVector}
	size := 32 + len(r.QueryText) + len(r.PositiveText) + len(r.NegativeText)
	for _, v := range vectors {
		size += 4 * len(v)
	}
	out := make([]byte, 0, size)
	for _, s := range [...]string{r.SourceName, r.File, r.QueryID, r.QueryText, r.PositiveID, r.PositiveText, r.NegativeID, r.NegativeText} {
		out = binary.AppendUvarint(out, uint64(len(s)))
		out = append(out, s...)
	}
	out = binary.AppendUvarint(out, uint64(r.Row))
	for _, v := range vectors {
		out = binary.AppendUvarint(out, uint64(len(v)))
		for _, x := range v {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(x))
		}
	}
	return out
}

func decodeRecord(data []byte) (eci.Record, error) {
	var out eci.Record
	in := reader{data: data}
	for _, s := range [...]*string{&out.SourceName, &out.File, &out.QueryID, &out.QueryText, &out.PositiveID, &out.PositiveText, &out.NegativeID, &out.NegativeText} {
		*s = in.text()
	}
	out.Row = int(in.uvarint())
	for _, v := range [...]*[]float32{&out.QueryVector, &out.PositiveVector, &out.NegativeVector} {
		raw := in.take(4 * in.length(4))
		if len(raw) == 0 {
			continue
		}
		*v = make([]float32, len(raw)/4)
		for k := range *v {
			(*v)[k] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*k:]))
		}
	}
	if in.bad || len(in.data) > 0 || out.Row < 0 {
		return eci.Record{}, fmt.Errorf("eci/beam: record: %w: %d bytes are not a stored row", eci.ErrFormat, len(data))
	}
	return out, nil
}

func encodeGob[T any](x T) ([]byte, error) {
	var out bytes.Buffer
	err := gob.NewEncoder(&out).Encode(x)
	return out.Bytes(), err
}

func decodeGob[T any](data []byte) (x T, err error) {
	err = gob.NewDecoder(bytes.NewReader(data)).Decode(&x)
	return x, err
}

// Beam identifies a coder's functions by their names. Instances of a generic function
// share one name.
func encodeAdmission(a admission) ([]byte, error)    { return encodeGob(a) }
func decodeAdmission(data []byte) (admission, error) { return decodeGob[admission](data) }
