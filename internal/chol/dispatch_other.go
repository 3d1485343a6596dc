//go:build !amd64 || noasm

package chol

// kernels are those this machine can run, the fastest first.
var kernels = []*kernel{&generic}

// vectorKernels are all vector kernels of this build.
var vectorKernels []*kernel
