package lookahead_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"hash/fnv"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/eci"
	"example.com/eci/internal/lookahead"
	"example.com/eci/internal/syrk"
)

// shared is where real collections lie next to the repository. Tests that need
// them skip where they are absent.
const shared = "../../../shared/data"

// A collection is one of them.
type collection struct {
	name      string
	vectors   map[string][]float32 // of queries and documents, by id
	sources   map[string][]ids
	qrels     map[string][]string
	documents []string // the ids of pool.ids
	labs      map[string]*lab
}

// ids are a triple: query, positive, negative.
type ids struct {
	Query        string `json:"query_id"`
	Positive     string `json:"positive_id"`
	Negative     string `json:"negative_id"`
	PositiveText string `json:"positive"`
	NegativeText string `json:"negative"`
}

// readJSON decodes a file of the shared data.
func readJSON(t testing.TB, name string, to any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(shared, name))
	if err != nil {
		t.Skip("the shared data is not at hand:", err)
	}
	if err := json.Unmarshal(raw, to); err != nil {
		t.Fatal(err)
	}
}

// collections are those that a test has opened: a few seconds each.
var collections = map[string]*collection{}

func openCollection(t testing.TB, name string) *collection {
	t.Helper()
	if underRace {
		t.Skip("minutes under the race detector; small problems are walked on there")
	}
	if c, ok := collections[name]; ok {
		return c
	}
	dir := filepath.Join(shared, name)
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the shared data is not at hand:", err)
	}
	c := &collection{
		name: name, vectors: map[string][]float32{}, sources: map[string][]ids{}, qrels: map[string][]string{},
		labs: map[string]*lab{},
	}
	for _, table := range []string{"queries", "corpus"} {
		c.addVectors(t, filepath.Join(dir, "use", table))
	}
	files, err := filepath.Glob(filepath.Join(dir, "sources", "*.jsonl*"))
	if err != nil || len(files) == 0 {
		t.Fatal("no sources:", err)
	}
	for _, file := range files {
		name, _, _ := strings.Cut(filepath.Base(file), ".")
		c.sources[name] = readTriples(t, file)
	}
	for _, line := range lines(t, filepath.Join(dir, "qrels.tsv"))[1:] {
		field := strings.Split(line, "\t")
		c.qrels[field[0]] = append(c.qrels[field[0]], field[1])
	}
	c.documents = lines(t, filepath.Join(dir, "pool.ids"))
	collections[name] = c
	return c
}

// A lab is a collection's pool and queries, ready to walk for.
type lab struct {
	pairs    []pair
	pool     []string
	names    []string // of the queries
	settings lookahead.Settings
	space    *lookahead.Space
	results  map[string]*lookahead.Result
}

// lab returns the lab of a kind: "corpus" or "positives" as the pool for the
// labeled pairs, "target" for the corpus and the judgments.
func (c *collection) lab(t testing.TB, kind string) *lab {
	t.Helper()
	if l, ok := c.labs[kind]; ok {
		return l
	}
	l := &lab{pairs: c.pairs(), pool: c.documents, results: map[string]*lookahead.Result{}}
	switch kind {
	case "positives":
		l.pool = positives(l.pairs)
	case "target":
		l.pairs = c.judged()
	}
	l.settings = c.settings(l.pairs)
	var queries []lookahead.Query
	l.names, queries = c.queries(l.pool, l.pairs)
	var err error
	if l.space, err = lookahead.NewSpace(t.Context(), c.pool(l.pool), queries, l.settings); err != nil {
		t.Fatal(err)
	}
	c.labs[kind] = l
	return l
}

// walk walks on a source, once.
func (l *lab) walk(t testing.TB, name string, source lookahead.Source) *lookahead.Result {
	t.Helper()
	if r, ok := l.results[name]; ok {
		return r
	}
	r, err := l.space.Walk(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	l.results[name] = r
	return r
}

// some returns the sources to compare: all, or two where the portable kernel
// takes minutes for them.
func some(sources map[string]sourceReference) []string {
	names := slices.Sorted(maps.Keys(sources))
	if syrk.Name() == "generic" {
		names = names[:2]
	}
	return names
}

func (c *collection) addVectors(t testing.TB, base string) {
	t.Helper()
	table, err := eci.OpenNPY(base + ".npy")
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	for i, id := range lines(t, base+".ids") {
		v, err := table.AppendRow(nil, i)
		if err != nil {
			t.Fatal(err)
		}
		c.vectors[id] = v
	}
}

func lines(t testing.TB, path string) []string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(raw)), "\n")
}

func readTriples(t testing.TB, path string) (triples []ids) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = bufio.NewReader(f)
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(r); err != nil {
			t.Fatal(err)
		}
	}
	for d := json.NewDecoder(r); d.More(); {
		var triple ids
		if err := d.Decode(&triple); err != nil {
			t.Fatal(err)
		}
		triples = append(triples, triple)
	}
	return triples
}

// group is the group of a query, as in the root package.
func group(id string) int {
	h := fnv.New64a()
	h.Write([]byte(id))
	return int(h.Sum64() % 32)
}

// A pair is a labeled pair: query and positive.
type pair [2]string

// pairs returns the distinct labeled pairs of all sources, sorted.
func (c *collection) pairs() []pair {
	seen := map[pair]bool{}
	for _, triples := range c.sources {
		for _, t := range triples {
			seen[pair{t.Query, t.Positive}] = true
		}
	}
	return sorted(seen)
}

// judged returns the pairs of the judgments, sorted.
func (c *collection) judged() []pair {
	seen := map[pair]bool{}
	for query, documents := range c.qrels {
		for _, document := range documents {
			seen[pair{query, document}] = true
		}
	}
	return sorted(seen)
}

func sorted(seen map[pair]bool) (pairs []pair) {
	for p := range seen {
		pairs = append(pairs, p)
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		return strings.Compare(a[0]+"\t"+a[1], b[0]+"\t"+b[1])
	})
	return pairs
}

// positives returns the distinct positives, by id.
func positives(pairs []pair) (pool []string) {
	for _, p := range pairs {
		pool = append(pool, p[1])
	}
	slices.Sort(pool)
	return slices.Compact(pool)
}

// settings calibrates on labeled pairs: the margin scale is the standard
// deviation of s⁺_i - s⁰_ij over every two pairs of different queries.
func (c *collection) settings(pairs []pair) lookahead.Settings {
	q, p := make([][]float64, len(pairs)), make([][]float64, len(pairs))
	for i, pair := range pairs {
		q[i], p[i] = unit(c.vectors[pair[0]]), unit(c.vectors[pair[1]])
	}
	var n, sum, squares float64
	for i := range pairs {
		plus := inner(q[i], p[i])
		for j := range pairs {
			if pairs[i][0] != pairs[j][0] {
				margin := plus - inner(q[i], p[j])
				n, sum, squares = n+1, sum+margin, squares+margin*margin
			}
		}
	}
	return lookahead.Settings{MarginScale: math.Sqrt(squares/n - sum/n*sum/n)}
}

func unit(x []float32) []float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	u := make([]float64, len(x))
	for k, v := range x {
		u[k] = float64(v) / math.Sqrt(sum)
	}
	return u
}

func inner(x, y []float64) (sum float64) {
	for k := range x {
		sum += x[k] * y[k]
	}
	return sum
}

// queries returns the queries of the pairs, by id, with what is relevant in a
// pool: what pairs and judgments say.
func (c *collection) queries(pool []string, pairs []pair) (names []string, queries []lookahead.Query) {
	position := map[string]int{}
	for i, id := range pool {
		position[id] = i
	}
	relevant := map[string][]int{}
	for _, p := range append(slices.Clone(pairs), c.judged()...) {
		if at, ok := position[p[1]]; ok {
			relevant[p[0]] = append(relevant[p[0]], at)
		}
	}
	seen := map[string]bool{}
	for _, p := range pairs {
		if !seen[p[0]] {
			seen[p[0]] = true
			names = append(names, p[0])
		}
	}
	slices.Sort(names)
	for _, id := range names {
		queries = append(queries, lookahead.Query{Vector: c.vectors[id], Group: group(id), Relevant: relevant[id]})
	}
	return names, queries
}

func (c *collection) pool(pool []string) (vectors [][]float32) {
	for _, id := range pool {
		vectors = append(vectors, c.vectors[id])
	}
	return vectors
}

// source returns all triples of a source.
func (c *collection) source(name string) (s lookahead.Source) {
	number := map[string]int{}
	of := func(id string) int {
		i, ok := number[id]
		if !ok {
			i = len(s.Vectors)
			number[id] = i
			s.Vectors = append(s.Vectors, c.vectors[id])
		}
		return i
	}
	for _, t := range c.sources[name] {
		s.Triples = append(s.Triples, lookahead.Triple{Query: of(t.Query), Positive: of(t.Positive), Negative: of(t.Negative), Group: group(t.Query)})
	}
	return s
}
