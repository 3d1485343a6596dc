package eci_test

import (
	"bufio"
	"iter"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/eci"
)

// lookaheadReference is what the independent reference says of one pool.
type lookaheadReference struct {
	Pool    int `json:"pool"`
	Sources map[string]struct {
		Gain          float64   `json:"gain"`
		StandardError float64   `json:"standard_error"`
		After         []float64 `json:"after"`
		Queries       int       `json:"queries"`
		Frozen        float64   `json:"frozen"`
		Norms         []float64 `json:"norms"`
	} `json:"sources"`
	Differences map[string]struct {
		Difference    float64 `json:"difference"`
		StandardError float64 `json:"standard_error"`
	} `json:"differences"`
}

// readLines reads the lines of a file.
func readLines(t *testing.T, path string) (lines []string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		lines = append(lines, in.Text())
	}
	return lines
}

// sharedPool is a pool of ids and the judgments of a shared collection.
func sharedPool(t *testing.T, name string) (iter.Seq2[eci.Document, error], map[string][]string) {
	t.Helper()
	dir := filepath.Join("../shared/data", name)
	ids := readLines(t, filepath.Join(dir, "pool.ids"))
	relevant := make(map[string][]string)
	for _, line := range readLines(t, filepath.Join(dir, "qrels.tsv"))[1:] {
		fields := strings.Split(line, "\t")
		relevant[fields[0]] = append(relevant[fields[0]], fields[1])
	}
	return func(yield func(eci.Document, error) bool) {
		for _, id := range ids {
			if !yield(eci.Document{ID: id}, nil) {
				return
			}
		}
	}, relevant
}

// TestLookaheadAgreesWithNumPyReference: both collections, one with each kind of pool.
// The other two of the four are compared below the public face, in
// internal/lookahead.
func TestLookaheadAgreesWithNumPyReference(t *testing.T) {
	for name, kind := range map[string]string{"cranfield": "positives", "pubmedqa": "corpus"} {
		var reference struct {
			Lookahead map[string]lookaheadReference `json:"lookahead"`
		}
		vectors, sources := openShared(t, name, &reference)
		pool, relevant := sharedPool(t, name)
		if kind == "positives" {
			pool = nil
		}
		t.Run(name+"/"+kind, func(t *testing.T) {
			scorer := &eci.Lookahead{
				Sem:  eci.Sem{Vectors: vectors, NoChecks: true},
				Pool: pool, Relevant: relevant, Triples: eci.Unlimited,
			}
			// A source's forecast does not depend on which others are ranked with it.
			some := sources[:4]
			ranking, err := eci.Rank(t.Context(), scorer, some...)
			if err != nil {
				t.Fatal(err)
			}
			compareForecasts(t, ranking, reference.Lookahead[kind])
		})
	}
}

// compareForecasts checks gains to 2e-4 absolute, for a gain jumps where two
// documents change places, and norms to 1e-5 relative.
func compareForecasts(t *testing.T, ranking *eci.Ranking, want lookaheadReference) {
	t.Helper()
	close := func(what string, got, want, tolerance float64) {
		if !(math.Abs(got-want) <= tolerance) {
			t.Errorf("%s is %v, reference %v", what, got, want)
		}
	}
	if ranking.Lookahead.Pool != want.Pool {
		t.Errorf("%d documents, reference %d", ranking.Lookahead.Pool, want.Pool)
	}
	for _, ranked := range ranking.Ranked {
		source, f := ranked.Source, ranked.Forecast
		reference, ok := want.Sources[source]
		if !ok {
			t.Fatalf("no reference for %s", source)
		}
		if f.Queries != reference.Queries {
			t.Errorf("%s: %d queries, reference %d", source, f.Queries, reference.Queries)
		}
		close("frozen nDCG", ranking.Lookahead.Frozen, reference.Frozen, 2e-4)
		close(source+": gain", f.Gain, reference.Gain, 2e-4)
		close(source+": standard error", f.StandardError, reference.StandardError, 2e-4)
		for k, after := range reference.After {
			close(source+": curve", f.After[k], after, 2e-4)
		}
		if len(f.Norms) != len(reference.Norms) {
			t.Fatalf("%s: %d folds, reference %d", source, len(f.Norms), len(reference.Norms))
		}
		for k, norm := range reference.Norms {
			close(source+": norm", f.Norms[k], norm, 1e-5*norm)
		}
	}
	for _, p := range ranking.Pairs {
		reference, ok := want.Differences[p.Better+" - "+p.Worse]
		if !ok {
			reference, ok = want.Differences[p.Worse+" - "+p.Better]
			reference.Difference = -reference.Difference
		}
		if !ok {
			t.Fatalf("no reference for %s and %s", p.Better, p.Worse)
		}
		close(p.Better+" - "+p.Worse, p.Difference, reference.Difference, 4e-4)
		close(p.Better+" - "+p.Worse+": standard error", p.StandardError, reference.StandardError, 2e-4)
	}
}
