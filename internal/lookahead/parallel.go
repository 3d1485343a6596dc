package lookahead

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// each calls work for 0..n-1 concurrently. Every core takes the next index when it is
// free. The calls must not depend on each other or on their order. When ctx ends, each
// makes no further calls and returns the error of ctx.
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

// chunks returns the number of pieces of at most size elements in n elements.
func chunks(n, size int) int { return (n + size - 1) / size }

func roundUp(n, multiple int) int { return chunks(n, multiple) * multiple }
