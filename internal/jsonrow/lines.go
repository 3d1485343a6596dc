package jsonrow

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"example.com/eci/internal/fault"
)

// MaxLine limits the memory that one line or list element may take, in bytes.
const MaxLine = 64 << 20

// Lines reads a text line by line.
type Lines struct {
	R    *bufio.Reader
	Row  int    // 1-based number of the line that Next returned or failed on
	End  int64  // bytes up to the end of the line, including it
	long []byte // a line longer than the buffer of R
}

// Next returns a line without its end, "\n" or "\r\n", and without a byte order mark
// before the first line. It returns io.EOF after the last. The line is valid until the
// next call. A line that a read error cuts short is not returned.
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

// ByteOrderMark is the mark of UTF-8. Some programs write it at the start of a text.
var ByteOrderMark = []byte("\xef\xbb\xbf")

// CutShort returns err, with io.ErrUnexpectedEOF in place of io.EOF.
func CutShort(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
