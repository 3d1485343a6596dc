package eci_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"example.com/eci"
	"example.com/eci/internal/token"
)

func TestTokenizers(t *testing.T) {
	for _, test := range []struct {
		reason    string
		tokenizer eci.Tokenizer
		text      string
		want      []string
	}{
		{"lower case, repetitions kept", eci.Words{}, "The cat, the CAT.", []string{"the", "cat", "the", "cat"}},
		{"digits are word characters", eci.Words{}, "v2.10 mach-3", []string{"v2", "10", "mach", "3"}},
		{"letters of any script", eci.Words{}, "Größe ΑΒΓ 東京 ١٢", []string{"größe", "αβγ", "東京", "١٢"}},
		{"an underscore separates", eci.Words{}, "snake_case", []string{"snake", "case"}},
		{"combining marks separate: they are no letters", eci.Words{}, "e\u0301a", []string{"e", "a"}},
		{"nothing but punctuation", eci.Words{}, " ... !", nil},
		{"invalid UTF-8 separates", eci.Words{}, "a\xffb", []string{"a", "b"}},
		{"n-grams by default of four", eci.CharacterNGrams{}, "abcde", []string{"abcd", "bcde"}},
		{"short words whole", eci.CharacterNGrams{N: 3}, "to be Three", []string{"to", "be", "thr", "hre", "ree"}},
		{"characters, not bytes", eci.CharacterNGrams{N: 2}, "äöü", []string{"äö", "öü"}},
	} {
		if diff := cmp.Diff(test.want, test.tokenizer.AppendTokens(nil, test.text)); diff != "" {
			t.Errorf("%s: %s", test.reason, diff)
		}
	}
	if a, b := (eci.CharacterNGrams{}).Name(), (eci.CharacterNGrams{N: 3}).Name(); a != "4-grams" || b != "3-grams" {
		t.Error(a, b)
	}
}

// TestLexiconByHand: three documents; idf(t) = ln(1 + (3 - df + .5)/(df + .5)).
func TestLexiconByHand(t *testing.T) {
	l := eci.NewLexicon(nil)
	for _, document := range []string{"red apple red", "green apple", "green tree"} {
		l.Add(document)
	}
	one, two, none := math.Log(1+2.5/1.5), math.Log(1+1.5/2.5), math.Log(1+3.5/0.5)
	for _, test := range []struct {
		token string
		want  float64
	}{{"red", one}, {"apple", two}, {"green", two}, {"tree", one}, {"blue", none}} {
		near(t, "idf of "+test.token, l.IDF(test.token), test.want)
	}
	for _, test := range []struct {
		reason, a, b string
		of           func(a, b string) float64
		want         float64
	}{
		{"red is covered, apple is not", "red apple", "RED tree", l.Coverage, one / (one + two)},
		{"a word in no document is covered too", "blue apple", "blue", l.Coverage, none / (none + two)},
		{"repetition changes nothing", "red red apple", "red red", l.Coverage, one / (one + two)},
		{"the query copied", "red apple", "a red apple pie", l.Coverage, 1},
		{"no words in the query", "?", "red", l.Coverage, 0},
		{"no words in the negative", "red", "?", l.Coverage, 0},
		{"equal passages", "green blue tree", "tree green blue", l.Overlap, 1},
		{"one of three shared", "red apple", "apple tree", l.Overlap, two / (one + two + one)},
		{"an unknown word shared", "blue red", "blue tree", l.Overlap, none / (one + none + one)},
		{"neither has words", "?", "!", l.Overlap, 0},
		{"nothing shared", "red", "tree", l.Overlap, 0},
	} {
		near(t, test.reason, test.of(test.a, test.b), test.want)
	}
	if l.Documents() != 3 || l.Tokenizer() != (eci.Words{}) {
		t.Error(l.Documents(), l.Tokenizer())
	}
}

// reversed is a tokenizer of the user's own.
type reversed struct{ eci.Words }

func (reversed) Name() string { return "reversed" }

func TestLexiconIsStoredWithItsTokenizer(t *testing.T) {
	for _, tokenizer := range []eci.Tokenizer{eci.Words{}, eci.CharacterNGrams{N: 3}, reversed{}} {
		l := eci.NewLexicon(tokenizer)
		l.Add("The quick brown fox")
		l.Add("the lazy dog")
		raw, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		var back eci.Lexicon
		if err := json.Unmarshal(raw, &back); err != nil {
			t.Fatal(err)
		}
		if back.Tokenizer().Name() != tokenizer.Name() || back.Documents() != 2 || back.IDF("the") != l.IDF("the") {
			t.Errorf("%s: came back as %s with %d documents", tokenizer.Name(), back.Tokenizer().Name(), back.Documents())
		}
		own, err := back.WithTokenizer(tokenizer)
		if err != nil || own.Coverage("the fox", "a fox") != l.Coverage("the fox", "a fox") {
			t.Errorf("%s: %v", tokenizer.Name(), err)
		}
		again, err := json.Marshal(&back)
		if diff := cmp.Diff(string(raw), string(again)); diff != "" || err != nil {
			t.Error(diff, err)
		}
		if _, err := back.WithTokenizer(eci.CharacterNGrams{N: 9}); !errors.Is(err, eci.ErrIncompatible) {
			t.Errorf("another tokenizer: error %v", err)
		}
	}
}

func TestLexiconRefuses(t *testing.T) {
	for _, test := range []struct{ reason, stored string }{
		{"not an object", `3`},
		{"a negative number of documents", `{"tokenizer":"words","documents":-1}`},
		{"a token in more documents than there are", `{"tokenizer":"words","documents":1,"document_frequencies":{"a":2}}`},
		{"a run of a script without spaces, of an earlier version", `{"tokenizer":"words","documents":1,"document_frequencies":{"医疗保险":1}}`},
		{"a frequency that is no count", `{"tokenizer":"words","documents":1,"document_frequencies":{"a":-1}}`},
	} {
		l := eci.NewLexicon(nil)
		l.Add("kept")
		if err := json.Unmarshal([]byte(test.stored), l); err == nil || l.Documents() != 1 {
			t.Errorf("%s: error %v, %d documents", test.reason, err, l.Documents())
		}
	}
}

// TestCalibrationTakenWithOwnTokenizer: a stored calibration knows the name only
// and asks for the tokenizer.
func TestCalibrationTakenWithOwnTokenizer(t *testing.T) {
	source := lines("a", goodLines(40)...)
	cal, err := (&eci.Sem{Tokenizer: reversed{}}).Calibrate(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(cal)
	if err != nil {
		t.Fatal(err)
	}
	stored := new(eci.Calibration)
	if err := json.Unmarshal(raw, stored); err != nil {
		t.Fatal(err)
	}
	if _, err := (&eci.Sem{Calibration: stored}).Score(t.Context(), source); !errors.Is(err, eci.ErrNotCalibrated) || !strings.Contains(err.Error(), "reversed") {
		t.Errorf("without the tokenizer: error %v", err)
	}
	if _, err := (&eci.Sem{Calibration: stored, Tokenizer: eci.CharacterNGrams{}}).Score(t.Context(), source); !errors.Is(err, eci.ErrIncompatible) {
		t.Errorf("with another tokenizer: error %v", err)
	}
	got, err := (&eci.Sem{Calibration: stored, Tokenizer: reversed{}}).Score(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	want, err := (&eci.Sem{Calibration: cal, Tokenizer: reversed{}}).Score(t.Context(), source)
	if err != nil || got.Value != want.Value {
		t.Error(got.Value, want.Value, err)
	}
	if _, err := eci.Rank(t.Context(), &eci.Sem{Lexicon: cal.Lexicon, Tokenizer: eci.Words{}}, source); !errors.Is(err, eci.ErrIncompatible) {
		t.Errorf("a lexicon and another tokenizer: error %v", err)
	}
}

// FuzzWords: tokens are the maximal runs of letters and digits, lower-cased, where
// every script has spaces (internal/token has the twin of the others), and coverage and overlap stay in [0, 1] and know equal texts.
func FuzzWords(f *testing.F) {
	for _, seed := range []string{"", "The cat", "Größe 東京 ١٢", "a\xffb", "İstanbul", "ﬀ x_y"} {
		f.Add(seed, "another text")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		tokens := (eci.Words{}).AppendTokens(nil, a)
		var want []string
		for _, run := range strings.FieldsFunc(a, func(r rune) bool {
			return r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsDigit(r)
		}) {
			want = append(want, strings.ToLower(run))
		}
		if diff := cmp.Diff(want, tokens); diff != "" && !strings.ContainsFunc(a, token.Spaceless) {
			t.Error(diff)
		}
		l := eci.NewLexicon(nil)
		l.Add(a)
		for _, x := range []float64{l.Coverage(a, b), l.Overlap(a, b), l.Overlap(b, a)} {
			if !(x >= 0 && x <= 1) {
				t.Errorf("%v is not in [0, 1]", x)
			}
		}
		if l.Overlap(a, b) != l.Overlap(b, a) {
			t.Error("the overlap is not symmetric")
		}
		if len(tokens) > 0 && (math.Abs(l.Overlap(a, a)-1) > 1e-12 || math.Abs(l.Coverage(a, a)-1) > 1e-12) {
			t.Error("a text does not cover itself")
		}
	})
}

// TestScriptsWithoutSpaces: overlap means the same in Chinese as in English, and
// whole runs can be had by name.
func TestScriptsWithoutSpaces(t *testing.T) {
	zh, en := eci.NewLexicon(nil), eci.NewLexicon(nil)
	zh.Add("门诊几点开门")
	en.Add("when does the clinic open")
	for _, test := range []struct {
		reason, a, b string
		least, most  float64
	}{
		{"two of five pairs are shared, which the only document has", "门诊几点", "门诊开门", 0.05, 0.5},
		{"nothing is shared", "门诊几点开门", "水在冰上", 0, 0},
		{"equal", "门诊", "门诊。", 1, 1},
	} {
		if got := zh.Overlap(test.a, test.b); !(got >= test.least && got <= test.most) {
			t.Errorf("%s: %v", test.reason, got)
		}
	}
	raw := `{"tokenizer":"2-grams","documents":1,"document_frequencies":{"门诊":1}}`
	if err := json.Unmarshal([]byte(raw), zh); err != nil || zh.Coverage("门诊", "门诊几点") != 1 {
		t.Error(err, zh.Coverage("门诊", "门诊几点"))
	}
	if err := json.Unmarshal([]byte(`{"tokenizer":"words","documents":1,"document_frequencies":{"门诊几点":1}}`), zh); !errors.Is(err, eci.ErrNotCalibrated) {
		t.Error(err)
	}
}
