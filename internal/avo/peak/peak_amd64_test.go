//go:build amd64 && !noasm

package peak

import (
	"testing"

	"golang.org/x/sys/cpu"
)

func BenchmarkPeak(b *testing.B) {
	for _, set := range []struct {
		name  string
		can   bool
		run   func(n int)
		lanes int
	}{
		{"avx512", cpu.X86.HasAVX512F, peakAVX512, 16},
		{"avx2", cpu.X86.HasAVX2 && cpu.X86.HasFMA, peakAVX2, 8},
	} {
		b.Run(set.name, func(b *testing.B) {
			if !set.can {
				b.Skip("this processor cannot run it")
			}
			const steps = 1 << 16
			for range b.N {
				set.run(steps)
			}
			operations := 2 * 12 * float64(set.lanes) * steps * float64(b.N)
			b.ReportMetric(operations/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}
