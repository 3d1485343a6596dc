package ecibeam

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"

	"example.com/eci"
)

// sent is what a bundle of weighFn sends.
type sent struct {
	few, tiles map[string][]part
	sums       map[string][]totals
	negatives  map[string][]byte
	rows       map[string][]ranked
	least      map[string]keys
}

// weighing runs weighFn as a runner does. Killed at a row, it ends there, and a runner
// drops what it sent.
func weighing(t *testing.T, fn *weighFn, calibration []byte, rows []eci.Record, kill int) sent {
	t.Helper()
	out := sent{make(map[string][]part), make(map[string][]part), make(map[string][]totals), make(map[string][]byte), make(map[string][]ranked), make(map[string]keys)}
	ctx := context.Background()
	few := func(key string, p part) { out.few[key] = append(out.few[key], through(t, p, encodePart, decodePart)) }
	tiles := func(key string, p part) {
		out.tiles[key] = append(out.tiles[key], through(t, p, encodePart, decodePart))
	}
	sums := func(key string, x totals) { out.sums[key] = append(out.sums[key], x) }
	negatives := func(key string, data []byte) { out.negatives[key] = append(out.negatives[key], data...) }
	sample := func(key string, r ranked) {
		out.rows[key] = append(out.rows[key], through(t, r, func(r ranked) []byte { return encodeRanked(r) }, decodeRanked))
	}
	least := func(key string, k keys) {
		out.least[key] = keys{append(out.least[key].least, through(t, k, encodeKeys, decodeKeys).least...)}
	}
	budget, err := encodeAdmission(admission{Budget: math.MaxInt})
	if err != nil {
		t.Fatal(err)
	}
	parts := func(key string, p part) {
		(formsFn{}).ProcessElement(key, p, few, tiles)
	}
	side := func() func(*piece) bool {
		return iterate(append(split(pieceCalibration, "", calibration), split(pieceBudget, "", budget)...))
	}
	fn.StartBundle(ctx, side(), parts, sums, negatives, sample, least)
	for i, r := range rows {
		if i == kill {
			return sent{}
		}
		if err := fn.ProcessElement(ctx, r, side(), parts, sums, negatives, sample, least); err != nil {
			t.Fatal(err)
		}
	}
	if err := fn.FinishBundle(ctx, side(), parts, sums, negatives, sample, least); err != nil {
		t.Fatal(err)
	}
	return out
}

func iterate[T any](all []T) func(*T) bool {
	return func(x *T) bool {
		if len(all) == 0 {
			return false
		}
		*x, all = all[0], all[1:]
		return true
	}
}

// through sends a value through its stored form.
func through[T any](t *testing.T, x T, encode func(T) []byte, decode func([]byte) (T, error)) T {
	t.Helper()
	back, err := decode(encode(x))
	if err != nil {
		t.Fatal(err)
	}
	return back
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

// assembling adds up what bundles sent, as the pipeline does, to a matrix of each
// source.
func assembling(t *testing.T, bundles []sent) map[string]*eci.Matrix {
	t.Helper()
	few, tiles, sums := make(map[string][]part), make(map[string][]part), make(map[string]totals)
	for _, b := range bundles {
		for key, p := range b.few {
			few[key] = append(few[key], p...)
		}
		for key, p := range b.tiles {
			tiles[key] = append(tiles[key], p...)
		}
		for source, all := range b.sums {
			for _, x := range all {
				sums[source] = totalsFn{}.MergeAccumulators(sums[source], x)
			}
		}
	}
	rest, whole := make(map[string][]part), make(map[string][]part)
	for key, all := range few {
		err := foldFn{}.ProcessElement(key, iterate(all), func(source string, p part) { rest[source] = append(rest[source], p) },
			func(key string, p part) { tiles[key] = append(tiles[key], p) })
		if err != nil {
			t.Fatal(err)
		}
	}
	for key, all := range tiles {
		sum := tilesFn{}.CreateAccumulator()
		for _, p := range all {
			var err error
			if sum, err = (tilesFn{}).MergeAccumulators(sum, p); err != nil {
				t.Fatal(err)
			}
		}
		if err := (untileFn{}).ProcessElement(key, sum, func(source string, p part) { whole[source] = append(whole[source], p) }); err != nil {
			t.Fatal(err)
		}
	}
	out := make(map[string]*eci.Matrix)
	for source, x := range sums {
		m, _, err := matrixOf(x, iterate(rest[source]), iterate(whole[source]))
		if err != nil {
			t.Fatal(source, err)
		}
		out[source] = m
	}
	return out
}

// Bundles may see rows in any division and order, and what they send may come in any:
// scores are those of one machine.
func TestSumsMergeInAnyBundles(t *testing.T) {
	c := demo(t)
	settings := Settings{Budget: eci.Unlimited, NoChecks: true}
	want := c.inProcess(t, settings)
	calibration := calibrationOf(t, c)
	for _, n := range []int{1, 3, 17} {
		settings.WorkerBytes = map[int]int64{3: 1}[n] // of 3 bundles every batch is sent
		var bundles []sent
		for _, shard := range c.split(n, uint64(n)) {
			bundles = append(bundles, weighing(t, &weighFn{Settings: settings}, calibration, shard, -1))
		}
		matrices := assembling(t, bundles)
		for _, source := range want.Ranked {
			got, err := matrices[source.Source].LogDet()
			if err != nil || !(math.Abs(got-source.Value) <= tolerance*source.Value) {
				t.Errorf("%d bundles: %s scores %v, in process %v (%v)", n, source.Source, got, source.Value, err)
			}
		}
	}
}

// A worker that is killed in the middle of a bundle, once or several times, and given
// the bundle again, or that is used again after a failure, sends what it would have
// sent.
func TestKilledBundleChangesNothing(t *testing.T) {
	c := demo(t)
	calibration := calibrationOf(t, c)
	rows := c.split(1, 5)[0]
	settings := Settings{Budget: eci.Unlimited, Lookahead: true}
	want := weighing(t, &weighFn{Settings: settings}, calibration, rows, -1)
	if len(want.few) == 0 || len(want.rows) == 0 || len(want.negatives) == 0 || len(want.least) == 0 {
		t.Fatal("the bundle sends too little to tell anything")
	}
	for _, kills := range [][]int{{0}, {1}, {rowsPerBatch - 1}, {rowsPerBatch}, {rowsPerBatch + 1, 3, 700}, {len(rows) - 1}} {
		fn := &weighFn{Settings: settings}
		for _, kill := range kills {
			weighing(t, fn, calibration, rows, kill)
		}
		if got := weighing(t, fn, calibration, rows, -1); !reflect.DeepEqual(got, want) {
			t.Errorf("killed at rows %v, the bundle sends something else", kills)
		}
	}
}

// The same holds for the survey.
func TestKilledSurveyChangesNothing(t *testing.T) {
	c := demo(t)
	type all struct {
		places, positives map[string][]byte
		rows              map[string][]ranked
		least             map[string]keys
	}
	survey := func(fn *surveyFn, kill int) all {
		out := all{make(map[string][]byte), make(map[string][]byte), make(map[string][]ranked), make(map[string]keys)}
		places := func(key string, data []byte) { out.places[key] = append(out.places[key], data...) }
		positives := func(key string, data []byte) { out.positives[key] = append(out.positives[key], data...) }
		rows := func(key string, r ranked) { out.rows[key] = append(out.rows[key], r) }
		least := func(key string, k keys) { out.least[key] = keys{append(out.least[key].least, k.least...)} }
		ctx := context.Background()
		fn.StartBundle(ctx, places, positives, rows, least)
		for i, r := range c.rows {
			if i == kill {
				return all{}
			}
			fn.ProcessElement(ctx, r, places, positives, rows, least)
		}
		fn.FinishBundle(ctx, places, positives, rows, least)
		return out
	}
	settings := Settings{Lookahead: true}
	want := survey(&surveyFn{Settings: settings}, -1)
	fn := &surveyFn{Settings: settings}
	for _, kill := range []int{0, 1, 1000} {
		survey(fn, kill)
	}
	if got := survey(fn, -1); !reflect.DeepEqual(got, want) {
		t.Error("a survey that was killed before sends something else")
	}
}

// Samples do not depend on parts or order, whatever is equal in the rows.
func TestSamplesMerge(t *testing.T) {
	c := demo(t)
	for _, name := range []string{samplePairs, sampleOf + "s"} {
		settings := Settings{Lookahead: true, Triples: 40, NoChecks: true}
		draw := func(shards [][]eci.Record) (out []byte) {
			var rows []ranked
			fn := &keysFn{mostQueries}
			least := fn.CreateAccumulator()
			for _, shard := range shards {
				b := newBounded(settings.size(name))
				for _, r := range shard {
					b.add(mixed(queryKey(&r), 3), rowKey(&r), &r)
				}
				b.send(name, func(_ string, r ranked) { rows = append(rows, r) }, func(_ string, k keys) { least = fn.MergeAccumulators(least, k) })
			}
			var limits []byte
			sent := false
			next := func(key *string, k *keys) bool {
				*key, *k = name, least
				sent = !sent
				return sent
			}
			(&limitsFn{settings}).ProcessElement(nil, next, func(data []byte) { limits = data })
			within := &withinFn{Settings: settings}
			var in []ranked
			for _, r := range rows {
				within.ProcessElement(name, r, limits, func(_ string, r ranked) { in = append(in, r) })
			}
			(&drawFn{settings}).ProcessElement(t.Context(), name, iterate(in), func(_ string, r eci.Record) { out = append(out, encodeRecord(r)...) })
			return out
		}
		want := draw(c.split(1, 1))
		if len(want) == 0 {
			t.Fatal("an empty sample")
		}
		for _, n := range []int{3, 17} {
			if !slices.Equal(draw(c.split(n, uint64(n))), want) {
				t.Errorf("%d parts give another sample of %s", n, name)
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
