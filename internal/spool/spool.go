// Package spool keeps what can be read only once, so that it can be read again.
package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"example.com/eci/internal/ctxerr"
)

// Stdin is the name of standard input.
const Stdin = "-"

// ErrTooLarge is the error for a pipe that gives more than the limit.
var ErrTooLarge = errors.New("too much comes out of this pipe to keep a copy")

// Store holds copies of what was read from pipes, FIFOs, devices and standard input,
// in temporary files. It is safe for concurrent use. Where the system allows it, the
// files have no name, so that nothing is left over whatever happens.
type Store struct {
	Dir      string // of the temporary files; "" means os.TempDir
	MaxBytes int64  // of one copy

	mu     sync.Mutex
	copies map[string]*spooled
	closed bool
}

// spooled is the copy of one pipe, or the reason why there is none: what was read from
// the pipe cannot be read again.
type spooled struct {
	file *os.File
	size int64
	info fs.FileInfo
	err  error
}

// Open opens a file for reading. It opens a regular file as it is. A file that can be
// read only once is copied when it is first opened, until the file or ctx ends.
func (s *Store) Open(ctx context.Context, name string) (fs.File, error) {
	if name != Stdin {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		// On some systems, all who open a file of /dev/fd share one position.
		if (info.Mode().IsRegular() || info.IsDir()) && !strings.HasPrefix(filepath.ToSlash(name), "/dev/") {
			return os.Open(name)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrClosed}
	}
	c, ok := s.copies[name]
	if !ok {
		if s.copies == nil {
			s.copies = make(map[string]*spooled)
		}
		c = s.copy(ctx, name)
		s.copies[name] = c
	}
	if c.err != nil {
		return nil, c.err
	}
	return &reading{io.NewSectionReader(c.file, 0, c.size), c.info}, nil
}

// reading is one open reader of a copy.
type reading struct {
	*io.SectionReader
	info fs.FileInfo
}

func (r *reading) Stat() (fs.FileInfo, error) { return r.info, nil }
func (r *reading) Close() error               { return nil }

// Close removes the copies. Open readers can no longer be used.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var all error
	for _, c := range s.copies {
		if c.file != nil {
			all = errors.Join(all, discard(c.file))
		}
	}
	s.copies = nil
	return all
}

// discard closes a temporary file and removes its name, if it still has it.
func discard(f *os.File) error {
	err := f.Close()
	if gone := os.Remove(f.Name()); err == nil && !errors.Is(gone, fs.ErrNotExist) {
		err = gone
	}
	return err
}

// copy reads a pipe to its end.
func (s *Store) copy(ctx context.Context, name string) *spooled {
	in, err := open(ctx, name)
	if err != nil {
		return &spooled{err: err}
	}
	to, err := os.CreateTemp(s.Dir, "eci-pipe-*")
	if err != nil {
		if in != os.Stdin {
			in.Close()
		}
		return &spooled{err: err}
	}
	os.Remove(to.Name()) // if this fails, Close removes it
	size, err := read(ctx, to, in, s.MaxBytes)
	c := &spooled{file: to, size: size, err: err}
	if err == nil {
		c.info, c.err = to.Stat()
	}
	if c.err != nil {
		discard(to)
		c.file, c.err = nil, &fs.PathError{Op: "read", Path: name, Err: c.err}
	}
	return c
}

// read copies until the end, and closes the file unless it is standard input. When ctx
// ends, a read that cannot be interrupted, such as from a terminal, is abandoned.
func read(ctx context.Context, to io.Writer, in *os.File, limit int64) (int64, error) {
	type result struct {
		n   int64
		err error
	}
	done := make(chan result, 1)
	go func() {
		if in != os.Stdin {
			defer in.Close()
		}
		n, err := io.Copy(to, io.LimitReader(in, limit+1))
		if err == nil && n > limit {
			err = fmt.Errorf("%w: more than %d MB", ErrTooLarge, limit>>20)
		}
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		return r.n, r.err
	case <-ctx.Done():
		if in.SetReadDeadline(time.Unix(1, 0)) == nil {
			<-done
		}
		return 0, ctxerr.Of(ctx)
	}
}

// open opens a file that may wait for a writer, for as long as ctx lasts.
func open(ctx context.Context, name string) (*os.File, error) {
	if name == Stdin {
		return os.Stdin, nil
	}
	type result struct {
		file *os.File
		err  error
	}
	done := make(chan result, 1)
	go func() {
		f, err := os.Open(name)
		done <- result{f, err}
	}()
	select {
	case r := <-done:
		return r.file, r.err
	case <-ctx.Done():
	}
	// A writer that opens and closes the pipe wakes it.
	for range 1000 {
		if w, err := os.OpenFile(name, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			w.Close()
		}
		select {
		case r := <-done:
			if r.err == nil {
				r.file.Close()
			}
			return nil, ctxerr.Of(ctx)
		case <-time.After(time.Millisecond):
		}
	}
	return nil, ctxerr.Of(ctx)
}
