// Package eci answers one question before any training is paid for: which source of
// hard negatives should a dense retriever be trained on?
//
// A retriever is trained on triples of a query, a labeled positive and a hard
// negative. The package ranks rival sources of negatives (BM25, dense mining,
// cross-encoder filters, generation) from frozen embeddings of the encoder that is to
// be trained. [Lookahead] orders them by a forecast: what training on a source would
// do to nDCG@10. [Sem] computes their Effective Contrastive Information (ECI), the
// number S below: how much a source could teach, not whether it helps. A ranking by
// Lookahead shows both. Nothing is trained. Labels (the positives) are required.
//
// # Model
//
// docs/method.md describes the forecast. S is computed as follows. For a triple of unit vectors q, p, n in R^d:
//
//	s+ = q.p, s- = q.n, m = s+ - s-                 similarities and margin
//	c   = sigmoid(m / (T_c sigma_m))                target consistency
//	g   = sigmoid((s- - mu) / (T_g sigma))          semantic locality
//	rho = max(floor, 1 - max(cov(q,n), ovl(p,n)))   lexical residuality
//	w   = c g rho                                   weight
//	r   = (p - n) - ((p - n).q) q                   tangent residual
//	M   = (1/N) sum w r rT                          information matrix
//	S   = 1/2 ln det(I + (d/eps^2) M)               score, in nats
//
// sigma_m, mu and sigma come from a [Calibration], which is computed from the labeled
// pairs alone. sigma_m is the spread of the margins; mu and sigma are the midpoint and
// the spread of the similarities. cov is the share of the query's IDF mass found in
// the negative. ovl is the IDF-weighted Jaccard overlap of positive and negative.
//
// The idea and the names of the ingredients come from "ECI: Effective Contrastive
// Information to Evaluate Hard-Negatives" (arXiv 2603.20990). The equations above are
// this project's own and not the paper's. They were chosen by experiment; the README
// gives the evidence.
//
// # Use
//
// [Rank] takes a [Scorer] (usually a [Lookahead]) and two or more [Source] values. It
// returns a [Ranking]: figures with intervals, the probability of being best, paired
// differences, and a [Verdict]. Triples come from files ([Files], [JSONL]) or from any
// iterator over the caller's own row type ([SourceOf]). Vectors come from the triples
// themselves, from files ([OpenVectors]) or from an [Embedder].
//
// # Invariants
//
// The same triples in the same order with the same settings give the same bits for any
// GOMAXPROCS and any batch size. Data never causes a panic and never yields NaN. A bad
// row is an error that names source, file and row; if a [Skip] policy covers it, it is
// a count in the report instead.
//
// Memory does not grow with the number of triples, with three exceptions: a 16-byte
// fingerprint for each distinct text, the embedding cache, which has a byte limit, and
// the lexicon, which takes about 100 bytes for each distinct token. The matrix of a
// source takes 4 d bytes for each of its triples, at most 4 G d^2 bytes. [Sem.MemoryBytes]
// limits lexicon and matrices, and is checked before anything is allocated.
//
// # Glossary
//
// Source: a named stream of triples whose negatives were found in one way. Budget: the
// number of triples compared for every source. Scores grow with the number of distinct
// triples, so only scores at equal budgets are comparable. Group: one of G buckets of
// queries. The jackknife deletes one group at a time, so the sampling unit is the
// query, not the triple. Calibration: the frozen scales.
package eci

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
)

// Triple is one training example: a query, a passage labeled relevant to it
// and a candidate hard negative, as text. A loader's own row type implements it
// with three one-line methods. Texts must not be empty. The value need only be
// valid until the iterator that yielded it is advanced.
//
// A Triple may also implement [Identified], [Embedded] and [Located]. Only the
// goroutine that ranges over the source uses it.
type Triple interface {
	Query() string
	Positive() string
	Negative() string
}

// Identified is implemented by triples that know the IDs of their texts. IDs are used
// to look up precomputed vectors (see [Vectors]) and to group triples by query. An
// empty string means that the ID is unknown.
// Only the goroutine that ranges over the source uses it.
type Identified interface {
	IDs() (query, positive, negative string)
}

// Embedded is implemented by triples that carry their vectors: three slices of the
// same length d. Vectors may have any positive norm; the package normalizes copies and
// never changes the slices. A nil slice means that the vector is not available.
// Only the goroutine that ranges over the source uses it.
type Embedded interface {
	Vectors() (query, positive, negative []float32)
}

// Vectors returns precomputed embeddings by ID. Implementations must be safe for
// concurrent use.
type Vectors interface {
	// AppendQuery appends the vector of a query to dst and returns the extended slice.
	// If there is none, it returns ErrMissingVector, wrapped or not.
	AppendQuery(dst []float32, id string) ([]float32, error)
	// AppendDocument does the same for a positive or negative.
	AppendDocument(dst []float32, id string) ([]float32, error)
}

// Located is implemented by triples that know where they were read: a file name and a
// 1-based row (line or record). Error messages show both.
// Only the goroutine that ranges over the source uses it.
type Located interface {
	Location() (file string, row int)
}

// Document is a passage of a [Lookahead.Pool]. It needs an ID or a text, and a vector.
// The vector is its own or is looked up by the ID or the text.
// It is safe for concurrent use as long as no goroutine changes it.
type Document struct {
	ID, Text string
	Vector   []float32
}

// Embedder turns texts into vectors with the frozen target encoder. The method
// set is that of langchaingo's embeddings.Embedder, so every embedder of that
// ecosystem works as it is. All vectors must have one common length; norms do
// not matter. The texts handed over are copies and may be kept or changed.
//
// One ranking calls it from one goroutine. An Embedder that several rankings share
// must be safe for concurrent use, as [Server] and [DiskCache] are.
type Embedder interface {
	// EmbedDocuments returns one vector for each text, in order.
	EmbedDocuments(ctx context.Context, texts []string) ([][]float32, error)
	// EmbedQuery returns the vector of one query.
	EmbedQuery(ctx context.Context, text string) ([]float32, error)
}

// QueryBatchEmbedder is an optional extension of [Embedder] for encoders that
// embed many queries in one call; without it queries are embedded one by one.
// What holds for the Embedder holds for it: one that goroutines share is called by
// several at once.
type QueryBatchEmbedder interface {
	EmbedQueries(ctx context.Context, texts []string) ([][]float32, error)
}

// IdentifiedEmbedder is an optional extension of [Embedder]: Identity returns a
// text that is different whenever vectors of the same text may be. [Server]
// implements it.
// What holds for the Embedder holds for it: one that goroutines share is called by
// several at once.
type IdentifiedEmbedder interface {
	Identity() string
}

// identityOf is a digest of an embedder's identity, or "" where it has none.
func identityOf(e Embedder) string {
	identified, ok := e.(IdentifiedEmbedder)
	if !ok {
		return ""
	}
	identity := identified.Identity()
	if identity == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(identity))
	return hex.EncodeToString(sum[:16])
}

// role says how a text is embedded.
type role int

const (
	queryRole role = iota
	documentRole
)

func (r role) String() string { return [...]string{"query", "document"}[r] }

// embed calls the method for texts of the role.
func (r role) embed(ctx context.Context, e Embedder, texts []string) ([][]float32, error) {
	if r == documentRole {
		return e.EmbedDocuments(ctx, texts)
	}
	if batch, ok := e.(QueryBatchEmbedder); ok {
		return batch.EmbedQueries(ctx, texts)
	}
	vectors := make([][]float32, len(texts))
	for i, text := range texts {
		var err error
		if vectors[i], err = e.EmbedQuery(ctx, text); err != nil {
			return nil, err
		}
	}
	return vectors, nil
}
