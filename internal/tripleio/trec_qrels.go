package tripleio

import (
	"bytes"
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
// BEIR's three with a header, also as CSV, from a file or from every .tsv, .txt and
// .qrels file of a folder.
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
	layout := judgmentLayout{query: 0, document: 1, grade: 2}
	for first := true; ; {
		line, err := lines.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = f.Fits(s, lines.End)
		}
		if len(line) > 0 && err == nil {
			if first && layout.header(line) {
				first = false
				continue
			}
			first = false
			err = layout.judge(line, judged)
		}
		if err != nil {
			return &fault.RowError{File: name, Row: lines.Row, Err: err}
		}
	}
}

// judgmentLayout says which column of a line of judgments holds what.
type judgmentLayout struct {
	separator              byte // 0 for blanks
	query, document, grade int
	width                  int // of a header that names the columns; 0 for three columns, or TREC's four
	words                  [16][]byte
}

// header takes the layout from the first line, and reports whether it is a header.
func (l *judgmentLayout) header(line []byte) bool {
	if splitBlanks(l.words[:], line) == 1 {
		for _, separator := range []byte{',', ';', '|'} {
			if bytes.Count(line, []byte{separator}) >= 2 {
				l.separator = separator
				break
			}
		}
	}
	words := l.split(line)
	place := func(names ...string) int {
		return slices.IndexFunc(words, func(word []byte) bool { return slices.Contains(names, normal(string(word))) })
	}
	q, d, g := place("query_id", "qid", "query", "topic", "topic_id"), place(runDocuments...), place("score", "relevance", "rel", "label", "grade", "judgment")
	if q >= 0 && d >= 0 && g >= 0 {
		l.query, l.document, l.grade, l.width = q, d, g, len(words)
		return true
	}
	return len(words) == 3 && !isNumber(string(words[2])) // of other names, in BEIR's order
}

// split returns the cells of a line, at most as many as fit.
func (l *judgmentLayout) split(line []byte) [][]byte {
	if l.separator == 0 {
		return l.words[:splitBlanks(l.words[:], line)]
	}
	n := 0
	for more := true; more && n < len(l.words); n++ {
		l.words[n], line, more = bytes.Cut(line, []byte{l.separator})
		l.words[n] = bytes.Trim(l.words[n], " \"")
	}
	return l.words[:n]
}

// judge adds the judgment of a line.
func (l *judgmentLayout) judge(line []byte, judged qrels) error {
	words := l.split(line)
	q, d, g := l.query, l.document, l.grade
	switch n := len(words); {
	case n == 0:
		return nil
	case l.width == 0 && n == 4:
		d, g = 2, 3
	case l.width == 0 && n != 3, l.width > 0 && n != l.width:
		return fmt.Errorf("%w: want relevance judgments, query 0 document grade or query document grade; have %q", fault.Malformed, quote.Clip(line))
	}
	value, err := strconv.ParseFloat(string(words[g]), 64)
	if err != nil || math.IsNaN(value) {
		return fmt.Errorf("%w: want relevance judgments, query 0 document grade or query document grade; have %q", fault.Malformed, quote.Clip(line))
	}
	if len(words[q]) == 0 || len(words[d]) == 0 {
		return fmt.Errorf("%w: a judgment without the id of its query or document: %q", fault.Malformed, quote.Clip(line))
	}
	if value > 0 {
		query := string(words[q])
		judged[query] = append(judged[query], string(words[d]))
	}
	return nil
}

// judge adds a judgment.
func (q qrels) judge(query, document, grade string) error {
	value, err := strconv.ParseFloat(grade, 64)
	if err != nil || math.IsNaN(value) {
		return fmt.Errorf("%w: grade %q of query %q is no number", fault.Malformed, quote.Clip(grade), quote.Clip(query))
	}
	if query == "" || document == "" {
		return fmt.Errorf("%w: a judgment without the id of its query or document: query %q, document %q", fault.Malformed, quote.Clip(query), quote.Clip(document))
	}
	if value > 0 {
		q[query] = append(q[query], document)
	}
	return nil
}

// readJSONQrels reads judgments as one JSON object, with an object of grades by
// document or a list of relevant documents for each query, or as one object on each line with query, document and
// grade.
func (f *Config) readJSONQrels(name string, s *textfile.Stream, judged qrels) (err error) {
	again, err := f.Open(name)
	if err != nil {
		return &fault.RowError{File: name, Err: err}
	}
	defer again.Close()
	members, _ := jsonrow.Members(again.Reader, 1)
	row, size := 0, int64(0)
	if len(members) > 0 && (members[0].Kind == '{' || members[0].Kind == '[') {
		jsonrow.Entries(s.Reader, func(at int, query string, value []byte, entryErr error) bool {
			row, err = at, entryErr
			if size += int64(len(value)); err == nil {
				err = f.Fits(s, size)
			}
			if err == nil && value[0] != '{' && value[0] != '[' {
				err = fmt.Errorf("%w: query %q has neither an object of grades by document nor a list of documents", fault.Malformed, quote.Clip(query))
			}
			if err == nil {
				_, err = jsonrow.SkipValue(value, 0, 1)
			}
			if err == nil && value[0] == '[' {
				err = jsonrow.EachElement(value, func(_ int, document []byte) error { return judged.judge(query, idOf(document), "1") })
			} else if err == nil {
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
