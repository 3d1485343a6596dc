// Package peak measures how many multiply-add a core can do, the limit that the
// kernels are compared with:
//
//	go test -bench . ./peak
package peak

//go:generate go run .. -kernels peak -pkg peak -out peak_amd64.s -stubs peak_amd64.go
