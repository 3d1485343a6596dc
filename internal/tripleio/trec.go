package tripleio

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/jsonrow"
	"example.com/eci/internal/quote"
	"example.com/eci/internal/textfile"
)

// splitBlanks writes the words of a line into dst and returns their number, at most
// len(dst).
func splitBlanks(dst [][]byte, line []byte) (n int) {
	for i := 0; n < len(dst); n++ {
		for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
			i++
		}
		if i == len(line) {
			break
		}
		start := i
		for i < len(line) && line[i] != ' ' && line[i] != '\t' {
			i++
		}
		dst[n] = line[start:i]
	}
	return n
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// retrieved is a document that a run returns for a query.
type retrieved struct {
	id    string
	score float64
	line  int
}

// runLine is one line of a run.
type runLine struct {
	query, document string
	score           float64 // higher is better
}

// runLines yields the lines of a run with their numbers.
type runLines func(yield func(line int, r runLine, err error) bool)

// runLines reads a run in any of its layouts: six columns; three columns, with or
// without a header; one object on each line; or one object.
func (in *input) runLines(s *textfile.Stream) runLines {
	switch {
	case in.entries:
		return runEntries(s)
	case in.shape.positiveID != nil:
		return in.runObjects(s)
	case in.header:
		return in.runTable(s)
	}
	return func(yield func(line int, r runLine, err error) bool) {
		lines := jsonrow.Lines{R: s.Reader}
		var words [7][]byte
		for {
			line, err := lines.Next()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(lines.Row, runLine{}, err)
				return
			}
			var r runLine
			if in.order != noOrder {
				for i, c := range line { // commas, of a CSV
					if c == ',' {
						line[i] = ' '
					}
				}
			}
			switch n := splitBlanks(words[:], line); {
			case n == 0:
				continue
			case n == 6 && in.order == noOrder:
				r, err = runLineOf(words[0], words[2], words[4], byScore)
			case n == 3 && in.order != noOrder:
				r, err = runLineOf(words[0], words[1], words[2], in.order)
			default:
				err = fault.Malformed
			}
			if err != nil {
				want := "query Q0 document rank score tag"
				if in.order != noOrder {
					want = "query document rank, or score"
				}
				err = fmt.Errorf("%w: want a line of a TREC run, %s; have %q", fault.Malformed, want, quote.Clip(line))
			}
			if !yield(lines.Row, r, err) {
				return
			}
		}
	}
}

// runLineOf returns a line of a run from its words.
func runLineOf[T ~string | ~[]byte](query, document, value T, by order) (runLine, error) {
	score, err := strconv.ParseFloat(strings.TrimSpace(string(value)), 64)
	if err != nil || math.IsNaN(score) {
		return runLine{}, fmt.Errorf("%w: %q is no score of a run", fault.Malformed, quote.Clip(value))
	}
	if by == byRank {
		score = -score
	}
	return runLine{string(query), string(document), score}, nil
}

// runTable reads a run with a header.
func (in *input) runTable(s *textfile.Stream) runLines {
	return func(yield func(line int, r runLine, err error) bool) {
		t := in.openTable(s)
		for header := true; ; header = false {
			cells, line, err := t.next()
			if err == io.EOF {
				return
			}
			if err == nil && header {
				continue
			}
			var r runLine
			ends := err != nil && !errors.Is(err, fault.Malformed)
			if err == nil && len(cells) != in.columns.width {
				err = fmt.Errorf("%w: columns: %d here, %d in the first row", fault.Malformed, len(cells), in.columns.width)
			}
			if err == nil {
				r, err = runLineOf(cells[in.columns.query], cells[in.columns.positive], cells[in.columns.negatives[0]], in.order)
			}
			if !yield(line, r, err) || ends {
				return
			}
		}
	}
}

// runObjects reads a run with one JSON object on each line.
func (in *input) runObjects(s *textfile.Stream) runLines {
	return func(yield func(line int, r runLine, err error) bool) {
		objects := in.jsonRows(s)
		var o jsonrow.Object
		for {
			raw, line, err := objects.Next()
			if err == io.EOF {
				return
			}
			ends := err != nil
			var r runLine
			if err == nil {
				err = o.Parse(raw)
			}
			var words [3]string
			for i, names := range [][]string{in.shape.queryID, in.shape.positiveID, in.shape.negativeID} {
				if err == nil {
					words[i], err = o.ID(names...)
				}
				if err == nil && words[i] == "" {
					err = o.Missing(names...)
				}
			}
			if err == nil {
				r, err = runLineOf(words[0], words[1], words[2], in.order)
			}
			if !yield(line, r, err) || ends {
				return
			}
		}
	}
}

// runRows groups the lines of a run by query. Each query is one row. Its positives are
// the relevant documents, if it has any. Its negatives are all retrieved documents
// that are not relevant, best first: by score, like trec_eval, or by rank. Ties are in
// the order of the file.
func runRows(lines runLines, judged qrels) rows {
	return func(yield func(line int, r *row, err error) bool) {
		var group []retrieved
		var r row
		query, first, matched, stopped := "", 0, false, false
		seen := make(map[string]int)
		known := make(map[string]bool)
		flush := func() bool {
			if len(group) == 0 {
				return true
			}
			matched = matched || len(judged[query]) > 0
			groupRow(&r, query, judged[query], group, known)
			return yield(first, &r, nil)
		}
		lines(func(line int, l runLine, err error) bool {
			if err != nil {
				stopped = !yield(line, nil, err) || !skippable(err)
				return !stopped
			}
			if l.query != query || first == 0 {
				if stopped = !flush(); stopped {
					return false
				}
				query, first, group = l.query, line, group[:0]
				if row, ok := seen[query]; ok {
					stopped = true
					yield(line, nil, fmt.Errorf("%w: query %q is already that of row %d: the lines of a query must be adjacent; sort the run by query", fault.Format, quote.Clip(query), row))
					return false
				}
				seen[query] = line
			}
			group = append(group, retrieved{l.document, l.score, line})
			return true
		})
		if !stopped && flush() && !matched {
			yield(0, nil, fmt.Errorf("%w: no query of the run has a relevant document in the qrels: are their query ids the same?", fault.EmptySource))
		}
	}
}

// groupRow makes a row of one query. A document that was retrieved twice for a query
// counts once, at its better rank.
func groupRow(r *row, query string, relevant []string, group []retrieved, known map[string]bool) {
	slices.SortStableFunc(group, func(a, b retrieved) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return 0
	})
	*r = row{query: passage{id: query, bare: true}, positives: r.positives[:0], negatives: r.negatives[:0], lines: len(group)}
	clear(known)
	for _, id := range relevant {
		known[id] = true
		r.positives = append(r.positives, passage{id: id, bare: true})
	}
	for _, d := range group {
		if !known[d.id] {
			known[d.id] = true
			r.negatives = append(r.negatives, passage{id: d.id, bare: true, line: d.line})
		}
	}
}

// Layout returns c with the paths of Corpus, Queries and Qrels filled in from BEIR.
func (f Config) Layout() (Config, error) {
	err := f.beir()
	return f, err
}

// beir fills in the paths of a data set in BEIR's layout.
func (f *Config) beir() error {
	if f.BEIR == "" {
		return nil
	}
	entries, err := f.ReadDir(f.BEIR)
	if err != nil {
		return fmt.Errorf("eci: Files.BEIR: %w", err)
	}
	find := func(set, stem string) string {
		for _, e := range entries { // in the order of names: plain before compressed
			if name := e.Name(); set == "" && (name == stem || strings.HasPrefix(name, stem+".")) {
				return f.Join(f.BEIR, name)
			}
		}
		return set
	}
	f.Corpus, f.Queries, f.Qrels = find(f.Corpus, "corpus.jsonl"), find(f.Queries, "queries.jsonl"), find(f.Qrels, "qrels")
	if f.Corpus == "" || f.Queries == "" || f.Qrels == "" {
		return fmt.Errorf("eci: %s: %w: a folder in BEIR's layout has corpus.jsonl, queries.jsonl and qrels", f.BEIR, fault.Format)
	}
	return nil
}
