package eci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEverySettingIsRefusedByItsName before any row is read.
func TestEverySettingIsRefusedByItsName(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	one := func(c Component) Sem { return Sem{Components: []Component{c}} }
	for says, list := range map[string][]Sem{
		"Budget":                           {{Budget: -2}},
		"Groups":                           {{Groups: -1}, {Groups: 1}, {Groups: maxGroups + 1}},
		"Epsilon2":                         {{Epsilon2: -0.5}, {Epsilon2: nan}, {Epsilon2: inf}},
		"Temperature":                      {{Temperature: -1}, {Temperature: nan}, {Temperature: inf}},
		"BatchSize":                        {{BatchSize: -1}},
		"CacheBytes":                       {{CacheBytes: -1}},
		"MemoryBytes":                      {{MemoryBytes: -1}},
		"Dimensions":                       {{Dimensions: -1}, {Dimensions: maxDimension + 1}},
		"Skip":                             {{Skip: 16}, {Skip: SkipMalformed | 128}},
		`"consistency": field Temperature`: {one(TargetConsistency{-1}), one(TargetConsistency{nan}), one(TargetConsistency{inf})},
		`"locality": field Temperature`:    {one(SemanticLocality{-1}), one(SemanticLocality{nan}), one(SemanticLocality{inf})},
		`"residuality": field Floor`:       {one(LexicalResidual{-0.1}), one(LexicalResidual{1}), one(LexicalResidual{nan})},
		"component 2 is nil":               {{Components: []Component{TargetConsistency{}, nil}}},
		`Tokenizer "4-grams": field N`:     {{Tokenizer: CharacterNGrams{N: -1}}},
	} {
		for _, sem := range list {
			read := false
			source := Source{Name: "one", Triples: func(func(Triple, error) bool) { read = true }}
			calls := map[string]error{}
			_, calls["Rank"] = Rank(t.Context(), &sem, source)
			_, calls["Baseline"] = Rank(t.Context(), &Baseline{Sem: sem, Measure: Measures()[0]}, source)
			_, calls["Calibrate"] = sem.Calibrate(t.Context(), source)
			_, calls["Race"] = Rank(t.Context(), &Race{Sem: sem}, source)
			_, calls["Lookahead"] = Rank(t.Context(), &Lookahead{Sem: sem}, source)
			_, calls["Score"] = sem.Score(t.Context(), source)
			calls["Weigh"] = sem.weighing(t.Context(), source)
			for name, err := range calls {
				overridden := says == "Budget" && name == "Weigh" // of all triples
				if !overridden && (!errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), says)) || read {
					t.Errorf("%s, %s: %v; read: %t", says, name, err, read)
				}
			}
		}
	}
	for reason, scorer := range map[string]Scorer{
		"a nil Sem":                &Baseline{},
		"a Measure without Value":  &Baseline{Measure: Measure{Name: "x"}},
		"a Measure without a name": &Baseline{Measure: Measure{Value: Measures()[0].Value}},
		"a Sem that is nil":        (*Sem)(nil),
		"a Lookahead that is nil":  (*Lookahead)(nil),
		"a Baseline that is nil":   (*Baseline)(nil),
		"a Race that is nil":       (*Race)(nil),
	} {
		if _, err := Rank(t.Context(), scorer, textSources(4)...); !errors.Is(err, ErrSettings) {
			t.Errorf("%s: %v", reason, err)
		}
	}
	var noChoose *Choose
	if _, err := noChoose.From(t.Context(), textSources(4)[0]); !errors.Is(err, ErrSettings) {
		t.Error("a Choose that is nil:", err)
	}
	var noStudy *Study
	if _, err := noStudy.Run(t.Context(), textSources(4)...); !errors.Is(err, ErrSettings) {
		t.Error("a Study that is nil:", err)
	}
	var noLinter *Linter
	if _, err := noLinter.Lint(t.Context(), textSources(4)...); !errors.Is(err, ErrSettings) {
		t.Error("a Linter that is nil:", err)
	}
	if _, err := Rank(t.Context(), &Sem{Vectors: (*VectorFiles)(nil)}, textSources(4)...); !errors.Is(err, ErrMissingVector) {
		t.Error("tables that are nil:", err)
	}
	calibration, err := new(Sem).Calibrate(t.Context(), withVectors(&hashEncoder{components: 4}, textSources(20))...)
	if err != nil {
		t.Fatal(err)
	}
	frozen := &Sem{Calibration: calibration}
	if err := drain(frozen.Suspects(t.Context(), textSources(4)[0], nan)); !errors.Is(err, ErrSettings) {
		t.Error("a threshold that is NaN:", err)
	}
}

func (s *Sem) weighing(ctx context.Context, source Source) error { return drain(s.Weigh(ctx, source)) }

// foreign is a scorer of the user's own.
type foreign struct {
	name  string
	score func(source Source) *Score
}

func (f foreign) Name() string                                      { return f.name }
func (f foreign) Score(_ context.Context, s Source) (*Score, error) { return f.score(s), nil }

// foreignPreparer prepares nothing.
type foreignPreparer struct{ foreign }

func (foreignPreparer) Prepare(context.Context, ...Source) (Scorer, error) { return nil, nil }

// TestScorersOfOnesOwnAreLookedAt: what they return is refused or ranked, and
// what is ranked can be printed.
func TestScorersOfOnesOwnAreLookedAt(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	shared := &Score{Value: 1}
	for _, test := range []struct {
		reason, name string
		score        func(Source) *Score
		want         error
	}{
		{"no score", "own", func(Source) *Score { return nil }, ErrScore},
		{"no name", "", func(Source) *Score { return &Score{} }, ErrSettings},
		{"NaN", "own", func(Source) *Score { return &Score{Value: nan} }, ErrScore},
		{"an infinite end of an interval", "own", func(Source) *Score { return &Score{High: inf, Groups: 3} }, ErrScore},
		{"a standard error that is NaN", "own", func(Source) *Score { return &Score{StandardError: nan} }, ErrScore},
		{"a negative standard error", "own", func(Source) *Score { return &Score{StandardError: -1} }, ErrScore},
		{"a baseline that is NaN", "own", func(Source) *Score { return &Score{Baselines: map[string]float64{"x": nan}} }, ErrScore},
		{"a total that is NaN", "own", func(Source) *Score { return &Score{Totals: Totals{Triples: 1, Weight: nan}} }, ErrScore},
		{"names without sums", "own", func(Source) *Score { return &Score{Components: []string{"x"}} }, ErrScore},
		{"a control that is NaN", "own", func(Source) *Score { return &Score{Controls: &Controls{Random: Control{Low: nan}}} }, ErrScore},
		{"an artifact without rows", "own", func(Source) *Score { return &Score{Artifact: &Artifact{AUC: 1, Triples: 9}} }, ErrScore},
		{"a negative count", "own", func(Source) *Score { return &Score{Groups: -1} }, ErrScore},
		{"one score for two sources", "own", func(Source) *Score { return shared }, ErrScore},
		{"an empty score", "own", func(Source) *Score { return &Score{} }, nil},
	} {
		ranking, err := Rank(t.Context(), foreign{test.name, test.score}, textSources(2)...)
		if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
			t.Errorf("%s: %v", test.reason, err)
		}
		if err != nil {
			continue
		}
		if _, err := json.Marshal(ranking); err != nil || ranking.String() == "" {
			t.Errorf("%s: %v", test.reason, err)
		}
	}
	if _, err := Rank(t.Context(), foreignPreparer{foreign{name: "own"}}, textSources(2)...); !errors.Is(err, ErrScore) {
		t.Error("a Prepare that returns nil:", err)
	}
}

// TestMemoryIsPlanned: what would take more than MemoryBytes is refused before an
// embedder is asked for more than a batch, and says what it would take.
func TestMemoryIsPlanned(t *testing.T) {
	texts := textSources(300)
	// Rows of three matrices, one of them in work, and eight squares.
	const leastMemory = 8*32*600*3 + 8*32*32*8
	for _, test := range []struct {
		reason string
		sem    Sem
		says   string
		sent   int
	}{
		{"matrices", Sem{Embedder: &hashEncoder{components: 32}, MemoryBytes: leastMemory - 1}, "the matrices of 2 sources of dimension 32 take", 2 * 512},
		{"matrices of the largest dimension", Sem{Embedder: &hashEncoder{components: maxDimension}, Groups: 2, CacheBytes: 1, BatchSize: 1, Budget: 1}, "2 sources of dimension 32768 take", 3},
		{"a dimension beyond the largest", Sem{Embedder: &hashEncoder{components: maxDimension + 1}, CacheBytes: 1, BatchSize: 1, Budget: 1}, "dimension 32769", 3},
		{"a lexicon", Sem{Embedder: &hashEncoder{components: 4}, MemoryBytes: 10000}, "distinct tokens", 0},
	} {
		e := test.sem.Embedder.(*hashEncoder)
		_, err := Rank(t.Context(), &test.sem, texts...)
		if err == nil || !strings.Contains(err.Error(), test.says) || test.says[0] == 't' && !errors.Is(err, ErrMemory) || len(e.asked) > test.sent {
			t.Errorf("%s: %v; %d texts were sent", test.reason, err, len(e.asked))
		}
	}
	// What fits to the byte is taken.
	sources := withVectors(&hashEncoder{components: 32}, texts)
	enough := Sem{MemoryBytes: leastMemory}
	calibration, err := enough.Calibrate(t.Context(), sources...)
	if err != nil {
		t.Fatal(err)
	}
	// Under a calibration nothing is read.
	frozen := Sem{Calibration: calibration, MemoryBytes: 8 * 32 * 32}
	score, err := (&Sem{Calibration: calibration}).Score(t.Context(), sources[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"Leverage": drain(frozen.Leverage(t.Context(), score.Matrix, sources[0])),
		"Select":   drain(frozen.Select(t.Context(), Selection{Count: 5}, sources[0])),
		"Stream":   drain(frozen.Select(t.Context(), Selection{Count: 5, Stream: true}, sources[0])),
		"Sweep":    func() error { _, err := frozen.Sweep(t.Context(), sources[0]); return err }(),
		"Score":    func() error { _, err := frozen.Score(t.Context(), sources[0]); return err }(),
	} {
		if !errors.Is(err, ErrMemory) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEmptyMatrixOfTheLargestDimension allocates nothing: its stored form has a few
// hundred bytes.
func TestEmptyMatrixOfTheLargestDimension(t *testing.T) {
	m, err := NewMatrix(MatrixConfig{Dimension: maxDimension})
	if err != nil {
		t.Fatal(err)
	}
	if bytes := testing.AllocsPerRun(1, func() {
		if s, err := m.LogDet(); s != 0 || err != nil {
			t.Error(s, err)
		}
		if s, without, err := m.LogDets(); s != 0 || len(without) != defaultGroups || err != nil {
			t.Error(s, without, err)
		}
		if m.Trace() != 0 {
			t.Error("a trace")
		}
		if d, err := m.EffectiveDimension(); d != 0 || err != nil {
			t.Error(d, err)
		}
	}); bytes > 100 {
		t.Error(bytes, "allocations")
	}
}

// TestJSONIsReadBackOrRefused: nothing is read back as empty.
func TestJSONIsReadBackOrRefused(t *testing.T) {
	ranking, err := Rank(t.Context(), &Sem{}, withVectors(&hashEncoder{components: 4}, textSources(40))...)
	if err != nil {
		t.Fatal(err)
	}
	marshal := func(v any) []byte {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for name, err := range map[string]error{
		"Ranking": json.Unmarshal(marshal(ranking), new(Ranking)),
		"Score":   json.Unmarshal(marshal(ranking.Best().Score), new(Score)),
		"Ranked":  json.Unmarshal(marshal(ranking.Best()), new(Ranked)),
	} {
		if !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var pair Pair
	if err := json.Unmarshal(marshal(ranking.Pairs[0]), &pair); err != nil || pair != ranking.Pairs[0] {
		t.Errorf("%v, want %v: %v", pair, ranking.Pairs[0], err)
	}
	for _, want := range []SweepPoint{{Threshold: math.Inf(-1), Margin: math.Inf(-1), Triples: 3, Share: 1, Score: 2, EffectiveTriples: 2.5}, {Threshold: 1, Margin: 0.1}} {
		var got SweepPoint
		if err := json.Unmarshal(marshal(want), &got); err != nil || got != want {
			t.Errorf("%v, want %v: %v", got, want, err)
		}
	}
	var estimate Estimate
	if want := (Estimate{1, 0.5, 2}); json.Unmarshal(marshal(want), &estimate) != nil || estimate != want {
		t.Error(estimate)
	}
	var calibration Calibration
	if err := json.Unmarshal(marshal(ranking.Calibration), &calibration); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(marshal(ranking.Calibration)), string(marshal(&calibration))); diff != "" {
		t.Error(diff)
	}
	for _, stored := range []string{`{}`, `{"margin_scale":0.1,"similarity_midpoint":null,"similarity_scale":0.1}`, `{"margin_scale":0.1,"similarity_scale":0.1,"dimension":4}`, `3`} {
		if err := json.Unmarshal([]byte(stored), new(Calibration)); err == nil {
			t.Error(stored, "was read as a calibration")
		}
	}
}

// TestRecordJSON round-trips, and takes no null for a number.
func TestRecordJSON(t *testing.T) {
	want := Record{QueryID: "1", QueryText: "q", PositiveText: "p", NegativeText: "n", SourceName: "s", QueryVector: []float32{1, -2.5e-8, 3}, NegativeVector: []float32{0.1}}
	raw, err := json.Marshal(&want)
	if err != nil {
		t.Fatal(err)
	}
	var got Record
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, vector := range []string{`[1,null,3]`, `[null]`, `["1"]`, `3`, `[1e300]`, `{}`, `[[1]]`, `[true]`} {
		kept := Record{QueryText: "kept"}
		for _, side := range []string{"query", "positive", "negative"} {
			line := fmt.Sprintf(`{"query":"q","positive":"p","negative":"n","%s_vector":%s}`, side, vector)
			if err := json.Unmarshal([]byte(line), &kept); !errors.Is(err, ErrMalformed) || kept.QueryText != "kept" {
				t.Errorf("%s: %v, %+v", line, err, kept)
			}
		}
	}
	if err := json.Unmarshal([]byte(`{"query":"q","positive":"p","negative":"n","query_vector":null}`), &got); err != nil || got.QueryVector != nil {
		t.Error("a null instead of a vector is none:", err, got.QueryVector)
	}
}

// TestNoIntervalIsNotANarrowOne: with the queries in one group there is none, of
// the score or of the controls.
func TestNoIntervalIsNotANarrowOne(t *testing.T) {
	sources := withVectors(&hashEncoder{components: 4}, textSources(40))
	calibration, err := new(Sem).Calibrate(t.Context(), sources...)
	if err != nil {
		t.Fatal(err)
	}
	var rows []*Record
	for triple := range sources[0].Triples {
		r := *triple.(*Record)
		r.QueryID = "one"
		rows = append(rows, &r)
	}
	ranking, err := Rank(t.Context(), &Sem{Calibration: calibration}, SourceOf("a", rows))
	if err != nil {
		t.Fatal(err)
	}
	best := ranking.Best()
	if best.Groups != 1 || best.Controls.Random.Triples != 0 || best.Controls.unbeaten() != nil || best.Controls.brief() != "-" {
		t.Errorf("%+v", best.Controls)
	}
	if notes := strings.Join(ranking.Notes, "\n"); !strings.Contains(notes, "no interval") || strings.Contains(notes, "random negatives") {
		t.Error(notes)
	}
	if empty := new(Ranking).Best(); empty.Rank != 0 || empty.Source != "" || empty.Value != 0 {
		t.Error(empty)
	}
}
