package ecibeam

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"example.com/eci"
	"example.com/eci/internal/hash64"
)

func init() {
	register.DoFn6x0[context.Context, eci.Record, func(string, []byte), func(string, []byte), func(string, ranked), func(string, keys)](&surveyFn{})
	beam.RegisterDoFn(&binsFn{})
	beam.RegisterDoFn(&tokensFn{})
	beam.RegisterDoFn(&planFn{})
	beam.RegisterDoFn(&cutFn{})
	beam.RegisterDoFn(&limitFn{})
	beam.RegisterDoFn(&pairRowsFn{})
	beam.RegisterDoFn(&calibrateFn{})
	register.Combiner1[counts](&countsFn{})
	register.Combiner1[keys](&keysFn{})
	register.Emitter1[eci.Record]()
	register.Emitter1[admission]()
	register.Emitter1[[]byte]()
	register.Emitter1[piece]()
	register.Emitter2[string, []byte]()
	register.Emitter2[string, counts]()
	register.Emitter2[string, ranked]()
	register.Emitter2[string, keys]()
	register.Emitter2[string, eci.Record]()
	register.Iter1[[]byte]()
	register.Iter1[eci.Record]()
	register.Iter1[ranked]()
	register.Iter1[piece]()
	register.Iter2[string, counts]()
	register.Iter2[string, []byte]()
	register.Iter2[string, keys]()
}

// Calibrated is the result of one pass over all rows.
type Calibrated struct {
	// calibration holds the pieces of the JSON of an [eci.Calibration].
	calibration beam.PCollection
	// budget holds the pieces of settings and budget, which says which rows are
	// scored. labels are samples of the labeled pairs and queries.
	budget, labels beam.PCollection
}

// CalibrateSources computes the frozen scales from the labeled pairs of least hash,
// and the document frequencies from the distinct positives, as [eci.Sem.Calibrate]
// does. It also finds the budget. rows is a PCollection of [eci.Record] with vectors,
// with the name of the source in SourceName, and without bad rows; see [CheckRows].
//
// Rows are not shuffled. For each row, its positive is shuffled once per bundle, and
// about 12 bytes for its place in the order of its source. For each bundle, at most
// 2,048 pairs and the positives of 4,096 queries are shuffled. The document
// frequencies are collected on one worker, about 100 bytes for each distinct token.
func CalibrateSources(s beam.Scope, settings Settings, rows beam.PCollection) Calibrated {
	s = s.Scope("eci.CalibrateSources")
	must(settings.check())
	given := settings.Calibration
	settings.Calibration = nil // of one step only, because a runner limits the size of a pipeline
	places, positives, labeled, least := beam.ParDo4(s, &surveyFn{Settings: settings}, rows)
	impulse := beam.Impulse(s)
	bins := beam.CombinePerKey(s, &countsFn{}, beam.ParDo(s, &binsFn{}, places))
	plan := beam.ParDo(s, &planFn{settings}, impulse, beam.SideInput{Input: bins})
	cut := beam.ParDo(s, &cutFn{}, places, beam.SideInput{Input: plan})
	c := Calibrated{
		budget: beam.ParDo(s, &limitFn{settings}, impulse, beam.SideInput{Input: plan}, beam.SideInput{Input: cut}),
		labels: leastRows(s, settings, labeled, least),
	}
	tokens := beam.ParDo(s, &tokensFn{Settings: settings}, beam.GroupByKey(s, positives))
	pairs := beam.ParDo(s, &pairRowsFn{}, c.labels)
	c.calibration = beam.ParDo(s, &calibrateFn{settings, given}, impulse, beam.SideInput{Input: pairs},
		beam.SideInput{Input: beam.CombinePerKey(s, &countsFn{}, tokens)})
	return c
}

func must(err error) {
	if err != nil {
		panic(err) // as Beam does for a pipeline that cannot be built
	}
}

// tokensFn counts the distinct documents of a shard and their tokens. It adds up
// counts over the shards of a bundle and sends them in 64 parts.
type tokensFn struct {
	Settings  Settings
	tokenizer eci.Tokenizer
	tokens    []string
	counts    map[string]counts
	held      int
}

// documents is the name for the count of documents. No part has it.
const documents = "documents"

func (fn *tokensFn) Setup() (err error) {
	fn.tokenizer, err = fn.Settings.tokenizer()
	return err
}

func (fn *tokensFn) StartBundle(_ func(string, counts)) {
	fn.counts, fn.held = make(map[string]counts), 0
}

func (fn *tokensFn) ProcessElement(_ string, all func(*[]byte) bool, emit func(string, counts)) error {
	seen := make(map[fingerprint]bool)
	for data := ([]byte)(nil); all(&data); data = nil {
		for r := (reader{data: data}); len(r.data) > 0; {
			text := r.text()
			if r.bad {
				return fmt.Errorf("eci/beam: texts: %w: %d bytes are not stored texts", eci.ErrFormat, len(data))
			}
			if f := fingerprintOf(text); !seen[f] {
				seen[f] = true
				fn.document(text)
			}
		}
		if fn.held > mostSeen {
			fn.FinishBundle(emit)
		}
	}
	return nil
}

func (fn *tokensFn) document(text string) {
	fn.count(documents, documents)
	fn.tokens = fn.tokenizer.AppendTokens(fn.tokens[:0], text)
	slices.Sort(fn.tokens)
	for i, t := range fn.tokens {
		if i == 0 || t != fn.tokens[i-1] {
			fn.count(strconv.Itoa(int(hash64.FNV1a(hash64.Offset, t)%64)), t)
		}
	}
}

func (fn *tokensFn) count(part, token string) {
	at := fn.counts[part]
	if at == nil {
		at = make(counts)
		fn.counts[part] = at
	}
	n, ok := at[token]
	if !ok {
		token = strings.Clone(token)
		fn.held++
	}
	at[token] = n + 1
}

func (fn *tokensFn) FinishBundle(emit func(string, counts)) {
	for part, c := range fn.counts {
		emit(part, c)
	}
	fn.counts, fn.held = make(map[string]counts), 0
}

// admission says which rows of a source are in the budget.
type admission struct {
	Budget    int
	Available map[string]int
	Cuts      map[string]cut // of sources with more rows than the budget
}

// cut is the bin in which the budget ends, the number of rows in bins before it, and
// then the place of the last row that is in.
type cut struct {
	Bin, Below int
	Last       place
}

// admits reports whether a row is in the budget.
func (a *admission) admits(hash uint64, r *eci.Record) bool {
	c, ok := a.Cuts[r.SourceName]
	if !ok || hash < c.Last.Hash {
		return true
	}
	return hash == c.Last.Hash && placeOf(hash, r).compare(c.Last) <= 0
}

// planFn finds budget and bins from the counts.
type planFn struct{ Settings Settings }

func (fn *planFn) ProcessElement(_ []byte, bins func(*string, *counts) bool, emit func(admission)) error {
	bySource := make(map[string]counts)
	a := admission{Available: make(map[string]int), Cuts: make(map[string]cut)}
	var name string
	for c := (counts)(nil); bins(&name, &c); c = nil {
		bySource[name] = c
		for _, n := range c {
			a.Available[name] += int(n)
		}
	}
	if len(bySource) == 0 {
		return fmt.Errorf("eci/beam: %w: there are no rows; were all of them bad?", eci.ErrNoSources)
	}
	smallest := math.MaxInt
	for _, name := range slices.Sorted(maps.Keys(bySource)) {
		if name == "" {
			return fmt.Errorf("eci/beam: %w: a row has an empty SourceName", eci.ErrSourceName)
		}
		smallest = min(smallest, a.Available[name])
	}
	for _, name := range fn.Settings.Sources {
		if bySource[name] == nil {
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
		for n := 0; ; c.Bin++ {
			if n = int(bySource[name][binName(c.Bin)]); c.Below+n >= a.Budget {
				break
			}
			c.Below += n
		}
		a.Cuts[name] = c
	}
	emit(a)
	return nil
}

// cutFn picks the places in the bin that the budget cuts, about one of 4,096.
type cutFn struct{}

func (cutFn) ProcessElement(source string, data []byte, a admission, emit func(string, []byte)) error {
	c, ok := a.Cuts[source]
	if !ok {
		return nil
	}
	var in packed
	err := eachPlace(data, func(p place) {
		if p.Hash>>(64-binBits) == uint64(c.Bin) {
			in.add(p)
		}
	})
	if len(in.data) > 0 {
		emit(source, in.data)
	}
	return err
}

// limitFn finds the exact limits.
type limitFn struct{ Settings Settings }

func (fn *limitFn) ProcessElement(_ []byte, a admission, in func(*string, *[]byte) bool, emit func(piece)) error {
	bySource := make(map[string][]place)
	var name string
	for data := ([]byte)(nil); in(&name, &data); data = nil {
		if err := eachPlace(data, func(p place) { bySource[name] = append(bySource[name], p) }); err != nil {
			return err
		}
	}
	cuts := make(map[string]cut)
	for name, c := range a.Cuts {
		places := bySource[name]
		slices.SortFunc(places, place.compare)
		c.Last = places[a.Budget-c.Below-1]
		cuts[name] = c
	}
	settings, err := encodeGob(fn.Settings)
	if err != nil {
		return err
	}
	budget, err := encodeAdmission(admission{Budget: a.Budget, Available: a.Available, Cuts: cuts})
	for _, p := range append(split(pieceSettings, "", settings), split(pieceBudget, "", budget)...) {
		emit(p)
	}
	return err
}

// pairRowsFn takes the sample of pairs from the labels.
type pairRowsFn struct{}

func (pairRowsFn) ProcessElement(name string, r eci.Record, emit func(eci.Record)) {
	if name == samplePairs {
		emit(r)
	}
}

// calibrateFn computes the scales from the sample of pairs. The library draws the same
// sample from it as from all rows.
type calibrateFn struct {
	Settings Settings
	Given    []byte
}

func (fn *calibrateFn) ProcessElement(ctx context.Context, _ []byte, pairs func(*eci.Record) bool, tokens func(*string, *counts) bool, emit func(piece)) error {
	if fn.Given != nil {
		for _, p := range split(pieceCalibration, "", fn.Given) {
			emit(p)
		}
		return nil
	}
	sem, err := fn.Settings.sem()
	if err != nil {
		return err
	}
	if sem.Lexicon, err = lexicon(sem.Tokenizer.Name(), tokens); err != nil {
		return err
	}
	var sample []eci.Record
	for r := (eci.Record{}); pairs(&r); r = (eci.Record{}) {
		sample = append(sample, r)
	}
	if len(sample) == 0 {
		return fmt.Errorf("eci/beam: %w: there are no rows; were all of them bad?", eci.ErrNoSources)
	}
	rows := labelRows(sample)
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
	for _, p := range split(pieceCalibration, "", raw) {
		emit(p)
	}
	return nil
}

func compareRowPointers(a, b *eci.Record) int { return compareRows(a, b) }

// lexicon reads counts in the lexicon's own stored form.
func lexicon(tokenizer string, tokens func(*string, *counts) bool) (*eci.Lexicon, error) {
	stored := struct {
		Tokenizer   string            `json:"tokenizer"`
		Documents   int64             `json:"documents"`
		Frequencies map[string]uint32 `json:"document_frequencies"`
	}{tokenizer, 0, make(map[string]uint32)}
	var part string
	for c := (counts)(nil); tokens(&part, &c); c = nil {
		if part == documents {
			stored.Documents = c[documents]
			continue
		}
		for token, n := range c {
			stored.Frequencies[token] = uint32(n)
		}
	}
	raw, err := json.Marshal(stored)
	if err != nil {
		return nil, err
	}
	l := new(eci.Lexicon)
	return l, l.UnmarshalJSON(raw)
}

// labelRows makes triples from rows that are kept for their labels. Their negatives do
// not matter; they get the vector of the positive.
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
