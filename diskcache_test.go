package eci

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/eci/internal/vecstore"
)

// countingEncoder embeds with vectorOf and counts the texts it gets. It reuses
// its slices and changes its input, as an Embedder may.
type countingEncoder struct {
	name       string
	texts      atomic.Int64
	components int // 0 means 3
	failAfter  int // texts; 0 means never
	mutex      sync.Mutex
	reused     []float32
}

var errEncoder = errors.New("out of memory")

func (e *countingEncoder) EmbedDocuments(ctx context.Context, texts []string) ([][]float32, error) {
	var vectors [][]float32
	for i, text := range texts {
		if n := e.texts.Add(1); e.failAfter > 0 && n > int64(e.failAfter) {
			return nil, errEncoder
		}
		v := vectorOf(e.name + text)
		for len(v) < e.components {
			v = append(v, float32(len(v)))
		}
		vectors = append(vectors, v)
		texts[i] = "changed"
	}
	return vectors, nil
}

func (e *countingEncoder) EmbedQuery(ctx context.Context, text string) ([]float32, error) {
	vectors, err := e.EmbedDocuments(ctx, []string{text})
	if err != nil {
		return nil, err
	}
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.reused = append(e.reused[:0], vectors[0]...)
	return e.reused, nil
}

func openCache(t testing.TB, dir string, e Embedder, identity string) *DiskCache {
	t.Helper()
	c, err := OpenDiskCache(DiskCacheConfig{Dir: dir, Embedder: e, Identity: identity, MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func mustEmbed(t testing.TB, c *DiskCache, texts []string) [][]float32 {
	t.Helper()
	vectors, err := c.EmbedDocuments(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	return vectors
}

func TestDiskCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "directory")
	texts := append(someTexts(700), someTexts(10)...) // ten are there twice
	want := vectorsOf("", texts)
	e := new(countingEncoder)
	for run := range 3 {
		c := openCache(t, dir, e, "test")
		for call := range 2 {
			if diff := cmp.Diff(want, mustEmbed(t, c, texts)); diff != "" {
				t.Fatalf("run %d, call %d: %s", run, call, diff)
			}
		}
		for range 2 {
			queries, err := c.EmbedQueries(t.Context(), texts[:5])
			if diff := cmp.Diff(want[:5], queries); err != nil || diff != "" {
				t.Fatalf("run %d: %v\n%s", run, err, diff)
			}
		}
		one, err := c.EmbedQuery(t.Context(), texts[4])
		if diff := cmp.Diff(want[4], one); err != nil || diff != "" {
			t.Fatalf("run %d: %v\n%s", run, err, diff)
		}
		if n := e.texts.Load(); n != 705 {
			t.Errorf("run %d: %d texts embedded by now, want 700 documents and 5 queries", run, n)
		}
		stats := DiskCacheStats{Hits: 710 + 710 + 5 + 5 + 1, Vectors: 705}
		if run == 0 {
			stats = DiskCacheStats{Hits: 710 + 5 + 1, Misses: 705, Vectors: 705}
		}
		if diff := cmp.Diff(stats, c.Stats()); diff != "" {
			t.Errorf("run %d: %s", run, diff)
		}
		if got, err := c.EmbedDocuments(t.Context(), nil); err != nil || len(got) != 0 {
			t.Errorf("no texts: %v, %v", got, err)
		}
		got := mustEmbed(t, c, []string{texts[0], texts[0]})
		got[0][0]++ // the caller's own memory
		if got[1][0] != want[0][0] || mustEmbed(t, c, texts[:1])[0][0] != want[0][0] {
			t.Error("two results share memory")
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.EmbedQuery(t.Context(), texts[0]); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("after Close: error %v", err)
		}
	}
}

// TestDiskCacheKeys: whatever changes a vector changes its key, and nothing else
// does.
func TestDiskCacheKeys(t *testing.T) {
	base := func() *Server { return &Server{URL: "http://127.0.0.1:1/v1", Model: "m", KeyVariable: NoKey} }
	keyOf := func(e Embedder, identity string, r role, text string) vecstore.Key {
		c := &DiskCache{config: DiskCacheConfig{Embedder: e, Identity: identity}}
		return c.keys(r, []string{"x", text})[1]
	}
	seen := map[vecstore.Key]string{keyOf(base(), "", documentRole, "text"): "base"}
	for _, test := range []struct {
		reason string
		key    vecstore.Key
	}{
		{"the role", keyOf(base(), "", queryRole, "text")},
		{"the text", keyOf(base(), "", documentRole, "texts")},
		{"the identity in the config", keyOf(base(), "new weights", documentRole, "text")},
		{"another embedder with the text of the server's identity", keyOf(new(countingEncoder), base().identity(documentRole), documentRole, "text")},
		{"a Server inside a type of one's own, which may do other things", keyOf(struct{ *Server }{base()}, "", documentRole, "text")},
		{"the host", keyOf(&Server{URL: "http://127.0.0.2:1/v1", Model: "m"}, "", documentRole, "text")},
		{"the path", keyOf(&Server{URL: "http://127.0.0.1:1/v2", Model: "m"}, "", documentRole, "text")},
		{"the model", keyOf(&Server{URL: base().URL, Model: "n"}, "", documentRole, "text")},
		{"the protocol", keyOf(&Server{URL: base().URL, Model: "m", Protocol: Ollama}, "", documentRole, "text")},
		{"the prefix", keyOf(&Server{URL: base().URL, Model: "m", DocumentPrefix: "p"}, "", documentRole, "text")},
		{"a prefix that makes the same text", keyOf(&Server{URL: base().URL, Model: "m", DocumentPrefix: "te"}, "", documentRole, "xt")},
		{"the dimension", keyOf(&Server{URL: base().URL, Model: "m", Dimensions: 8}, "", documentRole, "text")},
		{"truncation", keyOf(&Server{URL: base().URL, Model: "m", Truncate: true}, "", documentRole, "text")},
		{"the model in quotes", keyOf(&Server{URL: base().URL, Model: `m" document prefix "`}, "", documentRole, "text")},
	} {
		if other, ok := seen[test.key]; ok {
			t.Errorf("%s: the key is that of %q", test.reason, other)
		}
		seen[test.key] = test.reason
	}
	for reason, s := range map[string]*Server{
		"the query's prefix, for a document": {URL: base().URL, Model: "m", QueryPrefix: "q"},
		"the whole path":                     {URL: base().URL + "/embeddings", Model: "m"},
		"limits":                             {URL: base().URL, Model: "m", BatchTexts: 1, Rate: 2, Retries: 1},
	} {
		if seen[keyOf(s, "", documentRole, "text")] != "base" {
			t.Errorf("%s changes the key", reason)
		}
	}
	// No two ways to cut one string into identity and text collide.
	whole := "identity and text"
	cuts := make(map[vecstore.Key]int)
	for i := range whole {
		cuts[keyOf(new(countingEncoder), whole[:i], documentRole, whole[i:])]++
	}
	if len(cuts) != len(whole) {
		t.Errorf("%d keys for %d cuts", len(cuts), len(whole))
	}
}

func TestDiskCacheRefuses(t *testing.T) {
	nan := float32(math.NaN())
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		reason string
		config DiskCacheConfig
		want   error
		says   string
	}{
		{"no embedder", DiskCacheConfig{Dir: t.TempDir(), Identity: "x"}, ErrSettings, "Embedder"},
		{"no directory", DiskCacheConfig{Embedder: new(countingEncoder), Identity: "x"}, ErrSettings, "Dir"},
		{"no identity", DiskCacheConfig{Embedder: new(countingEncoder), Dir: t.TempDir()}, ErrSettings, "Identity"},
		{"too small", DiskCacheConfig{Embedder: new(countingEncoder), Dir: t.TempDir(), Identity: "x", MaxBytes: 1000}, ErrSettings, "1 MiB"},
		{"a file instead of a directory", DiskCacheConfig{Embedder: new(countingEncoder), Dir: file, Identity: "x"}, nil, "file"},
		{"a directory that is gone", DiskCacheConfig{Embedder: new(countingEncoder), Dir: filepath.Join(file, "x"), Identity: "x"}, nil, "file"},
	} {
		c, err := OpenDiskCache(test.config)
		if err == nil || c != nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) || !strings.HasPrefix(err.Error(), "eci: ") {
			t.Errorf("%s: %v, %v", test.reason, c, err)
		}
	}
	for _, test := range []struct {
		reason  string
		vectors [][]float32
		err     error
		want    error
	}{
		{"an error", nil, errEncoder, errEncoder},
		{"too few vectors", [][]float32{{1}}, nil, ErrEmbedderCount},
		{"NaN", [][]float32{{1}, {nan}}, nil, ErrNotFinite},
		{"zero", [][]float32{{1}, {0}}, nil, ErrZeroVector},
		{"nothing", [][]float32{{1}, nil}, nil, ErrDimension},
		{"two dimensions", [][]float32{{1}, {1, 2}}, nil, ErrDimension},
		{"more than fits", [][]float32{{1}, make([]float32, 1<<16)}, nil, nil},
	} {
		if len(test.vectors) == 2 && len(test.vectors[1]) > 2 {
			test.vectors[0], test.vectors[1][0] = test.vectors[1], 1
			test.want = ErrSettings
		}
		c := openCache(t, t.TempDir(), fixedEncoder{test.vectors, test.err}, "x")
		vectors, err := c.EmbedDocuments(t.Context(), []string{"a", "b"})
		if vectors != nil || !errors.Is(err, test.want) {
			t.Errorf("%s: %v, %v", test.reason, vectors, err)
		}
		if test.want != ErrSettings {
			checkMessage(t, err)
		}
		_, err = newVectorSource(&settings{Embedder: c}).call(t.Context(), documentRole, []string{"a", "b"})
		checkMessage(t, &RowError{Source: "a", Err: err})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := openCache(t, t.TempDir(), new(countingEncoder), "x").EmbedQuery(ctx, "q"); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

type fixedEncoder struct {
	vectors [][]float32
	err     error
}

func (e fixedEncoder) EmbedDocuments(context.Context, []string) ([][]float32, error) {
	return e.vectors, e.err
}
func (e fixedEncoder) EmbedQuery(context.Context, string) ([]float32, error) {
	return nil, e.err
}

// TestDiskCacheAnotherModel: the model under a name changed its dimension.
func TestDiskCacheAnotherModel(t *testing.T) {
	dir := t.TempDir()
	mustEmbed(t, openCache(t, dir, new(countingEncoder), "x"), someTexts(3))
	c := openCache(t, dir, &countingEncoder{components: 5}, "x")
	_, err := c.EmbedDocuments(t.Context(), someTexts(4))
	if !errors.Is(err, ErrDimension) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "Identity") {
		t.Errorf("error %v", err)
	}
}

// segmentFiles returns the cache's files, oldest first.
func segmentFiles(t testing.TB, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"+vecstore.Suffix))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestDiskCacheCrash cuts the file after every byte, as a process that is
// killed while it writes would: all whole records are found, the rest is
// embedded again, and kept.
func TestDiskCacheCrash(t *testing.T) {
	dir := t.TempDir()
	texts := someTexts(4)
	want := vectorsOf("", texts)
	c := openCache(t, dir, new(countingEncoder), "x")
	mustEmbed(t, c, texts)
	c.Close()
	content, err := os.ReadFile(segmentFiles(t, dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	size := int(vecstore.RecordSize(3))
	if len(content) != len(vecstore.Magic)+4*size {
		t.Fatalf("%d bytes for 4 records of %d", len(content), size)
	}
	for cut := range len(content) + 1 {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "0000000007-00"+vecstore.Suffix), content[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		whole := max(0, cut-len(vecstore.Magic)) / size
		for run := range 2 {
			e := new(countingEncoder)
			c := openCache(t, dir, e, "x")
			if diff := cmp.Diff(want, mustEmbed(t, c, texts)); diff != "" {
				t.Fatalf("cut at %d: %s", cut, diff)
			}
			c.Close()
			if got := int(e.texts.Load()); run == 0 && got != 4-whole || run == 1 && got != 0 {
				t.Fatalf("cut at %d, run %d: %d embedded again, %d were whole", cut, run, got, whole)
			}
		}
	}
}

// TestDiskCacheDamage flips bits of every byte of the file: no wrong vector is
// ever returned, and the cache mends itself.
func TestDiskCacheDamage(t *testing.T) {
	dir := t.TempDir()
	texts := someTexts(3)
	want := vectorsOf("", texts)
	c := openCache(t, dir, new(countingEncoder), "x")
	mustEmbed(t, c, texts)
	c.Close()
	content, err := os.ReadFile(segmentFiles(t, dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	for at := range content {
		dir := t.TempDir()
		damaged := slices.Clone(content)
		damaged[at] ^= 1 << (at % 8)
		if err := os.WriteFile(filepath.Join(dir, "0000000001-00"+vecstore.Suffix), damaged, 0o644); err != nil {
			t.Fatal(err)
		}
		for run := range 2 {
			e := new(countingEncoder)
			c := openCache(t, dir, e, "x")
			if diff := cmp.Diff(want, mustEmbed(t, c, texts)); diff != "" {
				t.Fatalf("byte %d: %s", at, diff)
			}
			c.Close()
			if got := e.texts.Load(); run == 0 && got == 0 || run == 1 && got != 0 {
				t.Fatalf("byte %d, run %d: %d embedded again", at, run, got)
			}
		}
	}
}

// TestDiskCacheLimit writes four times what fits.
func TestDiskCacheLimit(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("not ours"), 0o644); err != nil {
		t.Fatal(err)
	}
	e := &countingEncoder{components: 500}
	c := openCache(t, dir, e, "x")
	texts := someTexts(2000)
	for start := 0; start < len(texts); start += 10 {
		mustEmbed(t, c, texts[start:start+10])
		var total int64
		for _, file := range segmentFiles(t, dir) {
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			total += info.Size()
		}
		if total > 1<<20 {
			t.Fatalf("%d bytes after %d texts, the limit is 1 MiB", total, start+10)
		}
	}
	c.Close()
	e = &countingEncoder{components: 500}
	c = openCache(t, dir, e, "x")
	if n := c.Stats().Vectors; n < 400 || n > 520 { // 1 MiB / (44 + 4*500) bytes is 513
		t.Errorf("%d vectors kept", n)
	}
	mustEmbed(t, c, texts[1600:])
	if n := e.texts.Load(); n != 0 {
		t.Errorf("%d of the newest 400 are gone", n)
	}
	mustEmbed(t, c, texts[:10])
	if n := e.texts.Load(); n != 10 {
		t.Errorf("%d of the oldest 10 are gone", n)
	}
	if n := c.Stats().Vectors; n > 520 {
		t.Errorf("%d vectors within reach", n)
	}
	c.Close()
	// A lower limit holds from the next opening on.
	large, err := OpenDiskCache(DiskCacheConfig{Dir: dir, Embedder: e, Identity: "x", MaxBytes: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	mustEmbed(t, large, texts)
	large.Close()
	if n := openCache(t, dir, e, "x").Stats().Vectors; n < 100 || n > 520 {
		t.Errorf("%d vectors after the limit was lowered", n)
	}
	if _, err := os.Stat(filepath.Join(dir, "notes.txt")); err != nil {
		t.Error(err)
	}
}

// TestDiskCacheManyFiles has more files than the 64 that are kept open.
func TestDiskCacheManyFiles(t *testing.T) {
	dir := t.TempDir()
	texts := someTexts(84)
	for i := range texts {
		c := openCache(t, dir, new(countingEncoder), "x")
		mustEmbed(t, c, texts[i:i+1])
		c.Close()
	}
	e := new(countingEncoder)
	c := openCache(t, dir, e, "x")
	for range 2 {
		if diff := cmp.Diff(vectorsOf("", texts), mustEmbed(t, c, texts)); diff != "" || e.texts.Load() != 0 {
			t.Fatalf("%d embedded again\n%s", e.texts.Load(), diff)
		}
	}
	// Files of another version and files that vanish are no failure.
	if err := os.WriteFile(filepath.Join(dir, "0000000000-ff"+vecstore.Suffix), []byte("ECIvec\x00\x02 and more of it"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, file := range segmentFiles(t, dir)[1:11] {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	c = openCache(t, dir, e, "x")
	mustEmbed(t, c, texts)
	if n := e.texts.Load(); n != 10 {
		t.Errorf("%d embedded again, want 10", n)
	}
}

// TestDiskCacheKeepsPartOfAFailure: what came before an error is not paid for
// twice.
func TestDiskCacheKeepsPartOfAFailure(t *testing.T) {
	t.Run("an embedder that fails in its third call", func(t *testing.T) {
		dir := t.TempDir()
		c := openCache(t, dir, &countingEncoder{failAfter: 600}, "x")
		if _, err := c.EmbedDocuments(t.Context(), someTexts(1000)); !errors.Is(err, errEncoder) || !errors.Is(err, ErrEmbedder) {
			t.Fatalf("error %v", err)
		}
		e := new(countingEncoder)
		mustEmbed(t, openCache(t, dir, e, "x"), someTexts(1000))
		if n := e.texts.Load(); n != 1000-2*textsPerCall {
			t.Errorf("%d embedded again, want %d", n, 1000-2*textsPerCall)
		}
	})
	t.Run("queries one by one", func(t *testing.T) {
		dir := t.TempDir()
		c := openCache(t, dir, &countingEncoder{failAfter: 7}, "x")
		if _, err := c.EmbedQueries(t.Context(), someTexts(10)); !errors.Is(err, errEncoder) {
			t.Fatalf("error %v", err)
		}
		if n := c.Stats().Vectors; n != 7 {
			t.Errorf("%d kept, want 7", n)
		}
	})
	t.Run("a server that fails in its fifth request", func(t *testing.T) {
		var asked atomic.Int64
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			texts, _ := readRequest(t, r)
			if asked.Add(1) == 5 {
				w.WriteHeader(http.StatusNotImplemented)
				return
			}
			io.WriteString(w, openAIAnswer(texts))
		})
		s := &Server{URL: server.URL, Model: "m", KeyVariable: NoKey, BatchTexts: 10, Concurrency: 1}
		c := openCache(t, t.TempDir(), s, "")
		if _, err := c.EmbedDocuments(t.Context(), someTexts(100)); !errors.Is(err, ErrEmbedder) {
			t.Fatalf("error %v", err)
		} else {
			checkMessage(t, err)
		}
		mustEmbed(t, c, someTexts(100))
		if n := asked.Load(); n != 11 || c.Stats().Misses != 100 {
			t.Errorf("%d requests, want 5 and the 6 that were missing; %+v", n, c.Stats())
		}
	})
}

// TestDiskCacheConcurrent has several goroutines and two caches in one directory.
func TestDiskCacheConcurrent(t *testing.T) {
	dir := t.TempDir()
	e := new(countingEncoder)
	caches := []*DiskCache{openCache(t, dir, e, "x"), openCache(t, dir, e, "x")}
	texts := someTexts(300)
	want := vectorsOf("", texts)
	var wait sync.WaitGroup
	for g := range 8 {
		wait.Go(func() {
			for i := range texts {
				at := (i*(2*g+1) + g) % len(texts)
				got, err := caches[g%2].EmbedDocuments(t.Context(), texts[at:at+1])
				if err != nil || !slices.Equal(got[0], want[at]) {
					t.Errorf("%v, %v", got, err)
					return
				}
			}
		})
	}
	wait.Wait()
	before := e.texts.Load()
	if diff := cmp.Diff(want, mustEmbed(t, openCache(t, dir, e, "x"), texts)); diff != "" || e.texts.Load() != before {
		t.Error(diff)
	}
}

const childVariable = "ECI_DISK_CACHE_CHILD"

// TestDiskCacheChild is the other processes of the tests below.
func TestDiskCacheChild(t *testing.T) {
	dir, from, ok := strings.Cut(os.Getenv(childVariable), "|")
	if !ok {
		t.Skip("runs in a process of its own only")
	}
	start, err := strconv.Atoi(from)
	if err != nil {
		t.Fatal(err)
	}
	e := new(countingEncoder)
	c := openCache(t, dir, e, "x")
	for n := start; start < 0 || n < start+600; n += 3 {
		texts := []string{fmt.Sprint("text ", n), fmt.Sprint("text ", n+1), fmt.Sprint("text ", n+2)}
		if diff := cmp.Diff(vectorsOf("", texts), mustEmbed(t, c, texts)); diff != "" {
			t.Fatal(diff)
		}
		fmt.Printf("\nkept %d\n", n)
	}
}

func child(t *testing.T, dir string, from int) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(self, "-test.run", "^TestDiskCacheChild$")
	command.Env = append(os.Environ(), fmt.Sprintf("%s=%s|%d", childVariable, dir, from))
	return command
}

// TestDiskCacheProcesses runs four processes whose texts overlap by half.
func TestDiskCacheProcesses(t *testing.T) {
	dir := t.TempDir()
	var wait sync.WaitGroup
	for p := range 4 {
		command := child(t, dir, 300*p)
		wait.Go(func() {
			if out, err := command.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	wait.Wait()
	var texts []string
	for n := range 1500 {
		texts = append(texts, fmt.Sprint("text ", n))
	}
	e := new(countingEncoder)
	if diff := cmp.Diff(vectorsOf("", texts), mustEmbed(t, openCache(t, dir, e, "x"), texts)); diff != "" || e.texts.Load() != 0 {
		t.Errorf("%d texts of 4 processes were not kept\n%s", e.texts.Load(), diff)
	}
}

// TestDiskCacheKill kills a process that writes; whatever it said it had kept is
// there.
func TestDiskCacheKill(t *testing.T) {
	dir := t.TempDir()
	command := child(t, dir, -1_000_000) // never ends on its own
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	var texts []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var n int
		if _, err := fmt.Sscanf(lines.Text(), "kept %d", &n); err == nil {
			texts = append(texts, fmt.Sprint("text ", n), fmt.Sprint("text ", n+1), fmt.Sprint("text ", n+2))
		}
		if len(texts) == 3000 {
			if err := command.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := command.Wait(); err == nil {
		t.Error("the process was not killed")
	}
	e := new(countingEncoder)
	if diff := cmp.Diff(vectorsOf("", texts), mustEmbed(t, openCache(t, dir, e, "x"), texts)); diff != "" || e.texts.Load() != 0 || len(texts) < 3000 {
		t.Errorf("%d of %d texts were not kept\n%s", e.texts.Load(), len(texts), diff)
	}
}

// TestDiskCacheInARanking: a second run sends nothing, and its result is the
// same to the bit.
func TestDiskCacheInARanking(t *testing.T) {
	dir := t.TempDir()
	var sources []Source
	for k := range 2 {
		var rows []*Record
		for i := range 60 {
			rows = append(rows, &Record{QueryText: fmt.Sprint("query ", i), PositiveText: fmt.Sprint("positive ", i), NegativeText: fmt.Sprint("negative ", k, " ", i)})
		}
		sources = append(sources, SourceOf(fmt.Sprint("source", k), rows))
	}
	var want string
	for run := range 2 {
		e := new(countingEncoder)
		c := openCache(t, dir, e, "x")
		r, err := Rank(t.Context(), &Sem{Embedder: c}, sources...)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := r.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if run == 0 {
			want = string(raw)
		} else if e.texts.Load() != 0 || string(raw) != want {
			t.Errorf("%d texts in the second run\n%s", e.texts.Load(), cmp.Diff(want, string(raw)))
		}
		c.Close()
	}
}

// BenchmarkDiskCache reads vectors of 384 components.
func BenchmarkDiskCache(b *testing.B) {
	c, err := OpenDiskCache(DiskCacheConfig{Dir: b.TempDir(), Embedder: &countingEncoder{components: 384}, Identity: "x"})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	texts := someTexts(10000)
	b.Run("write", func(b *testing.B) {
		for i := range b.N {
			c.config.Identity = fmt.Sprint(i)
			mustEmbed(b, c, texts)
		}
		b.ReportMetric(float64(b.N*len(texts))/b.Elapsed().Seconds(), "vectors/s")
	})
	b.Run("read", func(b *testing.B) {
		mustEmbed(b, c, texts)
		b.ResetTimer()
		for range b.N {
			mustEmbed(b, c, texts)
		}
		b.ReportMetric(float64(b.N*len(texts))/b.Elapsed().Seconds(), "vectors/s")
	})
	b.Run("open", func(b *testing.B) {
		for range b.N {
			again, err := OpenDiskCache(c.config)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N*again.Stats().Vectors)/b.Elapsed().Seconds(), "vectors/s")
			again.Close()
		}
	})
}
