// Package cores spreads independent work over the cores of the machine, in a way
// that cannot change the result.
package cores

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Of is the number of cores to use when some are allowed; 0 allows all.
func Of(allowed int) int {
	if all := runtime.GOMAXPROCS(0); allowed == 0 || all < allowed {
		return all
	}
	return allowed
}

// All is Split over all cores.
func All(n int, work func(lo, hi int)) { Split(0, n, work) }

// Split splits 0..n-1 into one contiguous range a core, for the allowed number of cores
// (0 for all), and calls work on each range concurrently. Work on different indices
// must be independent, so that the result does not depend on the number of cores.
func Split(allowed, n int, work func(lo, hi int)) {
	workers := min(n, Of(allowed))
	if workers <= 1 {
		work(0, n)
		return
	}
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() { work(w*n/workers, (w+1)*n/workers) })
	}
	wait.Wait()
}

// Each spreads n pieces of work of different sizes: goroutines, as many as Split has,
// take the next piece whenever they are done with one. next returns its number, or n
// when all are taken. Which goroutine takes which is not fixed, so a result must not
// depend on it.
func Each(allowed, n int, work func(next func() int)) {
	var taken atomic.Int64
	next := func() int { return int(min(taken.Add(1)-1, int64(n))) }
	workers := min(n, Of(allowed))
	Split(workers, workers, func(int, int) { work(next) })
}
