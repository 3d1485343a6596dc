package tripleio

import (
	"slices"
	"sync/atomic"
)

// Tally describes one complete reading of a source, beyond its triples: the rows of
// its files without a positive or a negative give no triple.
type Tally struct {
	// Rows are all rows of the files: lines, or elements of a list.
	Rows int
	// Positives and Negatives are the rows without any. A row with neither counts
	// under Positives.
	Positives, Negatives Missing
}

// Missing describes rows that lack something.
type Missing struct {
	Rows int
	// Fatal counts rows at which trainers stop. They are in formats in which every row
	// is a training example of its own. A labeled pair, a line of a run, or a query
	// for which one of several sources has nothing does not count.
	Fatal int
	// First are the first such rows, for people to look at.
	First []Place
}

// Place is a row of a file.
type Place struct {
	File  string
	Row   int
	Query string // its text, or else its id
}

// mostPlaces limits how many of the rows that lack something are kept.
const mostPlaces = 100

func (m *Missing) add(p Place, rows int, fatal bool) {
	if m.Rows += rows; fatal {
		m.Fatal += rows
	}
	if len(m.First) < mostPlaces {
		m.First = append(m.First, p)
	}
}

// plus returns the combined tally of two sources, one after the other.
func (t Tally) plus(other *Tally) Tally {
	t.Rows += other.Rows
	for _, side := range [...]struct{ to, from *Missing }{{&t.Positives, &other.Positives}, {&t.Negatives, &other.Negatives}} {
		side.to.Rows, side.to.Fatal = side.to.Rows+side.from.Rows, side.to.Fatal+side.from.Fatal
		all := slices.Concat(side.to.First, side.from.First)
		side.to.First = all[:min(len(all), mostPlaces)]
	}
	return t
}

// tallied is the tally of the last complete reading. Several readings of one file may
// run at the same time; each counts for itself.
type tallied struct{ last atomic.Pointer[Tally] }

// count adds a row that was read without an error.
func (in *input) count(t *Tally, line int, r *row) {
	t.Rows += max(1, r.lines)
	fatal := in.format != MultiSource && in.format != Run && in.format != LabeledPair && in.format != LabeledList && in.columns.label == 0
	at := Place{File: in.path, Row: line, Query: r.query.text}
	if at.Query == "" {
		at.Query = r.query.id
	}
	switch {
	case len(r.positives) == 0:
		t.Positives.add(at, max(1, r.lines), fatal)
	case len(r.negatives) == 0:
		t.Negatives.add(at, max(1, r.lines), fatal)
	}
}
