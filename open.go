package eci

import "example.com/eci/internal/jsonrow"

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"example.com/eci/internal/spool"
)

// stream is an open text file, decoded if it was compressed.
type stream struct {
	*bufio.Reader
	closers []io.Closer
	packed  string // what it was compressed with, such as "gz"; or empty
}

// magics are the first bytes of the encodings that are told apart. All but gz
// need a decoder.
var magics = []struct{ name, magic, kind string }{
	{"gz", "\x1f\x8b", "gzip"},
	{"zst", "\x28\xb5\x2f\xfd", "zstd"},
	{"parquet", "PAR1", "parquet"},
	{"bz2", "BZh", "bzip2"},
	{"xz", "\xfd7zXZ\x00", "xz"},
	{"zip", "PK\x03\x04", "zip"},
}

// Spool keeps copies of what can be read only once, so that every pass over a
// source finds it: pipes, FIFOs, devices and standard input, whose name is "-".
// Each is copied into a temporary file when it is first opened. [Files] makes a
// Spool for each call of its own; one that several calls share reads each pipe
// once for all of them. It is safe for concurrent use, and must not be copied.
type Spool struct {
	// Context ends the waiting for what a pipe gives; nil waits as long as that
	// takes.
	Context context.Context
	// Dir is the folder of the temporary files; "" means the machine's.
	Dir string
	// MaxBytes limits the copy of one pipe; 0 means 16 GiB.
	MaxBytes int64

	once  sync.Once
	store spool.Store
}

// Open opens a file for reading: a regular one as it is, anything else as a copy
// that can also be read at random.
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

// Close removes the copies; nothing can be opened afterwards, and what is open
// is not readable any more. A Spool that is not closed leaves nothing behind
// where the system can remove the name of an open file, as Unix can.
func (s *Spool) Close() error { return s.store.Close() }

// openRaw opens a file as it is and refuses a directory, and what can be read
// once only where there is no Spool for it.
func (f *Files) openRaw(path string) (file fs.File, err error) {
	if f.FS == nil {
		if file, err = cmp.Or(f.Spool, new(Spool)).Open(path); err != nil {
			return nil, err
		}
	} else {
		// Asked before it is opened, because that may wait for ever.
		if info, err := fs.Stat(f.FS, path); err == nil && !info.IsDir() && !info.Mode().IsRegular() {
			return nil, fmt.Errorf("eci: %s: %w: is no regular file, and is read more than once: write it to a file first", path, ErrFormat)
		}
		if file, err = f.FS.Open(path); err != nil {
			return nil, fmt.Errorf("eci: %w", err)
		}
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		file.Close()
		return nil, fmt.Errorf("eci: %s: %w: is a directory", path, ErrFormat)
	}
	return file, nil
}

// open opens a file and undoes its compression, told by the first bytes. It
// refuses what is not UTF-8 text.
func (f *Files) open(path string) (*stream, error) {
	raw, err := f.openRaw(path)
	if err != nil {
		return nil, err
	}
	s := &stream{closers: []io.Closer{raw}}
	if err := s.decode(raw, f.Decoders); err != nil {
		s.Close()
		return nil, fmt.Errorf("eci: %s: %w", path, err)
	}
	return s, nil
}

const bufferSize = 256 << 10

func (s *stream) decode(raw io.Reader, decoders map[string]func(io.Reader) (io.ReadCloser, error)) error {
	s.Reader = bufio.NewReaderSize(raw, bufferSize)
	head, err := s.Peek(512)
	if err != nil && err != io.EOF {
		return fmt.Errorf("%w", err)
	}
	for _, m := range magics {
		if !strings.HasPrefix(string(head), m.magic) {
			continue
		}
		var in io.Reader = s.Reader
		if seeker, ok := raw.(io.Seeker); ok {
			// A decoder may want the file itself, to read it at random.
			if _, err := seeker.Seek(0, io.SeekStart); err != nil {
				return fmt.Errorf("%w", err)
			}
			in = raw
		}
		decode := decoders[m.name]
		switch {
		case m.name == "gz" && decode == nil:
			decode = func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }
		case decode == nil:
			return fmt.Errorf("%w: %s data; %s", ErrFormat, m.kind, needsDecoder(m.name))
		}
		out, err := decode(in)
		if err != nil {
			return brokenData(m.kind, err)
		}
		s.packed = m.name
		s.closers = append(s.closers, out)
		s.Reader = bufio.NewReaderSize(&decoded{r: out, kind: m.kind}, bufferSize)
		if head, err = s.Peek(512); err != nil && err != io.EOF && len(head) == 0 {
			return err
		}
		break
	}
	return checkText(head)
}

func needsDecoder(name string) string {
	switch name {
	case "zst", "parquet":
		return "import example.com/eci/formats and set Files.Decoders to formats.Decoders()"
	}
	return fmt.Sprintf("unpack it first, or set Files.Decoders[%q]", name)
}

// checkText refuses what no reader of text can make sense of.
func checkText(head []byte) error {
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return fmt.Errorf("%w: UTF-16 text; save it as UTF-8: iconv -f UTF-16 -t UTF-8", ErrFormat)
	case bytes.HasPrefix(head, []byte("\x93NUMPY")):
		return fmt.Errorf("%w: an .npy array, not text; vectors are opened with OpenVectors", ErrFormat)
	case slices.Contains(head, 0):
		return fmt.Errorf("%w: a binary file (a zero byte at offset %d), not UTF-8 text", ErrFormat, bytes.IndexByte(head, 0))
	}
	return nil
}

// decoded names the compression in the errors of a decoder.
type decoded struct {
	r    io.Reader
	kind string
	err  error // stays, so that what came before it can be read first
}

func (d *decoded) Read(p []byte) (n int, err error) {
	if d.err == nil {
		if n, d.err = d.r.Read(p); d.err != nil && d.err != io.EOF {
			d.err = brokenData(d.kind, d.err)
		}
	}
	return n, d.err
}

func brokenData(kind string, err error) error {
	return fmt.Errorf("%w: broken %s data, perhaps cut short; fetch the file again: %w", ErrFormat, kind, jsonrow.CutShort(err))
}

// random reports whether lines of the file can be read at random.
func (s *stream) random() bool {
	_, ok := s.closers[0].(io.ReaderAt)
	return ok && s.packed == ""
}

// Close closes decoder and file.
func (s *stream) Close() error {
	var all error
	for _, c := range slices.Backward(s.closers) {
		all = errors.Join(all, c.Close())
	}
	return all
}

// sourceName is a file's name without folder and extensions: for
// runs/bm25.jsonl.gz, bm25. Only extensions of compression are taken off beside
// the last one, because dots occur in names: e5.large.jsonl is e5.large.
func sourceName(path string) string {
	name := filepath.Base(filepath.FromSlash(path))
	if path == spool.Stdin {
		name = "stdin"
	}
	for _, m := range magics {
		if bare, ok := strings.CutSuffix(name, "."+m.name); ok && bare != "" {
			name = bare
			break
		}
	}
	if bare := strings.TrimSuffix(name, filepath.Ext(name)); bare != "" {
		name = bare
	}
	return name
}
