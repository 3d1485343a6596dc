//go:build !noasm

package dots

import "golang.org/x/sys/cpu"

//go:generate go run ../avo -kernels dots -pkg dots -out kernel_amd64.s -stubs kernel_amd64.go

const hasAssembly = true

var useAVX2 = cpu.X86.HasAVX2 && cpu.X86.HasFMA
