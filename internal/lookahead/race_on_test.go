//go:build race

package lookahead_test

// underRace reports whether the race detector is on.
const underRace = true
