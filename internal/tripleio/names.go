package tripleio

import (
	"slices"
	"strings"
	"unicode"
)

// role is the kind of content of a field or column.
type role int

const (
	noRole role = iota
	queryRole
	positiveRole
	negativeRole
)

// aliases are the names that people use for fields of each role, in the form of
// [normal]. If several occur, the first in the list is used. A weak name is used only
// if there is no other name of the role, and only if it is the only weak one.
var aliases = map[role][]string{
	queryRole: {"query", "anchor", "question", "sentence1", "query_text", "question_text", "queries", "sent0", "sentence_0",
		"user_query", "search_query", "query_string", "prompt"},
	positiveRole: {"positive", "pos", "positives", "positive_passage", "positive_passages", "positive_document", "positive_documents",
		"positive_doc", "positive_docs", "pos_doc", "pos_docs", "pos_passage", "pos_passages", "positive_text", "positive_texts",
		"pos_text", "pos_texts", "positive_ctx", "positive_ctxs", "positive_response", "positive_sentence", "pos_document", "pos_documents",
		"gold", "gold_passage", "gold_passages", "gold_document", "gold_doc", "gold_text", "relevant_passage", "relevant_passages",
		"relevant_document", "relevant_documents", "relevant_doc", "relevant_docs", "chosen", "sent1", "sentence2", "sentence_1"},
	negativeRole: {"hard_negative", "hard_negatives", "hard_neg", "hard_negs", "negative", "neg", "negatives", "negs",
		"hard_negative_passage", "hard_negative_passages", "hard_negative_document", "hard_negative_documents", "hard_negative_doc",
		"hard_negative_docs", "hard_negative_text", "hard_negative_texts", "hard_negative_ctx", "hard_negative_ctxs", "negative_passage",
		"negative_passages", "negative_document", "negative_documents", "negative_doc", "negative_docs", "neg_doc", "neg_docs",
		"neg_document", "neg_documents", "neg_passage", "neg_passages", "negative_text", "negative_texts", "neg_text", "neg_texts",
		"negative_ctx", "negative_ctxs", "negative_sentence", "rejected_response", "rejected_responses", "negative_response",
		"negative_responses", "rejected", "mined_negative", "mined_negatives", "irrelevant", "irrelevant_passage", "irrelevant_document",
		"distractor", "distractors", "sent2", "sentence3", "sentence_2"},
}

var weak = []string{"answer", "document", "doc", "passage", "response", "relevant", "content"}

// idAliases are names of IDs other than the name of a role followed by id.
var idAliases = map[string]role{
	"qid": queryRole, "topic_id": queryRole, "pid_pos": positiveRole, "pid_neg": negativeRole, "doc_id_a": positiveRole, "doc_id_b": negativeRole,
}

// neverInputs are names that no trainer takes for a text.
var neverInputs = []string{"label", "labels", "score", "scores", "id", "_id", "ids", "idx", "index", "rank", "source", "split", "subset", "margin", "weight", "weights"}

// normal returns a name in lower case with underscores between its words.
func normal(name string) string {
	var b strings.Builder
	lower := false
	for _, r := range strings.TrimSpace(name) {
		switch {
		case r == '-' || r == ' ' || r == '.':
			r = '_'
		case unicode.IsUpper(r) && lower:
			b.WriteByte('_')
		}
		lower = unicode.IsLower(r)
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// meaning is what a name means.
type meaning struct {
	role   role
	rank   int // of the name among those of the role; the lowest wins
	weak   bool
	id     bool // of a document, or of several
	number int  // at the end of the name; -1 for none
}

// meaningOf returns what a field called name contains.
func meaningOf(name string) meaning {
	n := normal(name)
	if m, ok := aliasOf(n); ok {
		return m
	}
	if r, ok := idAliases[n]; ok {
		return meaning{role: r, id: true, number: -1}
	}
	if bare, ok := withoutID(n); ok {
		if m, ok := aliasOf(bare); ok && !m.weak {
			m.id = true
			return m
		}
	}
	bare := strings.TrimRight(n, "0123456789")
	if digits := n[len(bare):]; digits != "" && len(digits) < 10 {
		if m, ok := aliasOf(strings.TrimSuffix(bare, "_")); ok && m.role == negativeRole {
			m.number = 0
			for _, c := range digits {
				m.number = m.number*10 + int(c-'0')
			}
			return m
		}
	}
	return meaning{number: -1}
}

func aliasOf(n string) (meaning, bool) {
	for _, r := range []role{queryRole, positiveRole, negativeRole} {
		if k := slices.Index(aliases[r], n); k >= 0 {
			return meaning{role: r, rank: k, number: -1}, true
		}
	}
	if k := slices.Index(weak, n); k >= 0 {
		return meaning{role: positiveRole, rank: 1000 + k, weak: true, number: -1}, true
	}
	return meaning{}, false
}

// withoutID returns a name without the id, pid or docid at its end.
func withoutID(n string) (string, bool) {
	for _, end := range []string{"_document_ids", "_passage_ids", "_docids", "_docid", "_doc_ids", "_doc_id", "_pids", "_pid", "_qid", "_ids", "_id", "ids", "id"} {
		if bare, ok := strings.CutSuffix(n, end); ok && bare != "" {
			return bare, true
		}
	}
	return "", false
}

// isIDName reports whether a user's own name of a field says that it contains IDs.
func isIDName(name string) bool {
	n := normal(name)
	return n == "id" || n == "ids" || n == "qid" || n == "pid" || n == "docid" || strings.HasSuffix(n, "_id") || strings.HasSuffix(n, "_ids") ||
		strings.HasSuffix(n, "_pid") || strings.HasSuffix(n, "_pids") || strings.HasSuffix(n, "_docid") || strings.HasSuffix(n, "_docids")
}

// neverInput reports whether a column of an unknown name is certainly not one of the
// texts.
func neverInput(name string) bool {
	n := normal(name)
	if slices.Contains(neverInputs, n) || isIDName(n) {
		return true
	}
	for _, part := range []string{"score", "label", "rank", "margin", "weight", "similarity"} {
		if strings.HasSuffix(n, "_"+part) || strings.HasSuffix(n, "_"+part+"s") || strings.HasPrefix(n, part+"_") {
			return true
		}
	}
	return false
}

// found says which fields of a file contain what, according to their names.
type found struct {
	query, positive, negative       string // "" for none
	queryID, positiveID, negativeID string
	numbered                        []string // negatives with a number, in its order
	doubt                           []string // weak names, none better than the others
}

// find looks for the fields of each role.
func find(names []string) found {
	var f found
	best := map[*string]int{}
	take := func(at *string, name string, rank int) {
		if old, ok := best[at]; !ok || rank < old {
			*at, best[at] = name, rank
		}
	}
	numbers := map[string]meaning{}
	for _, name := range names {
		m := meaningOf(name)
		switch {
		case m.role == noRole:
		case m.number >= 0:
			numbers[name] = m
			f.numbered = append(f.numbered, name)
		case m.id:
			take(map[role]*string{queryRole: &f.queryID, positiveRole: &f.positiveID, negativeRole: &f.negativeID}[m.role], name, m.rank)
		default:
			if m.weak {
				f.doubt = append(f.doubt, name)
			}
			take(map[role]*string{queryRole: &f.query, positiveRole: &f.positive, negativeRole: &f.negative}[m.role], name, m.rank)
		}
	}
	if len(f.doubt) < 2 || best[&f.positive] < 1000 {
		f.doubt = nil
	}
	// Numbered names of only one alias, the best.
	slices.SortStableFunc(f.numbered, func(a, b string) int {
		if c := numbers[a].rank - numbers[b].rank; c != 0 {
			return c
		}
		return numbers[a].number - numbers[b].number
	})
	for i, name := range f.numbered {
		if numbers[name].rank != numbers[f.numbered[0]].rank {
			f.numbered = f.numbered[:i]
			break
		}
	}
	return f
}

// complete reports whether query, positive and negative all exist, as a text or by ID.
func (f *found) complete() bool {
	return (f.query != "" || f.queryID != "") && (f.positive != "" || f.positiveID != "") &&
		(f.negative != "" || f.negativeID != "" || len(f.numbered) > 0) && f.doubt == nil
}

// say lists the fields of each role.
func (f *found) say() string {
	or := func(a, b string) string {
		if a != "" {
			return a
		}
		return b
	}
	negatives := or(f.negative, f.negativeID)
	if f.negative == "" && len(f.numbered) > 0 {
		negatives = f.numbered[0]
		if len(f.numbered) > 1 {
			negatives += " to " + f.numbered[len(f.numbered)-1]
		}
	}
	return "columns: query = " + or(f.query, f.queryID) + ", positive = " + or(f.positive, f.positiveID) + ", negative = " + negatives
}
