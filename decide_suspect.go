package eci

import (
	"context"
	"fmt"
	"iter"
	"math"

	"example.com/eci/internal/cosine"
	"example.com/eci/internal/fault"
	"example.com/eci/internal/lexicon"
)

// Suspect is a triple whose negative may answer the query, with the evidence.
//
// There are three signs, each in [0, 1]:
//
//	Ranked   = min(1, 2 (1 - c))      1 when the encoder ranks the negative above the positive
//	Semantic = max(0, cos(p', n'))    p' and n' are p and n without their parts along q
//	Lexical  = ovl(p \ q, n \ q)      overlap of p and n beyond the words of the query
//
// where c is the target consistency at temperature 1. Every hard negative is near
// the query, and two passages near the query are near each other for that reason
// alone. The second and third signs therefore measure what the passages share
// beyond the query: the partial cosine, and the IDF-weighted Jaccard overlap
// without the query's tokens. The score is the geometric mean of the three:
//
//	Score = (Ranked Semantic Lexical)^(1/3)
//
// A negative that repeats its positive has Score 1. One that shares no word with
// it, except the query's, has Score 0. The formula is this project's own.
//
// The score is meant to order triples for reading. It does not separate false
// negatives from true ones. In the demo's source "contaminated", 160 of 480 negatives
// answer the query, and a random false negative has a higher score than a random other
// one in 77% of the cases (AUC .77). Lexical alone has .80 and Semantic alone .79. 1 -
// c alone has .29: the other negatives were mined with the same encoder, so their
// margins are low by selection. The score works better against negatives found in
// other ways: .87 against the demo's "bm25", .82 against "llm" and .97 against
// "random". The top of the order is purer: all 27 rows of "contaminated" above 0.4
// answer the query. TestSuspectsOfContaminated measures all of these.
// Only the goroutine that ranges over the sequence may use it.
type Suspect struct {
	// Weighted is the triple, with its weight, as [Sem.Weigh] gives it.
	Weighted
	// Score is the geometric mean of the other three, all in [0, 1].
	Score                     float64
	Ranked, Semantic, Lexical float64
}

// Suspects yields the triples of a source whose [Suspect] score is at least threshold,
// in order. Threshold 0 yields all of them. Calibration must be set. A Suspect is
// valid until the iterator advances. Errors are those of [Sem.Weigh].
func (s *Sem) Suspects(ctx context.Context, source Source, threshold float64) iter.Seq2[*Suspect, error] {
	return func(yield func(*Suspect, error) bool) {
		if math.IsNaN(threshold) {
			yield(nil, fmt.Errorf("eci: suspects: %w: the threshold is NaN", ErrSettings))
			return
		}
		r, err := s.weigher(source, 0)
		if err != nil {
			yield(nil, err)
			return
		}
		for w, err := range s.Weigh(ctx, source) {
			if err != nil {
				yield(nil, err)
				return
			}
			if suspect := r.suspect(w); suspect.Score >= threshold && !yield(suspect, nil) {
				return
			}
		}
	}
}

// WithoutSuspects returns a source of the same name and order without the triples
// whose [Suspect] score is at least threshold. Train on it, or rank it next to the
// original under another name. The context applies to every reading of it.
func (s *Sem) WithoutSuspects(ctx context.Context, source Source, threshold float64) Source {
	return Source{Name: source.Name, Triples: func(yield func(Triple, error) bool) {
		for suspect, err := range s.Suspects(ctx, source, 0) {
			if err != nil {
				yield(nil, err)
				return
			}
			if suspect.Score < threshold && !yield(suspect.Record, nil) {
				return
			}
		}
	}}
}

func (r *run) suspect(w *Weighted) *Suspect {
	c := TargetConsistency{}.Weight(&w.Evidence)
	out := &Suspect{Weighted: *w, Ranked: min(1, 2*(1-c)), Semantic: max(0, cosine.Partial(w.Record.PositiveVector, w.Record.NegativeVector, w.PositiveSimilarity, w.NegativeSimilarity))}
	scratch := lexicon.Borrow()
	defer scratch.Return()
	query := r.lexicon.features(w.Record.QueryText, scratch)
	positive := r.lexicon.features(w.Record.PositiveText, scratch).Without(query)
	negative := r.lexicon.features(w.Record.NegativeText, scratch).Without(query)
	out.Lexical = lexicon.Overlap(positive, negative)
	if w.Record.PositiveText == w.Record.NegativeText {
		out.Semantic, out.Lexical = 1, 1 // also where nothing is left without the query
	}
	out.Score = math.Cbrt(out.Ranked * out.Semantic * out.Lexical)
	return out
}

// Filter says which triples of a source to keep. A triple must pass every criterion
// that is set. The zero value keeps all. Common filters were measured to gain nothing
// over a random share of the same size (docs/evidence.md). Before you train, compare
// the two with [Lookahead]; see [Source.RandomShare].
// It is safe for concurrent use as long as no goroutine changes it.
type Filter struct {
	// Margin keeps triples with s+ - s- of at least this value, in cosine units.
	Margin *float64
	// PositiveShare keeps triples with s- of at most this share of s+, like the
	// positive-aware filters of miners. 0.95 is usual. A triple with s+ of 0 or less
	// is kept if s- is no greater. 0 means no limit.
	PositiveShare float64
	// Suspicion keeps triples with a [Suspect] score below this value, in (0, 1]. 0
	// means no limit.
	Suspicion float64
	// Window keeps negatives by their rank; see [Window]. The zero value means all
	// ranks.
	Window Window
	// Keep keeps the triples for which it returns true, for example by the score of a
	// cross-encoder. Nil keeps all.
	Keep func(*Record) bool
}

// Validate returns an error for criteria that make no sense.
func (f *Filter) Validate() error {
	switch {
	case f.Margin != nil && math.IsNaN(*f.Margin):
		return fmt.Errorf("eci: filter: %w: the margin is NaN", ErrSettings)
	case !(f.PositiveShare >= 0) || math.IsInf(f.PositiveShare, 0):
		return fmt.Errorf("eci: filter: %w: a share of %v of the positive's similarity; use a positive number, or 0 for any", ErrSettings, f.PositiveShare)
	case !(f.Suspicion >= 0 && f.Suspicion <= 1):
		return fmt.Errorf("eci: filter: %w: a suspicion of %v is not in [0, 1]", ErrSettings, f.Suspicion)
	}
	return f.Window.validate()
}

// Filter returns a source of the same name and order with the triples that f keeps.
// Criteria on similarities and suspicion need vectors and a Calibration, as
// [Sem.Suspects] does. For them, Filter reads the source once and uses 8 bytes of
// memory for each triple kept. Without them, nothing is embedded. The triples are the
// source's own.
func (s *Sem) Filter(ctx context.Context, f Filter, source Source) (Source, error) {
	if err := f.Validate(); err != nil {
		return Source{}, err
	}
	source = f.Window.Of(source)
	if f.Keep != nil {
		source = source.only(f.Keep)
	}
	if f.Margin == nil && f.PositiveShare == 0 && f.Suspicion == 0 {
		return source, nil
	}
	keep := make(map[uint64]struct{})
	for suspect, err := range s.Suspects(ctx, source, 0) {
		if err != nil {
			return Source{}, err
		}
		if f.passes(suspect) {
			keep[suspect.Record.hash(0)] = struct{}{}
		}
	}
	return source.only(func(rec *Record) bool { _, ok := keep[rec.hash(0)]; return ok }), nil
}

// passes reports whether a triple is near enough.
func (f *Filter) passes(s *Suspect) bool {
	return (f.Margin == nil || s.Margin >= *f.Margin) &&
		(f.PositiveShare == 0 || s.NegativeSimilarity <= f.PositiveShare*math.Max(0, s.PositiveSimilarity) ||
			s.PositiveSimilarity <= 0 && s.NegativeSimilarity <= s.PositiveSimilarity) &&
		(f.Suspicion == 0 || s.Score < f.Suspicion)
}

// Relabeled is a source in which suspects have become positives.
// It is safe for concurrent use as long as no goroutine changes it.
type Relabeled struct {
	Source
	// Suspects is the number of triples whose negative was a suspect. Lost is the
	// number of those that no negative is left for. Added is the number of new
	// triples.
	Suspects, Lost, Added int
}

// Relabel turns negatives that are suspects of at least threshold into positives, as
// relabeling of false negatives does. It leaves out a triple whose negative is a
// suspect. The remaining negatives of its query and positive are repeated with the
// suspect as their positive. Triples of one query and positive must be adjacent, as
// they are in files. Calibration must be set. Relabel reads the source twice and uses
// 8 bytes of memory for each suspect.
func (s *Sem) Relabel(ctx context.Context, source Source, threshold float64) (*Relabeled, error) {
	found := make(map[uint64]struct{})
	for suspect, err := range s.Suspects(ctx, source, threshold) {
		if err != nil {
			return nil, err
		}
		found[suspect.Record.hash(0)] = struct{}{}
	}
	out := &Relabeled{}
	out.Source = Source{Name: source.Name, Triples: func(yield func(Triple, error) bool) {
		new(Relabeled).turn(source, found, yield)
	}}
	var failed error
	out.turn(source, found, func(_ Triple, err error) bool {
		if skip, _ := fault.Reason(err); err != nil && Skip(skip)&s.Skip == 0 {
			failed = source.wrap(nil, err)
		}
		return failed == nil
	})
	return out, failed
}

// turned returns the extra fields of a triple whose positive is now the suspect.
func (suspect *Record) turned(extra []Extra) (all []Extra) {
	for _, e := range extra {
		if e.Of != "positive" {
			all = append(all, e)
		}
	}
	for _, e := range suspect.Extra {
		if e.Of == "negative" {
			e.Of = "positive"
			all = append(all, e)
		}
	}
	return all
}

// turn yields the triples of a source, and those relabeled for each query and
// positive. It counts them.
func (count *Relabeled) turn(source Source, suspects map[uint64]struct{}, yield func(Triple, error) bool) {
	var honest, found []Record // of the current query and positive
	flush := func() bool {
		defer func() { honest, found = nil, nil }()
		for i := range honest {
			if !yield(&honest[i], nil) {
				return false
			}
		}
		count.Suspects += len(found)
		for _, suspect := range found {
			if len(honest) == 0 {
				count.Lost++
			}
			for _, rec := range honest {
				rec.PositiveID, rec.PositiveText, rec.PositiveVector = suspect.NegativeID, suspect.NegativeText, suspect.NegativeVector
				rec.Extra = suspect.turned(rec.Extra)
				if count.Added++; !yield(&rec, nil) {
					return false
				}
			}
		}
		return true
	}
	pair, row := uint64(0), 0
	for triple, err := range source.Triples {
		row++
		if r, ok := triple.(*Record); err != nil || triple == nil || ok && r == nil {
			if !flush() || !yield(triple, err) {
				return
			}
			continue
		}
		var rec Record
		if r, ok := triple.(*Record); ok {
			rec = *r
		} else {
			rec.fill(triple, row, new([]float32))
		}
		if key := rec.pair(); key != pair {
			if !flush() {
				return
			}
			pair = key
		}
		if _, ok := suspects[rec.hash(0)]; ok {
			found = append(found, rec)
		} else {
			honest = append(honest, rec)
		}
	}
	flush()
}
