package textcheck

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestDamage: the offset that each check returns.
func TestDamage(t *testing.T) {
	for _, test := range []struct {
		reason string
		check  func(string) int
		text   string
		want   int
	}{
		{"no control character", Control, "a\tb\r\n", -1},
		{"a bell", Control, "ab\a", 2},
		{"a C1 control", Control, "é\u0085", 2},
		{"clean", Replacement, "naïve", -1},
		{"U+FFFD itself", Replacement, "a\uFFFDb", 1},
		{"a byte that is not UTF-8", Replacement, "ab\xff", 2},
		{"é read as Latin-1", Mojibake, "caf\u00C3\u00A9", 3},
		{"’ read as Windows-1252", Mojibake, "it\u00E2\u20AC\u2122s", 2},
		{"a byte order mark", Mojibake, "\u00EF\u00BB\u00BFa", 0},
		{"an emoji", Mojibake, "a \u00F0\u0178\u02DC\u20AC", 2},
		{"French and Portuguese letters alone", Mojibake, "Âge, São Paulo, âne, naïf", -1},
		{"Ã at the end", Mojibake, "MAÇÃ", -1},
		{"Ã before a byte that is not UTF-8", Mojibake, "Ã\xff", -1},
		{"a tag", HTML, "x <b>bold</b>", 2},
		{"an entity", HTML, "salt &amp; pepper", 5},
		{"comparisons are not tags", HTML, "a < b and b > c & d", -1},
		{"an element that HTML does not have", HTML, "List<String> x", -1},
	} {
		if got := test.check(test.text); got != test.want {
			t.Errorf("%s: %q: got %d, want %d", test.reason, test.text, got, test.want)
		}
	}
}

// TestContainsAgainstSearch compares Contains with a comparison at every place.
func TestContainsAgainstSearch(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	text := func(n int) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = string(rune('a' + random.IntN(2)))
		}
		return out
	}
	for range 3000 {
		whole, part := text(random.IntN(12)), text(random.IntN(6))
		want := false
		for i := 0; i+len(part) <= len(whole); i++ {
			want = want || slices.Equal(whole[i:i+len(part)], part)
		}
		if Contains(whole, part) != want {
			t.Fatalf("%q in %q: want %v", part, whole, want)
		}
	}
}

// TestCut: lengths that look like a limit, and lengths that do not.
func TestCut(t *testing.T) {
	of := func(length, n int, end string) (texts []string) {
		for range n {
			texts = append(texts, strings.Repeat("x", length-1)+end)
		}
		return texts
	}
	for _, test := range []struct {
		reason string
		texts  []string
		share  float64
		want   int
	}{
		{"nothing", nil, 0.1, -1},
		{"five unfinished at the end", slices.Concat(of(3, 4, "."), of(9, 5, "x")), 0.1, 9},
		{"four are too few", slices.Concat(of(3, 5, "."), of(9, 4, "x")), 0.1, -1},
		{"finished texts are not cut", of(9, 50, "."), 0.1, -1},
		{"below the share", slices.Concat(of(3, 95, "."), of(9, 5, "x")), 0.06, -1},
		{"as many longer ones are allowed", slices.Concat(of(9, 5, "x"), of(12, 5, ".")), 0.1, 9},
		{"more longer ones are not", slices.Concat(of(9, 5, "x"), of(12, 6, ".")), 0.1, -1},
		{"the greatest of two", slices.Concat(of(5, 9, "x"), of(9, 6, "x")), 0.1, 9},
	} {
		lengths := NewLengths(Characters)
		for _, text := range test.texts {
			lengths.Add(text)
		}
		if got := lengths.Cut(test.share); got != test.want {
			t.Errorf("%s: got %d, want %d", test.reason, got, test.want)
		}
	}
	if n := Words.Length(" two  words "); n != 2 {
		t.Errorf("%d words", n)
	}
	if n := Characters.Length("né"); n != 2 {
		t.Errorf("%d characters", n)
	}
}

// TestExcerpts: both are at a boundary of characters and say what was left out.
func TestExcerpts(t *testing.T) {
	long := strings.Repeat("é", 60)
	if got, want := Tail(long), "..."+strings.Repeat("é", 40); got != want {
		t.Errorf("tail %q", got)
	}
	if got, want := From(long, 40), "..."+strings.Repeat("é", 50); got != want {
		t.Errorf("from %q", got)
	}
	if Tail("short") != "short" || From("short", 4) != "short" {
		t.Error("a short text was cut")
	}
	if got := Normalize(" Two \t WORDS\n"); got != "two words" {
		t.Errorf("normalized %q", got)
	}
	if !Unfinished("and so") || Unfinished("done.  ") || Unfinished("«oui»") {
		t.Error("unfinished")
	}
}

func FuzzChecks(f *testing.F) {
	for _, seed := range []string{"", "Ã©", "<b>", "\xff", "a\u0085", "ð\u009f"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, check := range []func(string) int{Control, Replacement, Mojibake, HTML} {
			i := check(text)
			if i < -1 || i >= len(text) && i != -1 {
				t.Fatalf("%d in %q", i, text)
			}
			if i >= 0 && utf8.ValidString(text) && !strings.HasSuffix(From(text, i), text[i:]) {
				t.Fatalf("%q is not at the end of %q", text[i:], From(text, i))
			}
		}
		_ = Tail(text)
		_ = Normalize(text)
		Unfinished(text)
	})
}
