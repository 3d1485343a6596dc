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

// random is a file that can be read at random.
type random interface {
	io.ReaderAt
	io.Closer
}

// openRandom opens a regular file for random reading and returns its size. If possible
// it maps the file into memory; reading a row then needs no system call.
func openRandom(path string) (random, int64, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("eci: %w", err)
	case info.IsDir():
		return nil, 0, fmt.Errorf("eci: %s: %w: is a directory", path, fault.Format)
	case !info.Mode().IsRegular(): // opening a pipe may wait forever
		return nil, 0, fmt.Errorf("eci: %s: %w: is no regular file, and vectors are read at random: write them to a file first", path, fault.Format)
	}
	if r, err := mmap.Open(path); err == nil {
		return mapped{r}, int64(r.Len()), nil
	}
	f, err := os.Open(path) // gives a better error, or works without the mapping
	if err == nil {
		if info, err = f.Stat(); err == nil {
			return f, info.Size(), nil
		}
		f.Close()
	}
	return nil, 0, fmt.Errorf("eci: %w", err)
}

// mapped is a file in memory. If it was cut short after it was mapped, touching it
// would end the process. Here that is an error.
type mapped struct{ *mmap.ReaderAt }

// ReadAt implements [io.ReaderAt].
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
