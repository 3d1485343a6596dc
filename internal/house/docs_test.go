package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentsNameTests: every test that a page names exists.
func TestDocumentsNameTests(t *testing.T) {
	tests := make(map[string]bool)
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark|Example)\w+)\(`)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, found := range declared.FindAllSubmatch(text, -1) {
			tests[string(found[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	named := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile("`(?:Test|Fuzz|Benchmark)[A-Z]\\w+`").FindAllString(string(text), -1) {
			named++
			if name = strings.Trim(name, "`"); !tests[name] {
				t.Errorf("%s: there is no %s", page, name)
			}
		}
	}
	if named < 20 {
		t.Errorf("%d tests are named; is the pattern right?", named)
	}
}

// TestReplacesAreInTheWorkspace: a module with a replace line cannot be installed
// by its path.
func TestReplacesAreInTheWorkspace(t *testing.T) {
	modules := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "go.mod" {
			return err
		}
		modules++
		text, err := os.ReadFile(path)
		if regexp.MustCompile(`(?m)^\s*replace\b`).Match(text) {
			t.Errorf("%s has a replace line; put it into go.work", path)
		}
		return err
	})
	if err != nil || modules < 4 {
		t.Errorf("%d modules, %v", modules, err)
	}
}
