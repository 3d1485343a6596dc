package textcheck

import (
	_ "embed"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"example.com/eci/internal/token"
)

//go:generate go run gen.go

// decompositionLines has a line for every character with a compatibility
// decomposition: the character and what it stands for.
//
//go:embed decompositions.txt
var decompositionLines string

var decompositions = sync.OnceValue(func() map[rune]string {
	out := make(map[rune]string, 5000)
	for line := range strings.Lines(decompositionLines) {
		c, size := utf8.DecodeRuneInString(line)
		out[c] = strings.TrimSuffix(line[size:], "\n")
	}
	return out
})

// Fold returns a form of the text that is equal for texts that differ only in case,
// blanks, punctuation, the style of quotes and Unicode form (composed or not, full or
// half width, ligatures, order of marks). It consists of the words in lower case, with
// one space between them. Signs that carry meaning are words of their own (symbols, #
// % & @ /, and a minus before a digit), and so is every letter of a script without
// spaces. A text without words is [Normalize]d.
func Fold(text string) string {
	f := folder{out: make([]byte, 0, len(text)+8)}
	for _, c := range text {
		f.decompose(c)
	}
	f.endCharacter()
	if len(f.out) == 0 {
		return Normalize(text)
	}
	return string(f.out)
}

// folder is a text on its way to its fold.
type folder struct {
	out   []byte
	marks []rune // of the last character, ascending: their order says little
	state foldState
	minus bool // the last character was a minus after no word
}

// foldState says what comes before the next character.
type foldState uint8

const (
	apart   foldState = iota // nothing that the next character could belong to
	inWord                   // a word
	oneSign                  // a character that is a word of its own
)

// decompose adds what a character stands for.
func (f *folder) decompose(c rune) {
	const first, vowels, finals = 0xAC00, 21, 28 // of the syllables of Hangul
	switch {
	case c < utf8.RuneSelf:
		f.add(c)
	case 0xAC00 <= c && c <= 0xD7A3:
		syllable := c - first
		f.add(0x1100 + syllable/(vowels*finals))
		f.add(0x1161 + syllable%(vowels*finals)/finals)
		if final := syllable % finals; final > 0 {
			f.add(0x11A7 + final)
		}
	default:
		if parts, ok := decompositions()[c]; ok {
			for _, part := range parts {
				f.add(part)
			}
			return
		}
		f.add(c)
	}
}

// add adds a character that stands for itself.
func (f *folder) add(c rune) {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	} else if c >= utf8.RuneSelf {
		c = unicode.ToLower(c)
	}
	switch {
	case 'a' <= c && c <= 'z' || '0' <= c && c <= '9':
		f.letter(c)
	case c == '−' || c == '-':
		f.endCharacter()
		f.minus = f.state == apart
		f.state = apart
	case c == '⁄':
		f.sign('/')
	case c < utf8.RuneSelf:
		f.punctuation(c)
	case unicode.In(c, unicode.Cf): // invisible: a soft hyphen, a joiner
	case unicode.Is(unicode.M, c):
		if f.state != apart {
			f.mark(c)
		}
	case token.Spaceless(c) || token.Extends(c): // the latter are vowels of Hangul
		f.sign(c)
	case unicode.IsLetter(c) || unicode.IsNumber(c):
		f.letter(c)
	default:
		f.punctuation(c)
	}
}

// punctuation adds a character that is no letter and no number.
func (f *folder) punctuation(c rune) {
	if c != '`' && c != '^' && (strings.ContainsRune("#%&@/", c) || unicode.IsSymbol(c)) {
		f.sign(c)
		return
	}
	f.endCharacter()
	f.state, f.minus = apart, false
}

// letter adds one to the word before it, or begins one.
func (f *folder) letter(c rune) {
	f.endCharacter()
	if f.state != inWord {
		if f.minus && '0' <= c && c <= '9' {
			f.sign('-')
		}
		f.space()
	}
	f.out = utf8.AppendRune(f.out, c)
	f.state, f.minus = inWord, false
}

// sign adds a character as a word of its own.
func (f *folder) sign(c rune) {
	f.endCharacter()
	f.space()
	f.out = utf8.AppendRune(f.out, c)
	f.state, f.minus = oneSign, false
}

func (f *folder) space() {
	if len(f.out) > 0 {
		f.out = append(f.out, ' ')
	}
}

// mark adds a combining mark to the last character.
func (f *folder) mark(c rune) {
	at := len(f.marks)
	for at > 0 && f.marks[at-1] > c {
		at--
	}
	f.marks = append(f.marks, 0)
	copy(f.marks[at+1:], f.marks[at:])
	f.marks[at] = c
}

// endCharacter writes the marks of the last character.
func (f *folder) endCharacter() {
	for _, mark := range f.marks {
		f.out = utf8.AppendRune(f.out, mark)
	}
	f.marks = f.marks[:0]
}
