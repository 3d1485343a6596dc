// Package textfile opens text files from the machine or another file system, plain or
// compressed. It accepts only UTF-8.
package textfile

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/jsonrow"
	"example.com/eci/internal/spool"
)

// Compressed reports whether data begins like one of the known encodings.
func Compressed(head []byte) bool {
	return slices.ContainsFunc(magics, func(m encoding) bool { return strings.HasPrefix(string(head), m.magic) })
}

// Decoders decompress files, by extension without the dot.
type Decoders = map[string]func(io.Reader) (io.ReadCloser, error)

// Opener opens the files of one file system.
type Opener struct {
	// FS is the file system; nil means the machine's.
	FS fs.FS
	// OpenFile opens a file of the machine in such a way that it can be opened again.
	OpenFile func(name string) (fs.File, error)
	Decoders Decoders
	// Limit is the number of bytes that may be loaded of a file that cannot be read in
	// place. 0 means 2 GiB.
	Limit int64
}

// Stream is an open text file, decoded if it was compressed.
type Stream struct {
	*bufio.Reader
	closers []io.Closer
	packed  string // what it was compressed with, such as "gz"; or empty
}

// ReadDir lists a folder, sorted by name.
func (o *Opener) ReadDir(name string) ([]fs.DirEntry, error) {
	if o.FS != nil {
		return fs.ReadDir(o.FS, name)
	}
	return os.ReadDir(name)
}

// Join joins the elements of a path as the file system does.
func (o *Opener) Join(elements ...string) string {
	if o.FS != nil {
		return path.Join(elements...)
	}
	return filepath.Join(elements...)
}

// Random reports whether the text can also be read at random, from the file itself.
func (s *Stream) Random() bool {
	_, ok := s.closers[0].(io.ReaderAt)
	return ok && s.packed == ""
}

// Fits limits how much is loaded of a file that is compressed, whose size says little,
// or that cannot be read at random.
func (o *Opener) Fits(s *Stream, loaded int64) error {
	if limit := cmp.Or(o.Limit, 2<<30); !s.Random() && loaded > limit {
		return fmt.Errorf("%w: more than %d MB of a compressed file, which must fit in memory: decompress it, or raise Files.TextBytes", fault.Format, limit>>20)
	}
	return nil
}

type encoding struct{ name, magic, kind string }

// magics are the first bytes of the known encodings. All except gz need a decoder.
var magics = []encoding{
	{"gz", "\x1f\x8b", "gzip"},
	{"zst", "\x28\xb5\x2f\xfd", "zstd"},
	{"parquet", "PAR1", "parquet"},
	{"arrow", "ARROW1", "Arrow"},
	{"arrow", "\xff\xff\xff\xff", "Arrow"}, // a stream, as save_to_disk of datasets writes
	{"bz2", "BZh", "bzip2"},
	{"xz", "\xfd7zXZ\x00", "xz"},
	{"zip", "PK\x03\x04", "zip"},
}

// Raw opens a file as it is. It rejects a directory and, in an FS, everything except
// regular files.
func (o *Opener) Raw(path string) (file fs.File, err error) {
	if o.FS == nil {
		if file, err = o.OpenFile(path); err != nil {
			return nil, err
		}
	} else {
		// Check this before opening the file, because opening may wait forever.
		if info, err := fs.Stat(o.FS, path); err == nil && !info.IsDir() && !info.Mode().IsRegular() {
			return nil, fmt.Errorf("eci: %s: %w: is no regular file, and is read more than once: write it to a file first", path, fault.Format)
		}
		if file, err = o.FS.Open(path); err != nil {
			return nil, fmt.Errorf("eci: %w", err)
		}
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		file.Close()
		return nil, fmt.Errorf("eci: %s: %w: is a directory", path, fault.Format)
	}
	return file, nil
}

// Open opens a file and decompresses it, if its first bytes say that it is compressed.
// It rejects what does not begin as UTF-8 text.
func (o *Opener) Open(path string) (*Stream, error) {
	s, err := o.OpenRows(path)
	if err != nil {
		return nil, err
	}
	if head, _ := s.Peek(BufferSize); !validPrefix(head) {
		s.Close()
		return nil, fmt.Errorf("eci: %s: %w: %w", path, fault.Format, errNotUTF8)
	}
	return s, nil
}

// OpenRows is Open for a reader that checks every row with [CheckUTF8], so that one
// damaged row can be left out. It rejects only what is not text at all.
func (o *Opener) OpenRows(path string) (*Stream, error) {
	raw, err := o.Raw(path)
	if err != nil {
		return nil, err
	}
	s := &Stream{closers: []io.Closer{raw}}
	if err := s.decode(raw, o.Decoders); err != nil {
		s.Close()
		return nil, fmt.Errorf("eci: %s: %w", path, err)
	}
	return s, nil
}

// BufferSize is the size of the buffers for reading files.
const BufferSize = 256 << 10

func (s *Stream) decode(raw io.Reader, decoders Decoders) error {
	s.Reader = bufio.NewReaderSize(raw, BufferSize)
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
			// A decoder may want the file itself, in order to read it at random.
			if _, err := seeker.Seek(0, io.SeekStart); err != nil {
				return fmt.Errorf("%w", err)
			}
			in = raw
		}
		decode := decoders[m.name]
		switch {
		case m.name == "gz" && decode == nil:
			decode = func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }
		case decode == nil && m.name == "zip" && bytes.Contains(head, []byte("[Content_Types].xml")):
			return fmt.Errorf("%w: a workbook of a spreadsheet; save the sheet as CSV in UTF-8", fault.Format)
		case decode == nil:
			return fmt.Errorf("%w: %s data; %s", fault.Format, m.kind, needsDecoder(m.name))
		}
		out, err := decode(in)
		if err != nil {
			return brokenData(m.kind, err)
		}
		s.packed = m.name
		s.closers = append(s.closers, out)
		s.Reader = bufio.NewReaderSize(&decoded{r: out, kind: m.kind}, BufferSize)
		if head, err = s.Peek(512); err != nil && err != io.EOF && len(head) == 0 {
			return err
		}
		break
	}
	return checkText(head)
}

// CheckUTF8 rejects a line that is not UTF-8. The line may be damaged, or the whole
// file may be in another encoding.
func CheckUTF8(line []byte) error {
	if utf8.Valid(line) {
		return nil
	}
	return fmt.Errorf("%w: %w", fault.Malformed, errNotUTF8)
}

var errNotUTF8 = errors.New("not UTF-8 text; if the file is Latin-1 or Windows-1252, convert it: iconv -f WINDOWS-1252 -t UTF-8")

// validPrefix reports whether a text that may be cut within a character is UTF-8.
func validPrefix(text []byte) bool {
	for cut := 0; cut < utf8.UTFMax && cut <= len(text); cut++ {
		if utf8.Valid(text[:len(text)-cut]) {
			return cut == 0 || !utf8.FullRune(text[len(text)-cut:])
		}
	}
	return false
}

func needsDecoder(name string) string {
	switch name {
	case "zst", "parquet", "arrow":
		return "import example.com/eci/formats and set Files.Decoders to formats.Decoders()"
	}
	return fmt.Sprintf("unpack it first, or set Files.Decoders[%q]", name)
}

// checkText rejects what no reader of text can understand.
func checkText(head []byte) error {
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return fmt.Errorf("%w: UTF-16 text; save it as UTF-8: iconv -f UTF-16 -t UTF-8", fault.Format)
	case bytes.HasPrefix(head, []byte("\x93NUMPY")):
		return fmt.Errorf("%w: an .npy array, not text; vectors are opened with OpenVectors", fault.Format)
	case bytes.HasPrefix(head, []byte("version https://git-lfs")):
		return fmt.Errorf("%w: a pointer of Git LFS, not the file itself: git lfs pull fetches it", fault.Format)
	case isHTML(head):
		return fmt.Errorf("%w: an HTML page, not data: the server may have wanted a login; download the file again", fault.Format)
	case slices.Contains(head, 0):
		return fmt.Errorf("%w: a binary file (a zero byte at offset %d), not UTF-8 text", fault.Format, bytes.IndexByte(head, 0))
	}
	return nil
}

// isHTML reports whether a file begins like a page of the web.
func isHTML(head []byte) bool {
	head = bytes.ToLower(bytes.TrimSpace(head[:min(len(head), 100)]))
	return bytes.HasPrefix(head, []byte("<!doctype html")) || bytes.HasPrefix(head, []byte("<html"))
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
	return fmt.Errorf("%w: broken %s data, perhaps cut short; fetch the file again: %w", fault.Format, kind, jsonrow.CutShort(err))
}

// Close closes decoder and file.
func (s *Stream) Close() error {
	var all error
	for _, c := range slices.Backward(s.closers) {
		all = errors.Join(all, c.Close())
	}
	return all
}

// Stem returns a file's name without folder and extensions: bm25 for
// runs/bm25.jsonl.gz. It removes an extension of compression, if any, and one more.
// Others are kept, because names contain dots: e5.large.jsonl is e5.large.
func Stem(path string) string {
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
