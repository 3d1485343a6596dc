package eci

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

// TestWorkIsLinear reads inputs that are large in one direction. Work that grew
// with the square of their size would run into the time limit of the tests.
func TestWorkIsLinear(t *testing.T) {
	if testing.Short() || UnderRace {
		t.Skip("reads inputs of 30 MB, in one goroutine")
	}
	const n = 1 << 20
	t.Run("judgements of one query", func(t *testing.T) {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "q 0 d%d 1\n", i%(n-5))
		}
		judged, err := (&Files{FS: fstest.MapFS{"r": {Data: []byte(b.String())}}, Qrels: "r"}).Relevant()
		if err != nil || len(judged["q"]) != n-5 || judged["q"][7] != "d7" {
			t.Errorf("%d judgements, error %v", len(judged["q"]), err)
		}
	})
	t.Run("negatives of one row", func(t *testing.T) {
		var b strings.Builder
		b.WriteString(`{"anchor":"q","positive":"p"`)
		for i := range n {
			fmt.Fprintf(&b, `,"negative_%d":"n"`, n-i)
		}
		b.WriteString(`,"negative_3":"last"}`)
		rows := 0
		for triple, err := range JSONLFrom(fstest.MapFS{"x": {Data: []byte(b.String())}}, "x").Triples {
			if rows++; err != nil || rows == 3 != (triple.Negative() == "last") {
				t.Fatalf("row %d: %v, error %v", rows, triple, err)
			}
		}
		if rows != n {
			t.Errorf("%d triples, want %d", rows, n)
		}
	})
	t.Run("columns of a table", func(t *testing.T) {
		var b strings.Builder
		b.WriteString("query\tpositive")
		for i := range n {
			fmt.Fprintf(&b, "\tnegative_%d", i)
		}
		b.WriteString("\nq\tp" + strings.Repeat("\tn", n) + "\n")
		sources, err := (&Files{FS: fstest.MapFS{"x.tsv": {Data: []byte(b.String())}}}).Sources("x.tsv")
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		for _, err := range sources[0].Triples {
			if rows++; err != nil {
				t.Fatal(err)
			}
		}
		if rows != n {
			t.Errorf("%d triples, want %d", rows, n)
		}
	})
	t.Run("sources of one file", func(t *testing.T) {
		var b strings.Builder
		for i := range n / 4 {
			fmt.Fprintf(&b, `{"query":"q","positive":"p","negative":"n","source":"row %d"}`+"\n", i)
		}
		_, err := (&Files{FS: fstest.MapFS{"x": {Data: []byte(b.String())}}}).Sources("x")
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "row 1001") || !strings.Contains(err.Error(), "1000 sources") {
			t.Errorf("error %v", err)
		}
	})
}
