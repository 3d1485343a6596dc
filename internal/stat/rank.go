package stat

import (
	"cmp"
	"math"
	"slices"
)

// TauB returns Kendall's tau-b, (C - D)/sqrt((P - X)(P - Y)), over P pairs. C of them
// are concordant, D discordant, X tied in x and Y tied in y (Kendall 1945). It returns
// 0 and false if x or y is constant.
func TauB(x, y []float64) (tau float64, ok bool) {
	var agree, untiedX, untiedY int
	for i := range x {
		for j := range i {
			a, b := cmp.Compare(x[i], x[j]), cmp.Compare(y[i], y[j])
			agree += a * b
			untiedX += a * a
			untiedY += b * b
		}
	}
	if untiedX == 0 || untiedY == 0 {
		return 0, false
	}
	return clamp(float64(agree)/(math.Sqrt(float64(untiedX))*math.Sqrt(float64(untiedY))), -1, 1), true
}

// Spearman returns the Pearson correlation of the ranks, with average ranks for ties.
// It returns 0 and false if x or y is constant.
func Spearman(x, y []float64) (rho float64, ok bool) {
	a, b := averageRanks(x), averageRanks(y)
	mean := float64(len(x)+1) / 2
	var ab, aa, bb float64
	for i := range a {
		u, v := a[i]-mean, b[i]-mean
		ab += u * v
		aa += u * u
		bb += v * v
	}
	if aa == 0 || bb == 0 {
		return 0, false
	}
	return clamp(ab/(math.Sqrt(aa)*math.Sqrt(bb)), -1, 1), true
}

// averageRanks returns the ranks from 1, ascending. Tied values share the mean of
// their ranks.
func averageRanks(x []float64) []float64 {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(x[a], x[b]) })
	ranks := make([]float64, len(x))
	for lo := 0; lo < len(order); {
		hi := lo + 1
		for hi < len(order) && x[order[hi]] == x[order[lo]] {
			hi++
		}
		for _, i := range order[lo:hi] {
			ranks[i] = float64(lo+1+hi) / 2
		}
		lo = hi
	}
	return ranks
}

// PairAccuracy returns the share of marked pairs among the drawn indices that x orders
// descending. A tie counts half. pairs[i][j] marks the pair i < j. It returns 0 and
// false if no drawn pair is marked.
func PairAccuracy(x []float64, pairs [][]bool, drawn []int) (share float64, ok bool) {
	halves, n := 0, 0
	for k, a := range drawn {
		for _, b := range drawn[:k] {
			i, j := min(a, b), max(a, b)
			if pairs[i][j] {
				n++
				halves += 1 + cmp.Compare(x[i], x[j])
			}
		}
	}
	if n == 0 {
		return 0, false
	}
	return float64(halves) / float64(2*n), true
}

// AUC returns the share of pairs in which the positive's value is higher. Ties count
// half.
func AUC(positive, negative []float64) float64 {
	p, n := slices.Clone(positive), slices.Clone(negative)
	slices.Sort(p)
	slices.Sort(n)
	var wins float64
	below, equal := 0, 0
	for _, x := range p {
		for below < len(n) && n[below] < x {
			below++
		}
		for equal = below; equal < len(n) && n[equal] == x; equal++ {
		}
		wins += float64(below) + float64(equal-below)/2
	}
	return wins / float64(len(p)) / float64(len(n))
}

// Percentiles returns the 2.5% and 97.5% points of a sample, which it sorts. For an
// empty sample it returns value twice.
func Percentiles(sample []float64, value float64) (low, high float64) {
	if len(sample) == 0 {
		return value, value
	}
	slices.Sort(sample)
	at := func(p float64) float64 {
		return sample[min(len(sample)-1, int(p*float64(len(sample))))]
	}
	return at(0.025), at(0.975)
}

func clamp(x, low, high float64) float64 { return max(low, min(high, x)) }
