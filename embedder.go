package eci

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

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

// bareError is an error without "eci: embedder failed: ", for a sentence that
// says so already.
type bareError struct{ error }

func (e bareError) Error() string {
	return strings.TrimPrefix(strings.TrimPrefix(e.error.Error(), "eci: "), ErrEmbedder.Error()+": ")
}

func (e bareError) Unwrap() error { return e.error }
