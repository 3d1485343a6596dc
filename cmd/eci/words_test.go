package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// fieldName finds what only a program in Go can set.
var fieldName = regexp.MustCompile(`\b(Sem|Lookahead|Files|Race|Linter|Server|Spool|Source)\.[A-Z]\w*|\b(BatchTexts|BatchBytes|KeyVariable|KeyInClear|MemoryBytes|TextBytes|NoKey|Unlimited)\b`)

// refusedBefore are settings that the command has no flag for, or refuses itself.
var refusedBefore = map[string]bool{
	"MemoryBytes %d is negative": true,
	"eci: %w: MaxNegatives is %d and TextBytes %d; neither can be negative": true,
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
	found := 0
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
				if err != nil || !strings.Contains(text, " ") || !fieldName.MatchString(text) || refusedBefore[text] {
					return true
				}
				found++
				// Placeholders are replaced with possible values.
				message := strings.NewReplacer("%w", "invalid settings", "%q", `"zip"`, "0 for %d or", "0 for 512 or").Replace(text)
				if got := inFlags(message); fieldName.MatchString(got) {
					t.Errorf("%s: %q names what a command line cannot set: %q", filepath.Base(file), text, got)
				}
				return true
			})
		}
	}
	if found < 20 {
		t.Errorf("%d messages name a field; are they looked for where they are?", found)
	}
}
