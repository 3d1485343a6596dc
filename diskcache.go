package eci

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"example.com/eci/internal/disk"
)

// DiskCacheConfig says what a [DiskCache] keeps, and where.
// Goroutines may share one that none of them changes.
type DiskCacheConfig struct {
	// Embedder makes the vectors that are not there yet.
	Embedder Embedder
	// Dir is the cache's directory; it is made if it is not there. Several
	// embedders and processes may share it.
	Dir string
	// Identity names the encoder: model, version, prefixes and all else that
	// changes a vector. It may be empty for an [IdentifiedEmbedder], and counts
	// beside that one's own identity otherwise: use it to tell apart two encoders
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
	config       DiskCacheConfig
	files        disk.FS
	segmentBytes int64

	mutex     sync.Mutex
	index     map[[16]byte]place
	segments  map[uint32]*segment
	ids       map[string]uint32 // of segments, by name
	nextID    uint32
	open      int // files
	current   *segment
	scratch   []byte
	dimension int
	closed    bool
	stats     DiskCacheStats
	unwritten error // why the first vectors that could not be written were not
}

// DiskCacheStats counts what a [DiskCache] did since it was opened.
// It is a value, which goroutines may share.
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

// place is where a record is.
type place struct{ segment, offset, components uint32 }

const (
	mostSegmentBytes = 256 << 20
	mostOpenFiles    = 64
	textsPerCall     = 256
)

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
	c := &DiskCache{
		config:       config,
		files:        files,
		segmentBytes: min(config.MaxBytes/16, mostSegmentBytes),
		index:        make(map[[16]byte]place),
		segments:     make(map[uint32]*segment),
		ids:          make(map[string]uint32),
	}
	err := files.MkdirAll(config.Dir, 0o700)
	if err == nil {
		// A directory that can only be read is of use. Writing needs room, and says
		// so when there is none.
		_, _ = c.makeRoom(0)
		err = c.refresh(true)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("eci: disk cache: %w", err), c.Close())
	}
	return c, nil
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
	c.mutex.Lock()
	defer c.mutex.Unlock()
	stats := c.stats
	stats.Vectors = len(c.index)
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
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	err := c.unwritten
	if err != nil {
		err = fmt.Errorf("%d vectors could not be written and will be embedded again: %w", c.stats.Unwritten, err)
	}
	if c.current != nil {
		err = errors.Join(err, c.current.file.Sync())
	}
	for _, s := range c.segments {
		err = errors.Join(err, c.shut(s))
	}
	if err != nil {
		return fmt.Errorf("eci: disk cache: %w", err)
	}
	return nil
}

// keys digests all that a vector depends on, each part after its length.
func (c *DiskCache) keys(r role, texts []string) []cacheKey {
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
	keys := make([]cacheKey, len(texts))
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
	first := make(map[cacheKey]int, len(missing))
	var send []string
	var sendKeys []cacheKey
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
func (c *DiskCache) find(keys []cacheKey, vectors [][]float32) (missing []int, err error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closed {
		return nil, fmt.Errorf("eci: disk cache: %w", fs.ErrClosed)
	}
	look := func(positions []int) (without []int, err error) {
		for _, i := range positions {
			v := c.read(keys[i])
			if v == nil {
				without = append(without, i)
			} else if err := c.accept(v, "found"); err != nil {
				return nil, err
			}
			vectors[i] = v
		}
		return without, nil
	}
	missing = make([]int, len(keys))
	for i := range missing {
		missing[i] = i
	}
	if missing, err = look(missing); err == nil && len(missing) > 0 {
		// Another process may have them by now. Where the directory cannot be read
		// they are embedded.
		if c.refresh(false) == nil {
			missing, err = look(missing)
		}
	}
	c.stats.Hits += len(keys) - len(missing)
	return missing, err
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

// read returns the vector of a key, nil if there is none that can be read.
func (c *DiskCache) read(key cacheKey) []float32 {
	at, ok := c.index[key.short()]
	if !ok {
		return nil
	}
	if s := c.segments[at.segment]; s != nil && c.reopen(s) == nil {
		c.scratch = slices.Grow(c.scratch[:0], int(recordSize(int(at.components))))[:recordSize(int(at.components))]
		if _, err := s.file.ReadAt(c.scratch, int64(at.offset)); err == nil {
			if v, ok := parseRecord(c.scratch, key); ok {
				return v
			}
		}
	}
	delete(c.index, key.short()) // damaged, or its file is gone
	return nil
}

// keep writes the vectors that the embedder returned. The only errors are those
// of the vectors: what the disk refuses is counted.
func (c *DiskCache) keep(keys []cacheKey, vectors [][]float32) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closed {
		return fmt.Errorf("eci: disk cache: %w", fs.ErrClosed)
	}
	c.stats.Misses += len(keys)
	var bad error
	for i, v := range vectors {
		if bad = c.accept(v, "embedded"); bad == nil && (recordSize(len(v)) > c.segmentBytes-int64(len(segmentMagic)) || len(v) > mostComponents) {
			bad = fmt.Errorf("eci: %w: disk cache: MaxBytes %d is too small for a vector of %d components", ErrSettings, c.config.MaxBytes, len(v))
		}
		if bad != nil {
			vectors = vectors[:i] // what is before it is good
			break
		}
	}
	if written, err := c.append(keys, vectors); err != nil {
		c.stats.Unwritten += len(vectors) - written
		c.unwritten = or(c.unwritten, err)
	}
	return bad
}

// append writes vectors to this process's file and returns the number of those
// that are there.
func (c *DiskCache) append(keys []cacheKey, vectors [][]float32) (written int, err error) {
	var records []byte
	var at []place
	flush := func() error {
		if len(at) == 0 {
			return nil
		}
		if err := c.write(records); err != nil {
			return err
		}
		for _, p := range at {
			c.index[keys[written].short()] = p
			written++
		}
		records, at = records[:0], at[:0]
		return nil
	}
	for i, v := range vectors {
		if c.current == nil || c.current.scanned+int64(len(records))+recordSize(len(v)) > c.segmentBytes {
			if err := flush(); err != nil {
				return written, err
			}
			if err := c.begin(); err != nil {
				return written, err
			}
		}
		at = append(at, place{c.ids[c.current.name], uint32(c.current.scanned + int64(len(records))), uint32(len(v))})
		records = appendRecord(records, keys[i], v)
	}
	return written, flush()
}
