package ecibeam

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/transforms/stats"

	"example.com/eci"
)

func init() {
	beam.RegisterDoFn(&surveyFn{})
	beam.RegisterDoFn(&tokensFn{})
	beam.RegisterDoFn(&planFn{})
	beam.RegisterDoFn(&cutFn{})
	beam.RegisterDoFn(&limitFn{})
	beam.RegisterDoFn(&calibrateFn{})
	register.Combiner3[bounded, eci.Record, bounded](&pairsFn{})
	register.Combiner3[bounded, eci.Record, bounded](&queriesFn{})
	register.Function2x1(oneText)
	register.Emitter1[eci.Record]()
	register.Emitter1[admission]()
	register.Emitter1[[]byte]()
	register.Emitter1[int64]()
	register.Emitter2[string, int64]()
	register.Emitter2[string, string]()
	register.Iter1[bounded]()
	register.Iter1[int64]()
	register.Iter2[string, int64]()
}

// Calibrated is what one pass over all rows tells.
type Calibrated struct {
	// Calibration holds one []byte, the JSON of an [eci.Calibration].
	Calibration beam.PCollection
	// budget says which rows are scored; pairs and queries are samples of the labels.
	budget, pairs, queries beam.PCollection
}

// CalibrateSources takes the frozen scales over the labeled pairs of least hash,
// and the document frequencies over the distinct positives, as [eci.Sem.Calibrate]
// does, and finds the budget. rows is a PCollection of [eci.Record] with vectors
// and the name of their source in SourceName, without bad ones; see [CheckRows].
//
// Rows do not travel: of each are shuffled its positive once per bundle, a count
// for each of 4,096 bins of hashes of its source, and of all at most 2,048 pairs
// and 4,096 queries with their positives. The document frequencies come together
// on one worker, about 100 bytes for each distinct token.
func CalibrateSources(s beam.Scope, settings Settings, rows beam.PCollection) Calibrated {
	s = s.Scope("eci.CalibrateSources")
	must(settings.check())
	bins, positives, labeled := beam.ParDo3(s, &surveyFn{Seed: settings.Seed}, rows)
	impulse := beam.Impulse(s)
	plan := beam.ParDo(s, &planFn{settings}, impulse, beam.SideInput{Input: stats.SumPerKey(s, bins)})
	hashes := beam.ParDo(s, &cutFn{Seed: settings.Seed}, rows, beam.SideInput{Input: plan})
	c := Calibrated{
		budget:  beam.ParDo(s, &limitFn{}, impulse, beam.SideInput{Input: plan}, beam.SideInput{Input: hashes}),
		pairs:   beam.Combine(s, &pairsFn{Seed: settings.Seed}, labeled),
		queries: beam.Combine(s, &queriesFn{Seed: settings.Seed, None: !settings.Lookahead}, labeled),
	}
	documents := beam.CombinePerKey(s, oneText, positives)
	tokens, counts := beam.ParDo2(s, &tokensFn{Settings: settings}, documents)
	c.Calibration = beam.ParDo(s, &calibrateFn{settings}, impulse, beam.SideInput{Input: c.pairs},
		beam.SideInput{Input: stats.Sum(s, counts)}, beam.SideInput{Input: stats.SumPerKey(s, tokens)})
	return c
}

func must(err error) {
	if err != nil {
		panic(err) // as Beam does for a pipeline that cannot be built
	}
}

// surveyFn counts rows by source and bin of hashes.
type surveyFn struct{ Seed uint64 }

const binBits = 12

func (fn *surveyFn) ProcessElement(ctx context.Context, r eci.Record, bins func(string, int64), positives func(string, string), labeled func(eci.Record)) {
	surveyed.Inc(ctx, 1)
	f := fingerprintOf(r.PositiveText)
	bins(fmt.Sprintf("%03x%s", hashOf(fn.Seed, &r)>>(64-binBits), r.SourceName), 1)
	positives(string(f[:]), r.PositiveText)
	r.NegativeVector = nil // most of what the samples of labels would carry
	labeled(r)
}

// oneText is one of two texts of one fingerprint.
func oneText(a, b string) string { return max(a, b) }

// tokensFn counts a distinct document.
type tokensFn struct {
	Settings  Settings
	tokenizer eci.Tokenizer
	tokens    []string
}

func (fn *tokensFn) Setup() (err error) {
	fn.tokenizer, err = fn.Settings.tokenizer()
	return err
}

func (fn *tokensFn) ProcessElement(_, text string, tokens func(string, int64), documents func(int64)) {
	documents(1)
	fn.tokens = fn.tokenizer.AppendTokens(fn.tokens[:0], text)
	slices.Sort(fn.tokens)
	for i, t := range fn.tokens {
		if i == 0 || t != fn.tokens[i-1] {
			tokens(strings.Clone(t), 1)
		}
	}
}

// admission says which rows of a source are in the budget.
type admission struct {
	Budget    int
	Available map[string]int
	Cuts      map[string]cut // of sources with more rows than the budget
}

// cut is the bin in which the budget ends, how many rows are in bins before it,
// and then the exact limit: rows of lower hash are in, and Ties of those of equal
// hash.
type cut struct {
	Bin, Below int
	Limit      uint64
	Ties       int
}

// planFn finds budget and bins from the counts.
type planFn struct{ Settings Settings }

func (fn *planFn) ProcessElement(_ []byte, bins func(*string, *int64) bool, emit func(admission)) error {
	counts := make(map[string]*[1 << binBits]int)
	a := admission{Available: make(map[string]int), Cuts: make(map[string]cut)}
	var key string
	var n int64
	for bins(&key, &n) {
		var bin int
		if _, err := fmt.Sscanf(key[:3], "%x", &bin); err != nil {
			return err
		}
		name := key[3:]
		if counts[name] == nil {
			counts[name] = new([1 << binBits]int)
		}
		counts[name][bin] += int(n)
		a.Available[name] += int(n)
	}
	if len(counts) == 0 {
		return fmt.Errorf("eci/beam: %w: there are no rows; were all of them bad?", eci.ErrNoSources)
	}
	smallest := math.MaxInt
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if name == "" {
			return fmt.Errorf("eci/beam: %w: a row has an empty SourceName", eci.ErrSourceName)
		}
		smallest = min(smallest, a.Available[name])
	}
	for _, name := range fn.Settings.Sources {
		if counts[name] == nil {
			return &eci.RowError{Source: name, Err: fmt.Errorf("%w", eci.ErrEmptySource)}
		}
	}
	if a.Budget = cmp.Or(fn.Settings.Budget, smallest); a.Budget == eci.Unlimited {
		a.Budget = math.MaxInt
	}
	for name, available := range a.Available {
		if available <= a.Budget {
			continue
		}
		c := cut{}
		for c.Below+counts[name][c.Bin] < a.Budget {
			c.Below += counts[name][c.Bin]
			c.Bin++
		}
		a.Cuts[name] = c
	}
	emit(a)
	return nil
}

// cutFn picks the hashes in the bin that the budget cuts, about one row of 4,096.
type cutFn struct{ Seed uint64 }

func (fn *cutFn) ProcessElement(r eci.Record, a admission, emit func(string, int64)) {
	if c, ok := a.Cuts[r.SourceName]; ok {
		if h := hashOf(fn.Seed, &r); h>>(64-binBits) == uint64(c.Bin) {
			emit(r.SourceName, int64(h))
		}
	}
}

// limitFn finds the exact limits.
type limitFn struct{}

func (limitFn) ProcessElement(_ []byte, a admission, hashes func(*string, *int64) bool, emit func(admission)) {
	bySource := make(map[string][]uint64)
	var name string
	var h int64
	for hashes(&name, &h) {
		bySource[name] = append(bySource[name], uint64(h))
	}
	cuts := make(map[string]cut)
	for name, hashes := range bySource {
		c := a.Cuts[name]
		slices.Sort(hashes)
		take := a.Budget - c.Below
		c.Limit = hashes[take-1]
		c.Ties = take - slices.Index(hashes, c.Limit)
		cuts[name] = c
	}
	emit(admission{Budget: a.Budget, Available: a.Available, Cuts: cuts})
}

// pairsFn keeps the labeled pairs of least hash.
type pairsFn struct{ Seed uint64 }

func (fn *pairsFn) CreateAccumulator() bounded { return newBounded(mostPairs, false) }

func (fn *pairsFn) AddInput(b bounded, r eci.Record) bounded {
	order := tripleHash(fn.Seed, fingerprintOf(r.QueryText), fingerprintOf(r.PositiveText), fingerprint{})
	b.add(order, fingerprint{}, &r)
	return b
}

func (fn *pairsFn) MergeAccumulators(a, b bounded) bounded { a.merge(b); return a }
func (fn *pairsFn) ExtractOutput(b bounded) bounded        { return b }

// queriesFn keeps the queries of least hash with all of their positives.
type queriesFn struct {
	Seed uint64
	None bool
}

func (fn *queriesFn) CreateAccumulator() bounded { return newBounded(mostQueries, false) }

func (fn *queriesFn) AddInput(b bounded, r eci.Record) bounded {
	if !fn.None {
		b.add(mixed(queryKey(&r), fn.Seed), fingerprintOf(r.PositiveText), &r)
	}
	return b
}

func (fn *queriesFn) MergeAccumulators(a, b bounded) bounded { a.merge(b); return a }
func (fn *queriesFn) ExtractOutput(b bounded) bounded        { return b }

// calibrateFn takes the scales over the sample of pairs: the library draws the same
// sample of it as of all rows.
type calibrateFn struct{ Settings Settings }

func (fn *calibrateFn) ProcessElement(ctx context.Context, _ []byte, pairs func(*bounded) bool, documents func(*int64) bool, tokens func(*string, *int64) bool, emit func([]byte)) error {
	sem, err := fn.Settings.sem()
	if err != nil {
		return err
	}
	var n int64
	documents(&n)
	if sem.Lexicon, err = lexicon(sem.Tokenizer.Name(), n, tokens); err != nil {
		return err
	}
	var sample bounded
	if !pairs(&sample) {
		return fmt.Errorf("eci/beam: %w: there are no rows; were all of them bad?", eci.ErrNoSources)
	}
	rows := labelRows(sample.rows())
	slices.SortFunc(rows, compareRowPointers)
	sem.Budget = eci.Unlimited
	calibration, err := sem.Calibrate(ctx, eci.SourceOf("labeled pairs", rows))
	if err != nil {
		return err
	}
	raw, err := json.Marshal(calibration)
	if err != nil {
		return err
	}
	emit(raw)
	return nil
}

func compareRowPointers(a, b *eci.Record) int { return compareRows(a, b) }

// lexicon reads counts by the lexicon's own stored form.
func lexicon(tokenizer string, documents int64, tokens func(*string, *int64) bool) (*eci.Lexicon, error) {
	stored := struct {
		Tokenizer   string            `json:"tokenizer"`
		Documents   int64             `json:"documents"`
		Frequencies map[string]uint32 `json:"document_frequencies"`
	}{tokenizer, documents, make(map[string]uint32)}
	var token string
	var n int64
	for tokens(&token, &n) {
		stored.Frequencies[token] = uint32(n)
	}
	raw, err := json.Marshal(stored)
	if err != nil {
		return nil, err
	}
	l := new(eci.Lexicon)
	return l, l.UnmarshalJSON(raw)
}

// labelRows makes triples of rows that are there for their labels: their negatives
// are of no account, and have the vector of the positive.
func labelRows(rows []eci.Record) []*eci.Record {
	out := make([]*eci.Record, len(rows))
	for i := range rows {
		r := rows[i]
		if r.NegativeVector == nil {
			r.NegativeVector = r.PositiveVector
		}
		out[i] = &r
	}
	return out
}
