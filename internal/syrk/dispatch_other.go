//go:build !amd64 || noasm

package syrk

// kernels and kernels64 are those this machine can run, the fastest first.
var (
	kernels   = []*kernel{&generic}
	kernels64 = []*kernel64{&generic64}
)

// vectorKernels and vectorKernels64 are all vector kernels of this build.
var (
	vectorKernels   []*kernel
	vectorKernels64 []*kernel64
)
