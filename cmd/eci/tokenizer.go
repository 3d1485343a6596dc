package main

import (
	"strconv"
	"strings"

	"example.com/eci"
	"github.com/spf13/pflag"
)

// tokenizerFlag names the tokenizer for texts.
type tokenizerFlag struct{ word string }

func (f *tokenizerFlag) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.word, "tokenizer", eci.Words{}.Name(), "what splits texts for overlap and residuality: words (in scripts without spaces, pairs of characters) or N-grams of characters, such as 4-grams")
}

// tokenizer returns the tokenizer that the flag names.
func (f *tokenizerFlag) tokenizer() (eci.Tokenizer, error) {
	if f.word == "" || f.word == (eci.Words{}).Name() {
		return eci.Words{}, nil
	}
	if digits, ok := strings.CutSuffix(f.word, "-grams"); ok {
		if n, err := strconv.Atoi(digits); err == nil && n > 0 {
			return eci.CharacterNGrams{N: n}, nil
		}
	}
	return nil, usage("--tokenizer %s: it is words, or N-grams with a number, such as 4-grams", f.word)
}
