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

// Excerpt returns the beginning of a text, of at most 60 bytes or little more.
func Excerpt(text string) string {
	for i := range text {
		if i >= mostRunes {
			return text[:i] + "..."
		}
	}
	return text
}

// Names joins at most 20 names, each as [Clip] leaves it.
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

// Bytes prints a number of bytes, of less than one in MiB.
func Bytes(n int64) string {
	if n < 1<<30 {
		return fmt.Sprintf("%.3g MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.3g GiB", float64(n)/(1<<30))
}
