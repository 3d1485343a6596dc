package eci_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"example.com/eci"
)

// triple is a row without ids or vectors.
func triple(q, p, n string) *eci.Record {
	return &eci.Record{QueryText: q, PositiveText: p, NegativeText: n}
}

// ids gives a row ids.
func ids(r *eci.Record, q, p, n string) *eci.Record {
	r.QueryID, r.PositiveID, r.NegativeID = q, p, n
	return r
}

// plain makes n rows that no rule applies to: every text has words of its own.
func plain(n int) []*eci.Record {
	var rows []*eci.Record
	for i := range n {
		rows = append(rows, triple(fmt.Sprintf("question q%d about t%d", i, i), fmt.Sprintf("Answer a%d on t%d.", i, i), fmt.Sprintf("Other o%d near t%d.", i, i)))
	}
	return rows
}

// counts is what a report says, by kind.
func counts(report *eci.LintReport, source string) map[eci.LintKind]int {
	found := make(map[eci.LintKind]int)
	for _, f := range report.Findings {
		if f.Source == source {
			found[f.Kind] = f.Count
		}
	}
	return found
}

func lint(t testing.TB, l *eci.Linter, sources ...eci.Source) *eci.LintReport {
	t.Helper()
	report, err := l.Lint(t.Context(), sources...)
	if err != nil {
		t.Fatal(err)
	}
	if l.Vectors == nil {
		rowRules(t, l, report, sources)
	}
	return report
}

// rowRules holds a report to the rules that need one row: counted row by row, in any
// order, they give the counts of the report.
func rowRules(t testing.TB, l *eci.Linter, report *eci.LintReport, sources []eci.Source) {
	t.Helper()
	rules, err := l.RowRules()
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		var rows []*eci.Record
		for x, err := range source.Triples {
			r, ok := x.(*eci.Record)
			if err != nil || !ok || r == nil {
				return // of another kind, or a row that cannot be read
			}
			rows = append(rows, r)
		}
		got := make(found)
		for i := range rows {
			for _, kind := range rules(rows[len(rows)-1-i]) {
				got[kind]++
			}
		}
		want := make(found)
		for kind, n := range counts(report, source.Name) {
			switch kind {
			case eci.LintEmpty, eci.LintNegativeIsPositive, eci.LintNearIdentical, eci.LintQueryIsPositive, eci.LintQueryInNegative,
				eci.LintPassageInPassage, eci.LintControl, eci.LintReplacement, eci.LintMojibake, eci.LintHTML,
				eci.LintMissingVector, eci.LintVectorNotFinite, eci.LintVectorZero, eci.LintNotUnit:
				want[kind] = n
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s, rules that need one row (-report +row by row)\n%s", source.Name, diff)
		}
	}
}

type found = map[eci.LintKind]int

// TestLintRules: each rule with a row that triggers it and one that nearly does.
func TestLintRules(t *testing.T) {
	for _, test := range []struct {
		reason string
		rows   []*eci.Record
		want   found
	}{
		{"nothing", plain(30), found{}},
		{"the negative is the positive", []*eci.Record{triple("q", "Same.", "Same.")}, found{eci.LintNegativeIsPositive: 1}},
		{"one letter more", []*eci.Record{triple("q", "Same.", "Sames.")}, found{}},
		{"the negative has the id of the positive", []*eci.Record{ids(triple("q", "One.", "Two."), "", "7", "7")}, found{eci.LintNegativeIsPositive: 1, eci.LintIDConflict: 1}},
		{"no ids are not equal ids", []*eci.Record{ids(triple("q", "One.", "Two."), "", "", "")}, found{}},
		{"the query's id is no document's", []*eci.Record{ids(triple("q", "One.", "Two."), "7", "6", "7")}, found{}},
		{"case and blanks", []*eci.Record{triple("q", "The  Alps ", "the\talps")}, found{eci.LintNearIdentical: 1}},
		{"a full stop", []*eci.Record{triple("q", "The Alps.", "The Alps")}, found{eci.LintNearIdentical: 1}},
		{"quotes", []*eci.Record{triple("q", `the "Alps"`, "the “Alps”")}, found{eci.LintNearIdentical: 1}},
		{"Unicode form", []*eci.Record{triple("q", "fraîche", "frai\u0302che")}, found{eci.LintNearIdentical: 1}},
		{"a sign that carries meaning", []*eci.Record{triple("q", "written in C", "written in C#")}, found{}},
		{"another positive of the same query", []*eci.Record{triple("q", "One.", "Two."), triple("q", "TWO.", "Three.")}, found{eci.LintFalseNegative: 1}},
		{"the same query by id, the same positive by id", []*eci.Record{
			ids(triple("q a", "One.", "Two."), "1", "d1", "d2"), ids(triple("q b", "Two!", "Three."), "1", "d2", "d3")},
			found{eci.LintFalseNegative: 1, eci.LintIDConflict: 1}},
		{"a positive of another query", []*eci.Record{triple("q", "One.", "Two."), triple("r", "Two.", "Three.")}, found{eci.LintCollision: 1}},
		{"a negative of another query is none", []*eci.Record{triple("q", "One.", "Two."), triple("r", "Four.", "Two.")}, found{}},
		{"a duplicate", []*eci.Record{triple("q", "One.", "Two."), triple("q", "One.", "Two."), triple("q", "One.", "Two.")}, found{eci.LintDuplicate: 2}},
		{"duplicates compare texts as they are", []*eci.Record{triple("q", "One.", "Two."), triple("q", "One.", "two.")}, found{}},
		{"parts in other places are no duplicate", []*eci.Record{triple("ab", "c.", "d."), triple("a", "bc.", "d.")}, found{}},
		{"five of 30 rows have one negative", repeated(30, 5), found{eci.LintRepeated: 5}},
		{"four are too few to say", repeated(30, 4), found{}},
		{"five of 100 are the allowed share", repeated(100, 5), found{}},
		{"empty texts are counted and looked at no further", []*eci.Record{triple("q", "", ""), triple(" \n", "p", "p"), triple("q", "p", "\u00a0")}, found{eci.LintEmpty: 3}},
		{"nil rows", []*eci.Record{nil, triple("q", "One.", "Two.")}, found{eci.LintMalformed: 1}},
		{"one text with two ids", []*eci.Record{ids(triple("q", "One.", "Two."), "1", "a", "b"), ids(triple("r", "One.", "Three."), "2", "c", "d")}, found{eci.LintSameText: 1}},
		{"query and passage may share text and differ in id", []*eci.Record{ids(triple("One.", "Three.", "Two."), "1", "a", "b"), ids(triple("r", "One.", "Four."), "2", "c", "d")}, found{}},
		{"the query is its positive", []*eci.Record{triple("What is rain?", "what is RAIN", "Snow.")}, found{eci.LintQueryIsPositive: 1}},
		{"in another order", []*eci.Record{triple("What is rain?", "rain is what", "Snow.")}, found{}},
		{"no tokens are not equal tokens", []*eci.Record{triple("?!", "!?", "Snow.")}, found{}},
		{"the query stands in the negative", []*eci.Record{triple("why is the sky blue", "Air.", "You ask: Why is the sky blue? Nobody knows.")}, found{eci.LintQueryInNegative: 1}},
		{"with a word between", []*eci.Record{triple("why is the sky blue", "Air.", "Why is the big sky blue? Nobody knows.")}, found{}},
		{"a query of three words may well occur", []*eci.Record{triple("the blue sky", "Air.", "Below the blue sky.")}, found{}},
		{"a border that must be kept", []*eci.Record{triple("a b a b c", "Air.", "a b a b a b c")}, found{eci.LintQueryInNegative: 1}},
		{"the positive stands in the negative", []*eci.Record{triple("q", "Air scatters blue light.", "As we know, air scatters blue light. And so on.")}, found{eci.LintPassageInPassage: 1}},
		{"the negative stands in the positive", []*eci.Record{triple("q", "As we know, air scatters blue light. And so on.", "Air scatters blue light.")}, found{eci.LintPassageInPassage: 1}},
		{"too short to tell", []*eci.Record{triple("q", "Air scatters light.", "As we know, air scatters light. And so on.")}, found{}},
		{"cut at 21 characters", endings(40, 5, "x"), found{eci.LintTruncated: 5}},
		{"only four", endings(40, 4, "x"), found{}},
		{"whole sentences", endings(40, 8, "."), found{}},
		{"more are longer", append(endings(40, 5, "x"), long(6)...), found{}},
		{"five are longer", append(endings(40, 5, "x"), long(5)...), found{eci.LintTruncated: 5}},
		{"a control character", []*eci.Record{triple("q", "One\x00.", "Two\x1b.")}, found{eci.LintControl: 1}},
		{"tabs and line ends", []*eci.Record{triple("q", "One\t\r\n.", "Two.")}, found{}},
		{"a replacement character", []*eci.Record{triple("q", "Caf\uFFFD.", "Two.")}, found{eci.LintReplacement: 1}},
		{"bytes that are not UTF-8", []*eci.Record{triple("q", "Caf\xe9.", "Two.")}, found{eci.LintReplacement: 1}},
		{"mojibake", []*eci.Record{triple("q", "CafÃ©.", "Two."), triple("r", "5Â°.", "Three."), triple("s", "itâ€™s.", "Four."), triple("t", "ï»¿Five.", "Six."), triple("u", "ðŸ˜€", "Seven.")}, found{eci.LintMojibake: 5}},
		{"letters that are right", []*eci.Record{triple("q", "SÃO âge ïle ÂGE ðat «été»\u00a0!", "Â.")}, found{}},
		{"HTML", []*eci.Record{triple("q", "<p>One</p>", "Two."), triple("r", "a<br/>b", "Three."), triple("s", "fish &amp; chips", "Four."), triple("t", `<a href="x">y</a>`, "Five.")}, found{eci.LintHTML: 4}},
		{"not HTML", []*eci.Record{triple("q", "1 < 2 and 3 > 2", "AT&T; a<b>c in C++ has <pointer>")}, found{eci.LintHTML: 1}}, // <b> looks like one
		{"not HTML at all", []*eci.Record{triple("q", "1 < 2 and 3 > 2", "AT&T; vector<int> R&D <pointer>")}, found{}},
		{"padding: nothing shared, two queries", append(plain(30), triple("x1 y1", "x1 z1.", "Stray passage."), triple("x2 y2", "x2 z2.", "Stray passage.")), found{eci.LintPadding: 2}},
		{"nothing shared but for one query", append(plain(30), triple("x1 y1", "x1 z1.", "Stray passage.")), found{}},
		{"a rare word shared with the positive", append(plain(30), triple("x1 y1", "x1 z1 stray.", "Stray passage."), triple("x2 y2", "x2 z2 stray.", "Stray passage.")), found{}},
		{"a common word shared", append(plain(30), triple("x1 y1", "x1 near.", "Stray near."), triple("x2 y2", "x2 near.", "Stray near.")), found{eci.LintPadding: 2}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			report := lint(t, &eci.Linter{}, eci.SourceOf("rows", test.rows))
			if diff := cmp.Diff(test.want, counts(report, "rows")); diff != "" {
				t.Errorf("(-want +got)\n%s\n%s", diff, report)
			}
		})
	}
}

// repeated makes n plain rows of which k have one negative.
func repeated(n, k int) []*eci.Record {
	rows := plain(n)
	for i := range k {
		rows[i].NegativeText = "Other t0 and t1 and t2 and t3 and t4."
	}
	return rows
}

// endings makes n rows of which the negatives of k have 21 characters and the
// given end; the others are shorter.
func endings(n, k int, end string) []*eci.Record {
	rows := plain(n)
	for i := range k {
		rows[i].NegativeText = fmt.Sprintf("Other o%d near t%d, yes%s", i, i, end)
	}
	return rows
}

// long makes rows with a longer negative.
func long(n int) []*eci.Record {
	var rows []*eci.Record
	for i := range n {
		rows = append(rows, triple(fmt.Sprintf("query x%d", i), fmt.Sprintf("Yes x%d.", i), fmt.Sprintf("Longer o%d than all the others.", i)+strings.Repeat(" x", i)))
	}
	return rows
}

// TestLintMojibake: for every letter and sign of Latin-1 beyond ASCII, and some
// beyond that, its UTF-8 read as Latin-1 and as Windows-1252 is found, and the
// character itself is not.
func TestLintMojibake(t *testing.T) {
	upper := []rune("€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ") // Windows-1252 from 80 to 9F
	marks := []rune("‘’“”–—…•€™😀🎉\ufeff")
	for r := rune(0xA0); r <= 0xFF; r++ {
		marks = append(marks, r)
	}
	for _, r := range marks {
		for _, windows := range []bool{false, true} {
			wrong := ""
			for _, b := range []byte(string(r)) {
				if read := rune(b); windows && b >= 0x80 && b < 0xA0 {
					wrong += string(upper[b-0x80])
				} else {
					wrong += string(read)
				}
			}
			report := lint(t, &eci.Linter{}, eci.SourceOf("rows", []*eci.Record{triple("q", "a"+string(r)+"b", "Two."), triple("r", "c"+wrong+"d", "Three.")}))
			if f, _ := report.Find("rows", eci.LintMojibake); f.Count != 1 || f.Examples[0].Row != 2 {
				t.Errorf("%q, read as %q: %+v", r, wrong, f)
			}
		}
	}
}

// TestLintAcrossSources: labels and ids of one source count in another.
func TestLintAcrossSources(t *testing.T) {
	one := eci.SourceOf("one", []*eci.Record{triple("q", "One.", "Two."), triple("q", "One.", "Two."), ids(triple("r", "Five.", "Six."), "", "5", "")})
	two := eci.SourceOf("two", []*eci.Record{triple("q", "Two.", "One."), triple("q", "One.", "Two."), triple("q", "One.", "Two."), ids(triple("s", "Seven.", "Eight."), "", "5", "")})
	report := lint(t, &eci.Linter{}, one, two)
	if diff := cmp.Diff(found{eci.LintFalseNegative: 2, eci.LintDuplicate: 1, eci.LintShared: 2}, counts(report, "one")); diff != "" {
		t.Errorf("one (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(found{eci.LintFalseNegative: 3, eci.LintDuplicate: 1, eci.LintShared: 2, eci.LintIDConflict: 1}, counts(report, "two")); diff != "" {
		t.Errorf("two (-want +got)\n%s", diff)
	}
}

// TestLintRelevant: labels that no triple has.
func TestLintRelevant(t *testing.T) {
	rows := []*eci.Record{
		ids(triple("q", "One.", "Two."), "1", "d1", "d2"),
		ids(triple("r", "Three.", "Four."), "2", "d3", "d4"), // relevant to query 1 only
		ids(triple("s", "Five.", "Six."), "3", "d5", "d6"),
	}
	report := lint(t, &eci.Linter{Relevant: map[string][]string{"1": {"d2", "d4"}}}, eci.SourceOf("rows", rows))
	if diff := cmp.Diff(found{eci.LintFalseNegative: 1, eci.LintCollision: 1}, counts(report, "rows")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if f, ok := report.Find("rows", eci.LintFalseNegative); !ok || f.Examples[0].Row != 1 || f.Examples[0].Excerpt != "Two." {
		t.Errorf("%+v", f)
	}
	if report.Worst() != eci.SeverityError {
		t.Errorf("worst %q", report.Worst())
	}
}

func TestLintVectors(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	direction := func(d int) []float32 {
		v := make([]float32, d)
		var square float64
		for k := range v {
			v[k] = float32(random.NormFloat64())
			square += float64(v[k]) * float64(v[k])
		}
		for k := range v {
			v[k] /= float32(math.Sqrt(square))
		}
		return v
	}
	plus := func(a, b []float32, scale float32) []float32 {
		v := make([]float32, len(a))
		var square float64
		for k := range v {
			v[k] = a[k] + scale*b[k]
			square += float64(v[k]) * float64(v[k])
		}
		for k := range v {
			v[k] /= float32(math.Sqrt(square))
		}
		return v
	}
	const d = 64
	// good makes rows as an encoder would: all in one cone, positives near.
	good := func() []*eci.Record {
		rows, cone := plain(60), direction(d)
		for _, r := range rows {
			r.QueryVector = plus(cone, direction(d), 1.5)
			r.PositiveVector = plus(r.QueryVector, direction(d), 1)
			r.NegativeVector = plus(r.QueryVector, direction(d), 1.5)
		}
		return rows
	}
	each := func(change func(i int, r *eci.Record)) func(rows []*eci.Record) {
		return func(rows []*eci.Record) {
			for i, r := range rows {
				change(i, r)
			}
		}
	}
	scale := func(v []float32, by float32) {
		for k := range v {
			v[k] *= by
		}
	}
	for _, test := range []struct {
		reason string
		change func(rows []*eci.Record)
		want   found
	}{
		{"nothing", func([]*eci.Record) {}, found{}},
		{"a NaN", func(rows []*eci.Record) { rows[3].QueryVector[1] = float32(math.NaN()) }, found{eci.LintVectorNotFinite: 1}},
		{"an infinity", func(rows []*eci.Record) { rows[3].QueryVector[1] = float32(math.Inf(-1)) }, found{eci.LintVectorNotFinite: 1}},
		{"zeros", func(rows []*eci.Record) { clear(rows[3].NegativeVector) }, found{eci.LintVectorZero: 1}},
		{"another dimension, twice in a row", func(rows []*eci.Record) {
			rows[3].PositiveVector, rows[3].NegativeVector = rows[3].PositiveVector[:d-1], []float32{}
		}, found{eci.LintVectorDimension: 1}},
		{"one vector lacks", func(rows []*eci.Record) { rows[3].NegativeVector = nil }, found{eci.LintMissingVector: 1}},
		{"a row without any has none to miss", func(rows []*eci.Record) {
			rows[3].QueryVector, rows[3].PositiveVector, rows[3].NegativeVector = nil, nil, nil
		}, found{}},
		{"a norm off by 2e-3", func(rows []*eci.Record) { scale(rows[3].QueryVector, 1.002) }, found{eci.LintNotUnit: 1}},
		{"a norm off by 5e-4", func(rows []*eci.Record) { scale(rows[3].QueryVector, 1.0005) }, found{}},
		{"one vector for two texts", func(rows []*eci.Record) { rows[3].NegativeVector = rows[2].NegativeVector }, found{eci.LintConstantVector: 1}},
		{"one vector for one text in two spellings", func(rows []*eci.Record) {
			rows[3].NegativeVector, rows[3].NegativeText = rows[2].NegativeVector, strings.ToUpper(rows[2].NegativeText)
		}, found{}},
		{"documents of another encoder", each(func(i int, r *eci.Record) { r.PositiveVector, r.NegativeVector = direction(d), direction(d) }), found{eci.LintNotNearer: 31}},
		{"a third of the positives of another encoder", each(func(i int, r *eci.Record) {
			if i%3 == 0 {
				r.PositiveVector = direction(d)
			}
		}), found{}},
		{"half the negatives not normalized", each(func(i int, r *eci.Record) {
			if i%2 == 0 {
				scale(r.NegativeVector, 7)
			}
		}), found{eci.LintNotUnit: 30, eci.LintMixedNorms: 30}},
		{"norms all over the place", each(func(i int, r *eci.Record) {
			scale(r.NegativeVector, 1+float32(i)/20)
			scale(r.PositiveVector, 1+float32(i)/20)
		}), found{eci.LintNotUnit: 59}},
		{"four long norms are too few", each(func(i int, r *eci.Record) {
			if i < 4 {
				scale(r.NegativeVector, 7)
			}
		}), found{eci.LintNotUnit: 4}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			random = rand.New(rand.NewPCG(5, 5))
			rows := good()
			test.change(rows)
			report := lint(t, &eci.Linter{}, eci.SourceOf("rows", rows))
			if diff := cmp.Diff(test.want, counts(report, "rows")); diff != "" {
				t.Errorf("(-want +got)\n%s\n%s", diff, report)
			}
		})
	}
}

// TestLintSeesTwoEncoders: half of the demo's passages turned by an orthogonal
// map, which is another encoder as far as cosines can tell.
func TestLintSeesTwoEncoders(t *testing.T) {
	vectors, sources := demoSources(t)
	for _, source := range sources {
		if f, ok := lint(t, &eci.Linter{Vectors: vectors}, source).Find(source.Name, eci.LintMixedClusters); ok {
			t.Errorf("one encoder: %+v", f)
		}
	}
	for _, turned := range []string{"every other passage", "all passages"} {
		report := lint(t, &eci.Linter{Vectors: turning{vectors, turned == "all passages"}}, sources[2])
		kind := eci.LintMixedClusters
		if turned == "all passages" {
			kind = eci.LintNotNearer
		}
		if f, ok := report.Find(sources[2].Name, kind); !ok {
			t.Errorf("%s turned: not seen\n%s", turned, report)
		} else {
			t.Log(f.Detail)
		}
	}
}

// turning permutes the components of documents and changes signs: an orthogonal
// map.
type turning struct {
	eci.Vectors
	all bool
}

func (v turning) AppendDocument(dst []float32, id string) ([]float32, error) {
	start := len(dst)
	dst, err := v.Vectors.AppendDocument(dst, id)
	if even := id[len(id)-1]%2 == 0; err != nil || !v.all && even {
		return dst, err
	}
	random := rand.New(rand.NewPCG(1, 2))
	random.Shuffle(len(dst)-start, func(i, j int) {
		dst[start+i], dst[start+j] = -dst[start+j], dst[start+i]
	})
	return dst, nil
}

// TestLintByID: vectors from a table, where some ids lack.
func TestLintByID(t *testing.T) {
	rows := []*eci.Record{
		ids(triple("q", "One.", "Two."), "q1", "d1", "d2"),
		ids(triple("q", "One.", "Three."), "q1", "d1", "gone"),
		triple("r", "Four.", "Five."),
	}
	vectors := eci.VectorMap{Queries: map[string][]float32{"q1": {1, 0}}, Documents: map[string][]float32{"d1": {0, 1}, "d2": {0.6, 0.8}}}
	report := lint(t, &eci.Linter{Vectors: vectors}, eci.SourceOf("rows", rows))
	if diff := cmp.Diff(found{eci.LintMissingVector: 2}, counts(report, "rows")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := (&eci.Linter{Vectors: denied{}}).Lint(t.Context(), eci.SourceOf("rows", rows)); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("an error of the table must end the run: %v", err)
	}
}

type denied struct{}

func (denied) AppendQuery([]float32, string) ([]float32, error)    { return nil, fs.ErrPermission }
func (denied) AppendDocument([]float32, string) ([]float32, error) { return nil, fs.ErrPermission }

// TestLintGoesOnAfterBadRows: and says where they are.
func TestLintGoesOnAfterBadRows(t *testing.T) {
	source := lines("a", with(with(goodLines(9), 4, `{"query":`), 7, `{"query":"q","positive":"p","negative":""}`)...)
	report := lint(t, &eci.Linter{}, source)
	for kind, row := range map[eci.LintKind]int{eci.LintMalformed: 4, eci.LintEmpty: 7} {
		f, ok := report.Find("a", kind)
		if !ok || f.Count != 1 || f.Examples[0].Row != row || f.Examples[0].File != "a.jsonl" || f.Severity != eci.SeverityError {
			t.Errorf("%s: %+v", kind, f)
		}
	}
	if s := report.Sources[0]; s.Rows != 9 || s.Triples != 7 {
		t.Errorf("%+v", s)
	}
}

func TestLintErrors(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	good := eci.SourceOf("rows", plain(3))
	for _, test := range []struct {
		reason  string
		ctx     context.Context
		linter  eci.Linter
		sources []eci.Source
		want    error
	}{
		{"no sources", t.Context(), eci.Linter{}, nil, eci.ErrNoSources},
		{"two of one name", t.Context(), eci.Linter{}, []eci.Source{good, good}, eci.ErrSourceName},
		{"a share above 1", t.Context(), eci.Linter{PaddingShare: 1.5}, []eci.Source{good}, eci.ErrSettings},
		{"a share that is NaN", t.Context(), eci.Linter{RepeatedShare: math.NaN()}, []eci.Source{good}, eci.ErrSettings},
		{"fewer than no examples", t.Context(), eci.Linter{Examples: -1}, []eci.Source{good}, eci.ErrSettings},
		{"canceled", canceled, eci.Linter{}, []eci.Source{good}, context.Canceled},
		{"no file", t.Context(), eci.Linter{}, []eci.Source{eci.JSONL("testdata/absent.jsonl")}, fs.ErrNotExist},
		{"another number of rows the second time", t.Context(), eci.Linter{}, []eci.Source{shrinking()}, eci.ErrUnstableSource},
	} {
		report, err := test.linter.Lint(test.ctx, test.sources...)
		if report != nil || !errors.Is(err, test.want) {
			t.Errorf("%s: %v, %v", test.reason, report, err)
		}
		if err != nil && test.want != context.Canceled && strings.Count(err.Error(), "eci: ") != 1 {
			t.Errorf("%s: %q", test.reason, err)
		}
	}
}

// TestLintJSON: the form that other programs read.
func TestLintJSON(t *testing.T) {
	raw, err := json.Marshal(lint(t, &eci.Linter{}, eci.SourceOf("rows", []*eci.Record{triple("q", "Same\nline.", "Same\nline.")})))
	const want = `{"sources":[{"name":"rows","rows":1,"triples":1}],"findings":[{"kind":"negative-is-positive","severity":"error","source":"rows","count":1,"share":1,"examples":[{"row":1,"excerpt":"Same\nline."}]}]}`
	if err != nil || string(raw) != want {
		t.Errorf("%s %v\nwant %s", raw, err, want)
	}
	raw, err = json.Marshal(&eci.LintReport{})
	if err != nil || string(raw) != `{"sources":[],"findings":[]}` {
		t.Errorf("%s %v", raw, err)
	}
}

// FuzzLint: any bytes as a file, and any three texts, give a report and never a
// panic.
func FuzzLint(f *testing.F) {
	f.Add([]byte(line(1)+"\n"+line(1)), "q", "p", "n")
	f.Add([]byte(`{"anchor":"q","positive":"p","negative_1":"\ud800","negative_2":""}`), "a a a a", "a a a a a", "\xff\x00<b>&amp;Ã©")
	f.Add([]byte("\xef\xbb\xbf{}\n[]\nnull"), "", " ", "\u2028")
	f.Fuzz(func(t *testing.T, file []byte, q, p, n string) {
		sources := []eci.Source{
			eci.JSONLFrom(fstest.MapFS{"a.jsonl": {Data: file}}, "a.jsonl"),
			eci.SourceOf("b", []*eci.Record{triple(q, p, n), triple(p, n, q), triple(q, p, n), ids(triple(n, q, p), q, p, n)}),
		}
		report, err := (&eci.Linter{}).Lint(t.Context(), sources...)
		if err != nil {
			t.Skip(err) // a line that is too long
		}
		for _, finding := range report.Findings {
			if finding.Count < 1 || !(finding.Share > 0 && finding.Share <= 1) || len(finding.Examples) == 0 || len(finding.Examples) > 3 {
				t.Errorf("%+v", finding)
			}
		}
		raw, err := json.Marshal(report)
		if err != nil {
			t.Fatal(err)
		}
		back := new(eci.LintReport)
		if err := json.Unmarshal(raw, back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(report, back); diff != "" {
			t.Errorf("the JSON form loses something (-report +JSON)\n%s", diff)
		}
		_ = report.String()
	})
}
