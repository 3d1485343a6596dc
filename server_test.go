package eci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/eci/internal/embedhttp"
	"example.com/eci/internal/hash64"
)

// fakeClock stands still, sleeps at once and writes down for how long.
type fakeClock struct {
	mutex  sync.Mutex
	time   time.Time
	sleeps []time.Duration
}

func (f *fakeClock) clock() *embedhttp.Clock {
	return &embedhttp.Clock{
		Now: func() time.Time {
			f.mutex.Lock()
			defer f.mutex.Unlock()
			return f.time
		},
		Sleep: func(ctx context.Context, d time.Duration) error {
			f.mutex.Lock()
			defer f.mutex.Unlock()
			f.sleeps = append(f.sleeps, d)
			f.time = f.time.Add(d)
			return ctx.Err()
		},
		Random: func() float64 { return 0.5 },
	}
}

func newFakeClock() *fakeClock { return &fakeClock{time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

// vectorOf is the encoder behind all fake servers: three components that depend
// on the whole text.
func vectorOf(text string) []float32 {
	h := hash64.FNV1a(hash64.Offset, text)
	return []float32{float32(h%1000) / 7, float32(h>>20%1000) / 3, 1 + float32(h>>40%1000)}
}

// requestBody is a request of any protocol.
type requestBody struct {
	Model         string
	Input, Inputs []string
	Truncate      *bool
	Dimensions    int
}

func readRequest(t testing.TB, r *http.Request) (texts []string, body requestBody) {
	t.Helper()
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		t.Errorf("request: %v", err)
	}
	return append(body.Input, body.Inputs...), body
}

// openAIAnswer is an answer with vectors in a shuffled order.
func openAIAnswer(texts []string) string {
	type datum struct {
		Object    string    `json:"object"`
		Index     int       `json:"index"`
		Embedding []float32 `json:"embedding"`
	}
	var data []datum
	for i, text := range texts {
		data = append(data, datum{"embedding", i, vectorOf(text)})
	}
	rand.Shuffle(len(data), func(i, j int) { data[i], data[j] = data[j], data[i] })
	raw, _ := json.Marshal(map[string]any{"object": "list", "data": data, "usage": map[string]int{"total_tokens": 3}})
	return string(raw)
}

// serve starts a server on loopback that closes with the test.
func serve(t testing.TB, handle http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return server
}

func someTexts(n int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf("text <%d> & \"é\"", i)
	}
	return texts
}

func vectorsOf(prefix string, texts []string) [][]float32 {
	var vectors [][]float32
	for _, text := range texts {
		vectors = append(vectors, vectorOf(prefix+text))
	}
	return vectors
}

func TestServerProtocols(t *testing.T) {
	yes, no := true, false
	for _, test := range []struct {
		reason   string
		server   *Server // URL is put before its path
		path     string
		truncate *bool
	}{
		{"the zero value speaks OpenAI", &Server{}, "/v1/embeddings", nil},
		{"a base URL as OpenAI's clients take it", &Server{URL: "/v1"}, "/v1/embeddings", nil},
		{"the same with a slash", &Server{URL: "/api/v1/"}, "/api/v1/embeddings", nil},
		{"a path of one's own", &Server{URL: "/engines/v3/embeddings", Dimensions: 3}, "/engines/v3/embeddings", nil},
		{"Ollama cuts long texts unless told not to", &Server{Protocol: Ollama, URL: "/"}, "/api/embed", &no},
		{"Ollama with all it takes", &Server{Protocol: Ollama, Truncate: true, Dimensions: 3}, "/api/embed", &yes},
		{"Text Embeddings Inference", &Server{Protocol: TextEmbeddingsInference}, "/embed", &no},
		{"the same with truncation", &Server{Protocol: TextEmbeddingsInference, Truncate: true, Dimensions: 3}, "/embed", &yes},
	} {
		t.Run(test.reason, func(t *testing.T) {
			s := test.server
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				texts, body := readRequest(t, r)
				if r.URL.Path != test.path || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
					t.Errorf("%s %s, want POST %s", r.Method, r.URL.Path, test.path)
				}
				if got := r.Header.Get("Authorization"); got != "" {
					t.Errorf("a key was sent: %q", got)
				}
				if !cmp.Equal(body.Truncate, test.truncate) || body.Dimensions != s.Dimensions {
					t.Errorf("request %+v", body)
				}
				if want := map[bool]string{true: "", false: "model"}[s.Protocol == TextEmbeddingsInference]; body.Model != want {
					t.Errorf("model %q, want %q", body.Model, want)
				}
				switch s.Protocol {
				case OpenAI:
					io.WriteString(w, openAIAnswer(texts))
				case Ollama:
					json.NewEncoder(w).Encode(map[string]any{"model": "model", "embeddings": vectorsOf("", texts)})
				case TextEmbeddingsInference:
					json.NewEncoder(w).Encode(vectorsOf("", texts))
				}
			})
			s.URL, s.Model = server.URL+s.URL, "model"
			s.KeyVariable = NoKey
			s.QueryPrefix, s.DocumentPrefix = "query: ", "passage: "
			texts := someTexts(150)
			want := slices.Clone(texts)
			got, err := s.EmbedDocuments(t.Context(), texts)
			if diff := cmp.Diff(vectorsOf("passage: ", texts), got); err != nil || diff != "" {
				t.Fatalf("documents: %v\n%s", err, diff)
			}
			if diff := cmp.Diff(want, texts); diff != "" {
				t.Errorf("the caller's texts changed:\n%s", diff)
			}
			got, err = s.EmbedQueries(t.Context(), texts)
			if diff := cmp.Diff(vectorsOf("query: ", texts), got); err != nil || diff != "" {
				t.Fatalf("queries: %v\n%s", err, diff)
			}
			one, err := s.EmbedQuery(t.Context(), texts[7])
			if diff := cmp.Diff(vectorOf("query: "+texts[7]), one); err != nil || diff != "" {
				t.Fatalf("query: %v\n%s", err, diff)
			}
			if got, err := s.EmbedDocuments(t.Context(), nil); err != nil || len(got) != 0 {
				t.Errorf("no texts: %v, %v", got, err)
			}
		})
	}
}

// failure is what a fake server does wrong.
type failure struct {
	status  int
	header  string // "Name: value"
	body    string
	half    bool // promise more than is sent
	hang    bool
	hangUp  bool
	refuse  bool // nobody listens
	answers int  // good answers before
}

func (f *failure) start(t *testing.T, asked *atomic.Int64) string {
	done := make(chan struct{})
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		texts, _ := readRequest(t, r)
		if n := asked.Add(1); n <= int64(f.answers) {
			io.WriteString(w, openAIAnswer(texts))
			return
		}
		if f.hangUp {
			panic(http.ErrAbortHandler)
		}
		if f.hang {
			select {
			case <-done:
			case <-r.Context().Done():
			}
			return
		}
		if name, value, ok := strings.Cut(f.header, ": "); ok {
			w.Header().Set(name, value)
		}
		if f.half {
			w.Header().Set("Content-Length", fmt.Sprint(2*len(f.body)))
		}
		w.WriteHeader(f.status)
		io.WriteString(w, f.body)
	})
	t.Cleanup(func() { close(done) })
	if f.refuse {
		server.Close()
	}
	return server.URL
}

const testKey = "sk-very/secret+key"

// TestServerBadInput has everything that can go wrong at a server, each with
// what the user is told.
func TestServerBadInput(t *testing.T) {
	t.Setenv("TEST_KEY", testKey)
	data := func(vectors ...string) string {
		var out []string
		for i, v := range vectors {
			out = append(out, fmt.Sprintf(`{"index":%d,"embedding":%s}`, i, v))
		}
		return `{"data":[` + strings.Join(out, ",") + `]}`
	}
	second := 500 * time.Millisecond * 3 / 4 // the first wait with a chance of one half
	backoff := []time.Duration{second, 2 * second}
	for _, test := range []struct {
		reason string
		failure
		wants  []error
		says   []string
		asked  int // requests
		sleeps []time.Duration
		change func(s *Server)
	}{
		{"no key or a wrong one", failure{status: 401, body: `{"error":{"message":"Incorrect API key provided: ` + testKey + `"}}`}, nil, []string{"status 401 Unauthorized", "check the API key in the environment variable TEST_KEY", "Incorrect API key", "[key]"}, 1, nil, nil},
		{"the key as JSON, a URL and a PHP script write it", failure{status: 401, body: "sk-very\\/secret+key and sk-very%2Fsecret%2Bkey"}, nil, []string{"[key] and [key]"}, 1, nil, nil},
		{"https where the server speaks http", failure{status: 0}, nil, []string{"no answer", "http:// or https://"}, 0, nil, func(s *Server) { s.URL = "https" + strings.TrimPrefix(s.URL, "http") }},
		{"no key although the server wants one", failure{status: 401}, nil, []string{"status 401", "Server.KeyVariable"}, 1, nil, func(s *Server) { s.KeyVariable = NoKey }},
		{"no key for a server that is not its owner", failure{status: 403}, nil, []string{"status 403", "Server.KeyVariable", "OPENAI_API_KEY goes to https://api.openai.com alone"}, 1, nil, func(s *Server) { s.KeyVariable = "" }},
		{"no such path or model", failure{status: 404, body: `{"error":"model not found"}`}, nil, []string{"status 404 Not Found", "path of Server.URL", `model "m"`, "model not found", "OpenAI"}, 1, nil, nil},
		{"another method", failure{status: 405}, nil, []string{"status 405", "path of Server.URL"}, 1, nil, nil},
		{"a request the server does not understand", failure{status: 400, body: `{"message":"too many tokens"}`}, nil, []string{"status 400", "too many tokens", "too long"}, 3, nil, nil},
		{"a redirect", failure{status: 308, header: "Location: https://example.com/"}, nil, []string{"status 308", "redirects"}, 1, nil, nil},
		{"too large, also alone: the batch is halved until one text is left", failure{status: 413}, nil, []string{"status 413", `text 1, "text <0>`, "too large alone", "shorten"}, 3, nil, nil},
		{"too large, where the server can cut", failure{status: 413}, nil, []string{"Server.Truncate"}, 3, nil, func(s *Server) { s.Protocol = Ollama }},
		{"too many requests", failure{status: 429}, nil, []string{"status 429", "(attempt 3)", "lower Server.Rate"}, 3, backoff, nil},
		{"too many requests, with a time in seconds", failure{status: 429, header: "Retry-After: 7"}, nil, []string{"status 429"}, 3, []time.Duration{7 * time.Second, 7 * time.Second}, nil},
		{"too many requests, with a date", failure{status: 429, header: "Retry-After: Fri, 02 Jan 2026 03:05:05 GMT"}, nil, []string{"status 429"}, 3, []time.Duration{time.Minute, second * 2}, nil},
		{"too many requests until tomorrow", failure{status: 429, header: "Retry-After: 86400"}, nil, []string{"status 429", "asks to wait 24h0m0s"}, 1, nil, nil},
		{"a time that is none", failure{status: 503, header: "Retry-After: soon"}, nil, []string{"status 503"}, 3, backoff, nil},
		{"a crash of the server", failure{status: 500, body: "CUDA out of memory"}, nil, []string{"status 500", "CUDA out of memory", "log"}, 5, backoff, nil},
		{"a bad gateway", failure{status: 502, body: "<html>"}, nil, []string{"status 502"}, 3, backoff, nil},
		{"a gateway that waits for too long", failure{status: 504}, nil, []string{"status 504"}, 3, backoff, nil},
		{"no such function", failure{status: 501}, nil, []string{"status 501"}, 1, nil, nil},
		{"half a body", failure{status: 200, body: `{"data":[`, half: true}, []error{io.ErrUnexpectedEOF}, []string{"status 200", "broke off"}, 3, backoff, nil},
		{"half a body that ends well", failure{status: 200, body: `{"data":[`}, nil, []string{"status 200", "it ends after column 9", "Protocol"}, 1, nil, nil},
		{"JSON of another protocol", failure{status: 200, body: `[[1,2,3]]`}, nil, []string{"status 200", "[[1,2,3]]", "Protocol (OpenAI)", "path"}, 1, nil, nil},
		{"JSON without vectors", failure{status: 200, body: `{"error":"overloaded"}`}, []error{ErrEmbedderCount}, []string{"0 for 2 texts", "overloaded"}, 1, nil, nil},
		{"text instead of a vector", failure{status: 200, body: data("[1,2]", `"AAAA"`)}, nil, []string{"status 200", "no array of numbers", "AAAA"}, 1, nil, nil},
		{"a web page", failure{status: 200, header: "Content-Type: text/html", body: "<!DOCTYPE html><title>Welcome</title>"}, nil, []string{"status 200", "web page", "Welcome", "path of Server.URL"}, 1, nil, nil},
		{"an answer without end", failure{status: 200, body: strings.Repeat(" ", 3<<20+1)}, nil, []string{"status 200", "more than 3145728 bytes"}, 1, nil, nil},
		{"an answer that says how long it is", failure{status: 200, header: "Content-Length: 99000000000", body: "["}, nil, []string{"status 200", "99000000000 bytes for 2 texts; 3145728 are read"}, 1, nil, nil},
		{"longer than vectors of the dimension seen before can be", failure{status: 200, body: strings.Repeat(" ", 1<<20+10000), answers: 1}, nil, []string{"more than 1057152 bytes"}, 2, nil, nil},
		{"more components than a matrix may have", failure{status: 200, body: data("["+strings.Repeat("1,", 1<<15)+"1]", "[1]")}, []error{ErrDimension}, []string{"32769 components, more than 32768"}, 1, nil, nil},
		{"a number that never ends", failure{status: 200, body: data("[1"+strings.Repeat("0", 1000)+"e-1000]", "[1]")}, nil, []string{"component 1 has 1007 bytes"}, 1, nil, nil},
		{"a list that is an object", failure{status: 200, body: `{"data":{"0":[1]}}`}, nil, []string{"no list"}, 1, nil, nil},
		{"a list of lists that should be one of objects", failure{status: 200, body: `{"data":[[1],[1]]}`}, nil, []string{"an object with index"}, 1, nil, nil},
		{"an index that is none", failure{status: 200, body: `{"data":[{"index":1.5,"embedding":[1]},{"index":"0","embedding":[1]}]}`}, []error{ErrEmbedderCount}, []string{"index 1.5 for 2 texts"}, 1, nil, nil},
		{"something behind the answer", failure{status: 200, body: data("[1]", "[1]") + "}"}, nil, []string{"not JSON", "the end"}, 1, nil, nil},
		{"too few vectors", failure{status: 200, body: data("[1,2]")}, []error{ErrEmbedderCount}, []string{"status 200", "1 for 2 texts", "BatchTexts"}, 1, nil, nil},
		{"too many vectors", failure{status: 200, body: data("[1,2]", "[1,2]", "[1,2]")}, []error{ErrEmbedderCount}, []string{"3 for 2 texts"}, 1, nil, nil},
		{"an index twice", failure{status: 200, body: `{"data":[{"index":1,"embedding":[1]},{"index":1,"embedding":[1]}]}`}, []error{ErrEmbedderCount}, []string{"two have index 1"}, 1, nil, nil},
		{"a gap in the indices", failure{status: 200, body: `{"data":[{"index":0,"embedding":[1]},{"index":2,"embedding":[1]}]}`}, []error{ErrEmbedderCount}, []string{"index 2 for 2 texts"}, 1, nil, nil},
		{"an index below 0", failure{status: 200, body: `{"data":[{"index":0,"embedding":[1]},{"index":-1,"embedding":[1]}]}`}, []error{ErrEmbedderCount}, []string{"index -1"}, 1, nil, nil},
		{"an index left out", failure{status: 200, body: `{"data":[{"index":1,"embedding":[1]},{"embedding":[1]}]}`}, []error{ErrEmbedderCount}, []string{"others none"}, 1, nil, nil},
		{"the other one left out", failure{status: 200, body: `{"data":[{"embedding":[1]},{"index":0,"embedding":[1]}]}`}, []error{ErrEmbedderCount}, []string{"others none"}, 1, nil, nil},
		{"two dimensions in one answer", failure{status: 200, body: data("[1,2]", "[1,2,3]")}, []error{ErrDimension}, []string{"status 200", "3 components, vectors before had 2"}, 1, nil, nil},
		{"another dimension than before", failure{status: 200, body: data("[1,2]", "[1,2]"), answers: 1}, []error{ErrDimension}, []string{"2 components, vectors before had 3", "changed its model"}, 2, nil, nil},
		{"another dimension than asked for", failure{status: 200, body: data("[1,2]", "[1,2]")}, []error{ErrDimension}, []string{"Server.Dimensions asks for 8"}, 1, nil, func(s *Server) { s.Dimensions = 8 }},
		{"an empty vector", failure{status: 200, body: data("[1,2]", "[]")}, []error{ErrDimension}, []string{"vector 2 is empty"}, 1, nil, nil},
		{"no vector", failure{status: 200, body: data("[1,2]", "null")}, nil, []string{"status 200", "no array"}, 1, nil, nil},
		{"NaN as Python writes it", failure{status: 200, body: data("[1,NaN]", "[1,2]")}, []error{ErrNotFinite}, []string{"status 200", "half precision"}, 2, nil, nil},
		{"infinity as Python writes it", failure{status: 200, body: data("[1,-Infinity]", "[1,2]")}, []error{ErrNotFinite}, []string{"infinite"}, 2, nil, nil},
		{"NaN as C writes it", failure{status: 200, body: data("[1,nan]", "[1,2]")}, []error{ErrNotFinite}, []string{"nan"}, 3, nil, nil},
		{"NaN as most others write it", failure{status: 200, body: data("[1,null]", "[1,2]")}, []error{ErrNotFinite}, []string{"component 2 is null"}, 3, nil, nil},
		{"more than float32 holds", failure{status: 200, body: data("[1,1e39]", "[1,2]")}, []error{ErrNotFinite}, []string{"1e39"}, 3, nil, nil},
		{"a zero vector", failure{status: 200, body: data("[0,-0.0]", "[1,2]")}, []error{ErrZeroVector}, []string{"status 200", "vector 1"}, 2, nil, nil},
		{"nobody listens", failure{refuse: true}, nil, []string{"no answer", "connection refused", "whether the server runs"}, 0, nil, nil},
		{"the connection is dropped", failure{hangUp: true}, nil, []string{"no answer", "(attempt 3)", "connection was lost"}, 3, backoff, nil},
		{"the server hangs", failure{hang: true}, []error{context.DeadlineExceeded}, []string{"no answer", "Server.Timeout, 30ms", "(attempt 3)", "raise Timeout"}, 3, backoff, func(s *Server) { s.Timeout = 30 * time.Millisecond }},
	} {
		t.Run(test.reason, func(t *testing.T) {
			fake := newFakeClock()
			var asked atomic.Int64
			s := &Server{URL: test.start(t, &asked), Model: "m", KeyVariable: "TEST_KEY", Retries: 2, clock: fake.clock()}
			t.Setenv("OPENAI_API_KEY", "")
			if test.change != nil {
				test.change(s)
			}
			for range test.answers {
				if _, err := s.EmbedDocuments(t.Context(), someTexts(2)); err != nil {
					t.Fatal(err)
				}
			}
			vectors, err := s.EmbedDocuments(t.Context(), someTexts(2))
			if err == nil || vectors != nil {
				t.Fatalf("vectors %v, error %v; want an error and nothing else", vectors, err)
			}
			var e *ServerError
			if !errors.As(err, &e) || !strings.HasPrefix(strings.Replace(e.URL, "https", "http", 1), "http://127.0.0.1:") || e.Status != test.status {
				t.Errorf("%#v is no ServerError with URL and status %d", err, test.status)
			}
			for _, want := range append(test.wants, ErrEmbedder) {
				if !errors.Is(err, want) {
					t.Errorf("error %q does not wrap %q", err, want)
				}
			}
			for _, says := range append(test.says, e.URL) {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("error %q does not say %q", err, says)
				}
			}
			checkMessage(t, err)
			if got := int(asked.Load()); got != test.asked {
				t.Errorf("%d requests, want %d", got, test.asked)
			}
			if diff := cmp.Diff(test.sleeps, fake.sleeps); diff != "" {
				t.Errorf("waits: %s", diff)
			}
			// As a run tells it.
			_, err = newVectorSource(&settings{Embedder: s}).call(t.Context(), documentRole, someTexts(2))
			checkMessage(t, (&RowError{Source: "a", Err: err}))
		})
	}
}

// checkMessage refuses what no message may have: "eci: " or "embedder failed"
// twice, the key, two lines.
func checkMessage(t *testing.T, err error) {
	t.Helper()
	text := err.Error()
	if !strings.HasPrefix(text, "eci: ") || strings.Count(text, "eci: ") != 1 || strings.Count(text, ErrEmbedder.Error()) != 1 ||
		strings.Contains(text, testKey) || strings.Contains(text, `sk-very\/`) || strings.Contains(text, "sk-very%2F") || strings.Contains(text, "\n") {
		t.Errorf("message %q", text)
	}
}

func TestServerSettings(t *testing.T) {
	t.Setenv("TEST_EMPTY", " ")
	good := func() *Server { return &Server{URL: "http://127.0.0.1:1", Model: "m"} }
	for _, test := range []struct {
		reason string
		change func(s *Server)
		says   string
	}{
		{"no URL", func(s *Server) { s.URL = "" }, "http://"},
		{"no scheme", func(s *Server) { s.URL = "localhost:8080" }, "http://"},
		{"not a URL", func(s *Server) { s.URL = "http://user:" + testKey + "@[" }, "parsed"},
		{"a password in the URL", func(s *Server) { s.URL = "http://user:word@host" }, "KeyVariable"},
		{"no model", func(s *Server) { s.Model = "" }, "Model"},
		{"a protocol that is none", func(s *Server) { s.Protocol = 9 }, "protocol"},
		{"a protocol below 0", func(s *Server) { s.Protocol = -1 }, "protocol"},
		{"truncation where there is none", func(s *Server) { s.Truncate = true }, "Truncate"},
		{"a variable that is empty", func(s *Server) { s.KeyVariable = "TEST_EMPTY" }, "TEST_EMPTY"},
		{"a negative limit", func(s *Server) { s.BatchTexts = -1 }, "negative"},
		{"a negative rate", func(s *Server) { s.Rate = -1 }, "Rate"},
		{"a text above the limit", func(s *Server) { s.BatchBytes, s.DocumentPrefix = 5, "p: " }, `text 2 of 2, "two", has 6 bytes`},
	} {
		t.Run(test.reason, func(t *testing.T) {
			s := good()
			test.change(s)
			_, err := s.EmbedDocuments(t.Context(), []string{"1", "two"})
			if !errors.Is(err, ErrEmbedder) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want one that says %q", err, test.says)
			}
			checkMessage(t, err)
			for _, text := range []string{s.String(), s.GoString()} {
				if strings.Contains(text, testKey) {
					t.Errorf("%q has the password", text)
				}
			}
		})
	}
}

// TestServerKey looks for the key wherever a Server may be printed.
func TestServerKey(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", testKey+"\n")
	var got atomic.Value
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got.Store(r.Header.Get("Authorization"))
		texts, _ := readRequest(t, r)
		io.WriteString(w, openAIAnswer(texts))
	})
	s := &Server{URL: server.URL, Model: "m", KeyVariable: "OPENAI_API_KEY"}
	if _, err := s.EmbedQuery(t.Context(), "q"); err != nil {
		t.Fatal(err)
	}
	if got.Load() != "Bearer "+testKey {
		t.Errorf("Authorization %q", got.Load())
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(format, s); strings.Contains(text, testKey) {
			t.Errorf("%s prints the key: %s", format, text)
		}
	}
	if raw, err := json.Marshal(struct{ URL, Variable, Identity string }{s.URL, s.KeyVariable, s.Identity()}); err != nil || strings.Contains(string(raw), testKey) {
		t.Errorf("%s, %v", raw, err)
	}
	t.Setenv("OPENAI_API_KEY", "two\nlines")
	if _, err := s.EmbedQuery(t.Context(), "q"); !errors.Is(err, ErrSettings) || strings.Contains(err.Error(), "lines") {
		t.Errorf("a key with a newline inside: error %v", err)
	}
}

// TestServerBatches counts texts and bytes of every request.
func TestServerBatches(t *testing.T) {
	var mutex sync.Mutex
	var sizes []int
	largest := 0
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		texts, _ := readRequest(t, r)
		mutex.Lock()
		sizes = append(sizes, len(texts))
		bytes := 0
		for _, text := range texts {
			bytes += len(text)
		}
		largest = max(largest, bytes)
		mutex.Unlock()
		if len(texts) > 5 {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		io.WriteString(w, openAIAnswer(texts))
	})
	for _, test := range []struct {
		reason       string
		texts, bytes int
		want         []int // sizes of requests with one connection
	}{
		{"by number", 4, 0, []int{4, 4, 3}},
		{"by bytes: texts have 6 with their prefix", 0, 20, []int{3, 3, 3, 2}},
		{"a batch that just fits", 0, 18, []int{3, 3, 3, 2}},
		{"the server refuses more than 5: halves are asked for", 0, 0, []int{11, 6, 3, 3, 5}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			sizes, largest = nil, 0
			var texts []string
			for i := range 11 {
				texts = append(texts, fmt.Sprintf("t%02d", i))
			}
			s := &Server{URL: server.URL, Model: "m", KeyVariable: NoKey, DocumentPrefix: "p: ", BatchTexts: test.texts, BatchBytes: test.bytes, Concurrency: 1}
			got, err := s.EmbedDocuments(t.Context(), texts)
			if diff := cmp.Diff(vectorsOf("p: ", texts), got); err != nil || diff != "" {
				t.Fatalf("%v\n%s", err, diff)
			}
			if diff := cmp.Diff(test.want, sizes); diff != "" {
				t.Errorf("sizes: %s", diff)
			}
			if test.bytes > 0 && largest > test.bytes {
				t.Errorf("a request of %d bytes of text, the limit is %d", largest, test.bytes)
			}
		})
	}
}

// TestServerConcurrency holds requests back until as many are there as may be.
func TestServerConcurrency(t *testing.T) {
	const most = 3
	var underway, peak atomic.Int64
	full := make(chan struct{})
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := underway.Add(1)
		defer underway.Add(-1)
		for {
			p := peak.Load()
			if n <= p || peak.CompareAndSwap(p, n) {
				break
			}
		}
		if n == most {
			select {
			case <-full:
			default:
				close(full)
			}
		}
		<-full
		texts, _ := readRequest(t, r)
		io.WriteString(w, openAIAnswer(texts))
	})
	s := &Server{URL: server.URL, Model: "m", KeyVariable: NoKey, BatchTexts: 1, Concurrency: most}
	var wait sync.WaitGroup
	for range 2 { // the limit is for all calls together
		wait.Go(func() {
			texts := someTexts(20)
			got, err := s.EmbedDocuments(t.Context(), texts)
			if diff := cmp.Diff(vectorsOf("", texts), got); err != nil || diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
	wait.Wait()
	if peak.Load() != most {
		t.Errorf("%d requests at a time, want %d", peak.Load(), most)
	}
}

func TestServerRate(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		texts, _ := readRequest(t, r)
		io.WriteString(w, openAIAnswer(texts))
	})
	fake := newFakeClock()
	s := &Server{URL: server.URL, Model: "m", KeyVariable: NoKey, BatchTexts: 1, Concurrency: 1, Rate: 4, clock: fake.clock()}
	if _, err := s.EmbedDocuments(t.Context(), someTexts(5)); err != nil {
		t.Fatal(err)
	}
	quarter := time.Second / 4
	if diff := cmp.Diff([]time.Duration{quarter, quarter, quarter, quarter}, fake.sleeps); diff != "" {
		t.Errorf("waits: %s", diff)
	}
}

// TestServerRecovers fails twice, in several ways, before each answer.
func TestServerRecovers(t *testing.T) {
	var asked atomic.Int64
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		texts, _ := readRequest(t, r)
		switch asked.Add(1) % 4 {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			panic(http.ErrAbortHandler)
		case 3:
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, `{"data"`)
		default:
			io.WriteString(w, openAIAnswer(texts))
		}
	})
	fake := newFakeClock()
	s := &Server{URL: server.URL, Model: "m", KeyVariable: NoKey, BatchTexts: 3, Concurrency: 1, clock: fake.clock()}
	texts := someTexts(10)
	got, err := s.EmbedDocuments(t.Context(), texts)
	if diff := cmp.Diff(vectorsOf("", texts), got); err != nil || diff != "" {
		t.Fatalf("%v\n%s", err, diff)
	}
	if len(fake.sleeps) != 12 || asked.Load() != 16 {
		t.Errorf("%d waits, %d requests; want 12 and 16", len(fake.sleeps), asked.Load())
	}
	for i, d := range fake.sleeps {
		if want := (time.Second / 2) << (i % 3) * 3 / 4; d != want {
			t.Errorf("wait %d is %v, want %v", i, d, want)
		}
	}
	s.Retries = NoRetries
	if _, err := s.EmbedQuery(t.Context(), "q"); err == nil {
		t.Error("no error without retries")
	}
}

// TestServerCancel stops a call that waits for an answer, for its turn and for
// another try.
func TestServerCancel(t *testing.T) {
	for _, test := range []struct {
		reason string
		status int
	}{
		{"waiting for an answer", 0},
		{"waiting to try again", 503},
	} {
		t.Run(test.reason, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				readRequest(t, r)
				if test.status != 0 {
					w.Header().Set("Retry-After", "299") // the test would not end
					w.WriteHeader(test.status)
					return
				}
				cancel(errors.New("enough"))
				<-r.Context().Done()
			})
			s := &Server{URL: server.URL, Model: "m", KeyVariable: NoKey, BatchTexts: 1, Concurrency: 2}
			if test.status != 0 {
				s.clock = &embedhttp.Clock{Now: time.Now, Sleep: func(ctx context.Context, d time.Duration) error {
					cancel(errors.New("enough"))
					return embedhttp.Sleep(ctx, d)
				}, Random: rand.Float64}
			}
			_, err := s.EmbedDocuments(ctx, someTexts(9))
			if !errors.Is(err, context.Canceled) || !errors.Is(err, ErrEmbedder) || !strings.Contains(err.Error(), server.URL) {
				t.Errorf("error %v", err)
			}
			checkMessage(t, err)
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	if _, err := (&Server{URL: "http://127.0.0.1:1", Model: "m"}).EmbedQuery(ctx, "q"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

// TestServerGoesAway: a server that has answered is waited for when it restarts.
func TestServerGoesAway(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		texts, _ := readRequest(t, r)
		io.WriteString(w, openAIAnswer(texts))
	}))
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	fake := newFakeClock()
	s := &Server{URL: server.URL, Model: "m", KeyVariable: NoKey, Retries: 3, clock: fake.clock()}
	if _, err := s.EmbedQuery(t.Context(), "q"); err != nil {
		t.Fatal(err)
	}
	server.Close()
	http.DefaultClient.CloseIdleConnections()
	var e *ServerError
	if _, err := s.EmbedQuery(t.Context(), "q"); !errors.As(err, &e) || e.Attempts != 4 || len(fake.sleeps) != 3 {
		t.Errorf("error %v after %v", err, fake.sleeps)
	}
}

// TestServerInARanking runs the whole pipeline and compares it with the same
// vectors at hand.
func TestServerInARanking(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		texts, _ := readRequest(t, r)
		io.WriteString(w, openAIAnswer(texts))
	})
	var sources, vectors []Source
	for k := range 2 {
		var rows, embedded []*Record
		for i := range 60 {
			r := &Record{QueryText: fmt.Sprint("query ", i), PositiveText: fmt.Sprint("positive ", i), NegativeText: fmt.Sprint("negative ", k, " ", i)}
			rows = append(rows, r)
			e := *r
			e.QueryVector, e.PositiveVector, e.NegativeVector = vectorOf("q: "+r.QueryText), vectorOf(r.PositiveText), vectorOf(r.NegativeText)
			embedded = append(embedded, &e)
		}
		name := fmt.Sprint("source", k)
		sources, vectors = append(sources, SourceOf(name, rows)), append(vectors, SourceOf(name, embedded))
	}
	s := &Server{URL: server.URL, Model: "m", KeyVariable: NoKey, QueryPrefix: "q: "}
	got, err := Rank(t.Context(), &Sem{Embedder: s}, sources...)
	if err != nil {
		t.Fatal(err)
	}
	want, err := Rank(t.Context(), &Sem{}, vectors...)
	if err != nil {
		t.Fatal(err)
	}
	if got.Embedded != 240 || want.Embedded != 0 {
		t.Errorf("%d and %d texts embedded", got.Embedded, want.Embedded)
	}
	got.Embedded = 0
	if got.String() != want.String() {
		t.Errorf("through the server\n%v\nat hand\n%v", got, want)
	}
}

// TestServerCertificate: a certificate nobody signed is not tried again.
func TestServerCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	var e *ServerError
	_, err := (&Server{URL: server.URL, Model: "m", KeyVariable: NoKey, clock: newFakeClock().clock()}).EmbedQuery(t.Context(), "q")
	if !errors.As(err, &e) || e.Attempts != 1 || !strings.Contains(err.Error(), "the server's certificate") {
		t.Errorf("error %v", err)
	}
	checkMessage(t, err)
}
