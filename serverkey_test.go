package eci

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"example.com/eci/internal/secret"
)

// TestServerKeyForms: no error holds the key, in whatever form a server, or a
// proxy before it, sends it back.
func TestServerKeyForms(t *testing.T) {
	const key = `sk-A+b/C=d_e&f<g>"h'i%j\k~l`
	t.Setenv("TEST_KEY", key)
	quoted, _ := json.Marshal(key)
	inside := string(quoted[1 : len(quoted)-1])
	again, _ := json.Marshal(inside)
	base := func(before, after string) string {
		return base64.StdEncoding.EncodeToString([]byte(before + key + after))
	}
	each := func(format string) string {
		var b strings.Builder
		for _, c := range []byte(key) {
			fmt.Fprintf(&b, format, c)
		}
		return b.String()
	}
	for reason, form := range map[string]string{
		"as it is":                      key,
		"twice":                         key + key,
		"HTML":                          html.EscapeString(key),
		"HTML in HTML":                  html.EscapeString(html.EscapeString(key)),
		"HTML by decimal numbers":       each("&#%d;"),
		"HTML by hexadecimal numbers":   each("&#x%02X;"),
		"HTML with names":               strings.NewReplacer("+", "&plus;", "/", "&sol;", "=", "&equals;", "_", "&lowbar;").Replace(key),
		"JSON as Go writes it":          inside,
		"JSON in JSON":                  string(again[1 : len(again)-1]),
		"JSON as PHP writes it":         strings.ReplaceAll(inside, "/", `\/`),
		"JSON with all escaped":         each(`\u%04x`),
		"a string of C":                 each(`\x%02x`),
		"a query":                       url.QueryEscape(key),
		"a query in a query":            url.QueryEscape(url.QueryEscape(key)),
		"a path":                        url.PathEscape(key),
		"a URL in small letters":        strings.ToLower(each("%%%02x")),
		"JSON in HTML":                  html.EscapeString(inside),
		"hexadecimal":                   hex.EncodeToString([]byte(key)),
		"base64":                        base("", ""),
		"base64 for URLs":               base64.RawURLEncoding.EncodeToString([]byte(key)),
		"basic authentication":          "Basic " + base("", ":"),
		"basic authentication, user":    "Basic " + base("user:", ""),
		"base64 of the header":          base("Authorization: Bearer ", "\r\n"),
		"behind much, cut at its end":   strings.Repeat(" ", secret.MostExcerpted-10) + key,
		"behind much, cut at its start": strings.Repeat(" ", secret.MostExcerpted-1) + key,
	} {
		t.Run(reason, func(t *testing.T) {
			for _, status := range []int{401, 400, 500, 200} {
				server := serve(t, func(w http.ResponseWriter, r *http.Request) {
					w.WriteHeader(status)
					io.WriteString(w, "<p>"+form+"</p>")
				})
				_, err := (&Server{URL: server.URL, Model: "m", KeyVariable: "TEST_KEY", Retries: NoRetries}).EmbedQuery(t.Context(), "q")
				if err == nil {
					t.Fatal("no error")
				}
				text := err.Error()
				// %q of the message has escaped what it shows.
				for _, part := range []string{form, key, key[:8], hex.EncodeToString([]byte(key[:4])), "c2stQ", "sk-A", "6b2d41"} {
					if strings.Contains(text, part) {
						t.Errorf("status %d: %q has %q", status, text, part)
					}
				}
				if len(form) < 1000 && !strings.Contains(text, "[key]") {
					t.Errorf("status %d: %q does not say that there was a key", status, text)
				}
			}
		})
	}
	t.Run("a line in place of a status", func(t *testing.T) {
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			connection, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer connection.Close()
			fmt.Fprintf(connection, "%s %s\r\n\r\n", key, strings.Repeat("x", 1<<20))
		})
		_, err := (&Server{URL: server.URL, Model: "m", KeyVariable: "TEST_KEY", Retries: NoRetries}).EmbedQuery(t.Context(), "q")
		if err == nil || strings.Contains(err.Error(), "sk-A") || len(err.Error()) > 2000 {
			t.Errorf("%.2000v", err)
		}
	})
}

// TestServerKeyRedirects: a client of the user's own follows redirects, and the
// key stays behind.
func TestServerKeyRedirects(t *testing.T) {
	t.Setenv("TEST_KEY", testKey)
	var there atomic.Value
	other := serve(t, func(w http.ResponseWriter, r *http.Request) {
		there.Store(r.Header.Get("Authorization"))
		texts, _ := readRequest(t, r)
		io.WriteString(w, openAIAnswer(texts))
	})
	var first *httptest.Server
	first = serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/same":
			http.Redirect(w, r, first.URL+"/other", http.StatusPermanentRedirect)
		case "/other": // another port is another server; net/http would send the key there
			if got := r.Header.Get("Authorization"); got != "Bearer "+testKey {
				t.Errorf("on the same server Authorization is %q", got)
			}
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		default:
			http.Redirect(w, r, r.URL.Path, http.StatusPermanentRedirect)
		}
	})
	s := &Server{URL: first.URL + "/same", Model: "m", KeyVariable: "TEST_KEY", Client: new(http.Client), Retries: NoRetries}
	if _, err := s.EmbedQuery(t.Context(), "q"); err != nil {
		t.Fatal(err)
	}
	if there.Load() != "" {
		t.Errorf("the other server got %q", there.Load())
	}
	s.URL = first.URL + "/round"
	if _, err := s.EmbedQuery(t.Context(), "q"); err == nil || !strings.Contains(err.Error(), "10 redirects") {
		t.Errorf("a circle: error %v", err)
	}
	s.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("the user's own rule") }}
	if _, err := s.EmbedQuery(t.Context(), "q"); err == nil || !strings.Contains(err.Error(), "the user's own rule") {
		t.Errorf("a rule of one's own: error %v", err)
	}
}
