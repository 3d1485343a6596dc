// Package sorted works on ascending slices without duplicates as sets.
package sorted

import (
	"cmp"
	"maps"
	"slices"
)

// Common calls yield with every element that a and b have in common, in ascending
// order, until yield returns false.
func Common[T cmp.Ordered](a, b []T, yield func(x T) bool) {
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch x, y := a[i], b[j]; {
		case x < y:
			i++
		case y < x:
			j++
		default:
			if !yield(x) {
				return
			}
			i++
			j++
		}
	}
}

// Minus returns the elements of a that are not in b.
func Minus[T cmp.Ordered](a, b []T) (rest []T) {
	j := 0
	for _, x := range a {
		for j < len(b) && b[j] < x {
			j++
		}
		if j == len(b) || b[j] != x {
			rest = append(rest, x)
		}
	}
	return rest
}

// Keys returns the keys of a map in ascending order.
func Keys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
