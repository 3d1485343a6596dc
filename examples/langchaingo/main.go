// Command langchaingo ranks files of triples with an embedder of langchaingo:
// anything that implements its embeddings.Embedder is an eci.Embedder as it is.
//
//	go run . -url http://localhost:8080/v1 -model MODEL SOURCE.jsonl...
//
// The API key, if the server wants one, is read from OPENAI_API_KEY.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log"
	"os"

	"example.com/eci"
	"github.com/tmc/langchaingo/embeddings"
	"github.com/tmc/langchaingo/llms/openai"
)

func main() {
	url := flag.String("url", "https://api.openai.com/v1", "base `URL` of the server")
	model := flag.String("model", "text-embedding-3-small", "the encoder's `name`")
	flag.Parse()
	var sources []eci.Source
	for _, file := range flag.Args() {
		sources = append(sources, eci.JSONL(file))
	}
	ranking, err := rank(context.Background(), *url, *model, sources...)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(ranking)
}

func rank(ctx context.Context, url, model string, sources ...eci.Source) (*eci.Ranking, error) {
	client, err := openai.New(
		openai.WithBaseURL(url),
		openai.WithEmbeddingModel(model),
		openai.WithToken(cmp.Or(os.Getenv("OPENAI_API_KEY"), "none")), // the client refuses an empty one
	)
	if err != nil {
		return nil, err
	}
	embedder, err := embeddings.NewEmbedder(client)
	if err != nil {
		return nil, err
	}
	return eci.Rank(ctx, &eci.Sem{Embedder: embedder}, sources...)
}
