package adapter

import (
	"cmp"
	"math"
	"slices"
)

// NDCG returns the normalized discounted cumulative gain of the first k of a ranking,
// in [0, 1]: sum gain/log2(rank+1), divided by that of the best possible ranking.
// gains holds the graded relevances of all documents by row; a missing one is 0.
// ranking holds rows, best first. Without a relevant document NDCG returns 0.
func NDCG(ranking []int, gains map[int]float64, k int) float64 {
	ideal := make([]float64, 0, len(gains))
	for _, g := range gains {
		ideal = append(ideal, g)
	}
	slices.SortFunc(ideal, func(a, b float64) int { return cmp.Compare(b, a) })
	var got, best float64
	for i := range k {
		discount := math.Log2(float64(i + 2))
		if i < len(ranking) {
			got += gains[ranking[i]] / discount
		}
		if i < len(ideal) {
			best += ideal[i] / discount
		}
	}
	if best == 0 {
		return 0
	}
	return got / best
}

// Top returns the k rows with the highest scores, best first. Ties are in the order of
// rows.
func Top(scores []float64, k int) []int {
	k = min(k, len(scores))
	best := make([]int, 0, k+1)
	for row, s := range scores {
		if len(best) == k && (k == 0 || s <= scores[best[k-1]]) {
			continue
		}
		at, _ := slices.BinarySearchFunc(best, s, func(i int, s float64) int {
			if scores[i] >= s {
				return -1
			}
			return 1
		})
		best = slices.Insert(best, at, row)
		best = best[:min(len(best), k)]
	}
	return best
}
