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
func (s *surveyed) reading() *reading {
	pass := s.settings.Skip.reading()
	pass.vectors = s.settings.Checkpoint != ""
	if s.settings.Skip&(SkipMissingVector|SkipBadVector) != 0 {
		pass.usable = s.vectors.check
	}
	if s.aim != nil && s.aim.LeaveOut {
		pass.skip |= Skip(fault.SkipTargetQuery)
		pass.usable = s.aim.refuse(pass.usable)
	}
	return pass
}

// survey reads the texts of every source once: it counts triples, sets budgets
// and counts document frequencies, unless there is a lexicon.
func (e *engine) survey(ctx context.Context, sources []Source) (_ *surveyed, err error) {
	if err := checkSources(sources); err != nil {
		return nil, err
	}
	s := e.unread()
	defer func() {
		if err != nil {
			e.close()
		}
	}()
	if e.ahead != nil {
		s.labels.followQueries()
		if e.ahead.Target != nil {
			if err := s.aimAt(ctx, e.ahead.Target); err != nil {
				return nil, err
			}
		}
	}
	count := func(string, fingerprint) error { return nil }
	if s.lexicon == nil {
		s.lexicon = NewLexicon(s.settings.Tokenizer)
		count = s.counting()
	}
	const probeTriples = 64 // of a source, by whose vectors a checkpoint tells tables apart
	smallest := math.MaxInt
	for _, source := range sources {
		part := &sample{histogram: make([]uint32, 1<<histogramBits), survey: s.reading(), probe: least.New[Record](probeTriples)}
		s.samples[source.Name] = part
		if err := s.surveyOne(ctx, source, part, count); err != nil {
			return nil, err
		}
		if part.available == 0 {
			return nil, &RowError{Source: source.Name, Err: fmt.Errorf("%w%s", ErrEmptySource, skippedNote(part.survey.skipped))}
		}
		smallest = min(smallest, part.available)
	}
	if err := s.setBudgets(ctx, sources, smallest); err != nil {
		return nil, err
	}
	if s.dimension > 0 { // of the calibration
		if err := s.fits(); err != nil {
			return nil, err
		}
	}
	return s, s.openCheckpoint(ctx, sources)
}

// unread returns a survey of no source.
func (e *engine) unread() *surveyed {
	const (
		mostPairs = 2048    // that the scales are taken over
		mostIDs   = 1 << 16 // whose texts are compared: a few megabytes
	)
	s := &surveyed{engine: e, shared: least.NewDistinct[sharedID](mostIDs), samples: make(map[string]*sample), lexicon: e.settings.Lexicon}
	s.labels = &labels{seed: e.settings.Seed, pairs: least.NewDistinct[labeledPair](mostPairs)}
	if e.frozen != nil {
		s.dimension = e.frozen.calibration.Dimension
	}
	return s
}

// setBudgets decides how many triples of every source are scored, and which.
func (s *surveyed) setBudgets(ctx context.Context, sources []Source, smallest int) error {
	for _, source := range sources {
		part := s.samples[source.Name]
		switch s.settings.Budget {
		case Unlimited:
			part.budget = part.available
		case 0:
			part.budget = smallest
		default:
			part.budget = s.settings.Budget
		}
		if !part.all() {
			if err := s.refine(ctx, source, part); err != nil {
				return err
			}
		}
		part.histogram = nil
	}
	return nil
}

// counting returns a function that adds every distinct text to the lexicon.
func (s *surveyed) counting() func(text string, f fingerprint) error {
	seen := make(map[fingerprint]struct{})
	return func(text string, f fingerprint) error {
		if _, ok := seen[f]; ok {
			return nil
		}
		seen[f] = struct{}{}
		s.lexicon.Add(text)
		if s.lexicon.counts.Bytes() > s.settings.MemoryBytes {
			return fmt.Errorf("%w: the lexicon has %d distinct tokens, which take %s, Sem.MemoryBytes allows %s; give a Sem.Lexicon counted over fewer documents, another Tokenizer, or raise it",
				ErrMemory, s.lexicon.counts.Tokens(), quote.Bytes(s.lexicon.counts.Bytes()), quote.Bytes(s.settings.MemoryBytes))
		}
		return nil
	}
}

// surveyOne reads the texts of one source.
func (s *surveyed) surveyOne(ctx context.Context, source Source, part *sample, count func(text string, f fingerprint) error) error {
	return source.each(ctx, part.survey, nil, func(rec *Record) error {
		q, p := hash64.FingerprintOf(rec.QueryText), hash64.FingerprintOf(rec.PositiveText)
		if err := count(rec.PositiveText, p); err != nil {
			return err
		}
		n := hash64.FingerprintOf(rec.NegativeText)
		h := hash64.Triple(s.settings.Seed, q, p, n)
		s.shareIDs(source.Name, rec, [3]fingerprint{q, p, n})
		if s.aim == nil {
			s.labels.offer(source.Name, rec, q, p)
		} else if s.aim.meets(rec) {
			s.aim.shared[source.Name]++
		}
		if s.settings.Checkpoint != "" {
			part.probe.Offer(h, func() Record { return *rec })
		}
		part.histogram[h>>(64-histogramBits)]++
		for _, id := range [...]string{rec.QueryID, rec.PositiveID, rec.NegativeID} {
			h = hash64.Mix(hash64.FNV1a(h, id))
		}
		part.digest = hash64.Mix(part.digest ^ h)
		part.available++
		if part.available%8192 == 0 {
			s.progress("survey", source, part.available)
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
func (s *surveyed) shareIDs(source string, rec *Record, texts [3]fingerprint) {
	if s.vectors.tables == nil {
		return
	}
	for k, at := range rec.texts() {
		if at.id == "" || at.vector != nil {
			continue
		}
		text := texts[k].Word()
		id := s.shared.Offer(hash64.Mix(hash64.FNV1a(hash64.Mix(uint64(at.role)+1), at.id)), func() sharedID { return sharedID{text: text} })
		if id == nil || id.text == text || id.note != "" {
			continue
		}
		// With tables of texts the id finds nothing, and each text has its own vector.
		if _, err := at.by(at.id, s.vectors.tables, nil); err == nil {
			id.note = fmt.Sprintf("%q in row %d of %s", quote.Clip(at.id), rec.Row, source)
		} else {
			id.text = text
		}
	}
}

// sharedNotes reports the ids that have two texts and one vector.
func (s *surveyed) sharedNotes() []string {
	count, first := 0, ""
	for _, id := range s.shared.Sorted() {
		if id.note != "" {
			if count++; count == 1 {
				first = id.note
			}
		}
	}
	switch {
	case count == 0:
		return nil
	case s.shared.Full():
		first += fmt.Sprintf(" (%d ids of least hash were compared, of more)", s.shared.Len())
	}
	return []string{fmt.Sprintf("ids with two texts and one vector: %d, such as %s; give each text an id of its own (lint lists them as %s)", count, first, LintIDConflict)}
}

// refine reads a source a second time for the hashes in the one bin of the
// histogram that the budget cuts, about available/2^18 of them, and finds the
// exact limit.
func (s *surveyed) refine(ctx context.Context, source Source, part *sample) error {
	bin, below := 0, 0
	for below+int(part.histogram[bin]) < part.budget {
		below += int(part.histogram[bin])
		bin++
	}
	var hashes []uint64
	pass := s.reading()
	err := source.each(ctx, pass, nil, func(rec *Record) error {
		if h := rec.hash(s.settings.Seed); h>>(64-histogramBits) == uint64(bin) {
			hashes = append(hashes, h)
		}
		return nil
	})
	if err == nil {
		err = part.survey.same(source, pass)
	}
	if err != nil {
		return err
	}
	slices.Sort(hashes)
	take := part.budget - below
	part.limit = hashes[take-1]
	part.ties = take - slices.Index(hashes, part.limit)
	return nil
}

// admission returns a function that tells, triple by triple from the start of
// the source, which are in the budget.
func (s *surveyed) admission(part *sample) func(rec *Record) bool {
	if part == nil || part.all() {
		return func(*Record) bool { return true }
	}
	ties := part.ties
	return func(rec *Record) bool {
		h := rec.hash(s.settings.Seed)
		if h == part.limit && ties > 0 {
			ties--
			return true
		}
		return h < part.limit
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
func (s *surveyed) budgetNotes() []string {
	if s.settings.Budget != 0 {
		return nil
	}
	var smallest, largest string
	for _, name := range sorted.Keys(s.samples) {
		n := s.samples[name].available
		if smallest == "" || n < s.samples[smallest].available {
			smallest = name
		}
		if largest == "" || n > s.samples[largest].available {
			largest = name
		}
	}
	least, most := 0, 0
	if smallest != "" {
		least, most = s.samples[smallest].available, s.samples[largest].available
	}
	if most < 2*least || most == least {
		return nil
	}
	return []string{fmt.Sprintf("%s has only %d triples, so %d of each source are used, of the %d of %s too: leave it out, or set Sem.Budget", smallest, least, least, most, largest)}
}
