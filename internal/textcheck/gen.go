//go:build ignore

// Gen writes decompositions.txt: every character with its full compatibility
// decomposition (NFKD), one a line, without Hangul syllables and ideographs, which
// are computed or left alone. Run it with go generate from within the workspace,
// which has golang.org/x/text; the library has not.
package main

import (
	"bytes"
	"log"
	"os"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

func main() {
	var out bytes.Buffer
	for c := rune(0); c <= unicode.MaxRune; c++ {
		s := string(c)
		if d := norm.NFKD.String(s); d != s && !unicode.In(c, unicode.Hangul, unicode.Han) && c != unicode.ReplacementChar && !(0xD800 <= c && c <= 0xDFFF) {
			out.WriteString(s + d + "\n")
		}
	}
	if err := os.WriteFile("decompositions.txt", out.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
}
