package eci

import "example.com/eci/internal/cores"

// parallel splits 0..n-1 into one contiguous range a core and calls work on each
// range concurrently. Work on different indices must be independent, so that the
// result does not depend on the number of cores.
func parallel(n int, work func(lo, hi int)) { cores.Split(0, n, work) }
