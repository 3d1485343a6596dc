// Package house holds the repository to its own floor plan: which package may
// import which, how long a function may be, and how far the files of the root
// package may be tangled. It has no code but tests.
package house

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "example.com/eci"
)

// The limits of the root package. Lower one when it is beaten; raise none.
const (
	mostFiles        = 60  // files without tests
	mostNames        = 372 // package-level names
	largestCycle     = 16  // files that refer to one another in a circle
	longestFunction  = 70  // lines
	longestFile      = 480 // lines
	publicPackages   = 1   // example.com/eci itself
	methodOfTheHouse = "what is under internal/ knows nothing of the method"
)

// parsed is one package of the tree, without its tests.
type parsed struct {
	dir   string // relative to the root, "." for the root package
	files map[string]*ast.File
}

// tree parses every package of the root module, tests left out.
func tree(t *testing.T, fset *token.FileSet) map[string]*parsed {
	t.Helper()
	packages := make(map[string]*parsed)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		dir = filepath.ToSlash(dir)
		if packages[dir] == nil {
			packages[dir] = &parsed{dir: dir, files: make(map[string]*ast.File)}
		}
		packages[dir].files[path] = file
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

// TestWalls holds imports to the floor plan.
func TestWalls(t *testing.T) {
	fset := token.NewFileSet()
	for dir, p := range tree(t, fset) {
		for path, file := range p.files {
			for _, spec := range file.Imports {
				imported, _ := strconv.Unquote(spec.Path.Value)
				if reason := forbidden(dir, imported); reason != "" {
					t.Errorf("%s imports %s: %s", path, imported, reason)
				}
			}
		}
	}
}

// forbidden says why a package in dir must not import another, or "".
func forbidden(dir, imported string) string {
	if strings.HasPrefix(dir, "internal/") && imported == module {
		return methodOfTheHouse
	}
	if dir == "." && !strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
		return "" // the standard library
	}
	if dir == "." && !slices.ContainsFunc([]string{module + "/internal/", "gonum.org/v1/gonum/", "golang.org/x/exp/", "golang.org/x/sys/"},
		func(prefix string) bool { return strings.HasPrefix(imported, prefix) }) {
		return "the library needs gonum, x/exp and x/sys only; heavier things live in modules of their own"
	}
	return ""
}

// TestFloorPlan holds every package to short functions and files, and the root
// package to few files, few names and a small core.
func TestFloorPlan(t *testing.T) {
	fset := token.NewFileSet()
	packages := tree(t, fset)
	public := 0
	for dir, p := range packages {
		for path, file := range p.files {
			if lines := fset.Position(file.FileEnd).Line; lines > longestFile && !generated(file) {
				t.Errorf("%s has %d lines, more than %d", path, lines, longestFile)
			}
			for _, d := range file.Decls {
				f, ok := d.(*ast.FuncDecl)
				if !ok {
					continue
				}
				if lines := fset.Position(f.End()).Line - fset.Position(f.Pos()).Line + 1; lines >= longestFunction && !generated(file) {
					t.Errorf("%s: %s has %d lines, %d or more", path, f.Name.Name, lines, longestFunction)
				}
			}
			if !strings.Contains(dir, "internal") && file.Name.Name != "main" && file.Name.Name != "documentation" && moduleOf(dir) == "." {
				public++
				break
			}
		}
	}
	if public > publicPackages {
		t.Errorf("%d public packages, want %d", public, publicPackages)
	}
	hall := packages["."]
	if n := len(hall.files); n > mostFiles {
		t.Errorf("the root has %d files, more than %d", n, mostFiles)
	}
	names, cycle := tangle(t, fset, hall)
	if names > mostNames {
		t.Errorf("the root has %d package-level names, more than %d", names, mostNames)
	}
	if len(cycle) > largestCycle {
		t.Errorf("%d files of the root refer to one another in a circle, more than %d: %s", len(cycle), largestCycle, strings.Join(cycle, " "))
	}
	t.Logf("root: %d files, %d names, largest cycle %d: %s", len(hall.files), names, len(cycle), strings.Join(cycle, " "))
}

// moduleOf is the folder of the module that dir belongs to.
func moduleOf(dir string) string {
	for ; dir != "."; dir = filepath.ToSlash(filepath.Dir(dir)) {
		if _, err := os.Stat(filepath.Join(root, dir, "go.mod")); err == nil {
			return dir
		}
	}
	return "."
}

func generated(file *ast.File) bool { return ast.IsGenerated(file) }

// tangle counts the package-level names of the root and returns its largest
// circle of files, each of which refers to a name, method or field that another
// declares.
func tangle(t *testing.T, fset *token.FileSet, p *parsed) (names int, cycle []string) {
	t.Helper()
	paths := make([]string, 0, len(p.files))
	for path := range p.files {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	files := make([]*ast.File, 0, len(paths))
	for _, path := range paths {
		if !builds(p.files[path]) {
			continue
		}
		files = append(files, p.files[path])
	}
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object)}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", exported(t)), Error: func(error) {}}
	pkg, err := config.Check(module, fset, files, info)
	if err != nil {
		t.Fatal(err)
	}
	names = len(pkg.Scope().Names())
	refers := make(map[string]map[string]bool)
	for ident, object := range info.Uses {
		if object.Pkg() != pkg || !object.Pos().IsValid() {
			continue
		}
		from, to := filepath.Base(fset.Position(ident.Pos()).Filename), filepath.Base(fset.Position(object.Pos()).Filename)
		if from != to {
			if refers[from] == nil {
				refers[from] = make(map[string]bool)
			}
			refers[from][to] = true
		}
	}
	for _, component := range components(refers) {
		if len(component) > len(cycle) {
			cycle = component
		}
	}
	return names, cycle
}

// exported returns what the root's dependencies export, as the compiler left it in the
// build cache: checking their sources takes half a minute.
func exported(t *testing.T) func(path string) (io.ReadCloser, error) {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", ".")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		files[path] = file
	}
	return func(path string) (io.ReadCloser, error) { return os.Open(files[path]) }
}

// builds reports whether a file has no build constraint, or one that this test
// need not look at: the files of other platforms declare the same names.
func builds(file *ast.File) bool {
	for _, group := range file.Comments {
		if group.Pos() > file.Package {
			break
		}
		for _, c := range group.List {
			if strings.HasPrefix(c.Text, "//go:build ") {
				tags := strings.TrimPrefix(c.Text, "//go:build ")
				return strings.Contains(tags, "unix") && !strings.Contains(tags, "!") || strings.HasPrefix(tags, "!windows")
			}
		}
	}
	return true
}

// components returns the strongly connected components of a graph (Tarjan), each
// sorted, the largest first.
func components(edges map[string]map[string]bool) [][]string {
	var (
		stack []string
		found [][]string
		next  = 1
		index = make(map[string]int)
		low   = make(map[string]int)
		on    = make(map[string]bool)
		visit func(string)
	)
	visit = func(v string) {
		index[v], low[v] = next, next
		next++
		stack = append(stack, v)
		on[v] = true
		for w := range edges[v] {
			if index[w] == 0 {
				visit(w)
				low[v] = min(low[v], low[w])
			} else if on[w] {
				low[v] = min(low[v], index[w])
			}
		}
		if low[v] != index[v] {
			return
		}
		at := slices.Index(stack, v)
		component := slices.Clone(stack[at:])
		stack = stack[:at]
		for _, w := range component {
			on[w] = false
		}
		slices.Sort(component)
		found = append(found, component)
	}
	for v := range edges {
		if index[v] == 0 {
			visit(v)
		}
	}
	slices.SortFunc(found, func(a, b []string) int { return cmp.Compare(len(b), len(a)) })
	return found
}

// TestComponents is the twin of the walls' own algorithm on graphs drawn by hand.
func TestComponents(t *testing.T) {
	graph := func(arrows ...string) map[string]map[string]bool {
		edges := make(map[string]map[string]bool)
		for _, arrow := range arrows {
			from, to, _ := strings.Cut(arrow, ">")
			if edges[from] == nil {
				edges[from] = make(map[string]bool)
			}
			edges[from][to] = true
		}
		return edges
	}
	for _, test := range []struct {
		reason string
		edges  map[string]map[string]bool
		want   string
	}{
		{"a chain has no circle", graph("a>b", "b>c"), "[a]"},
		{"two files that need each other", graph("a>b", "b>a", "c>a"), "[a b]"},
		{"two circles that share a file are one", graph("a>b", "b>a", "b>c", "c>b"), "[a b c]"},
		{"the larger of two", graph("a>b", "b>a", "c>d", "d>e", "e>c", "a>c"), "[c d e]"},
	} {
		got := components(test.edges)
		size := len(got[0])
		if test.reason == "a chain has no circle" {
			if size != 1 {
				t.Errorf("%s: %v", test.reason, got)
			}
			continue
		}
		if fmt.Sprint(got[0]) != test.want {
			t.Errorf("%s: got %v, want %s", test.reason, got[0], test.want)
		}
	}
}
