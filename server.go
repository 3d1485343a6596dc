package eci

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"example.com/eci/internal/refusal"
	"example.com/eci/internal/secret"
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

	clock     *clock // nil: the real one
	mutex     sync.Mutex
	next      time.Time     // when the next request may start
	underway  chan struct{} // one element a request
	dimension int           // of all vectors; 0 until there is one
	learned   int           // most texts in a request; 0 until the server refused more
}

const (
	// NoKey as [Server.KeyVariable] sends no API key.
	NoKey = "-"
	// NoRetries as [Server.Retries] fails at once.
	NoRetries = -1

	longestWait = 5 * time.Minute
	firstWait   = time.Second / 2
	mostWait    = 30 * time.Second
)

// clock is time and chance, which tests replace.
type clock struct {
	now    func() time.Time
	sleep  func(context.Context, time.Duration) error
	random func() float64 // in [0, 1)
}

var realClock = &clock{time.Now, sleep, rand.Float64}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// plainClient does not follow redirects: a POST would become a GET, and texts
// would go where nobody sent them.
var plainClient = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

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
	endpoint := "an invalid URL" // which may hold a password, and embeds nothing
	if u, err := s.endpoint(); err == nil {
		endpoint = u.String()
	}
	return fmt.Sprintf("server %v %q model %q %v prefix %q dimensions %d truncate %t",
		s.Protocol, endpoint, s.Model, r, s.prefix(r), s.Dimensions, s.Truncate)
}

func (s *Server) prefix(r role) string {
	if r == queryRole {
		return s.QueryPrefix
	}
	return s.DocumentPrefix
}

// String names the server without anything secret.
func (s *Server) String() string {
	return fmt.Sprintf("%v model %q at %s", s.Protocol, s.Model, s.shown())
}

// GoString is String: %#v would print the state of locks.
func (s *Server) GoString() string { return "&eci.Server{" + s.String() + "}" }

// shown is the endpoint as it may be printed, without user and query.
func (s *Server) shown() string {
	u, err := s.endpoint()
	if err != nil {
		return "an invalid URL"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

func (s *Server) endpoint() (*url.URL, error) {
	u, err := url.Parse(s.URL)
	switch {
	case err != nil: // its text would show a password
		return nil, errors.New("URL cannot be parsed")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, errors.New("URL must begin with http:// or https:// and a host")
	case u.User != nil:
		return nil, errors.New("URL holds a user or password; put the key in an environment variable and its name in KeyVariable")
	}
	u.Host = strings.ToLower(u.Host)
	wire := s.Protocol.wire()
	switch path := strings.TrimRight(u.Path, "/"); {
	case path == "":
		u.Path = wire.path
	case s.Protocol == OpenAI && strings.HasSuffix(path, "/v1"):
		u.Path = path + "/embeddings"
	}
	return u, nil
}

// call is one call of a Server, its settings checked and completed.
type call struct {
	*Server
	clock                *clock
	client               *http.Client
	url, shown           string
	key                  secret.Key
	variable             string // that it is from, as it may be printed; "" for none
	prefix               string
	texts, bytes         int // in a request, at most
	concurrency, retries int
	timeout              time.Duration
}

func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// plan checks the settings and fills in the defaults.
func (s *Server) plan(r role) (*call, error) {
	refuse := func(format string, args ...any) (*call, error) {
		return nil, fmt.Errorf("eci: %w: %w: Server: "+format, append([]any{ErrEmbedder, ErrSettings}, args...)...)
	}
	if s.Protocol < 0 || int(s.Protocol) >= len(wires) {
		return refuse("unknown protocol %d", s.Protocol)
	}
	u, err := s.endpoint()
	wire := s.Protocol.wire()
	switch {
	case err != nil:
		return refuse("%w", err)
	case s.Model == "":
		return refuse("Model is empty; name the encoder")
	case s.Truncate && !wire.truncates:
		return refuse("the protocol %v has no word for Truncate; shorten the texts or set it up at the server", s.Protocol)
	case s.Dimensions < 0 || s.BatchTexts < 0 || s.BatchBytes < 0 || s.Concurrency < 0 || s.Timeout < 0 || s.Retries < NoRetries:
		return refuse("a negative Dimensions, BatchTexts, BatchBytes, Concurrency, Timeout or Retries")
	case !(s.Rate >= 0):
		return refuse("Rate %v; use requests a second, or 0 for no limit", s.Rate)
	}
	c := &call{
		Server:      s,
		clock:       or(s.clock, realClock),
		client:      or(s.Client, plainClient),
		url:         u.String(),
		shown:       s.shown(),
		prefix:      s.prefix(r),
		texts:       or(s.BatchTexts, wire.texts),
		bytes:       or(s.BatchBytes, 512<<10),
		concurrency: or(s.Concurrency, 4),
		retries:     max(or(s.Retries, 6), 0),
		timeout:     or(s.Timeout, time.Minute),
	}
	if err := c.findKey(u); err != nil {
		return refuse("%w", err)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.underway == nil {
		s.underway = make(chan struct{}, c.concurrency)
	}
	return c, nil
}

// findKey takes the key for a server at u from the environment.
func (c *call) findKey(u *url.URL) (err error) {
	name := c.KeyVariable
	if wire := c.Protocol.wire(); name == "" && u.Scheme == "https" && u.Host == wire.keyOwner {
		name = wire.keyVariable
	}
	if name == "" || name == NoKey {
		return nil
	}
	c.variable = secret.Variable(name)
	if c.key, err = secret.New(strings.TrimSpace(os.Getenv(name))); err != nil {
		return fmt.Errorf("the API key in the environment variable %s %w", c.variable, err)
	}
	switch {
	case c.key.Text() == "" && c.KeyVariable != "":
		return fmt.Errorf("the environment variable %s is empty; KeyVariable is its name, not the key: set the variable to the API key, or KeyVariable to NoKey", c.variable)
	case c.key.Text() == "":
	case u.Scheme == "http" && !secret.Loopback(u.Hostname()) && !c.KeyInClear:
		return fmt.Errorf("the API key in the environment variable %s would go to %s in clear: use https, set KeyVariable to NoKey, or set KeyInClear if the network is yours alone", c.variable, u.Host)
	default:
		c.client = secret.Client(c.client)
	}
	return nil
}

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
	c, err := s.plan(r)
	if err != nil {
		return err
	}
	starts, err := c.split(texts)
	if err != nil {
		return err
	}
	caller := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(c.concurrency, len(starts)-1) {
		wait.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1))
				if i >= len(starts) {
					return
				}
				if err := c.batch(ctx, starts[i-1], texts[starts[i-1]:starts[i]], keep); err != nil {
					cancel(err) // the first one counts
					return
				}
			}
		})
	}
	wait.Wait()
	switch {
	case ctx.Err() == nil:
		return nil
	case caller.Err() != nil:
		return fmt.Errorf("eci: %w: %s: stopped: %w", ErrEmbedder, c.shown, caller.Err())
	}
	return context.Cause(ctx)
}

// split returns where batches start, and the number of texts as the last
// element.
func (c *call) split(texts []string) ([]int, error) {
	starts := []int{0}
	bytes := 0
	for i, text := range texts {
		size := len(c.prefix) + len(text)
		if size > c.bytes {
			return nil, fmt.Errorf("eci: %w: text %d of %d, %q, has %d bytes with its prefix, Server.BatchBytes allows %d; shorten it or raise the limit",
				ErrEmbedder, i+1, len(texts), excerpt(text), size, c.bytes)
		}
		if i-starts[len(starts)-1] == c.texts || bytes+size > c.bytes {
			starts = append(starts, i)
			bytes = 0
		}
		bytes += size
	}
	if len(texts) > 0 {
		starts = append(starts, len(texts))
	}
	return starts, nil
}

// batch embeds the texts of one request, or halves them while the server refuses
// them: they are too many, or there is one among them that it cannot embed.
func (c *call) batch(ctx context.Context, start int, texts []string, keep func(int, [][]float32) error) error {
	for limit := c.mostTexts(); len(texts) > limit; limit = c.mostTexts() {
		if err := c.part(ctx, start, texts[:limit], false, keep); err != nil {
			return err
		}
		start, texts = start+limit, texts[limit:]
	}
	return c.part(ctx, start, texts, false, keep)
}

// part embeds texts in one request or in halves. A half is not sent again for a
// failure that the whole was sent again for.
func (c *call) part(ctx context.Context, start int, texts []string, half bool, keep func(int, [][]float32) error) error {
	vectors, err := c.ask(ctx, texts, half)
	if err == nil {
		return keep(start, vectors)
	}
	var failure *ServerError
	if !errors.As(err, &failure) || !failure.ofTexts {
		return err
	}
	if len(texts) == 1 {
		return c.alone(ctx, start, texts[0], failure)
	}
	most := refusal.Most(failure.Body, len(texts))
	if most > 0 {
		c.learn(most)
	}
	size := (len(texts) + 1) / 2
	if most > 0 {
		size = most
	}
	for from := 0; from < len(texts); from += size {
		if err := c.part(ctx, start+from, texts[from:min(from+size, len(texts))], true, keep); err != nil {
			if !c.answered() && failure.Status != http.StatusRequestEntityTooLarge && ctx.Err() == nil {
				return failure // the first one says most
			}
			return err
		}
	}
	if failure.Status >= 400 && failure.Status < 500 { // each half was fine
		c.learn((len(texts) + 1) / 2)
	}
	return nil
}

// alone explains the failure of one text. The text is to blame if the server
// embeds another one.
func (c *call) alone(ctx context.Context, at int, text string, failure *ServerError) error {
	if failure.Status == http.StatusRequestEntityTooLarge && failure.Err == nil {
		failure.Err = fmt.Errorf("text %d, %q, of %d bytes is too large alone", at+1, excerpt(text), len(text))
	}
	if !c.answered() {
		if _, err := c.ask(ctx, []string{"a text"}, true); err != nil {
			return failure
		}
	}
	return &TextError{Index: at, Text: text, Err: failure}
}

// mostTexts is the most texts in a request, as far as the server has shown.
func (c *call) mostTexts() int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.learned > 0 {
		return min(c.learned, c.texts)
	}
	return c.texts
}

// learn remembers that a request of more texts is refused.
func (c *call) learn(texts int) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.learned == 0 || texts < c.learned {
		c.learned = texts
	}
}

// ask sends one request, again and again while that may help.
func (c *call) ask(ctx context.Context, texts []string, half bool) ([][]float32, error) {
	body, err := c.request(texts)
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		vectors, failure := c.try(ctx, body, len(texts))
		if failure == nil {
			return vectors, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		failure.Attempts = attempt
		again := failure.again
		if failure.ofTexts && (half || len(texts) > 1 && attempt > 2 && c.answered()) {
			again = false // smaller requests will tell more
		}
		if !again || attempt > c.retries || failure.wait > longestWait {
			return nil, failure
		}
		wait := failure.wait
		if wait == 0 {
			wait = min(firstWait<<min(attempt-1, 16), mostWait)
			wait = time.Duration(float64(wait) * (1 + c.clock.random()) / 2)
		}
		if err := c.clock.sleep(ctx, wait); err != nil {
			return nil, ctx.Err()
		}
	}
}

// turn waits until the rate allows another request.
func (c *call) turn(ctx context.Context) error {
	if c.Rate == 0 {
		return ctx.Err()
	}
	c.mutex.Lock()
	now := c.clock.now()
	wait := max(c.next.Sub(now), 0)
	c.next = now.Add(wait + time.Duration(float64(time.Second)/c.Rate))
	c.mutex.Unlock()
	if wait == 0 {
		return ctx.Err()
	}
	return c.clock.sleep(ctx, wait)
}

// accept checks the vectors of an answer against those before it.
func (c *call) accept(vectors [][]float32) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for i, v := range vectors {
		if len(v) == 0 {
			return fmt.Errorf("%w: vector %d is empty", ErrDimension, i+1)
		}
		if _, err := inverseNorm(v); err != nil {
			return fmt.Errorf("%w: vector %d", err, i+1)
		}
		if c.Dimensions > 0 && len(v) != c.Dimensions {
			return fmt.Errorf("%w: %d components, Server.Dimensions asks for %d", ErrDimension, len(v), c.Dimensions)
		}
		if c.dimension == 0 {
			c.dimension = len(v)
		}
		if len(v) != c.dimension {
			return fmt.Errorf("%w: %d components, vectors before had %d", ErrDimension, len(v), c.dimension)
		}
	}
	return nil
}

// answered says whether the server has ever returned a vector.
func (c *call) answered() bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.dimension > 0
}
