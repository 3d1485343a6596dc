package vecfile

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/quote"
)

// OpenSafetensors opens a .safetensors file. Rows are read on demand. Close closes the
// file.
func OpenSafetensors(path string) (*File, error) {
	r, size, err := openRandom(path)
	if err != nil {
		return nil, err
	}
	s, err := NewSafetensors(path, r, size)
	if err != nil {
		r.Close()
		return nil, err
	}
	s.close = r.Close
	return s, nil
}

// NewSafetensors reads the header of a file of size bytes in total. The data is read
// from r on demand. name is used in error messages. What the header announces is
// checked against size before anything is allocated for it.
func NewSafetensors(name string, r io.ReaderAt, size int64) (*File, error) {
	bad := func(format string, args ...any) (*File, error) {
		return nil, fmt.Errorf("eci: %s: %w: "+format, append([]any{name, fault.Format}, args...)...)
	}
	var head [8]byte
	if n, err := r.ReadAt(head[:], 0); n < len(head) {
		return bad("%d bytes are too few for a .safetensors header: %w", n, orEOF(err))
	}
	length := binary.LittleEndian.Uint64(head[:])
	// 100 MB is the limit of the format's own reader.
	if length > 100e6 || int64(length) > size-8 {
		return bad("header of %d bytes in a file of %d; is this .safetensors?: %w", length, size, io.ErrUnexpectedEOF)
	}
	header := make([]byte, length)
	if n, err := r.ReadAt(header, 8); n < len(header) {
		return bad("header: %w", orEOF(err))
	}
	var tensors map[string]json.RawMessage
	if err := json.Unmarshal(header, &tensors); err != nil {
		return bad("the header is not a JSON object: %w", err)
	}
	delete(tensors, "__metadata__")
	const usual = "embeddings"
	tensor := usual
	if _, ok := tensors[usual]; !ok {
		names := slices.Sorted(maps.Keys(tensors))
		if len(names) != 1 {
			return bad("%d tensors (%s); want one, or one called %q", len(names), quote.Names(names), usual)
		}
		tensor = names[0]
	}
	var about struct {
		Type    string   `json:"dtype"`
		Shape   []int64  `json:"shape"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	if err := json.Unmarshal(tensors[tensor], &about); err != nil {
		return bad("tensor %q: %w", quote.Clip(tensor), err)
	}
	kinds := map[string]component{"F32": singleFloat, "F16": halfFloat, "BF16": brainFloat, "I8": signedByte, "U8": signBit}
	kind, ok := kinds[about.Type]
	if !ok {
		return bad("tensor %q is of type %q; save it as F32, with .float()", quote.Clip(tensor), quote.Clip(about.Type))
	}
	if len(about.Shape) != 2 {
		return bad("tensor %q has %d dimensions; want two, vectors and their components", quote.Clip(tensor), len(about.Shape))
	}
	rows, cols := about.Shape[0], about.Shape[1]
	if rows < 0 || cols < 1 || cols > MaxDimension || kind == signBit && cols > MaxDimension/8 || rows > math.MaxInt64/cols/8 {
		return bad("tensor %q: shape (%d, %d) is out of range", quote.Clip(tensor), rows, cols)
	}
	begin, end, data := about.Offsets[0], about.Offsets[1], size-8-int64(length)
	if begin < 0 || end < begin || end > data {
		return bad("tensor %q lies at bytes %d to %d of %d: %w", quote.Clip(tensor), begin, end, data, io.ErrUnexpectedEOF)
	}
	if want := rows * cols * int64(kind.bytes()); want != end-begin {
		return bad("tensor %q: shape (%d, %d) of %s needs %d bytes, the tensor has %d", quote.Clip(tensor), rows, cols, about.Type, want, end-begin)
	}
	return &File{name: name, data: r, start: 8 + int64(length) + begin, rows: int(rows), cols: int(cols), kind: kind}, nil
}
