package syrk

// generic is the portable kernel: tiles of 4 x 4 in two halves, so that the
// sums fit the registers of any machine.
var generic = kernel{name: "generic", mr: 4, lane: 4, tiles: []tile{tileGeneric}, pack: packGeneric}

// tileGeneric is the twin that the vector kernels are tested against:
//
//	for i := range 4 {
//		for j := range 4 {
//			var sum float64
//			for r := range n {
//				sum += float64(a[r*4+i]) * float64(b[r*ldb+j])
//			}
//			c[i*ldc+j] += sum
//		}
//	}
//
// The products are exact, so it gives the same bits whether or not the compiler
// fuses them with the additions.
func tileGeneric(n int, a, b []float32, ldb int, c []float64, ldc int) {
	for i := 0; i < 4; i += 2 {
		var s00, s01, s02, s03, s10, s11, s12, s13 float64
		for r := range n {
			x := (*[2]float32)(a[r*4+i:])
			y := (*[4]float32)(b[r*ldb:])
			x0, x1 := float64(x[0]), float64(x[1])
			y0, y1, y2, y3 := float64(y[0]), float64(y[1]), float64(y[2]), float64(y[3])
			s00 += x0 * y0
			s01 += x0 * y1
			s02 += x0 * y2
			s03 += x0 * y3
			s10 += x1 * y0
			s11 += x1 * y1
			s12 += x1 * y2
			s13 += x1 * y3
		}
		to := (*[4]float64)(c[i*ldc:])
		to[0] += s00
		to[1] += s01
		to[2] += s02
		to[3] += s03
		to = (*[4]float64)(c[(i+1)*ldc:])
		to[0] += s10
		to[1] += s11
		to[2] += s12
		to[3] += s13
	}
}

// packGeneric copies panels of 4 columns, which are both A and B panels.
func packGeneric(n int, rows []float32, d int, a []float32, _ int, b []float32) {
	for r := range n {
		row := *(*[4]float32)(rows[r*d:])
		*(*[4]float32)(a[r*4:]) = row
		*(*[4]float32)(b[r*4:]) = row
	}
}
