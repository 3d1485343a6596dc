package tripleio

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/quote"
	"example.com/eci/internal/textfile"
)

// detectText detects the format of a table or a run.
func (in *input) detectText(s *textfile.Stream, first string) (int, error) {
	words := strings.Fields(first)
	if in.format == Auto && len(words) == 6 && (words[1] == "Q0" || words[1] == "q0" || words[1] == "0") && isNumber(words[3]) && isNumber(words[4]) {
		in.format = Run
	}
	if in.format == Run && len(words) != 3 {
		return 0, nil
	}
	tab, comma := strings.Contains(first, "\t"), strings.Contains(first, ",")
	semicolon := !tab && strings.Count(first, ";") >= 2 && strings.Count(first, ";") > strings.Count(first, ",")
	bars := !tab && !semicolon && strings.Count(first, "|") >= 2 && strings.Count(first, "|") > strings.Count(first, ",")
	blanks := !tab && !comma && !semicolon && !bars && len(words) == 3 && isNumber(words[2])
	if !tab && !comma && !semicolon && !bars && !blanks || len(words) == 4 && isNumber(words[3]) || in.Qrels == "" && strings.HasPrefix(first, "query-id\tcorpus-id") {
		return 1, unknownText(first)
	}
	name := strings.ToLower(in.path)
	in.table = true
	switch {
	case semicolon:
		in.comma = ';'
	case bars:
		in.comma = '|'
	case !tab && !blanks || comma && (strings.HasSuffix(name, ".csv") || strings.Contains(name, ".csv.")):
		in.comma = ','
	}
	in.setShape()
	rows, row, err := in.sampleTable(s, blanks)
	if err == nil && !blanks && in.comma == 0 && brokenQuotes(rows) {
		in.comma = '\t' // a CSV but for its separator
		rows, row, err = in.sampleAgain()
	}
	if err != nil {
		return row, err
	}
	switch in.format {
	case Run:
		return in.detectRun(rows)
	case TriplesTSV, TripleIDsTSV:
		in.columns = tripleColumns(in.format == TripleIDsTSV)
		return 0, nil
	case Auto:
		if in.Fields == (Fields{}) && !isHeaderOf(rows[0], rows[1:]) {
			return in.detectColumns(rows)
		}
		if in.Qrels != "" && in.runHeader(rows[0]) {
			return 0, nil
		}
	}
	in.header = true
	return row, in.detectHeader(rows)
}

// brokenQuotes reports whether a TSV with a header has line breaks in quoted cells: a
// row ends within quotes, and the next has another number of columns.
func brokenQuotes(rows [][]string) bool {
	if !isHeaderOf(rows[0], rows[1:]) {
		return false
	}
	for i, row := range rows[1:] {
		last := rows[i][len(rows[i])-1]
		if len(row) != len(rows[0]) && strings.HasPrefix(last, `"`) && strings.Count(last, `"`)%2 == 1 {
			return true
		}
	}
	return false
}

// sampleAgain reads the first rows once more, in the layout found meanwhile.
func (in *input) sampleAgain() ([][]string, int, error) {
	s, err := in.stream()
	if err != nil {
		return nil, 0, err
	}
	defer s.Close()
	return in.sampleTable(s, false)
}

// sampleTable reads the first rows of a table.
func (in *input) sampleTable(s *textfile.Stream, blanks bool) (rows [][]string, row int, err error) {
	t := in.openTable(s)
	if tsv, ok := t.(*tsvTable); ok {
		tsv.quotes, tsv.blanks = true, blanks
	}
	for size := 0; len(rows) < sampleRows && size < sampleBytes; {
		cells, line, err := t.next()
		if err != nil && len(rows) == 0 {
			return nil, line, err
		}
		if err != nil {
			break // reported when the row is read
		}
		for _, cell := range cells {
			size += len(cell)
		}
		rows = append(rows, slices.Clone(cells))
	}
	return rows, 1, nil
}

// detectRun determines the requested order of a run with three columns.
func (in *input) detectRun(rows [][]string) (int, error) {
	if in.order = runOrder(rows); in.order == noOrder {
		in.order = byScore
	}
	in.table = false
	return 0, nil
}

// runHeader recognizes the header of a run.
func (in *input) runHeader(header []string) bool {
	at := map[string]int{}
	for i, name := range header {
		at[normal(name)] = i + 1
	}
	pick := func(names ...string) int {
		for _, name := range names {
			if at[name] > 0 {
				return at[name]
			}
		}
		return 0
	}
	q, d, score := pick("query_id", "qid", "query"), pick(runDocuments...), pick("score", "similarity")
	in.order = byScore
	if score == 0 {
		score, in.order = pick("rank"), byRank
	}
	if q == 0 || d == 0 || score == 0 {
		in.order = noOrder
		return false
	}
	in.format, in.header = Run, true
	in.columns = columns{width: len(header), query: q - 1, positive: d - 1, negatives: []int{score - 1}}
	in.note("columns: query = %s, document = %s, %s", header[q-1], header[d-1], header[score-1])
	return true
}

// detectColumns finds out what a table without a header contains.
func (in *input) detectColumns(rows [][]string) (int, error) {
	width := len(rows[0])
	if width < 3 {
		return 1, fmt.Errorf("%w: want three columns or more, for query, positive and negatives; the first row has %d", fault.MissingField, width)
	}
	if width > 3 {
		return 1, fmt.Errorf("%w: %d columns and none called query or positive: put a header in front, or, if it is one, set Files.Format to FormatTriplet", fault.Format, width)
	}
	var kinds [3]cellKind
	for k := range kinds {
		kinds[k] = kindOf(column(rows, k))
	}
	bare := func(k int) bool { return kinds[k] == numberCells || kinds[k] == wordCells }
	if bare(0) && bare(1) && kinds[2] == numberCells {
		switch o := runOrder(rows); {
		case in.Qrels != "" && o != noOrder:
			in.format, in.order, in.table = Run, o, false
			in.note("read as a run of three columns: query, document, %s", map[order]string{byRank: "rank", byScore: "score"}[o])
			return 0, nil
		case o == byRank:
			return 1, fmt.Errorf("%w: it looks like a run of query, document and rank: set Files.Qrels to the relevance judgments; if it holds ids of query, positive and negative, set Files.Format to FormatTripleIDsTSV", fault.Format)
		}
	}
	in.columns = tripleColumns(false)
	switch {
	case bare(0) && bare(1) && bare(2):
		in.format = TripleIDsTSV
		in.columns = tripleColumns(true)
	case kinds[0] == proseCells && kinds[1] == proseCells && kinds[2] == proseCells && in.comma == 0:
		in.format = TriplesTSV
		in.note("columns: query = 1, positive = 2, negative = 3")
	case kinds[0] == proseCells && bare(1) && bare(2) && (kinds[2] == wordCells || in.Corpus != ""):
		in.format = TriplesTSV
		in.columns.ids, in.columns.queryIDs = true, false
		in.note("columns: query = 1, id of the positive = 2, id of the negative = 3")
	case in.comma != 0:
		return 1, fmt.Errorf("%w: the first row seems to be texts, not column names: %q; put a header such as anchor,positive,negative in front", fault.Format, quote.Clip(rows[0][0]))
	case kinds[0] == proseCells && kinds[1] == proseCells && areLabels(column(rows, 2)):
		return 1, fmt.Errorf("%w: columns of %s, %s and %s: of labeled pairs, put a header such as query, passage, label in front", fault.Format, kinds[0], kinds[1], kinds[2])
	default:
		return 1, fmt.Errorf("%w: columns of %s, %s and %s: a query, a positive and a negative cannot be told; put a header such as anchor, positive, negative in front, or, if they are texts, set Files.Format to FormatTriplesTSV", fault.Format, kinds[0], kinds[1], kinds[2])
	}
	return 0, nil
}

// detectHeader finds the columns of a table by their names.
func (in *input) detectHeader(rows [][]string) (err error) {
	header, asked := rows[0], in.format != Auto
	named := in.Fields != (Fields{})
	if c, ok := in.pairColumns(rows); ok {
		in.format, in.columns = LabeledPair, c
		in.note("columns: query = %s, document = %s, label = %s", header[c.query], header[c.positive], header[c.label-1])
		return nil
	}
	if in.format == LabeledPair {
		return fmt.Errorf("%w: no query, document and label in the columns %s", fault.Format, quote.Names(header))
	}
	in.format = Triplet
	if in.columns, err = headerColumns(header, in.shape, named); err == nil || asked && isMissingNames(err) {
		if err != nil {
			err = in.positions(rows, true)
		}
		in.split = err == nil && in.columns.source >= 0
		if err == nil && len(rows) > 1 {
			if in.columns.lists = in.columns.listColumns(rows[1:]); in.columns.lists != nil {
				in.note("the cells of %s are lists", quote.Names(pick(header, in.columns.lists)))
			}
		}
		if err == nil && !named && !asked && !usualHeader(header) {
			f := find(header)
			in.note("%s", f.say())
		}
		return err
	}
	if !isMissingNames(err) {
		return err
	}
	return in.positions(rows, false)
}

func pick(names []string, at []int) (picked []string) {
	for _, k := range at {
		picked = append(picked, names[k])
	}
	return picked
}

// usualHeader reports whether query, positive and negative have the documented names
// of the formats.
func usualHeader(header []string) bool {
	has := func(names []string) bool {
		return slices.ContainsFunc(header, func(cell string) bool { return slices.Contains(names, strings.ToLower(strings.TrimSpace(cell))) })
	}
	return has(flatShape.query) && has(flatShape.positive) && has([]string{"negative", "negative_1"})
}

// positions assigns columns of unknown names by their position. If that was asked for,
// it uses all columns that may hold texts; otherwise it needs three columns of prose.
func (in *input) positions(rows [][]string, asked bool) error {
	header := rows[0]
	var texts []int
	what := make([]string, len(header))
	for k, name := range header {
		kind := kindOf(column(rows[1:], k))
		what[k] = fmt.Sprintf("%s (%s)", quote.Clip(name), kind)
		if !neverInput(name) && (kind == proseCells || asked && kind != numberCells) {
			texts = append(texts, k)
		}
	}
	if len(texts) == 2 && slices.ContainsFunc(header, func(name string) bool { return slices.Contains(labelsOfPairs, normal(name)) }) {
		return fmt.Errorf("%w: columns %s: which are the query and the document? Set Files.Fields to their names, the label as Negative", fault.MissingField, strings.Join(what, ", "))
	}
	if len(texts) < 3 || len(texts) > 3 && !asked {
		return fmt.Errorf("%w: columns %s: which are the query, the positive and the negative? Set Files.Fields to their names", fault.MissingField, strings.Join(what, ", "))
	}
	c := &in.columns
	*c = columns{width: len(header), query: texts[0], positive: texts[1], negatives: texts[2:], numbered: len(texts) > 3, queryID: -1, positiveID: -1, negID: -1, source: -1}
	in.note("columns, by their position: query = %s, positive = %s, negative = %s", header[texts[0]], header[texts[1]], header[texts[2]])
	return nil
}

// idsOrTexts finds out whether the values in place of texts are IDs. Numbers are.
// Words are if the corpus has every one of the sample.
func (in *input) idsOrTexts() error {
	if in.format == Run || in.shape.ids && !in.table || in.columns.ids || in.Format == TriplesTSV {
		return nil
	}
	queries, documents, numbers, err := in.sample()
	if err != nil || len(documents) == 0 {
		return err
	}
	known, err := in.corpus.hasAll(documents)
	if err != nil {
		return err
	}
	asked := in.Format != Auto
	switch {
	case known:
		in.shape.ids, in.columns.ids = true, true
	case in.corpus == nil && !asked && (numbers || allNumbers(documents)):
		return fmt.Errorf("eci: %s: %w: its positives and negatives are numbers: if they are ids, set Files.Corpus to the file with their texts; if they are texts, set Files.Format", in.path, fault.MissingField)
	}
	if known, err = in.queries.hasAll(queries); err != nil {
		return err
	}
	if known {
		in.shape.queryIDs, in.columns.queryIDs = true, true
	} else if in.shape.ids && in.queries == nil && !asked && allNumbers(queries) {
		return fmt.Errorf("eci: %s: %w: its queries are numbers: if they are ids, set Files.Queries to the file with their texts", in.path, fault.MissingField)
	}
	if in.shape.ids || in.shape.queryIDs {
		var what []string
		if in.shape.queryIDs {
			what = append(what, "queries")
		}
		if in.shape.ids {
			what = append(what, "documents")
		}
		in.note("the %s are ids, looked up", strings.Join(what, " and the "))
	}
	return nil
}

func allNumbers(cells []string) bool {
	for _, cell := range cells {
		if !isDigits(cell) {
			return false
		}
	}
	return len(cells) > 0
}

// sample reads the queries and documents, as texts or what takes their place, from the
// first rows that have any. numbers reports whether all documents are JSON numbers.
func (in *input) sample() (queries, documents []string, numbers bool, err error) {
	s, err := in.stream()
	if err != nil {
		return nil, nil, false, &fault.RowError{File: in.path, Err: err}
	}
	defer s.Close()
	size, count := 0, 0
	numbers = true
	trial := *in
	trial.sampling = true
	add := func(dst []string, p passage) []string {
		if p.bare && !p.number || p.vector != nil && p.text == "" {
			return dst
		}
		text := p.text
		if p.number {
			text = p.id
		}
		size += len(text)
		return append(dst, text)
	}
	trial.rows(s, "")(func(_ int, r *row, err error) bool {
		if err == nil {
			queries = add(queries, r.query)
			for _, p := range slices.Concat(r.positives, r.negatives) {
				documents = add(documents, p)
				numbers = numbers && p.number
			}
		}
		count++
		return count < sampleRows && size < sampleBytes && len(documents) < 2*sampleRows
	})
	return queries, documents, numbers && len(documents) > 0, nil
}

// hasAll reports whether there are texts and each of them is the ID of one.
func (t *textFile) hasAll(ids []string) (bool, error) {
	if t == nil || len(ids) == 0 {
		return false, nil
	}
	r, err := t.reader()
	if err != nil {
		return false, err
	}
	defer r.Close()
	for _, id := range ids {
		id = strings.TrimSpace(id)
		if id == "" || !isWord(id) {
			return false, nil
		}
		if _, err := r.text(id); err != nil {
			return false, nil
		}
	}
	return true, nil
}

func isDigits(s string) bool {
	s = strings.TrimSpace(s)
	_, err := strconv.ParseUint(s, 10, 64)
	return err == nil || s != "" && strings.Trim(s, "0123456789") == ""
}
