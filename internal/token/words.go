// Package token splits texts into words, and into pairs of characters where a
// script has no spaces between its words.
package token

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// AppendWords appends the words of text in lower case: runs of letters and
// decimal digits. A run of letters of a script without spaces ([Spaceless]) gives
// its pairs of neighboring characters instead, or the character itself if it is
// alone. Only words with a letter that is not lower-case ASCII allocate.
func AppendWords(dst []string, text string) []string { return appendTokens(dst, text, true) }

// AppendRuns appends the runs of letters and decimal digits of text in lower
// case, whatever their script.
func AppendRuns(dst []string, text string) []string { return appendTokens(dst, text, false) }

func appendTokens(dst []string, text string, pairs bool) []string {
	start, plain := -1, true
	for i := 0; i < len(text); {
		class, size := asciiClass[text[i]], 1
		if class == plainLetter {
			if start < 0 {
				start = i
			}
			for i++; i < len(text) && asciiClass[text[i]] == plainLetter; i++ {
			}
			continue
		}
		without := false // spaces
		if class == beyondASCII {
			var c rune
			c, size = utf8.DecodeRuneInString(text[i:])
			without = pairs && Spaceless(c)
			if without || !wordRune(c) {
				class = separator
			}
		}
		switch class {
		case separator:
			if start >= 0 {
				dst = append(dst, lowered(text[start:i], plain))
				start, plain = -1, true
			}
		default:
			if start < 0 {
				start = i
			}
			plain = false
		}
		if without {
			dst, size = appendPairs(dst, text[i:])
		}
		i += size
	}
	if start >= 0 {
		dst = append(dst, lowered(text[start:], plain))
	}
	return dst
}

// appendPairs appends the pairs of neighboring characters of the run of a script
// without spaces at the beginning of text, and returns the length of the run.
func appendPairs(dst []string, text string) (_ []string, size int) {
	before, last := 0, 0 // where the character before the last one and the last one begin
	for size < len(text) {
		c, width := utf8.DecodeRuneInString(text[size:])
		switch {
		case Extends(c):
		case !Spaceless(c):
			width = 0
		case size > 0: // a new character, with its marks behind it
			if last > 0 {
				dst = append(dst, text[before:size])
			}
			before, last = last, size
		}
		if width == 0 {
			break
		}
		size += width
	}
	if last > 0 {
		return append(dst, text[before:size]), size
	}
	return append(dst, text[:size]), size
}

// lowered is the word in lower case, which a plain one is already.
func lowered(word string, plain bool) string {
	if plain {
		return word
	}
	return strings.ToLower(word)
}

// The classes of bytes.
const (
	separator   = iota
	plainLetter // a to z and 0 to 9
	capital
	beyondASCII
)

var asciiClass = func() (class [256]uint8) {
	for c := range class {
		switch {
		case c >= utf8.RuneSelf:
			class[c] = beyondASCII
		case 'A' <= c && c <= 'Z':
			class[c] = capital
		case wordRune(rune(c)):
			class[c] = plainLetter
		}
	}
	return class
}()

func wordRune(c rune) bool {
	if c < utf8.RuneSelf {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
	}
	return unicode.IsLetter(c) || unicode.IsDigit(c)
}

// spaceless are the scripts whose letters come without spaces between words.
// Korean has spaces, but between phrases of a stem and its particles.
var spaceless = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
}

// Spaceless reports whether c is a letter of Han, kana, Hangul, Thai, Lao, Khmer or
// Myanmar, or of the few signs that kana and Han share, such as the mark of a long
// vowel. Digits and punctuation of these scripts are none.
func Spaceless(c rune) bool {
	switch {
	case c < 0x0E00:
		return false
	case 0x4E00 <= c && c <= 0x9FFF, 0x3041 <= c && c <= 0x3096, 0xAC00 <= c && c <= 0xD7A3: // the most frequent
		return true
	case 0x3031 <= c && c <= 0x3035, c == 0x3006, c == 0x303C, c == 0x30FC, c == 0xFF70: // of no script
		return true
	}
	return unicode.IsLetter(c) && !Extends(c) && unicode.In(c, spaceless...)
}

// Extends reports whether c belongs to the character before it: a combining mark,
// a vowel or final consonant of conjoining Hangul, or a voicing mark of half width.
func Extends(c rune) bool {
	switch {
	case c < 0x0300:
		return false
	case 0x1160 <= c && c <= 0x11FF, 0xD7B0 <= c && c <= 0xD7FB, c == 0xFF9E, c == 0xFF9F:
		return true
	}
	return unicode.In(c, unicode.Mn, unicode.Mc)
}

// Word reports whether AppendWords could have given word: it holds no run of a
// script without spaces that it would have split.
func Word(word string) bool {
	characters, others := 0, false
	for _, c := range word {
		switch {
		case c < 0x0300:
			others = true
		case Spaceless(c):
			characters++
		case !Extends(c):
			others = true
		}
	}
	return characters <= 2 && !(characters > 0 && others)
}
