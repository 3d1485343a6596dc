package sketch

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func vector(seed uint64, d int) []float32 {
	random := rand.New(rand.NewPCG(seed, 1))
	v := make([]float32, d)
	for k := range v {
		v[k] = float32(random.NormFloat64())
	}
	return v
}

// TestAlike: what an encoder and its storage do to a vector is told from another
// vector.
func TestAlike(t *testing.T) {
	for _, d := range []int{2, 64, 384, 4096} {
		for seed := range uint64(50) {
			v := vector(seed, d)
			changed := func(change func(k int, x float32) float32) []float32 {
				w := make([]float32, d)
				for k, x := range v {
					w[k] = change(k, x)
				}
				return w
			}
			largest := slices.Max(v)
			for name, w := range map[string][]float32{
				"itself": v,
				"scaled": changed(func(_ int, x float32) float32 { return 7 * x }),
				"noise":  changed(func(k int, x float32) float32 { return x * (1 + 1e-3*float32(k%3-1)) }),
				"int8": changed(func(_ int, x float32) float32 {
					return float32(math.Round(float64(x/max(largest, 5)*127))) / 127 * max(largest, 5)
				}),
			} {
				if d > 2 && !Of(true, "a", v).Alike(Of(true, "a", w)) {
					t.Errorf("%d components, seed %d: %s is another vector", d, seed, name)
				}
			}
			if m := Of(true, "a", v); d > 2 && m.Alike(Of(true, "a", vector(seed+1000, d))) || m.Alike(Of(false, "a", v)) || m.Alike(Of(true, "b", v)) {
				t.Errorf("%d components, seed %d: another vector, role or text is alike", d, seed)
			}
		}
	}
	if nan := (Mark{Signs: [4]float32{float32(math.Inf(1))}}); nan.Alike(nan) {
		t.Error("an infinite sum is like itself")
	}
}

// TestSample does not depend on the order, and leaves out what has two vectors.
func TestSample(t *testing.T) {
	collect := func(order []int) []Mark {
		s := Sample{Size: 10}
		for _, i := range order {
			s.Offer(i%2 == 0, fmt.Sprint("text ", i), vector(uint64(i), 8))
			s.Offer(i%2 == 0, fmt.Sprint("text ", i), vector(uint64(i), 8)) // again
		}
		return s.Marks()
	}
	order := rand.New(rand.NewPCG(1, 1)).Perm(200)
	want := collect(order)
	slices.Reverse(order)
	if got := collect(order); len(want) != 10 || !slices.Equal(got, want) {
		t.Errorf("%v in another order, not %v", got, want)
	}
	s := Sample{Size: 10}
	s.Offer(true, "one", vector(1, 8))
	s.Offer(true, "two", vector(2, 8))
	s.Offer(true, "one", vector(3, 8))
	if got := s.Marks(); len(got) != 1 || got[0] != Of(true, "two", vector(2, 8)) {
		t.Error(got)
	}
}

// TestExpected compares each text once.
func TestExpected(t *testing.T) {
	e := Expect([]Mark{Of(true, "one", vector(1, 8)), Of(false, "one", vector(2, 8))})
	for i, test := range []struct {
		query bool
		text  string
		seed  uint64
		want  bool
	}{{true, "two", 9, false}, {true, "one", 1, false}, {true, "one", 9, false}, {false, "one", 9, true}, {false, "one", 9, false}} {
		if got := e.Differs(test.query, test.text, vector(test.seed, 8)); got != test.want {
			t.Errorf("%d: %v", i, got)
		}
	}
	if len(e) != 0 || Expect(nil).Differs(true, "one", nil) {
		t.Error(e)
	}
}

// TestSums of equal content are equal, wherever it lies.
func TestSums(t *testing.T) {
	if Sum("abc") != Sum(string([]byte("abc"))) || Sum("abc") == Sum("abd") || Sum("") != 0 {
		t.Error("texts")
	}
	if Sums([]float32{1, 2}) != Sums([]float32{0, 1, 2}[1:]) || Sums([]float32{1, 2}) == Sums([]float32{2, 1}) || Sums(nil) != 0 {
		t.Error("vectors")
	}
}
