package tripleio

import (
	"fmt"
	"strings"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/jsonrow"
	"example.com/eci/internal/quote"
)

// array reads a row that is a list: a query, a positive and negatives. Each is a text,
// an ID, or an ID with a score. Positives and negatives may also be lists of these.
func (d *rowDecoder) array(raw []byte) error {
	if raw[0] != '[' {
		return fmt.Errorf("%w: want a JSON list in every row, have %q", fault.Malformed, quote.Clip(raw))
	}
	if end, err := jsonrow.SkipValue(raw, 0, 1); err != nil || jsonrow.SkipSpace(raw, end) != len(raw) {
		if err == nil {
			err = jsonrow.SyntaxError(raw, end, "the end of the line")
		}
		return fmt.Errorf("%w: not a JSON list: %w", fault.Malformed, err)
	}
	r := &d.row
	elements, ids := 0, d.shape.ids
	err := jsonrow.EachElement(raw, func(k int, element []byte) (err error) {
		elements = k
		number := element[0] == '-' || element[0]-'0' <= 9
		switch {
		case jsonrow.Null(element):
			return nil
		case k == 1 && (d.shape.queryIDs || d.sample && number):
			r.query = passage{id: idOf(element), bare: true, number: number}
		case k == 1 && element[0] == '"':
			r.query.text = jsonrow.Unquote(element)
		case k == 1 && element[0] == '[':
			r.query.text, err = d.queryPair("1", element)
		case k == 1:
			err = fmt.Errorf("%w: element 1 is not a text", fault.Malformed)
		case k == 2:
			r.positives, err = d.part(r.positives, k, element)
		default:
			r.negatives, err = d.part(r.negatives, k, element)
		}
		d.shape.ids = ids
		return err
	})
	if err == nil && elements < 3 {
		err = fmt.Errorf("%w: a list of %d; want a query, a positive and negatives", fault.MissingField, elements)
	}
	return err
}

// part appends the documents of one element of a row that is a list. The second
// element distinguishes an ID with a score from a list of documents.
func (d *rowDecoder) part(dst []passage, k int, raw []byte) ([]passage, error) {
	if (d.sample || d.shape.ids) && raw[0] == '[' {
		if p, _, err := d.scored(raw, 0, len(raw)); err == nil {
			p.number = d.sample && !d.shape.ids
			return append(dst, p), nil
		}
	}
	return d.appendDocuments(dst, fmt.Sprint(k), raw)
}

// scored reads a list of an ID and a number at raw[i:end].
func (d *rowDecoder) scored(raw []byte, i, end int) (p passage, _ int, err error) {
	elements, fits := 0, true
	err = jsonrow.EachElement(raw[i:end], func(k int, element []byte) error {
		elements = k
		number := element[0] == '-' || element[0]-'0' <= 9
		switch {
		case k == 1 && (number || element[0] == '"'):
			p = passage{id: idOf(element), bare: true}
		case k == 2 && (number || jsonrow.Null(element)):
		default:
			fits = false
		}
		return nil
	})
	if err == nil && (!fits || elements != 2) {
		err = fmt.Errorf("it is neither an id nor a list of an id and a score")
	}
	return p, end, err
}

// idOf returns a string or a number as an ID.
func idOf(raw []byte) string {
	if raw[0] == '"' {
		return jsonrow.Unquote(raw)
	}
	return string(raw)
}

// appendPairs appends documents that are pairs of an instruction and a text: one pair,
// or a list of pairs.
func (d *rowDecoder) appendPairs(dst []passage, name string, raw []byte) ([]passage, error) {
	bad := func(err error) ([]passage, error) {
		return dst, fmt.Errorf("%w: field %q: %w", fault.Malformed, quote.Clip(name), err)
	}
	if i := jsonrow.SkipSpace(raw, 1); raw[i] == '"' {
		texts, err := stringsOf(raw)
		if err == nil && len(texts) > 2 {
			err = fmt.Errorf("a list of %d texts, where the query is an instruction and a text", len(texts))
		}
		if err != nil {
			return bad(err)
		}
		return append(dst, passage{text: texts[len(texts)-1]}), nil
	}
	err := jsonrow.EachElement(raw, func(k int, element []byte) error {
		if element[0] != '[' {
			return fmt.Errorf("element %d is no pair of an instruction and a text", k)
		}
		texts, err := stringsOf(element)
		if err == nil && (len(texts) == 0 || len(texts) > 2) {
			err = fmt.Errorf("element %d: a list of %d, and no pair of an instruction and a text", k, len(texts))
		}
		if err == nil {
			dst = append(dst, passage{text: texts[len(texts)-1]})
		}
		return err
	})
	if err != nil {
		return bad(err)
	}
	return dst, nil
}

// nWay reads a row of one query with scored documents. The first one is the positive.
func (d *rowDecoder) nWay(o *jsonrow.Object) error {
	if err := d.query(o); err != nil {
		return err
	}
	name, raw, ok := o.First(d.shape.positive)
	if !ok {
		return o.Missing(d.shape.positive...)
	}
	if raw[0] == '"' { // a list within a string, as written by some exports
		inner := []byte(strings.ReplaceAll(jsonrow.Unquote(raw), "'", `"`))
		if len(inner) > 0 && inner[0] == '[' && whole(inner) {
			raw = inner
		}
	}
	r := &d.row
	all, err := d.appendDocuments(r.negatives, name, raw)
	if err == nil && len(all) > 0 {
		r.positives, all = append(r.positives, all[0]), all[1:]
	}
	r.negatives = all
	return err
}

// conversations reads a row of ms-swift: lists of messages, each with a role and its
// content, for the query, for each positive and for each negative.
func (d *rowDecoder) conversations(o *jsonrow.Object) (err error) {
	r := &d.row
	if r.query.id, err = o.ID(d.shape.queryID...); err != nil {
		return err
	}
	name, raw, ok := o.First(d.shape.query)
	if !ok {
		return o.Missing(d.shape.query...)
	}
	if o.Has(d.shape.positive) || o.Has(d.shape.negative[:1]) {
		r.query.text, err = d.spoken(raw)
	} else { // the positive is the last answer
		var answer string
		if r.query.text, answer, err = d.answered(raw); err == nil && answer != "" {
			r.positives = append(r.positives, passage{text: answer})
		}
	}
	if err != nil {
		return fmt.Errorf("%w: field %q: %w", fault.Malformed, quote.Clip(name), err)
	}
	if r.positives, err = d.talks(o, r.positives, d.shape.positive); err != nil {
		return err
	}
	if name, raw, ok := o.First(d.shape.negative[1:]); ok && !o.Has(d.shape.negative[:1]) {
		r.negatives, err = d.rejected(r.negatives, name, raw)
		return err
	}
	r.negatives, err = d.talks(o, r.negatives, d.shape.negative[:1])
	return err
}

// rejected appends the answers that were not chosen: a text, a conversation that ends
// with one, or a list of these.
func (d *rowDecoder) rejected(dst []passage, name string, raw []byte) ([]passage, error) {
	bad := func(err error) ([]passage, error) {
		return dst, fmt.Errorf("%w: field %q: %w", fault.Malformed, quote.Clip(name), err)
	}
	one := func(_ int, raw []byte) error {
		text, err := "", error(nil)
		if raw[0] == '"' {
			text = jsonrow.Unquote(raw)
		} else if _, text, err = d.answered(raw); err == nil && text == "" {
			err = fmt.Errorf("it does not end with an answer")
		}
		if err == nil {
			dst = append(dst, passage{text: text})
		}
		return err
	}
	var err error
	if raw[0] != '[' || isTalk(raw) {
		err = one(1, raw)
	} else {
		err = jsonrow.EachElement(raw, one)
	}
	if err != nil {
		return bad(err)
	}
	return dst, nil
}

// answered splits a conversation into its last message, if the assistant gave it, and
// what was said before. The system's messages are instructions and count for nothing.
func (d *rowDecoder) answered(raw []byte) (before, answer string, err error) {
	if raw[0] != '[' {
		return "", "", fmt.Errorf("it is no list of messages")
	}
	var texts []string
	last := ""
	err = jsonrow.EachElement(raw, func(k int, message []byte) error {
		if message[0] != '{' {
			return fmt.Errorf("message %d is no object", k)
		}
		if _, err := d.inner.ParseAt(message, 0); err != nil {
			return err
		}
		role, err := d.inner.Text("role", "from")
		if err != nil || role == "system" {
			return err
		}
		text, err := d.inner.RequiredText("content", "value")
		texts, last = append(texts, text), role
		return err
	})
	if n := len(texts); err == nil && n > 0 && (last == "assistant" || last == "gpt") {
		texts, answer = texts[:n-1], texts[n-1]
	}
	return strings.Join(texts, "\n"), answer, err
}

// talks appends the texts of a list of conversations, or of one.
func (d *rowDecoder) talks(o *jsonrow.Object, dst []passage, names []string) ([]passage, error) {
	name, raw, ok := o.First(names)
	if !ok {
		return dst, nil // none
	}
	bad := func(err error) ([]passage, error) {
		return dst, fmt.Errorf("%w: field %q: %w", fault.Malformed, quote.Clip(name), err)
	}
	if raw[0] != '[' {
		return bad(fmt.Errorf("it is no list of messages"))
	}
	if i := jsonrow.SkipSpace(raw, 1); raw[i] == '{' {
		text, err := d.spoken(raw)
		if err != nil {
			return bad(err)
		}
		return append(dst, passage{text: text}), nil
	}
	err := jsonrow.EachElement(raw, func(k int, element []byte) error {
		text, err := d.spoken(element)
		if err != nil {
			return fmt.Errorf("element %d: %w", k, err)
		}
		dst = append(dst, passage{text: text})
		return nil
	})
	if err != nil {
		return bad(err)
	}
	return dst, nil
}

// isTalk reports whether a value is a list of messages: its first element is an object
// with a role and a content.
func isTalk(raw []byte) bool {
	i := jsonrow.SkipSpace(raw, 1)
	if raw[0] != '[' || i >= len(raw) || raw[i] != '{' {
		return false
	}
	role, content := false, false
	end, err := jsonrow.SkipValue(raw, i, 1)
	if err == nil {
		err = jsonrow.EachField(raw[i:end], func(name, _ []byte) error {
			role = role || string(name) == "role" || string(name) == "from"
			content = content || string(name) == "content" || string(name) == "value"
			return nil
		})
	}
	return err == nil && role && content
}

// spoken joins the contents of messages, except those of the system, which are
// instructions.
func (d *rowDecoder) spoken(raw []byte) (string, error) {
	if raw[0] == '"' {
		return jsonrow.Unquote(raw), nil
	}
	if raw[0] != '[' {
		return "", fmt.Errorf("it is no list of messages")
	}
	return d.said(raw, "")
}

// said joins the contents of the messages of one role, or of all except the system.
func (d *rowDecoder) said(raw []byte, by string) (string, error) {
	var texts []string
	err := jsonrow.EachElement(raw, func(k int, message []byte) error {
		if message[0] != '{' {
			return fmt.Errorf("message %d is no object", k)
		}
		if _, err := d.inner.ParseAt(message, 0); err != nil {
			return err
		}
		role, err := d.inner.Text("role", "from")
		if err != nil || role == "system" || by != "" && role != by && (by != "assistant" || role != "gpt") {
			return err
		}
		text, err := d.inner.RequiredText("content", "value")
		texts = append(texts, text)
		return err
	})
	return strings.Join(texts, "\n"), err
}

// labeled reads a row of a query with a document and its label, or with lists of both.
// A label above 0 marks a positive.
func (d *rowDecoder) labeled(o *jsonrow.Object) error {
	if err := d.query(o); err != nil {
		return err
	}
	name, raw, ok := o.First(d.shape.positive)
	if !ok {
		return o.Missing(d.shape.positive...)
	}
	documents, labelName, labelRaw := raw, name, raw
	if selected(raw) {
		if err := d.inner.Parse(raw); err != nil {
			return err
		}
		documents, _ = d.inner.Get("passage_text")
		labelRaw, _ = d.inner.Get("is_selected")
		labelName = "is_selected"
	} else if labelName, labelRaw, ok = o.First(d.shape.negative); !ok {
		return o.Missing(d.shape.negative...)
	}
	all, err := d.appendField(nil, name, documents, "")
	if err != nil {
		return err
	}
	name, raw = labelName, labelRaw
	labels, err := labelsOf(raw)
	if err == nil && len(labels) != len(all) {
		err = fmt.Errorf("%d labels for %d documents", len(labels), len(all))
	}
	if err != nil {
		return fmt.Errorf("%w: field %q: %w", fault.Malformed, quote.Clip(name), err)
	}
	for i, p := range all {
		if labels[i] {
			d.row.positives = append(d.row.positives, p)
		} else {
			d.row.negatives = append(d.row.negatives, p)
		}
	}
	return nil
}

// labelOf reads a label: whether it marks a positive.
func labelOf(text string) (bool, error) {
	switch strings.TrimSuffix(strings.ToLower(strings.TrimSpace(text)), ".0") {
	case "1", "true":
		return true, nil
	case "0", "-1", "false":
		return false, nil
	}
	return false, fmt.Errorf("label %s is neither 0 nor 1: of grades and classes, write 1 for those that are positives and 0 for the others", quote.Clip(text))
}

// labelsOf reads a label, or a list of them: 0 or 1, -1 or 1, false or true.
func labelsOf(raw []byte) (labels []bool, err error) {
	one := func(_ int, raw []byte) error {
		label, err := labelOf(idOf(raw))
		labels = append(labels, label)
		return err
	}
	if raw[0] == '[' {
		err = jsonrow.EachElement(raw, one)
	} else {
		err = one(1, raw)
	}
	return labels, err
}

// pairRows joins the rows of labeled pairs by their queries, in the order in which
// queries first appear. The rows are held in memory, because files often have the
// positives of all queries first.
func (in *input) pairRows(each rows) rows {
	return func(yield func(line int, r *row, err error) bool) {
		type group struct {
			row
			line int
		}
		var groups []*group
		known := make(map[string]*group)
		size, stopped := int64(0), false
		limit := in.Limit
		if limit == 0 {
			limit = 2 << 30
		}
		each(func(line int, r *row, err error) bool {
			if err != nil {
				stopped = !yield(line, nil, err)
				return !stopped
			}
			key := r.query.id + "\x00" + r.query.text
			g := known[key]
			if g == nil {
				g = &group{row: row{query: r.query}, line: line}
				known[key], groups = g, append(groups, g)
				size += int64(len(key))
			}
			g.lines++
			for _, p := range r.positives {
				size += int64(len(p.text) + 64)
				p.line = line
				g.positives = append(g.positives, p)
			}
			for _, p := range r.negatives {
				size += int64(len(p.text) + 64)
				p.line = line
				g.negatives = append(g.negatives, p)
			}
			if size > limit {
				yield(line, nil, fmt.Errorf("%w: more than %d MB of labeled pairs, which must fit in memory: raise Files.TextBytes", fault.Format, limit>>20))
				stopped = true
			}
			return !stopped
		})
		for _, g := range groups {
			if stopped || !yield(g.line, &g.row, nil) {
				return
			}
		}
	}
}
