package eci

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// An error quotes at most quotedRunes of a text of the data and quotedNames of
// a list, so that a row of many megabytes does not become a message of many.
const (
	quotedRunes = 60
	quotedNames = 20
)

// clip returns the beginning of a text of the data, for an error.
func clip[T ~string | ~[]byte](text T) string {
	at := 0
	for n := 0; at < len(text); n++ {
		if n == quotedRunes {
			return string(text[:at]) + "…"
		}
		_, size := utf8.DecodeRuneInString(string(text[at:min(at+utf8.UTFMax, len(text))]))
		at += size
	}
	return string(text)
}

// clipNames joins the first of a list of names of the data, for an error.
func clipNames(names []string) string {
	var b strings.Builder
	for i, name := range names {
		if i == quotedNames {
			fmt.Fprintf(&b, " and %d more", len(names)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(clip(name))
	}
	return b.String()
}
