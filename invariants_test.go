package eci_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"example.com/eci"
)

// The table of inputs: every kind of row that made something fail once, or might.

// input makes row i of source k. Texts have vectors of their own, as an encoder
// gives them; scale is their norm, about.
type input struct {
	reason string
	rows   int
	d      int
	texts  func(k, i int) (query, positive, negative string)
	vector func(text string, d int) []float32
}

// vectorOfText is a direction that depends on the whole text.
func vectorOfText(text string, d int) []float32 {
	var seed uint64 = 14695981039346656037
	for _, c := range []byte(text) {
		seed = (seed ^ uint64(c)) * 1099511628211
	}
	random := rand.New(rand.NewPCG(seed, uint64(d)))
	v := make([]float32, d)
	for k := range v {
		v[k] = float32(random.NormFloat64())
	}
	v[0] += 1 // similarities are not 0 on average
	return v
}

func plainTexts(k, i int) (string, string, string) {
	return fmt.Sprintf("what is %d", i/2), fmt.Sprintf("it is %d, %s", i/2, strings.Repeat("a ", i%3)), fmt.Sprintf("it is not %d, says %d", i, k)
}

func scaled(norm func(text string) float64) func(string, int) []float32 {
	return func(text string, d int) []float32 {
		v := vectorOfText(text, d)
		for k := range v {
			v[k] = float32(float64(v[k]) * norm(text))
		}
		return v
	}
}

// wrapped puts something around every text.
func wrapped(before, after string) func(k, i int) (string, string, string) {
	return func(k, i int) (string, string, string) {
		q, p, n := plainTexts(k, i)
		return before + q + after, before + p + after, before + n + after
	}
}

var nastyInputs = []input{
	{"nothing special", 60, 16, plainTexts, vectorOfText},
	{"one component", 60, 1, plainTexts, vectorOfText},
	{"two components", 60, 2, plainTexts, vectorOfText},
	{"more components than rows", 20, 70, plainTexts, vectorOfText},
	{"one row", 1, 8, plainTexts, vectorOfText},
	{"one query", 30, 8, func(k, i int) (string, string, string) {
		_, p, n := plainTexts(k, i)
		return "the only one", p, n
	}, vectorOfText},
	{"two queries", 30, 8, func(k, i int) (string, string, string) {
		_, p, n := plainTexts(k, i)
		return fmt.Sprint("query ", i%2), p, n
	}, vectorOfText},
	{"all vectors are equal", 30, 8, plainTexts, func(_ string, d int) []float32 { return vectorOfText("", d) }},
	{"documents are opposite to queries", 30, 8, plainTexts, func(text string, d int) []float32 {
		v := vectorOfText("", d)
		if !strings.HasPrefix(text, "what") {
			for k := range v {
				v[k] = -v[k]
			}
		}
		return v
	}},
	{"two directions, opposite", 40, 8, plainTexts, func(text string, d int) []float32 {
		v := vectorOfText("", d)
		if len(text)%2 == 0 {
			for k := range v {
				v[k] = -v[k]
			}
		}
		return v
	}},
	{"one axis each", 60, 16, plainTexts, func(text string, d int) []float32 {
		v := make([]float32, d)
		v[len(text)%d] = 1
		return v
	}},
	{"nearly equal vectors", 60, 16, plainTexts, func(text string, d int) []float32 {
		v, all := vectorOfText(text, d), vectorOfText("", d)
		for k := range v {
			v[k] = all[k] + v[k]/1024
		}
		return v
	}},
	{"huge norms", 60, 16, plainTexts, scaled(func(string) float64 { return 1e37 })},
	{"tiny norms", 60, 16, plainTexts, scaled(func(string) float64 { return 1e-30 })},
	{"norms of all sizes", 60, 16, plainTexts, scaled(func(text string) float64 { return math.Pow(10, float64(len(text)%50-25)) })},
	{"the negative is the positive", 60, 16, func(k, i int) (string, string, string) {
		q, p, _ := plainTexts(k, i)
		return q, p, p
	}, vectorOfText},
	{"the negative copies the query", 60, 16, func(k, i int) (string, string, string) {
		q, p, _ := plainTexts(k, i)
		return q, p, q
	}, vectorOfText},
	{"no tokens", 60, 16, func(k, i int) (string, string, string) {
		return strings.Repeat("?", i/2+1), strings.Repeat("!", i/2+1), strings.Repeat(".", i+1) + strings.Repeat("-", k)
	}, vectorOfText},
	{"control characters", 60, 16, wrapped("\x00\x1b[31m\r\n\t", "\u202e\u2066\ufeff\x7f"), vectorOfText},
	{"no UTF-8", 60, 16, wrapped("\xff\xc0\x80 ", "\xed\xa0\x80"), vectorOfText},
	{"scripts without spaces", 60, 16, wrapped("東京都庁", "กรุงเทพ"), vectorOfText},
	{"long texts", 8, 16, wrapped(strings.Repeat("a word and 1 more, ", 6000), ""), vectorOfText},
	{"one long token", 8, 16, wrapped(strings.Repeat("x", 1<<17), ""), vectorOfText},
	{"rows that are there twice", 60, 16, func(k, i int) (string, string, string) { return plainTexts(k, i%30) }, vectorOfText},
}

// sources makes two of them.
func (in *input) sources() [][]*eci.Record {
	sources := make([][]*eci.Record, 2)
	for k := range sources {
		for i := range in.rows {
			q, p, n := in.texts(k, i)
			sources[k] = append(sources[k], &eci.Record{
				QueryText: q, PositiveText: p, NegativeText: n,
				QueryVector: in.vector(q, in.d), PositiveVector: in.vector(p, in.d), NegativeVector: in.vector(n, in.d),
			})
		}
	}
	return sources
}

// outcome is what must not change: numbers of each source, or the kind of error.
type outcome struct {
	kinds  []error
	values map[string]float64
	ranks  []string
}

// rankAll ranks with all triples, so that no sample depends on their number.
func rankAll(t *testing.T, sources [][]*eci.Record) outcome {
	t.Helper()
	var named []eci.Source
	for k, rows := range sources {
		named = append(named, eci.SourceOf(fmt.Sprint("source", k), rows))
	}
	ranking, err := eci.Rank(t.Context(), &eci.Sem{Budget: eci.Unlimited, Groups: 8}, named...)
	if err != nil {
		if text := err.Error(); !strings.HasPrefix(text, "eci: ") || len(text) > 1000 {
			t.Errorf("message %.1000q", text)
		}
		var kinds []error
		for _, kind := range []error{eci.ErrNoSpread, eci.ErrZeroVector, eci.ErrNotFinite, eci.ErrSingular} {
			if errors.Is(err, kind) {
				kinds = append(kinds, kind)
			}
		}
		if len(kinds) == 0 {
			t.Fatalf("error of no kind: %v", err)
		}
		return outcome{kinds: kinds}
	}
	out := outcome{values: make(map[string]float64)}
	for _, s := range ranking.Ranked {
		for name, x := range map[string]float64{
			"score": s.Value, "standard error": s.StandardError, "trace": s.Trace, "effective dimension": s.EffectiveDimension,
			"diversity": s.Diversity, "weight": s.Totals.Weight / float64(s.Totals.Triples), "overlap": s.Totals.Overlap / float64(s.Totals.Triples),
		} {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				t.Errorf("%s of %s is %v", name, s.Source, x)
			}
			out.values[s.Source+": "+name] = x
		}
		out.ranks = append(out.ranks, s.Source)
	}
	return out
}

func (o outcome) compare(t *testing.T, want outcome, tolerance float64) {
	t.Helper()
	if !slices.Equal(o.kinds, want.kinds) {
		t.Errorf("errors %v, want %v", o.kinds, want.kinds)
	}
	for name, x := range want.values {
		if got := o.values[name]; math.Abs(got-x) > tolerance*math.Max(1, math.Abs(x)) {
			t.Errorf("%s is %v, want %v within %g", name, got, x, tolerance)
		}
	}
}

// changed copies rows, each of which a function may change.
func changed(sources [][]*eci.Record, change func(r *eci.Record)) [][]*eci.Record {
	out := make([][]*eci.Record, len(sources))
	for k, rows := range sources {
		for _, r := range rows {
			c := *r
			c.QueryVector, c.PositiveVector, c.NegativeVector = slices.Clone(r.QueryVector), slices.Clone(r.PositiveVector), slices.Clone(r.NegativeVector)
			change(&c)
			out[k] = append(out[k], &c)
		}
	}
	return out
}

func eachVector(r *eci.Record, fn func(v []float32)) {
	for _, v := range [][]float32{r.QueryVector, r.PositiveVector, r.NegativeVector} {
		fn(v)
	}
}

// Tolerances. A sum of n terms in another order differs by n 2^-53 of the sum of
// their absolute values: 120 rows, 120^2 pairs of the calibration, sums of up to
// 70 components, are below 1e-11 together; differences of nearly equal scores,
// which the standard error is made of, and divisions by a small spread lose up to
// three digits more. A rotation rounds every component to float32 again, 2^-24 of
// the vector's norm; where vectors are nearly equal, similarities differ by 1e-6
// only, and a spread has no more than two digits then: the input is left out. So is
// one whose similarities are all 0 before and differ by rounding afterwards.
const (
	reordered = 1e-9
	rotated   = 1e-4
)

var invariants = []struct {
	reason    string
	tolerance float64 // 0: the same bits
	not       []string
	change    func(sources [][]*eci.Record) [][]*eci.Record
}{
	{"rows in another order", reordered, nil, func(sources [][]*eci.Record) [][]*eci.Record {
		for k := range sources {
			sources[k] = slices.Clone(sources[k])
			rand.New(rand.NewPCG(uint64(k), 5)).Shuffle(len(sources[k]), func(i, j int) { sources[k][i], sources[k][j] = sources[k][j], sources[k][i] })
		}
		return sources
	}},
	{"every row twice", reordered, nil, func(sources [][]*eci.Record) [][]*eci.Record {
		for k := range sources {
			sources[k] = slices.Concat(sources[k], sources[k])
		}
		return sources
	}},
	{"components in another order, some with the other sign", reordered, nil, func(sources [][]*eci.Record) [][]*eci.Record {
		return changed(sources, func(r *eci.Record) {
			eachVector(r, func(v []float32) {
				slices.Reverse(v)
				for k := range v {
					if k%3 == 1 {
						v[k] = -v[k]
					}
				}
			})
		})
	}},
	{"a rotation of the space", rotated, []string{"nearly equal vectors", "one axis each"}, func(sources [][]*eci.Record) [][]*eci.Record {
		return changed(sources, func(r *eci.Record) { eachVector(r, reflect) })
	}},
	{"vectors four times as long", 0, nil, func(sources [][]*eci.Record) [][]*eci.Record {
		return changed(sources, func(r *eci.Record) {
			eachVector(r, func(v []float32) {
				for k := range v {
					v[k] *= 4
				}
			})
		})
	}},
	{"queries half as long", 0, nil, func(sources [][]*eci.Record) [][]*eci.Record {
		return changed(sources, func(r *eci.Record) {
			for k := range r.QueryVector {
				r.QueryVector[k] /= 2
			}
		})
	}},
	{"ids in place of nothing", 0, nil, func(sources [][]*eci.Record) [][]*eci.Record {
		// Groups are taken by the id; the text as id keeps them.
		return changed(sources, func(r *eci.Record) { r.QueryID, r.PositiveID = r.QueryText, r.PositiveText })
	}},
}

// reflect mirrors a vector at a plane across all axes (Householder).
func reflect(v []float32) {
	n := make([]float64, len(v))
	var nn, nv float64
	for k := range v {
		n[k] = math.Sin(float64(3*k + 1))
		nn += n[k] * n[k]
		nv += n[k] * float64(v[k])
	}
	for k := range v {
		v[k] = float32(float64(v[k]) - 2*nv/nn*n[k])
	}
}

// TestInvariants holds every input to every invariant.
func TestInvariants(t *testing.T) {
	for _, in := range nastyInputs {
		t.Run(in.reason, func(t *testing.T) {
			want := rankAll(t, in.sources())
			for _, invariant := range invariants {
				if slices.Contains(invariant.not, in.reason) {
					continue
				}
				t.Run(invariant.reason, func(t *testing.T) {
					rankAll(t, invariant.change(in.sources())).compare(t, want, invariant.tolerance)
				})
			}
			t.Run("sources in another order", func(t *testing.T) {
				sources := in.sources()
				sources[0], sources[1] = sources[1], sources[0]
				swapped := outcome{values: make(map[string]float64)}
				got := rankAll(t, sources)
				swapped.kinds = got.kinds
				for name, x := range got.values {
					swapped.values[strings.NewReplacer("source0", "source1", "source1", "source0").Replace(name)] = x
				}
				swapped.compare(t, want, reordered)
			})
			t.Run("split and merged", func(t *testing.T) { splitAndMerged(t, in.sources()) })
		})
	}
}

// splitAndMerged scores parts of a source under one calibration: the merged
// matrices score as the whole does.
func splitAndMerged(t *testing.T, sources [][]*eci.Record) {
	whole := eci.SourceOf("whole", sources[0])
	cal, err := (&eci.Sem{}).Calibrate(t.Context(), whole)
	if err != nil {
		return // what TestInvariants compares already
	}
	sem := &eci.Sem{Calibration: cal, Groups: 8, NoChecks: true}
	want, err := sem.Score(t.Context(), whole)
	if err != nil {
		t.Fatal(err)
	}
	parts := [3][]*eci.Record{}
	for i, r := range sources[0] {
		parts[i*i%3] = append(parts[i*i%3], r)
	}
	var merged *eci.Matrix
	for i, part := range parts {
		if len(part) == 0 {
			continue
		}
		s, err := sem.Score(t.Context(), eci.SourceOf(fmt.Sprint("part", i), part))
		if err != nil {
			t.Fatal(err)
		}
		if merged == nil {
			merged = s.Matrix.Clone()
		} else if err := merged.Merge(s.Matrix); err != nil {
			t.Fatal(err)
		}
	}
	got, err := merged.LogDet()
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(got-want.Value) > 1e-12*math.Max(1, math.Abs(want.Value)) || merged.Triples() != int(want.Totals.Triples) {
		t.Errorf("%d triples score %v, want %d and %v", merged.Triples(), got, want.Totals.Triples, want.Value)
	}
}
