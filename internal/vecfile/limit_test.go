package vecfile

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/textfile"
)

// TestCompressedIsLimited: what is loaded of a compressed file is limited,
// because a small one may hold very much.
func TestCompressedIsLimited(t *testing.T) {
	for _, test := range []struct {
		why, text string
		read      func(from *textfile.Opener) error
	}{
		{"ids", "d%d\n", func(from *textfile.Opener) error { _, err := readIDs("x", "x", from); return err }},
		{"vectors", `{"id":%d,"vector":[1,2,3]}` + "\n", func(from *textfile.Opener) error { _, err := ReadLines("x", "x", from); return err }},
	} {
		var text strings.Builder
		for i := range 1000 {
			fmt.Fprintf(&text, test.text, i)
		}
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Write([]byte(text.String()))
		w.Close()
		fsys := fstest.MapFS{"x": {Data: b.Bytes()}}
		if err := test.read(&textfile.Opener{FS: fsys, Limit: 1000}); !errors.Is(err, fault.Format) || !strings.Contains(err.Error(), "TextBytes") {
			t.Errorf("%s: error %v", test.why, err)
		}
		if err := test.read(&textfile.Opener{FS: fsys, Limit: 1 << 20}); err != nil {
			t.Errorf("%s: error %v", test.why, err)
		}
		fsys["x"].Data = []byte(text.String())
		if err := test.read(&textfile.Opener{FS: fsys, Limit: 1000}); err != nil {
			t.Errorf("%s, not compressed: error %v", test.why, err)
		}
	}
}
