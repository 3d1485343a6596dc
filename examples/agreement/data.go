package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"

	"example.com/eci"
	"gonum.org/v1/gonum/blas/blas64"
)

// collection is a BEIR data set with frozen vectors and sources of negatives,
// everything by row number.
type collection struct {
	d         int
	queries   blas64.General    // judged queries x d, unit length
	names     []string          // ids of the queries
	gains     []map[int]float64 // by query: relevance by row of searched
	searched  blas64.General    // corpus.jsonl x d, unit length
	documents blas64.General    // positives and negatives of all triples x d
	sources   []trainingSource
	vectors   *eci.VectorFiles
}

type trainingSource struct {
	eci.Source
	triples []triple
}

// triple holds rows: of queries, and of documents twice.
type triple struct{ query, positive, negative int }

// open reads corpus.jsonl, queries.jsonl, qrels.tsv or qrels/*.tsv, sources/*.jsonl
// and the vectors in a folder of a file system.
func open(files fs.FS, folder string) (*collection, error) {
	sub, err := fs.Sub(files, folder)
	if err != nil {
		return nil, err
	}
	c := &collection{}
	if c.vectors, err = eci.ReadVectors(sub); err != nil {
		return nil, err
	}
	c.d = c.vectors.Documents.Dimension()
	searched, err := ids(files, "corpus.jsonl")
	if err != nil {
		return nil, err
	}
	queries, err := ids(files, "queries.jsonl")
	if err != nil {
		return nil, err
	}
	if err := c.judge(files, queries, searched); err != nil {
		return nil, err
	}
	if c.queries, err = c.load(c.names, c.vectors.AppendQuery); err != nil {
		return nil, err
	}
	if c.searched, err = c.load(searched, c.vectors.AppendDocument); err != nil {
		return nil, err
	}
	return c, c.train(files)
}

// ids are the _id fields of a JSONL file, in order.
func ids(files fs.FS, name string) ([]string, error) {
	raw, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	var list []string
	for n, line := range bytes.Split(raw, []byte("\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var row struct {
			ID string `json:"_id"`
		}
		if err := json.Unmarshal(line, &row); err != nil {
			return nil, fmt.Errorf("%s, row %d: %w", name, n+1, err)
		}
		if row.ID == "" {
			return nil, fmt.Errorf("%s, row %d: no _id", name, n+1)
		}
		list = append(list, row.ID)
	}
	return list, nil
}

// judge reads the qrels and keeps the queries that have a relevant document.
func (c *collection) judge(files fs.FS, queries, searched []string) error {
	names, err := fs.Glob(files, "qrels/*.tsv")
	if err != nil {
		return err
	}
	if len(names) == 0 {
		names = []string{"qrels.tsv"}
	}
	at := rows(searched)
	gains := make(map[string]map[int]float64)
	for _, name := range names {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		lines := bufio.NewScanner(bytes.NewReader(raw))
		for n := 1; lines.Scan(); n++ {
			field := strings.Split(strings.TrimRight(lines.Text(), "\r"), "\t")
			if n == 1 && field[0] == "query-id" || lines.Text() == "" {
				continue
			}
			if len(field) != 3 {
				return fmt.Errorf("%s, row %d: want query-id, corpus-id and score, separated by tabs", name, n)
			}
			gain, err := strconv.ParseFloat(strings.TrimSpace(field[2]), 64)
			if err != nil || math.IsNaN(gain) || math.IsInf(gain, 0) {
				return fmt.Errorf("%s, row %d: score %q is not a number", name, n, field[2])
			}
			document, ok := at[field[1]]
			if !ok {
				return fmt.Errorf("%s, row %d: document %q is not in corpus.jsonl", name, n, field[1])
			}
			if gain > 0 {
				if gains[field[0]] == nil {
					gains[field[0]] = make(map[int]float64)
				}
				gains[field[0]][document] = gain
			}
		}
		if err := lines.Err(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, q := range queries {
		if gains[q] != nil {
			c.names = append(c.names, q)
			c.gains = append(c.gains, gains[q])
		}
	}
	if len(c.names) == 0 {
		return errors.New("no query of queries.jsonl has a relevant document")
	}
	return nil
}

func rows(names []string) map[string]int {
	at := make(map[string]int, len(names))
	for i, name := range names {
		at[name] = i
	}
	return at
}

// load gathers vectors by id and makes them unit length.
func (c *collection) load(names []string, get func([]float32, string) ([]float32, error)) (blas64.General, error) {
	m := matrix(len(names), c.d, make([]float64, len(names)*c.d))
	var v []float32
	for i, name := range names {
		var err error
		if v, err = get(v[:0], name); err != nil {
			return m, err
		}
		unit := row(m, i)
		for k, x := range v {
			unit[k] = float64(x)
		}
		norm := math.Sqrt(dot(unit, unit))
		if !(norm > 0) || math.IsInf(norm, 0) {
			return m, fmt.Errorf("vector of %q: %w", name, eci.ErrZeroVector)
		}
		for k := range unit {
			unit[k] /= norm
		}
	}
	return m, nil
}

// train reads the triples of judged queries from sources/*.jsonl.
func (c *collection) train(files fs.FS) error {
	names, err := fs.Glob(files, "sources/*.jsonl")
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return errors.New("no files sources/*.jsonl")
	}
	query := rows(c.names)
	document := make(map[string]int)
	var list []string
	intern := func(id string) int {
		row, ok := document[id]
		if !ok {
			row = len(list)
			document[id], list = row, append(list, id)
		}
		return row
	}
	for _, name := range names {
		s := trainingSource{Source: eci.JSONLFrom(files, name)}
		for t, err := range s.Triples {
			if err != nil {
				return err
			}
			q, p, n := t.(eci.Identified).IDs()
			if q == "" || p == "" || n == "" {
				return fmt.Errorf("%s: triples need ids, to find their vectors and to split by query", name)
			}
			row, ok := query[q]
			if !ok { // unjudged: it could be trained on, not be measured
				continue
			}
			s.triples = append(s.triples, triple{row, intern(p), intern(n)})
		}
		c.sources = append(c.sources, s)
	}
	c.documents, err = c.load(list, c.vectors.AppendDocument)
	return err
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
