// Package quote shortens what errors quote from the data, so that a row of many
// megabytes does not become a message of many megabytes.
package quote

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	mostRunes = 60
	mostNames = 20
)

// Clip returns at most 60 characters of a text.
func Clip[T ~string | ~[]byte](text T) string {
	at := 0
	for n := 0; at < len(text); n++ {
		if n == mostRunes {
			return string(text[:at]) + "…"
		}
		_, size := utf8.DecodeRuneInString(string(text[at:min(at+utf8.UTFMax, len(text))]))
		at += size
	}
	return string(text)
}

// Names joins at most 20 names, each shortened by [Clip].
func Names(names []string) string {
	var b strings.Builder
	for i, name := range names {
		if i == mostNames {
			fmt.Fprintf(&b, " and %d more", len(names)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(Clip(name))
	}
	return b.String()
}
