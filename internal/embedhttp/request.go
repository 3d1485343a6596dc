package embedhttp

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"example.com/eci/internal/cosine"
	"example.com/eci/internal/fault"
	"example.com/eci/internal/refusal"
	"example.com/eci/internal/secret"
)

// Failure is a request that failed. It wraps its cause.
type Failure struct {
	URL      string // without user and query
	Status   int    // of the last answer, 0 where none came
	Body     string // the beginning of the last answer, without the key
	Attempts int    // how often the request was sent
	Err      error  // the cause; nil where Status is
	Try      string // what may help
}

// Error names URL, status, cause, the answer's beginning and what to try.
func (e *Failure) Error() string {
	var b strings.Builder
	b.WriteString(e.URL + ": ")
	switch {
	case e.Status == 0:
		b.WriteString("no answer")
	default:
		fmt.Fprintf(&b, "status %d %s", e.Status, http.StatusText(e.Status))
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Body != "" {
		fmt.Fprintf(&b, ": %q", e.Body)
	}
	if e.Attempts > 1 {
		fmt.Fprintf(&b, " (attempt %d)", e.Attempts)
	}
	if e.Try != "" {
		fmt.Fprintf(&b, "; %s", e.Try)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Failure) Unwrap() error { return e.Err }

// TextFailure is the failure of a text that the server cannot embed, though it
// embeds others.
type TextFailure struct {
	Index int    // of the call's texts
	Text  string // without a prefix
	*Failure
}

// failure is one with what to do about it.
type failure struct {
	Failure
	again   bool          // sending it again may help
	wait    time.Duration // for so long, if the server said so
	ofTexts bool          // other texts, or fewer, may fare better
}

// longestWait is the longest that a server may ask to wait without ending the call.
const longestWait = 5 * time.Minute

// ask sends one request, again and again while that may help.
func (c *Call) ask(ctx context.Context, texts []string, half bool) ([][]float32, error) {
	body, err := c.request(texts)
	if err != nil {
		return nil, err
	}
	const firstWait, mostWait = time.Second / 2, 30 * time.Second
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
		if !again || attempt > c.Retries || failure.wait > longestWait {
			return nil, failure
		}
		wait := failure.wait
		if wait == 0 {
			wait = min(firstWait<<min(attempt-1, 16), mostWait)
			wait = time.Duration(float64(wait) * (1 + c.Clock.Random()) / 2)
		}
		if err := c.Clock.Sleep(ctx, wait); err != nil {
			return nil, ctx.Err()
		}
	}
}

// turn waits until the rate allows another request.
func (c *Call) turn(ctx context.Context) error {
	if c.Rate == 0 {
		return ctx.Err()
	}
	c.mutex.Lock()
	now := c.Clock.Now()
	wait := max(c.next.Sub(now), 0)
	c.next = now.Add(wait + time.Duration(float64(time.Second)/c.Rate))
	c.mutex.Unlock()
	if wait == 0 {
		return ctx.Err()
	}
	return c.Clock.Sleep(ctx, wait)
}

// request is the body for texts, with their prefix.
func (c *Call) request(texts []string) ([]byte, error) {
	prefixed := make([]string, len(texts))
	for i, text := range texts {
		prefixed[i] = c.Prefix + text
	}
	return json.Marshal(c.Protocol.wire().request(&c.Config, prefixed))
}

// try sends a request once.
func (c *Call) try(ctx context.Context, body []byte, want int) ([][]float32, *failure) {
	select {
	case c.underway <- struct{}{}:
		defer func() { <-c.underway }()
	case <-ctx.Done():
		return nil, &failure{}
	}
	if c.turn(ctx) != nil {
		return nil, &failure{}
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return nil, c.lost(ctx, 0, err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	if key := c.key.Text(); key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	answer, err := c.Client.Do(request)
	if err != nil {
		return nil, c.lost(ctx, 0, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		// What cannot be read of it is not missed.
		beginning, _ := io.ReadAll(io.LimitReader(answer.Body, secret.MostExcerpted))
		return nil, c.refused(answer, beginning)
	}
	most := c.mostBytes(want)
	if answer.ContentLength > most {
		return nil, c.useless(answer, nil, fmt.Errorf("an answer of %d bytes for %d texts; %d are read at most", answer.ContentLength, want, most))
	}
	content, err := io.ReadAll(io.LimitReader(answer.Body, most+1))
	if err != nil {
		return nil, c.lost(ctx, answer.StatusCode, err)
	}
	var vectors [][]float32
	if int64(len(content)) > most {
		err = fmt.Errorf("an answer of more than %d bytes for %d texts", most, want)
	} else if vectors, err = c.Protocol.wire().decode(content, want, c.MostComponents); err == nil {
		err = c.accept(vectors)
	}
	if err != nil {
		return nil, c.useless(answer, content, err)
	}
	return vectors, nil
}

// mostBytes bounds the answer with the vectors of want texts, before any of it
// is in memory: by their dimension where it is known, and by 1 MiB a text before.
func (c *Call) mostBytes(want int) int64 {
	c.mutex.Lock()
	components := int64(max(c.Dimensions, c.dimension))
	c.mutex.Unlock()
	if components == 0 {
		return int64(want+1) << 20
	}
	const number, object = 64, 4096 // with all the white space that servers put around them
	return int64(want)*(components*number+object) + 1<<20
}

// lost explains a request that no whole answer came to.
func (c *Call) lost(ctx context.Context, status int, err error) *failure {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err // its text repeats the URL, query and all
	}
	e := &failure{Failure: Failure{URL: c.shown, Status: status, Err: c.key.Clean(err)}, again: true}
	var dial *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		e.Err = fmt.Errorf("nothing within Server.Timeout, %v: %w", c.Timeout, context.DeadlineExceeded)
		e.Try = "raise Timeout, lower BatchTexts or Concurrency, or see whether the server hangs"
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &certificate):
		e.Try = "check whether Server.URL should begin with http:// or https://, and the server's certificate"
		e.again = false
	case errors.As(err, &dial) && dial.Op == "dial":
		e.Try = "see whether the server runs there, and check host and port of Server.URL"
		e.again = c.answered()
	default:
		e.Try = "the connection was lost: see the server's log, or lower BatchTexts"
		if status != 0 {
			e.Try = "the answer broke off: see the log of the server and of proxies before it"
		}
	}
	return e
}

// refused explains an answer that is not 200.
func (c *Call) refused(answer *http.Response, body []byte) *failure {
	e := &failure{Failure: Failure{URL: c.shown, Status: answer.StatusCode, Body: c.key.Excerpt(body)}}
	e.wait = retryAfter(answer.Header.Get("Retry-After"), c.Clock.Now())
	switch status := answer.StatusCode; {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		switch {
		case c.key.Text() != "":
			e.Try = "check the API key in the environment variable " + c.variable
		case c.variable != "":
			e.Try = fmt.Sprintf("set the environment variable %s to the API key", c.variable)
		default:
			e.Try = "name the environment variable that holds the API key in Server.KeyVariable"
			if wire := c.Protocol.wire(); wire.keyOwner != "" {
				e.Try += fmt.Sprintf("; without a name, %s goes to https://%s alone", wire.keyVariable, wire.keyOwner)
			}
		}
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		e.Try = fmt.Sprintf("check the path of Server.URL, Protocol (%v) and whether the server has the model %q", c.Protocol, c.Model)
	case status == http.StatusRequestEntityTooLarge:
		e.ofTexts = true
		e.Try = "shorten the text"
		if c.Protocol.wire().truncates {
			e.Try += " or set Server.Truncate"
		}
	case status == http.StatusTooManyRequests:
		e.again = true
		e.Try = "lower Server.Rate or Concurrency"
		if e.wait > longestWait {
			e.Try = fmt.Sprintf("the server asks to wait %v: go on then, or raise the quota", e.wait.Round(time.Second))
		}
	case status == http.StatusInternalServerError && refusal.OfText(body):
		e.ofTexts = true
		e.Try = "see the server's log; the encoder cannot embed some texts"
	case status == http.StatusInternalServerError || status >= 502 && status <= 504:
		e.again, e.ofTexts = true, status == http.StatusInternalServerError
		e.Try = "see the server's log"
		if e.wait > longestWait {
			e.Try = fmt.Sprintf("the server asks to wait %v: go on then", e.wait.Round(time.Second))
		}
	case status >= 300 && status < 400:
		e.Try = "the server redirects: set Server.URL to where it listens itself"
	case status >= 500:
		e.Try = "see the server's log"
	default:
		e.ofTexts = status == http.StatusBadRequest || status == http.StatusUnprocessableEntity
		e.Try = "check Server.Model, Dimensions and BatchTexts, and whether a text is too long for the encoder"
	}
	return e
}

// useless explains an answer without the vectors asked for.
func (c *Call) useless(answer *http.Response, body []byte, err error) *failure {
	e := &failure{Failure: Failure{URL: c.shown, Status: answer.StatusCode, Err: c.key.Clean(err)}}
	html := bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) || strings.Contains(answer.Header.Get("Content-Type"), "html")
	switch {
	case html:
		e.Err = errors.New("the answer is a web page, not JSON")
		e.Try = "check host and path of Server.URL: a proxy or a web interface answers there"
	case errors.Is(err, fault.NotFinite), errors.Is(err, fault.ZeroVector):
		e.ofTexts = true
		e.Try = "see the server's log: encoders in half precision overflow on some texts"
		return e
	case errors.Is(err, fault.Dimension):
		e.Try = "see whether the server changed its model, and check Server.Dimensions"
		return e
	case errors.Is(err, fault.EmbedderCount):
		e.Try = fmt.Sprintf("check Server.Protocol (%v), or lower BatchTexts", c.Protocol)
	default:
		e.Try = fmt.Sprintf("check Server.Protocol (%v) and the path of Server.URL", c.Protocol)
	}
	e.Body = c.key.Excerpt(body)
	return e
}

// retryAfter reads the header in seconds or as a date; 0 means it says nothing.
func retryAfter(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	if seconds, err := strconv.Atoi(header); err == nil {
		return time.Duration(min(max(seconds, 0), 1e6)) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// accept checks the vectors of an answer against those before it.
func (c *Call) accept(vectors [][]float32) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for i, v := range vectors {
		if len(v) == 0 {
			return fmt.Errorf("%w: vector %d is empty", fault.Dimension, i+1)
		}
		if _, err := cosine.InverseNorm(v); err != nil {
			return fmt.Errorf("%w: vector %d", err, i+1)
		}
		if c.Dimensions > 0 && len(v) != c.Dimensions {
			return fmt.Errorf("%w: %d components, Server.Dimensions asks for %d", fault.Dimension, len(v), c.Dimensions)
		}
		if c.dimension == 0 {
			c.dimension = len(v)
		}
		if len(v) != c.dimension {
			return fmt.Errorf("%w: %d components, vectors before had %d", fault.Dimension, len(v), c.dimension)
		}
	}
	return nil
}

// answered says whether the server has ever returned a vector.
func (c *Call) answered() bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.dimension > 0
}
