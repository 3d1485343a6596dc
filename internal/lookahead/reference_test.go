package lookahead_test

import (
	"math"
	"testing"

	"example.com/eci/internal/lookahead"
)

// reference is reference.json and, for one way, target.json: what an independent
// float64 NumPy reference of the method computes.
type reference struct {
	Calibration struct {
		MarginScale float64 `json:"margin_scale"`
	} `json:"calibration"`
	Pairs     int                      `json:"labelled_pairs"`
	Lookahead map[string]poolReference `json:"lookahead"`
	poolReference
}

type poolReference struct {
	Pool        int                        `json:"pool"`
	Sources     map[string]sourceReference `json:"sources"`
	Differences map[string]struct {
		Difference    float64 `json:"difference"`
		StandardError float64 `json:"standard_error"`
	} `json:"differences"`
}

type sourceReference struct {
	Gain          float64            `json:"gain"`
	StandardError float64            `json:"standard_error"`
	After         []float64          `json:"after"`
	Queries       int                `json:"queries"`
	Frozen        float64            `json:"frozen"`
	Norms         []float64          `json:"norms"`
	First5        map[string]float64 `json:"first5"`
}

const (
	gainTolerance = 2e-4 // absolute: a gain jumps where two documents change places
	// The float64 results of two programs agree to about 1e-13, also those of
	// single queries, as long as no two documents are that close.
	queryTolerance = 1e-9
	normTolerance  = 1e-9 // relative; 1e-5 is asked for
)

func close(t *testing.T, what string, got, want, tolerance float64) (difference float64) {
	t.Helper()
	difference = math.Abs(got - want)
	if !(difference <= tolerance) {
		t.Errorf("%s is %v, reference %v: they differ by %.2g", what, got, want, difference)
	}
	return difference
}

// compareWalk checks one source against the reference and returns the largest
// differences of gains and (relative) norms.
func compareWalk(t *testing.T, l *lab, r *lookahead.Result, want sourceReference) (gain, norm float64) {
	t.Helper()
	frozen := l.space.Frozen()
	if len(frozen) != want.Queries {
		t.Errorf("%d queries, reference %d", len(frozen), want.Queries)
	}
	var sum float64
	for _, x := range frozen {
		sum += x
	}
	close(t, "frozen nDCG", sum/float64(len(frozen)), want.Frozen, gainTolerance)
	gain = close(t, "gain", r.Gain, want.Gain, gainTolerance)
	close(t, "standard error", r.StandardError, want.StandardError, gainTolerance)
	for step, after := range want.After {
		gain = max(gain, close(t, "curve", r.Curve[step], after, gainTolerance))
	}
	for i, index := range l.space.Evaluated() {
		if first, ok := want.First5[l.names[index]]; ok {
			close(t, "gain of "+l.names[index], r.Mean(i), first, queryTolerance)
		}
	}
	if len(r.Folds) != len(want.Norms) {
		t.Fatalf("%d folds, reference %d", len(r.Folds), len(want.Norms))
	}
	for k, w := range want.Norms {
		norm = max(norm, close(t, "norm", r.Folds[k].Norm, w, normTolerance*w)/w)
	}
	return gain, norm
}

// compareLab checks what a reference says of a lab, apart from sources.
func compareLab(t *testing.T, l *lab, want reference, pool int) {
	t.Helper()
	if len(l.pairs) != want.Pairs || len(l.pool) != pool {
		t.Fatalf("%d labeled pairs and %d documents, reference %d and %d", len(l.pairs), len(l.pool), want.Pairs, pool)
	}
	close(t, "margin scale", l.settings.MarginScale, want.Calibration.MarginScale, 1e-9*want.Calibration.MarginScale)
}

func TestWalkAgreesWithNumPyReference(t *testing.T) {
	for _, name := range []string{"cranfield", "pubmedqa"} {
		for _, kind := range []string{"positives", "corpus"} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				c := openCollection(t, name)
				var want reference
				readJSON(t, name+"/reference.json", &want)
				l, pool := c.lab(t, kind), want.Lookahead[kind]
				compareLab(t, l, want, pool.Pool)
				var gain, norm float64
				names := some(pool.Sources)
				for _, source := range names {
					t.Run(source, func(t *testing.T) {
						g, n := compareWalk(t, l, l.walk(t, source, c.source(source)), pool.Sources[source])
						gain, norm = max(gain, g), max(norm, n)
					})
				}
				t.Logf("largest difference of gains %.2g, of norms %.2g", gain, norm)
				compareDifferences(t, l.results, names, pool)
			})
		}
	}
}

// compareDifferences checks the paired differences of sources.
func compareDifferences(t *testing.T, results map[string]*lookahead.Result, names []string, want poolReference) {
	compared := 0
	for i, a := range names {
		for _, b := range names[i+1:] {
			w, ok := want.Differences[a+" - "+b]
			if !ok {
				continue
			}
			compared++
			var sum, squares float64
			n := float64(len(results[a].Gains))
			for q := range results[a].Gains {
				d := results[a].Mean(q) - results[b].Mean(q)
				sum, squares = sum+d, squares+d*d
			}
			close(t, a+" - "+b, sum/n, w.Difference, 2*gainTolerance)
			close(t, "standard error of "+a+" - "+b, math.Sqrt((squares-sum*sum/n)/(n-1)/n), w.StandardError, gainTolerance)
		}
	}
	if compared != len(names)*(len(names)-1)/2 {
		t.Errorf("%d differences of %d sources compared", compared, len(names))
	}
}

// Sources of one collection are looked at on the judged queries of the other:
// one walk from all triples serves all queries.
func TestTargetAgreesWithNumPyReference(t *testing.T) {
	for _, way := range []struct{ from, to string }{{"cranfield", "pubmedqa"}, {"pubmedqa", "cranfield"}} {
		t.Run(way.from+" to "+way.to, func(t *testing.T) {
			from, to := openCollection(t, way.from), openCollection(t, way.to)
			var ways map[string]reference
			readJSON(t, "target.json", &ways)
			want, ok := ways[way.from+" to "+way.to]
			if !ok {
				t.Fatal("no such reference")
			}
			l := to.lab(t, "target")
			compareLab(t, l, want, want.Pool)
			var gain, norm float64
			for _, source := range some(want.Sources) {
				t.Run(source, func(t *testing.T) {
					s := from.source(source)
					s.Disjoint = true
					g, n := compareWalk(t, l, l.walk(t, source, s), want.Sources[source])
					gain, norm = max(gain, g), max(norm, n)
				})
			}
			t.Logf("largest difference of gains %.2g, of norms %.2g", gain, norm)
		})
	}
}
