//go:build !noasm

package syrk

import "golang.org/x/sys/cpu"

//go:generate go run ../avo -kernels syrk -pkg syrk -out kernel_amd64.s -stubs kernel_amd64.go

var (
	avx512 = kernel{name: "avx512", mr: 8, lane: 16, tiles: []tile{tile8x16AVX512, tile8x32AVX512, tile8x48AVX512}, pack: pack48AVX512}
	avx2   = kernel{name: "avx2", mr: 4, lane: 8, tiles: []tile{tile4x8AVX2, tile4x16AVX2, tile4x24AVX2}, pack: pack24AVX2}
)

// vectorKernels are all vector kernels of this build.
var vectorKernels = []*kernel{&avx512, &avx2}

// kernels are those this machine can run, the fastest first.
var kernels = available()

func available() []*kernel {
	var usable []*kernel
	if cpu.X86.HasAVX512F {
		usable = append(usable, &avx512)
	}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		usable = append(usable, &avx2)
	}
	return append(usable, &generic)
}
