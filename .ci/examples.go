// Writes what the examples of a package print into their "// Output:" comments:
//
//	go run .ci/examples.go [directory]
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	log.SetFlags(0)
	dir := "."
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	printed, err := failing(dir)
	if err != nil {
		log.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		log.Fatal(err)
	}
	for _, file := range files {
		if err := rewrite(file, printed); err != nil {
			log.Fatal(err)
		}
	}
	for name := range printed {
		log.Fatalf("%s is in no file", name)
	}
}

// failing runs the examples and returns what those print whose comments say
// something else.
func failing(dir string) (printed map[string]string, err error) {
	command := exec.Command("go", "test", "-json", "-run", "^Example", ".")
	command.Dir, command.Stderr = dir, os.Stderr
	out, runErr := command.Output()
	said := make(map[string]string)
	for line := range bytes.Lines(out) {
		var event struct{ Action, Test, Output string }
		if err := json.Unmarshal(line, &event); err != nil {
			return nil, fmt.Errorf("%s: %w", line, err)
		}
		if event.Action == "output" && event.Test != "" {
			said[event.Test] += event.Output
		}
	}
	printed = make(map[string]string)
	for name, output := range said {
		_, rest, failed := strings.Cut(output, "\ngot:\n")
		if got, _, ok := strings.Cut(rest, "\nwant:\n"); failed && ok {
			printed[name] = got
		}
	}
	if runErr != nil && len(printed) == 0 { // a panic, or it does not compile
		return nil, errors.Join(runErr, fmt.Errorf("%s", out))
	}
	return printed, nil
}

// rewrite replaces the comments in one file and deletes from printed what it wrote.
func rewrite(file string, printed map[string]string) error {
	source, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, file, source, parser.ParseComments)
	if err != nil {
		return err
	}
	now, last := new(bytes.Buffer), 0
	for _, declaration := range tree.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok {
			continue
		}
		got, ok := printed[function.Name.Name]
		if !ok {
			continue
		}
		for _, comment := range tree.Comments {
			if comment.Pos() < function.Pos() || comment.End() > function.End() || !strings.HasPrefix(comment.Text(), "Output:") {
				continue
			}
			now.Write(source[last:set.Position(comment.Pos()).Offset])
			now.WriteString("// Output:")
			for line := range strings.SplitSeq(got, "\n") {
				now.WriteString("\n" + strings.TrimRight("\t// "+line, " "))
			}
			last = set.Position(comment.End()).Offset
			delete(printed, function.Name.Name)
			fmt.Println(file, function.Name.Name)
		}
	}
	if last == 0 {
		return nil
	}
	now.Write(source[last:])
	return os.WriteFile(file, now.Bytes(), 0o644)
}
