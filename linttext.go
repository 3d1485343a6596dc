package eci

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// copies looks for one text of a row within another.
func (s *lintSource) copies(rec *Record) {
	for k, at := range rec.sides() {
		s.tokens[k] = s.Tokenizer.AppendTokens(s.tokens[k][:0], at.text)
	}
	query, positive, negative := s.tokens[0], s.tokens[1], s.tokens[2]
	if len(query) > 0 && slices.Equal(query, positive) {
		s.add(LintQueryIsPositive, rec, rec.QueryText, "")
	}
	if len(query) >= s.MinTokens && within(query, negative) {
		s.add(LintQueryInNegative, rec, rec.NegativeText, "")
	}
	switch {
	case slices.Equal(positive, negative):
	case len(positive) >= s.MinTokens && within(positive, negative):
		s.add(LintPassageInPassage, rec, rec.NegativeText, "holds its positive")
	case len(negative) >= s.MinTokens && within(negative, positive):
		s.add(LintPassageInPassage, rec, rec.NegativeText, "stands in its positive")
	}
}

// within says whether the tokens of part stand in whole in one run. It searches
// after Knuth, Morris and Pratt, so that texts of one word over and over cost no
// more than others.
func within(part, whole []string) bool {
	if len(part) == 0 || len(part) > len(whole) {
		return len(part) == 0
	}
	border := make([]int, len(part)) // of every prefix: its longest proper border
	for i, k := 1, 0; i < len(part); i++ {
		for k > 0 && part[i] != part[k] {
			k = border[k-1]
		}
		if part[i] == part[k] {
			k++
		}
		border[i] = k
	}
	k := 0
	for _, token := range whole {
		for k > 0 && token != part[k] {
			k = border[k-1]
		}
		if token == part[k] {
			k++
		}
		if k == len(part) {
			return true
		}
	}
	return false
}

// lengths counts distinct passages by length: all, and those that do not end in
// punctuation.
type lengths map[int][2]int

// textLength is in characters (unit 0) or words (unit 1).
func textLength(text string, unit int) int {
	if unit == 1 {
		return len(strings.Fields(text))
	}
	return utf8.RuneCountInString(text)
}

var lengthUnits = [2]string{"characters", "words"}

func unfinished(text string) bool {
	last, _ := utf8.DecodeLastRuneInString(strings.TrimSpace(text))
	return !unicode.IsPunct(last)
}

func (l lengths) add(text string, unit int) {
	n := textLength(text, unit)
	count := l[n]
	count[0]++
	if unfinished(text) {
		count[1]++
	}
	l[n] = count
}

// cut is the greatest length that the rule takes for a cut, or -1.
func (l lengths) cut(share float64) int {
	total, ordered := 0, make([]int, 0, len(l))
	for n, count := range l {
		total += count[0]
		ordered = append(ordered, n)
	}
	slices.Sort(ordered)
	longer := 0
	for _, n := range slices.Backward(ordered) {
		ends := l[n][1]
		if ends >= 5 && float64(ends) >= share*float64(total) && longer <= ends {
			return n
		}
		longer += l[n][0]
	}
	return -1
}

func (s *lintSource) truncated(rec *Record) {
	for unit, cut := range s.cut {
		for _, text := range [...]string{rec.PositiveText, rec.NegativeText} {
			if cut < 0 || textLength(text, unit) != cut || !unfinished(text) {
				continue
			}
			s.add(LintTruncated, rec, tail(text), "")
			s.found[LintTruncated].Detail = fmt.Sprintf("at %d %s", cut, lengthUnits[unit])
			return
		}
	}
}

// tail is the end of a text.
func tail(text string) string {
	r := []rune(text)
	if len(r) > 40 {
		return "..." + string(r[len(r)-40:])
	}
	return text
}

// damage looks at each text of a row by itself.
func (s *lintSource) damage(rec *Record) {
	for _, rule := range []struct {
		kind LintKind
		at   func(text string) int
	}{
		{LintControl, controlAt}, {LintReplacement, replacementAt}, {LintMojibake, mojibakeAt}, {LintHTML, htmlAt},
	} {
		for _, text := range [...]string{rec.QueryText, rec.PositiveText, rec.NegativeText} {
			if i := rule.at(text); i >= 0 {
				s.add(rule.kind, rec, around(text, i), "")
				break
			}
		}
	}
}

// around is the part of a text near byte i.
func around(text string, i int) string {
	start := i
	for range 10 {
		_, size := utf8.DecodeLastRuneInString(text[:start])
		start -= size
	}
	if start > 0 {
		return "..." + text[start:]
	}
	return text
}

func controlAt(text string) int {
	return strings.IndexFunc(text, func(r rune) bool {
		return unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r'
	})
}

// replacementAt finds invalid UTF-8 too, because it decodes to U+FFFD.
func replacementAt(text string) int {
	return strings.IndexFunc(text, func(r rune) bool { return r == utf8.RuneError })
}

// windows1252 are the characters that Windows-1252 has for the bytes 80 to 9F.
const windows1252 = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"

func mojibakeAt(text string) int {
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

var htmlRemains = regexp.MustCompile(`(?i)</?(?:a|b|i|p|u|em|h[1-6]|hr|br|li|ol|ul|td|th|tr|div|img|pre|sub|sup|body|code|font|form|head|html|link|meta|nav|span|style|table|tbody|thead|title|script|strong|blockquote)(?:\s[^<>]*)?/?>|&(?:amp|lt|gt|quot|apos|nbsp|#[0-9]{1,7}|#x[0-9a-f]{1,6});`)

func htmlAt(text string) int {
	if !strings.ContainsAny(text, "<&") { // cheaper than the expression
		return -1
	}
	if at := htmlRemains.FindStringIndex(text); at != nil {
		return at[0]
	}
	return -1
}
