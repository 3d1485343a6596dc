package eci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/eci/internal/quote"
)

// fussy is a server that takes so many texts and fails for some of them.
type fussy struct {
	most    int
	bad     func(text string) bool
	refusal func(w http.ResponseWriter, texts []string, tooMany bool)

	mutex sync.Mutex
	sizes []int
}

func (f *fussy) handle(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		texts, _ := readRequest(t, r)
		f.mutex.Lock()
		f.sizes = append(f.sizes, len(texts))
		f.mutex.Unlock()
		tooMany := f.most > 0 && len(texts) > f.most
		if tooMany || slices.ContainsFunc(texts, f.bad) {
			f.refusal(w, texts, tooMany)
			return
		}
		io.WriteString(w, openAIAnswer(texts))
	}
}

// says answers with a status and a text.
func says(status int, body string) func(http.ResponseWriter, []string, bool) {
	return func(w http.ResponseWriter, _ []string, _ bool) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func seventh(text string) bool { return strings.Contains(text, "<7>") }
func noText(string) bool       { return false }

// TestServerLearnsItsBatches: a server that takes fewer texts than it is sent gets
// as many as it takes, from the first refusal on.
func TestServerLearnsItsBatches(t *testing.T) {
	for _, test := range []struct {
		reason  string
		most    int
		refusal func(http.ResponseWriter, []string, bool)
		want    []int
	}{
		{"a number in the answer", 10, says(422, `{"error":"batch size 20 > maximum allowed batch size 10"}`), []int{20, 10, 10, 10, 10}},
		{"a number in other words", 10, says(400, "batch size is invalid, it should not be larger than 10.: input.contents"), []int{20, 10, 10, 10, 10}},
		{"no number: halves", 6, says(413, "Payload too large"), []int{20, 10, 5, 5, 10, 5, 5, 5, 5, 5, 5}},
		{"a number that is not below what was sent says nothing", 10, says(400, "batch of 20 exceeds 512 tokens"), []int{20, 10, 10, 10, 10}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			f := &fussy{most: test.most, bad: noText, refusal: test.refusal}
			s := &Server{URL: serve(t, f.handle(t)).URL, Model: "m", KeyVariable: NoKey, BatchTexts: 20, Concurrency: 1}
			texts := someTexts(40)
			got, err := s.EmbedDocuments(t.Context(), texts)
			if diff := cmp.Diff(vectorsOf("", texts), got); err != nil || diff != "" {
				t.Fatalf("%v\n%s", err, diff)
			}
			if diff := cmp.Diff(test.want, f.sizes); diff != "" {
				t.Errorf("sizes: %s", diff)
			}
		})
	}
}

// TestServerNamesTheBadText: the text that the server cannot embed is found among
// others and named, and nothing is waited for where the answer says what is wrong.
func TestServerNamesTheBadText(t *testing.T) {
	for _, test := range []struct {
		reason  string
		refusal func(http.ResponseWriter, []string, bool)
		kind    error
		sleeps  int
	}{
		{"a vector of nulls", func(w http.ResponseWriter, texts []string, _ bool) {
			answer := openAIAnswer(texts)
			for _, text := range texts {
				if seventh(text) {
					v := vectorOf(text)
					answer = strings.Replace(answer, fmt.Sprintf("[%v,%v,%v]", v[0], v[1], v[2]), "[null,null,null]", 1)
				}
			}
			io.WriteString(w, answer)
		}, ErrNotFinite, 0},
		{"status 500 for a NaN", says(500, `{"error":"failed to encode response: json: unsupported value: NaN"}`), ErrEmbedder, 0},
		{"status 500 without a word: sent again before it is halved, and alone once more", says(500, "boom"), ErrEmbedder, 2},
		{"a text that is too long", says(400, "This model's maximum context length is 512 tokens"), ErrEmbedder, 0},
		{"a text that is too large", says(413, ""), ErrEmbedder, 0},
	} {
		t.Run(test.reason, func(t *testing.T) {
			fake := newFakeClock()
			f := &fussy{bad: seventh, refusal: test.refusal}
			s := &Server{URL: serve(t, f.handle(t)).URL, Model: "m", KeyVariable: NoKey, BatchTexts: 16, Concurrency: 1, Retries: 2, clock: fake.clock()}
			vectors, err := s.EmbedDocuments(t.Context(), someTexts(40))
			var bad *TextError
			var answer *ServerError
			if vectors != nil || !errors.As(err, &bad) || bad.Index != 7 || !seventh(bad.Text) || !errors.As(err, &answer) || !errors.Is(err, test.kind) {
				t.Fatalf("error %v", err)
			}
			if !strings.Contains(err.Error(), `text 8, "text <7>`) || !strings.Contains(err.Error(), quote.Digest(bad.Text)) {
				t.Errorf("error %q", err)
			}
			checkMessage(t, err)
			if len(fake.sleeps) != test.sleeps {
				t.Errorf("waited %v", fake.sleeps)
			}
			if _, err := s.EmbedDocuments(t.Context(), someTexts(7)); err != nil {
				t.Errorf("the others: %v", err)
			}
		})
	}
}

// pickyEncoder fails for some texts.
type pickyEncoder struct{ bad func(string) bool }

func (e pickyEncoder) EmbedDocuments(_ context.Context, texts []string) ([][]float32, error) {
	vectors := vectorsOf("", texts)
	for i, text := range texts {
		if e.bad(text) {
			vectors[i] = []float32{0, 0, 0}
		}
	}
	return vectors, nil
}

func (e pickyEncoder) EmbedQuery(ctx context.Context, text string) ([]float32, error) {
	vectors, err := e.EmbedDocuments(ctx, []string{text})
	return vectors[0], err
}

// TestEmbeddable: rows with a text that cannot be embedded become errors that a
// policy covers; all else stays.
func TestEmbeddable(t *testing.T) {
	source := func(name string, n int) Source {
		rows := make([]*Record, n)
		for i := range rows {
			rows[i] = &Record{QueryText: fmt.Sprintf("q <%d>", i/2), PositiveText: fmt.Sprintf("p <%d>", i/2), NegativeText: fmt.Sprintf("n <%d>", i)}
		}
		return SourceOf(name, rows)
	}
	never := &Sem{}
	if got, err := never.Embeddable(t.Context(), source("a", 3)); err != nil || len(got) != 1 {
		t.Errorf("without an Embedder: %v", err)
	}
	fine := &Sem{Embedder: pickyEncoder{noText}}
	if got, err := fine.Embeddable(t.Context(), source("a", 3)); err != nil || !got[0].kept {
		t.Errorf("nothing to leave out: %v", err)
	}
	sem := &Sem{Embedder: pickyEncoder{seventh}, Skip: SkipBadVector}
	sources, err := sem.Embeddable(t.Context(), source("a", 40), source("b", 12))
	if err != nil {
		t.Fatal(err)
	}
	ranking, err := Rank(t.Context(), sem, sources...)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"a": 3, "b": 1} { // query 7 with its two rows, and negative 7
		if s, _ := ranking.Find(name); s.Skipped["bad vector"] != want {
			t.Errorf("%s: %v left out, want %d", name, s.Skipped, want)
		}
	}
	strict := *sem
	strict.Skip = 0
	_, err = Rank(t.Context(), &strict, source("a", 40))
	var at *RowError
	if !errors.As(err, &at) || at.Row != 15 || !errors.Is(err, ErrZeroVector) || !strings.Contains(err.Error(), "q <7>") {
		t.Errorf("without the policy: %v", err)
	}
	broken := &Sem{Embedder: pickyEncoder{func(string) bool { return true }}}
	if _, err := broken.Embeddable(t.Context(), source("a", 4)); !errors.Is(err, ErrEmbedder) {
		t.Errorf("an encoder that embeds nothing: %v", err)
	}
}
