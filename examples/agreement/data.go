package main

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"maps"
	"math"
	"slices"
	"strings"

	"example.com/eci"
	"example.com/eci/internal/adapter"
	"gonum.org/v1/gonum/blas/blas64"
)

// collection is a BEIR data set with frozen vectors and sources of negatives,
// everything by row number.
type collection struct {
	d        int
	task     adapter.Task // over the labeled queries of the sources
	names    []string     // ids of the queries
	sources  []trainingSource
	vectors  *eci.VectorFiles
	files    eci.Files
	pool     string              // file of the documents that are searched in
	relevant map[string][]string // qrels
}

type trainingSource struct {
	eci.Source
	triples []adapter.Triple
}

// open reads the pool (pool.ids, else corpus.jsonl), the judgments (qrels.tsv, else
// the folder qrels, else only those of the triples), sources/* and the vectors in a
// folder of a file system. It uses only queries of the sources with a relevant
// document in the pool.
func open(files fs.FS, folder string) (*collection, error) {
	c, err := openTask(files, folder)
	if err == nil && len(c.sources) == 0 {
		c.vectors.Close()
		return nil, errors.New("no files sources/*")
	}
	return c, err
}

// openTask is like open, for a task to evaluate on. It needs no sources: its queries
// are those with a judgment.
func openTask(files fs.FS, folder string) (*collection, error) {
	sub, err := fs.Sub(files, folder)
	if err != nil {
		return nil, err
	}
	there := func(names ...string) string {
		for _, name := range names {
			if _, err := fs.Stat(files, name); err == nil {
				return name
			}
		}
		return ""
	}
	c := &collection{pool: there("pool.ids", "corpus.jsonl"), files: eci.Files{
		FS: files, Corpus: there("corpus.jsonl"), Queries: there("queries.jsonl"), Qrels: there("qrels.tsv", "qrels"),
	}}
	if c.pool == "" {
		return nil, errors.New("neither pool.ids nor corpus.jsonl, the documents that queries are searched in")
	}
	if c.relevant, err = c.files.Relevant(); err != nil {
		return nil, err
	}
	if c.vectors, err = eci.ReadVectors(sub); err != nil {
		return nil, err
	}
	c.d = c.vectors.Documents.Dimension()
	if err := c.read(files); err != nil {
		c.vectors.Close()
		return nil, err
	}
	return c, nil
}

// numbering numbers IDs in the order of their first appearance.
type numbering struct {
	at   map[string]int
	list []string
}

func (n *numbering) of(id string) int {
	at, ok := n.at[id]
	if !ok {
		if n.at == nil {
			n.at = make(map[string]int)
		}
		at = len(n.list)
		n.at[id], n.list = at, append(n.list, id)
	}
	return at
}

// read finds pool, triples and labels.
func (c *collection) read(files fs.FS) error {
	var searched, queries, documents numbering
	for d, err := range c.files.Documents(c.pool) {
		if err != nil {
			return err
		}
		searched.of(d.ID)
	}
	paths, err := fs.Glob(files, "sources/*")
	if err != nil {
		return err
	}
	var sources []eci.Source
	if len(paths) > 0 {
		if sources, err = c.files.Sources(paths...); err != nil {
			return err
		}
	}
	gains := make(map[string]map[int]float64)
	label := func(query, document string) {
		if at, ok := searched.at[document]; ok {
			if gains[query] == nil {
				gains[query] = make(map[int]float64)
			}
			gains[query][at] = 1
		}
	}
	asked := make([][][3]string, len(sources)) // ids, by source
	for i, s := range sources {
		if asked[i], err = c.ask(s, label); err != nil {
			return err
		}
	}
	for i, s := range sources {
		source := trainingSource{Source: s}
		for _, t := range asked[i] {
			if gains[t[0]] != nil { // else it could be trained on, not be measured
				source.triples = append(source.triples, adapter.Triple{Query: queries.of(t[0]), Positive: documents.of(t[1]), Negative: documents.of(t[2])})
			}
		}
		c.sources = append(c.sources, source)
	}
	if len(sources) == 0 { // a task without sources
		for _, q := range slices.Sorted(maps.Keys(c.relevant)) {
			for _, d := range c.relevant[q] {
				label(q, d)
			}
			if gains[q] != nil {
				queries.of(q)
			}
		}
	}
	if len(queries.list) == 0 {
		return fmt.Errorf("no query has a relevant document in %s", c.pool)
	}
	c.names = queries.list
	for _, q := range c.names {
		c.task.Gains = append(c.task.Gains, gains[q])
	}
	return c.loadAll(searched.list, documents.list)
}

// ask returns the ids of a source's triples, and labels its queries with their
// positives and judgments.
func (c *collection) ask(source eci.Source, label func(query, document string)) (asked [][3]string, err error) {
	for t, err := range source.Triples {
		if err != nil {
			return nil, err
		}
		q, p, n := t.(eci.Identified).IDs()
		if q == "" || p == "" || n == "" {
			return nil, fmt.Errorf("%s: triples need ids, to find their vectors and to split by query", source.Name)
		}
		label(q, p)
		for _, d := range c.relevant[q] {
			label(q, d)
		}
		asked = append(asked, [3]string{q, p, n})
	}
	return asked, nil
}

// loadAll gathers the vectors of queries, pool and triples.
func (c *collection) loadAll(searched, documents []string) (err error) {
	if c.task.Queries, err = c.load(c.names, c.vectors.AppendQuery); err != nil {
		return err
	}
	if c.task.Searched, err = c.load(searched, c.vectors.AppendDocument); err != nil {
		return err
	}
	c.task.Documents, err = c.load(documents, c.vectors.AppendDocument)
	return err
}

// load gathers vectors by id and makes them unit length.
func (c *collection) load(names []string, get func([]float32, string) ([]float32, error)) (blas64.General, error) {
	m := adapter.Matrix(len(names), c.d, make([]float64, len(names)*c.d))
	var v []float32
	for i, name := range names {
		var err error
		if v, err = get(v[:0], name); err != nil {
			return m, err
		}
		unit := adapter.Row(m, i)
		for k, x := range v {
			unit[k] = float64(x)
		}
		norm := math.Sqrt(adapter.Dot(unit, unit))
		if !(norm > 0) || math.IsInf(norm, 0) {
			return m, fmt.Errorf("vector of %q: %w", name, eci.ErrZeroVector)
		}
		for k := range unit {
			unit[k] /= norm
		}
	}
	return m, nil
}

// foldOf assigns a query to a fold by its id, so that a query is in the same
// fold in every source and every run.
func foldOf(id string, folds int) int {
	h := fnv.New64a()
	h.Write([]byte(id))
	return int(h.Sum64() % uint64(folds))
}

// choose keeps the sources with these names, all of them for none.
func (c *collection) choose(names []string) error {
	if len(names) == 0 {
		return nil
	}
	kept := c.sources[:0]
	for _, s := range c.sources {
		if i := slices.Index(names, s.Name); i >= 0 {
			names = slices.Delete(slices.Clone(names), i, i+1)
			kept = append(kept, s)
		}
	}
	if len(names) > 0 {
		return fmt.Errorf("no source %s", strings.Join(names, ", "))
	}
	c.sources = kept
	return nil
}

// find returns the row of a source by name.
func (c *collection) find(name string) int {
	return slices.IndexFunc(c.sources, func(s trainingSource) bool { return s.Name == name })
}
