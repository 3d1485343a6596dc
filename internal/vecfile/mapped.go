package vecfile

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"

	"golang.org/x/exp/mmap"

	"example.com/eci/internal/fault"
)

// random is a file that is read at random.
type random interface {
	io.ReaderAt
	io.Closer
}

// openRandom opens a regular file to be read at random, and returns its size. It is
// mapped into memory where it can be: reading a row costs no call of the system then.
func openRandom(path string) (random, int64, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("eci: %w", err)
	case info.IsDir():
		return nil, 0, fmt.Errorf("eci: %s: %w: is a directory", path, fault.Format)
	case !info.Mode().IsRegular(): // opening a pipe may wait for ever
		return nil, 0, fmt.Errorf("eci: %s: %w: is no regular file, and vectors are read at random: write them to a file first", path, fault.Format)
	}
	if r, err := mmap.Open(path); err == nil {
		return mapped{r}, int64(r.Len()), nil
	}
	f, err := os.Open(path) // which has the better error, or does without the mapping
	if err == nil {
		if info, err = f.Stat(); err == nil {
			return f, info.Size(), nil
		}
		f.Close()
	}
	return nil, 0, fmt.Errorf("eci: %w", err)
}

// mapped is a file in memory. Where it was cut short after it was mapped, touching it
// would end the process; here it is an error.
type mapped struct{ *mmap.ReaderAt }

// ReadAt is that of [io.ReaderAt].
func (m mapped) ReadAt(p []byte, offset int64) (n int, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch cause := recover().(type) {
		case nil:
		case interface {
			runtime.Error
			Addr() uintptr
		}:
			n, err = 0, fmt.Errorf("the file was cut short while it was in use: %w", io.ErrUnexpectedEOF)
		default:
			panic(cause)
		}
	}()
	return m.ReaderAt.ReadAt(p, offset)
}
