package eci

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"math"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"example.com/eci/internal/textfile"
	"example.com/eci/internal/vecfile"
)

// TestGoroutinesMayShare uses each type that goroutines may share from several at
// once; the race detector watches, and all get the same.
func TestGoroutinesMayShare(t *testing.T) {
	encoder := &hashEncoder{components: 5}
	texts := textSources(40)
	sources := withVectors(encoder, texts)
	lexicon := func(tokenizer Tokenizer) *Lexicon {
		l := NewLexicon(tokenizer)
		for t := range sources[0].Triples {
			l.Add(t.Negative())
		}
		return l
	}
	ranking, err := Rank(t.Context(), &Sem{}, sources...)
	if err != nil {
		t.Fatal(err)
	}
	// Nobody has asked for the weights of these yet.
	unused := &Sem{Lexicon: lexicon(nil)}
	own := &Sem{Lexicon: lexicon(CharacterNGrams{}), Tokenizer: CharacterNGrams{}}
	asked := lexicon(nil)
	calibration := *ranking.Calibration
	calibration.Lexicon = lexicon(nil)
	frozen := &Sem{Calibration: &calibration}
	cache := openCache(t, t.TempDir(), &hashEncoder{components: 5}, "x")
	made := fstest.MapFS{"x": {Data: []byte(`{"id":"a","vector":[1,2]}` + "\n" + `{"id":"b","vector":[3,4]}`)}}
	table, err := new(VectorTable).of(vecfile.ReadLines("made up", "x", &textfile.Opener{FS: made}))
	if err != nil {
		t.Fatal(err)
	}
	choice, err := (&Choose{
		Lookahead: Lookahead{Sem: Sem{Vectors: tablesOf(encoder, texts), Skip: SkipMissingVector}}, NoCheck: true,
	}).From(t.Context(), texts[0])
	if err != nil {
		t.Fatal(err)
	}
	rank := func(scorer Scorer, sources []Source) (any, error) {
		r, err := Rank(t.Context(), scorer, sources...)
		if err != nil {
			return nil, err
		}
		r.Embedded = 0 // who comes first sends the texts
		raw, err := r.MarshalJSON()
		return string(raw), err
	}
	for _, test := range []struct {
		what string
		use  func() (any, error)
	}{
		{"a Sem with a Lexicon", func() (any, error) { return rank(unused, sources) }},
		{"a Sem with a Lexicon and a Tokenizer", func() (any, error) { return rank(own, sources) }},
		{"a Sem with an Embedder", func() (any, error) { return rank(&Sem{Embedder: encoder}, texts) }},
		{"a Sem with Vectors", func() (any, error) { return rank(&Sem{Vectors: tablesOf(encoder, texts)}, texts) }},
		{"a Calibration", func() (any, error) { return rank(frozen, sources) }},
		{"a Sem that weighs", func() (any, error) {
			sum := 0.0
			for w, err := range frozen.Weigh(t.Context(), sources[0]) {
				if err != nil {
					return nil, err
				}
				sum += w.Weight
			}
			return sum, nil
		}},
		{"a Lexicon", func() (any, error) {
			other, err := asked.WithTokenizer(Words{})
			if err != nil {
				return nil, err
			}
			other.Add("a document of this goroutine alone")
			raw, err := other.MarshalJSON()
			return []any{asked.Coverage("passage of miner", "a passage"), asked.IDF("miner"), asked.Documents(), string(raw)}, err
		}},
		{"a Baseline", func() (any, error) { return rank(&Baseline{Sem: *unused, Measure: Measures()[1]}, sources) }},
		{"a Race", func() (any, error) { return rank(&Race{Sem: *unused}, sources) }},
		{"a Study", func() (any, error) {
			s, err := (&Study{Lexicons: map[string]*Lexicon{"other": asked}}).Run(t.Context(), sources...)
			if err != nil {
				return nil, err
			}
			return s.String(), nil
		}},
		{"a Linter", func() (any, error) {
			r, err := new(Linter).Lint(t.Context(), sources...)
			if err != nil {
				return nil, err
			}
			return r.String(), nil
		}},
		{"a Ranking", func() (any, error) {
			hybrids, err := ranking.Hybrids(0)
			if err != nil {
				return nil, err
			}
			mixture, err := ranking.Mixture()
			if err != nil {
				return nil, err
			}
			value, err := ranking.Best().Matrix.LogDet()
			return []any{hybrids[0].String(), mixture.String(), ranking.String(), value}, err
		}},
		{"a Choice that looks up vectors", func() (any, error) {
			sum := 0.0
			for c, err := range choice.Keep(t.Context()) {
				if err != nil {
					return nil, err
				}
				sum += c.Influence
			}
			return sum, nil
		}},
		{"a DiskCache", func() (any, error) { return rank(&Sem{Embedder: cache}, texts) }},
		{"a VectorTable", func() (any, error) { return table.Append(nil, "b") }},
	} {
		var wait sync.WaitGroup
		var got [2]any
		for i := range got {
			wait.Go(func() {
				var err error
				if got[i], err = test.use(); err != nil {
					t.Errorf("%s: %v", test.what, err)
				}
			})
		}
		wait.Wait()
		for _, other := range got[1:] {
			if diff := cmp.Diff(got[0], other); diff != "" {
				t.Errorf("%s: goroutines differ:\n%s", test.what, diff)
			}
		}
	}
}

// TestEveryTypeSaysWhoMayShareIt reads the documentation.
func TestEveryTypeSaysWhoMayShareIt(t *testing.T) {
	notTests := func(info fs.FileInfo) bool { return !strings.HasSuffix(info.Name(), "_test.go") }
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || !strings.HasSuffix(entry.Name(), ".go") || !notTests(info) {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), entry.Name(), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range file.Decls {
			types, ok := declaration.(*ast.GenDecl)
			if !ok || types.Tok != token.TYPE {
				continue
			}
			for _, spec := range types.Specs {
				name := spec.(*ast.TypeSpec).Name.Name
				text := strings.ToLower(types.Doc.Text() + spec.(*ast.TypeSpec).Doc.Text())
				if ast.IsExported(name) && !strings.Contains(text, "goroutine") && !strings.Contains(text, "concurrent") && !strings.Contains(text, "during the call only") && !strings.Contains(text, "as a triple is") {
					t.Errorf("%s: does not say whether goroutines may share it", name)
				}
			}
		}
	}
}

// TestLexiconsAreApart: what is added to a lexicon is not in one that was made of
// it, or that it was made of.
func TestLexiconsAreApart(t *testing.T) {
	original := NewLexicon(nil)
	original.Add("zebra apple")
	before, err := original.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	other, err := original.WithTokenizer(Words{})
	if err != nil {
		t.Fatal(err)
	}
	other.Coverage("apple", "zebra")
	other.Add("a quite different document")
	after, err := original.MarshalJSON()
	if diff := cmp.Diff(string(before), string(after)); diff != "" || err != nil {
		t.Errorf("the original has changed: %v\n%s", err, diff)
	}
	idf := func(documents, frequency float64) float64 {
		return math.Log(1 + (documents-frequency+0.5)/(frequency+0.5))
	}
	if original.Documents() != 1 || other.Documents() != 2 || original.IDF("different") != idf(1, 0) || other.IDF("different") != idf(2, 1) {
		t.Error(original.IDF("different"), other.IDF("different"))
	}
	original.Add("apple")
	if got := other.IDF("apple"); got != idf(2, 1) {
		t.Errorf("the copy counts what was added to the original: %v", got)
	}
	var zero Lexicon
	if zero.Documents() != 0 || zero.Coverage("a", "a") != 1 || zero.Tokenizer().Name() != "words" {
		t.Error("the zero lexicon is not an empty one")
	}
	if zero.Add("a"); zero.Documents() != 1 || new(Lexicon).Documents() != 0 {
		t.Error("nothing was added, or to all empty ones")
	}
}
