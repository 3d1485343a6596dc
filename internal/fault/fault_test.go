package fault

import (
	"errors"
	"testing"
)

// TestRowErrorSaysEachThingOnce: prefix, source and file occur once, whatever the
// cause repeats.
func TestRowErrorSaysEachThingOnce(t *testing.T) {
	cause := errors.New("eci: a.jsonl: unreadable")
	for _, test := range []struct {
		err  RowError
		want string
	}{
		{RowError{Err: cause}, "eci: a.jsonl: unreadable"},
		{RowError{File: "a.jsonl", Err: cause}, "eci: a.jsonl: unreadable"},
		{RowError{Source: "a", File: "a.jsonl", Row: 3, Err: cause}, `eci: source "a", a.jsonl, row 3: unreadable`},
		{RowError{Source: "a", Err: errors.New("empty")}, `eci: source "a": empty`},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
		if !errors.Is(&test.err, test.err.Err) {
			t.Errorf("%q does not wrap its cause", test.err.Err)
		}
	}
}
