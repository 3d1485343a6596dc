package jsonrow

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"example.com/eci/internal/fault"
)

// elements reads a list through a buffer that cuts everywhere.
func elements(text string) (all []string, err error) {
	l := list{stream: stream{r: bufio.NewReaderSize(iotest.OneByteReader(strings.NewReader(text)), 16)}}
	for {
		raw, _, err := l.Next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, string(raw))
	}
}

// FuzzJSONList holds the splitting of a list against encoding/json: a list of
// objects and lists that it accepts is split into the same elements.
func FuzzJSONList(f *testing.F) {
	for _, text := range []string{
		`[]`, ` [ ] `, `[{}]`, `[{},{}]`, `[{"a":[1,{"b":"]}"}]} , {"c":"\"}\\"}]`, `[{]`, `[{}`, `[{},]`, `[{} {}]`, `[1]`, `[{}]x`, `{}`, ``,
		`[{"a":"a text longer than the buffer of the reader \\\" with } and ] in it"}]`, "[{\"a\":\"\x01\"}]", "\xef\xbb\xbf[{}]",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := elements(text)
		var want []json.RawMessage
		if json.Unmarshal([]byte(text), &want) != nil || want == nil {
			return // what is wrong inside an element is found when it is parsed
		}
		for _, raw := range want {
			if raw[0] != '{' && raw[0] != '[' {
				if !errors.Is(err, fault.Format) {
					t.Fatalf("%q: error %v, want ErrFormat for an element that is no object and no list", text, err)
				}
				return
			}
		}
		if err != nil || len(got) != len(want) {
			t.Fatalf("%q: %d elements, error %v; encoding/json has %d", text, len(got), err, len(want))
		}
		for i, raw := range want {
			if got[i] != string(raw) {
				t.Fatalf("%q: element %d is %q, encoding/json has %q", text, i+1, got[i], raw)
			}
		}
	})
}

// TestLineReader cuts lines as strings.Lines does, whatever the buffer.
func TestLineReader(t *testing.T) {
	for _, text := range []string{"", "\n", "a", "a\n", "a\r\nb\n\nc", "\xef\xbb\xbfa\n\xef\xbb\xbfb", strings.Repeat("long ", 50) + "\r\n" + strings.Repeat("x", 16) + "\n\r\n", strings.Repeat("y", 32)} {
		l := Lines{R: bufio.NewReaderSize(iotest.HalfReader(strings.NewReader(text)), 16)}
		for line := range strings.Lines(text) {
			want := strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
			if l.Row == 0 {
				want = strings.TrimPrefix(want, "\xef\xbb\xbf")
			}
			if got, err := l.Next(); err != nil || string(got) != want {
				t.Errorf("%q: line %d is %q, error %v; want %q", text, l.Row, got, err, want)
			}
		}
		if _, err := l.Next(); err != io.EOF || l.End != int64(len(text)) {
			t.Errorf("%q: error %v after the end, %d bytes of %d", text, err, l.End, len(text))
		}
	}
	l := Lines{R: bufio.NewReader(io.MultiReader(strings.NewReader("whole\nhalf"), iotest.ErrReader(io.ErrClosedPipe)))}
	if line, err := l.Next(); string(line) != "whole" || err != nil {
		t.Errorf("line %q, error %v", line, err)
	}
	if line, err := l.Next(); line != nil || err != io.ErrClosedPipe || l.Row != 2 {
		t.Errorf("line %q, error %v: a line that an error cuts short is no line", line, err)
	}
}
