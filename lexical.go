package eci

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// LexicalResidual is rho = max(floor, 1 - max(cov(q,n), ovl(p,n))), in [0, 1]:
// what is hard for reasons other than shared words. A negative that copies the
// query, or equals the positive, gets the floor.
type LexicalResidual struct {
	// Floor is the least value, in [0, 1); 0 by default.
	Floor float64
}

// Name returns "residuality".
func (LexicalResidual) Name() string { return "residuality" }

// Settings names the floor.
func (c LexicalResidual) Settings() string { return "floor=" + formatFloat(c.Floor) }

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
// decimal digits.
type Words struct{}

// Name returns "words".
func (Words) Name() string { return "words" }

// AppendTokens appends the words of text. Only words with a letter that is not
// lower-case ASCII allocate.
func (Words) AppendTokens(dst []string, text string) []string {
	start, plain := -1, true
	for i := 0; i < len(text); {
		class, size := asciiClass[text[i]], 1
		if class == plainLetter {
			if start < 0 {
				start = i
			}
			for i++; i < len(text) && asciiClass[text[i]] == plainLetter; i++ {
			}
			continue
		}
		if class == beyondASCII {
			var c rune
			c, size = utf8.DecodeRuneInString(text[i:])
			if !wordRune(c) {
				class = separator
			}
		}
		switch class {
		case separator:
			if start >= 0 {
				dst = append(dst, lowered(text[start:i], plain))
				start, plain = -1, true
			}
		default:
			if start < 0 {
				start = i
			}
			plain = false
		}
		i += size
	}
	if start >= 0 {
		dst = append(dst, lowered(text[start:], plain))
	}
	return dst
}

// lowered is the word in lower case, which a plain one is already.
func lowered(word string, plain bool) string {
	if plain {
		return word
	}
	return strings.ToLower(word)
}

// The classes of bytes.
const (
	separator   = iota
	plainLetter // a to z and 0 to 9
	capital
	beyondASCII
)

var asciiClass = func() (class [256]uint8) {
	for c := range class {
		switch {
		case c >= utf8.RuneSelf:
			class[c] = beyondASCII
		case 'A' <= c && c <= 'Z':
			class[c] = capital
		case wordRune(rune(c)):
			class[c] = plainLetter
		}
	}
	return class
}()

func wordRune(c rune) bool {
	if c < utf8.RuneSelf {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
	}
	return unicode.IsLetter(c) || unicode.IsDigit(c)
}

// CharacterNGrams is a [Tokenizer] for languages that are written without
// spaces, or to compare forms of a word: every run of N characters within each
// word of [Words]; shorter words are kept whole.
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

// AppendTokens appends the character n-grams of text.
func (c CharacterNGrams) AppendTokens(dst []string, text string) []string {
	n := c.n()
	for _, word := range (Words{}).AppendTokens(nil, text) {
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
// contain t. A token that no document contains has df = 0. It is safe for
// concurrent reading once no more documents are added. Its JSON form holds the
// counts and the tokenizer's name.
type Lexicon struct {
	tokenizer Tokenizer
	documents int
	ids       map[string]uint32
	counts    []uint32          // by id
	weights   []float64         // idf by id; nil until first needed
	short     map[uint64]uint32 // ids of tokens of up to 8 bytes, by their packed bytes; made with weights
	tokens    []string          // scratch of Add
}

// NewLexicon returns an empty lexicon. A nil tokenizer means [Words].
func NewLexicon(tokenizer Tokenizer) *Lexicon {
	if tokenizer == nil {
		tokenizer = Words{}
	}
	return &Lexicon{tokenizer: tokenizer, ids: make(map[string]uint32)}
}

// Add counts one document. Give each distinct document once.
func (l *Lexicon) Add(document string) {
	l.documents++
	l.weights = nil
	l.tokens = l.tokenizer.AppendTokens(l.tokens[:0], document)
	slices.Sort(l.tokens)
	for i, t := range l.tokens {
		if i > 0 && t == l.tokens[i-1] {
			continue
		}
		id, ok := l.ids[t]
		if !ok {
			id = uint32(len(l.counts))
			l.ids[strings.Clone(t)] = id
			l.counts = append(l.counts, 0)
		}
		l.counts[id]++
	}
}

// Documents returns N, the number of documents counted.
func (l *Lexicon) Documents() int { return l.documents }

// Tokenizer returns the tokenizer the lexicon was made with.
func (l *Lexicon) Tokenizer() Tokenizer { return l.tokenizer }

// IDF returns the weight of a token, in nats, above 0.
func (l *Lexicon) IDF(token string) float64 {
	if id, ok := l.ids[token]; ok {
		return idf(l.documents, l.counts[id])
	}
	return idf(l.documents, 0)
}

func idf(documents int, frequency uint32) float64 {
	df := float64(frequency)
	return math.Log(1 + (float64(documents)-df+0.5)/(df+0.5))
}

// freeze computes the weights once, so that features can be taken concurrently.
func (l *Lexicon) freeze() {
	if l.weights != nil {
		return
	}
	// Ids in token order make sums of weights the same for a lexicon that was
	// counted and one that was loaded.
	tokens := make([]string, 0, len(l.ids))
	for t := range l.ids {
		tokens = append(tokens, t)
	}
	slices.Sort(tokens)
	counts := make([]uint32, len(tokens))
	l.weights = make([]float64, len(tokens))
	short := make(map[uint64]uint32)
	for id, t := range tokens {
		counts[id] = l.counts[l.ids[t]]
		l.ids[t] = uint32(id)
		l.weights[id] = idf(l.documents, counts[id])
		if key, ok := packed(t); ok {
			short[key] = uint32(id)
		}
	}
	l.counts, l.short = counts, short
}

// packed returns the bytes of a token of up to 8 as a number, which is faster to
// look up than a string. Tokens that end in a zero byte have none: they would
// equal shorter ones.
func packed(token string) (key uint64, ok bool) {
	n := len(token)
	if n == 0 || n > 8 || token[n-1] == 0 {
		return 0, false
	}
	if n >= 4 { // two loads that may overlap
		end := token[n-4:]
		first := uint64(token[0]) | uint64(token[1])<<8 | uint64(token[2])<<16 | uint64(token[3])<<24
		last := uint64(end[0]) | uint64(end[1])<<8 | uint64(end[2])<<16 | uint64(end[3])<<24
		return first | last<<(8*(n-4)), true
	}
	for i := n - 1; i >= 0; i-- {
		key = key<<8 | uint64(token[i])
	}
	return key, true
}

// find returns the id of a token of a frozen lexicon.
func (l *Lexicon) find(token string) (id uint32, ok bool) {
	if key, ok := packed(token); ok {
		id, ok = l.short[key]
		return id, ok
	}
	id, ok = l.ids[token]
	return id, ok
}

// Coverage returns cov(q, n): the IDF mass of the query's distinct tokens that
// occur in the negative, over that of all of them, in [0, 1]; 0 for a query
// without tokens.
func (l *Lexicon) Coverage(query, negative string) float64 {
	l.freeze()
	s := featureScratches.Get().(*featureScratch)
	defer featureScratches.Put(s)
	return coverage(l.features(query, s), l.features(negative, s))
}

// Overlap returns ovl(p, n): the IDF-weighted Jaccard overlap of the distinct
// tokens of two passages, in [0, 1]; 0 when neither has tokens.
func (l *Lexicon) Overlap(positive, negative string) float64 {
	l.freeze()
	s := featureScratches.Get().(*featureScratch)
	defer featureScratches.Put(s)
	return overlap(l.features(positive, s), l.features(negative, s))
}

// lexiconJSON is the stored form: df by token, in token order.
type lexiconJSON struct {
	Tokenizer   string            `json:"tokenizer"`
	Documents   int               `json:"documents"`
	Frequencies map[string]uint32 `json:"document_frequencies"`
}

// MarshalJSON writes the tokenizer's name and the document frequencies.
func (l *Lexicon) MarshalJSON() ([]byte, error) {
	out := lexiconJSON{Tokenizer: l.tokenizer.Name(), Documents: l.documents, Frequencies: make(map[string]uint32, len(l.ids))}
	for t, id := range l.ids {
		out.Frequencies[t] = l.counts[id]
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote; on an error l is unchanged. The
// tokenizer is Words or CharacterNGrams by name; for a tokenizer of your own
// call [Lexicon.WithTokenizer] on the result.
func (l *Lexicon) UnmarshalJSON(data []byte) error {
	var in lexiconJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("eci: lexicon: %w: %w", ErrFormat, err)
	}
	if in.Documents < 0 {
		return fmt.Errorf("eci: lexicon: %w: %d documents", ErrFormat, in.Documents)
	}
	fresh := NewLexicon(namedTokenizer(in.Tokenizer))
	fresh.documents = in.Documents
	tokens := make([]string, 0, len(in.Frequencies))
	for t, df := range in.Frequencies {
		if int64(df) > int64(in.Documents) {
			return fmt.Errorf("eci: lexicon: %w: token %q is in %d of %d documents", ErrFormat, t, df, in.Documents)
		}
		tokens = append(tokens, t)
	}
	slices.Sort(tokens)
	for i, t := range tokens {
		fresh.ids[t] = uint32(i)
		fresh.counts = append(fresh.counts, in.Frequencies[t])
	}
	*l = *fresh
	return nil
}

// WithTokenizer returns the lexicon with a tokenizer of the caller's own, which
// must have the name the lexicon was stored with.
func (l *Lexicon) WithTokenizer(t Tokenizer) (*Lexicon, error) {
	if t.Name() != l.tokenizer.Name() {
		return nil, fmt.Errorf("eci: lexicon: %w: counted with tokenizer %q, not %q", ErrIncompatible, l.tokenizer.Name(), t.Name())
	}
	copied := *l
	copied.tokenizer = t
	copied.tokens = nil
	return &copied, nil
}

// storedTokenizer stands for a tokenizer that is known by name only.
type storedTokenizer struct {
	Words
	name string
}

func (t storedTokenizer) Name() string { return t.name }

func namedTokenizer(name string) Tokenizer {
	if name == (Words{}).Name() {
		return Words{}
	}
	if n, ok := strings.CutSuffix(name, "-grams"); ok {
		if k, err := strconv.Atoi(n); err == nil && k > 0 {
			return CharacterNGrams{N: k}
		}
	}
	return storedTokenizer{name: name}
}

func formatFloat(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
