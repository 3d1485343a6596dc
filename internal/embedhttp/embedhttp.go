// Package embedhttp asks embedding servers for vectors over HTTP: requests and
// answers of their protocols, batches that grow smaller when a server refuses them,
// limits, waits and repetitions, and who is sent a key.
package embedhttp

//lint:file-ignore ST1005 messages begin with the name of a field of the root's Server

import (
	"cmp"
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

	"example.com/eci/internal/fault"
	"example.com/eci/internal/quote"
	"example.com/eci/internal/secret"
)

// Config says how a server is asked. The fields are those of the root's Server,
// which documents them; messages name them so.
type Config struct {
	URL, Model string
	Protocol   Protocol
	Prefix     string // of every text
	Dimensions int
	Truncate   bool

	KeyVariable string
	NoKey       bool // whatever KeyVariable is
	KeyInClear  bool

	BatchTexts, BatchBytes, Concurrency int
	Rate                                float64
	Timeout                             time.Duration
	Retries                             int // -1 for none
	Client                              *http.Client

	MostComponents int    // of a vector
	Clock          *Clock // nil: the real one
}

// Clock is time and chance, which tests replace.
type Clock struct {
	Now    func() time.Time
	Sleep  func(context.Context, time.Duration) error
	Random func() float64 // in [0, 1)
}

// Sleep waits for d, or until the context ends.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// State is what the calls to one server share. Its zero value is ready for use.
type State struct {
	mutex     sync.Mutex
	next      time.Time     // when the next request may start
	underway  chan struct{} // one element a request
	dimension int           // of all vectors; 0 until there is one
	learned   int           // most texts in a request; 0 until the server refused more
}

// Call is one call to a server: its settings, checked and completed, and the texts
// in batches.
type Call struct {
	Config
	*State
	url, shown string
	key        secret.Key
	variable   string // that it is from, as it may be printed; "" for none
	texts      []string
	starts     []int // of the batches, and the number of texts as the last element
}

// Endpoint is where requests go. No error shows the URL, which may hold a password.
func (c *Config) Endpoint() (*url.URL, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil: // its text would show a password
		return nil, errors.New("URL cannot be parsed")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, errors.New("URL must begin with http:// or https:// and a host")
	case u.User != nil:
		return nil, errors.New("URL holds a user or password; put the key in an environment variable and its name in KeyVariable")
	}
	u.Host = strings.ToLower(u.Host)
	wire := c.Protocol.wire()
	switch path := strings.TrimRight(u.Path, "/"); {
	case path == "":
		u.Path = wire.path
	case c.Protocol == OpenAI && strings.HasSuffix(path, "/v1"):
		u.Path = path + "/embeddings"
	}
	return u, nil
}

// Shown is the endpoint as it may be printed, without user and query.
func (c *Config) Shown() string {
	u, err := c.Endpoint()
	if err != nil {
		return "an invalid URL"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// Plan checks the settings, completes them and splits texts into batches.
func (s *State) Plan(config Config, texts []string) (*Call, error) {
	u, err := config.check()
	if err != nil {
		return nil, fmt.Errorf("%w: Server: %w", fault.Settings, err)
	}
	c := &Call{Config: config.withDefaults(), State: s, url: u.String(), shown: config.Shown(), texts: texts}
	if err := c.findKey(u); err != nil {
		return nil, fmt.Errorf("%w: Server: %w", fault.Settings, err)
	}
	if err := c.split(); err != nil {
		return nil, err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.underway == nil {
		s.underway = make(chan struct{}, c.Concurrency)
	}
	return c, nil
}

// check refuses settings that make no sense, and returns the endpoint.
func (c *Config) check() (*url.URL, error) {
	if !c.Protocol.known() {
		return nil, fmt.Errorf("unknown protocol %d", c.Protocol)
	}
	u, err := c.Endpoint()
	switch {
	case err != nil:
		return nil, err
	case c.Model == "":
		return nil, errors.New("Model is empty; name the encoder")
	case c.Truncate && !c.Protocol.wire().truncates:
		return nil, fmt.Errorf("the protocol %v has no word for Truncate; shorten the texts or set it up at the server", c.Protocol)
	case c.Dimensions < 0 || c.BatchTexts < 0 || c.BatchBytes < 0 || c.Concurrency < 0 || c.Timeout < 0 || c.Retries < -1:
		return nil, errors.New("a negative Dimensions, BatchTexts, BatchBytes, Concurrency, Timeout or Retries")
	case !(c.Rate >= 0):
		return nil, fmt.Errorf("Rate %v; use requests a second, or 0 for no limit", c.Rate)
	}
	return u, nil
}

// withDefaults returns a copy in which no limit is 0 that has a default.
func (c Config) withDefaults() Config {
	c.BatchTexts = cmp.Or(c.BatchTexts, c.Protocol.wire().texts)
	c.BatchBytes = cmp.Or(c.BatchBytes, 512<<10)
	c.Concurrency = cmp.Or(c.Concurrency, 4)
	c.Retries = max(cmp.Or(c.Retries, 6), 0)
	c.Timeout = cmp.Or(c.Timeout, time.Minute)
	if c.Clock == nil {
		c.Clock = &Clock{time.Now, Sleep, rand.Float64}
	}
	if c.Client == nil {
		// It does not follow redirects: a POST would become a GET, and texts would go
		// where nobody sent them.
		c.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return c
}

// findKey takes the key for a server at u from the environment.
func (c *Call) findKey(u *url.URL) (err error) {
	name := c.KeyVariable
	if wire := c.Protocol.wire(); name == "" && u.Scheme == "https" && u.Host == wire.keyOwner {
		name = wire.keyVariable
	}
	if name == "" || c.NoKey {
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
		c.Client = secret.Client(c.Client)
	}
	return nil
}

// Embed asks for the vectors of the texts, batches of them at a time, and hands over
// each batch that arrives with the position of its first text. keep is called
// concurrently. An error is that of the context, one of keep, a [Failure] or a
// [TextFailure].
func (c *Call) Embed(ctx context.Context, keep func(start int, vectors [][]float32) error) error {
	caller := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(c.Concurrency, len(c.starts)-1) {
		wait.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1))
				if i >= len(c.starts) {
					return
				}
				if err := c.batch(ctx, c.starts[i-1], c.texts[c.starts[i-1]:c.starts[i]], keep); err != nil {
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
		return caller.Err()
	}
	cause := context.Cause(ctx)
	var failure *failure
	if errors.As(cause, &failure) {
		return &failure.Failure
	}
	return cause
}

// split sets where batches start.
func (c *Call) split() error {
	starts := []int{0}
	bytes := 0
	for i, text := range c.texts {
		size := len(c.Prefix) + len(text)
		if size > c.BatchBytes {
			return fmt.Errorf("text %d of %d, %q, has %d bytes with its prefix, Server.BatchBytes allows %d; shorten it or raise the limit",
				i+1, len(c.texts), quote.Excerpt(text), size, c.BatchBytes)
		}
		if i-starts[len(starts)-1] == c.BatchTexts || bytes+size > c.BatchBytes {
			starts = append(starts, i)
			bytes = 0
		}
		bytes += size
	}
	if len(c.texts) > 0 {
		starts = append(starts, len(c.texts))
	}
	c.starts = starts
	return nil
}
