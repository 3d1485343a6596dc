package ecibeam

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"example.com/eci"
	"example.com/eci/internal/lookahead"
)

func init() {
	beam.RegisterDoFn(&influencesFn{})
	register.DoFn4x1[context.Context, eci.Record, func(*piece) bool, func(string, ChosenRow), error](&influenceFn{})
	beam.RegisterDoFn(&chooseFn{})
	beam.RegisterDoFn(&chosenLineFn{})
	register.Emitter1[ChosenRow]()
	register.Emitter2[string, ChosenRow]()
	register.Iter1[ChosenRow]()
	beam.RegisterCoder(reflect.TypeFor[ChosenRow](), encodeChosen, decodeChosen)
}

// ChosenRow is a row with its influence, as [eci.Chosen] is.
// It is a plain value and safe for concurrent use.
type ChosenRow struct {
	// Row has no vectors: they are most of a row, and were used up by the influence.
	Row eci.Record
	// Influence is positive for a row that helps. Its unit is comparable within one
	// choice only.
	Influence float64
	// Place is the row's place by influence among those of its query and positive,
	// from 1. Kept reports whether it is one to train on.
	Place int
	Kept  bool
}

// encodeChosen writes the influence as a float32, which is what it is.
func encodeChosen(c ChosenRow) []byte {
	kept := byte(0)
	if c.Kept {
		kept = 1
	}
	out := binary.LittleEndian.AppendUint32([]byte{kept}, math.Float32bits(float32(c.Influence)))
	return append(binary.AppendUvarint(out, uint64(c.Place)), encodeRecord(c.Row)...)
}

func decodeChosen(data []byte) (c ChosenRow, err error) {
	in := reader{data: data}
	head := in.take(5)
	c.Place = int(in.uvarint())
	if in.bad || head[0] > 1 || c.Place < 0 {
		return ChosenRow{}, fmt.Errorf("eci/beam: choice: %w: %d bytes are not a stored row", eci.ErrFormat, len(data))
	}
	c.Kept, c.Influence = head[0] == 1, float64(math.Float32frombits(binary.LittleEndian.Uint32(head[1:])))
	c.Row, err = decodeRecord(in.data)
	return c, err
}

// Influences prepares a choice on this machine: what [ChooseRows] scores rows with, by
// the name of the source that the rows are of. from names the sources to choose from;
// nil means all. The labeled queries and positives of the others are evaluated too.
// Without join, a choice is made within each source. With join, the sources share one
// influence, and a choice is made from all of them together, as if they were one
// source, in the order of their names.
//
// The summary must hold samples and labels for it; see [Settings].ChoiceSample. Of
// choose, Sample is at most that, and 0 means that. Lookahead.Pool, Relevant, Target,
// Cutoff and Axes are those of [eci.Choose], and Lookahead.Sem.Vectors and Embedder
// find vectors for them. Scales are those of the summary. With a Target, they are
// those of Lookahead.Sem.Calibration or, without one, of the target. Other fields are
// not used: there is no [eci.ChoiceCheck], because it needs all triples of a pair.
// choose may be nil. Errors are those of eci.Choose.Influence, ErrSourceName for a name
// that the summary does not have, and ErrSettings for a sample that it does not have and
// for Target.LeaveOut.
func (s *Summary) Influences(ctx context.Context, choose *eci.Choose, join bool, from ...string) (map[string]*eci.Influence, error) {
	given := eci.Choose{}
	if choose != nil {
		given = *choose
	}
	c := eci.Choose{Sample: cmp.Or(given.Sample, s.Settings.ChoiceSample)}
	if c.Sample < 1 || c.Sample > s.Settings.ChoiceSample {
		return nil, fmt.Errorf("eci/beam: %w: a choice from %d triples of least hash; the summary holds %d of each source; run the pipeline with Settings.ChoiceSample (eci-beam -choose or -sample)", eci.ErrSettings, c.Sample, s.Settings.ChoiceSample)
	}
	sem, err := s.Sem()
	if err != nil {
		return nil, err
	}
	ahead := given.Lookahead
	if ahead.Target != nil {
		if ahead.Target.LeaveOut {
			return nil, errLeaveOut
		}
		sem.Calibration = ahead.Sem.Calibration
	}
	sem.Vectors, sem.Embedder = ahead.Sem.Vectors, ahead.Sem.Embedder
	c.Lookahead = eci.Lookahead{
		Sem: *sem, Pool: ahead.Pool, Relevant: ahead.Relevant, Target: ahead.Target,
		Cutoff: cmp.Or(ahead.Cutoff, s.Settings.Cutoff), Axes: cmp.Or(ahead.Axes, s.Settings.Axes),
	}
	sources := s.samples()
	for _, name := range from {
		if !slices.ContainsFunc(sources, func(x eci.Source) bool { return x.Name == name }) {
			return nil, fmt.Errorf("eci/beam: %w: the summary has no source %q to choose from", eci.ErrSourceName, name)
		}
	}
	wanted := func(x eci.Source) bool { return len(from) == 0 || slices.Contains(from, x.Name) }
	out := make(map[string]*eci.Influence)
	if join {
		chosen := slices.DeleteFunc(slices.Clone(sources), func(x eci.Source) bool { return !wanted(x) })
		in, err := c.Influence(ctx, joinedSource(chosen), slices.DeleteFunc(sources, wanted)...)
		if err != nil {
			return nil, err
		}
		for i := range chosen {
			out[chosen[i].Name] = in
		}
		return out, nil
	}
	for i, source := range sources {
		if !wanted(source) {
			continue
		}
		others := slices.Concat(sources[:i], sources[i+1:])
		if out[source.Name], err = c.Influence(ctx, source, others...); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// joinedSource returns the sources as one, named after all of them.
func joinedSource(sources []eci.Source) eci.Source {
	var names []string
	for _, s := range sources {
		names = append(names, s.Name)
	}
	return eci.Source{Name: strings.Join(names, "+"), Triples: func(yield func(eci.Triple, error) bool) {
		for _, s := range sources {
			for t, err := range s.Triples {
				if !yield(t, err) {
					return
				}
			}
		}
	}}
}

// influenceMagic begins a file of influences, which is stored like a summary.
const influenceMagic = "ECIF1"

// WriteInfluences writes influences to a path on any file system that Beam knows, for
// [ReadInfluences]. It is for what a worker can read: influences are 2 MB each at
// d = 768, too much for the description of a pipeline.
func WriteInfluences(ctx context.Context, path string, influences map[string]*eci.Influence) error {
	var pieces []piece
	written := make(map[string]*eci.Influence)
	for _, source := range slices.Sorted(maps.Keys(influences)) {
		in := influences[source]
		raw, err := in.MarshalBinary()
		if err != nil {
			return fmt.Errorf("eci/beam: the influence of %q: %w", source, err)
		}
		pieces = append(pieces, split(pieceChooses, source, []byte(in.Source))...)
		if other := written[in.Source]; other != nil && other != in {
			return fmt.Errorf("eci/beam: %w: two influences were made for a source of the name %q", eci.ErrSourceName, in.Source)
		} else if other == nil {
			written[in.Source] = in
			pieces = append(pieces, split(pieceInfluence, in.Source, raw)...)
		}
	}
	if len(pieces) == 0 {
		return fmt.Errorf("eci/beam: %w: there are no influences to choose by", eci.ErrSettings)
	}
	return writeFile(ctx, path, storePieces(influenceMagic, pieces))
}

// ReadInfluences reads what [WriteInfluences] wrote. It returns a PCollection of pieces
// of at most 2 MiB for [ChooseRows].
func ReadInfluences(s beam.Scope, path string) beam.PCollection {
	filesystem.ValidateScheme(path)
	s = s.Scope("eci.ReadInfluences")
	return beam.ParDo(s, &influencesFn{path}, beam.Impulse(s))
}

type influencesFn struct{ Path string }

func (fn *influencesFn) ProcessElement(ctx context.Context, _ []byte, emit func(piece)) error {
	raw, err := readFile(ctx, fn.Path)
	if err != nil {
		return err
	}
	pieces, err := readPieces(influenceMagic, raw)
	if err != nil {
		return fmt.Errorf("%s: %w", fn.Path, err)
	}
	for _, p := range pieces {
		emit(p)
	}
	return nil
}

// ChooseRows scores every row and chooses. Within every pair of query and positive it
// keeps the share of rows with the highest influence, keep in (0, 1] or 0 for 0.5, at
// least one; of equal ones those read first. rows is a PCollection of [eci.Record] with
// vectors and without bad rows (see [CheckRows]), the same that were ranked.
// influences are those of [ReadInfluences]. Rows of a source without one are left out.
// It returns a PCollection of [ChosenRow], one for each row that was scored, with the
// influence, place and choice of [eci.Choose].
//
// Every row is shuffled once, without its vectors. The rows of one pair are collected
// on one worker. A row that cannot be scored fails the pipeline with source, file and
// row.
func ChooseRows(s beam.Scope, keep float64, rows, influences beam.PCollection) beam.PCollection {
	s = s.Scope("eci.ChooseRows")
	keep = cmp.Or(keep, 0.5)
	if !(keep > 0 && keep <= 1) {
		panic(fmt.Errorf("eci/beam: %w: keep is %v, want a share in (0, 1]", eci.ErrSettings, keep))
	}
	scored := beam.ParDo(s, &influenceFn{}, rows, beam.SideInput{Input: influences})
	return beam.ParDo(s, &chooseFn{keep}, beam.GroupByKey(s, scored))
}

// influenceFn scores rows in batches within a bundle. From one bundle to the next it
// keeps only the influences, so that a repeated bundle gives the same result.
type influenceFn struct {
	influences map[string]*eci.Influence // by source of rows
	pending    map[string][]*eci.Record  // by the source of their influence
}

func (fn *influenceFn) StartBundle(_ context.Context, _ func(*piece) bool, _ func(string, ChosenRow)) {
	fn.pending = make(map[string][]*eci.Record) // a bundle that failed may have left rows behind
}

func (fn *influenceFn) ProcessElement(ctx context.Context, r eci.Record, frozen func(*piece) bool, emit func(string, ChosenRow)) error {
	if err := fn.prepare(frozen); err != nil {
		return err
	}
	in := fn.influences[r.SourceName]
	if in == nil {
		return nil
	}
	if fn.pending[in.Source] = append(fn.pending[in.Source], &r); len(fn.pending[in.Source]) < rowsPerBatch {
		return nil
	}
	return fn.score(ctx, in, emit)
}

func (fn *influenceFn) FinishBundle(ctx context.Context, frozen func(*piece) bool, emit func(string, ChosenRow)) error {
	for _, name := range slices.Sorted(maps.Keys(fn.influences)) {
		if err := fn.score(ctx, fn.influences[name], emit); err != nil {
			return err
		}
	}
	fn.pending = nil
	return nil
}

// prepare reads the influences, once.
func (fn *influenceFn) prepare(frozen func(*piece) bool) error {
	if fn.influences != nil {
		return nil
	}
	byValue := make(map[valueOf][]piece)
	for p := (piece{}); frozen(&p); p = (piece{}) {
		at := valueOf{p.Kind, p.Source}
		byValue[at] = append(byValue[at], p)
	}
	influences, read := make(map[string]*eci.Influence), make(map[string]*eci.Influence)
	for at, pieces := range byValue {
		if at.kind != pieceChooses {
			continue
		}
		name, err := joined(pieces)
		if err != nil {
			return err
		}
		in := read[string(name)]
		if in == nil {
			raw, err := joined(byValue[valueOf{pieceInfluence, string(name)}])
			if err != nil {
				return err
			}
			in = new(eci.Influence)
			if err := in.UnmarshalBinary(raw); err != nil {
				return err
			}
			read[string(name)] = in
		}
		influences[at.source] = in
	}
	if len(influences) == 0 {
		return fmt.Errorf("eci/beam: %w: there are no influences to choose by", eci.ErrSettings)
	}
	fn.influences = influences
	return nil
}

// score scores the pending rows of an influence.
func (fn *influenceFn) score(ctx context.Context, in *eci.Influence, emit func(string, ChosenRow)) error {
	rows := fn.pending[in.Source]
	if len(rows) == 0 {
		return nil
	}
	influence := make([]float32, len(rows))
	if err := in.Score(ctx, influence, rows); err != nil {
		return err
	}
	scored.Inc(ctx, int64(len(rows)))
	for i, r := range rows {
		out := ChosenRow{Row: *r, Influence: float64(influence[i])}
		out.Row.QueryVector, out.Row.PositiveVector, out.Row.NegativeVector = nil, nil, nil
		emit(choiceKey(in.Source, r), out)
	}
	clear(rows)
	fn.pending[in.Source] = rows[:0]
	return nil
}

// choiceKey identifies query and positive of a row in a choice, as eci.Choose does.
func choiceKey(source string, r *eci.Record) string {
	pair := tripleHash(0, fingerprintOf(r.QueryText), fingerprintOf(r.PositiveText), fingerprint{})
	return string(binary.LittleEndian.AppendUint64(nil, pair)) + source
}

// chooseFn chooses among the rows of one pair.
type chooseFn struct{ Keep float64 }

func (fn *chooseFn) ProcessElement(ctx context.Context, _ string, next func(*ChosenRow) bool, emit func(ChosenRow)) {
	var rows []ChosenRow
	for r := (ChosenRow{}); next(&r); r = (ChosenRow{}) {
		rows = append(rows, r)
	}
	// In the order of the source, which decides among equal influences.
	slices.SortFunc(rows, func(a, b ChosenRow) int { return compareRows(&a.Row, &b.Row) })
	scores := make([]float64, len(rows))
	for i := range rows {
		scores[i] = rows[i].Influence
	}
	place, kept := lookahead.Best(make([]uint64, len(rows)), scores, fn.Keep)
	for i, r := range rows {
		r.Place, r.Kept = int(place[i]), kept[i]
		if r.Kept {
			keptN.Inc(ctx, 1)
		}
		emit(r)
	}
}

// ChosenLines makes a line of JSON from every row that was kept: texts, IDs and
// source, with "influence" and "place". [eci.Files] reads such rows.
func ChosenLines(s beam.Scope, chosen beam.PCollection) beam.PCollection {
	return beam.ParDo(s.Scope("eci.ChosenLines"), &chosenLineFn{}, chosen)
}

type chosenLineFn struct{}

func (chosenLineFn) ProcessElement(c ChosenRow, emit func(string)) error {
	if !c.Kept {
		return nil
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(struct {
		*eci.Record
		Influence float32 `json:"influence"`
		Place     int     `json:"place"`
	}{&c.Row, float32(c.Influence), c.Place})
	if err != nil {
		return &eci.RowError{Source: c.Row.SourceName, File: c.Row.File, Row: c.Row.Row, Err: err}
	}
	emit(strings.TrimSuffix(out.String(), "\n"))
	return nil
}
