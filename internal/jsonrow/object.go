// Package jsonrow reads rows of text and the JSON objects in them. The objects are on
// one line each, or are the elements of one list.
package jsonrow

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"

	"example.com/eci/internal/fault"
)

// Object is one JSON object, split into its top-level fields. It accepts what
// encoding/json accepts for a map[string]json.RawMessage and reads the same strings,
// in one pass and without an allocation for each field. In addition it accepts NaN,
// Infinity and -Infinity, which Python writes, and treats them like null. The slices
// of Fields point into the line and into names. They are valid until the line changes
// or the Object parses another one.
type Object struct {
	Fields []Field
	names  []byte // names that had escapes or invalid UTF-8
}

// Field is a name and its raw value.
type Field struct{ Name, Value []byte }

// maxDepth is the nesting depth that encoding/json allows.
const maxDepth = 10000

// Parse validates the whole line, which must contain one object and nothing else. Like
// encoding/json, it accepts null as an object without fields.
func (o *Object) Parse(line []byte) error {
	o.restart()
	i := SkipSpace(line, 0)
	var err error
	switch {
	case i < len(line) && line[i] == '{':
		i, err = o.scan(line, i, 1)
	case i < len(line) && line[i] == 'n':
		i, err = skipLiteral(line, i, "null")
	default:
		err = SyntaxError(line, i, "an object")
	}
	if err == nil {
		if i = SkipSpace(line, i); i < len(line) {
			err = SyntaxError(line, i, "the end of the line")
		}
	}
	if err != nil {
		o.Fields = o.Fields[:0]
		return fmt.Errorf("%w: not a JSON object: %w", fault.Malformed, err)
	}
	return nil
}

// ParseAt reads the validated object that begins at b[i] and returns where it ends.
func (o *Object) ParseAt(b []byte, i int) (end int, err error) { return o.restart().scan(b, i, 1) }

// restart forgets the fields.
func (o *Object) restart() *Object {
	o.Fields, o.names = o.Fields[:0], o.names[:0]
	return o
}

// Get returns the raw value of a field. If the name occurs more than once, it returns
// the last, as encoding/json does.
func (o *Object) Get(name string) ([]byte, bool) {
	for k := len(o.Fields) - 1; k >= 0; k-- {
		if string(o.Fields[k].Name) == name {
			return o.Fields[k].Value, true
		}
	}
	return nil, false
}

// Value is like Get, but ignores fields that are null, or Python's NaN or Infinity.
func (o *Object) Value(name string) ([]byte, bool) {
	raw, ok := o.Get(name)
	return raw, ok && !Null(raw)
}

// Null reports whether a validated value is null, NaN, Infinity or -Infinity.
func Null(raw []byte) bool {
	return raw[0] == 'n' || raw[0] == 'N' || raw[0] == 'I' || raw[0] == '-' && raw[1] == 'I'
}

// scan reads the object that begins at b[i] and returns where it ends. If o is nil, it
// only validates.
func (o *Object) scan(b []byte, i, depth int) (int, error) {
	if depth > maxDepth {
		return i, fmt.Errorf("more than %d levels deep", maxDepth)
	}
	if i = SkipSpace(b, i+1); i < len(b) && b[i] == '}' {
		return i + 1, nil
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return i, SyntaxError(b, i, "a field name in double quotes")
		}
		start := i
		end, plain, err := skipString(b, i)
		if err != nil {
			return end, err
		}
		if i = SkipSpace(b, end); i >= len(b) || b[i] != ':' {
			return i, SyntaxError(b, i, "a colon")
		}
		i = SkipSpace(b, i+1)
		first := i
		if i, err = SkipValue(b, i, depth); err != nil {
			return i, err
		}
		if o != nil {
			name := b[start+1 : end-1]
			if !plain || !utf8.Valid(name) {
				from := len(o.names)
				o.names = appendUnquoted(o.names, name)
				name = o.names[from:]
			}
			o.Fields = append(o.Fields, Field{name, b[first:i]})
		}
		if i = SkipSpace(b, i); i < len(b) && b[i] == ',' {
			i = SkipSpace(b, i+1)
			continue
		}
		if i >= len(b) || b[i] != '}' {
			return i, SyntaxError(b, i, "a comma or a closing brace")
		}
		return i + 1, nil
	}
}

// Repeated returns the name of the first field that the object has twice with different
// values, or "". Readers of JSON disagree about which of the two counts. It does not
// look at objects of more than 64 fields.
func (o *Object) Repeated() string {
	if len(o.Fields) > 64 {
		return ""
	}
	for i := range o.Fields {
		for k := range i {
			if bytes.Equal(o.Fields[i].Name, o.Fields[k].Name) && !bytes.Equal(o.Fields[i].Value, o.Fields[k].Value) {
				return string(o.Fields[i].Name)
			}
		}
	}
	return ""
}

// SkipValue validates the value at b[i], nested depth levels deep, and returns where
// it ends.
func SkipValue(b []byte, i, depth int) (int, error) {
	if i >= len(b) {
		return i, SyntaxError(b, i, "a value")
	}
	switch c := b[i]; c {
	case '"':
		end, _, err := skipString(b, i)
		return end, err
	case '{':
		return (*Object)(nil).scan(b, i, depth+1)
	case '[':
		return skipList(b, i, depth+1)
	case 't':
		return skipLiteral(b, i, "true")
	case 'f':
		return skipLiteral(b, i, "false")
	case 'n':
		return skipLiteral(b, i, "null")
	case 'N':
		return skipLiteral(b, i, "NaN")
	case 'I':
		return skipLiteral(b, i, "Infinity")
	default:
		if c == '-' && i+1 < len(b) && b[i+1] == 'I' {
			return skipLiteral(b, i, "-Infinity")
		}
		return skipNumber(b, i)
	}
}

func skipList(b []byte, i, depth int) (int, error) {
	if depth > maxDepth {
		return i, fmt.Errorf("more than %d levels deep", maxDepth)
	}
	if i = SkipSpace(b, i+1); i < len(b) && b[i] == ']' {
		return i + 1, nil
	}
	for {
		var err error
		if i, err = SkipValue(b, i, depth); err != nil {
			return i, err
		}
		if i = SkipSpace(b, i); i < len(b) && b[i] == ',' {
			i = SkipSpace(b, i+1)
			continue
		}
		if i >= len(b) || b[i] != ']' {
			return i, SyntaxError(b, i, "a comma or a closing bracket")
		}
		return i + 1, nil
	}
}

// SkipSpace returns the position of the first byte that is not white space.
func SkipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}

func skipLiteral(b []byte, i int, literal string) (int, error) {
	for k := range len(literal) {
		if i+k >= len(b) || b[i+k] != literal[k] {
			return i + k, SyntaxError(b, i+k, "the rest of "+literal)
		}
	}
	return i + len(literal), nil
}

func skipNumber(b []byte, i int) (int, error) {
	start := i
	if i < len(b) && b[i] == '-' {
		i++
	}
	first := i
	i = skipDigits(b, i)
	switch {
	case i == first && start == first:
		return i, SyntaxError(b, i, "a value")
	case i == first:
		return i, SyntaxError(b, i, "a digit")
	case b[first] == '0' && i > first+1:
		return first + 1, SyntaxError(b, first+1, "no digit after a leading zero")
	}
	if i < len(b) && b[i] == '.' {
		from := i + 1
		if i = skipDigits(b, from); i == from {
			return i, SyntaxError(b, i, "a digit")
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		from := i
		if i = skipDigits(b, from); i == from {
			return i, SyntaxError(b, i, "a digit")
		}
	}
	return i, nil
}

func skipDigits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

// skipString validates the string whose opening quote is b[i]. It returns the position
// after the closing quote; plain reports whether it has no escapes.
func skipString(b []byte, i int) (end int, plain bool, err error) {
	plain = true
	for i++; ; {
		i = skipPlain(b, i)
		switch {
		case i >= len(b):
			return i, plain, SyntaxError(b, i, "a closing quote")
		case b[i] == '"':
			return i + 1, plain, nil
		case b[i] != '\\':
			return i, plain, SyntaxError(b, i, "an escape: control characters must be escaped")
		}
		plain = false
		if i++; i >= len(b) {
			return i, plain, SyntaxError(b, i, "the rest of an escape")
		}
		switch b[i] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			i++
		case 'u':
			for k := 1; k <= 4; k++ {
				if i+k >= len(b) || !isHex(b[i+k]) {
					return i + k, plain, SyntaxError(b, i+k, "four hexadecimal digits")
				}
			}
			i += 5
		default:
			return i, plain, SyntaxError(b, i, `an escape such as \n`)
		}
	}
}

// skipPlain returns the position of the first quote, backslash or control character
// from b[i] on. It checks eight bytes at a time. Subtracting 0x20 from a byte below it
// borrows from its highest bit, as does subtracting 1 from a byte that an exclusive or
// has made zero. The lowest such bit is exact.
func skipPlain(b []byte, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, slash := x^'"'*ones, x^'\\'*ones
		found := ((x - 0x20*ones) &^ x) | ((quote - ones) &^ quote) | ((slash - ones) &^ slash)
		if found &= highs; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(b) && b[i] >= 0x20 && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

func isHex(c byte) bool {
	return c-'0' <= 9 || c-'a' <= 5 || c-'A' <= 5
}

// SyntaxError names the byte at b[i] and what is expected there.
func SyntaxError(b []byte, i int, want string) error {
	if i >= len(b) {
		return fmt.Errorf("it ends after column %d, where %s should follow", len(b), want)
	}
	if b[i] >= utf8.RuneSelf {
		r, _ := utf8.DecodeRune(b[i:])
		return fmt.Errorf("%q in column %d, where %s should be", r, i+1, want)
	}
	hint := ""
	if b[i] == '\'' {
		hint = "; what Python prints of a dict or list is no JSON: json.dumps writes it"
	}
	return fmt.Errorf("%q in column %d, where %s should be%s", b[i], i+1, want, hint)
}

// Unquote returns the text of a validated JSON string, given with its quotes.
func Unquote(raw []byte) string {
	s := raw[1 : len(raw)-1]
	if hasEscape(s) || !utf8.Valid(s) {
		return string(appendUnquoted(make([]byte, 0, len(s)), s))
	}
	return string(s)
}

// hasEscape reports whether a validated string contains a backslash.
func hasEscape(s []byte) bool {
	for i := 0; ; i++ {
		if i = skipPlain(s, i); i >= len(s) {
			return false
		} else if s[i] == '\\' {
			return true
		}
	}
}

// appendUnquoted appends the text of a validated JSON string, given without its
// quotes. As in encoding/json, invalid UTF-8 and half surrogates become U+FFFD.
func appendUnquoted(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '\\' && s[i+1] == 'u':
			r := hex4(s[i+2:])
			i += 6
			if utf16.IsSurrogate(r) {
				pair := utf8.RuneError
				if i+6 <= len(s) && s[i] == '\\' && s[i+1] == 'u' {
					pair = utf16.DecodeRune(r, hex4(s[i+2:]))
				}
				if r = pair; pair != utf8.RuneError {
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
		case c == '\\':
			switch c = s[i+1]; c {
			case 'b':
				c = '\b'
			case 'f':
				c = '\f'
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			case 't':
				c = '\t'
			}
			dst = append(dst, c)
			i += 2
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			r, size := utf8.DecodeRune(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
		}
	}
	return dst
}

func hex4(s []byte) (r rune) {
	for _, c := range s[:4] {
		switch {
		case c <= '9':
			c -= '0'
		case c <= 'F':
			c -= 'A' - 10
		default:
			c -= 'a' - 10
		}
		r = r<<4 | rune(c)
	}
	return r
}
