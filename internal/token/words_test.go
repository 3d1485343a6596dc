package token

import (
	"slices"
	"strings"
	"testing"
	"unicode"
)

// TestWords: what is a word, and what is split into pairs of characters.
func TestWords(t *testing.T) {
	for _, test := range []struct{ reason, text, want string }{
		{"nothing", "", ""},
		{"words and digits", "Whales are 2 Mammals.", "whales are 2 mammals"},
		{"accents and other letters with spaces", "Où la Pâte, ЧАЙ", "où la pâte чай"},
		{"a combining mark on a Latin letter ends the word, as ever", "e\u0301t", "e t"},
		{"Han", "医疗保险", "医疗 疗保 保险"},
		{"one character", "水", "水"},
		{"punctuation ends a run", "医疗。保险,水", "医疗 保险 水"},
		{"Latin letters and digits beside Han", "iPhone手机壳15元", "iphone 手机 机壳 15 元"},
		{"kana with the mark of a long vowel, beside Han", "東京タワー", "東京 京タ タワ ワー"},
		{"kana of half width, with its voicing mark", "ｶﾞｲﾄﾞ", "ｶﾞｲ ｲﾄﾞ"},
		{"the sign that repeats a character", "人々は", "人々 々は"},
		{"Hangul", "보험 기간은", "보험 기간 간은"},
		{"conjoining Hangul: a syllable is one character", "\u1107\u1169\u1112\u1165\u11b7\u1100\u1175", "\u1107\u1169\u1112\u1165\u11b7 \u1112\u1165\u11b7\u1100\u1175"},
		{"Thai: vowels and tones above belong to their consonant", "ที่นี่", "ที่นี่"},
		{"three Thai characters", "น้ำดี", "น้ำ ำดี"},
		{"Thai digits are digits", "๑๒ปี", "๑๒ ปี"},
		{"Lao", "ບ້ານ", "ບ້າ ານ"},
		{"Khmer: U+200B ends a word", "ភាសា\u200bខ្មែរ", "ភាសា ខ្មែ មែរ"},
		{"Burmese", "မြန်မာ", "မြန် န်မာ"},
		{"beyond the basic plane", "𠮷野家", "𠮷野 野家"},
		{"bytes that are not UTF-8", "水\xff火", "水 火"},
	} {
		if got := strings.Join(AppendWords(nil, test.text), " "); got != test.want {
			t.Errorf("%s: %q gives %q, want %q", test.reason, test.text, got, test.want)
		}
		for _, word := range AppendWords(nil, test.text) {
			if !Word(word) {
				t.Errorf("%s: %q is no word", test.reason, word)
			}
		}
	}
	if got := AppendRuns([]string{"x"}, "iPhone手机壳15元 Ab"); !slices.Equal(got, []string{"x", "iphone手机壳15元", "ab"}) {
		t.Errorf("runs %q", got)
	}
	for _, run := range []string{"医疗保", "iphone手机", "手15"} {
		if Word(run) {
			t.Errorf("%q is a word", run)
		}
	}
}

// plainWords is AppendWords rune by rune.
func plainWords(text string) (out []string) {
	var word, run []string // characters
	flush := func() {
		if len(word) > 0 {
			out = append(out, strings.ToLower(strings.Join(word, "")))
		}
		if len(run) == 1 {
			out = append(out, run[0])
		}
		for i := 1; i < len(run); i++ {
			out = append(out, run[i-1]+run[i])
		}
		word, run = nil, nil
	}
	for _, c := range text {
		switch {
		case len(run) > 0 && Extends(c):
			run[len(run)-1] += string(c)
		case Spaceless(c):
			if len(word) > 0 {
				flush()
			}
			run = append(run, string(c))
		case unicode.IsLetter(c) || unicode.IsDigit(c):
			if len(run) > 0 {
				flush()
			}
			word = append(word, string(c))
		default:
			flush()
		}
	}
	flush()
	return out
}

func FuzzWords(f *testing.F) {
	for _, seed := range []string{"", "Ab1", "東京タワー", "ที่นี่", "a\u0301水\u0301火", "\xff水", "\u1160ᄀ", "ﾞ水ﾞ", "İ水"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, " ")
		if got, want := AppendWords(nil, text), plainWords(text); !slices.Equal(got, want) {
			t.Fatalf("%q gives %q, want %q", text, got, want)
		}
		for _, word := range AppendWords(nil, text) {
			if !Word(word) {
				t.Fatalf("%q is no word", word)
			}
		}
	})
}

// BenchmarkWords splits a line of English and one of Chinese.
func BenchmarkWords(b *testing.B) {
	for name, text := range map[string]string{
		"english": strings.Repeat("the waiting period of the insurance is thirty days ", 10),
		"chinese": strings.Repeat("家庭医疗保险的等待期是三十天。", 20),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			var dst []string
			for b.Loop() {
				dst = AppendWords(dst[:0], text)
			}
		})
	}
}
