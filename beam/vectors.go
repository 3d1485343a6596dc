package ecibeam

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"sync"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"example.com/eci"
)

func init() {
	beam.RegisterDoFn(&keyFn{})
	beam.RegisterDoFn(&joinFn{})
	beam.RegisterDoFn(&embedFn{})
	register.Function1x2(keyOf)
	register.Iter1[Vector]()
	beam.RegisterCoder(reflect.TypeFor[Vector](), encodeVector, decodeVector)
}

// Vector is an entry of a table of vectors by ID.
type Vector struct {
	ID   string
	Data []float32
}

func encodeVector(v Vector) []byte {
	return encodeRecord(eci.Record{QueryID: v.ID, QueryVector: v.Data})
}

func decodeVector(data []byte) (Vector, error) {
	r, err := decodeRecord(data)
	return Vector{r.QueryID, r.QueryVector}, err
}

func keyOf(v Vector) (string, Vector) { return v.ID, v }

// JoinVectors adds to every row without vectors those of its IDs. queries and
// documents are PCollections of [Vector], one for each ID. If there are several for an
// ID, the first in the order of components is used. A row whose ID has none remains
// without; see [CheckRows]. Rows are shuffled three times, once for each of their
// texts. Rows that carry their vectors are cheaper.
func JoinVectors(s beam.Scope, rows, queries, documents beam.PCollection) beam.PCollection {
	s = s.Scope("eci.JoinVectors")
	q, d := beam.ParDo(s, keyOf, queries), beam.ParDo(s, keyOf, documents)
	for side, table := range [...]beam.PCollection{q, d, d} {
		rows = beam.ParDo(s, &joinFn{side}, beam.CoGroupByKey(s, beam.ParDo(s, &keyFn{side}, rows), table))
	}
	return rows
}

// idAndVector are the ID and vector of one side of a row: query, positive or negative.
func idAndVector(r *eci.Record, side int) (string, *[]float32) {
	switch side {
	case 0:
		return r.QueryID, &r.QueryVector
	case 1:
		return r.PositiveID, &r.PositiveVector
	}
	return r.NegativeID, &r.NegativeVector
}

type keyFn struct{ Side int }

func (fn *keyFn) ProcessElement(r eci.Record, emit func(string, eci.Record)) {
	id, _ := idAndVector(&r, fn.Side)
	emit(id, r)
}

type joinFn struct{ Side int }

func (fn *joinFn) ProcessElement(id string, rows func(*eci.Record) bool, vectors func(*Vector) bool, emit func(eci.Record)) {
	var found []float32
	for v := (Vector{}); id != "" && vectors(&v); v = (Vector{}) {
		if found == nil || compareVectors(v.Data, found) < 0 {
			found = v.Data
		}
	}
	for r := (eci.Record{}); rows(&r); r = (eci.Record{}) {
		if _, at := idAndVector(&r, fn.Side); len(*at) == 0 {
			*at = found
		}
		emit(r)
	}
}

func compareVectors(a, b []float32) int {
	for k := range min(len(a), len(b)) {
		if c := cmp.Compare(a[k], b[k]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

var (
	embedders sync.Map // by name: func() (eci.Embedder, error)
)

// RegisterEmbedder tells workers how to make an [eci.Embedder], under a name for use
// in pipelines. Call it from an init function, like Beam's own registrations, so that
// every worker has it. make is called once in a process. Wrap the encoder in an
// [eci.DiskCache] there, to embed each text only once on each machine.
func RegisterEmbedder(name string, make func() (eci.Embedder, error)) {
	embedders.Store(name, sync.OnceValues(make))
}

// EmbedRows adds vectors to rows without any, using the embedder registered under a
// name. It embeds batches of up to 256 rows, and each distinct text of a batch once.
func EmbedRows(s beam.Scope, name string, rows beam.PCollection) beam.PCollection {
	if _, ok := embedders.Load(name); !ok {
		panic(fmt.Errorf("eci/beam: %w: no embedder is registered as %q; call RegisterEmbedder in an init function", eci.ErrSettings, name))
	}
	return beam.ParDo(s.Scope("eci.EmbedRows"), &embedFn{Name: name}, rows)
}

type embedFn struct {
	Name string

	embedder eci.Embedder
	pending  []eci.Record
}

func (fn *embedFn) Setup() error {
	create, ok := embedders.Load(fn.Name)
	if !ok {
		return fmt.Errorf("eci/beam: %w: this worker has no embedder %q", eci.ErrSettings, fn.Name)
	}
	var err error
	fn.embedder, err = create.(func() (eci.Embedder, error))()
	return err
}

func (fn *embedFn) StartBundle(_ context.Context, _ func(eci.Record)) { fn.pending = fn.pending[:0] }

func (fn *embedFn) ProcessElement(ctx context.Context, r eci.Record, emit func(eci.Record)) error {
	if fn.pending = append(fn.pending, r); len(fn.pending) < rowsPerBatch {
		return nil
	}
	return fn.FinishBundle(ctx, emit)
}

func (fn *embedFn) FinishBundle(ctx context.Context, emit func(eci.Record)) error {
	if err := fn.embed(ctx, true); err != nil {
		return err
	}
	if err := fn.embed(ctx, false); err != nil {
		return err
	}
	for _, r := range fn.pending {
		emit(r)
	}
	fn.pending = fn.pending[:0]
	return nil
}

// embed finds the vectors of the queries, or of the documents.
func (fn *embedFn) embed(ctx context.Context, queries bool) error {
	index := make(map[string]int)
	var texts []string
	type place struct {
		at   *[]float32
		text int
	}
	var places []place
	want := func(text string, at *[]float32) {
		if len(*at) > 0 || text == "" {
			return
		}
		i, ok := index[text]
		if !ok {
			i = len(texts)
			index[text], texts = i, append(texts, text)
		}
		places = append(places, place{at, i})
	}
	for i := range fn.pending {
		r := &fn.pending[i]
		if queries {
			want(r.QueryText, &r.QueryVector)
			continue
		}
		want(r.PositiveText, &r.PositiveVector)
		want(r.NegativeText, &r.NegativeVector)
	}
	if len(texts) == 0 {
		return nil
	}
	embed := fn.embedder.EmbedDocuments
	if queries {
		embed = fn.queries
	}
	vectors, err := embed(ctx, texts)
	if err == nil && len(vectors) != len(texts) {
		err = fmt.Errorf("%w: %d vectors for %d texts", eci.ErrEmbedderCount, len(vectors), len(texts))
	}
	if err != nil {
		return fmt.Errorf("eci/beam: embedder %q: %w", fn.Name, err)
	}
	embedded.Inc(ctx, int64(len(texts)))
	for _, p := range places {
		*p.at = vectors[p.text]
	}
	return nil
}

// queries embeds queries, in one call if the embedder can.
func (fn *embedFn) queries(ctx context.Context, texts []string) ([][]float32, error) {
	if all, ok := fn.embedder.(eci.QueryBatchEmbedder); ok {
		return all.EmbedQueries(ctx, texts)
	}
	vectors := make([][]float32, len(texts))
	for i, text := range texts {
		var err error
		if vectors[i], err = fn.embedder.EmbedQuery(ctx, text); err != nil {
			return nil, err
		}
	}
	return vectors, nil
}
