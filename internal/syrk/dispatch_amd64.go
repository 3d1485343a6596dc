//go:build !noasm

package syrk

import "golang.org/x/sys/cpu"

//go:generate go run ../avo -kernels syrk -pkg syrk -out kernel_amd64.s -stubs kernel_amd64.go

var (
	avx512 = kernel{name: "avx512", mr: 8, lane: 16, tiles: []tile[float32]{tile8x16AVX512, tile8x32AVX512, tile8x48AVX512}, pack: pack32x48AVX512}
	avx2   = kernel{name: "avx2", mr: 4, lane: 8, tiles: []tile[float32]{tile4x8AVX2, tile4x16AVX2, tile4x24AVX2}, pack: pack32x24AVX2}

	exactAVX512 = kernel64{name: "avx512", mr: 8, lane: 8, tiles: []tile[float64]{exact8x8AVX512, exact8x16AVX512, exact8x24AVX512}, pack: pack64x24AVX512}
	exactAVX2   = kernel64{name: "avx2", mr: 4, lane: 4, tiles: []tile[float64]{exact4x4AVX2, exact4x8AVX2, exact4x12AVX2}, pack: pack64x12AVX2}
)

// vectorKernels and vectorKernels64 are all vector kernels of this build.
var (
	vectorKernels   = []*kernel{&avx512, &avx2}
	vectorKernels64 = []*kernel64{&exactAVX512, &exactAVX2}
)

// kernels and kernels64 are those this machine can run, the fastest first.
var (
	kernels   = append(available(vectorKernels), &generic)
	kernels64 = append(available(vectorKernels64), &generic64)
)

func available[T float32 | float64](vector []*kernelOf[T]) []*kernelOf[T] {
	var usable []*kernelOf[T]
	if cpu.X86.HasAVX512F {
		usable = append(usable, vector[0])
	}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		usable = append(usable, vector[1])
	}
	return usable
}
