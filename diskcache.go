package eci

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"example.com/eci/internal/disk"
	"example.com/eci/internal/vecstore"
)

// DiskCacheConfig says what a [DiskCache] keeps, and where.
// It is safe for concurrent use as long as no goroutine changes it.
type DiskCacheConfig struct {
	// Embedder makes the vectors that are not there yet.
	Embedder Embedder
	// Dir is the cache's directory; it is made if it is not there. Several
	// embedders and processes may share it.
	Dir string
	// Identity names the encoder: model, version, prefixes and all else that
	// changes a vector. It may be empty for an [IdentifiedEmbedder], and counts
	// in addition to that one's own otherwise: use it to tell apart two encoders
	// that one model name stood for.
	Identity string
	// MaxBytes limits the size of the directory; 0 means 8 GiB, less than 1 MiB is
	// an error. Vectors are in files of at most a sixteenth of it (or 256 MiB);
	// before a new file is begun, and when the cache is opened, the oldest files
	// are removed until it fits. Every further process that writes at the same
	// time may exceed the limit by the size of one file.
	MaxBytes int64
}

// DiskCache is an [Embedder] that keeps the vectors of another one in files, so
// that every text is embedded once, over all runs. Of a call that fails, what
// the embedder had returned by then is kept: each batch of a [Server], each
// call of at most 256 texts of another embedder.
//
// A vector is found by a SHA-256 digest of the embedder's identity, the role of
// the text (query or document) with its prefix, and the text; so a change of
// any of them misses. The record on disk has the whole digest and a checksum,
// and a damaged or half-written one is embedded anew. A vector comes back bit for
// bit. All methods are safe for concurrent use, and any number of processes can
// use one directory. It is made for its user alone (mode 0700, files 0600):
// vectors give away much of their texts.
//
// What the disk refuses costs no vector: where a file cannot be read, its vectors
// are embedded anew, and those that cannot be written are returned all the same.
// [DiskCache.Stats] counts both, and [DiskCache.Close] returns the cause of the
// latter.
//
// The index in memory takes about 50 bytes for each vector on disk.
type DiskCache struct {
	config DiskCacheConfig
	store  *vecstore.Store
	room   vecstore.Config

	mutex     sync.Mutex // guards what follows
	dimension int
	stats     DiskCacheStats // Hits and Misses
}

// DiskCacheStats counts what a [DiskCache] did since it was opened.
// It is a plain value and safe for concurrent use.
type DiskCacheStats struct {
	// Hits is the number of texts whose vector was found, Misses that of vectors
	// that the embedder returned. A missing text that is twice in a call is
	// embedded once.
	Hits, Misses int
	// Vectors is the number of vectors within reach.
	Vectors int
	// Unwritten is the number of vectors that the embedder returned and that
	// could not be written, Unreadable that of files that could not be read.
	Unwritten, Unreadable int
}

// textsPerCall is the number of texts of a call to an embedder that is no Server.
const textsPerCall = 256

// OpenDiskCache opens the cache in a directory. Close it after use.
func OpenDiskCache(config DiskCacheConfig) (*DiskCache, error) { return config.open(disk.OS) }

func (config DiskCacheConfig) open(files disk.FS) (*DiskCache, error) {
	refuse := func(what string) (*DiskCache, error) {
		return nil, fmt.Errorf("eci: %w: disk cache: %s", ErrSettings, what)
	}
	if config.MaxBytes == 0 {
		config.MaxBytes = 8 << 30
	}
	identified, ok := config.Embedder.(IdentifiedEmbedder)
	switch {
	case config.Embedder == nil:
		return refuse("Embedder is nil")
	case config.Dir == "":
		return refuse("Dir is empty; name a directory")
	case config.MaxBytes < 1<<20:
		return refuse(fmt.Sprintf("MaxBytes %d is less than 1 MiB", config.MaxBytes))
	case config.Identity == "" && (!ok || identified.Identity() == ""):
		return refuse("Identity is empty and the Embedder has none; name model, version and prefixes, so that no vector of another encoder is returned")
	}
	room := vecstore.Config{Dir: config.Dir, MaxBytes: config.MaxBytes, Files: files}
	store, err := vecstore.Open(room)
	if err != nil {
		return nil, fmt.Errorf("eci: disk cache: %w", err)
	}
	return &DiskCache{config: config, room: room, store: store}, nil
}

// EmbedDocuments returns one vector for each text, in order.
func (c *DiskCache) EmbedDocuments(ctx context.Context, texts []string) ([][]float32, error) {
	return c.embed(ctx, documentRole, texts)
}

// EmbedQueries returns one vector for each query, in order. An Embedder without
// this method is asked query by query.
func (c *DiskCache) EmbedQueries(ctx context.Context, texts []string) ([][]float32, error) {
	return c.embed(ctx, queryRole, texts)
}

// EmbedQuery returns the vector of one query.
func (c *DiskCache) EmbedQuery(ctx context.Context, text string) ([]float32, error) {
	vectors, err := c.embed(ctx, queryRole, []string{text})
	if err != nil {
		return nil, err
	}
	return vectors[0], nil
}

// Stats returns the counts so far.
func (c *DiskCache) Stats() DiskCacheStats {
	counts := c.store.Counts()
	c.mutex.Lock()
	defer c.mutex.Unlock()
	stats := c.stats
	stats.Vectors, stats.Unwritten, stats.Unreadable = counts.Vectors, counts.Unwritten, counts.Unreadable
	return stats
}

// Identity tells caches apart whose vectors may differ: by the embedder's
// identity and that of the config.
func (c *DiskCache) Identity() string {
	e, ok := c.config.Embedder.(IdentifiedEmbedder)
	switch {
	case !ok:
		return fmt.Sprintf("%q", c.config.Identity)
	case c.config.Identity == "": // whether vectors are kept does not change them
		return e.Identity()
	}
	return fmt.Sprintf("%q %s", c.config.Identity, e.Identity())
}

// Close writes the cache through to the disk and closes its files; it must not
// be used afterwards. What was embedded is safe from a crash of the process
// without it. An error is also due where vectors could not be written before.
func (c *DiskCache) Close() error {
	if err := c.store.Close(); err != nil {
		return fmt.Errorf("eci: disk cache: %w", err)
	}
	return nil
}

// keys digests all that a vector depends on, each part after its length.
func (c *DiskCache) keys(r role, texts []string) []vecstore.Key {
	identity := ""
	switch e := c.config.Embedder.(type) {
	case *Server: // the other role's prefix changes nothing
		identity = e.identity(r)
	case IdentifiedEmbedder:
		identity = e.Identity()
	}
	var buffer []byte
	part := func(text string) {
		buffer = binary.LittleEndian.AppendUint64(buffer, uint64(len(text)))
		buffer = append(buffer, text...)
	}
	part("eci vector 1")
	part(c.config.Identity)
	part(identity)
	part(r.String())
	common := len(buffer)
	keys := make([]vecstore.Key, len(texts))
	for i, text := range texts {
		buffer = buffer[:common]
		part(text)
		keys[i] = sha256.Sum256(buffer)
	}
	return keys
}

func (c *DiskCache) embed(ctx context.Context, r role, texts []string) ([][]float32, error) {
	keys := c.keys(r, texts)
	vectors := make([][]float32, len(texts))
	missing, err := c.find(keys, vectors)
	if err != nil {
		return nil, err
	}
	if len(missing) == 0 {
		return vectors, nil
	}
	// Each distinct text once.
	first := make(map[vecstore.Key]int, len(missing))
	var send []string
	var sendKeys []vecstore.Key
	for _, i := range missing {
		if _, ok := first[keys[i]]; !ok {
			first[keys[i]] = len(send)
			send, sendKeys = append(send, texts[i]), append(sendKeys, keys[i])
		}
	}
	fresh := make([][]float32, len(send))
	err = c.ask(ctx, r, send, func(start int, batch [][]float32) error {
		for i, v := range batch {
			fresh[start+i] = slices.Clone(v) // the embedder may reuse its slices
		}
		return c.keep(sendKeys[start:start+len(batch)], fresh[start:start+len(batch)])
	})
	if err != nil {
		return nil, err
	}
	used := make([]bool, len(send))
	for _, i := range missing {
		k := first[keys[i]]
		vectors[i] = fresh[k]
		if used[k] { // two texts of one call do not share memory
			vectors[i] = slices.Clone(fresh[k])
		}
		used[k] = true
	}
	return vectors, nil
}

// ask has the embedder embed texts and hands over what it returns, batch by
// batch, with the position of the first text.
func (c *DiskCache) ask(ctx context.Context, r role, texts []string, keep func(int, [][]float32) error) error {
	if s, ok := c.config.Embedder.(*Server); ok {
		return s.embed(ctx, r, texts, keep)
	}
	size := textsPerCall
	if _, ok := c.config.Embedder.(QueryBatchEmbedder); r == queryRole && !ok {
		size = 1
	}
	for start := 0; start < len(texts); start += size {
		batch := slices.Clone(texts[start:min(start+size, len(texts))])
		want := len(batch)
		err := ctx.Err()
		var vectors [][]float32
		if err == nil {
			vectors, err = embedTexts(ctx, c.config.Embedder, r, batch)
		}
		if err != nil {
			return fmt.Errorf("eci: %w: %w", ErrEmbedder, bareError{err})
		}
		if len(vectors) != want {
			return fmt.Errorf("eci: %w: %w: %d for %d texts of role %s", ErrEmbedder, ErrEmbedderCount, len(vectors), want, r)
		}
		if err := keep(start, vectors); err != nil {
			return err
		}
	}
	return nil
}

// find fills in the vectors on disk and returns the positions of the others.
func (c *DiskCache) find(keys []vecstore.Key, vectors [][]float32) (missing []int, err error) {
	missing, err = c.store.Get(keys, vectors)
	if err != nil {
		return nil, fmt.Errorf("eci: disk cache: %w", err)
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, v := range vectors {
		if v != nil {
			if err := c.accept(v, "found"); err != nil {
				return nil, err
			}
		}
	}
	c.stats.Hits += len(keys) - len(missing)
	return missing, nil
}

// accept checks a vector against those before it.
func (c *DiskCache) accept(v []float32, how string) error {
	if len(v) == 0 {
		return fmt.Errorf("eci: %w: %w: it is empty", ErrEmbedder, ErrDimension)
	}
	if _, err := inverseNorm(v); err != nil {
		return fmt.Errorf("eci: %w: %w", ErrEmbedder, err)
	}
	if c.dimension == 0 {
		c.dimension = len(v)
	}
	if len(v) != c.dimension {
		return fmt.Errorf("eci: %w: %w: a vector that was %s has %d components, those before have %d; if the model behind the name has changed, take another directory than %s or another Identity",
			ErrEmbedder, ErrDimension, how, len(v), c.dimension, c.config.Dir)
	}
	return nil
}

// keep writes the vectors that the embedder returned. The only errors are those
// of the vectors: what the disk refuses is counted.
func (c *DiskCache) keep(keys []vecstore.Key, vectors [][]float32) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	var bad error
	for i, v := range vectors {
		if bad = c.accept(v, "embedded"); bad == nil && !c.room.Fits(len(v)) {
			bad = fmt.Errorf("eci: %w: disk cache: MaxBytes %d is too small for a vector of %d components", ErrSettings, c.config.MaxBytes, len(v))
		}
		if bad != nil {
			vectors = vectors[:i] // what is before it is good
			break
		}
	}
	if err := c.store.Put(keys[:len(vectors)], vectors); err != nil {
		return fmt.Errorf("eci: disk cache: %w", err)
	}
	c.stats.Misses += len(keys)
	return bad
}
