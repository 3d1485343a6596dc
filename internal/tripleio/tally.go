package tripleio

import (
	"slices"
	"sync/atomic"
)

// Tally is what one whole reading of a source says about the rows of its files, which
// its triples do not tell: a row without a positive or a negative gives none.
type Tally struct {
	// Rows are all rows of the files: lines, or elements of a list.
	Rows int
	// Positives and Negatives are the rows without any. A row without both is one of
	// Positives.
	Positives, Negatives Missing
}

// Missing are rows that lack something.
type Missing struct {
	Rows int
	// Fatal are those of formats in which every row is a training example of its own,
	// at which trainers stop. A labeled pair, a line of a run, or a query for which one
	// of several sources has nothing is none.
	Fatal int
	// First are the first of them, for people to look at.
	First []Place
}

// Place is a row of a file.
type Place struct {
	File  string
	Row   int
	Query string // its text, or else its id
}

// mostPlaces limits what is kept of the rows that lack something.
const mostPlaces = 100

func (m *Missing) add(p Place, rows int, fatal bool) {
	if m.Rows += rows; fatal {
		m.Fatal += rows
	}
	if len(m.First) < mostPlaces {
		m.First = append(m.First, p)
	}
}

// plus is the tally of the rows of two sources, one behind the other.
func (t Tally) plus(other *Tally) Tally {
	t.Rows += other.Rows
	for _, side := range [...]struct{ to, from *Missing }{{&t.Positives, &other.Positives}, {&t.Negatives, &other.Negatives}} {
		side.to.Rows, side.to.Fatal = side.to.Rows+side.from.Rows, side.to.Fatal+side.from.Fatal
		all := slices.Concat(side.to.First, side.from.First)
		side.to.First = all[:min(len(all), mostPlaces)]
	}
	return t
}

// tallied is the tally of the last reading that came to an end. Readings of one file
// may run side by side; each counts for itself.
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
