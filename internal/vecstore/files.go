package vecstore

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// begin opens a new file to append to.
func (c *Store) begin() (err error) {
	last, err := c.makeRoom(c.config.segmentBytes())
	if err != nil {
		return err
	}
	var chance [8]byte
	rand.Read(chance[:])
	// Names sort by age; chance keeps apart processes that begin at one time.
	name := fmt.Sprintf("%010d-%x%s", last+1, chance, Suffix)
	path := filepath.Join(c.config.Dir, name)
	file, err := c.config.Files.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := file.WriteAt([]byte(Magic), 0); err != nil {
		return errors.Join(err, file.Close(), c.config.Files.Remove(path))
	}
	c.current = &segment{name: name, file: file, scanned: int64(len(Magic)), own: true}
	c.add(c.current)
	c.open++
	return nil
}

// write appends whole records to the current file. What an error leaves behind
// there is overwritten by the next records; until then readers stop at it.
func (c *Store) write(records []byte) error {
	s := c.current
	if _, err := s.file.WriteAt(records, s.scanned); err != nil {
		return err
	}
	s.scanned += int64(len(records))
	return nil
}

// list returns the files of the cache, oldest first, with their sizes.
func (c *Store) list() (names []string, sizes []int64, err error) {
	entries, err := c.config.Files.ReadDir(c.config.Dir)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries { // sorted by name
		if !strings.HasSuffix(e.Name(), Suffix) || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue // removed by another process, or of no use
		}
		names, sizes = append(names, e.Name()), append(sizes, info.Size())
	}
	return names, sizes, nil
}

// makeRoom removes the oldest files until so many more bytes fit, and returns
// the number in the newest name. A file that cannot be removed stays in use, and
// the next one goes.
func (c *Store) makeRoom(bytes int64) (last int64, err error) {
	names, sizes, err := c.list()
	if err != nil {
		return 0, err
	}
	const most = 1e10 // names have ten digits
	total := bytes
	for i, name := range names {
		total += sizes[i]
		digits, _, _ := strings.Cut(name, "-")
		if n, err := strconv.ParseInt(digits, 10, 64); err == nil && n < most {
			last = max(last, n)
		}
	}
	var failed error
	for i := 0; i < len(names) && total > c.config.MaxBytes; i++ {
		s := c.segments[c.ids[names[i]]]
		if s != nil { // some systems do not remove what is open
			failed = errors.Join(failed, c.shut(s))
		}
		if err := c.config.Files.Remove(filepath.Join(c.config.Dir, names[i])); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, err)
			continue
		}
		total -= sizes[i]
		if s != nil {
			c.forget(s)
		}
	}
	if total > c.config.MaxBytes {
		return 0, fmt.Errorf("%d bytes are to fit into MaxBytes, %d: %w", total, c.config.MaxBytes, failed)
	}
	return last, nil
}

// refresh brings the index up to what is on disk. At first a newer record
// replaces an older one of the same key, which may be a damaged one; later, what
// a run has used stays what it uses. A file that cannot be read is left out: it
// must not keep the others from being used.
func (c *Store) refresh(first bool) error {
	names, sizes, err := c.list()
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(names))
	for i, name := range names {
		there[name] = true
		id, ok := c.ids[name]
		if !ok {
			id = c.add(&segment{name: name})
		}
		s := c.segments[id]
		if s.own || s.bad || sizes[i] <= s.scanned {
			continue
		}
		err := c.reopen(s)
		if err == nil {
			err = s.scan(s.file, sizes[i], func(key Key, offset int64, components int) {
				if _, ok := c.index[key.short()]; (first || !ok) && offset <= math.MaxUint32 {
					c.index[key.short()] = place{id, uint32(offset), uint32(components)}
				}
			})
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.bad = true
			c.unreadable++
		}
	}
	for name, id := range c.ids {
		if !there[name] {
			c.forget(c.segments[id])
		}
	}
	return nil
}

func (c *Store) add(s *segment) uint32 {
	c.nextID++
	c.segments[c.nextID], c.ids[s.name] = s, c.nextID
	return c.nextID
}

// forget drops a file that is gone.
func (c *Store) forget(s *segment) {
	c.shut(s)
	if s == c.current {
		c.current = nil
	}
	id := c.ids[s.name]
	maps.DeleteFunc(c.index, func(_ [16]byte, p place) bool { return p.segment == id })
	delete(c.segments, id)
	delete(c.ids, s.name)
}

// reopen opens a file to read from, and closes others where many are open.
func (c *Store) reopen(s *segment) (err error) {
	if s.file != nil {
		return nil
	}
	for _, other := range c.segments {
		if c.open < mostOpenFiles {
			break
		}
		if other != c.current {
			c.shut(other)
		}
	}
	s.file, err = c.config.Files.OpenFile(filepath.Join(c.config.Dir, s.name), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	c.open++
	return nil
}

func (c *Store) shut(s *segment) error {
	if s.file == nil {
		return nil
	}
	if s == c.current {
		c.current = nil // opened again it can only be read
	}
	err := s.file.Close()
	s.file = nil
	c.open--
	return err
}
