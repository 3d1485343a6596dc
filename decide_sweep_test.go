package eci_test

import (
	"encoding/json"
	"errors"
	"math"
	"testing"

	"example.com/eci"
)

// TestSweepAgreesWithTwin: each point is the score of a source of the triples
// kept, accumulated again.
func TestSweepAgreesWithTwin(t *testing.T) {
	for seed := range uint64(6) {
		rows := nasty(seed, 80, 3+int(seed)*4)
		source := eci.SourceOf("rows", rows)
		sem := calibratedOn(t, nil, source)
		thresholds := []float64{1, -1.5, 0, 0, 0.25, 9}
		sweep, err := sem.Sweep(t.Context(), source, thresholds...)
		if err != nil {
			t.Fatal(err)
		}
		if len(sweep.Points) != 6 { // no filter, and five distinct thresholds
			t.Fatalf("%d points", len(sweep.Points))
		}
		for _, p := range sweep.Points {
			var kept []*eci.Record
			i := 0
			for w, err := range sem.Weigh(t.Context(), source) {
				if err != nil {
					t.Fatal(err)
				}
				if w.Margin >= p.Threshold*sem.Calibration.MarginScale {
					kept = append(kept, rows[i])
				}
				i++
			}
			if p.Triples != len(kept) || p.Share != float64(len(kept))/float64(len(rows)) {
				t.Errorf("seed %d, t = %v: %d triples, twin %d", seed, p.Threshold, p.Triples, len(kept))
			}
			if len(kept) == 0 {
				if p.Score != 0 || p.EffectiveTriples != 0 {
					t.Errorf("nothing kept, but %+v", p)
				}
				continue
			}
			s, err := sem.Score(t.Context(), eci.SourceOf("kept", kept))
			if err != nil {
				t.Fatal(err)
			}
			if !relative(p.Score, s.Value, 1e-9) || !relative(p.EffectiveTriples, s.Totals.EffectiveTriples(), 1e-9) {
				t.Errorf("seed %d, t = %v: S %v with %v effective, twin %v with %v", seed, p.Threshold, p.Score, p.EffectiveTriples, s.Value, s.Totals.EffectiveTriples())
			}
		}
	}
}

// TestSweepTakesAMarginAtTheThreshold: >=, not >.
func TestSweepTakesAMarginAtTheThreshold(t *testing.T) {
	rows := nasty(3, 40, 5)
	for i := range 10 { // positive and negative alike: margin 0 to the bit
		rows[i].NegativeVector = rows[i].PositiveVector
	}
	source := eci.SourceOf("rows", rows)
	sem := calibratedOn(t, nil, source)
	sweep, err := sem.Sweep(t.Context(), source, 0, 1e-9)
	if err != nil {
		t.Fatal(err)
	}
	if at, above := sweep.Points[1].Triples, sweep.Points[2].Triples; at-above < 10 {
		t.Errorf("%d at 0, %d above", at, above)
	}
}

func TestSweepErrors(t *testing.T) {
	source := eci.SourceOf("rows", nasty(1, 40, 5))
	sem := calibratedOn(t, nil, source)
	for _, threshold := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if _, err := sem.Sweep(t.Context(), source, threshold); !errors.Is(err, eci.ErrSettings) {
			t.Errorf("threshold %v: %v", threshold, err)
		}
	}
	if _, err := sem.Sweep(t.Context(), eci.SourceOf("none", []*eci.Record{})); !errors.Is(err, eci.ErrEmptySource) {
		t.Errorf("an empty source: %v", err)
	}
	if sweep, err := sem.Sweep(t.Context(), source); err != nil || len(sweep.Points) != 10 || sweep.Points[1].Threshold != -2 || sweep.Points[9].Threshold != 2 {
		t.Errorf("the default: %v, %v", sweep, err)
	}
}

func TestSweepJSON(t *testing.T) {
	sweep := &eci.MarginSweep{Source: "a", Triples: 2, MarginScale: 0.5, Points: []eci.SweepPoint{
		{Threshold: math.Inf(-1), Margin: math.Inf(-1), Triples: 2, Share: 1, Score: 3, EffectiveTriples: 2},
		{Threshold: 1, Margin: 0.5, Triples: 1, Share: 0.5, Score: 2, EffectiveTriples: 1},
	}}
	raw, err := json.Marshal(sweep)
	const want = `{"source":"a","triples":2,"margin_scale":0.5,"points":[{"threshold":null,"margin":null,"triples":2,"share":1,"effective_triples":2,"score":3},{"threshold":1,"margin":0.5,"triples":1,"share":0.5,"effective_triples":1,"score":2}]}`
	if err != nil || string(raw) != want {
		t.Errorf("%s %v\nwant %s", raw, err, want)
	}
}
