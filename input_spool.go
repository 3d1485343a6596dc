package eci

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"example.com/eci/internal/spool"
)

// Spool keeps copies of what can be read only once: pipes, FIFOs, devices and standard
// input, whose name is "-". So every pass over a source can read it. Each is copied to
// a temporary file when it is first opened. By default, [Files] makes a Spool for each
// call. If several calls share one, it reads each pipe once for all of them. A Spool
// is safe for concurrent use and must not be copied.
type Spool struct {
	// Context ends the wait for data from a pipe when it is done. Nil waits for as
	// long as it takes.
	Context context.Context
	// Dir is the folder for the temporary files; "" means the machine's.
	Dir string
	// MaxBytes limits the copy of one pipe; 0 means 16 GiB.
	MaxBytes int64

	once  sync.Once
	store spool.Store
}

// Open opens a file for reading. It opens a regular file as it is, and anything else
// as a copy that can also be read at random.
func (s *Spool) Open(name string) (fs.File, error) {
	s.once.Do(func() { s.store.Dir, s.store.MaxBytes = s.Dir, cmp.Or(s.MaxBytes, 16<<30) })
	ctx := s.Context
	if ctx == nil {
		ctx = context.Background()
	}
	f, err := s.store.Open(ctx, name)
	if errors.Is(err, spool.ErrTooLarge) {
		err = fmt.Errorf("%w: write it to a file first, which is read in place, or raise Spool.MaxBytes", err)
	}
	if err != nil {
		return nil, fmt.Errorf("eci: %w", err)
	}
	return f, nil
}

// Close removes the copies. Nothing can be opened afterwards, and open files can no
// longer be read. Where the system can remove the name of an open file, as Unix can, a
// Spool that is not closed leaves nothing on disk.
func (s *Spool) Close() error { return s.store.Close() }
