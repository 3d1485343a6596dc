// Package vecstore keeps vectors by key in the files of one directory, which any
// number of processes share. It knows nothing of texts or of embedders.
package vecstore

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"example.com/eci/internal/disk"
)

// Config says where a [Store] keeps its files.
type Config struct {
	// Dir is the directory; it is made if it is not there.
	Dir string
	// MaxBytes limits the size of the directory. A file takes at most a sixteenth of
	// it, and at most 256 MiB.
	MaxBytes int64
	// Files is the file system.
	Files disk.FS
}

// segmentBytes is the size of a full file.
func (c *Config) segmentBytes() int64 { return min(c.MaxBytes/16, 256<<20) }

// Fits reports whether a vector of so many components can be kept.
func (c *Config) Fits(components int) bool {
	return components <= MostComponents && RecordSize(components) <= c.segmentBytes()-int64(len(Magic))
}

// Store is a set of vectors on disk. What the disk refuses is counted and costs
// nothing else: a vector that cannot be read is missing, and one that cannot be
// written will be. All methods are safe for concurrent use. The index in memory
// takes about 50 bytes for each vector.
type Store struct {
	config Config

	mutex      sync.Mutex
	index      map[[16]byte]place
	segments   map[uint32]*segment
	ids        map[string]uint32 // of segments, by name
	nextID     uint32
	open       int // files
	current    *segment
	scratch    []byte
	closed     bool
	unreadable int   // files
	unwritten  int   // vectors
	cause      error // why the first of them were not written
}

// place is where a record is.
type place struct{ segment, offset, components uint32 }

const mostOpenFiles = 64

// Open opens the store in a directory. Close it after use.
func Open(config Config) (*Store, error) {
	c := &Store{
		config:   config,
		index:    make(map[[16]byte]place),
		segments: make(map[uint32]*segment),
		ids:      make(map[string]uint32),
	}
	err := config.Files.MkdirAll(config.Dir, 0o700)
	if err == nil {
		// A directory that can only be read is of use. Writing needs room, and says
		// so when there is none.
		_, _ = c.makeRoom(0)
		err = c.refresh(true)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Get sets vectors[i] to the vector of keys[i] and returns the positions of those
// that the store does not have. The only error is fs.ErrClosed.
func (c *Store) Get(keys []Key, vectors [][]float32) (missing []int, err error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closed {
		return nil, fs.ErrClosed
	}
	look := func(positions []int) (without []int) {
		for _, i := range positions {
			if vectors[i] = c.read(keys[i]); vectors[i] == nil {
				without = append(without, i)
			}
		}
		return without
	}
	missing = make([]int, len(keys))
	for i := range missing {
		missing[i] = i
	}
	// Another process may have them by now. Where the directory cannot be read they
	// are missing.
	if missing = look(missing); len(missing) > 0 && c.refresh(false) == nil {
		missing = look(missing)
	}
	return missing, nil
}

// Put writes the vector of each key. Every vector must fit. The only error is
// fs.ErrClosed; vectors that the disk refuses are counted.
func (c *Store) Put(keys []Key, vectors [][]float32) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closed {
		return fs.ErrClosed
	}
	if written, err := c.append(keys, vectors); err != nil {
		c.unwritten += len(vectors) - written
		if c.cause == nil {
			c.cause = err
		}
	}
	return nil
}

// Counts is what a [Store] has and what the disk refused.
type Counts struct {
	Vectors    int // within reach
	Unwritten  int // vectors that could not be written
	Unreadable int // files that could not be read
}

// Counts returns the counts so far.
func (c *Store) Counts() Counts {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return Counts{Vectors: len(c.index), Unwritten: c.unwritten, Unreadable: c.unreadable}
}

// Close writes all through to the disk and closes the files. It returns the
// cause of what could not be written, once.
func (c *Store) Close() error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	err := c.cause
	if err != nil {
		err = fmt.Errorf("%d vectors could not be written and will be embedded again: %w", c.unwritten, err)
	}
	if c.current != nil {
		err = errors.Join(err, c.current.file.Sync())
	}
	for _, s := range c.segments {
		err = errors.Join(err, c.shut(s))
	}
	return err
}

// read returns the vector of a key, nil if there is none that can be read.
func (c *Store) read(key Key) []float32 {
	at, ok := c.index[key.short()]
	if !ok {
		return nil
	}
	if s := c.segments[at.segment]; s != nil && c.reopen(s) == nil {
		c.scratch = slices.Grow(c.scratch[:0], int(RecordSize(int(at.components))))[:RecordSize(int(at.components))]
		if _, err := s.file.ReadAt(c.scratch, int64(at.offset)); err == nil {
			if v, ok := parseRecord(c.scratch, key); ok {
				return v
			}
		}
	}
	delete(c.index, key.short()) // damaged, or its file is gone
	return nil
}

// append writes vectors to this process's file and returns the number of those
// that are there.
func (c *Store) append(keys []Key, vectors [][]float32) (written int, err error) {
	var records []byte
	var at []place
	flush := func() error {
		if len(at) == 0 {
			return nil
		}
		if err := c.write(records); err != nil {
			return err
		}
		for _, p := range at {
			c.index[keys[written].short()] = p
			written++
		}
		records, at = records[:0], at[:0]
		return nil
	}
	for i, v := range vectors {
		if c.current == nil || c.current.scanned+int64(len(records))+RecordSize(len(v)) > c.config.segmentBytes() {
			if err := flush(); err != nil {
				return written, err
			}
			if err := c.begin(); err != nil {
				return written, err
			}
		}
		at = append(at, place{c.ids[c.current.name], uint32(c.current.scanned + int64(len(records))), uint32(len(v))})
		records = appendRecord(records, keys[i], v)
	}
	return written, flush()
}
