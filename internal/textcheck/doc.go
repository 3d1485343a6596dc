// Package textcheck looks at single texts: whether one contains another, where
// one was cut, and what damage it carries.
package textcheck
