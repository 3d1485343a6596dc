package quote

import (
	"strings"
	"testing"
)

func TestClip(t *testing.T) {
	for _, test := range []struct{ why, in, want string }{
		{"short", "a text", "a text"},
		{"exactly as long as may be", strings.Repeat("é", mostRunes), strings.Repeat("é", mostRunes)},
		{"longer: no rune is cut", strings.Repeat("漢", 1<<20), strings.Repeat("漢", mostRunes) + "…"},
		{"no UTF-8", strings.Repeat("\xff", 100), strings.Repeat("\xff", mostRunes) + "…"},
	} {
		if got := Clip(test.in); got != test.want || Clip([]byte(test.in)) != got {
			t.Errorf("%s: %q, want %q", test.why, got, test.want)
		}
	}
	names := make([]string, 1000)
	for i := range names {
		names[i] = strings.Repeat("x", 1000)
	}
	if got := Names(names); len(got) > 2000 || !strings.HasSuffix(got, " and 980 more") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
	if got := Names(names[:2]); got != Clip(names[0])+", "+Clip(names[1]) {
		t.Errorf("%q", got)
	}
}

// TestExcerptAndBytes: what is short is shown as it is, and no character is cut.
func TestExcerptAndBytes(t *testing.T) {
	long := strings.Repeat("é", 40) // 80 bytes
	for _, test := range []struct{ reason, got, want string }{
		{"a short text", Excerpt("a text"), "a text"},
		{"a long one, between characters", Excerpt(long), strings.Repeat("é", 30) + "..."},
		{"less than a GiB", Bytes(3 << 19), "1.5 MiB"},
		{"more", Bytes(5 << 29), "2.5 GiB"},
	} {
		if test.got != test.want {
			t.Errorf("%s: %q, want %q", test.reason, test.got, test.want)
		}
	}
}
