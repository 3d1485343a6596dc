package eci_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/eci"
)

// lintTwin counts the rules on texts and labels as their descriptions have them,
// comparing every row with every other one. It shares no code with the package.
func lintTwin(sources map[string][]*eci.Record, order []string) map[string]map[eci.LintKind]int {
	word := regexp.MustCompile(`[\p{L}\p{Nd}]+`)
	tokens := func(text string) []string {
		var out []string
		for _, t := range word.FindAllString(text, -1) {
			out = append(out, strings.ToLower(t))
		}
		return out
	}
	inOneRun := func(part, whole string) bool {
		a, b := tokens(part), tokens(whole)
		for i := 0; i+len(a) <= len(b); i++ {
			if slices.Equal(a, b[i:i+len(a)]) {
				return true
			}
		}
		return false
	}
	// Folded texts, as far as the texts of this test go: no signs, no marks.
	apart := regexp.MustCompile(`[\s\p{P}]+`)
	normal := func(text string) string {
		return strings.TrimSpace(apart.ReplaceAllString(strings.ToLower(text), " "))
	}
	sameQuery := func(a, b *eci.Record) bool {
		return a.QueryText == b.QueryText || a.QueryID != "" && a.QueryID == b.QueryID
	}
	sameTexts := func(a, b *eci.Record) bool {
		return a.QueryText == b.QueryText && a.PositiveText == b.PositiveText && a.NegativeText == b.NegativeText
	}
	type at struct {
		source string
		row    *eci.Record
	}
	var all []at
	documents := make(map[string]bool)
	for _, name := range order {
		for _, r := range sources[name] {
			all = append(all, at{name, r})
			documents[r.PositiveText], documents[r.NegativeText] = true, true
		}
	}
	frequency := func(token string) (n int) {
		for text := range documents {
			if slices.Contains(tokens(text), token) {
				n++
			}
		}
		return n
	}
	unrelated := func(a, b string) bool {
		for _, token := range tokens(a) {
			if slices.Contains(tokens(b), token) && float64(frequency(token)) <= math.Floor(0.1*float64(len(documents))) {
				return false
			}
		}
		return true
	}
	// uses are the ids of a row with their texts; queries and documents apart.
	uses := func(r *eci.Record) [][2]string {
		return [][2]string{{"q" + r.QueryID, "q" + r.QueryText}, {"d" + r.PositiveID, "d" + r.PositiveText}, {"d" + r.NegativeID, "d" + r.NegativeText}}
	}
	out := make(map[string]map[eci.LintKind]int)
	for _, name := range order {
		out[name] = make(map[eci.LintKind]int)
	}
	// The first text of an id, and the first id of a text, is what later ones are
	// compared with.
	firstText, firstID := make(map[string]string), make(map[string]string)
	for i, a := range all {
		n := out[a.source]
		r := a.row
		conflict, same := false, false
		for _, use := range uses(r) {
			id, text := use[0], use[1]
			if len(id) == 1 {
				continue
			}
			if first, ok := firstText[id]; !ok {
				firstText[id] = text
			} else if first != text {
				conflict = true
			}
			if first, ok := firstID[text]; !ok {
				firstID[text] = id
			} else if first != id {
				same = true
			}
		}
		if conflict {
			n[eci.LintIDConflict]++
		}
		if same {
			n[eci.LintSameText]++
		}
		var falseNegative, collision, duplicate, shared, several bool
		rows, copies := 0, 0
		for j, b := range all {
			labeled := normal(b.row.PositiveText) == normal(r.NegativeText) || r.NegativeID != "" && b.row.PositiveID == r.NegativeID
			falseNegative = falseNegative || labeled && sameQuery(r, b.row)
			collision = collision || labeled
			duplicate = duplicate || j < i && a.source == b.source && sameTexts(r, b.row)
			shared = shared || a.source != b.source && sameTexts(r, b.row)
			if a.source == b.source {
				rows++
				if b.row.NegativeText == r.NegativeText {
					copies++
					several = several || b.row.QueryText != r.QueryText
				}
			}
		}
		switch {
		case r.PositiveText == r.NegativeText || r.PositiveID != "" && r.PositiveID == r.NegativeID:
			n[eci.LintNegativeIsPositive]++
		case normal(r.PositiveText) == normal(r.NegativeText):
			n[eci.LintNearIdentical]++
		case falseNegative:
			n[eci.LintFalseNegative]++
		case collision:
			n[eci.LintCollision]++
		}
		q, p, g := tokens(r.QueryText), tokens(r.PositiveText), tokens(r.NegativeText)
		for kind, holds := range map[eci.LintKind]bool{
			eci.LintDuplicate:       duplicate,
			eci.LintShared:          shared,
			eci.LintRepeated:        copies >= 5 && float64(copies) > 0.05*float64(rows),
			eci.LintQueryIsPositive: len(q) > 0 && slices.Equal(q, p),
			eci.LintQueryInNegative: len(q) >= 4 && inOneRun(r.QueryText, r.NegativeText),
			eci.LintPassageInPassage: !slices.Equal(p, g) && (len(p) >= 4 && inOneRun(r.PositiveText, r.NegativeText) ||
				len(g) >= 4 && inOneRun(r.NegativeText, r.PositiveText)),
			eci.LintPadding: len(documents) >= 20 && several && unrelated(r.NegativeText, r.QueryText) && unrelated(r.NegativeText, r.PositiveText),
		} {
			if holds {
				n[kind]++
			}
		}
	}
	return out
}

func TestLintAgreesWithTwin(t *testing.T) {
	if eci.UnderRace {
		t.Skip("long under the race detector, and starts no goroutine of its own")
	}
	seen := make(map[eci.LintKind]bool)
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 3))
		vocabulary := strings.Fields("Straße ПРИВЕТ naïve 42 x über don't 数学 a-b a a A B ... Ǆungla rare" + fmt.Sprint(seed))
		for i := range int(seed) {
			vocabulary = append(vocabulary, fmt.Sprint("w", i))
		}
		text := func() string {
			var words []string
			for range 1 + random.IntN(6) {
				words = append(words, vocabulary[random.IntN(len(vocabulary))])
			}
			return strings.Join(words, [...]string{" ", "  ", ", "}[random.IntN(3)]) + "."
		}
		var pool []string
		for range 30 {
			pool = append(pool, text())
		}
		some := func() string {
			if random.IntN(3) > 0 {
				return pool[random.IntN(len(pool))]
			}
			return text()
		}
		id := func() string {
			if random.IntN(2) == 0 {
				return ""
			}
			return fmt.Sprint(random.IntN(40))
		}
		sources := make(map[string][]*eci.Record)
		order := []string{"b", "a", "c"}
		for _, name := range order {
			for range 10 + random.IntN(40) {
				r := ids(triple(some(), some(), some()), id(), id(), id())
				switch random.IntN(10) {
				case 0:
					r.NegativeText = strings.ToUpper(r.PositiveText)
				case 1:
					r.NegativeText = some() + " " + r.QueryText
				case 2:
					r.PositiveText = some() + "\n" + r.NegativeText + " " + some()
				case 3:
					r.PositiveText = "«" + r.QueryText + "»"
				case 4:
					if k := len(sources["b"]); k > 0 {
						copied := *sources["b"][random.IntN(k)]
						r = &copied
					}
				}
				sources[name] = append(sources[name], r)
			}
		}
		var given []eci.Source
		for _, name := range order {
			given = append(given, eci.SourceOf(name, sources[name]))
		}
		report := lint(t, &eci.Linter{}, given...)
		want := lintTwin(sources, order)
		for _, name := range order {
			got := counts(report, name)
			delete(got, eci.LintTruncated)
			for kind := range got {
				seen[kind] = true
			}
			if diff := cmp.Diff(want[name], got); diff != "" {
				t.Errorf("seed %d, source %s (-twin +got)\n%s", seed, name, diff)
			}
		}
	}
	for _, kind := range []eci.LintKind{
		eci.LintNegativeIsPositive, eci.LintNearIdentical, eci.LintFalseNegative, eci.LintCollision, eci.LintDuplicate,
		eci.LintShared, eci.LintRepeated, eci.LintIDConflict, eci.LintSameText, eci.LintQueryIsPositive,
		eci.LintQueryInNegative, eci.LintPassageInPassage, eci.LintPadding,
	} {
		if !seen[kind] {
			t.Errorf("no seed has %s: the comparison says nothing about it", kind)
		}
	}
}
