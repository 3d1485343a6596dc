package eci

import (
	"runtime"
	"sync"
)

// parallel splits 0..n-1 into one contiguous range a core and calls work on each
// range concurrently. Work on different indices must be independent, so that the
// result does not depend on the number of cores.
func parallel(n int, work func(lo, hi int)) { parallelOn(0, n, work) }

// coresOf is the number of cores to use of so many allowed; 0 allows all.
func coresOf(allowed int) int {
	if all := runtime.GOMAXPROCS(0); allowed == 0 || all < allowed {
		return all
	}
	return allowed
}

// parallelOn is parallel on some of the cores, 0 for all.
func parallelOn(cores, n int, work func(lo, hi int)) {
	workers := min(n, coresOf(cores))
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
