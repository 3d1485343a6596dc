package lookahead

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// each calls work for 0..n-1 concurrently, every core taking the next index when
// it is free. The calls must be independent of each other and of their order.
// When ctx ends, no further calls are made and its error is returned.
func each(ctx context.Context, n int, work func(i int)) error {
	var next atomic.Int64
	run := func() {
		for ctx.Err() == nil {
			i := int(next.Add(1)) - 1
			if i >= n {
				return
			}
			work(i)
		}
	}
	var wait sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) - 1 {
		wait.Go(run)
	}
	run()
	wait.Wait()
	return ctx.Err()
}

// chunks is the number of pieces of at most size elements that n elements make.
func chunks(n, size int) int { return (n + size - 1) / size }

func roundUp(n, multiple int) int { return chunks(n, multiple) * multiple }
