package eci

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"example.com/eci/internal/cosine"
	"example.com/eci/internal/disk"
	"example.com/eci/internal/vecstore"
)

// DiskCacheConfig configures a [DiskCache].
// It is safe for concurrent use as long as no goroutine changes it.
type DiskCacheConfig struct {
	// Embedder computes the vectors that are not in the cache.
	Embedder Embedder
	// Dir is the directory of the cache. It is created if it does not exist. Several
	// embedders and processes may share it.
	Dir string
	// Identity names the encoder: model, version, prefixes and everything else that
	// changes a vector. It may be empty for an [IdentifiedEmbedder]. Otherwise it is
	// used in addition to the embedder's own identity. Use it to tell apart two
	// encoders that had the same model name.
	Identity string
	// MaxBytes limits the size of the directory. 0 means 8 GiB, and less than 1 MiB is
	// an error. Each file of vectors has at most a sixteenth of the limit (or 256
	// MiB). When the cache is opened, and before a new file is started, the oldest
	// files are removed until it fits. Each additional process that writes at the same
	// time may exceed the limit by the size of one file.
	MaxBytes int64
}

// DiskCache is an [Embedder] that stores the vectors of another one in files. So every
// text is embedded once over all runs. If a call fails, the cache keeps what the
// embedder had returned so far: each batch of a [Server], or each call of at most 256
// texts of another embedder.
//
// The key of a vector is a SHA-256 digest of the embedder's identity, the role of the
// text (query or document) with its prefix, and the text. If any of them changes, the
// vector is not found. The record on disk has the whole digest and a checksum. A
// damaged or partial record is embedded again. A vector is returned bit for bit. All
// methods are safe for concurrent use, and any number of processes can use one
// directory. Only its user can access the directory (mode 0700, files 0600), because
// vectors reveal much of their texts.
//
// A failing disk loses no vector. If a file cannot be read, its vectors are embedded
// again. Vectors that cannot be written are returned anyway. [DiskCache.Stats] counts
// both. [DiskCache.Close] returns the cause of failed writes.
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

// DiskCacheStats counts what a [DiskCache] has done since it was opened.
// It is a plain value and safe for concurrent use.
type DiskCacheStats struct {
	// Hits is the number of texts whose vector was found. Misses is the number of
	// vectors that the embedder returned. A missing text that occurs twice in a call
	// is embedded once.
	Hits, Misses int
	// Vectors is the number of vectors that can be found.
	Vectors int
	// Unwritten is the number of vectors that the embedder returned and that could not
	// be written. Unreadable is the number of files that could not be read.
	Unwritten, Unreadable int
}

// textsPerCall is the number of texts in a call to an embedder that is not a Server.
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

// EmbedQueries returns one vector for each query, in order. It calls an Embedder
// without this method once for each query.
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

// Identity returns a string that differs for caches whose vectors may differ. It
// combines the embedder's identity with that of the config.
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

// Close flushes the cache to disk and closes its files. The cache must not be used
// afterwards. A crash of the process loses no vector even without Close. Close also
// returns an error if vectors could not be written earlier.
func (c *DiskCache) Close() error {
	if err := c.store.Close(); err != nil {
		return fmt.Errorf("eci: disk cache: %w", err)
	}
	return nil
}

// keys returns digests of everything that a vector depends on, each part preceded by
// its length.
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

// ask has the embedder embed texts. It passes on what the embedder returns, batch by
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
			vectors, err = r.embed(ctx, c.config.Embedder, batch)
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

// accept checks a vector against the earlier ones.
func (c *DiskCache) accept(v []float32, how string) error {
	if len(v) == 0 {
		return fmt.Errorf("eci: %w: %w: it is empty", ErrEmbedder, ErrDimension)
	}
	if _, err := cosine.InverseNorm(v); err != nil {
		return fmt.Errorf("eci: %w: %w", ErrEmbedder, err)
	}
	if c.dimension == 0 {
		c.dimension = len(v)
	}
	if len(v) != c.dimension {
		return fmt.Errorf("eci: %w: %w: a vector that was %s has %d components, earlier ones have %d; if the name now means another model, use a directory other than %s or another Identity",
			ErrEmbedder, ErrDimension, how, len(v), c.dimension, c.config.Dir)
	}
	return nil
}

// keep writes the vectors that the embedder returned. It returns only errors in the
// vectors; failures of the disk are counted.
func (c *DiskCache) keep(keys []vecstore.Key, vectors [][]float32) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	var bad error
	for i, v := range vectors {
		if bad = c.accept(v, "embedded"); bad == nil && !c.room.Fits(len(v)) {
			bad = fmt.Errorf("eci: %w: disk cache: MaxBytes %d is too small for a vector of %d components", ErrSettings, c.config.MaxBytes, len(v))
		}
		if bad != nil {
			vectors = vectors[:i] // those before it are good
			break
		}
	}
	if err := c.store.Put(keys[:len(vectors)], vectors); err != nil {
		return fmt.Errorf("eci: disk cache: %w", err)
	}
	c.stats.Misses += len(keys)
	return bad
}
