package lookahead_test

import (
	"maps"
	"math"
	"slices"
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
func compareWalk(t *testing.T, space *lookahead.Space, names []string, r *lookahead.Result, want sourceReference) (gain, norm float64) {
	t.Helper()
	frozen := space.Frozen()
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
	evaluated := space.Evaluated()
	for i, index := range evaluated {
		if first, ok := want.First5[names[index]]; ok {
			close(t, "gain of "+names[index], r.Mean(i), first, queryTolerance)
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

func TestWalkAgreesWithNumPyReference(t *testing.T) {
	for _, name := range []string{"cranfield", "pubmedqa"} {
		t.Run(name, func(t *testing.T) {
			c := openCollection(t, name)
			var want reference
			readJSON(t, name+"/reference.json", &want)
			pairs := c.pairs()
			if len(pairs) != want.Pairs {
				t.Fatalf("%d labelled pairs, reference %d", len(pairs), want.Pairs)
			}
			settings := c.settings(pairs)
			close(t, "margin scale", settings.MarginScale, want.Calibration.MarginScale, 1e-9*want.Calibration.MarginScale)
			for kind, pool := range map[string][]string{"positives": positives(pairs), "corpus": c.documents} {
				t.Run(kind, func(t *testing.T) {
					comparePool(t, c, pool, pairs, settings, want.Lookahead[kind])
				})
			}
		})
	}
}

func comparePool(t *testing.T, c *collection, pool []string, pairs []pair, settings lookahead.Settings, want poolReference) {
	if len(pool) != want.Pool {
		t.Fatalf("%d documents, reference %d", len(pool), want.Pool)
	}
	names, queries := c.queries(pool, pairs)
	space, err := lookahead.NewSpace(t.Context(), c.pool(pool), queries, settings)
	if err != nil {
		t.Fatal(err)
	}
	results := map[string]*lookahead.Result{}
	var gain, norm float64
	for _, source := range slices.Sorted(maps.Keys(want.Sources)) {
		t.Run(source, func(t *testing.T) {
			r, err := space.Walk(t.Context(), c.source(source))
			if err != nil {
				t.Fatal(err)
			}
			results[source] = r
			g, n := compareWalk(t, space, names, r, want.Sources[source])
			gain, norm = max(gain, g), max(norm, n)
		})
	}
	t.Logf("largest difference of gains %.2g, of norms %.2g", gain, norm)
	compareDifferences(t, results, want)
}

// compareDifferences checks the paired differences of sources.
func compareDifferences(t *testing.T, results map[string]*lookahead.Result, want poolReference) {
	compared := 0
	for a, first := range results {
		for b, second := range results {
			w, ok := want.Differences[a+" - "+b]
			if !ok {
				continue
			}
			compared++
			var sum, squares float64
			n := float64(len(first.Gains))
			for q := range first.Gains {
				d := first.Mean(q) - second.Mean(q)
				sum, squares = sum+d, squares+d*d
			}
			close(t, a+" - "+b, sum/n, w.Difference, 2*gainTolerance)
			close(t, "standard error of "+a+" - "+b, math.Sqrt((squares-sum*sum/n)/(n-1)/n), w.StandardError, gainTolerance)
		}
	}
	if compared != len(want.Differences) {
		t.Errorf("%d differences compared, reference %d", compared, len(want.Differences))
	}
}
