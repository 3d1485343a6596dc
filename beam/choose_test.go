package ecibeam

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/textio"

	"example.com/eci"
)

// scoring runs influenceFn over one bundle as a runner does. Killed at a row, it ends
// there, and a runner drops what it sent.
func scoring(t *testing.T, fn *influenceFn, pieces []piece, rows []eci.Record, kill int) map[string][]ChosenRow {
	t.Helper()
	out := make(map[string][]ChosenRow)
	emit := func(key string, c ChosenRow) {
		out[key] = append(out[key], through(t, c, encodeChosen, decodeChosen))
	}
	ctx := context.Background()
	fn.StartBundle(ctx, iterate(pieces), emit)
	for i, r := range rows {
		if i == kill {
			return nil
		}
		if err := fn.ProcessElement(ctx, through(t, r, encodeRecord, decodeRecord), iterate(pieces), emit); err != nil {
			t.Fatal(err)
		}
	}
	if err := fn.FinishBundle(ctx, iterate(pieces), emit); err != nil {
		t.Fatal(err)
	}
	return out
}

// influencePieces stores influences in a file and reads it as a worker does.
func influencePieces(t *testing.T, influences map[string]*eci.Influence) (pieces []piece) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "influences")
	if err := WriteInfluences(t.Context(), path, influences); err != nil {
		t.Fatal(err)
	}
	if err := (&influencesFn{path}).ProcessElement(t.Context(), nil, func(p piece) {
		if len(p.Data) > elementBytes {
			t.Errorf("a piece of %d bytes", len(p.Data))
		}
		pieces = append(pieces, p)
	}); err != nil {
		t.Fatal(err)
	}
	return pieces
}

// choosing chooses from shards, each of them a bundle. What they send is shuffled.
func choosing(t *testing.T, pieces []piece, keep float64, shards [][]eci.Record) map[fingerprint]ChosenRow {
	t.Helper()
	groups := make(map[string][]ChosenRow)
	fn := &influenceFn{}
	for _, shard := range shards {
		for key, rows := range scoring(t, fn, pieces, shard, -1) {
			groups[key] = append(groups[key], rows...)
		}
	}
	out := make(map[fingerprint]ChosenRow)
	random := rand.New(rand.NewPCG(3, uint64(len(shards))))
	for key, rows := range groups {
		random.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		(&chooseFn{keep}).ProcessElement(t.Context(), key, iterate(rows), func(c ChosenRow) { out[rowKey(&c.Row)] = c })
	}
	return out
}

// asOneMachine compares choices from sources with those of eci.Choose: influences to
// the bit, as a float32 has them, places, and what is kept. The one is made of a summary,
// which has samples only, the other of the sources themselves.
func asOneMachine(t *testing.T, c *collection, summary *Summary, choose eci.Choose, sources, others []eci.Source) {
	t.Helper()
	const keep = 0.4
	choose.Keep, choose.NoCheck = keep, true
	var names []string
	for _, s := range sources {
		names = append(names, s.Name)
	}
	influences, err := summary.Influences(t.Context(), &choose, len(names) > 1, names...)
	if err != nil {
		t.Fatal(err)
	}
	pieces := influencePieces(t, influences)
	want, err := choose.From(t.Context(), joinedSource(named(sources)), others...)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 3, 17} {
		got := choosing(t, pieces, keep, c.split(n, uint64(n)))
		rows, kept := 0, 0
		for w, err := range want.All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			g, ok := got[rowKey(w.Triple.(*eci.Record))]
			if !ok || g.Influence != w.Influence || g.Place != w.Place || g.Kept != w.Kept || g.Row.QueryVector != nil {
				t.Fatalf("%d shards, %v: %v, place %d, kept %v; in process %v, %d, %v", n, g.Row, g.Influence, g.Place, g.Kept, w.Influence, w.Place, w.Kept)
			}
			if rows++; g.Kept {
				kept++
			}
		}
		if rows != want.Triples || len(got) != rows || kept != want.Kept || kept == 0 || kept == rows {
			t.Errorf("%d shards: %d of %d rows are kept, in process %d of %d", n, kept, len(got), want.Kept, want.Triples)
		}
	}

	// A worker that was killed, once or several times, sends what it would have sent.
	whole := scoring(t, &influenceFn{}, pieces, c.rows, -1)
	fn := &influenceFn{}
	for _, kill := range []int{0, 1, rowsPerBatch + 1, len(c.rows) - 1} {
		scoring(t, fn, pieces, c.rows, kill)
	}
	if got := scoring(t, fn, pieces, c.rows, -1); !reflect.DeepEqual(got, whole) {
		t.Error("a bundle that was killed before sends something else")
	}
}

// The nine Cranfield sources together, chosen from by Prism in both pipelines, with the
// sample that eci.Choose takes by itself.
func TestCranfieldIsChosenFromAsOnOneMachine(t *testing.T) {
	if os.Getenv("ECI_BEAM_LONG") == "" {
		t.Skip("takes a minute: set ECI_BEAM_LONG=1")
	}
	c := cranfield(t)
	summary := summarize(t, Settings{NoChecks: true, ChoiceSample: mostChoice / 4}, c.split(3, 3))
	choose := eci.Choose{Lookahead: eci.Lookahead{Sem: eci.Sem{Vectors: c.vectors}}, NoCheck: true}
	asOneMachine(t, c, summary, choose, c.sources, nil)

	influences, err := summary.Influences(t.Context(), &choose, true)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "influences")
	if err := WriteInfluences(t.Context(), path, influences); err != nil {
		t.Fatal(err)
	}
	pieces := influencePieces(t, influences)
	want := choosing(t, pieces, 0.5, [][]eci.Record{c.rows})
	out := filepath.Join(t.TempDir(), "chosen.jsonl")
	if err := run(t, func(s beam.Scope) {
		textio.Write(s, out, ChosenLines(s, ChooseRows(s, 0, given(t, s, c.split(17, 5)...), ReadInfluences(s, path))))
	}); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, w := range want {
		(chosenLineFn{}).ProcessElement(w, func(line string) { lines = append(lines, line) })
	}
	raw, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n")
	slices.Sort(got)
	slices.Sort(lines)
	if !slices.Equal(got, lines) {
		t.Errorf("Prism chooses %d rows, bundles of this test %d others", len(got), len(lines))
	}
	t.Logf("%d of %d rows", len(got), len(c.rows))
}

// named gives the rows of sources the names of the sources, for a joined source.
func named(sources []eci.Source) []eci.Source {
	out := slices.Clone(sources)
	for i, s := range sources {
		out[i].Triples = func(yield func(eci.Triple, error) bool) {
			for t, err := range s.Triples {
				r := *t.(*eci.Record)
				r.SourceName = s.Name
				if !yield(&r, err) {
					return
				}
			}
		}
	}
	return out
}

// What cannot be chosen by is refused before rows are read, and a row that cannot be
// scored with its place.
func TestChoiceRefuses(t *testing.T) {
	c := demo(t)
	s := &Summary{Settings: Settings{ChoiceSample: 10}, Calibration: calibrationOf(t, c)}
	for reason, choose := range map[string]*eci.Choose{
		"a larger sample": {Sample: 11}, "a negative sample": {Sample: -1},
		"LeaveOut": {Lookahead: eci.Lookahead{Target: &eci.Target{LeaveOut: true}}},
	} {
		if _, err := s.Influences(t.Context(), choose, true); !errors.Is(err, eci.ErrSettings) {
			t.Errorf("%s: %v", reason, err)
		}
	}
	if _, err := s.Influences(t.Context(), nil, true, "nobody"); !errors.Is(err, eci.ErrSourceName) {
		t.Errorf("a source that is not there: %v", err)
	}
	if err := WriteInfluences(t.Context(), filepath.Join(t.TempDir(), "f"), nil); !errors.Is(err, eci.ErrSettings) {
		t.Errorf("no influences: %v", err)
	}
	if err := (&influencesFn{filepath.Join(t.TempDir(), "none")}).ProcessElement(t.Context(), nil, nil); err == nil {
		t.Error("a file that is not there is read")
	}
	in, err := (&eci.Choose{Sample: 40, Lookahead: eci.Lookahead{Sem: eci.Sem{Vectors: c.vectors}}}).Influence(t.Context(), c.sources[0])
	if err != nil {
		t.Fatal(err)
	}
	pieces := influencePieces(t, map[string]*eci.Influence{"bm25": in})
	bad := c.rows[0]
	bad.PositiveVector = bad.PositiveVector[:2]
	fn := &influenceFn{}
	emit := func(string, ChosenRow) {}
	fn.StartBundle(t.Context(), nil, emit)
	for _, r := range []eci.Record{bad, {SourceName: "another", QueryText: "q"}} {
		if err := fn.ProcessElement(t.Context(), r, iterate(pieces), emit); err != nil {
			t.Fatal(err) // rows of a source without an influence are left out
		}
	}
	if err := fn.FinishBundle(t.Context(), nil, emit); !errors.Is(err, eci.ErrDimension) || !strings.Contains(err.Error(), "row 1") {
		t.Errorf("a bad row: %v", err)
	}
	for i := range pieces {
		without := slices.Delete(slices.Clone(pieces), i, i+1)
		if err := (&influenceFn{}).prepare(iterate(without)); err == nil {
			t.Errorf("without piece %d: no error", i)
		}
	}
	whole := encodeChosen(ChosenRow{Row: c.rows[0], Influence: 0.5, Place: 300, Kept: true})
	for n := range whole {
		if _, err := decodeChosen(whole[:n]); !errors.Is(err, eci.ErrFormat) {
			t.Errorf("cut to %d of %d bytes: %v", n, len(whole), err)
		}
	}
}
