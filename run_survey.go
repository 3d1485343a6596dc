package eci

import (
	"context"
	"fmt"
	"math"
	"slices"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/hash64"
	"example.com/eci/internal/least"
	"example.com/eci/internal/quote"
	"example.com/eci/internal/sorted"
)

// sample says which triples of a source are in the budget: those with the
// smallest seeded hashes. Samples of growing budgets are nested.
type sample struct {
	available int    // triples in the source
	budget    int    // triples wanted; at least available means all
	limit     uint64 // hashes below are in
	ties      int    // of those equal to limit, how many from the first are in
	histogram []uint32
	digest    uint64 // of the texts and ids, in order
	survey    *reading
	tables    uint64                // with a checkpoint: digest of vectors of the probe
	probe     *least.Sample[Record] // with a checkpoint: triples whose vectors represent all
}

// histogramBits sets the memory of a survey, 4 bytes << bits for each source,
// which does not grow with the number of triples.
const histogramBits = 18

func (s *sample) size() int { return min(s.available, s.budget) }

func (s *sample) all() bool { return s.budget >= s.available }

// reading begins a pass over a source.
func (r *run) reading() *reading {
	pass := r.Skip.reading()
	pass.vectors = r.Checkpoint != ""
	if r.Skip&(SkipMissingVector|SkipBadVector) != 0 {
		pass.usable = r.vectors.check
	}
	if r.aim != nil && r.aim.LeaveOut {
		pass.skip |= Skip(fault.SkipTargetQuery)
		pass.usable = r.aim.refuse(pass.usable)
	}
	return pass
}

// survey reads the texts of every source once: it counts triples, sets budgets
// and counts document frequencies, unless there is a lexicon.
func (r *run) survey(ctx context.Context, sources []Source) error {
	known := r.lexicon // of the calibration
	if known == nil {
		known = r.Lexicon
	}
	count := func(string, fingerprint) error { return nil }
	if r.lexicon = known; known == nil {
		r.lexicon = NewLexicon(r.Tokenizer)
		count = r.counting()
	}
	const (
		probeTriples = 64      // of a source, whose vectors a checkpoint tells apart
		mostIDs      = 1 << 16 // whose texts are compared: a few megabytes
	)
	r.shared = least.NewDistinct[sharedID](mostIDs)
	smallest := math.MaxInt
	for _, source := range sources {
		s := &sample{histogram: make([]uint32, 1<<histogramBits), survey: r.reading(), probe: least.New[Record](probeTriples)}
		r.samples[source.Name] = s
		if err := r.surveyOne(ctx, source, s, count); err != nil {
			return err
		}
		if s.available == 0 {
			return &RowError{Source: source.Name, Err: fmt.Errorf("%w%s", ErrEmptySource, skippedNote(s.survey.skipped))}
		}
		smallest = min(smallest, s.available)
	}
	for _, source := range sources {
		s := r.samples[source.Name]
		switch r.Budget {
		case Unlimited:
			s.budget = s.available
		case 0:
			s.budget = smallest
		default:
			s.budget = r.Budget
		}
		if !s.all() {
			if err := r.refine(ctx, source, s); err != nil {
				return err
			}
		}
		s.histogram = nil
	}
	if r.dimension > 0 { // of the calibration
		if err := r.fits(); err != nil {
			return err
		}
	}
	return r.openCheckpoint(ctx, sources)
}

// counting returns a function that adds every distinct text to the run's lexicon.
func (r *run) counting() func(text string, f fingerprint) error {
	seen := make(map[fingerprint]struct{})
	return func(text string, f fingerprint) error {
		if _, ok := seen[f]; ok {
			return nil
		}
		seen[f] = struct{}{}
		r.lexicon.Add(text)
		if r.lexicon.counts.Bytes() > r.MemoryBytes {
			return fmt.Errorf("%w: the lexicon has %d distinct tokens, which take %s, Sem.MemoryBytes allows %s; give a Sem.Lexicon counted over fewer documents, another Tokenizer, or raise it",
				ErrMemory, r.lexicon.counts.Tokens(), quote.Bytes(r.lexicon.counts.Bytes()), quote.Bytes(r.MemoryBytes))
		}
		return nil
	}
}

// surveyOne reads the texts of one source.
func (r *run) surveyOne(ctx context.Context, source Source, s *sample, count func(text string, f fingerprint) error) error {
	return source.each(ctx, s.survey, nil, func(rec *Record) error {
		q, p := hash64.FingerprintOf(rec.QueryText), hash64.FingerprintOf(rec.PositiveText)
		if err := count(rec.PositiveText, p); err != nil {
			return err
		}
		n := hash64.FingerprintOf(rec.NegativeText)
		h := hash64.Triple(r.Seed, q, p, n)
		r.shareIDs(source.Name, rec, [3]fingerprint{q, p, n})
		if r.aim == nil {
			r.labels.offer(source.Name, rec, q, p)
		} else if r.aim.meets(rec) {
			r.aim.shared[source.Name]++
		}
		if r.Checkpoint != "" {
			s.probe.Offer(h, func() Record { return *rec })
		}
		s.histogram[h>>(64-histogramBits)]++
		for _, id := range [...]string{rec.QueryID, rec.PositiveID, rec.NegativeID} {
			h = hash64.Mix(hash64.FNV1a(h, id))
		}
		s.digest = hash64.Mix(s.digest ^ h)
		s.available++
		if s.available%8192 == 0 {
			r.progress("survey", source, s.available)
		}
		return nil
	})
}

// sharedID is an id by which a vector is looked up, with the text it first came with.
type sharedID struct {
	text uint64
	note string // where it came with another text; "" if it did not
}

// shareIDs looks for ids of stored vectors that come with two texts. One vector would
// stand for both, and nothing else would show it.
func (r *run) shareIDs(source string, rec *Record, texts [3]fingerprint) {
	if r.vectors.tables == nil {
		return
	}
	for k, at := range rec.texts() {
		if at.id == "" || at.vector != nil {
			continue
		}
		text := texts[k].Word()
		id := r.shared.Offer(hash64.Mix(hash64.FNV1a(hash64.Mix(uint64(at.role)+1), at.id)), func() sharedID { return sharedID{text: text} })
		if id == nil || id.text == text || id.note != "" {
			continue
		}
		// With tables of texts the id finds nothing, and each text has its own vector.
		if _, err := at.by(at.id, r.vectors.tables, nil); err == nil {
			id.note = fmt.Sprintf("%q in row %d of %s", quote.Clip(at.id), rec.Row, source)
		} else {
			id.text = text
		}
	}
}

// sharedNotes reports the ids that have two texts and one vector.
func (r *run) sharedNotes() []string {
	if r.shared == nil {
		return nil
	}
	count, first := 0, ""
	for _, id := range r.shared.Sorted() {
		if id.note != "" {
			if count++; count == 1 {
				first = id.note
			}
		}
	}
	switch {
	case count == 0:
		return nil
	case r.shared.Full():
		first += fmt.Sprintf(" (%d ids of least hash were compared, of more)", r.shared.Len())
	}
	return []string{fmt.Sprintf("ids with two texts and one vector: %d, such as %s; give each text an id of its own (lint lists them as %s)", count, first, LintIDConflict)}
}

// refine reads a source a second time for the hashes in the one bin of the
// histogram that the budget cuts, about available/2^18 of them, and finds the
// exact limit.
func (r *run) refine(ctx context.Context, source Source, s *sample) error {
	bin, below := 0, 0
	for below+int(s.histogram[bin]) < s.budget {
		below += int(s.histogram[bin])
		bin++
	}
	var hashes []uint64
	pass := r.reading()
	err := source.each(ctx, pass, nil, func(rec *Record) error {
		if h := rec.hash(r.Seed); h>>(64-histogramBits) == uint64(bin) {
			hashes = append(hashes, h)
		}
		return nil
	})
	if err == nil {
		err = s.survey.same(source, pass)
	}
	if err != nil {
		return err
	}
	slices.Sort(hashes)
	take := s.budget - below
	s.limit = hashes[take-1]
	s.ties = take - slices.Index(hashes, s.limit)
	return nil
}

// admission returns a function that tells, triple by triple from the start of
// the source, which are in the budget.
func (r *run) admission(s *sample) func(rec *Record) bool {
	if s == nil || s.all() {
		return func(*Record) bool { return true }
	}
	ties := s.ties
	return func(rec *Record) bool {
		h := rec.hash(r.Seed)
		if h == s.limit && ties > 0 {
			ties--
			return true
		}
		return h < s.limit
	}
}

func skippedNote(skipped map[string]int) string {
	note := ""
	for _, reason := range sorted.Keys(skipped) {
		note += fmt.Sprintf("; %d rows left out: %s", skipped[reason], reason)
	}
	return note
}

// budgetNotes says so when the smallest source cuts the budget of another one to
// half or less.
func (r *run) budgetNotes() []string {
	if r.Budget != 0 {
		return nil
	}
	var smallest, largest string
	for _, name := range sorted.Keys(r.samples) {
		n := r.samples[name].available
		if smallest == "" || n < r.samples[smallest].available {
			smallest = name
		}
		if largest == "" || n > r.samples[largest].available {
			largest = name
		}
	}
	least, most := 0, 0
	if smallest != "" {
		least, most = r.samples[smallest].available, r.samples[largest].available
	}
	if most < 2*least || most == least {
		return nil
	}
	return []string{fmt.Sprintf("%s has only %d triples, so %d of each source are used, of the %d of %s too: leave it out, or set Sem.Budget", smallest, least, least, most, largest)}
}
