package main

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"example.com/eci"
)

// components puts the words of a text into eight buckets.
func components(text string) []float32 {
	v := make([]float32, 8)
	for _, word := range strings.Fields(text) {
		h := fnv.New32a()
		h.Write([]byte(word))
		v[h.Sum32()%8]++
	}
	return v
}

// TestRank compares a ranking through langchaingo's client and a server on loopback
// with a ranking of the same vectors read directly.
func TestRank(t *testing.T) {
	var texts atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request struct {
			Model string   `json:"model"`
			Input []string `json:"input"`
		}
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil || request.Model != "tiny" || r.URL.Path != "/v1/embeddings" {
			t.Errorf("%s: request %+v, %v", r.URL, request, err)
		}
		texts.Add(int64(len(request.Input)))
		var data []map[string]any
		for i, text := range request.Input {
			data = append(data, map[string]any{"object": "embedding", "index": i, "embedding": components(text)})
		}
		json.NewEncoder(w).Encode(map[string]any{"object": "list", "model": "tiny", "data": data})
	}))
	defer server.Close()

	var sources, vectors []eci.Source
	for _, near := range []string{"how to", "unlike"} {
		var rows, embedded []*eci.Record
		for i := range 40 {
			r := &eci.Record{
				QueryText:    fmt.Sprintf("how to mend a bicycle with %d gears", i),
				PositiveText: fmt.Sprintf("a bicycle with %d gears is mended like this", i),
				NegativeText: fmt.Sprintf("%s mend %d other things, %d in all", near, i, i*i),
			}
			e := *r
			e.QueryVector, e.PositiveVector, e.NegativeVector = components(r.QueryText), components(r.PositiveText), components(r.NegativeText)
			rows, embedded = append(rows, r), append(embedded, &e)
		}
		sources, vectors = append(sources, eci.SourceOf(near, rows)), append(vectors, eci.SourceOf(near, embedded))
	}
	got, err := rank(t.Context(), server.URL+"/v1", "tiny", sources...)
	if err != nil {
		t.Fatal(err)
	}
	want, err := eci.Rank(t.Context(), &eci.Sem{}, vectors...)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != want.String() {
		t.Errorf("through langchaingo\n%v\nwith vectors at hand\n%v", got, want)
	}
	// 40 queries, 40 positives, 80 negatives.
	if texts.Load() != 160 || got.Embedded != 160 {
		t.Errorf("%d texts sent, the ranking says %d, want 160", texts.Load(), got.Embedded)
	}
}
