// Package design chooses rows of a matrix that carry the most information
// together: D-optimal design by submodular maximization.
//
// The value of a set T of rows l, each of length d, is
//
//	f(T) = 1/2 ln det(I + sum_T l lT)
//
// in nats. f is monotone and submodular. [Pool] is the greedy choice with all rows
// in memory, [Sieve] the choice in one pass. A row stands for whatever the caller
// makes it of.
package design
