// Package textcheck examines single texts: whether one contains another, where one was
// cut, and how one is damaged.
package textcheck
