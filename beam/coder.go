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
	beam.RegisterCoder(reflect.TypeFor[sums](), encodeSums, decodeSums)
	beam.RegisterCoder(reflect.TypeFor[weighed](), encodeWeighed, decodeWeighed)
	beam.RegisterCoder(reflect.TypeFor[bounded](), encodeBounded, decodeBounded)
	beam.RegisterCoder(reflect.TypeFor[admission](), encodeAdmission, decodeAdmission)
	beam.RegisterCoder(reflect.TypeFor[SourceSummary](), encodeSource, decodeSource)
}

// encodeRecord writes texts and ids with their lengths, then vectors as they are
// in memory: rows are most of what is shuffled.
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

func decodeRecord(data []byte) (r eci.Record, err error) {
	bad := fmt.Errorf("eci/beam: record: %w: %d bytes are not a stored row", eci.ErrFormat, len(data))
	number := func(width uint64) int {
		n, size := binary.Uvarint(data)
		if size <= 0 || width > 0 && n > uint64(len(data))/width || n > math.MaxInt32 {
			err = bad
			return 0
		}
		data = data[size:]
		if n*width > uint64(len(data)) {
			err = bad
			return 0
		}
		return int(n)
	}
	for _, s := range [...]*string{&r.SourceName, &r.File, &r.QueryID, &r.QueryText, &r.PositiveID, &r.PositiveText, &r.NegativeID, &r.NegativeText} {
		n := number(1)
		*s, data = string(data[:n]), data[n:]
	}
	r.Row = number(0)
	for _, v := range [...]*[]float32{&r.QueryVector, &r.PositiveVector, &r.NegativeVector} {
		n := number(4)
		if n == 0 {
			continue
		}
		*v = make([]float32, n)
		for k := range *v {
			(*v)[k] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*k:]))
		}
		data = data[4*n:]
	}
	if err == nil && len(data) > 0 {
		err = bad
	}
	if err != nil {
		return eci.Record{}, err
	}
	return r, nil
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

// Beam knows a coder's functions by their names, which instances of a generic
// function share.
func encodeWeighed(w weighed) ([]byte, error)         { return encodeGob(w) }
func decodeWeighed(data []byte) (weighed, error)      { return decodeGob[weighed](data) }
func encodeAdmission(a admission) ([]byte, error)     { return encodeGob(a) }
func decodeAdmission(data []byte) (admission, error)  { return decodeGob[admission](data) }
func encodeSource(s SourceSummary) ([]byte, error)    { return encodeGob(s) }
func decodeSource(data []byte) (SourceSummary, error) { return decodeGob[SourceSummary](data) }

// storedSums is the form in which sums travel: the matrix in its binary form.
type storedSums struct {
	Totals eci.Totals
	Matrix []byte
}

func encodeSums(s sums) ([]byte, error) {
	out := storedSums{Totals: s.totals}
	if s.matrix != nil {
		var err error
		if out.Matrix, err = s.matrix.MarshalBinary(); err != nil {
			return nil, err
		}
	}
	return encodeGob(out)
}

func decodeSums(data []byte) (sums, error) {
	in, err := decodeGob[storedSums](data)
	if err != nil {
		return sums{}, err
	}
	s := sums{totals: in.Totals}
	if in.Matrix != nil {
		s.matrix = new(eci.Matrix)
		err = s.matrix.UnmarshalBinary(in.Matrix)
	}
	return s, err
}
