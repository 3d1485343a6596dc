package ecibeam

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"example.com/eci"
)

// weighing runs weighFn as a runner does, and adds what it emits to sums by key.
func weighing(t *testing.T, fn *weighFn, calibration []byte, rows []eci.Record, kill int) map[string]sums {
	t.Helper()
	out := make(map[string]sums)
	add := &sumFn{}
	emit := func(key string, w weighed) {
		s, err := add.AddInput(out[key], w)
		if err != nil {
			t.Fatal(err)
		}
		out[key] = s
	}
	ctx := context.Background()
	fn.StartBundle(ctx, calibration, emit)
	for i, r := range rows {
		if i == kill {
			return nil // what a bundle that fails has emitted is dropped
		}
		if err := fn.ProcessElement(ctx, r, calibration, emit); err != nil {
			t.Fatal(err)
		}
	}
	if err := fn.FinishBundle(ctx, calibration, emit); err != nil {
		t.Fatal(err)
	}
	return out
}

// calibrationOf is that of the demo, in JSON.
func calibrationOf(t *testing.T, c *collection) []byte {
	t.Helper()
	raw, err := json.Marshal(c.inProcess(t, Settings{Budget: eci.Unlimited, NoChecks: true}).Calibration)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// A combiner may see rows in any bundles, and accumulators after any journey:
// scores are those of one machine.
func TestSumsMergeInAnyBundles(t *testing.T) {
	c := demo(t)
	settings := Settings{Budget: eci.Unlimited, NoChecks: true}
	want := c.inProcess(t, settings)
	calibration := calibrationOf(t, c)
	for _, n := range []int{1, 3, 17} {
		total := make(map[string]sums)
		for _, shard := range c.split(n, uint64(n)) {
			part := weighing(t, &weighFn{Settings: settings}, calibration, shard, -1)
			for key, s := range part {
				total[key] = merged(t, total[key], s)
			}
		}
		for _, source := range want.Ranked {
			matrix, err := eci.NewMatrix(source.Matrix.Config())
			if err != nil {
				t.Fatal(err)
			}
			for key, s := range total {
				if _, name, _ := strings.Cut(key, "/"); name == source.Source {
					if err := matrix.Merge(s.matrix); err != nil {
						t.Fatal(err)
					}
				}
			}
			got, err := matrix.LogDet()
			if err != nil || !(math.Abs(got-source.Value) <= tolerance*source.Value) {
				t.Errorf("%d bundles: %s scores %v, in process %v (%v)", n, source.Source, got, source.Value, err)
			}
		}
	}
}

// merged merges sums that have been through the coder.
func merged(t *testing.T, a, b sums) sums {
	t.Helper()
	raw, err := encodeSums(b)
	if err != nil {
		t.Fatal(err)
	}
	if b, err = decodeSums(raw); err != nil {
		t.Fatal(err)
	}
	if a, err = (&sumFn{}).MergeAccumulators(a, b); err != nil {
		t.Fatal(err)
	}
	return a
}

// A worker that is killed in the middle of a bundle and given the bundle again, or
// that is used again after a failure, emits what it would have emitted.
func TestKilledBundleChangesNothing(t *testing.T) {
	c := demo(t)
	calibration := calibrationOf(t, c)
	rows := c.split(1, 5)[0]
	settings := Settings{Budget: eci.Unlimited}
	want := weighing(t, &weighFn{Settings: settings}, calibration, rows, -1)
	for _, kill := range []int{0, 1, rowsPerBatch - 1, rowsPerBatch, rowsPerBatch + 1, len(rows) - 1} {
		fn := &weighFn{Settings: settings}
		weighing(t, fn, calibration, rows, kill)
		got := weighing(t, fn, calibration, rows, -1)
		if len(got) != len(want) {
			t.Fatalf("killed at row %d: %d keys, want %d", kill, len(got), len(want))
		}
		for key := range want {
			a, _ := encodeSums(got[key])
			b, _ := encodeSums(want[key])
			if !slices.Equal(a, b) {
				t.Errorf("killed at row %d: the sums of %s differ", kill, key)
			}
		}
	}
}

// Samples do not depend on parts or order, whatever is equal in the rows.
func TestSamplesMerge(t *testing.T) {
	c := demo(t)
	for _, one := range []bool{false, true} {
		draw := func(shards [][]eci.Record) []byte {
			all := newBounded(40, one)
			for _, shard := range shards {
				part := newBounded(40, one)
				for _, r := range shard {
					part.add(mixed(queryKey(&r), 3), rowKey(&r), &r)
				}
				back, err := decodeBounded(encodeBounded(part))
				if err != nil {
					t.Fatal(err)
				}
				all.merge(back)
			}
			return encodeBounded(all)
		}
		want := draw(c.split(1, 1))
		for _, n := range []int{3, 17} {
			if !slices.Equal(draw(c.split(n, uint64(n))), want) {
				t.Errorf("%d parts give another sample (rows counted: %v)", n, one)
			}
		}
	}
}

func TestStoredRowsAreRefusedWhenDamaged(t *testing.T) {
	r := eci.Record{SourceName: "s", File: "f", Row: 3, QueryText: "q", PositiveText: "p", NegativeText: "n", QueryVector: []float32{1, 2}}
	whole := encodeRecord(r)
	back, err := decodeRecord(whole)
	if err != nil || compareRows(&back, &r) != 0 || !slices.Equal(back.QueryVector, r.QueryVector) {
		t.Fatal(back, err)
	}
	for n := range whole {
		if _, err := decodeRecord(whole[:n]); !errors.Is(err, eci.ErrFormat) {
			t.Errorf("cut to %d of %d bytes: %v", n, len(whole), err)
		}
	}
}

func TestCheckRowNamesWhatIsBad(t *testing.T) {
	v, zero, odd := []float32{1, 0}, []float32{0, 0}, []float32{float32(math.NaN()), 1}
	good := eci.Record{QueryText: "q", PositiveText: "p", NegativeText: "n", QueryVector: v, PositiveVector: v, NegativeVector: v}
	for _, test := range []struct {
		change func(r *eci.Record)
		want   error
	}{
		{func(*eci.Record) {}, nil},
		{func(r *eci.Record) { r.NegativeText = " " }, eci.ErrEmptyText},
		{func(r *eci.Record) { r.PositiveVector = nil }, eci.ErrMissingVector},
		{func(r *eci.Record) { r.NegativeVector = zero }, eci.ErrZeroVector},
		{func(r *eci.Record) { r.QueryVector = odd }, eci.ErrNotFinite},
		{func(r *eci.Record) { r.NegativeVector = []float32{1} }, eci.ErrDimension},
	} {
		r := good
		test.change(&r)
		if err := checkRow(&r, 2); !errors.Is(err, test.want) {
			t.Errorf("got %v, want %v", err, test.want)
		}
	}
}
