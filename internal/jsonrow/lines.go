package jsonrow

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"example.com/eci/internal/fault"
)

// MaxLine bounds the memory that one line or list element may take, in bytes.
const MaxLine = 64 << 20

// Lines reads a text line by line.
type Lines struct {
	R    *bufio.Reader
	Row  int    // 1-based number of the line that Next returned or failed on
	End  int64  // bytes up to the end of the line, including it
	long []byte // a line longer than the buffer of R
}

// Next returns a line without its end, "\n" or "\r\n", and without a byte order
// mark in front of the first one. It returns io.EOF after the last. The line is valid
// until the next call. A line that a read error cuts short is not returned.
func (l *Lines) Next() ([]byte, error) {
	l.Row++
	line, err := l.R.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		l.long = l.long[:0]
		for errors.Is(err, bufio.ErrBufferFull) {
			if l.long = append(l.long, line...); len(l.long) > MaxLine {
				return nil, fmt.Errorf("%w: a line of more than %d MB; is it a text file with one row a line?", fault.Format, MaxLine>>20)
			}
			line, err = l.R.ReadSlice('\n')
		}
		l.long = append(l.long, line...)
		line = l.long
	}
	if err != nil && (err != io.EOF || len(line) == 0) {
		return nil, err
	}
	l.End += int64(len(line))
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	if l.Row == 1 {
		line = bytes.TrimPrefix(line, ByteOrderMark)
	}
	return line, nil
}

// ByteOrderMark is that of UTF-8, which some programs write in front of a text.
var ByteOrderMark = []byte("\xef\xbb\xbf")

// Objects are JSON objects with their rows: one a line, or elements of a list.
// Next returns io.EOF after the last. The object is valid until the next call
// and not validated yet.
type Objects interface {
	Next() (raw []byte, row int, err error)
}

// NewObjects reads the objects of a file with one a line or of one list.
func NewObjects(r *bufio.Reader, asList bool) Objects {
	if asList {
		return &list{r: r}
	}
	return &objectLines{Lines{R: r}}
}

// objectLines are the objects of a file with one a line. Blank lines are left out.
type objectLines struct{ Lines }

func (l *objectLines) Next() ([]byte, int, error) {
	for {
		line, err := l.Lines.Next()
		if err != nil {
			return nil, l.Row, err
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return line, l.Row, nil
		}
	}
}

// list streams the objects of one JSON list. A row is the 1-based position
// of an element.
type list struct {
	r       *bufio.Reader
	element []byte
	row     int
}

func (l *list) Next() ([]byte, int, error) {
	raw, err := l.read()
	if err == io.ErrUnexpectedEOF {
		err = fmt.Errorf("%w: the JSON list is cut short: %w", fault.Format, err)
	}
	return raw, l.row, err
}

// read returns the next element. The comma or bracket after the last one is
// still unread.
func (l *list) read() ([]byte, error) {
	if l.row == 0 {
		if mark, _ := l.r.Peek(3); bytes.Equal(mark, ByteOrderMark) {
			l.r.Discard(3)
		}
	}
	c, err := l.skipSpace()
	if err != nil {
		return nil, err
	}
	l.row++
	switch {
	case l.row == 1 && c == '[':
		if c, err = l.skipSpace(); err != nil {
			return nil, err
		}
		if c == ']' {
			return nil, l.end()
		}
	case l.row > 1 && c == ']':
		return nil, l.end()
	case l.row > 1 && c == ',':
		if c, err = l.skipSpace(); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%w: %q where a comma or the end of the JSON list should be", fault.Format, c)
	}
	if c != '{' {
		return nil, fmt.Errorf("%w: %q where an object of the JSON list should begin", fault.Format, c)
	}
	l.element = append(l.element[:0], c)
	for depth, quoted, escaped := 1, false, false; depth > 0; {
		chunk, err := l.r.Peek(max(1, l.r.Buffered()))
		if len(chunk) == 0 {
			return nil, CutShort(err)
		}
		i := 0
		for i < len(chunk) && depth > 0 {
			if quoted && !escaped {
				i = skipPlain(chunk, i)
				if i == len(chunk) {
					break
				}
			}
			switch c := chunk[i]; {
			case escaped:
				escaped = false
			case c == '"':
				quoted = !quoted
			case quoted:
				escaped = c == '\\'
			case c == '{' || c == '[':
				depth++
			case c == '}' || c == ']':
				depth--
			}
			i++
		}
		if l.element = append(l.element, chunk[:i]...); len(l.element) > MaxLine {
			return nil, fmt.Errorf("%w: an element of more than %d MB", fault.Format, MaxLine>>20)
		}
		l.r.Discard(i)
	}
	return l.element, nil
}

func (l *list) skipSpace() (byte, error) {
	for {
		c, err := l.r.ReadByte()
		if err != nil {
			return 0, CutShort(err)
		}
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c, nil
		}
	}
}

// end returns io.EOF if nothing follows the list.
func (l *list) end() error {
	c, err := l.skipSpace()
	switch {
	case err == io.ErrUnexpectedEOF:
		return io.EOF
	case err != nil:
		return err
	}
	return fmt.Errorf("%w: %q after the end of the JSON list", fault.Format, c)
}

// CutShort is err with io.EOF as io.ErrUnexpectedEOF.
func CutShort(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
