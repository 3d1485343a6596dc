package eci

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"example.com/eci/internal/sorted"
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
func (c LexicalResidual) Settings() string { return "floor=" + formatFloat(c.Floor) }

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
	table     *frequencies // nil means empty
	tokens    []string     // scratch of Add
}

// frequencies are the counts behind one or more lexicons.
type frequencies struct {
	documents int
	ids       map[string]uint32 // in the order in which tokens were first seen
	counts    []uint32          // by id
	bytes     int64             // of all tokens
	shared    atomic.Bool       // by several lexicons; Add copies them first

	mutex  sync.Mutex // held while frozen is made
	frozen atomic.Pointer[weights]
}

// weights are what features are taken with; they are never changed.
type weights struct {
	rank  []uint32          // by id: the token's place in byte order
	idf   []float64         // by rank
	rare  float64           // idf of a token that no document contains
	short map[uint64]uint32 // ranks of tokens of up to 8 bytes, by their packed bytes
}

// tokenBytes is what a token takes beyond its own bytes, measured: an entry of
// ids and of short, count, rank and weight.
const tokenBytes = 100

// NewLexicon returns an empty lexicon. A nil tokenizer means [Words].
func NewLexicon(tokenizer Tokenizer) *Lexicon { return &Lexicon{tokenizer: tokenizer} }

// read returns the counts, which must not be changed.
func (l *Lexicon) read() *frequencies {
	if l.table == nil {
		return &noFrequencies
	}
	return l.table
}

var noFrequencies frequencies

// write returns the counts for this lexicon to change.
func (l *Lexicon) write() *frequencies {
	switch old := l.read(); {
	case l.table == nil:
		l.table = &frequencies{ids: make(map[string]uint32)}
	case old.shared.Load():
		l.table = &frequencies{documents: old.documents, ids: maps.Clone(old.ids), counts: slices.Clone(old.counts), bytes: old.bytes}
	}
	return l.table
}

// Add counts one document. Give each distinct document once.
func (l *Lexicon) Add(document string) {
	f := l.write()
	f.documents++
	f.frozen.Store(nil)
	l.tokens = l.Tokenizer().AppendTokens(l.tokens[:0], document)
	slices.Sort(l.tokens)
	for i, t := range l.tokens {
		if i > 0 && t == l.tokens[i-1] {
			continue
		}
		id, ok := f.ids[t]
		if !ok {
			id = f.add(strings.Clone(t), 0)
		}
		f.counts[id]++
	}
}

// add takes in a token that is not there yet.
func (f *frequencies) add(token string, count uint32) (id uint32) {
	id = uint32(len(f.counts))
	f.ids[token] = id
	f.counts = append(f.counts, count)
	f.bytes += int64(len(token))
	return id
}

// Documents returns N, the number of documents counted.
func (l *Lexicon) Documents() int { return l.read().documents }

// Tokenizer returns the tokenizer the lexicon was made with.
func (l *Lexicon) Tokenizer() Tokenizer {
	if l.tokenizer == nil {
		return Words{}
	}
	return l.tokenizer
}

// IDF returns the weight of a token, in nats, above 0.
func (l *Lexicon) IDF(token string) float64 {
	f := l.read()
	if id, ok := f.ids[token]; ok {
		return idf(f.documents, f.counts[id])
	}
	return idf(f.documents, 0)
}

func idf(documents int, frequency uint32) float64 {
	df := float64(frequency)
	return math.Log(1 + (float64(documents)-df+0.5)/(df+0.5))
}

// bytes is the memory that the lexicon takes, roughly.
func (l *Lexicon) bytes() int64 {
	f := l.read()
	return f.bytes + tokenBytes*int64(len(f.counts))
}

// freeze returns the weights of the counts as they are, made once.
func (f *frequencies) freeze() *weights {
	if w := f.frozen.Load(); w != nil {
		return w
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if w := f.frozen.Load(); w != nil {
		return w
	}
	// Features are sorted by rank, so that sums of weights are the same for a
	// lexicon that was counted and one that was loaded.
	tokens := make([]string, 0, len(f.ids))
	for t := range f.ids {
		tokens = append(tokens, t)
	}
	slices.Sort(tokens)
	w := &weights{
		rank: make([]uint32, len(tokens)), idf: make([]float64, len(tokens)),
		rare: idf(f.documents, 0), short: make(map[uint64]uint32),
	}
	for rank, t := range tokens {
		id := f.ids[t]
		w.rank[id], w.idf[rank] = uint32(rank), idf(f.documents, f.counts[id])
		if key, ok := packed(t); ok {
			w.short[key] = uint32(rank)
		}
	}
	f.frozen.Store(w)
	return w
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

// find returns the rank of a token.
func (f *frequencies) find(w *weights, token string) (rank uint32, ok bool) {
	if key, ok := packed(token); ok {
		rank, ok = w.short[key]
		return rank, ok
	}
	id, ok := f.ids[token]
	if !ok {
		return 0, false
	}
	return w.rank[id], true
}

// Coverage returns cov(q, n): the IDF mass of the query's distinct tokens that
// occur in the negative, over that of all of them, in [0, 1]; 0 for a query
// without tokens.
func (l *Lexicon) Coverage(query, negative string) float64 {
	s := featureScratches.Get().(*featureScratch)
	defer featureScratches.Put(s)
	return coverage(l.features(query, s), l.features(negative, s))
}

// Overlap returns ovl(p, n): the IDF-weighted Jaccard overlap of the distinct
// tokens of two passages, in [0, 1]; 0 when neither has tokens.
func (l *Lexicon) Overlap(positive, negative string) float64 {
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
	f := l.read()
	out := lexiconJSON{Tokenizer: l.Tokenizer().Name(), Documents: f.documents, Frequencies: make(map[string]uint32, len(f.ids))}
	for t, id := range f.ids {
		out.Frequencies[t] = f.counts[id]
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote; on an error l is unchanged. Counts
// of an earlier version, which took a run of a script without spaces for one word,
// are ErrNotCalibrated. The
// tokenizer is Words or CharacterNGrams by name; for a tokenizer of your own
// call [Lexicon.WithTokenizer] on the result.
func (l *Lexicon) UnmarshalJSON(data []byte) error {
	var in lexiconJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("eci: lexicon: %w: %w", ErrFormat, err)
	}
	if in.Documents < 0 || in.Documents > math.MaxInt32 { // more could overflow when others are added
		return fmt.Errorf("eci: lexicon: %w: %d documents; it has 0 to %d", ErrFormat, in.Documents, math.MaxInt32)
	}
	f := &frequencies{documents: in.Documents, ids: make(map[string]uint32, len(in.Frequencies))}
	tokenizer := namedTokenizer(in.Tokenizer)
	for _, t := range sorted.Keys(in.Frequencies) {
		df := in.Frequencies[t]
		if df < 1 || int64(df) > int64(in.Documents) {
			return fmt.Errorf("eci: lexicon: %w: token %q is in %d of %d documents", ErrFormat, t, df, in.Documents)
		}
		if tokenizer == (Words{}) && !token.Word(t) {
			return fmt.Errorf("eci: lexicon: %w: it was counted by an earlier version, which took %q for one word; scripts without spaces are now split into pairs of characters: calibrate anew", ErrNotCalibrated, t)
		}
		f.add(t, df)
	}
	*l = Lexicon{tokenizer: tokenizer, table: f}
	return nil
}

// WithTokenizer returns the lexicon with a tokenizer of the caller's own, which
// must have the name the lexicon was stored with. What is added to one of the two
// later is not in the other.
func (l *Lexicon) WithTokenizer(t Tokenizer) (*Lexicon, error) {
	if t.Name() != l.Tokenizer().Name() {
		return nil, fmt.Errorf("eci: lexicon: %w: counted with tokenizer %q, not %q", ErrIncompatible, l.Tokenizer().Name(), t.Name())
	}
	if l.table != nil {
		l.table.shared.Store(true)
	}
	return &Lexicon{tokenizer: t, table: l.table}, nil
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
