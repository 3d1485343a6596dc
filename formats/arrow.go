package formats

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// arrowMagic begins a file of Arrow's IPC. After it comes the content of a stream.
const arrowMagic = "ARROW1\x00\x00"

// Arrow returns the rows of an Arrow IPC stream, as written by save_to_disk of Hugging
// Face datasets, or of an Arrow file (Feather 2). They are JSONL, one object for each
// row with the columns as fields. One record batch is in memory at a time, of at most
// 2 GB.
func Arrow(r io.Reader) (io.ReadCloser, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	if head, _ := in.Peek(len(arrowMagic)); string(head) == arrowMagic {
		in.Discard(len(arrowMagic))
	}
	a := &arrowReader{}
	err := guardArrow(func() (err error) {
		a.batches, err = ipc.NewReader(&frames{in: in}, ipc.WithAllocator(&limited{}))
		return err
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// arrowReader encodes one record batch at a time.
type arrowReader struct {
	batches *ipc.Reader
	ready   bytes.Buffer
	err     error
}

func (a *arrowReader) Read(b []byte) (int, error) {
	for a.ready.Len() == 0 {
		if a.err != nil {
			return 0, a.err
		}
		a.err = guardArrow(a.fill)
	}
	return a.ready.Read(b)
}

// frames passes on the messages of a stream. It checks the lengths that they announce
// before the arrow package allocates memory for them. A message is the mark 0xFFFFFFFF
// (old writers omit it), the length of its metadata, the metadata, and a body whose
// length the metadata gives. A length of 0 ends the stream. A file that ends earlier
// is cut short.
type frames struct {
	in      *bufio.Reader
	message bytes.Buffer // the part of it that is not passed on yet
	ended   bool
}

const (
	maxArrowMetadata = 64 << 20
	maxArrowBuffer   = 2 << 30
)

func (f *frames) Read(b []byte) (n int, err error) {
	for f.message.Len() == 0 {
		if f.ended {
			return 0, io.EOF
		}
		if err := f.next(); err != nil {
			return 0, err
		}
	}
	return f.message.Read(b)
}

// next reads a message.
func (f *frames) next() error {
	f.message.Reset()
	take := func(n int64) error {
		_, err := io.CopyN(&f.message, f.in, n)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	if err := take(4); err != nil {
		return err
	}
	length := binary.LittleEndian.Uint32(f.message.Bytes())
	if length == 0xffffffff {
		if err := take(4); err != nil {
			return err
		}
		length = binary.LittleEndian.Uint32(f.message.Bytes()[4:])
	}
	if length == 0 {
		f.ended = true
		return nil
	}
	if length > maxArrowMetadata {
		return fmt.Errorf("damaged file: metadata of %d bytes", length)
	}
	start := f.message.Len()
	if err := take(int64(length)); err != nil {
		return err
	}
	body, err := checkMessage(f.message.Bytes()[start:])
	if err != nil {
		return err
	}
	if body < 0 || body > maxArrowBuffer {
		return fmt.Errorf("damaged file: a body of %d bytes", body)
	}
	return take(body) // grows with what was read, not with what is announced
}

// fill encodes the next record batch.
func (a *arrowReader) fill() error {
	if !a.batches.Next() {
		if err := a.batches.Err(); err != nil {
			return err
		}
		return io.EOF
	}
	return array.RecordToJSON(a.batches.RecordBatch(), &a.ready)
}

// Close releases the current batch.
func (a *arrowReader) Close() error {
	return guardArrow(func() error {
		a.batches.Release()
		return nil
	})
}

// guardArrow turns a panic of the arrow package, caused by some damaged files, into an
// error.
func guardArrow(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("arrow: damaged file: %v", p)
		}
	}()
	if err := f(); err != nil && err != io.EOF {
		return fmt.Errorf("arrow: %w", err)
	} else {
		return err
	}
}

// limited rejects sizes that only a damaged file announces, before memory is allocated
// for them. It panics, the only way out of an allocator; guardArrow turns the panic
// into an error.
type limited struct{ memory.GoAllocator }

// Allocate returns a buffer.
func (l *limited) Allocate(size int) []byte {
	refuse(size)
	return l.GoAllocator.Allocate(size)
}

// Reallocate returns a buffer with the contents of b.
func (l *limited) Reallocate(size int, b []byte) []byte {
	refuse(size)
	return l.GoAllocator.Reallocate(size, b)
}

// refuse panics for a size that no batch has.
func refuse(size int) {
	if size < 0 || size > maxArrowBuffer {
		panic(fmt.Sprintf("a buffer of %d bytes", size))
	}
}
