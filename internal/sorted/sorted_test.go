package sorted

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestAgainstMembership compares both operations with a search for every element.
func TestAgainstMembership(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	set := func() []int {
		s := make([]int, random.IntN(8))
		for i := range s {
			s[i] = random.IntN(10)
		}
		slices.Sort(s)
		return slices.Compact(s)
	}
	for range 2000 {
		a, b := set(), set()
		var both, rest, got []int
		for _, x := range a {
			if slices.Contains(b, x) {
				both = append(both, x)
			} else {
				rest = append(rest, x)
			}
		}
		Common(a, b, func(x int) bool { got = append(got, x); return true })
		if !slices.Equal(got, both) {
			t.Fatalf("%v and %v have %v in common, got %v", a, b, both, got)
		}
		if got := Minus(a, b); !slices.Equal(got, rest) {
			t.Fatalf("%v without %v is %v, got %v", a, b, rest, got)
		}
	}
	calls := 0
	Common([]string{"a", "b"}, []string{"a", "b"}, func(string) bool { calls++; return false })
	if calls != 1 {
		t.Errorf("%d calls after the first returned false", calls)
	}
}
