package tripleio

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/jsonrow"
	"example.com/eci/internal/quote"
	"example.com/eci/internal/textfile"
)

const (
	sampleRows  = 200
	sampleBytes = 1 << 20
)

// whole reports whether a line is one JSON value and nothing else.
func whole(line []byte) bool {
	end, err := jsonrow.SkipValue(line, 0, 1)
	return err == nil && jsonrow.SkipSpace(line, end) == len(line)
}

// layoutOf tells how the rows of a JSON file follow one another, from its beginning.
func layoutOf(text []byte) jsonrow.Layout {
	first, rest, more := bytes.Cut(text, []byte("\n"))
	first = bytes.TrimSpace(first)
	rest = bytes.TrimSpace(rest)
	inside := byte(0)
	if i := jsonrow.SkipSpace(text, 1); i < len(text) {
		inside = text[i]
	}
	switch {
	case text[0] == '[' && (inside == '{' || inside == ']'):
		return jsonrow.Layout{List: true}
	case text[0] == '[' && inside == '[':
		// A list of rows; or rows of lists, each a list.
		return jsonrow.Layout{List: !whole(first) || !more || len(rest) == 0 || rest[0] != '['}
	case text[0] == '[':
		return jsonrow.Layout{Values: !whole(first) && bytes.HasSuffix(first, []byte("[")) || !whole(first) && bytes.HasSuffix(first, []byte(","))}
	}
	last := first[len(first)-1]
	// Behind a comma an object begins where a row was cut short.
	return jsonrow.Layout{Values: last == '{' || last == '[' || last == ',' && len(rest) > 0 && rest[0] != '{'}
}

// rowFields are the names under which one JSON object has the list of all rows.
var rowFields = []string{"data", "train", "rows", "examples", "instances", "samples", "items", "dataset", "records", "triples", "triplets"}

// document looks into a file that is one JSON object: it may have the list of the
// rows in a field, or be a run.
func (in *input) document() (bool, error) {
	s, err := in.Open(in.path)
	if err != nil {
		return false, err
	}
	defer s.Close()
	members, err := jsonrow.Members(s.Reader, 10000)
	if err != nil && len(members) == 0 {
		return false, nil
	}
	for _, name := range rowFields {
		for _, m := range members {
			if normal(m.Name) == name && m.Kind == '[' && (m.Inside == '{' || m.Inside == '[') {
				in.layout = jsonrow.Layout{Field: m.Name}
				return true, nil
			}
		}
	}
	scores := func(m jsonrow.Member) bool {
		return m.Kind == '{' && (m.Inside == '-' || m.Inside-'0' <= 9) || in.Qrels != "" && m.Kind == '[' && (m.Inside == '"' || m.Inside-'0' <= 9)
	}
	if len(members) > 0 && !slices.ContainsFunc(members, func(m jsonrow.Member) bool { return !scores(m) && m.Inside != 0 }) &&
		slices.ContainsFunc(members, scores) {
		if in.Qrels == "" {
			return false, fmt.Errorf("%w: it looks like a run, or relevance judgments, as one JSON object: set Files.Qrels to the judgments and give a run", fault.MissingField)
		}
		in.format, in.entries = Run, true
		return true, nil
	}
	return false, nil
}

// detectJSON tells the format of JSON rows.
func (in *input) detectJSON(s *textfile.Stream) (int, error) {
	raw, row, err := in.jsonRows(s).Next()
	if err == io.EOF {
		return 0, fmt.Errorf("%w: the list is empty", fault.EmptySource)
	}
	if err == nil && raw[0] == '[' {
		return row, in.detectArrays(raw)
	}
	var o jsonrow.Object
	if err == nil {
		err = o.Parse(raw)
	}
	if in.layout.Field == "" && !in.layout.List && formatOf(&o) == Auto && !in.hasFields(&o) {
		switch ok, docErr := in.document(); {
		case docErr != nil:
			return 0, docErr
		case in.entries:
			return 0, nil
		case ok:
			again, err := in.Open(in.path)
			if err != nil {
				return 0, err
			}
			defer again.Close()
			return in.detectJSON(again)
		}
	}
	if err != nil {
		return row, err
	}
	return row, in.detectObject(&o)
}

// hasFields reports whether an object has one of the user's own fields.
func (in *input) hasFields(o *jsonrow.Object) bool {
	for _, name := range []string{in.Fields.Query, in.Fields.Positive, in.Fields.Negative} {
		if _, ok := o.Get(name); ok && name != "" {
			return true
		}
	}
	return false
}

// detectArrays checks that rows of lists may be read.
func (in *input) detectArrays(raw []byte) error {
	if end, err := jsonrow.SkipValue(raw, 0, 1); err != nil || jsonrow.SkipSpace(raw, end) < len(raw) {
		if err == nil {
			err = fmt.Errorf("something follows the list")
		}
		return fmt.Errorf("%w: not a JSON list: %w", fault.Format, err)
	}
	if in.format != Auto && in.format != Arrays {
		return fmt.Errorf("%w: the rows are JSON lists, which is not the format %s that was asked for", fault.Format, in.format)
	}
	in.format = Arrays
	return nil
}

// detectObject tells the format by the fields of the first object.
func (in *input) detectObject(o *jsonrow.Object) error {
	if in.format == Auto {
		in.format = formatOf(o)
	}
	general := in.format == Auto
	if general && in.Fields != (Fields{}) {
		in.format = Triplet
	}
	if in.format == Auto && in.Qrels != "" && in.runObject(o) {
		return nil
	}
	if in.format == Auto {
		if in.named(o) {
			return nil
		}
	} else if general {
		in.fill(o)
	}
	_, wantJSON := in.format.known()
	switch {
	case in.format == Auto:
		return unknownObject(o)
	case !wantJSON:
		return fmt.Errorf("%w: the file holds JSON, which is not the format %s that was asked for", fault.Format, in.format)
	}
	in.setShape()
	if in.format == LabeledPair || in.format == LabeledList {
		var format Format
		if format, in.shape = labeledFormat(o); format != in.format {
			return fmt.Errorf("%w: no query, document and label in the fields %s", fault.Format, o.Names())
		}
	}
	in.split = in.format == MultiSource || in.format.flat() && o.Has([]string{"source"})
	return nil
}

// names are those of an object's fields.
func namesOf(o *jsonrow.Object) []string {
	names := make([]string, len(o.Fields))
	for i, f := range o.Fields {
		names[i] = string(f.Name)
	}
	return names
}

// named finds the fields of an object by the names that people give them.
func (in *input) named(o *jsonrow.Object) bool {
	f := find(namesOf(o))
	if !f.complete() {
		format, s := labeledFormat(o)
		if format == Auto {
			return false
		}
		in.format, in.shape = format, s
		in.note("columns: query = %s, document = %s, label = %s", s.query[0], s.positive[0], s.negative[0])
		return true
	}
	in.format, in.shape = Triplet, f.shape()
	in.split = o.Has([]string{"source"})
	in.note("%s", f.say())
	return true
}

// fill finds the fields that the user did not name.
func (in *input) fill(o *jsonrow.Object) {
	f := find(namesOf(o))
	if in.Fields.Query == "" && f.query != "" {
		in.Fields.Query = f.query
	}
	if in.Fields.Positive == "" && f.positive != "" && f.doubt == nil {
		in.Fields.Positive = f.positive
	}
	if in.Fields.Negative == "" && f.negative != "" {
		in.Fields.Negative = f.negative
	}
}

// shape is how rows with these fields are read.
func (f *found) shape() shape {
	s := shape{queryID: []string{"query_id"}, positiveID: []string{"positive_id"}, negativeID: []string{"negative_id"}}
	for _, at := range []struct {
		to   *[]string
		name string
	}{{&s.query, f.query}, {&s.positive, f.positive}, {&s.negative, f.negative}, {&s.queryID, f.queryID}, {&s.positiveID, f.positiveID}, {&s.negativeID, f.negativeID}} {
		if at.name != "" {
			*at.to = []string{at.name}
		}
	}
	if f.negative == "" && len(f.numbered) > 0 {
		s.numbered = []string{strings.TrimRight(f.numbered[0], "0123456789")}
	}
	return s
}

// setShape takes the names of the format's fields, or the user's.
func (in *input) setShape() {
	in.shape = flatShape
	if s, ok := shapes[in.format]; ok {
		in.shape = s
	}
	for _, f := range []struct {
		name    string
		dst, id *[]string
	}{{in.Fields.Query, &in.shape.query, &in.shape.queryID}, {in.Fields.Positive, &in.shape.positive, &in.shape.positiveID}, {in.Fields.Negative, &in.shape.negative, &in.shape.negativeID}} {
		switch {
		case f.name == "":
		case isIDName(f.name) && in.format.flat():
			*f.dst, *f.id = nil, []string{f.name}
		default:
			*f.dst = []string{f.name}
		}
	}
}

// runObject recognizes the rows of a run as JSON objects.
func (in *input) runObject(o *jsonrow.Object) bool {
	query, ok := firstOf(o, []string{"query_id", "qid", "query"})
	document, ok2 := firstOf(o, runDocuments)
	score, ok3 := firstOf(o, []string{"score", "similarity", "rank"})
	if !ok || !ok2 || !ok3 {
		return false
	}
	in.format, in.order = Run, byScore
	if normal(score) == "rank" {
		in.order = byRank
	}
	in.shape = shape{queryID: []string{query}, positiveID: []string{document}, negativeID: []string{score}}
	in.note("columns: query = %s, document = %s, %s = %s", query, document, map[order]string{byRank: "rank", byScore: "score"}[in.order], score)
	return true
}

// runDocuments are names of the document in a run.
var runDocuments = []string{"doc_id", "docid", "corpus_id", "document_id", "pid", "passage_id", "docno"}

// note tells what was inferred.
func (in *input) note(format string, args ...any) {
	if in.Note != nil {
		in.Note(in.path + ": " + fmt.Sprintf(format, args...))
	}
}

// detectText tells the format of a table or a run.
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
	blanks := !tab && !comma && !semicolon && len(words) == 3 && isNumber(words[2])
	if !tab && !comma && !semicolon && !blanks || len(words) == 4 && isNumber(words[3]) || in.Qrels == "" && strings.HasPrefix(first, "query-id\tcorpus-id") {
		return 1, unknownText(first)
	}
	name := strings.ToLower(in.path)
	in.table = true
	switch {
	case semicolon:
		in.comma = ';'
	case !tab && !blanks || comma && (strings.HasSuffix(name, ".csv") || strings.Contains(name, ".csv.")):
		in.comma = ','
	}
	in.setShape()
	rows, row, err := in.sampleTable(s, blanks)
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

// detectRun reads the order of a run with three columns that was asked for.
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

// detectColumns tells what a table without a header holds.
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
	default:
		return 1, fmt.Errorf("%w: columns of %s, %s and %s: a query, a positive and a negative cannot be told; put a header such as anchor, positive, negative in front, or, if they are texts, set Files.Format to FormatTriplesTSV", fault.Format, kinds[0], kinds[1], kinds[2])
	}
	return 0, nil
}

// detectHeader tells the columns of a table by their names.
func (in *input) detectHeader(rows [][]string) (err error) {
	header, asked := rows[0], in.format != Auto
	in.format = Triplet
	named := in.Fields != (Fields{})
	if in.columns, err = headerColumns(header, in.shape, named); err == nil || asked && isMissingNames(err) {
		if err != nil {
			err = in.positions(rows, true)
		}
		in.split = err == nil && in.columns.source >= 0
		return err
	}
	if !isMissingNames(err) {
		return err
	}
	return in.positions(rows, false)
}

// positions takes columns of unknown names by their position: asked for, all that may
// hold texts, otherwise three of prose.
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
	if len(texts) < 3 || len(texts) > 3 && !asked {
		return fmt.Errorf("%w: columns %s: which are the query, the positive and the negative? Set Files.Fields to their names", fault.MissingField, strings.Join(what, ", "))
	}
	c := &in.columns
	*c = columns{width: len(header), query: texts[0], positive: texts[1], negatives: texts[2:], numbered: len(texts) > 3, queryID: -1, positiveID: -1, negID: -1, source: -1}
	in.note("columns, by their position: query = %s, positive = %s, negative = %s", header[texts[0]], header[texts[1]], header[texts[2]])
	return nil
}

// idsOrTexts finds out whether what stands where texts do are ids: numbers are, and
// words of which the corpus has every one that is looked at.
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

// sample reads the queries and documents of the first rows that have texts, or what
// stands where those do. numbers says that all documents are JSON numbers.
func (in *input) sample() (queries, documents []string, numbers bool, err error) {
	s, err := in.Open(in.path)
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

// hasAll reports whether there are texts and every one of these is the id of one.
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
