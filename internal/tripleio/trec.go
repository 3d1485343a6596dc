package tripleio

import (
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

// qrels are the relevant documents of each query, with a grade above 0, in the
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

// compact leaves out what is judged relevant twice.
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

// Relevant reads the relevance judgments, by the id of each query; nil where there
// are none.
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

// splitBlanks writes the words of a line into dst and returns their number, at
// most len(dst).
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

// retrieved is a document that a run gives for a query.
type retrieved struct {
	id    string
	score float64
	line  int
}

// runRows groups the lines of a TREC run by query. Each query that has relevant
// documents is one row: they are its positives, and every retrieved document
// that is not relevant is a negative, best first: by score, as trec_eval does,
// and equal scores in the order of the file.
func runRows(s *textfile.Stream, judged qrels) rows {
	return func(yield func(line int, r *row, err error) bool) {
		lines := jsonrow.Lines{R: s.Reader}
		var words [7][]byte
		var group []retrieved
		var r row
		query, first, matched := "", 0, false
		seen := make(map[string]int)
		known := make(map[string]bool)
		flush := func() bool {
			if relevant := judged[query]; len(group) > 0 && len(relevant) > 0 {
				matched = true
				if !groupRow(&r, query, relevant, group, known) {
					return true
				}
				return yield(first, &r, nil)
			}
			return true
		}
		for {
			line, err := lines.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				yield(lines.Row, nil, err)
				return
			}
			n := splitBlanks(words[:], line)
			if n == 0 {
				continue
			}
			score, bad := strconv.ParseFloat(string(words[4]), 64)
			if n != 6 || bad != nil || math.IsNaN(score) {
				if !yield(lines.Row, nil, fmt.Errorf("%w: want a line of a TREC run, query Q0 document rank score tag; have %q", fault.Malformed, quote.Clip(line))) {
					return
				}
				continue
			}
			if string(words[0]) != query {
				if !flush() {
					return
				}
				query, first, group = string(words[0]), lines.Row, group[:0]
				if row, ok := seen[query]; ok {
					yield(lines.Row, nil, fmt.Errorf("%w: query %q is already that of row %d: the lines of a query must stand together; sort the run by query", fault.Format, quote.Clip(query), row))
					return
				}
				seen[query] = lines.Row
			}
			group = append(group, retrieved{string(words[2]), score, lines.Row})
		}
		if flush() && !matched {
			yield(0, nil, fmt.Errorf("%w: no query of the run has a relevant document in the qrels: are their query ids the same?", fault.EmptySource))
		}
	}
}

// groupRow makes a row of one query; false if nothing but relevant documents
// was retrieved. A document that a query retrieved twice counts once, where it
// ranks best.
func groupRow(r *row, query string, relevant []string, group []retrieved, known map[string]bool) bool {
	slices.SortStableFunc(group, func(a, b retrieved) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return 0
	})
	*r = row{query: passage{id: query, bare: true}, positives: r.positives[:0], negatives: r.negatives[:0]}
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
	return len(r.negatives) > 0
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
