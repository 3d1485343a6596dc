package main

import (
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"example.com/eci"
	"github.com/spf13/pflag"
)

// serverFlags holds the flags for an embedding server.
type serverFlags struct {
	server   eci.Server
	protocol string
	cache    string
	// trying means that texts which cannot be embedded are looked for first.
	trying bool
}

// removed is a directory that is removed on Close.
type removed string

func (r removed) Close() error { return os.RemoveAll(string(r)) }

// protocols are the values of --protocol.
var protocols = map[string]eci.Protocol{
	"openai": eci.OpenAI,
	"ollama": eci.Ollama,
	"tei":    eci.TextEmbeddingsInference,
}

// noCache is the value of --cache for no cache.
const noCache = "none"

func (f *serverFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.server.URL, "server", "", "`URL` of an embedding server, for texts without a vector")
	flags.StringVar(&f.server.Model, "model", "", "the encoder's `name`, as the server knows it")
	flags.StringVar(&f.protocol, "protocol", "openai", "what the server speaks: openai, ollama or tei")
	flags.StringVar(&f.server.QueryPrefix, "query-prefix", "", "put before every query, as the encoder was trained; stored vectors of texts are found with it or without")
	flags.StringVar(&f.server.DocumentPrefix, "document-prefix", "", "put before every document")
	flags.StringVar(&f.server.KeyVariable, "key-env", "", "`name` of the environment variable with the API key, - for none (default OPENAI_API_KEY, if set, for https://api.openai.com alone)")
	flags.BoolVar(&f.server.KeyInClear, "key-in-clear", false, "let the key go over http to another machine")
	flags.BoolVar(&f.server.Truncate, "truncate", false, "let the server cut texts that are too long")
	flags.IntVar(&f.server.Dimensions, "dimensions", 0, "components of every vector that count, the first ones, of an encoder trained for that; a server is asked for them; 0 for all")
	flags.IntVar(&f.server.BatchTexts, "batch", 0, "most texts in a request; 0 for the protocol's usual number. What the server refuses is halved")
	flags.IntVar(&f.server.Concurrency, "concurrency", 4, "requests under way at once")
	flags.Float64Var(&f.server.Rate, "rate", 0, "most requests a second; 0 for no limit")
	flags.StringVar(&f.cache, "cache", "", "`directory` that keeps vectors of the server over runs, or none (default eci in the user's cache directory)")
}

// open adds the server, with its cache, to what is ready for reading.
func (f *serverFlags) open(o *opened) error {
	if f.server.URL == "" {
		if f.server.Model != "" {
			return usage("--model needs --server URL")
		}
		return nil
	}
	if !strings.HasPrefix(f.server.URL, "http://") && !strings.HasPrefix(f.server.URL, "https://") {
		return usage("--server %s: it begins with http:// or https://", f.server.URL)
	}
	if f.server.Model == "" {
		return usage("--server needs --model NAME")
	}
	protocol, ok := protocols[f.protocol]
	if !ok {
		return usage("--protocol %s: it is one of %s", f.protocol, strings.Join(slices.Sorted(maps.Keys(protocols)), ", "))
	}
	f.server.Protocol = protocol
	o.sem.Embedder = &f.server
	dir := f.cache
	switch {
	case dir == noCache && f.trying: // the texts are embedded before they are used
		passing, err := os.MkdirTemp("", "eci-vectors-")
		if err != nil {
			return err
		}
		o.closers = append(o.closers, removed(passing))
		dir = passing
	case dir == noCache:
		return nil
	}
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return usage("there is no cache directory (%v): give --cache DIR, or --cache none", err)
		}
		dir = filepath.Join(base, "eci")
	}
	cache, err := eci.OpenDiskCache(eci.DiskCacheConfig{Embedder: &f.server, Dir: dir})
	if err != nil {
		return err
	}
	// Close the cache before its directory is removed.
	o.sem.Embedder, o.closers = cache, slices.Insert(o.closers, 0, io.Closer(cache))
	return nil
}

// embeddable lets --skip bad-vector leave out the rows with a text that the encoder
// cannot embed.
func (f *serverFlags) embeddable(ctx context.Context, a *app, o *opened) (err error) {
	if !f.trying || o.sem.Embedder == nil {
		return nil
	}
	m := a.meter()
	defer m.stop()
	o.sources, err = o.sem.Embeddable(ctx, m.watch("embed", o.sources)...)
	return err
}
