// Command stem ranks the demo with stemmed tokens. The lexical component counts
// "pumps" and "pumping" as one word. It is a separate module, because the stemmer is
// not a dependency of the library.
//
//	cd examples/stem && go run .
package main

import (
	"context"
	"fmt"
	"io/fs"
	"log"

	"example.com/eci"
	"example.com/eci/testdata/demo"
	"github.com/kljensen/snowball/english"
)

// Stems is an eci.Tokenizer: the words of eci.Words, each reduced to its
// English Snowball stem.
type Stems struct{}

// Name distinguishes matrices made with other tokenizers.
func (Stems) Name() string { return "words, english snowball" }

// AppendTokens appends the stems of the words of text.
func (Stems) AppendTokens(dst []string, text string) []string {
	start := len(dst)
	dst = eci.Words{}.AppendTokens(dst, text)
	for i, word := range dst[start:] {
		dst[start+i] = english.Stem(word, true)
	}
	return dst
}

func main() {
	ranking, err := rank(Stems{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(ranking)
}

func rank(tokenizer eci.Tokenizer) (*eci.Ranking, error) {
	dir, err := fs.Sub(demo.Files, "vectors")
	if err != nil {
		return nil, err
	}
	vectors, err := eci.ReadVectors(dir)
	if err != nil {
		return nil, err
	}
	defer vectors.Close()
	var sources []eci.Source
	for _, name := range []string{"random", "bm25", "dense", "llm", "contaminated"} {
		sources = append(sources, eci.JSONLFrom(demo.Files, "sources/"+name+".jsonl"))
	}
	return eci.Rank(context.Background(), &eci.Sem{Vectors: vectors, Tokenizer: tokenizer}, sources...)
}
