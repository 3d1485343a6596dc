package stat

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Jackknife is the delete-a-group jackknife with unequal groups (Busing, Meijer,
// van der Leeden 1999) of a statistic.
type Jackknife struct {
	Corrected     float64   // J, the bias-corrected value
	StandardError float64   // SE
	Groups        int       // groups with triples
	Deviations    []float64 // by group: (phi_j - J)/sqrt((h_j-1) groups), 0 for empty groups
}

// GroupJackknife returns the jackknife of a statistic from its value, its values
// without each group, and the number of triples in each group. ok is false if fewer
// than two groups have triples; then there is no interval.
//
// With h_j = N/m_j and pseudo-values phi_j = h_j S - (h_j-1) S_(-j), J = G S - sum (1
// - m_j/N) S_(-j) and SE^2 = 1/G sum (phi_j - J)^2/(h_j - 1), over the G groups with
// triples. The squares of the deviations add up to SE^2. Sources share the groups, so
// the squared differences of the deviations of two sources add up to the SE^2 of their
// difference.
func GroupJackknife(value float64, without []float64, triples []int) (j Jackknife, ok bool) {
	var n float64
	for _, m := range triples {
		if m > 0 {
			j.Groups++
			n += float64(m)
		}
	}
	if j.Groups < 2 {
		return j, false
	}
	groups := float64(j.Groups)
	j.Corrected = groups * value
	for g, m := range triples {
		if m > 0 {
			j.Corrected -= (1 - float64(m)/n) * without[g]
		}
	}
	j.Deviations = make([]float64, len(triples))
	var square float64
	for g, m := range triples {
		if m == 0 {
			continue
		}
		h := n / float64(m)
		pseudo := h*value - (h-1)*without[g]
		j.Deviations[g] = (pseudo - j.Corrected) / math.Sqrt((h-1)*groups)
		square += j.Deviations[g] * j.Deviations[g]
	}
	j.StandardError = math.Sqrt(square)
	return j, true
}

// TQuantile returns the two-sided 95% quantile of Student's t with df degrees of
// freedom, at least 1.
func TQuantile(df int) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(max(df, 1))}.Quantile(0.975)
}

// TProbability returns the probability that a difference is above 0, from its
// estimate, standard error and degrees of freedom.
func TProbability(difference, standardError float64, df int) float64 {
	if standardError == 0 {
		switch {
		case difference > 0:
			return 1
		case difference < 0:
			return 0
		}
		return 0.5
	}
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(max(df, 1))}.CDF(difference / standardError)
}

// PairedError returns the standard error of the difference of two statistics, from
// their deviations over shared groups.
func PairedError(a, b []float64) float64 {
	var square float64
	for g := range a {
		d := a[g] - b[g]
		square += d * d
	}
	return math.Sqrt(square)
}

// Interval returns the 95% interval of a statistic with the given standard error and
// degrees of freedom.
func Interval(value, standardError float64, df int) (low, high float64) {
	half := TQuantile(df) * standardError
	return value - half, value + half
}

// DifferenceInterval returns the 95% interval of a difference and the probability
// that it is above 0.
func DifferenceInterval(difference, standardError float64, df int) (low, high, probability float64) {
	low, high = Interval(difference, standardError, df)
	return low, high, TProbability(difference, standardError, df)
}

// Interval returns the 95% interval of the statistic.
func (j *Jackknife) Interval(value float64) (low, high float64) {
	return Interval(value, j.StandardError, j.Groups-1)
}

// MeanWithDeviations returns the mean of x and the deviations (x - mean)/sqrt(n
// (n-1)). Their squares add up to the square of the standard error. They are nil for
// fewer than two values.
func MeanWithDeviations(x []float64) (mean float64, deviations []float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += v / n
	}
	if len(x) < 2 {
		return mean, nil
	}
	deviations = make([]float64, len(x))
	for i, v := range x {
		deviations[i] = (v - mean) / math.Sqrt(n*(n-1))
	}
	return mean, deviations
}
