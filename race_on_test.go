//go:build race

package eci

// UnderRace says that the race detector is on: it slows plain loops tenfold, and
// the few tests that are long without it, and start no goroutine that another
// test does not start, leave themselves to the run without it.
const UnderRace = true
