package eci

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"example.com/eci/internal/lexicon"
	"example.com/eci/internal/token"
)

// LexicalResidual is rho = max(floor, 1 - max(cov(q,n), ovl(p,n))), in [0, 1]:
// what is hard for reasons other than shared words. A negative that copies the
// query, or equals the positive, gets the floor.
// It is a value, which goroutines may share.
type LexicalResidual struct {
	// Floor is the least value, in [0, 1); 0 by default.
	Floor float64
}

// Name returns "residuality".
func (LexicalResidual) Name() string { return "residuality" }

// Settings names the floor.
func (c LexicalResidual) Settings() string { return "floor=" + fmt.Sprint(c.Floor) }

// Validate refuses a floor outside [0, 1).
func (c LexicalResidual) Validate() error {
	if !(c.Floor >= 0 && c.Floor < 1) {
		return fmt.Errorf("field Floor %v is not in [0, 1)", c.Floor)
	}
	return nil
}

// Weight returns rho from e.Coverage and e.Overlap.
func (c LexicalResidual) Weight(e *Evidence) float64 {
	return max(c.Floor, 1-max(e.Coverage, e.Overlap))
}

// Tokenizer splits a text into tokens for the lexical component.
// Implementations must be deterministic and safe for concurrent use.
type Tokenizer interface {
	// Name identifies the tokenizer with its settings, such as "words"; matrices
	// made with tokenizers of different names refuse to merge.
	Name() string
	// AppendTokens appends the tokens of text to dst in order, with repetitions,
	// and returns the extended slice.
	AppendTokens(dst []string, text string) []string
}

// Words is the default [Tokenizer]: lower-cased runs of Unicode letters and
// decimal digits. A run of letters of a script that has no spaces between words
// (Han, kana, Hangul, Thai, Lao, Khmer, Myanmar) gives its pairs of neighboring
// characters instead, each with its combining marks, or the character itself if it
// is alone: "tokyo東京都" gives tokyo, 東京 and 京都.
// It is a value, which goroutines may share.
type Words struct{}

// Name returns "words".
func (Words) Name() string { return "words" }

// AppendTokens appends the words of text. Only words with a letter that is not
// lower-case ASCII allocate.
func (Words) AppendTokens(dst []string, text string) []string { return token.AppendWords(dst, text) }

// CharacterNGrams is a [Tokenizer] that compares forms of a word: every run of N
// characters within each run of letters and decimal digits, whatever its script;
// shorter runs are kept whole.
// It is a value, which goroutines may share.
type CharacterNGrams struct {
	// N is the length in characters; 0 means 4.
	N int
}

// Name returns the length with the method's name, such as "4-grams".
func (c CharacterNGrams) Name() string { return strconv.Itoa(c.n()) + "-grams" }

func (c CharacterNGrams) n() int {
	if c.N <= 0 {
		return 4
	}
	return c.N
}

// Validate refuses a negative length.
func (c CharacterNGrams) Validate() error {
	if c.N < 0 {
		return fmt.Errorf("field N %d is negative", c.N)
	}
	return nil
}

// AppendTokens appends the character n-grams of text.
func (c CharacterNGrams) AppendTokens(dst []string, text string) []string {
	n := c.n()
	for _, word := range token.AppendRuns(nil, text) {
		if utf8.RuneCountInString(word) <= n {
			dst = append(dst, word)
			continue
		}
		starts := make([]int, 0, len(word)+1)
		for i := range word {
			starts = append(starts, i)
		}
		starts = append(starts, len(word))
		for i := 0; i+n < len(starts); i++ {
			dst = append(dst, word[starts[i]:starts[i+n]])
		}
	}
	return dst
}

// Lexicon holds the document frequencies that weigh tokens:
// idf(t) = ln(1 + (N - df + 0.5) / (df + 0.5)), with N documents of which df
// contain t. A token that no document contains has df = 0. Its JSON form holds
// the counts and the tokenizer's name. The zero value is an empty lexicon for
// [Words].
//
// It takes about 100 bytes for each distinct token and the token's own length.
//
// Goroutines may share a Lexicon to which nothing more is added; Add must not run
// at the same time as anything else.
type Lexicon struct {
	tokenizer Tokenizer
	counts    *lexicon.Counts // nil means empty
	tokens    []string        // scratch of Add
}

// NewLexicon returns an empty lexicon. A nil tokenizer means [Words].
func NewLexicon(tokenizer Tokenizer) *Lexicon { return &Lexicon{tokenizer: tokenizer} }

// Add counts one document. Give each distinct document once.
func (l *Lexicon) Add(document string) {
	l.counts = l.counts.Writable()
	l.tokens = l.Tokenizer().AppendTokens(l.tokens[:0], document)
	l.counts.Add(l.tokens)
}

// Documents returns N, the number of documents counted.
func (l *Lexicon) Documents() int { return l.counts.Documents() }

// Tokenizer returns the tokenizer the lexicon was made with.
func (l *Lexicon) Tokenizer() Tokenizer {
	if l.tokenizer == nil {
		return Words{}
	}
	return l.tokenizer
}

// IDF returns the weight of a token, in nats, above 0.
func (l *Lexicon) IDF(token string) float64 { return l.counts.IDF(token) }

func (l *Lexicon) features(text string, s *lexicon.Scratch) *lexicon.Features {
	return l.counts.Features(l.Tokenizer(), text, s)
}

// Coverage returns cov(q, n): the IDF mass of the query's distinct tokens that
// occur in the negative, over that of all of them, in [0, 1]; 0 for a query
// without tokens.
func (l *Lexicon) Coverage(query, negative string) float64 {
	s := lexicon.Borrow()
	defer s.Return()
	return lexicon.Coverage(l.features(query, s), l.features(negative, s))
}

// Overlap returns ovl(p, n): the IDF-weighted Jaccard overlap of the distinct
// tokens of two passages, in [0, 1]; 0 when neither has tokens.
func (l *Lexicon) Overlap(positive, negative string) float64 {
	s := lexicon.Borrow()
	defer s.Return()
	return lexicon.Overlap(l.features(positive, s), l.features(negative, s))
}

// MarshalJSON writes the tokenizer's name and the document frequencies.
func (l *Lexicon) MarshalJSON() ([]byte, error) {
	return json.Marshal(l.counts.Stored(l.Tokenizer().Name()))
}

// UnmarshalJSON reads what MarshalJSON wrote; on an error l is unchanged. Counts
// of an earlier version, which took a run of a script without spaces for one word,
// are ErrNotCalibrated. The
// tokenizer is Words or CharacterNGrams by name; for a tokenizer of your own
// call [Lexicon.WithTokenizer] on the result.
func (l *Lexicon) UnmarshalJSON(data []byte) error {
	var in lexicon.Stored
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("eci: lexicon: %w: %w", ErrFormat, err)
	}
	if in.Documents < 0 || in.Documents > math.MaxInt32 { // more could overflow when others are added
		return fmt.Errorf("eci: lexicon: %w: %d documents; it has 0 to %d", ErrFormat, in.Documents, math.MaxInt32)
	}
	tokenizer := storedTokenizer{name: in.Tokenizer}.known()
	counts, err := in.Counts(func(t string, df uint32) error {
		if df < 1 || int64(df) > int64(in.Documents) {
			return fmt.Errorf("eci: lexicon: %w: token %q is in %d of %d documents", ErrFormat, t, df, in.Documents)
		}
		if tokenizer == (Words{}) && !token.Word(t) {
			return fmt.Errorf("eci: lexicon: %w: it was counted by an earlier version, which took %q for one word; scripts without spaces are now split into pairs of characters: calibrate anew", ErrNotCalibrated, t)
		}
		return nil
	})
	if err != nil {
		return err
	}
	*l = Lexicon{tokenizer: tokenizer, counts: counts}
	return nil
}

// WithTokenizer returns the lexicon with a tokenizer of the caller's own, which
// must have the name the lexicon was stored with. What is added to one of the two
// later is not in the other.
func (l *Lexicon) WithTokenizer(t Tokenizer) (*Lexicon, error) {
	if t.Name() != l.Tokenizer().Name() {
		return nil, fmt.Errorf("eci: lexicon: %w: counted with tokenizer %q, not %q", ErrIncompatible, l.Tokenizer().Name(), t.Name())
	}
	return &Lexicon{tokenizer: t, counts: l.counts.Share()}, nil
}

// forRun returns the lexicon with the tokenizer of a Sem, nil meaning its own,
// which must be more than a name.
func (l *Lexicon) forRun(t Tokenizer) (*Lexicon, error) {
	if t != nil {
		return l.WithTokenizer(t)
	}
	if stored, ok := l.Tokenizer().(storedTokenizer); ok {
		return nil, fmt.Errorf("eci: lexicon: %w: counted with tokenizer %q; set Sem.Tokenizer to it", ErrNotCalibrated, stored.name)
	}
	return l, nil
}

// storedTokenizer stands for a tokenizer that is known by name only.
type storedTokenizer struct {
	Words
	name string
}

func (t storedTokenizer) Name() string { return t.name }

// known returns the tokenizer of this package that has the name, or t.
func (t storedTokenizer) known() Tokenizer {
	if t.name == (Words{}).Name() {
		return Words{}
	}
	if n, ok := strings.CutSuffix(t.name, "-grams"); ok {
		if k, err := strconv.Atoi(n); err == nil && k > 0 {
			return CharacterNGrams{N: k}
		}
	}
	return t
}
