package cores

import "iter"

// aheadRows bounds how many rows a reader is ahead by, twice.
const aheadRows = 256

// Ahead ranges over rows in a goroutine of its own, while those before are worked on,
// and yields the same in the same order. A row must stay as it is after the next one
// is asked for. The goroutine has ended when the returned sequence has; where it
// panics, so does that. With one core the rows are returned as they are.
func Ahead[R any](rows iter.Seq2[R, error]) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		if Of(0) == 1 {
			rows(yield)
			return
		}
		read := &ahead[R]{full: make(chan []aheadRow[R], 1), stop: make(chan struct{})}
		go read.run(rows)
		defer read.end()
		for chunk := range read.full {
			for i := range chunk {
				if !yield(chunk[i].row, chunk[i].err) {
					return
				}
			}
		}
		if read.panicked {
			panic(read.value)
		}
	}
}

type aheadRow[R any] struct {
	row R
	err error
}

// ahead is a reading that runs ahead.
type ahead[R any] struct {
	full     chan []aheadRow[R]
	stop     chan struct{}
	panicked bool // read after full is closed, as is value
	value    any
}

// run sends the rows in chunks: as many as came while the receiver was busy.
func (a *ahead[R]) run(rows iter.Seq2[R, error]) {
	defer close(a.full)
	var chunk []aheadRow[R]
	done := false
	defer func() {
		if !done {
			a.panicked, a.value = true, recover()
			a.send(chunk)
		}
	}()
	rows(func(row R, err error) bool {
		chunk = append(chunk, aheadRow[R]{row, err})
		select {
		case <-a.stop:
			return false
		case a.full <- chunk:
			chunk = make([]aheadRow[R], 0, len(chunk))
			return true
		default:
		}
		if len(chunk) < aheadRows {
			return true
		}
		if !a.send(chunk) {
			return false
		}
		chunk = make([]aheadRow[R], 0, aheadRows)
		return true
	})
	a.send(chunk)
	done = true
}

// send waits until the chunk is taken. It reports false when no more are wanted.
func (a *ahead[R]) send(chunk []aheadRow[R]) bool {
	select {
	case <-a.stop:
		return false
	case a.full <- chunk:
		return true
	}
}

// end stops the goroutine and waits for its end.
func (a *ahead[R]) end() {
	close(a.stop)
	for range a.full {
	}
}
