package lookahead_test

import (
	"maps"
	"slices"
	"testing"

	"example.com/eci/internal/lookahead"
)

// Sources of one collection are looked at on the judged queries of the other:
// one walk from all triples serves all queries.
func TestTargetAgreesWithNumPyReference(t *testing.T) {
	var ways map[string]reference
	readJSON(t, "target.json", &ways)
	for _, way := range []struct{ from, to string }{{"cranfield", "pubmedqa"}, {"pubmedqa", "cranfield"}} {
		t.Run(way.from+" to "+way.to, func(t *testing.T) {
			want, ok := ways[way.from+" to "+way.to]
			if !ok {
				t.Fatal("no such reference")
			}
			from, to := openCollection(t, way.from), openCollection(t, way.to)
			pairs := to.judged()
			if len(pairs) != want.Pairs {
				t.Fatalf("%d labelled pairs, reference %d", len(pairs), want.Pairs)
			}
			settings := to.settings(pairs)
			close(t, "margin scale", settings.MarginScale, want.Calibration.MarginScale, 1e-9*want.Calibration.MarginScale)
			names, queries := to.queries(to.documents, pairs)
			space, err := lookahead.NewSpace(t.Context(), to.pool(to.documents), queries, settings)
			if err != nil {
				t.Fatal(err)
			}
			var gain, norm float64
			for _, source := range slices.Sorted(maps.Keys(want.Sources)) {
				t.Run(source, func(t *testing.T) {
					s := from.source(source)
					s.Disjoint = true
					r, err := space.Walk(t.Context(), s)
					if err != nil {
						t.Fatal(err)
					}
					g, n := compareWalk(t, space, names, r, want.Sources[source])
					gain, norm = max(gain, g), max(norm, n)
				})
			}
			t.Logf("largest difference of gains %.2g, of norms %.2g", gain, norm)
		})
	}
}
