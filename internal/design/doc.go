// Package design chooses the rows of a matrix that together carry the most
// information: D-optimal design by submodular maximization.
//
// The value of a set T of rows l, each of length d, is
//
//	f(T) = 1/2 ln det(I + sum_T l lT)
//
// in nats. f is monotone and submodular. [Pool] is the greedy choice with all rows in
// memory. [Sieve] is the choice in one pass. The caller decides what a row represents.
package design
