package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// TestEveryQueryComesFromOneSource: the file has as many triplets as a source has
// triples, all with the three fields, and the negatives of both members.
func TestEveryQueryComesFromOneSource(t *testing.T) {
	var out, report bytes.Buffer
	if err := run(t.Context(), &out, &report); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 480 || !strings.Contains(report.String(), "480 triplets") {
		t.Errorf("%d lines; %s", len(lines), report.String())
	}
	queries := make(map[string]int)
	for _, line := range lines {
		var row struct{ Anchor, Positive, Negative string }
		if err := json.Unmarshal([]byte(line), &row); err != nil || row.Anchor == "" || row.Positive == "" || row.Negative == "" {
			t.Fatalf("%s: %v", line, err)
		}
		queries[row.Anchor]++
	}
	for query, n := range queries {
		if n != 2 {
			t.Errorf("%d triplets of %q, a source has 2", n, query)
		}
	}
	if len(queries) != 240 {
		t.Errorf("%d queries", len(queries))
	}
}
