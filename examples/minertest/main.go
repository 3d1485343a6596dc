// Command minertest mines hard negatives for the demo with BM25 and prints them
// as triples, one JSON object a line. Its test shows how a miner is tested.
//
//	go run ./examples/minertest > mined.jsonl
//	go test ./examples/minertest
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"log"
	"math"
	"os"
	"slices"
	"strings"

	"example.com/eci"
	"example.com/eci/testdata/demo"
)

// text is a row of corpus.jsonl or queries.jsonl.
type text struct {
	ID   string `json:"_id"`
	Text string `json:"text"`
}

// terms returns the words of a text, except those on a short stop list, without the
// ending of a plural.
func terms(text string) (terms []string) {
	for _, word := range (eci.Words{}).AppendTokens(nil, text) {
		if !stop[word] {
			terms = append(terms, strings.TrimSuffix(word, "s"))
		}
	}
	return terms
}

var stop = func() map[string]bool {
	words := make(map[string]bool)
	for _, word := range strings.Fields(`a an and are as at be before but by can do does for from get has have
		how i if in into is it its keep make me my need not of on one or should so t tell than that the them
		then they this to up use was what when where which while who why will with you your`) {
		words[word] = true
	}
	return words
}()

// miner ranks the corpus for a query by BM25 with k1 = 0.9 and b = 0.4.
type miner struct {
	corpus  []text
	counts  []map[string]float64 // of the tokens of each passage
	lengths []float64
	lexicon *eci.Lexicon // for the weights of tokens
	mean    float64      // length
}

func newMiner(corpus []text) *miner {
	m := &miner{corpus: corpus, lexicon: eci.NewLexicon(nil)}
	for _, passage := range corpus {
		m.lexicon.Add(strings.Join(terms(passage.Text), " "))
		counts, length := make(map[string]float64), 0.0
		for _, token := range terms(passage.Text) {
			counts[token]++
			length++
		}
		m.counts, m.lengths = append(m.counts, counts), append(m.lengths, length)
		m.mean += length / float64(len(corpus))
	}
	return m
}

// mine returns the k best passages for a query that are not among its positives,
// the best first, ties in the order of the corpus.
func (m *miner) mine(query string, positives map[string]bool, k int) []text {
	type hit struct {
		passage int
		score   float64
	}
	tokens := terms(query)
	slices.Sort(tokens)
	tokens = slices.Compact(tokens)
	var hits []hit
	for i, counts := range m.counts {
		score := 0.0
		for _, token := range tokens {
			tf := counts[token]
			score += m.lexicon.IDF(token) * tf * 1.9 / (tf + 0.9*(0.6+0.4*m.lengths[i]/m.mean))
		}
		// Rounded, so that ties are ties on every machine.
		hits = append(hits, hit{i, math.Round(score*1e9) / 1e9})
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(b.score, a.score) })
	var found []text
	for _, h := range hits {
		if passage := m.corpus[h.passage]; !positives[passage.ID] && len(found) < k {
			found = append(found, passage)
		}
	}
	return found
}

// triples mines k negatives for every query of the demo.
func triples(k int) ([]*eci.Record, error) {
	queries, err := read("queries.jsonl")
	if err != nil {
		return nil, err
	}
	corpus, err := read("corpus.jsonl")
	if err != nil {
		return nil, err
	}
	qrels, err := demo.Files.ReadFile("qrels.tsv")
	if err != nil {
		return nil, err
	}
	positives := make(map[string]map[string]bool)
	for _, line := range strings.Split(strings.TrimSpace(string(qrels)), "\n")[1:] {
		fields := strings.Split(line, "\t")
		if positives[fields[0]] == nil {
			positives[fields[0]] = make(map[string]bool)
		}
		positives[fields[0]][fields[1]] = true
	}
	bm25 := newMiner(corpus)
	var rows []*eci.Record
	for _, q := range queries {
		for _, p := range corpus {
			if !positives[q.ID][p.ID] {
				continue
			}
			for _, n := range bm25.mine(q.Text, positives[q.ID], k) {
				rows = append(rows, &eci.Record{QueryID: q.ID, QueryText: q.Text, PositiveID: p.ID, PositiveText: p.Text, NegativeID: n.ID, NegativeText: n.Text})
			}
		}
	}
	return rows, nil
}

func read(name string) (rows []text, err error) {
	f, err := demo.Files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var row text
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func main() {
	rows, err := triples(2)
	if err != nil {
		log.Fatal(err)
	}
	out := json.NewEncoder(os.Stdout)
	for _, row := range rows {
		if err := out.Encode(row); err != nil {
			log.Fatal(err)
		}
	}
}
