package eci

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"example.com/eci/internal/embedhttp"
)

// Server is an [Embedder] that asks an embedding server over HTTP. URL and Model
// are needed; every other field has a default. Use a pointer to it and do not
// change it after the first call. It is safe for concurrent use, and all calls
// share its limits. Wrap it in a [DiskCache] so that no text is sent twice.
//
// Everything it fails with wraps ErrEmbedder; once a request was due, it is a
// [ServerError] that wraps its cause, in a [TextError] where one text is to blame. Of a call that fails nothing is returned.
// Vectors are checked: their number, one dimension over all calls, finite
// components, not zero.
type Server struct {
	// URL is where the server listens, http or https. Without a path it gets that
	// of the Protocol (a base URL that ends in /v1 also gets /embeddings); with
	// one it is used as it stands. Keys do not belong in it: it is no secret.
	URL string
	// Model is the name of the encoder as the server knows it. A server of one
	// model (TextEmbeddingsInference) is not told; the name then tells vectors of
	// different models apart in a DiskCache.
	Model string
	// Protocol is what the server speaks; 0 means OpenAI.
	Protocol Protocol

	// QueryPrefix and DocumentPrefix are put before every query and document, as
	// the encoder was trained: "query: " and "passage: " for E5, an instruction
	// and nothing for BGE. Nothing is put in between.
	QueryPrefix, DocumentPrefix string
	// Dimensions asks an encoder that can shorten its vectors for this many
	// components; 0 leaves it to the server.
	Dimensions int
	// Truncate lets the server cut texts that are too long for the encoder, where
	// the protocol has a word for it (Ollama, TextEmbeddingsInference). Otherwise
	// such a text is an error.
	Truncate bool

	// KeyVariable names the environment variable with the API key, which is sent
	// as a bearer token to the host of URL alone and appears in no error. The
	// variable must not be empty when it is named. "" means that a key goes to its
	// owner only: OPENAI_API_KEY, if it is set, to https://api.openai.com, and
	// none to any other server. NoKey means none.
	KeyVariable string
	// KeyInClear allows a key to be sent over http to a host other than this
	// machine, where everyone on the way can read it. Without it that is an error.
	KeyInClear bool

	// BatchTexts is the most texts in a request; 0 means 32 for
	// TextEmbeddingsInference, its own default, and 64 for the others. BatchBytes
	// is the most bytes of text, prefixes included, in a request; 0 means 512 KiB.
	// A batch that the server refuses for its texts (status 400, 413, 422 or 500, a
	// vector with NaN or of zeros) is halved: a limit of the server's is learned, and
	// a text that it cannot embed is found and named in a [TextError].
	BatchTexts, BatchBytes int
	// Concurrency is the most requests under way; 0 means 4.
	Concurrency int
	// Rate is the most requests a second; 0 means no limit.
	Rate float64
	// Timeout is for one request with its answer; 0 means a minute.
	Timeout time.Duration
	// Retries is how often a request is repeated after status 429, 500, 502, 503
	// or 504, a lost connection or a timeout; 0 means 6, NoRetries none. Waits
	// double from half a second to half a minute, with jitter, unless the server
	// says how long in Retry-After; more than five minutes end the call. A server
	// that cannot be reached is tried again only if it has answered before.
	Retries int
	// Client sends the requests; nil means one that does not follow redirects.
	// One that does carries no key to another scheme, host or port.
	Client *http.Client

	clock *embedhttp.Clock // nil: the real one
	state embedhttp.State
}

const (
	// NoKey as [Server.KeyVariable] sends no API key.
	NoKey = "-"
	// NoRetries as [Server.Retries] fails at once.
	NoRetries = -1
)

// EmbedDocuments returns one vector for each text, in order.
func (s *Server) EmbedDocuments(ctx context.Context, texts []string) ([][]float32, error) {
	return s.all(ctx, documentRole, texts)
}

// EmbedQueries returns one vector for each query, in order.
func (s *Server) EmbedQueries(ctx context.Context, texts []string) ([][]float32, error) {
	return s.all(ctx, queryRole, texts)
}

// EmbedQuery returns the vector of one query.
func (s *Server) EmbedQuery(ctx context.Context, text string) ([]float32, error) {
	vectors, err := s.all(ctx, queryRole, []string{text})
	if err != nil {
		return nil, err
	}
	return vectors[0], nil
}

// Identity tells servers apart whose vectors may differ: by protocol, endpoint,
// model, prefixes, dimension and truncation. A [DiskCache] puts it in its keys.
func (s *Server) Identity() string {
	return s.identity(queryRole) + " " + s.identity(documentRole)
}

// identity is that of the vectors of one role.
func (s *Server) identity(r role) string {
	config := s.config(r)
	endpoint := "an invalid URL" // which may hold a password, and embeds nothing
	if u, err := config.Endpoint(); err == nil {
		endpoint = u.String()
	}
	return fmt.Sprintf("server %v %q model %q %v prefix %q dimensions %d truncate %t",
		s.Protocol, endpoint, s.Model, r, config.Prefix, s.Dimensions, s.Truncate)
}

// config is what texts of a role are sent with.
func (s *Server) config(r role) embedhttp.Config {
	prefix := s.DocumentPrefix
	if r == queryRole {
		prefix = s.QueryPrefix
	}
	return embedhttp.Config{
		URL: s.URL, Model: s.Model, Protocol: embedhttp.Protocol(s.Protocol),
		Prefix: prefix, Dimensions: s.Dimensions, Truncate: s.Truncate,
		KeyVariable: s.KeyVariable, NoKey: s.KeyVariable == NoKey, KeyInClear: s.KeyInClear,
		BatchTexts: s.BatchTexts, BatchBytes: s.BatchBytes, Concurrency: s.Concurrency,
		Rate: s.Rate, Timeout: s.Timeout, Retries: s.Retries, Client: s.Client,
		MostComponents: maxDimension, Clock: s.clock,
	}
}

// String names the server without anything secret.
func (s *Server) String() string {
	config := s.config(queryRole)
	return fmt.Sprintf("%v model %q at %s", s.Protocol, s.Model, config.Shown())
}

// GoString is String: %#v would print the state of locks.
func (s *Server) GoString() string { return "&eci.Server{" + s.String() + "}" }

// all embeds texts of one role.
func (s *Server) all(ctx context.Context, r role, texts []string) ([][]float32, error) {
	vectors := make([][]float32, len(texts))
	err := s.embed(ctx, r, texts, func(start int, batch [][]float32) error {
		copy(vectors[start:], batch)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return vectors, nil
}

// embed asks for the vectors of texts, batches of them at a time, and hands over
// each batch that arrives with the position of its first text. keep is called
// concurrently.
func (s *Server) embed(ctx context.Context, r role, texts []string, keep func(start int, vectors [][]float32) error) error {
	config := s.config(r)
	call, err := s.state.Plan(config, texts)
	if err != nil {
		return fmt.Errorf("eci: %w: %w", ErrEmbedder, err)
	}
	err = call.Embed(ctx, keep)
	var ofText *embedhttp.TextFailure
	var failure *embedhttp.Failure
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("eci: %w: %s: stopped: %w", ErrEmbedder, config.Shown(), ctx.Err())
	case errors.As(err, &ofText):
		return &TextError{Index: ofText.Index, Text: ofText.Text, Err: (*ServerError)(ofText.Failure)}
	case errors.As(err, &failure):
		return (*ServerError)(failure)
	}
	return err
}

// Protocol is the language of an embedding server.
// It is a value, which goroutines may share.
type Protocol int

const (
	// OpenAI is POST /v1/embeddings of OpenAI, vLLM, llama.cpp, LM Studio and
	// many others.
	OpenAI Protocol = iota
	// Ollama is POST /api/embed.
	Ollama
	// TextEmbeddingsInference is POST /embed of Hugging Face's server.
	TextEmbeddingsInference
)

// String returns the protocol's name.
func (p Protocol) String() string { return embedhttp.Protocol(p).String() }

// ServerError is a request of a [Server] that failed. It wraps ErrEmbedder and
// Err.
// Goroutines may share one that none of them changes.
type ServerError struct {
	// URL is the endpoint without user and query.
	URL string
	// Status is the HTTP status of the last answer, 0 where none came.
	Status int
	// Body is the beginning of the last answer, without the API key.
	Body string
	// Attempts is how often the request was sent.
	Attempts int
	// Err is the cause; nil where Status is.
	Err error
	// Try is what may help.
	Try string
}

// Error names URL, status, cause, the answer's beginning and what to try.
func (e *ServerError) Error() string {
	return fmt.Sprintf("eci: %v: %v", ErrEmbedder, (*embedhttp.Failure)(e))
}

// Unwrap returns ErrEmbedder and the cause.
func (e *ServerError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrEmbedder}
	}
	return []error{ErrEmbedder, e.Err}
}
