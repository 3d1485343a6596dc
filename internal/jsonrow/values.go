package jsonrow

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"example.com/eci/internal/fault"
)

// Objects are the rows of a file as JSON objects or lists. Next returns io.EOF after
// the last. The value is valid until the next call and is not validated yet.
type Objects interface {
	Next() (raw []byte, row int, err error)
}

// Layout says how a file holds its rows.
type Layout struct {
	// Values means that rows follow one another, each on several lines. Without it,
	// each line is a row.
	Values bool
	// List means that the rows are the elements of one list.
	List bool
	// Field is the field with the list of rows, if the file is one object.
	Field string
}

// NewObjects reads the rows of a file.
func NewObjects(r *bufio.Reader, layout Layout) Objects {
	switch {
	case layout.Field != "":
		return &list{stream: stream{r: r}, field: layout.Field}
	case layout.List:
		return &list{stream: stream{r: r}}
	case layout.Values:
		return &values{stream: stream{r: r}}
	}
	return &objectLines{Lines{R: r}}
}

// objectLines are the objects of a file with one on each line. Blank lines are
// skipped.
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

// stream splits JSON byte by byte, so that no more than one value is in memory.
type stream struct {
	r       *bufio.Reader
	value   []byte
	started bool
}

// start skips a byte order mark.
func (s *stream) start() {
	if mark, _ := s.r.Peek(3); !s.started && bytes.Equal(mark, ByteOrderMark) {
		s.r.Discard(3)
	}
	s.started = true
}

func (s *stream) skipSpace() (byte, error) {
	for {
		c, err := s.r.ReadByte()
		if err != nil {
			return 0, CutShort(err)
		}
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c, nil
		}
	}
}

// compound reads the rest of the object or list that c began. With keep, it stores the
// object or list in s.value.
func (s *stream) compound(c byte, keep bool) error {
	s.value = append(s.value[:0], c)
	for depth, quoted, escaped := 1, false, false; depth > 0; {
		chunk, err := s.r.Peek(max(1, s.r.Buffered()))
		if len(chunk) == 0 {
			return CutShort(err)
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
		if keep {
			if s.value = append(s.value, chunk[:i]...); len(s.value) > MaxLine {
				return fmt.Errorf("%w: an element of more than %d MB", fault.Format, MaxLine>>20)
			}
		}
		s.r.Discard(i)
	}
	return nil
}

// quoted reads the rest of a string, after its opening quote, into s.value.
func (s *stream) quoted() error {
	s.value = append(s.value[:0], '"')
	for escaped := false; ; {
		c, err := s.r.ReadByte()
		if err != nil {
			return CutShort(err)
		}
		if s.value = append(s.value, c); len(s.value) > MaxLine {
			return fmt.Errorf("%w: a string of more than %d MB", fault.Format, MaxLine>>20)
		}
		switch {
		case escaped:
			escaped = false
		case c == '"':
			return nil
		default:
			escaped = c == '\\'
		}
	}
}

// skip skips the value that c began.
func (s *stream) skip(c byte) error {
	switch c {
	case '{', '[':
		return s.compound(c, false)
	case '"':
		return s.quoted()
	}
	for {
		c, err := s.r.ReadByte()
		if err != nil {
			return CutShort(err)
		}
		if c == ',' || c == '}' || c == ']' {
			return s.r.UnreadByte()
		}
	}
}

// key reads the next name of an object and the first byte of its value. done reports
// that there is none. first means that the object's brace was just read.
func (s *stream) key(first bool) (name string, c byte, done bool, err error) {
	c, err = s.skipSpace()
	if err == nil && !first && c == ',' {
		c, err = s.skipSpace()
	}
	switch {
	case err != nil:
		return "", 0, false, err
	case c == '}':
		return "", 0, true, nil
	case c != '"':
		return "", 0, false, fmt.Errorf("%w: %q where a field name in double quotes should be", fault.Format, c)
	}
	if err = s.quoted(); err != nil {
		return "", 0, false, err
	}
	end, _, err := skipString(s.value, 0)
	if err != nil || end != len(s.value) {
		return "", 0, false, fmt.Errorf("%w: a field name: %w", fault.Format, err)
	}
	name = Unquote(s.value)
	if c, err = s.skipSpace(); err == nil && c != ':' {
		err = fmt.Errorf("%w: %q where a colon should be", fault.Format, c)
	}
	if err == nil {
		c, err = s.skipSpace()
	}
	return name, c, false, err
}

// values are the values of a file that follow one another, with or without line breaks
// in them. The row number is the 1-based position of a value.
type values struct {
	stream
	row int
}

func (v *values) Next() ([]byte, int, error) {
	v.start()
	c, err := v.skipSpace()
	if err == io.ErrUnexpectedEOF {
		return nil, v.row, io.EOF
	}
	v.row++
	switch {
	case err != nil:
	case c != '{' && c != '[':
		err = fmt.Errorf("%w: %q where a JSON object should begin", fault.Format, c)
	default:
		if err = v.compound(c, true); err == io.ErrUnexpectedEOF {
			err = fmt.Errorf("%w: the JSON is cut short: %w", fault.Format, err)
		}
	}
	return v.value, v.row, err
}

// list streams the elements of one JSON list: the file itself, or a field of its only
// object. The row number is the 1-based position of an element.
type list struct {
	stream
	field string
	row   int
}

func (l *list) Next() ([]byte, int, error) {
	raw, err := l.read()
	if err == io.ErrUnexpectedEOF {
		err = fmt.Errorf("%w: the JSON list is cut short: %w", fault.Format, err)
	}
	return raw, l.row, err
}

// open reads up to the bracket that opens the list.
func (l *list) open() (byte, error) {
	l.start()
	c, err := l.skipSpace()
	if err != nil || l.field == "" {
		return c, err
	}
	for first := true; ; first = false {
		name, c, done, err := l.key(first)
		switch {
		case err != nil:
			return 0, err
		case done:
			return 0, fmt.Errorf("%w: no field %q", fault.Format, l.field)
		case name == l.field:
			return c, nil
		}
		if err := l.skip(c); err != nil {
			return 0, err
		}
	}
}

// read returns the next element. The comma or bracket after the last one remains
// unread.
func (l *list) read() ([]byte, error) {
	var c byte
	var err error
	if l.row == 0 {
		c, err = l.open()
	} else {
		c, err = l.skipSpace()
	}
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
	if c != '{' && c != '[' {
		return nil, fmt.Errorf("%w: %q where an object of the JSON list should begin", fault.Format, c)
	}
	err = l.compound(c, true)
	return l.value, err
}

// end returns io.EOF if nothing follows the list. In an object, other fields may
// follow.
func (l *list) end() error {
	c, err := l.skipSpace()
	if l.field != "" {
		return io.EOF
	}
	switch {
	case err == io.ErrUnexpectedEOF:
		return io.EOF
	case err != nil:
		return err
	}
	return fmt.Errorf("%w: %q after the end of the JSON list", fault.Format, c)
}

// Member is a field of an object that is too large to be read at once: its name, the
// first byte of its value and, for a list or an object, the first byte of its first
// element or value. That last byte is 0 if the list or object is empty.
type Member struct {
	Name         string
	Kind, Inside byte
}

// Members lists the fields of the object at the start of a file, up to a maximum
// number.
func Members(r *bufio.Reader, most int) (members []Member, err error) {
	s := &stream{r: r}
	s.start()
	if c, err := s.skipSpace(); err != nil || c != '{' {
		return nil, fmt.Errorf("%w: no JSON object", fault.Format)
	}
	for first := true; len(members) < most; first = false {
		name, c, done, err := s.key(first)
		if err != nil || done {
			return members, err
		}
		m := Member{Name: name, Kind: c}
		if c == '[' || c == '{' {
			head, _ := s.r.Peek(4096)
			m.Inside = inside(head, c)
		}
		members = append(members, m)
		if err := s.skip(c); err != nil {
			return members, err
		}
	}
	return members, nil
}

// inside returns the first byte of the first value in a list or an object. open is
// its first byte, and head what follows.
func inside(head []byte, open byte) byte {
	i := SkipSpace(head, 0)
	if i < len(head) && open == '{' && head[i] == '"' {
		end, _, err := skipString(head, i)
		if err != nil {
			return 0
		}
		if i = SkipSpace(head, end); i < len(head) && head[i] == ':' {
			i = SkipSpace(head, i+1)
		}
	}
	if i >= len(head) || head[i] == ']' || head[i] == '}' {
		return 0
	}
	return head[i]
}

// Entries yields the fields of a file's only object, one after the other, with their
// values and 1-based positions. Each value must be an object or a list. It ends with
// the first error.
func Entries(r *bufio.Reader, yield func(row int, name string, value []byte, err error) bool) {
	s := &stream{r: r}
	s.start()
	c, err := s.skipSpace()
	if err == nil && c != '{' {
		err = fmt.Errorf("%w: %q where a JSON object should begin", fault.Format, c)
	}
	for row := 1; err == nil; row++ {
		name, c, done, keyErr := s.key(row == 1)
		switch {
		case keyErr != nil:
			err = keyErr
		case done:
			return
		case c != '{' && c != '[':
			err = fmt.Errorf("%w: field %q is neither an object nor a list", fault.Format, name)
		default:
			if err = s.compound(c, true); err == nil && !yield(row, name, s.value, nil) {
				return
			}
		}
	}
	if err != nil {
		yield(0, "", nil, fmt.Errorf("%w: %w", fault.Format, err))
	}
}
