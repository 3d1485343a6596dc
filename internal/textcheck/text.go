package textcheck

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Blank reports whether a text has nothing but white space.
func Blank(text string) bool { return strings.TrimSpace(text) == "" }

// Normalize returns the text in lower case with every run of blanks as one space.
func Normalize(text string) string { return strings.Join(strings.Fields(strings.ToLower(text)), " ") }

// Contains reports whether the tokens of part occur in whole as one run. It uses
// the algorithm of Knuth, Morris and Pratt: a text that repeats one word costs no
// more than any other.
func Contains(whole, part []string) bool {
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

// Unit is a unit of length.
type Unit int

// The units.
const (
	Characters Unit = iota
	Words
)

// Units are all units, in the order of their values.
var Units = [...]Unit{Characters, Words}

// String returns the plural of the unit.
func (u Unit) String() string { return [...]string{"characters", "words"}[u] }

// Length returns the length of a text in this unit.
func (u Unit) Length(text string) int {
	if u == Words {
		return len(strings.Fields(text))
	}
	return utf8.RuneCountInString(text)
}

// Unfinished reports whether the text does not end in punctuation. Trailing
// blanks are ignored.
func Unfinished(text string) bool {
	last, _ := utf8.DecodeLastRuneInString(strings.TrimSpace(text))
	return !unicode.IsPunct(last)
}

// Lengths counts texts by their length in one unit.
type Lengths struct {
	unit   Unit
	counts map[int]lengthCount
}

// lengthCount counts the texts of equal length.
type lengthCount struct{ all, unfinished int }

// NewLengths returns an empty count.
func NewLengths(unit Unit) *Lengths {
	return &Lengths{unit: unit, counts: make(map[int]lengthCount)}
}

// Add counts a text.
func (l *Lengths) Add(text string) {
	n := l.unit.Length(text)
	count := l.counts[n]
	count.all++
	if Unfinished(text) {
		count.unfinished++
	}
	l.counts[n] = count
}

// Cut returns the greatest length at which texts seem to have been cut, or -1.
// At this length, at least a share of all texts, and at least five, are
// unfinished, and no more texts than these are longer.
func (l *Lengths) Cut(share float64) int {
	total, ordered := 0, make([]int, 0, len(l.counts))
	for n, count := range l.counts {
		total += count.all
		ordered = append(ordered, n)
	}
	slices.Sort(ordered)
	longer := 0
	for _, n := range slices.Backward(ordered) {
		ends := l.counts[n].unfinished
		if ends >= 5 && float64(ends) >= share*float64(total) && longer <= ends {
			return n
		}
		longer += l.counts[n].all
	}
	return -1
}

// Tail returns the last 40 characters of a text, preceded by an ellipsis if there are
// more.
func Tail(text string) string {
	r := []rune(text)
	if len(r) > 40 {
		return "..." + string(r[len(r)-40:])
	}
	return text
}

// From returns the text from ten characters before byte i on, preceded by an ellipsis
// if there are more.
func From(text string, i int) string {
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
