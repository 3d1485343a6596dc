package textcheck

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Control returns the byte offset of the first control character other than tab,
// line feed and carriage return, or -1.
func Control(text string) int {
	return strings.IndexFunc(text, func(r rune) bool {
		return unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r'
	})
}

// Replacement returns the byte offset of the first U+FFFD or invalid byte, or -1.
// Invalid UTF-8 decodes to U+FFFD.
func Replacement(text string) int {
	return strings.IndexFunc(text, func(r rune) bool { return r == utf8.RuneError })
}

// windows1252 are the characters that Windows-1252 has for the bytes 80 to 9F.
const windows1252 = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"

// Mojibake returns the byte offset of the first sign of UTF-8 that was read as
// Latin-1 or Windows-1252, or -1. The signs are Â or Ã followed by what such a
// reading makes of a byte 80 to BF, and â€, â‚¬, â„¢, ï»¿ and ðŸ.
func Mojibake(text string) int {
	for i, r := range text {
		if r < utf8.RuneSelf {
			continue
		}
		rest := text[i:]
		starts := func(prefixes ...string) bool {
			return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(rest, p) })
		}
		switch r {
		case 'Â', 'Ã':
			next, _ := utf8.DecodeRuneInString(rest[utf8.RuneLen(r):])
			if next >= 0x80 && next <= 0xBF || strings.ContainsRune(windows1252, next) && next != utf8.RuneError {
				return i
			}
		case 'â':
			if starts("â€", "â\u0080", "â‚¬", "â\u0082¬", "â„¢", "â\u0084¢") {
				return i
			}
		case 'ï':
			if starts("ï»¿") {
				return i
			}
		case 'ð':
			if starts("ðŸ", "ð\u009f") {
				return i
			}
		}
	}
	return -1
}

var markup = regexp.MustCompile(`(?i)</?(?:a|b|i|p|u|em|h[1-6]|hr|br|li|ol|ul|td|th|tr|div|img|pre|sub|sup|body|code|font|form|head|html|link|meta|nav|span|style|table|tbody|thead|title|script|strong|blockquote)(?:\s[^<>]*)?/?>|&(?:amp|lt|gt|quot|apos|nbsp|#[0-9]{1,7}|#x[0-9a-f]{1,6});`)

// HTML returns the byte offset of the first tag of a common HTML element or the
// first common entity, or -1.
func HTML(text string) int {
	if !strings.ContainsAny(text, "<&") { // cheaper than the expression
		return -1
	}
	if at := markup.FindStringIndex(text); at != nil {
		return at[0]
	}
	return -1
}
