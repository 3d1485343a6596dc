// Package refusal reads what servers write when they refuse a batch of texts.
package refusal

import (
	"regexp"
	"strconv"
)

// ofText is in the answers of servers that fail for one text of a batch: a vector
// that JSON cannot hold, or more tokens than the encoder or its buffers take.
var ofText = regexp.MustCompile(`(?i)\bnan\b|unsupported value|too large|too long|context length|maximum context`)

// OfText reports whether an answer blames a text.
func OfText(body []byte) bool { return ofText.Match(body) }

// limit is in the answers of servers that say how many texts they take.
var limit = regexp.MustCompile(`(?i)batch.{0,80}?(?:>|larger than|greater than|exceed\w*|maximum|at most|more than|limit)\D{0,40}?(\d{1,5})\b`)

// Most returns the most texts in a request that an answer names, and 0 where it
// names none below what was sent.
func Most(body string, sent int) int {
	if found := limit.FindStringSubmatch(body); found != nil {
		if most, err := strconv.Atoi(found[1]); err == nil && most > 0 && most < sent {
			return most
		}
	}
	return 0
}
