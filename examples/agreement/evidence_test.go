package main

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	evidencefiles "example.com/eci/testdata/evidence"
)

var update = flag.Bool("update", false, "write the tables into docs/evidence.md")

// block is the marker before computed text; <!-- end --> is after it.
var block = regexp.MustCompile(`(?m)^<!-- (table: (.*)|check) -->\n`)

// TestDocument: docs/evidence.md has every table, each once and as computed from
// the committed numbers, and the result of the check.
func TestDocument(t *testing.T) {
	e, err := readEvidence(evidencefiles.Files)
	if err != nil {
		t.Fatal(err)
	}
	tables, found, err := e.tables()
	if err != nil {
		t.Fatal(err)
	}
	computed := map[string]string{"check": check(found)}
	for _, table := range tables {
		computed["table: "+table.title] = table.String()
	}
	path := filepath.Join("..", "..", "docs", "evidence.md")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var fresh strings.Builder
	rest := string(raw)
	for {
		at := block.FindStringSubmatchIndex(rest)
		if at == nil {
			fresh.WriteString(rest)
			break
		}
		name := rest[at[2]:at[3]]
		want, ok := computed[name]
		if !ok {
			t.Errorf("%q is not computed, or twice in the document", name)
		}
		delete(computed, name)
		fresh.WriteString(rest[:at[1]] + "\n" + want + "\n")
		rest = rest[at[1]:]
		if end := strings.Index(rest, "<!-- end -->"); end >= 0 {
			rest = rest[end:]
		} else {
			t.Fatalf("%q has no <!-- end -->", name)
		}
	}
	for name := range computed {
		t.Errorf("the document lacks %q", name)
	}
	if *update {
		if err := os.WriteFile(path, []byte(fresh.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if fresh.String() != string(raw) {
		t.Error("docs/evidence.md differs from what the numbers give; run with -update and read what changed")
	}
}

// TestOrderRefuses: a pair with the worse source first, twice, or of a source
// without a gain is an error, not a figure.
func TestOrderRefuses(t *testing.T) {
	gain := map[string]float64{"a": 2, "b": 1}
	for _, pairs := range [][][2]string{{{"b", "a"}}, {{"a", "b"}, {"a", "b"}}, {{"a", "none"}}} {
		if _, err := order(gain, pairs); err == nil {
			t.Errorf("%v: no error", pairs)
		}
	}
	o, err := order(gain, [][2]string{{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		x    []float64
		want float64
	}{{[]float64{2, 1}, 1}, {[]float64{1, 2}, 0}, {[]float64{1, 1}, 0.5}} {
		if got := o.right(row.x); got != row.want {
			t.Errorf("%v: %v pairs right, want %v", row.x, got, row.want)
		}
	}
}

// TestCheck: a figure that differs in its last digit is listed, one that was not
// computed as well.
func TestCheck(t *testing.T) {
	found := make(figures)
	for _, p := range published[1:] {
		found[p.name] = p.value
	}
	found[published[2].name] += 0.0051
	got := check(found)
	for _, line := range []string{"92 of 94 are met", published[0].name + ": published 1776, not computed", published[2].name + ": published .53, computed .535"} {
		if !strings.Contains(got, line) {
			t.Errorf("no %q in\n%s", line, got)
		}
	}
}

func TestDecimal(t *testing.T) {
	for _, row := range []struct {
		x      float64
		digits int
		want   string
	}{{0.934, 2, ".93"}, {-0.0634, 2, "−.06"}, {-0.001, 2, ".00"}, {1, 2, "1.00"}, {1776, 0, "1776"}, {-0.001, 3, "−.001"}, {0, 0, "0"}} {
		if got := decimal(row.x, row.digits); got != row.want {
			t.Errorf("%v: %q, want %q", row.x, got, row.want)
		}
	}
}
