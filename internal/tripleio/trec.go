package tripleio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/jsonrow"
	"example.com/eci/internal/quote"
	"example.com/eci/internal/textfile"
)

// qrels lists the relevant documents of each query, those with a grade above 0, in the
// order of the file.
type qrels map[string][]string

// openQrels reads relevance judgments into memory: TREC's four columns or
// BEIR's three with a header, from a file or from every .tsv, .txt and .qrels
// file of a folder.
func (f *Config) openQrels(name string) (qrels, error) {
	judged := make(qrels)
	names := []string{name}
	if entries, err := f.ReadDir(name); err == nil {
		names = names[:0]
		for _, e := range entries {
			switch strings.ToLower(path.Ext(e.Name())) {
			case ".tsv", ".txt", ".qrels":
				names = append(names, f.Join(name, e.Name()))
			}
		}
		if len(names) == 0 {
			return nil, fmt.Errorf("eci: %s: %w: no .tsv, .txt or .qrels file in this folder", name, fault.Format)
		}
	}
	for _, name := range names {
		if err := f.readQrels(name, judged); err != nil {
			return nil, err
		}
	}
	judged.compact()
	return judged, nil
}

// compact removes repeated judgments.
func (q qrels) compact() {
	seen := make(map[string]bool)
	for query, ids := range q {
		clear(seen)
		q[query] = slices.DeleteFunc(ids, func(id string) bool {
			again := seen[id]
			seen[id] = true
			return again
		})
	}
}

// Relevant reads the relevance judgments by the ID of each query. It returns nil if
// there are none.
func (f Config) Relevant() (map[string][]string, error) {
	if err := f.beir(); err != nil || f.Qrels == "" {
		return nil, err
	}
	return f.openQrels(f.Qrels)
}

func (f *Config) readQrels(name string, judged qrels) error {
	s, err := f.Open(name)
	if err != nil {
		return &fault.RowError{File: name, Err: err}
	}
	defer s.Close()
	if head, _ := s.Peek(4096); bytes.HasPrefix(bytes.TrimSpace(bytes.TrimPrefix(head, jsonrow.ByteOrderMark)), []byte("{")) {
		return f.readJSONQrels(name, s, judged)
	}
	lines := jsonrow.Lines{R: s.Reader}
	var words [7][]byte
	for {
		line, err := lines.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = f.Fits(s, lines.End)
		}
		if err == nil {
			n := splitBlanks(words[:], line)
			grade, document := "", 0
			switch {
			case n == 0:
				continue
			case n == 3 && lines.Row == 1 && !isNumber(string(words[2])):
				continue // BEIR's header
			case n == 3:
				grade, document = string(words[2]), 1
			case n == 4:
				grade, document = string(words[3]), 2
			}
			value, bad := strconv.ParseFloat(grade, 64)
			if bad != nil || math.IsNaN(value) {
				err = fmt.Errorf("%w: want relevance judgments, query 0 document grade or query document grade; have %q", fault.Malformed, quote.Clip(line))
			} else if value > 0 {
				query := string(words[0])
				judged[query] = append(judged[query], string(words[document]))
			}
		}
		if err != nil {
			return &fault.RowError{File: name, Row: lines.Row, Err: err}
		}
	}
}

// judge adds a judgment.
func (q qrels) judge(query, document, grade string) error {
	value, err := strconv.ParseFloat(grade, 64)
	if err != nil || math.IsNaN(value) {
		return fmt.Errorf("%w: grade %q of query %q is no number", fault.Malformed, quote.Clip(grade), quote.Clip(query))
	}
	if value > 0 {
		q[query] = append(q[query], document)
	}
	return nil
}

// readJSONQrels reads judgments as one JSON object, with an object of grades by
// document for each query, or as one object on each line with query, document and
// grade.
func (f *Config) readJSONQrels(name string, s *textfile.Stream, judged qrels) (err error) {
	again, err := f.Open(name)
	if err != nil {
		return &fault.RowError{File: name, Err: err}
	}
	defer again.Close()
	members, _ := jsonrow.Members(again.Reader, 1)
	row, size := 0, int64(0)
	if len(members) > 0 && members[0].Kind == '{' {
		jsonrow.Entries(s.Reader, func(at int, query string, value []byte, entryErr error) bool {
			row, err = at, entryErr
			if size += int64(len(value)); err == nil {
				err = f.Fits(s, size)
			}
			if err == nil && value[0] != '{' {
				err = fmt.Errorf("%w: query %q has no object of grades by document", fault.Malformed, quote.Clip(query))
			}
			if err == nil {
				_, err = jsonrow.SkipValue(value, 0, 1)
			}
			if err == nil {
				err = jsonrow.EachField(value, func(document, grade []byte) error { return judged.judge(query, string(document), string(grade)) })
			}
			return err == nil
		})
	} else {
		objects := jsonrow.NewObjects(s.Reader, jsonrow.Layout{})
		var o jsonrow.Object
		for err == nil {
			var raw []byte
			if raw, row, err = objects.Next(); err == io.EOF {
				return nil
			}
			if size += int64(len(raw)); err == nil {
				err = f.Fits(s, size)
			}
			if err == nil {
				err = o.Parse(raw)
			}
			if err == nil {
				err = judged.object(&o)
			}
		}
	}
	if err != nil {
		return &fault.RowError{File: name, Row: row, Err: err}
	}
	return nil
}

// object adds the judgment of one object.
func (q qrels) object(o *jsonrow.Object) error {
	var words [3]string
	for i, names := range [][]string{{"query_id", "qid", "query"}, runDocuments, {"score", "relevance", "label", "grade", "rel"}} {
		name, _ := firstOf(o, names)
		var err error
		if words[i], err = o.ID(name); err != nil {
			return err
		}
		if words[i] == "" {
			return o.Missing(names...)
		}
	}
	return q.judge(words[0], words[1], words[2])
}

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
