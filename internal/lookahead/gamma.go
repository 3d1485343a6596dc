package lookahead

import "math"

// A gradient describes one triple at the current vectors.
type gradient struct {
	plus, minus float64 // cosines of the query with positive and negative
	omega       float64 // slope of the loss
	curvature   float64 // omega (1 - omega), without the factor 1/σ
}

// gradient returns the cosines and weights of a triple.
func (m *moved) gradient(w *row, r int, scale float64) gradient {
	q := m.z[w.q*r:][:r]
	g := gradient{
		plus:  dot(q, m.z[w.p*r:][:r]) + w.outsideP*m.inverse[w.q]*m.inverse[w.p],
		minus: dot(q, m.z[w.n*r:][:r]) + w.outsideN*m.inverse[w.q]*m.inverse[w.n],
	}
	g.omega = sigmoid(-(g.plus - g.minus) / scale)
	g.curvature = g.omega * sigmoid((g.plus-g.minus)/scale)
	return g
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// factor writes Γ of a triple as Σ sign_a w_a w_aᵀ with three vectors, and returns the
// signs.
//
// With e = p - n, Γ = e qᵀ + q eᵀ - m q qᵀ - s⁺ (n eᵀ + e nᵀ + e eᵀ) - m n nᵀ.
// Expressed in q, n and e/|e|, every coefficient is small if p and n are close. So no
// digits cancel.
// no digits cancel there.
func (m *moved) factor(w *row, r int, g gradient, w0, w1, w2 []float64) (signs [3]float64) {
	q, p, n := m.z[w.q*r:][:r], m.z[w.p*r:][:r], m.z[w.n*r:][:r]
	var square float64
	for k := range w2 {
		w2[k] = p[k] - n[k]
		square += w2[k] * w2[k]
	}
	size := math.Sqrt(square)
	inverse := 0.0
	if size > 0 {
		inverse = 1 / size
	}
	margin := g.plus - g.minus
	b := [3][3]float64{
		{-margin, 0, size},
		{0, -margin, -g.plus * size},
		{size, -g.plus * size, -g.plus * square},
	}
	vectors := eigen3(&b)
	var t [3][3]float64
	for a := range 3 {
		root := math.Sqrt(math.Abs(b[a][a]))
		signs[a] = math.Copysign(1, b[a][a])
		for i := range 3 {
			t[a][i] = vectors[i][a] * root
		}
		t[a][2] *= inverse
	}
	for k := range w2 {
		x, y, z := q[k], n[k], w2[k]
		w0[k] = t[0][0]*x + t[0][1]*y + t[0][2]*z
		w1[k] = t[1][0]*x + t[1][1]*y + t[1][2]*z
		w2[k] = t[2][0]*x + t[2][1]*y + t[2][2]*z
	}
	return signs
}

// eigen3 diagonalizes a symmetric matrix by cyclic Jacobi rotations. It leaves the
// eigenvalues on the diagonal of b and returns the eigenvectors as columns.
func eigen3(b *[3][3]float64) (v [3][3]float64) {
	v = [3][3]float64{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}
	for range 12 {
		off := b[0][1]*b[0][1] + b[0][2]*b[0][2] + b[1][2]*b[1][2]
		on := b[0][0]*b[0][0] + b[1][1]*b[1][1] + b[2][2]*b[2][2]
		if off <= 1e-34*on || off == 0 {
			break
		}
		rotate(b, &v, 0, 1)
		rotate(b, &v, 0, 2)
		rotate(b, &v, 1, 2)
	}
	return v
}

// rotate makes the elements (i, j) and (j, i) of b zero.
func rotate(b, v *[3][3]float64, i, j int) {
	if b[i][j] == 0 {
		return
	}
	theta := (b[j][j] - b[i][i]) / (2 * b[i][j])
	t := 1 / (math.Abs(theta) + math.Sqrt(theta*theta+1))
	if theta < 0 {
		t = -t
	}
	c := 1 / math.Sqrt(t*t+1)
	s := t * c
	for k := range 3 {
		b[k][i], b[k][j] = c*b[k][i]-s*b[k][j], s*b[k][i]+c*b[k][j]
	}
	for k := range 3 {
		b[i][k], b[j][k] = c*b[i][k]-s*b[j][k], s*b[i][k]+c*b[j][k]
		v[k][i], v[k][j] = c*v[k][i]-s*v[k][j], s*v[k][i]+c*v[k][j]
	}
}
