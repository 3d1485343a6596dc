package eci

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// maxLine bounds the memory that one line or list element may take, in bytes.
const maxLine = 64 << 20

// lineReader reads a text line by line. row is the 1-based number of the line
// that next returned or failed on.
type lineReader struct {
	r    *bufio.Reader
	long []byte // a line longer than the buffer of r
	row  int
	read int64 // bytes up to the end of the line, including it
}

// next returns a line without its end, "\n" or "\r\n", and without a byte order
// mark in front of the first one; io.EOF behind the last. The line is valid
// until the next call. A line that a read error cuts short is not returned.
func (l *lineReader) next() ([]byte, error) {
	l.row++
	line, err := l.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		l.long = l.long[:0]
		for errors.Is(err, bufio.ErrBufferFull) {
			if l.long = append(l.long, line...); len(l.long) > maxLine {
				return nil, fmt.Errorf("%w: a line of more than %d MB; is it a text file with one row a line?", ErrFormat, maxLine>>20)
			}
			line, err = l.r.ReadSlice('\n')
		}
		l.long = append(l.long, line...)
		line = l.long
	}
	if err != nil && (err != io.EOF || len(line) == 0) {
		return nil, err
	}
	l.read += int64(len(line))
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	if l.row == 1 {
		line = bytes.TrimPrefix(line, utf8BOM)
	}
	return line, nil
}

var utf8BOM = []byte("\xef\xbb\xbf")

// jsonRows are JSON objects with their rows: one a line, or elements of a list.
// next returns io.EOF behind the last; the object is valid until the next call
// and not validated yet.
type jsonRows interface {
	next() (raw []byte, row int, err error)
}

// jsonLines are the objects of a file with one a line, blank lines left out.
type jsonLines struct{ lineReader }

func (l *jsonLines) next() ([]byte, int, error) {
	for {
		line, err := l.lineReader.next()
		if err != nil {
			return nil, l.row, err
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return line, l.row, nil
		}
	}
}

// jsonList streams the objects of one JSON list. A row is the 1-based position
// of an element.
type jsonList struct {
	r       *bufio.Reader
	element []byte
	row     int
}

func (l *jsonList) next() ([]byte, int, error) {
	raw, err := l.read()
	if err == io.ErrUnexpectedEOF {
		err = fmt.Errorf("%w: the JSON list is cut short: %w", ErrFormat, err)
	}
	return raw, l.row, err
}

// read returns the next element; the comma or bracket behind the last one is
// still unread.
func (l *jsonList) read() ([]byte, error) {
	if l.row == 0 {
		if mark, _ := l.r.Peek(3); bytes.Equal(mark, utf8BOM) {
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
		return nil, fmt.Errorf("%w: %q where a comma or the end of the JSON list should be", ErrFormat, c)
	}
	if c != '{' {
		return nil, fmt.Errorf("%w: %q where an object of the JSON list should begin", ErrFormat, c)
	}
	l.element = append(l.element[:0], c)
	for depth, quoted, escaped := 1, false, false; depth > 0; {
		chunk, err := l.r.Peek(max(1, l.r.Buffered()))
		if len(chunk) == 0 {
			return nil, cutShort(err)
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
		if l.element = append(l.element, chunk[:i]...); len(l.element) > maxLine {
			return nil, fmt.Errorf("%w: an element of more than %d MB", ErrFormat, maxLine>>20)
		}
		l.r.Discard(i)
	}
	return l.element, nil
}

func (l *jsonList) skipSpace() (byte, error) {
	for {
		c, err := l.r.ReadByte()
		if err != nil {
			return 0, cutShort(err)
		}
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c, nil
		}
	}
}

// end returns io.EOF if nothing follows the list.
func (l *jsonList) end() error {
	c, err := l.skipSpace()
	switch {
	case err == io.ErrUnexpectedEOF:
		return io.EOF
	case err != nil:
		return err
	}
	return fmt.Errorf("%w: %q behind the end of the JSON list", ErrFormat, c)
}

func cutShort(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
