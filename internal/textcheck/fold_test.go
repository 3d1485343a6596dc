package textcheck

import (
	"strings"
	"testing"
)

// TestFold: which texts are one, and which are not.
func TestFold(t *testing.T) {
	for _, test := range []struct {
		reason, a, b string
		same         bool
	}{
		{"a full stop", "Prove the loaf.", "Prove the loaf", true},
		{"quotes and apostrophes", `The baker's "rule"`, "The baker’s “rule”", true},
		{"case and blanks", "Prove  the\nLOAF", "prove the loaf", true},
		{"composed or not", "pâte fraîche à l'œuf", "pa\u0302te frai\u0302che a\u0300 l'œuf", true},
		{"the order of two marks", "â\u0323", "ậ", true},
		{"a ligature and a space that does not break", "the ﬁrst\u00a0loaf", "the first loaf", true},
		{"full width", "ＡＢＣ１２３。", "abc123", true},
		{"half width with a voicing mark", "ｶﾞｲﾄﾞ", "ガイド", true},
		{"Chinese with and without blanks and commas", "家庭 医疗,保险。", "家庭医疗保险", true},
		{"Hangul composed or not", "보험은", "\u1107\u1169\u1112\u1165\u11b7\u110b\u1173\u11ab", true},
		{"a soft hyphen and a byte order mark", "\ufeffwait\u00ading", "waiting", true},
		{"dashes between words", "slow – very slow", "slow, very slow", true},
		{"a list's mark and emphasis", "* **slow**", "slow", true},
		{"a minus of either form", "at −5 °C", "at -5 °C", true},

		{"a minus", "at -5 degrees", "at 5 degrees", false},
		{"a number with a point", "1.5", "15", false},
		{"a range is no minus", "5-10", "5 10", true},
		{"languages", "a list in C#", "a list in C", false},
		{"a sign", "a + b", "a b", false},
		{"an accent", "pâte", "pate", false},
		{"an apostrophe that makes another word", "it's", "its", false},
		{"Chinese", "家庭医疗保险", "家庭医疗保险费", false},
		{"nothing but punctuation", "???", "!!!", false},
		{"nothing but punctuation, twice", "? ?", "?  ?", true},
		{"words joined", "some times", "sometimes", false},
	} {
		if same := Fold(test.a) == Fold(test.b); same != test.same {
			t.Errorf("%s: %q and %q: same %v; %q, %q", test.reason, test.a, test.b, same, Fold(test.a), Fold(test.b))
		}
	}
}

// TestFoldOfDecompositions: a character and what it stands for are one, in a word.
func TestFoldOfDecompositions(t *testing.T) {
	lines := 0
	for line := range strings.Lines(decompositionLines) {
		c := []rune(line)
		one, other := "x "+string(c[0])+"y", "x "+strings.TrimSuffix(string(c[1:]), "\n")+"y"
		if lines++; Fold(one) != Fold(other) {
			t.Errorf("%q and %q: %q, %q", one, other, Fold(one), Fold(other))
		}
	}
	if lines < 4000 {
		t.Errorf("%d decompositions", lines)
	}
}

// FuzzFold: a fold is its own fold, and case and spaces change nothing.
func FuzzFold(f *testing.F) {
	for _, seed := range []string{"", "A-1", "−5", "pa\u0302te", "?", "각ᆨ", "ｶﾞ", "\xff", "½ ´a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once := Fold(text)
		if Fold(" "+text+"\n") != once && strings.TrimSpace(text) != "" {
			t.Fatalf("%q: blanks change %q", text, once)
		}
	})
}
