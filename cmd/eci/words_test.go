package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.com/eci/internal/sorted"
)

// settingsTypes are the types of the library that hold settings of a command line.
var settingsTypes = []string{"Sem", "Lookahead", "Files", "Fields", "Race", "Linter", "Server", "Spool", "Source", "Output", "Target", "Choice", "DiskCacheConfig", "Study", "MixChoice"}

// goNames finds what only a program in Go can set or call: the exported fields of
// settings, as the library declares them, and its functions.
func goNames(t *testing.T) *regexp.Regexp {
	t.Helper()
	words := map[string]bool{}
	for _, pattern := range []string{"../../*.go", "../../formats/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || files == nil {
			t.Fatal(pattern, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range parsed.Decls {
				declared(d, words)
			}
		}
	}
	for word := range words {
		if !ast.IsExported(word) || slices.Contains(ordinary, word) {
			delete(words, word)
		}
	}
	if len(words) < 100 {
		t.Fatalf("the library has %d names", len(words))
	}
	return regexp.MustCompile(`\b(` + strings.Join(sorted.Keys(words), "|") + `)\b`)
}

// declared adds the names of a declaration: functions, constants, fields of settings.
func declared(d ast.Decl, words map[string]bool) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			words[d.Name.Name] = true
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					words[name.Name] = true
				}
			case *ast.TypeSpec:
				s, ok := spec.Type.(*ast.StructType)
				if !ok || !slices.Contains(settingsTypes, spec.Name.Name) {
					continue
				}
				for _, field := range s.Fields.List {
					for _, name := range field.Names {
						words[name.Name] = true
					}
				}
			}
		}
	}
}

// ordinary are names of the library that are words of messages as well.
var ordinary = []string{"URL", "BEIR", "Name", "Negatives", "Parquet"}

// outOfReach are messages that no command line can cause, by what makes that so.
var outOfReach = map[string][]string{
	"there is no flag for it": {
		"MemoryBytes %d is negative", "CacheBytes %d is negative", "BatchSize %d is negative", "MaxBytes %d is less than 1 MiB",
		"eci: %w: MaxNegatives is %d and TextBytes %d; neither can be negative", "eci: %w: disk cache: MaxBytes %d is too small for a vector of %d components",
		"%d bytes are to fit into MaxBytes, %d: %w", "eci: baseline %q: %w: Measure.Value is nil; use one of Measures",
		"eci: %w: Baseline.Measure needs a Name and a Value; see Measures",
		"calibrate anew, or set Calibration.Encoder to nil to use its scales all the same",
		"eci: %w: the calibration was taken with another encoder (identity %s) than the Embedder (%s); %s",
		"eci: %w: calibrate first, with Sem.Calibrate over all sources, or let Rank do it",
	},
	"the command always sets it": {
		"Embedder is nil", "Dir is empty; name a directory", "eci: %w: the scorer is nil; use &eci.Lookahead{Sem: eci.Sem{...}}",
		"Identity is empty and the Embedder has none; name model, version and prefixes, so that no vector of another encoder is returned",
		"eci: source %q: %w: Triples is nil", "Skip %#x has a policy that there is not", "Tokenizer %q: %w",
		"eci: lookahead: %w: a Target needs Queries, Pool and Relevant",
		"eci: lookahead: %w: with a Target, Pool and Relevant are the target's; set Target.Pool and Target.Relevant",
		"eci: hybrids and mixtures: %w: source %q has no matrix; rank with Sem, without ReleaseMatrix",
		"eci: forecast of a mixture: %w: the ranking has no forecasts; rank with a Lookahead",
		"eci: combination: %w: the ranking has no forecasts; rank with a Lookahead",
		"eci: sensitivity: %w: Sem has a frozen Calibration, which fixes what Run varies; leave it nil",
		"%w: %d triples at first, then %v; Triples must start anew each time it is ranged over",
	},
	"the command opens files with Files": {
		"%w; JSONL reads three shapes of JSON lines only: Files finds out which of the other formats it is",
	},
	"the command refuses it first": {
		"Epsilon2 %v is not positive and finite", "Temperature %v is not positive and finite", "field Temperature %v is not positive and finite",
		"Model is empty; name the encoder",
		"eci: race: %w: a race reads growing parts of the sources' own queries; rank for a Target without one",
	},
}

// elsewhere are messages that no command can cause.
var elsewhere = map[string]string{
	"minertest_baseline.go": "a test of a miner in Go",
	"minertest.go":          "a test of a miner in Go",
	"lexical.go":            "a tokenizer of the user's own",
}

// TestFieldWords reads every message of the library: none that names a field
// reaches a user of the command as it is.
func TestFieldWords(t *testing.T) {
	fieldName, found := goNames(t), 0
	apart := slices.Concat(slices.Collect(maps.Values(outOfReach))...)
	used := map[string]bool{}
	for _, pattern := range []string{"../../*.go", "../../formats/*.go", "../../internal/*/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || files == nil {
			t.Fatal(pattern, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") || elsewhere[filepath.Base(file)] != "" {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				literal, ok := n.(*ast.BasicLit)
				if !ok || literal.Kind != token.STRING {
					return true
				}
				text, err := strconv.Unquote(literal.Value)
				if err != nil || !strings.Contains(text, " ") || !fieldName.MatchString(text) {
					return true
				}
				if slices.Contains(apart, text) {
					used[text] = true
					return true
				}
				found++
				// Placeholders are replaced with possible values.
				message := strings.NewReplacer("%w", "invalid settings", "%q", `"zip"`, "0 for %d or", "0 for 512 or").Replace(text)
				for _, prefix := range []string{"eci: invalid settings: ", "eci: invalid settings: Server: "} { // of its caller, if any
					got := inFlags(prefix + message)
					if !fieldName.MatchString(strings.TrimPrefix(got, "eci: invalid settings: Server: ")) {
						return true
					}
					message = strings.TrimPrefix(got, prefix)
				}
				t.Errorf("%s: %q names what a command line cannot set: %q", filepath.Base(file), text, message)
				return true
			})
		}
	}
	for _, text := range apart {
		if !used[text] {
			t.Errorf("no message is %q any more", text)
		}
	}
	if found < 20 {
		t.Errorf("%d messages name a field; are they looked for where they are?", found)
	}
}
