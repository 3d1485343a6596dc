//go:build !noasm

package chol

import (
	"math"

	"golang.org/x/sys/cpu"
)

//go:generate go run ../avo -kernels chol -pkg chol -out kernel_amd64.s -stubs kernel_amd64.go

var (
	avx512 = kernel{
		name: "avx512", mr: 8, lane: 8,
		tiles:  []tile{tile8x8AVX512, tile8x16AVX512, tile8x24AVX512},
		solves: []solve{solve8x8AVX512, solve8x16AVX512, solve8x24AVX512},
		chain:  fusedChain,
	}
	avx2 = kernel{
		name: "avx2", mr: 4, lane: 4,
		tiles:  []tile{tile4x4AVX2, tile4x8AVX2, tile4x12AVX2},
		solves: []solve{solve4x4AVX2, solve4x8AVX2, solve4x12AVX2},
		chain:  fusedChain,
	}
)

func fusedChain(sum, x, y float64) float64 { return math.FMA(-x, y, sum) }

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
