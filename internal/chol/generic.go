package chol

// generic is the portable kernel: tiles of 4 x 4 in two halves, so that the
// sums fit the registers of any machine.
var generic = kernel{
	name: "generic", mr: 4, lane: 4,
	tiles:  []tile{tileGeneric},
	solves: []solve{solveGeneric},
	chain:  func(sum, x, y float64) float64 { return sum - x*y },
}

// tileGeneric is, like the vector tiles,
//
//	for r := range n {
//		for i := range 4 {
//			for j := range 4 {
//				c[i*ldc+j] -= a[r*4+i] * b[r*ldb+j]
//			}
//		}
//	}
func tileGeneric(n int, a, b []float64, ldb int, c []float64, ldc int) {
	for i := 0; i < 4; i += 2 {
		c0, c1 := (*[4]float64)(c[i*ldc:]), (*[4]float64)(c[(i+1)*ldc:])
		s00, s01, s02, s03 := c0[0], c0[1], c0[2], c0[3]
		s10, s11, s12, s13 := c1[0], c1[1], c1[2], c1[3]
		for r := range n {
			x := (*[2]float64)(a[r*4+i:])
			y := (*[4]float64)(b[r*ldb:])
			s00 -= x[0] * y[0]
			s01 -= x[0] * y[1]
			s02 -= x[0] * y[2]
			s03 -= x[0] * y[3]
			s10 -= x[1] * y[0]
			s11 -= x[1] * y[1]
			s12 -= x[1] * y[2]
			s13 -= x[1] * y[3]
		}
		*c0 = [4]float64{s00, s01, s02, s03}
		*c1 = [4]float64{s10, s11, s12, s13}
	}
}

// solveGeneric is tileGeneric and then
//
//	for i := range 4 {
//		for j := range 4 {
//			c[i*ldc+j] *= t[i*4+i]
//			for below := i + 1; below < 4; below++ {
//				c[below*ldc+j] -= t[i*4+below] * c[i*ldc+j]
//			}
//		}
//	}
func solveGeneric(n int, a, b []float64, ldb int, c []float64, ldc int, t []float64) {
	tileGeneric(n, a, b, ldb, c, ldc)
	for i := range 4 {
		row := (*[4]float64)(c[i*ldc:])
		for j := range row {
			row[j] *= t[i*4+i]
		}
		for below := i + 1; below < 4; below++ {
			to := (*[4]float64)(c[below*ldc:])
			for j, x := range row {
				to[j] -= t[i*4+below] * x
			}
		}
	}
}
