package eci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/eci/internal/disk"
)

// The harness fails each call of a whole run in turn, as SQLite's tests do: a run
// of [Rank] with an embedder, a DiskCache and a checkpoint. The failed run must
// end with the cause and nothing else, or as if nothing had happened; it must
// leave no goroutine and no file open; and the next run must end in the same bits
// and send no text again that was answered and could be kept.

var errInjected = errors.New("it fails here")

// harnessSources are two small sources, with a text that is there twice. failAt is
// the row that fails, counted over all passes; 0 is none.
func harnessSources(failAt int) (sources []Source, yielded *int) {
	yielded = new(int)
	for k := range 2 {
		sources = append(sources, Source{Name: fmt.Sprint("source", k), Triples: func(yield func(Triple, error) bool) {
			for i := range 10 {
				r := &Record{QueryText: fmt.Sprint("query ", i), PositiveText: fmt.Sprint("positive ", i), NegativeText: fmt.Sprint("negative ", k, " ", i/2)}
				var err error
				if *yielded++; *yielded == failAt {
					err = errInjected
				}
				if !yield(r, err) {
					return
				}
			}
		}})
	}
	return sources, yielded
}

// answering is an encoder that remembers whom it answered.
type answering struct {
	fault func(call int, texts []string) ([][]float32, error) // nil, nil: none

	mutex    sync.Mutex
	calls    int
	answered map[string]int
}

func (e *answering) answer(texts []string) ([][]float32, error) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.calls++
	if e.fault != nil {
		if vectors, err := e.fault(e.calls, texts); vectors != nil || err != nil {
			return vectors, err
		}
	}
	if e.answered == nil {
		e.answered = make(map[string]int)
	}
	for _, text := range texts {
		e.answered[text]++
	}
	return vectorsOf("", texts), nil
}

func (e *answering) EmbedDocuments(_ context.Context, texts []string) ([][]float32, error) {
	return e.answer(texts)
}

func (e *answering) EmbedQuery(_ context.Context, text string) ([]float32, error) {
	vectors, err := e.answer([]string{text})
	if err != nil || len(vectors) == 0 {
		return nil, err
	}
	return vectors[0], nil
}

func (*answering) Identity() string { return "answering" }

// handler is the encoder as a server.
func (e *answering) handler(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		texts, _ := readRequest(t, r)
		_, err := e.answer(texts)
		var failure serverFault
		switch {
		case err == nil:
			io.WriteString(w, openAIAnswer(texts))
		case !errors.As(err, &failure) || failure == 0:
			panic(http.ErrAbortHandler)
		case failure == http.StatusOK: // half an answer
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, `{"data":[`)
		default:
			w.WriteHeader(int(failure))
		}
	}
}

// serverFault is the status of an answer; 0 drops the connection.
type serverFault int

func (f serverFault) Error() string { return fmt.Sprint("status ", int(f)) }

// countedContext is canceled by the nth look at it.
type countedContext struct {
	context.Context
	cancel context.CancelCauseFunc
	at     int

	mutex sync.Mutex
	looks int
}

func countContext(parent context.Context, at int) *countedContext {
	ctx, cancel := context.WithCancelCause(parent)
	return &countedContext{Context: ctx, cancel: cancel, at: at}
}

func (c *countedContext) look() {
	c.mutex.Lock()
	c.looks++
	now := c.looks == c.at
	c.mutex.Unlock()
	if now {
		c.cancel(errInjected)
	}
}

func (c *countedContext) Err() error            { c.look(); return c.Context.Err() }
func (c *countedContext) Done() <-chan struct{} { c.look(); return c.Context.Done() }

// harnessRun is one run, with what is to fail in it.
type harnessRun struct {
	ctx     context.Context
	files   *faults
	encoder Embedder
	failRow int
	alone   bool // no cache but that of the checkpoint

	rows, unwritten int // read, and vectors that could not be kept
}

// rank ranks in a directory.
func (h *harnessRun) rank(dir string) (ranking *Ranking, err error) {
	sem := &Sem{Embedder: h.encoder, Checkpoint: filepath.Join(dir, "checkpoint"), BatchSize: 7, files: h.files}
	if !h.alone {
		cache, err := DiskCacheConfig{Dir: filepath.Join(dir, "cache"), Embedder: h.encoder, MaxBytes: 1 << 20}.open(h.files)
		if err != nil {
			return nil, err
		}
		defer func() {
			h.unwritten = cache.Stats().Unwritten
			if closed := cache.Close(); closed != nil && !errors.Is(closed, errFault) {
				err = errors.Join(err, closed)
			}
		}()
		sem.Embedder = cache
	}
	sources, rows := harnessSources(h.failRow)
	ranking, err = Rank(h.ctx, sem, sources...)
	h.rows = *rows
	if h.alone && ranking != nil { // what it says of the cache is no part of the result
		said := len(ranking.Notes)
		ranking.Notes = slices.DeleteFunc(ranking.Notes, func(note string) bool { return strings.HasPrefix(note, "the checkpoint lacks vectors") })
		if len(ranking.Notes) < said {
			h.unwritten = math.MaxInt
		}
	} else if h.alone && errors.Is(err, errFault) { // an error says no more than its cause
		h.unwritten = math.MaxInt
	}
	return ranking, err
}

// rankingBits is a ranking except for the number of texts that were embedded for it.
func rankingBits(t *testing.T, r *Ranking) string {
	t.Helper()
	kept := *r
	kept.Embedded = 0
	raw, err := kept.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// settled waits until no more goroutines run than before.
func settled(t *testing.T, before int) {
	t.Helper()
	for range 200 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	stacks := make([]byte, 1<<16)
	t.Errorf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
}

// TestEveryCallFails is the harness.
func TestEveryCallFails(t *testing.T) {
	plain := func() *harnessRun {
		return &harnessRun{ctx: t.Context(), files: &faults{FS: disk.OS}, encoder: new(answering)}
	}
	reference, err := plain().rank(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	want := rankingBits(t, reference)
	step := 1
	if UnderRace {
		step = 5
	}
	encoderFault := func(fault func(texts []string) ([][]float32, error)) func(h *harnessRun, n int) func() int {
		return func(h *harnessRun, n int) func() int {
			e := &answering{fault: func(call int, texts []string) ([][]float32, error) {
				if call != n {
					return nil, nil
				}
				return fault(texts)
			}}
			h.encoder = e
			return func() int { return e.calls }
		}
	}
	diskFault := func(after bool) func(h *harnessRun, n int) func() int {
		return func(h *harnessRun, n int) func() int {
			h.files = failing(func(call int) bool { return call == n || after && call > n })
			return func() int { return h.files.calls }
		}
	}
	for _, test := range []struct {
		reason string
		causes []error // of which a failed run has one
		// set makes the nth call fail and returns how many calls there were.
		set func(h *harnessRun, n int) (calls func() int)
	}{
		{"the embedder fails", []error{errInjected}, encoderFault(func([]string) ([][]float32, error) { return nil, errInjected })},
		{"the embedder returns too few vectors", []error{ErrEmbedderCount, ErrDimension}, encoderFault(func(texts []string) ([][]float32, error) { return [][]float32{}, nil })},
		{"the embedder returns zeros", []error{ErrZeroVector}, encoderFault(func(texts []string) ([][]float32, error) {
			return slices.Repeat([][]float32{{0, 0, 0}}, len(texts)), nil
		})},
		{"the embedder returns another dimension", []error{ErrDimension}, encoderFault(func(texts []string) ([][]float32, error) {
			if texts[0] == "query 0" {
				return nil, nil // the first vector of all says what is right
			}
			vectors := vectorsOf("", texts)
			vectors[len(vectors)-1] = []float32{1}
			return vectors, nil
		})},
		{"the disk fails once", []error{errFault}, diskFault(false)},
		{"the disk fails from then on", []error{errFault}, diskFault(true)},
		{"a row fails", []error{errInjected}, func(h *harnessRun, n int) func() int {
			h.failRow = n
			return func() int { return h.rows }
		}},
		{"the context is canceled", []error{context.Canceled}, func(h *harnessRun, n int) func() int {
			ctx := countContext(t.Context(), n)
			h.ctx = ctx
			return func() int { return ctx.looks }
		}},
	} {
		for _, alone := range []bool{false, true} {
			reason := test.reason
			if alone {
				reason += ", no cache but that of the checkpoint"
			}
			t.Run(reason, func(t *testing.T) {
				failed, tried := 0, 0
				for n := 1; ; n += step {
					tried++
					h, healthy := plain(), plain()
					h.alone, healthy.alone = alone, alone
					calls := test.set(h, n)
					if runTwice(t, h, healthy, test.causes, want) {
						failed++
					}
					if calls() < n {
						break
					}
					if t.Failed() {
						t.Fatalf("call %d", n)
					}
				}
				t.Logf("%d calls failed in turn, %d runs ended with the error", tried-1, failed)
				if tried < 3 || failed == 0 {
					t.Errorf("%d calls, %d errors: is anything failed at all?", tried-1, failed)
				}
			})
		}
	}
}

// runTwice lets a run fail and ranks again without faults. It reports whether
// the first run ended with an error.
func runTwice(t *testing.T, h, healthy *harnessRun, causes []error, want string) (failed bool) {
	t.Helper()
	dir := t.TempDir()
	before := runtime.NumGoroutine()
	ranking, err := h.rank(dir)
	switch {
	case err == nil:
		if got := rankingBits(t, ranking); got != want {
			t.Errorf("a run without an error ended in another ranking:\n%s", cmp.Diff(want, got))
		}
	case ranking != nil:
		t.Errorf("an error and a ranking: %v", err)
	case !slices.ContainsFunc(causes, func(cause error) bool { return errors.Is(err, cause) }):
		t.Errorf("error %v, want one of %v", err, causes)
	}
	settled(t, before)
	if h.files.open != 0 {
		t.Errorf("%d files are open", h.files.open)
	}
	ranking, secondErr := healthy.rank(dir)
	if secondErr != nil {
		t.Fatalf("the second run: %v", secondErr)
	}
	if got := rankingBits(t, ranking); got != want {
		t.Errorf("the second run ended in another ranking:\n%s", cmp.Diff(want, got))
	}
	answered := func(e Embedder) map[string]int {
		if e, ok := e.(*answering); ok {
			return e.answered
		}
		return nil
	}
	var twice []string
	for _, text := range slices.Sorted(maps.Keys(answered(healthy.encoder))) {
		if answered(h.encoder)[text] > 0 {
			twice = append(twice, text)
		}
	}
	if len(twice) > h.unwritten {
		t.Errorf("%d texts were sent again, %d could not be kept: %q", len(twice), h.unwritten, twice)
	}
	return err != nil
}

// TestEveryRequestFails is the harness for requests to a server.
func TestEveryRequestFails(t *testing.T) {
	fake := newFakeClock()
	run := func(e *answering, retries int) (*harnessRun, func()) {
		server := httptest.NewServer(e.handler(t))
		transport := new(http.Transport)
		s := &Server{
			URL: "http://encoder.test", Model: "m", BatchTexts: 3, Concurrency: 1, Retries: retries, clock: fake.clock(),
			Client: &http.Client{Transport: redirected{server.URL, transport}},
		}
		return &harnessRun{ctx: t.Context(), files: &faults{FS: disk.OS}, encoder: s}, func() {
			transport.CloseIdleConnections()
			server.Close()
		}
	}
	first, done := run(new(answering), 0)
	reference, err := first.rank(t.TempDir())
	done()
	if err != nil {
		t.Fatal(err)
	}
	want := rankingBits(t, reference)
	for _, status := range []serverFault{0, 200, 400, 413, 429, 500, 503} {
		for _, retries := range []int{NoRetries, 2} {
			failed, n := 0, 0
			for {
				n++
				before := runtime.NumGoroutine()
				dir := t.TempDir()
				sent := &answering{fault: func(call int, _ []string) ([][]float32, error) {
					if call == n {
						return nil, status
					}
					return nil, nil
				}}
				h, done := run(sent, retries)
				ranking, err := h.rank(dir)
				done()
				if err != nil {
					failed++
					var e *ServerError
					if !errors.As(err, &e) || e.Status != int(status) || ranking != nil {
						t.Errorf("status %d of request %d: error %v", status, n, err)
					}
				} else if rankingBits(t, ranking) != want {
					t.Errorf("status %d of request %d: another ranking", status, n)
				}
				again := new(answering)
				h, done = run(again, retries)
				ranking, err = h.rank(dir)
				done()
				if err != nil {
					t.Fatal(err)
				} else if rankingBits(t, ranking) != want {
					t.Errorf("after status %d of request %d: another ranking", status, n)
				}
				for text := range again.answered {
					if sent.answered[text] > 0 {
						t.Errorf("after status %d of request %d %q was sent again", status, n, text)
					}
				}
				settled(t, before)
				if sent.calls < n {
					break
				}
				if t.Failed() {
					t.FailNow()
				}
			}
			// A request that is repeated is answered then, and so are the halves of one
			// that is refused, unless it has one text.
			least, most := n-1, n-1
			if retries > 0 && status != http.StatusRequestEntityTooLarge && status != http.StatusBadRequest {
				least, most = 0, 0
			} else if status == http.StatusRequestEntityTooLarge || status == http.StatusBadRequest || status == http.StatusInternalServerError {
				least, most = 1, n-2
			}
			if failed < least || failed > most || n < 3 {
				t.Errorf("status %d, %d retries: %d of %d runs ended with an error, want %d to %d", status, retries, failed, n-1, least, most)
			}
			t.Logf("status %d, %d retries: %d requests failed in turn, %d runs ended with the error", status, retries, n-1, failed)
		}
	}
}

// redirected sends every request to one server, so that a URL, on which cached
// vectors depend, may stay while the server moves.
type redirected struct {
	url       string
	transport http.RoundTripper
}

func (r redirected) RoundTrip(request *http.Request) (*http.Response, error) {
	moved := request.Clone(request.Context())
	var err error
	if moved.URL, err = moved.URL.Parse(r.url + request.URL.Path); err != nil {
		return nil, err
	}
	return r.transport.RoundTrip(moved)
}
