package eci

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc64"
	"math"
	"slices"

	"example.com/eci/internal/cosine"
	"example.com/eci/internal/ctxerr"
	"example.com/eci/internal/hash64"
	"example.com/eci/internal/lookahead"
	"example.com/eci/internal/sorted"
)

// Influence scores triples as a [Choose] does. It is plain data: one machine makes it
// from a sample ([Choose.Influence]), and any number of others that read it
// (UnmarshalBinary) score rows with it. It belongs to one encoder and one source. Of d
// dimensions and r axes it takes about 8 r (d + 10 r) bytes: 2.1 MB for d = 768.
// It is safe for concurrent use as long as no goroutine changes it.
type Influence struct {
	// Source is the name of the source that it was made for.
	Source string
	// Report says what it is based on. Its Triples is the number of triples of the
	// sample. Doubts are reasons not to rely on a choice by it.
	Report LookaheadReport

	scores *lookahead.Influence // nil: there is none
	aim    *aim                 // of this only what tells queries of the target
}

// Influence prepares to score the triples of a source, from the Sample triples of
// least hash, and the labeled queries and positives of this source and others, as From
// does. The sources need not have more than these: so small sources that were drawn
// from large ones give the influence of the large ones. It reads source twice and
// others once. Keep, NoCheck and CheckByTraining do not apply. Errors are those of
// From.
func (c *Choose) Influence(ctx context.Context, source Source, others ...Source) (*Influence, error) {
	settings, r, err := c.prepare(ctx, source, others)
	if err != nil {
		return nil, err
	}
	defer r.close()
	settings.NoCheck = true
	sample, err := r.sampleForChoice(ctx, source, settings)
	if err != nil {
		return nil, err
	}
	return r.influence(ctx, source, sample.least)
}

// influence walks on a sample.
func (r *run) influence(ctx context.Context, source Source, sample *lookahead.Source) (*Influence, error) {
	scores, err := r.forecaster.space.Influence(ctx, *sample)
	if err != nil {
		return nil, source.wrap(nil, fmt.Errorf("%w: %w", ErrLookahead, err))
	}
	in := &Influence{Source: source.Name, Report: r.forecaster.report, scores: scores, aim: r.aim}
	in.Report.Triples = len(sample.Triples)
	return in, nil
}

// Score writes the influence of every record to dst, in the precision that [Choice]
// and [Chosen] have. Both have the same length, else the error is ErrSettings. Records
// carry texts and vectors; they need not be of the sample, and their number and order
// do not change a bit. An error has source, file and row: ErrEmptyText,
// ErrMissingVector, ErrDimension, ErrNotFinite or ErrZeroVector for a bad row, and
// ErrLookahead for an influence that is not finite, or for a query of the target if no
// triple of the sample had one. Then dst is not filled.
func (in *Influence) Score(ctx context.Context, dst []float32, records []*Record) error {
	if in == nil || in.scores == nil {
		return fmt.Errorf("eci: influence: %w: it is empty; make one by Choose.Influence or UnmarshalBinary", ErrSettings)
	}
	if len(dst) != len(records) {
		return fmt.Errorf("eci: influence: %w: room for %d scores of %d records", ErrSettings, len(dst), len(records))
	}
	source := Source{Name: in.Source}
	rows := make([]*checked, len(records))
	for i, rec := range records {
		if rec == nil {
			return source.wrap(&Record{Row: i + 1}, fmt.Errorf("%w: the record is nil", ErrMalformed))
		}
		var err error
		if rows[i], err = in.checked(rec); err != nil {
			return source.wrap(rec, err)
		}
	}
	return in.score(ctx, dst, source, rows)
}

// checked returns a record with its vectors, or an error that says why it cannot be
// scored.
func (in *Influence) checked(rec *Record) (*checked, error) {
	if err := rec.check(); err != nil {
		return nil, err
	}
	if a := in.aim; a.disjoint(in.Source) && a.meets(rec) {
		return nil, fmt.Errorf("%w: its query is one of %s, but none of the %d triples that the influence was made from has such a query; leave these rows out, or take a larger Sample", ErrLookahead, a.name(), in.Report.Triples)
	}
	c := &checked{row: batchRow{rec: *rec, fingerprints: [3]fingerprint{2: hash64.FingerprintOf(rec.NegativeText)}}, query: rec.queryKey()}
	for k, at := range rec.sides() {
		if len(at.vector) == 0 {
			return nil, fmt.Errorf("%s: %w: the record carries none", sideNames[k], ErrMissingVector)
		}
		if d := in.scores.Dimension(); len(at.vector) != d {
			return nil, fmt.Errorf("%s: %w: %d components, the influence has %d; was it made with another encoder?", sideNames[k], ErrDimension, len(at.vector), d)
		}
		if _, err := cosine.InverseNorm(at.vector); err != nil {
			return nil, fmt.Errorf("%s: %w", sideNames[k], err)
		}
		c.row.vectors[k] = &vector{at.vector}
	}
	return c, nil
}

// score writes the influence of rows that were checked.
func (in *Influence) score(ctx context.Context, dst []float32, source Source, rows []*checked) error {
	scores := make([]float64, len(rows))
	of := forecaster{aim: in.aim}
	if err := in.scores.Score(ctx, scores, *of.sourceOf(source.Name, rows, nil)); err != nil {
		if cause := ctxerr.Of(ctx); cause != nil {
			return source.wrap(nil, cause)
		}
		return source.wrap(nil, fmt.Errorf("%w: %w", ErrLookahead, err))
	}
	for i, x := range scores {
		if y := float64(float32(x)); math.IsNaN(y) || math.IsInf(y, 0) {
			return source.wrap(&rows[i].row.rec, fmt.Errorf("%w: its influence is %v", ErrLookahead, x))
		}
	}
	for i, x := range scores {
		dst[i] = float32(x)
	}
	return nil
}

// influenceHead is the part of the stored form that is in JSON. Texts are bytes,
// because they need not be UTF-8.
type influenceHead struct {
	Source []byte          `json:"source"`
	Report LookaheadReport `json:"report"`
	// The rest is only there for a target. Queries are fingerprints of folded texts,
	// IDs those of queries without a text.
	Targeted bool     `json:"targeted,omitempty"`
	Disjoint bool     `json:"disjoint,omitempty"`
	Name     []byte   `json:"name,omitempty"`
	Queries  [][]byte `json:"queries,omitempty"`
	IDs      [][]byte `json:"ids,omitempty"`
}

// The stored form of an Influence, version 1, little-endian:
//
//	offset  size  content
//	0       4     "ECII"
//	4       4     version, 1
//	8       4     h, the length of the head in bytes
//	12      h     the head, JSON
//	12+h          numbers; see internal/lookahead
//	end-8   8     CRC-64 (ECMA) of all that comes before
const influenceMagic = "ECII\x01\x00\x00\x00"

// MarshalBinary returns the stored form, with a version and a checksum. It returns
// ErrSettings for an empty Influence. The same Influence gives the same bytes.
func (in *Influence) MarshalBinary() ([]byte, error) {
	if in == nil || in.scores == nil {
		return nil, fmt.Errorf("eci: influence: %w: it is empty; make one by Choose.Influence", ErrSettings)
	}
	head := influenceHead{Source: []byte(in.Source), Report: in.Report}
	if a := in.aim; a != nil {
		head.Targeted, head.Disjoint, head.Name = true, a.disjoint(in.Source), []byte(a.Name)
		for f := range a.queries {
			head.Queries = append(head.Queries, f[:])
		}
		slices.SortFunc(head.Queries, bytes.Compare)
		for _, id := range sorted.Keys(a.ids) {
			head.IDs = append(head.IDs, []byte(id))
		}
	}
	raw, err := json.Marshal(head)
	if err != nil {
		return nil, fmt.Errorf("eci: influence: %w", err)
	}
	out := binary.LittleEndian.AppendUint32([]byte(influenceMagic), uint32(len(raw)))
	out = in.scores.AppendBinary(append(out, raw...))
	return binary.LittleEndian.AppendUint64(out, crc64.Checksum(out, crc64.MakeTable(crc64.ECMA))), nil
}

// UnmarshalBinary replaces in with what MarshalBinary stored. It scores to the same
// bits. It returns ErrFormat, and leaves in unchanged, for anything that MarshalBinary
// does not write.
func (in *Influence) UnmarshalBinary(data []byte) error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("eci: influence: %w: %s", ErrFormat, fmt.Sprintf(format, args...))
	}
	const before = len(influenceMagic) + 4
	switch {
	case len(data) < before+crc64.Size || string(data[:4]) != influenceMagic[:4]:
		return fail("it does not begin with %q", influenceMagic[:4])
	case string(data[:len(influenceMagic)]) != influenceMagic:
		return fail("version %d; this program reads version 1", binary.LittleEndian.Uint32(data[4:]))
	}
	body, sum := data[:len(data)-crc64.Size], data[len(data)-crc64.Size:]
	if crc64.Checksum(body, crc64.MakeTable(crc64.ECMA)) != binary.LittleEndian.Uint64(sum) {
		return fail("the checksum does not match; it is damaged or cut short")
	}
	size := binary.LittleEndian.Uint32(data[len(influenceMagic):])
	if body = body[before:]; uint64(size) > uint64(len(body)) {
		return fail("a head of %d bytes in %d", size, len(data))
	}
	var head influenceHead
	if err := json.Unmarshal(body[:size], &head); err != nil {
		return fail("%v", err)
	}
	scores, err := lookahead.ReadInfluence(body[size:])
	if err != nil {
		return fail("%v", err)
	}
	out := Influence{Source: string(head.Source), Report: head.Report, scores: scores}
	if head.Targeted {
		a := &aim{Target: &Target{Name: string(head.Name)}, queries: make(map[fingerprint]bool), ids: make(map[string]bool), shared: make(map[string]int)}
		for _, f := range head.Queries {
			if len(f) != len(fingerprint{}) {
				return fail("a fingerprint of %d bytes", len(f))
			}
			a.queries[fingerprint(f)] = true
		}
		for _, id := range head.IDs {
			a.ids[string(id)] = true
		}
		if !head.Disjoint {
			a.shared[out.Source] = 1
		}
		out.aim = a
	}
	*in = out
	return nil
}
