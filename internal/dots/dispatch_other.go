//go:build !amd64 || noasm

package dots

const (
	hasAssembly = false
	useAVX2     = false
)

func fiveAVX2(_, _, _ []float32, _ *[5][lanes]float64) { panic("dots: no assembly") }

func residualAVX2(_, _, _, _ []float32, _, _, _ float64, _ *[lanes]float64) {
	panic("dots: no assembly")
}
