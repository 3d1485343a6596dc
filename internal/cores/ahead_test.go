package cores_test

import (
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"testing"

	"example.com/eci/internal/cores"
)

// counted yields 0 to n-1, every seventh with an error, and says when it has ended.
func counted(n int, ended *bool) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		defer func() { *ended = true }()
		for i := range n {
			var err error
			if i%7 == 3 {
				err = fmt.Errorf("row %d", i)
			}
			if !yield(i, err) {
				return
			}
		}
	}
}

// TestAhead: what is read ahead is what is read, as far as it is asked for, and
// nothing runs afterwards.
func TestAhead(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	collect := func(rows iter.Seq2[int, error], most int) (out []string) {
		for i, err := range rows {
			if len(out) == most {
				break
			}
			out = append(out, fmt.Sprint(i, err))
			if i%100 == 50 {
				runtime.Gosched()
			}
		}
		return out
	}
	for _, procs := range []int{1, 2, 4} {
		runtime.GOMAXPROCS(procs)
		for _, n := range []int{0, 1, 2, 255, 256, 257, 1000, 5000} {
			for _, most := range []int{0, 1, 256, 300, n, n + 1} {
				var ended, endedAhead bool
				want := collect(counted(n, &ended), most)
				got := collect(cores.Ahead(counted(n, &endedAhead)), most)
				if !slices.Equal(got, want) || !endedAhead {
					t.Fatalf("%d cores, %d of %d rows: %d rows, ended %t", procs, most, n, len(got), endedAhead)
				}
			}
		}
	}
}

// TestAheadPanics: a panic of the reader arrives where the rows are used, after the
// rows before it, and one of the user ends the reader.
func TestAheadPanics(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	broken := errors.New("broken")
	rows := 0
	err := func() (err error) {
		defer func() { err, _ = recover().(error) }()
		for range cores.Ahead(func(yield func(int, error) bool) {
			for i := range 300 {
				yield(i, nil)
			}
			panic(broken)
		}) {
			rows++
		}
		return nil
	}()
	if !errors.Is(err, broken) || rows != 300 {
		t.Errorf("error %v after %d rows", err, rows)
	}
	ended := false
	func() {
		defer func() { recover() }()
		for range cores.Ahead(counted(1000, &ended)) {
			panic(broken)
		}
	}()
	if !ended {
		t.Error("the reader still runs")
	}
}
