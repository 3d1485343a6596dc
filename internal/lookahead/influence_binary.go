package lookahead

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// The stored form of an Influence, little-endian:
//
//	size    content
//	4       d, the dimension
//	4       r, the number of axes
//	4       the number of folds
//	4       1 if it is disjoint, else 0
//	8       the margin scale, float64
//	8 r d   the axes, one after the other, float64
//	        for each state, one if it is disjoint, else one for each fold:
//	8 r r   Y, float64
//	8 r r   D, float64
const influenceHeader = 24

// AppendBinary appends the stored form of what Score needs: 8 r (d + 2 r s) bytes for s
// states. The walks ([Influence.Folds]) are not stored.
func (in *Influence) AppendBinary(out []byte) []byte {
	s := in.space
	for _, n := range [...]int{s.d, s.axes.r, s.settings.Folds} {
		out = binary.LittleEndian.AppendUint32(out, uint32(n))
	}
	disjoint := uint32(0)
	if in.disjoint {
		disjoint = 1
	}
	out = binary.LittleEndian.AppendUint32(out, disjoint)
	out = appendNumbers(out, []float64{s.settings.MarginScale})
	out = appendNumbers(out, s.axes.rows)
	for i := range in.states {
		out = appendNumbers(appendNumbers(out, in.states[i].y), in.states[i].d)
	}
	return out
}

func appendNumbers(out []byte, numbers []float64) []byte {
	out = slices.Grow(out, 8*len(numbers))
	for _, x := range numbers {
		out = binary.LittleEndian.AppendUint64(out, math.Float64bits(x))
	}
	return out
}

// ReadInfluence reads what AppendBinary wrote. The result scores triples to the same
// bits. It checks lengths before it allocates anything, and returns an error for
// anything that AppendBinary does not write.
func ReadInfluence(data []byte) (*Influence, error) {
	if len(data) < influenceHeader {
		return nil, fmt.Errorf("lookahead: %d bytes are fewer than the header of an influence", len(data))
	}
	var head [4]int
	for i := range head {
		head[i] = int(binary.LittleEndian.Uint32(data[4*i:]))
	}
	const mostDimensions = 1 << 20
	d, r, folds, disjoint := head[0], head[1], head[2], head[3]
	if d < 1 || d > mostDimensions || r < 1 || r > d || disjoint > 1 {
		return nil, fmt.Errorf("lookahead: an influence of %d axes in %d dimensions", r, d)
	}
	settings, err := Settings{MarginScale: math.Float64frombits(binary.LittleEndian.Uint64(data[16:])), Axes: r, Folds: folds}.resolve()
	if err != nil {
		return nil, err
	}
	if settings.Folds != folds {
		return nil, errors.New("lookahead: an influence without folds")
	}
	states := int64(folds)
	if disjoint == 1 {
		states = 1
	}
	data = data[influenceHeader:]
	if want := 8 * int64(r) * (int64(d) + 2*int64(r)*states); int64(len(data)) != want {
		return nil, fmt.Errorf("lookahead: %d bytes of numbers, an influence of %d states takes %d", len(data), states, want)
	}
	take := func(n int) (out []float64) {
		for ; n > 0 && err == nil; n-- {
			x := math.Float64frombits(binary.LittleEndian.Uint64(data))
			if math.IsNaN(x) || math.IsInf(x, 0) {
				err = fmt.Errorf("lookahead: an influence holds %v", x)
			}
			out, data = append(out, x), data[8:]
		}
		return out
	}
	a := &axes{d: d, r: r, rows: take(r * d)}
	in := &Influence{space: &Space{settings: settings, axes: a, d: d}, disjoint: disjoint == 1, states: make([]state, states)}
	for i := range in.states {
		in.states[i].y, in.states[i].d = take(r*r), take(r*r)
	}
	if err != nil {
		return nil, err
	}
	a.right.Pack(a.rows, r, d, d)
	for i := range in.states {
		in.states[i].pack(r)
	}
	return in, nil
}

// pack packs the forms that Score multiplies by.
func (st *state) pack(r int) { st.forms.Pack(slices.Concat(st.y, st.d), 2*r, r, r) }
