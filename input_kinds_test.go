package eci_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"example.com/eci"
)

// The texts of the kinds of files: a query, its positive, two negatives.
const (
	kindQuery    = "when are figs ripe"
	kindPositive = "A ripe fig bends at the neck."
	kindFirst    = "Fig trees like walls."
	kindSecond   = "Dates grow on palms."
)

// kindFiles has the texts by id, judgments and the like.
func kindFiles() fstest.MapFS {
	files := fstest.MapFS{}
	for name, data := range map[string]string{
		"corpus.tsv":    "d1\t" + kindPositive + "\nd2\t" + kindFirst + "\nd3\t" + kindSecond + "\n",
		"numbers.tsv":   "1\t" + kindPositive + "\n2\t" + kindFirst + "\n3\t" + kindSecond + "\n",
		"twice.jsonl":   `{"_id":"d1","text":"` + kindPositive + `"}` + "\n" + `{"_id":"d2","text":"` + kindFirst + `"}` + "\n" + `{"_id":"d3","text":"` + kindSecond + `"}` + "\n" + `{"_id":"d1","text":"` + kindPositive + `"}` + "\n",
		"queries.tsv":   "q1\t" + kindQuery + "\n1\t" + kindQuery + "\n",
		"qrels.txt":     "q1 0 d1 1\n",
		"qrels.json":    `{"q1":{"d1":1,"d2":0}}`,
		"qrels.csv":     "\xef\xbb\xbfquery_id,doc_id,relevance\r\nq1,\"d1\",1.0\r\n",
		"zero.tsv":      "1\t" + kindPositive + "\n0\t" + kindFirst + "\n2\t" + kindSecond + "\n",
		"lists.json":    `{"q1":["d1"]}`,
		"swapped.tsv":   "docid\ttopic\titer\trel\nd1\tq1\t0\t1\n",
		"qrels.jsonl":   `{"query-id":"q1","corpus-id":"d1","score":1}` + "\n",
		"list.json":     "[\n {\"docid\":\"d1\",\"title\":\"\",\"text\":\"" + kindPositive + "\"},\n {\"docid\":\"d2\",\"text\":\"" + kindFirst + "\"},\n {\"docid\":\"d3\",\"text\":\"" + kindSecond + "\"}\n]\n",
		"corpus.csv":    "id,title,text\r\nd1,,\"" + kindPositive + "\"\r\nd2,,\"" + kindFirst + "\"\r\nd3,Dates,grow on palms.\r\n",
		"queries.csv":   "\"query_id\",\"query\"\nq1,\"" + kindQuery + "\"\n",
		"object.json":   `{"d1":{"title":"","text":"one"},"d2":{"text":"two"}}`,
		"strings.json":  `{"d1":"one","d2":"two"}`,
		"conflict.tsv":  "d1\tone text\nd1\tanother text\n",
		"qrels/bad.txt": "q1 0 d1 1\n",
		"latin1.csv":    "_id,text\nd1,caf\xe9\n",
		"latin1.json":   "[{\"_id\":\"d1\",\"text\":\"caf\xe9\"}]",
		"latin1.txt":    "q1 0 caf\xe9 1\n",
	} {
		files[name] = &fstest.MapFile{Data: []byte(data)}
	}
	return files
}

// kindOf writes q, p, n and m for the texts.
var kindTexts = strings.NewReplacer("‹q›", kindQuery, "‹p›", kindPositive, "‹n›", kindFirst, "‹m›", kindSecond)

// TestKindsOfFiles: the files that people have, in their own names and layouts, give
// the same two triples without a flag, and what was inferred is said.
func TestKindsOfFiles(t *testing.T) {
	byID := eci.Files{Corpus: "corpus.tsv", Queries: "queries.tsv"}
	numbers := eci.Files{Corpus: "numbers.tsv", Queries: "queries.tsv"}
	judged := func(qrels string) eci.Files {
		return eci.Files{Corpus: "corpus.tsv", Queries: "queries.tsv", Qrels: qrels}
	}
	for _, test := range []struct {
		reason, name, data string
		files              eci.Files
		says               string // "" for nothing inferred
	}{
		{"a score is no negative", "a.csv", "query_text,gold_passage,hard_negative,rag_score\n‹q›,‹p›,‹n›,0.8\n‹q›,‹p›,‹m›,0.7\n", eci.Files{}, "query = query_text"},
		{"labels and numbers are no negatives", "a.csv", "anchor,positive,negative,label,negative_num,is_hard\n‹q›,‹p›,‹n›,1,1,0\n‹q›,‹p›,‹m›,1,2,1\n", eci.Files{}, ""},
		{"an id in front is no query", "a.csv", "id,query_text,gold,neg1,neg2\n7,‹q›,‹p›,‹n›,‹m›\n", eci.Files{}, "negative = neg1 to neg2"},
		{"unknown names over three columns of texts and a number", "a.csv", "nr,ask,yes,no\n1,‹q›,‹p›,‹n›\n2,‹q›,‹p›,‹m›\n", eci.Files{}, "by their position: query = ask"},
		{"a header of unknown names in a TSV", "a.tsv", "ask\tyes\tno\n‹q›\t‹p›\t‹n›\n‹q›\t‹p›\t‹m›\n", eci.Files{}, "by their position: query = ask"},
		{"capitals, hyphens, CRLF and a byte order mark", "a.tsv", "\xef\xbb\xbfQUERY-TEXT\tPos Doc\tHard-Negative\r\n‹q›\t‹p›\t‹n›\r\n\r\n‹q›\t‹p›\t‹m›\r\n", eci.Files{}, "negative = Hard-Negative"},
		{"semicolons", "a.csv", "query;positive;negative\n‹q›;‹p›;‹n›\n‹q›;\"‹p›\";‹m›\n", eci.Files{}, ""},
		{"triples without a header", "a.tsv", "‹q›\t‹p›\t‹n›\n‹q›\t‹p›\t‹m›\n", eci.Files{}, "query = 1"},
		{"ids with letters, looked up", "a.tsv", "q1\td1\td2\nq1\td1\td3\n", byID, ""},
		{"a text and ids", "a.tsv", "‹q›\td1\td2\n‹q›\td1\td3\n", byID, "id of the positive = 2"},
		{"ids under the names of texts", "a.jsonl", `{"query":"‹q›","positive":"d1","negative":["d2","d3"]}`, byID, "documents are ids"},
		{"numbers under the names of texts", "a.jsonl", `{"query":1,"positive":1,"negatives":[2,3]}`, numbers, "queries and the documents are ids"},
		{"fields of ids", "a.jsonl", `{"query":"‹q›","positive_id":"d1","hard_negative_ids":["d2","d3"]}`, byID, "negative = hard_negative_ids"},
		{"fields of ids that the user names", "a.jsonl", `{"ask":"‹q›","yes_id":"d1","no_ids":["d2","d3"]}`, eci.Files{Corpus: "corpus.tsv", Fields: eci.Fields{Query: "ask", Positive: "yes_id", Negative: "no_ids"}}, ""},
		{"a run of query, document, rank", "a.tsv", "q1\td2\t1\nq1\td1\t2\nq1\td3\t3\n", judged("qrels.txt"), "rank"},
		{"a run of query, document, score", "a.txt", "q1 d2 12.5\nq1 d1 11.5\nq1 d3 9\n", judged("qrels.txt"), "score"},
		{"a run as CSV, judgments as JSON lines", "a.csv", "q1,d2,1\nq1,d3,2\n", judged("qrels.jsonl"), "rank"},
		{"judgments as CSV", "a.tsv", "q1\td2\t1\nq1\td3\t2\n", judged("qrels.csv"), "rank"},
		{"judgments as JSON lists", "a.tsv", "q1\td2\t1\nq1\td3\t2\n", judged("lists.json"), "rank"},
		{"judgments with columns in another order", "a.tsv", "q1\td2\t1\nq1\td3\t2\n", judged("swapped.tsv"), "rank"},
		{"a run with a header", "a.tsv", "query_id\tdoc_id\tscore\nq1\td3\t1\nq1\td2\t2\n", judged("qrels.txt"), "document = doc_id"},
		{"a run as one JSON object, and judgments", "a.json", `{"q1":{"d3":1.5,"d1":9,"d2":2.5}}`, judged("qrels.json"), ""},
		{"a run of JSON lists", "a.json", `{"q1":["d2","d1","d3"]}`, judged("qrels.json"), ""},
		{"a run with an object a line", "a.jsonl", `{"qid":"q1","docid":"d2","rank":1}` + "\n" + `{"qid":"q1","docid":"d3","rank":2}`, judged("qrels.json"), "rank = rank"},
		{"null for an empty list", "a.jsonl", `{"query":"‹q›","positive_passages":[{"text":"‹p›"}],"negative_passages":null}` + "\n" + `{"query":"‹q›","positive_passages":[{"text":"‹p›"}],"negative_passages":[{"text":"‹n›"},{"text":"‹m›"}]}`, eci.Files{}, ""},
		{"a list a line", "a.jsonl", `["‹q›","‹p›","‹n›"]` + "\n" + `["‹q›","‹p›","‹m›",null]`, eci.Files{}, ""},
		{"one list of lists", "a.json", `[["‹q›","‹p›","‹n›","‹m›"]]`, eci.Files{}, ""},
		{"one indented list of lists", "a.json", "[\n  [\n    \"‹q›\",\n    \"‹p›\",\n    \"‹n›\", \"‹m›\"\n  ]\n]\n", eci.Files{}, ""},
		{"lists within a list", "a.jsonl", `["‹q›",["‹p›"],["‹n›","‹m›"]]`, eci.Files{}, ""},
		{"ColBERT's triples", "a.json", "[1,1,2]\n[1,1,3]\n", numbers, "are ids"},
		{"ColBERT's n-way examples", "a.json", "[1,[1,9.5],[2,1.5],[3,1]]\n", numbers, "are ids"},
		{"ids in lists", "a.json", `["q1","d1","d2","d3"]`, byID, "are ids"},
		{"PyLate", "a.jsonl", `{"query_id":"q1","document_ids":["d1","d2","d3"],"scores":[0.9,0.5,0.1]}`, byID, ""},
		{"PyLate, lists in strings", "a.jsonl", `{"query_id":1,"document_ids":"['1', '2', '3']","scores":"[0.9, 0.5, 0.1]"}`, numbers, ""},
		{"ms-swift, messages", "a.jsonl", `{"messages":[{"role":"system","content":"be kind"},{"role":"user","content":"‹q›"}],"positive_messages":[[{"role":"user","content":"‹p›"}]],"negative_messages":[[{"role":"user","content":"‹n›"}],[{"role":"user","content":"‹m›"}]]}`, eci.Files{}, ""},
		{"ms-swift, responses", "a.jsonl", `{"query":"‹q›","response":"‹p›","rejected_response":["‹n›","‹m›"]}`, eci.Files{}, "negative = rejected_response"},
		{"plural names", "a.jsonl", `{"query":"‹q›","positives":["‹p›"],"hard_negatives":["‹n›","‹m›"]}`, eci.Files{}, "negative = hard_negatives"},
		{"nomic's names", "a.jsonl", `{"query":"‹q›","document":"‹p›","negatives":["‹n›","‹m›"],"metadata":{}}`, eci.Files{}, "positive = document"},
		{"camel case", "a.jsonl", `{"Question":"‹q›","positiveDoc":"‹p›","hardNegatives":["‹n›","‹m›"]}`, eci.Files{}, "negative = hardNegatives"},
		{"preferences", "a.jsonl", `{"prompt":"‹q›","chosen":"‹p›","rejected":["‹n›","‹m›"]}`, eci.Files{}, "positive = chosen"},
		{"labeled pairs, the positives first", "a.jsonl", `{"query":"‹q›","passage":"‹p›","label":1}` + "\n" + `{"query":"another","passage":"text","label":1}` + "\n" + `{"query":"‹q›","passage":"‹n›","label":0}` + "\n" + `{"query":"‹q›","passage":"‹m›","label":0}`, eci.Files{}, "label = label"},
		{"labeled pairs as CSV", "a.csv", "query,passage,label\n‹q›,‹p›,1\n‹q›,‹n›,0\n‹q›,‹m›,0.0\n", eci.Files{}, "label = label"},
		{"labeled lists", "a.jsonl", `{"query":"‹q›","docs":["‹n›","‹p›","‹m›"],"labels":[0,1,0]}`, eci.Files{}, "document = docs"},
		{"MS MARCO's passages", "a.jsonl", `{"query_id":1,"query":"‹q›","answers":[],"passages":{"is_selected":[0,1,0],"passage_text":["‹n›","‹p›","‹m›"],"url":["","",""]}}`, eci.Files{}, "document = passages"},
		{"INSTRUCTOR's pairs", "a.jsonl", `{"query":["Find:","‹q›"],"pos":["Text:","‹p›"],"neg":["Text:","‹n›"]}` + "\n" + `{"query":["Find:","‹q›"],"pos":["Text:","‹p›"],"neg":["Text:","‹m›"]}`, eci.Files{}, ""},
		{"GritLM's pairs", "a.jsonl", `{"query":["Find:","‹q›"],"pos":[["","‹p›"]],"neg":[["","‹n›"],["","‹m›"]]}`, eci.Files{}, ""},
		{"NeMo's document", "a.json", "{\n \"corpus\": [\n  {\"path\": \"x\"}\n ],\n \"data\": [\n  {\"question_id\":\"q1\",\"question\":\"‹q›\",\"pos_doc\":[{\"id\":\"d1\"}],\"neg_doc\":[{\"id\":\"d2\"},{\"id\":\"d3\"}]}\n ]\n}\n", byID, ""},
		{"rows in a field", "a.json", `{"version":1,"data":[{"anchor":"‹q›","positive":"‹p›","negative":"‹n›"},{"anchor":"‹q›","positive":"‹p›","negative":"‹m›"}]}`, eci.Files{}, ""},
		{"rows over several lines", "a.jsonl", "{\n  \"anchor\": \"‹q›\",\n  \"positive\": \"‹p›\",\n  \"negative_1\": \"‹n›\",\n  \"negative_2\": \"‹m›\"\n}\n", eci.Files{}, ""},
		{"NaN where nothing is read", "a.jsonl", `{"anchor":"‹q›","positive":"‹p›","negative":"‹n›","score":NaN}` + "\n" + `{"anchor":"‹q›","positive":"‹p›","negative":"‹m›","score":-Infinity}`, eci.Files{}, ""},
		{"FlagEmbedding with scores, prompts and ids", "a.jsonl", `{"query":"‹q›","pos":["‹p›"],"neg":["‹n›","‹m›"],"pos_scores":[0.9],"neg_scores":[0.2,0.1],"prompt":"Represent","pos_id":["1"],"neg_id":["2","3"],"type":"normal"}`, eci.Files{}, ""},
		{"an n-tuple as TSV with quotes", "a.tsv", "anchor\tpositive\tnegative_1\tnegative_2\n\"‹q›\"\t‹p›\t\"‹n›\"\t‹m›\n", eci.Files{}, ""},
		{"the index of pandas in front", "a.csv", ",anchor,positive,negative\n0,‹q›,‹p›,‹n›\n1,‹q›,‹p›,‹m›\n", eci.Files{}, ""},
		{"texts and lists mixed", "a.jsonl", `{"query":"‹q›","positive":"‹p›","negative":["‹n›"]}` + "\n" + `{"query":"‹q›","positive":["‹p›"],"negative":"‹m›"}`, eci.Files{}, ""},
		{"one indented list of rows", "a.json", "[\n    {\n        \"query\": \"‹q›\",\n        \"pos\": [\n            \"‹p›\"\n        ],\n        \"neg\": [\n            \"‹n›\",\n            \"‹m›\"\n        ]\n    }\n]\n", eci.Files{}, ""},
		{"a byte order mark, CRLF and blank lines in JSON lines", "a.jsonl", "\xef\xbb\xbf" + `{"anchor":"‹q›","positive":"‹p›","negative":"‹n›"}` + "\r\n\r\n  \r\n" + `{"anchor":"‹q›","positive":"‹p›","negative":"‹m›"}` + "\r\n", eci.Files{}, ""},
		{"a teacher's list of texts", "a.jsonl", `{"query":"‹q›","documents":["‹p›","‹n›","‹m›"],"scores":[0.9,0.2,0.1]}`, eci.Files{}, "the first of documents"},
		{"Tevatron's negatives under another query", "a.jsonl", `{"question":"‹q›","answer":"yes","positive_passage":"‹p›","negative_passages":["‹n›","‹m›"]}`, eci.Files{}, "query = question"},
		{"lists in cells, as JSON", "a.csv", "query,pos,neg\n\"‹q›\",\"[\"\"‹p›\"\"]\",\"[\"\"‹n›\"\", \"\"‹m›\"\"]\"\n", eci.Files{}, "pos, neg are lists"},
		{"lists in cells, as Python prints them", "a.csv", "query,pos,neg\n‹q›,['‹p›'],\"['‹n›', \"\"‹m›\"\"]\"\n", eci.Files{}, "pos, neg are lists"},
		{"lists in cells, as NumPy prints them", "a.tsv", "query\tpositive\tnegatives\n‹q›\t‹p›\t['‹n›' '‹m›']\n", eci.Files{}, "negatives are lists"},
		{"lists of ids in cells", "a.tsv", "query\tpositive_id\tnegative_ids\n‹q›\td1\t['d2', 'd3']\n", byID, "negative = negative_ids"},
		{"texts in objects", "a.jsonl", `{"query":{"id":"q1","text":"‹q›"},"positive":{"text":"‹p›"},"negative":[{"text":"‹n›","score":0.5},{"content":"‹m›"}]}`, eci.Files{}, ""},
		{"preferences of messages", "a.jsonl", `{"prompt":"‹q›","chosen":[{"role":"user","content":"‹q›"},{"role":"assistant","content":"‹p›"}],"rejected":[{"role":"user","content":"‹q›"},{"role":"assistant","content":"‹n›"}]}` + "\n" + `{"prompt":[{"role":"system","content":"x"},{"role":"user","content":"‹q›"}],"chosen":[{"from":"gpt","value":"‹p›"}],"rejected":[{"role":"assistant","content":"‹m›"}]}`, eci.Files{}, "positive = chosen"},
		{"numbers with gaps, and null", "a.jsonl", `{"query":"‹q›","positive":"‹p›","neg_1":"‹n›","neg_3":"‹m›","neg_7":null}`, eci.Files{}, "neg_1 to neg_7"},
		{"irrelevant", "a.jsonl", `{"query":"‹q›","relevant":["‹p›"],"irrelevant":["‹n›","‹m›"]}`, eci.Files{}, "negative = irrelevant"},
		{"labeled pairs with ids and a header, as TSV", "a.tsv", "qid\tquery\tpid\tpassage\tlabel\nq1\t‹q›\t1\t‹p›\t1\nq1\t‹q›\t2\t‹n›\t0\nq1\t‹q›\t3\t‹m›\t0\n", eci.Files{}, "label = label"},
		{"ms-swift, an answer and those rejected", "a.jsonl", `{"messages":[{"role":"system","content":"be kind"},{"role":"user","content":"‹q›"},{"role":"assistant","content":"‹p›"}],"rejected_response":["‹n›","‹m›"]}`, eci.Files{}, ""},
		{"ms-swift, a conversation that was rejected", "a.jsonl", `{"messages":[{"role":"user","content":"‹q›"},{"role":"assistant","content":"‹p›"}],"rejected_messages":[{"role":"user","content":"‹q›"},{"role":"assistant","content":"‹n›"}]}` + "\n" + `{"messages":[{"role":"user","content":"‹q›"},{"role":"assistant","content":"‹p›"}],"rejected_response":"‹m›"}`, eci.Files{}, ""},
		{"bars between the columns", "a.csv", "anchor|positive|negative\n‹q›|‹p›|‹n›\n‹q›|‹p›|‹m›\n", eci.Files{}, ""},
		{"empty rows of a spreadsheet", "a.csv", "\ufeffanchor,positive,negative\r\n‹q›,‹p›,‹n›\r\n,,\r\n\r\n‹q›,‹p›,‹m›\r\n,,\r\n", eci.Files{}, ""},
		{"line breaks in the quoted cells of a TSV", "a.tsv", "anchor\tpositive\tnegative\tremark\n‹q›\t\"‹p›\"\t‹n›\t\"one\nand two\"\n‹q›\t‹p›\t‹m›\tx\n", eci.Files{}, ""},
		{"labeled pairs of sentences", "a.csv", "sentence1,sentence2,labels\n‹q›,‹p›,1\n‹q›,‹n›,0\n‹q›,‹m›,0\n", eci.Files{}, "label = labels"},
		{"labeled pairs with names of one's own", "a.csv", "text1,text2,is_dup\n‹q›,‹p›,True\n‹q›,‹n›,False\n‹q›,‹m›,False\n", eci.Files{Fields: eci.Fields{Query: "text1", Positive: "text2", Negative: "is_dup"}}, "label = is_dup"},
		{"ids of 0 and 1 in a field of one's own are no labels", "a.jsonl", `{"q":"‹q›","good":"1","bad_id":"0"}` + "\n" + `{"q":"‹q›","good":"1","bad_id":"2"}`, eci.Files{Corpus: "zero.tsv", Fields: eci.Fields{Query: "q", Positive: "good", Negative: "bad_id"}}, "ids"},
		{"the same in JSON, the label by its usual name", "a.jsonl", `{"a":"‹q›","b":"‹p›","label":1}` + "\n" + `{"a":"‹q›","b":"‹n›","label":0}` + "\n" + `{"a":"‹q›","b":"‹m›","label":0}`, eci.Files{Fields: eci.Fields{Query: "a", Positive: "b"}}, "label = label"},
		{"labeled pairs of a table, by the format's name", "a.tsv", "query\tpassage\tlabel\n‹q›\t‹p›\t1\n‹q›\t‹n›\t0\n‹q›\t‹m›\t0\n", eci.Files{Format: eci.FormatLabeledPair}, "label = label"},
		{"triplets with one label", "a.csv", "anchor,positive,negative,label\n‹q›,‹p›,‹n›,1\n‹q›,‹p›,‹m›,1\n", eci.Files{}, ""},
		{"triplets with margins", "a.jsonl", `{"anchor":"‹q›","positive":"‹p›","negative":"‹n›","label":1.0}` + "\n" + `{"anchor":"‹q›","positive":"‹p›","negative":"‹m›","label":0.25}`, eci.Files{}, ""},
		{"triplets with a label that is not to count", "a.csv", "anchor,positive,negative,label\n‹q›,‹p›,‹n›,1\n‹q›,‹p›,‹m›,0\n", eci.Files{Format: eci.FormatTriplet}, ""},
		{"a corpus that is one list", "a.jsonl", `{"query_id":"q1","query_text":"‹q›","positive_document_ids":["d1"],"negative_document_ids":["d2","d3"]}`, eci.Files{Corpus: "list.json"}, ""},
		{"a corpus and queries as CSV", "a.tsv", "q1\td1\td2\nq1\td1\td3\n", eci.Files{Corpus: "corpus.csv", Queries: "queries.csv"}, ""},
		{"a run with tabs, CRLF and scores below 0", "a.run", "q1\tQ0\td2\t1\t12.5\tbm25\r\nq1\tQ0\td1\t2\t11\tbm25\r\nq1\tQ0\td3\t3\t-1e3\tbm25\r\n", judged("qrels.txt"), ""},
		{"several members of gzip and fields in capitals", "a.jsonl", `{"Query":"‹q›","Positive":"‹p›","Negative":"‹n›"}` + "\n" + `{"Query":"‹q›","Positive":"‹p›","Negative":"‹m›"}`, eci.Files{}, "query = Query"},
		{"ids beside texts", "a.jsonl", `{"negative_ids":["d2","d3"],"negatives":["‹n›","‹m›"],"positive_id":"d1","positive":"‹p›","query":"‹q›","query_id":"q1"}`, byID, "negative = negatives"},
		{"an id twice with one text", "a.tsv", "q1\td1\td2\nq1\td1\td3\n", eci.Files{Corpus: "twice.jsonl", Queries: "queries.tsv"}, ""},
	} {
		t.Run(test.reason, func(t *testing.T) {
			files := kindFiles()
			data := kindTexts.Replace(test.data)
			files[test.name] = &fstest.MapFile{Data: []byte(data)}
			files[test.name+".gz"] = &fstest.MapFile{Data: gzipped(data)}
			want := []string{kindQuery + " | " + kindPositive + " | " + kindFirst, kindQuery + " | " + kindPositive + " | " + kindSecond}
			for _, name := range []string{test.name, test.name + ".gz"} {
				var notes []string
				test.files.FS, test.files.Note = files, func(message string) { notes = append(notes, message) }
				if (name == test.name+".gz") && strings.Contains(name, ".run") {
					continue
				}
				sources, err := test.files.Sources(name)
				if err != nil {
					t.Fatal(err)
				}
				for range 2 {
					if diff := cmp.Diff(want, collect(t, sources[0])); diff != "" {
						t.Errorf("%s: %s", name, diff)
					}
				}
				said := strings.Join(notes, "\n")
				if (test.says == "") != (said == "") || !strings.Contains(said, test.says) || len(notes) > 2 {
					t.Errorf("%s: said %q, want %q", name, said, test.says)
				}
			}
		})
	}
}

// TestKindsRefused: where it cannot be told what a file holds, the error asks.
func TestKindsRefused(t *testing.T) {
	judged := eci.Files{Corpus: "corpus.tsv", Queries: "queries.tsv", Qrels: "qrels.txt"}
	for _, test := range []struct {
		reason, name, data string
		files              eci.Files
		want               error
		says               string
	}{
		{"four columns of texts", "a.csv", "a,b,c,d\n‹q›,‹p›,‹n›,‹m›\n", eci.Files{}, eci.ErrMissingField, "Files.Fields"},
		{"two columns of texts and a score", "a.csv", "a,b,score\n‹q›,‹p›,0.5\n", eci.Files{}, eci.ErrMissingField, "score (numbers)"},
		{"two columns of texts and a label", "a.tsv", "‹q›\t‹p›\t1\n", eci.Files{}, eci.ErrFormat, "numbers"},
		{"ids without a corpus", "a.tsv", "alpha\tbeta\tgamma\n", eci.Files{}, eci.ErrMissingField, "Files.Corpus"},
		{"ids of documents without a corpus", "a.tsv", "‹q›\tbeta\tgamma\n", eci.Files{}, eci.ErrMissingField, "Files.Corpus"},
		{"numbers instead of texts", "a.jsonl", `{"query":"‹q›","positive":"1","negative":"2"}`, eci.Files{}, eci.ErrMissingField, "Files.Corpus"},
		{"a run without judgments", "a.tsv", "q1\td1\t1\nq1\td2\t2\n", eci.Files{Corpus: "corpus.tsv", Queries: "queries.tsv"}, eci.ErrFormat, "Files.Qrels"},
		{"a JSON run without judgments", "a.json", `{"q1":{"d1":1}}`, eci.Files{}, eci.ErrMissingField, "Files.Qrels"},
		{"a JSON run with a NaN", "a.json", `{"q1":{"d1":1,"d2":NaN}}`, judged, eci.ErrMalformed, "no score"},
		{"two fields that may be the positive", "a.jsonl", `{"query":"‹q›","document":"‹p›","response":"‹m›","negatives":["‹n›"]}`, eci.Files{}, eci.ErrFormat, "Files.Fields"},
		{"a label that may say which column is the negative", "a.csv", "anchor,positive,negative,label\n‹q›,‹p›,‹n›,1\n‹q›,‹m›,‹p›,0\n", eci.Files{}, eci.ErrMalformed, "row 3: malformed row: label is 0, and the first row's is 1"},
		{"the same in JSON", "a.jsonl", `{"anchor":"‹q›","positive":"‹p›","negative":"‹n›","label":false}` + "\n" + `{"anchor":"‹q›","positive":"‹p›","negative":"‹n›","label":true}`, eci.Files{}, eci.ErrMalformed, "FormatTriplet"},
		{"the same, called scores", "a.tsv", "query\tpositive\tnegative\tscores\n‹q›\t‹p›\t‹n›\t1\n‹q›\t‹m›\t‹p›\t0\n", eci.Files{}, eci.ErrMalformed, "scores is 0"},
		{"lines that end with a carriage return", "a.csv", "anchor,positive,negative\r‹q›,‹p›,‹n›\r‹q›,‹p›,‹m›\r", eci.Files{}, eci.ErrFormat, "carriage return alone"},
		{"a spreadsheet's first line", "a.csv", "sep=;\nanchor;positive;negative\n‹q›;‹p›;‹n›\n", eci.Files{}, eci.ErrFormat, "delete it"},
		{"a workbook", "a.xlsx", "PK\x03\x04[Content_Types].xml", eci.Files{}, eci.ErrFormat, "as CSV"},
		{"a pointer of Git LFS", "a.jsonl", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", eci.Files{}, eci.ErrFormat, "git lfs pull"},
		{"a page in place of the file", "a.jsonl", "<!DOCTYPE html>\n<html></html>\n", eci.Files{}, eci.ErrFormat, "an HTML page"},
		{"one list of texts", "a.json", `["‹q›"` + strings.Repeat(`,"‹p›"`, 200) + `]`, eci.Files{}, eci.ErrFormat, "FormatArrays"},
		{"a table that is none of labeled pairs", "a.csv", "anchor,positive,negative\n‹q›,‹p›,‹n›\n", eci.Files{Format: eci.FormatLabeledPair}, eci.ErrFormat, "no query, document and label"},
		{"a run where another format was asked for", "a.json", `{"q1":{"d1":1.5,"d2":1}}`, eci.Files{Corpus: "corpus.tsv", Queries: "queries.tsv", Qrels: "qrels.txt", Format: eci.FormatDPR}, eci.ErrMissingField, ""},
		{"a label that ends with a backslash", "a.csv", "query,passage,label\n‹q›,‹p›,1\\\n", eci.Files{}, eci.ErrMalformed, "neither 0 nor 1"},
		{"labeled pairs without a header", "a.tsv", "‹q›\t‹p›\t1\n‹q›\t‹n›\t0\n", eci.Files{}, eci.ErrFormat, "query, passage, label"},
		{"an empty object", "a.json", "{}", eci.Files{}, eci.ErrFormat, "empty"},
		{"rows in a field of theirs", "a.jsonl", `{"data":{"query":"‹q›","pos":["‹p›"],"neg":["‹n›"]}}`, eci.Files{}, eci.ErrFormat, "jq -c .data"},
		{"rows of a viewer of data sets", "a.json", `{"rows":[{"row_idx":0,"row":{"anchor":"‹q›","positive":"‹p›","negative":"‹n›"}}]}`, eci.Files{}, eci.ErrFormat, "jq -c .rows[].row"},
		{"what Python prints", "a.jsonl", "{'query': '‹q›', 'pos': ['‹p›'], 'neg': ['‹n›']}\n", eci.Files{}, eci.ErrMalformed, "json.dumps"},
		{"null among texts", "a.jsonl", `{"query":"‹q›","pos":["‹p›"],"neg":["‹n›",null]}`, eci.Files{}, eci.ErrMalformed, "element 2: it is null"},
		{"ids that pandas made floats", "a.csv", "query,positive_id,negative_id\n‹q›,1.0,2.0\n", eci.Files{Corpus: "numbers.tsv"}, eci.ErrMissingField, "as integers"},
		{"an answer without one rejected", "a.jsonl", `{"messages":[{"role":"user","content":"‹q›"},{"role":"assistant","content":"‹p›"}],"rejected_messages":[{"role":"user","content":"‹n›"}]}`, eci.Files{}, eci.ErrMalformed, "does not end with an answer"},
		{"classes of an inference task", "a.csv", "sentence1,sentence2,label\n‹q›,‹p›,0\n‹q›,‹n›,2\n", eci.Files{}, eci.ErrMalformed, "of grades and classes, write 1"},
		{"a label, and columns of unknown names", "a.csv", "text1,text2,label\n‹q›,‹p›,1\n", eci.Files{}, eci.ErrMissingField, "the label as Negative"},
		{"the same in JSON lines", "a.jsonl", `{"text1":"‹q›","text2":"‹p›","label":1}`, eci.Files{}, eci.ErrFormat, "the label as Negative"},
		{"Latin-1", "a.jsonl", "{\"query\":\"caf\xe9\",\"positive\":\"‹p›\",\"negative\":\"‹n›\"}\n", eci.Files{}, eci.ErrMalformed, "iconv"},
		{"a label that is none", "a.jsonl", `{"query":"‹q›","passage":"‹p›","label":3.5}`, eci.Files{}, eci.ErrMalformed, "neither 0 nor 1"},
		{"labels and documents that differ in number", "a.jsonl", `{"query":"‹q›","docs":["‹p›"],"labels":[1,0]}`, eci.Files{}, eci.ErrMalformed, "2 labels"},
		{"a text that is null", "a.jsonl", `{"query":"‹q›","positive":null,"negative":"‹n›"}`, eci.Files{}, eci.ErrMissingField, "positive is null"},
		{"a text that is NaN", "a.jsonl", `{"query":"‹q›","positive":"‹p›","negative":NaN}`, eci.Files{}, eci.ErrMissingField, "negative is null"},
		{"an id twice with two texts", "a.tsv", "q1\td1\td1\n", eci.Files{Corpus: "conflict.tsv", Queries: "queries.tsv"}, eci.ErrMalformed, "another text"},
		{"rows over several lines, cut short", "a.jsonl", "{\n \"anchor\": \"‹q›\",\n", eci.Files{}, eci.ErrFormat, "cut short"},
		{"rows by column, as lists", "a.json", `{"anchor":["‹q›","two"],"positive":["‹p›","two"],"negative":["‹n›","two"]}`, eci.Files{}, eci.ErrMalformed, "orient="},
		{"rows by column, as pandas writes them", "a.json", `{"anchor":{"0":"‹q›"},"positive":{"0":"‹p›"},"negative":{"0":"‹n›"}}`, eci.Files{}, eci.ErrMalformed, "orient="},
		{"a list in a cell that NumPy has shortened", "a.csv", "query,positive,negatives\n‹q›,‹p›,['‹n›' '‹m›']\n‹q›,‹p›,['‹n›' ... '‹m›']\n", eci.Files{}, eci.ErrMalformed, "no list"},
		{"a document and a score in a row", "a.jsonl", `{"query":"‹q›","document":"‹p›","score":0.95}`, eci.Files{}, eci.ErrMissingField, "called label"},
		{"the same in a table", "a.tsv", "query\tdocument\tscore\n‹q›\t‹p›\t1\n", eci.Files{}, eci.ErrMissingField, "called label"},
		{"MS MARCO's passages with labels of another number", "a.jsonl", `{"query":"‹q›","passages":{"is_selected":[0,1],"passage_text":["‹p›"]}}`, eci.Files{}, eci.ErrMalformed, "2 labels for 1"},
		{"a first row without negatives", "a.jsonl", `{"query":"‹q›","pos":["‹p›"]}`, eci.Files{}, eci.ErrMissingField, "want neg"},
		{"a corpus that is one object", "a.tsv", "q1\td1\td2\n", eci.Files{Corpus: "object.json", Queries: "queries.tsv"}, eci.ErrFormat, ".value.text"},
		{"a corpus that is one object of texts", "a.tsv", "q1\td1\td2\n", eci.Files{Corpus: "strings.json", Queries: "queries.tsv"}, eci.ErrFormat, "text: .value}"},
		{"UTF-16", "a.csv", "\xff\xfea\x00,\x00b\x00", eci.Files{}, eci.ErrFormat, "iconv"},
		{"a field twice, with different values", "a.jsonl", `{"query":"‹q›","positive":"‹p›","negative":"‹n›","negative":"‹m›"}`, eci.Files{}, eci.ErrMalformed, "there twice"},
		{"triples given as the corpus", "a.jsonl", `{"query":"‹q›","positive":"‹p›","negative":"‹n›"}`, eci.Files{Corpus: "a.jsonl"}, eci.ErrFormat, "rows of triples"},
		{"a corpus as CSV in Latin-1", "a.tsv", "q1\td1\td1\n", eci.Files{Corpus: "latin1.csv", Queries: "queries.tsv"}, eci.ErrFormat, "iconv"},
		{"a corpus as a list in Latin-1", "a.tsv", "q1\td1\td1\n", eci.Files{Corpus: "latin1.json", Queries: "queries.tsv"}, eci.ErrFormat, "iconv"},
		{"judgments in Latin-1", "a.run", "q1 Q0 d1 1 2.5 bm25\n", eci.Files{Corpus: "corpus.tsv", Queries: "queries.tsv", Qrels: "latin1.txt"}, eci.ErrFormat, "iconv"},
		{"a run in Latin-1", "a.run", "caf\xe9 Q0 d1 1 2.5 bm25\n", judged, eci.ErrFormat, "iconv"},
		{"a list that is no list", "a.jsonl", `["‹q›","‹p›","‹n›"` + "\n", eci.Files{}, eci.ErrFormat, "not a JSON list"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			files := kindFiles()
			files[test.name] = &fstest.MapFile{Data: []byte(kindTexts.Replace(test.data))}
			test.files.FS = files
			sources, err := test.files.Sources(test.name)
			for i := 0; err == nil && i < len(sources); i++ {
				for _, rowErr := range sources[i].Triples {
					if err == nil {
						err = rowErr
					}
				}
			}
			if !errors.Is(err, test.want) || !strings.Contains(fmt.Sprint(err), test.says) {
				t.Errorf("error %v, want %v with %q", err, test.want, test.says)
			}
		})
	}
}

// TestSourcesOfSeveralFiles: shards are one source, a folder and a pattern give their
// files, name=file,file a name, and equal names get their folders.
func TestSourcesOfSeveralFiles(t *testing.T) {
	row := func(n string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(`{"anchor":"q","positive":"p","negative":"` + n + `"}` + "\n")}
	}
	files := fstest.MapFS{
		"bm25/train-00000-of-00002.jsonl": row("a"), "bm25/train-00001-of-00002.jsonl": row("b"), "bm25/README.md": row("x"),
		"dense/data/train-00000-of-00002.jsonl": row("c"), "dense/data/train-00001-of-00002.jsonl": row("d"), "dense/data/test-00000-of-00001.jsonl": row("x"),
		"one/mined.jsonl": row("e"), "two/mined.jsonl": row("f"), "llm.jsonl": row("g"), "llm.csv": {Data: []byte("anchor,positive,negative\nq,p,h\n")},
		"a=b.jsonl": row("i"), "empty/.hidden.jsonl": row("x"),
	}
	for _, test := range []struct {
		reason string
		paths  []string
		want   string // name: negatives
		err    error
	}{
		{"shards", []string{"bm25/train-00000-of-00002.jsonl", "bm25/train-00001-of-00002.jsonl"}, "bm25: a b", nil},
		{"shards apart", []string{"bm25/train-00000-of-00002.jsonl", "dense/data/train-00000-of-00002.jsonl"}, "bm25: a; dense: c", nil},
		{"folders", []string{"bm25", "dense"}, "bm25: a b; dense: c d", nil},
		{"a pattern", []string{"*/mined.jsonl"}, "one/mined: e; two/mined: f", nil},
		{"a name", []string{"x=one/mined.jsonl,two/mined.jsonl", "y=bm25"}, "x: e f; y: a b", nil},
		{"a name and a pattern", []string{"x=*/mined.jsonl"}, "x: e f", nil},
		{"a file that is called so", []string{"a=b.jsonl"}, "a=b: i", nil},
		{"one name for two files of a folder", []string{"llm.jsonl", "llm.csv"}, "", eci.ErrSourceName},
		{"the same with names", []string{"llm.jsonl", "table=llm.csv"}, "llm: g; table: h", nil},
		{"a name without a file", []string{"x=,llm.csv"}, "", eci.ErrSettings},
		{"a folder without triples", []string{"empty"}, "", eci.ErrFormat},
	} {
		t.Run(test.reason, func(t *testing.T) {
			sources, err := (&eci.Files{FS: files}).Sources(test.paths...)
			if !errors.Is(err, test.err) {
				t.Fatalf("error %v, want %v", err, test.err)
			}
			var got []string
			for _, s := range sources {
				var negatives []string
				for triple := range s.Triples {
					negatives = append(negatives, triple.Negative())
				}
				got = append(got, s.Name+": "+strings.Join(negatives, " "))
			}
			if diff := cmp.Diff(test.want, strings.Join(got, "; ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestExtraFieldsAreCarried: what triples have no place for is written where the
// format has one, and read back; the notes say the rest.
func TestExtraFieldsAreCarried(t *testing.T) {
	row := `{"query":"q","pos":["p"],"neg":["n","m"],"pos_scores":[0.9],"neg_scores":[0.5,0.4],"prompt":"Find: ","type":"normal"}` + "\n"
	for _, test := range []struct {
		format eci.Format
		want   string
		notes  string
	}{
		{eci.FormatFlagEmbedding, `{"query":"q","pos":["p"],"neg":["n","m"],"prompt":"Find: ","type":"normal","pos_scores":[0.9],"neg_scores":[0.5,0.4]}` + "\n", ""},
		{eci.FormatTevatron, `{"query_id":"","query":"q","positive_passages":[{"docid":"","title":"","text":"p","score":0.9}],"negative_passages":[{"docid":"","title":"","text":"n","score":0.5},{"docid":"","title":"","text":"m","score":0.4}],"prompt":"Find: ","type":"normal"}` + "\n", ""},
		{eci.FormatRecord, `{"query":"q","positive":"p","negative":"n","prompt":"Find: ","type":"normal","positive_score":0.9,"negative_score":0.5}` + "\n" + `{"query":"q","positive":"p","negative":"m","prompt":"Find: ","type":"normal","positive_score":0.9,"negative_score":0.4}` + "\n", ""},
		{eci.FormatNTuple, `{"anchor":"q","positive":"p","negative_1":"n","negative_2":"m","scores":[0.9,0.5,0.4]}` + "\n", "prompt, type"},
		{eci.FormatTriplet, `{"anchor":"q","positive":"p","negative":"n","scores":[0.9,0.5]}` + "\n" + `{"anchor":"q","positive":"p","negative":"m","scores":[0.9,0.4]}` + "\n", "prompt, type"},
	} {
		t.Run(string(test.format), func(t *testing.T) {
			data := row
			for range 2 { // and what was written, again
				files := eci.Files{FS: fstest.MapFS{"a.jsonl": {Data: []byte(data)}}, Extra: true}
				sources, err := files.Sources("a.jsonl")
				if err != nil {
					t.Fatal(err)
				}
				var out bytes.Buffer
				_, notes, err := (&eci.Output{Format: test.format}).Write(&out, sources[0].Triples)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, out.String()); diff != "" {
					t.Error(diff)
				}
				if said := strings.Join(notes, "\n"); data == row && ((test.notes == "") != (said == "") || !strings.Contains(said, test.notes)) {
					t.Errorf("notes %q, want %q", said, test.notes)
				}
				data = out.String()
			}
		})
	}
}

// TestNTuplesOfOneWidth: longer rows are cut, shorter ones left out or padded, and
// ragged ones are said.
func TestNTuplesOfOneWidth(t *testing.T) {
	var records []*eci.Record
	for q := 1; q <= 3; q++ {
		for n := range q {
			records = append(records, &eci.Record{QueryText: fmt.Sprint("q", q), PositiveText: "p", NegativeText: fmt.Sprint("n", n)})
		}
	}
	for _, test := range []struct {
		reason string
		out    eci.Output
		widths string
		says   string
	}{
		{"as they are", eci.Output{}, "1 2 3", "1 to 3 negatives"},
		{"two, shorter ones left out", eci.Output{Negatives: 2}, "2 2", "1 rows with fewer than 2"},
		{"two, padded", eci.Output{Negatives: 2, Pad: true}, "2 2 2", "1 negatives of rows with more"},
		{"one", eci.Output{Negatives: 1}, "1 1 1", "3 negatives of rows with more"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			test.out.Format = eci.FormatNTuple
			var out bytes.Buffer
			rows, notes, err := test.out.Write(&out, eci.SourceOf("a", records).Triples)
			if err != nil {
				t.Fatal(err)
			}
			var widths []string
			for line := range strings.Lines(out.String()) {
				widths = append(widths, fmt.Sprint(strings.Count(line, `"negative_`)))
			}
			if got := strings.Join(widths, " "); got != test.widths || rows != len(widths) || !strings.Contains(strings.Join(notes, "\n"), test.says) {
				t.Errorf("widths %s of %d rows, notes %q; want %s and %q", got, rows, notes, test.widths, test.says)
			}
		})
	}
}
