package eci_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"example.com/eci"
)

// tinyEncoder takes the place of an embedding server that speaks OpenAI's protocol.
// Its vectors count the letters of a text.
func tinyEncoder(w http.ResponseWriter, r *http.Request) {
	var request struct{ Input []string }
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var data []map[string]any
	for i, text := range request.Input {
		vector := make([]int, 26)
		for _, letter := range strings.ToLower(text) {
			if letter >= 'a' && letter <= 'z' {
				vector[letter-'a']++
			}
		}
		data = append(data, map[string]any{"index": i, "embedding": vector})
	}
	json.NewEncoder(w).Encode(map[string]any{"data": data})
}

// Two sources are ranked with the vectors of a server. The vectors are stored on disk,
// so a second run, even in another process, sends nothing.
func ExampleServer() {
	server := httptest.NewServer(http.HandlerFunc(tinyEncoder)) // in practice, for example http://localhost:8080
	defer server.Close()
	dir, err := os.MkdirTemp("", "eci-vectors-") // in practice, a permanent directory
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	parts := []string{"chain", "brake", "saddle", "pedal", "spoke", "valve", "hub", "fork"}
	var mined, random []*eci.Record
	for i, part := range parts {
		query, positive := "how to replace a "+part, "replacing the "+part+" of a bicycle takes two wrenches"
		mined = append(mined, &eci.Record{QueryText: query, PositiveText: positive, NegativeText: "choosing the " + parts[(i+3)%8] + " of a bicycle takes a while"})
		random = append(random, &eci.Record{QueryText: query, PositiveText: positive, NegativeText: "bread needs yeast, salt and flour"})
	}
	for run := range 2 {
		cache, err := eci.OpenDiskCache(eci.DiskCacheConfig{
			Dir: dir,
			Embedder: &eci.Server{
				URL:            server.URL,
				Model:          "letters",
				QueryPrefix:    "query: ",
				DocumentPrefix: "passage: ",
			},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		ranking, err := eci.Rank(context.Background(), &eci.Sem{Embedder: cache},
			eci.SourceOf("mined", mined), eci.SourceOf("random", random))
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("run %d: %d sources ranked, %d texts sent\n", run+1, len(ranking.Ranked), cache.Stats().Misses)
		if err := cache.Close(); err != nil {
			fmt.Println(err)
			return
		}
	}
	// Output:
	// run 1: 2 sources ranked, 25 texts sent
	// run 2: 2 sources ranked, 0 texts sent
}
