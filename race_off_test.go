//go:build !race

package eci

// UnderRace: see the file for builds with the race detector.
const UnderRace = false
