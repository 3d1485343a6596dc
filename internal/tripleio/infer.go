package tripleio

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The contents of a column without a known name are inferred from a sample of its
// cells. The first of these rules that fits applies:
//
//	empty    no cell has anything in it
//	number   every cell is a number
//	word     every cell is one word in a script with spaces: an id, a label, a name
//	label    every cell has at most three words, and few cells are different
//	prose    otherwise
//
// By its position, a column is taken for the query, the positive or a negative only if
// exactly three columns of the file are prose, and none of them has a name that no
// trainer takes for a text. With a corpus, the form of words does not decide whether
// they are IDs: they are if the corpus has them.
type cellKind int

const (
	emptyCells cellKind = iota
	numberCells
	wordCells
	labelCells
	proseCells
)

func (k cellKind) String() string {
	return [...]string{"empty", "numbers", "single words", "labels", "texts"}[k]
}

// kindOf infers what a column holds from a sample of its cells.
func kindOf(cells []string) cellKind {
	filled, numbers, words, short := 0, 0, 0, 0
	distinct := map[string]bool{}
	for _, cell := range cells {
		cell = strings.TrimSpace(cell)
		if cell == "" {
			continue
		}
		filled++
		distinct[cell] = true
		if isNumber(cell) {
			numbers++
		}
		if isWord(cell) {
			words++
		}
		if len(strings.Fields(cell)) <= 3 && utf8.RuneCountInString(cell) <= 30 {
			short++
		}
	}
	switch {
	case filled == 0:
		return emptyCells
	case numbers == filled:
		return numberCells
	case words == filled:
		return wordCells
	case short == filled && filled >= 8 && len(distinct)*4 <= filled:
		return labelCells
	}
	return proseCells
}

// isWord reports whether a text is one word in a script that puts spaces between
// words, as ids are.
func isWord(s string) bool {
	for _, r := range s {
		if unicode.IsSpace(r) || unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) {
			return false
		}
	}
	return s != ""
}

// isName reports whether a cell can be the name of a column.
func isName(s string) bool {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > 40 || !isWord(s) {
		return false
	}
	letter := false
	for _, r := range s {
		if unicode.IsLetter(r) {
			letter = true
		} else if !unicode.IsDigit(r) && !strings.ContainsRune("_-.:()#", r) {
			return false
		}
	}
	return letter && !isNumber(s)
}

// isHeaderOf reports whether the first row of a table has the names of its columns:
// one of them is known, or all are names and one of them is above prose.
func isHeaderOf(first []string, below [][]string) bool {
	names := 0
	for _, cell := range first {
		if m := meaningOf(cell); m.role != noRole {
			return true
		}
		if isName(cell) {
			names++
		}
	}
	if names < len(first) {
		return false
	}
	for k := range first {
		if kindOf(column(below, k)) == proseCells {
			return true
		}
	}
	return false
}

// column returns the cells of one column.
func column(rows [][]string, k int) []string {
	cells := make([]string, 0, len(rows))
	for _, row := range rows {
		if k < len(row) {
			cells = append(cells, row[k])
		}
	}
	return cells
}

// order says how the third column of a run orders documents.
type order int

const (
	noOrder order = iota
	byRank
	byScore
)

// runOrder returns the order in which rows of query, document and a number are a
// run's, or noOrder if they may be something else. Ranks begin at 0 or 1 and ascend
// within a query. Scores descend.
func runOrder(rows [][]string) order {
	ranks, scores, repeated := true, true, false
	last, query := 0.0, ""
	for i, row := range rows {
		if len(row) != 3 {
			return noOrder
		}
		x, err := strconv.ParseFloat(strings.TrimSpace(row[2]), 64)
		if err != nil {
			return noOrder
		}
		if i == 0 || row[0] != query {
			ranks = ranks && (x == 0 || x == 1)
		} else {
			repeated = true
			ranks = ranks && x > last
			scores = scores && x <= last
		}
		last, query = x, row[0]
	}
	switch {
	case ranks && (repeated || len(rows) == 1):
		return byRank
	case scores && repeated:
		return byScore
	}
	return noOrder
}
