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

// GroupJackknife takes the statistic, its value without each group, and the number
// of triples of each group. ok is false when fewer than two groups have triples,
// so that there is no interval.
//
// With h_j = N/m_j and pseudo-values phi_j = h_j S - (h_j-1) S_(-j),
// J = G S - sum (1 - m_j/N) S_(-j) and SE^2 = 1/G sum (phi_j - J)^2/(h_j - 1),
// over the G groups with triples. The sum of squares of deviations is SE^2, and
// because the groups are shared between sources, the sum of squared differences
// of the deviations of two sources is the SE^2 of their difference.
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

// TProbability returns the probability that a difference with this estimate, standard
// error and degrees of freedom is above 0.
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

// Interval returns the 95% interval of a statistic with this standard error and
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

// Interval returns the 95% interval of a statistic whose jackknife this is.
func (j *Jackknife) Interval(value float64) (low, high float64) {
	return Interval(value, j.StandardError, j.Groups-1)
}

// MeanWithDeviations returns the mean of x and (x - mean)/sqrt(n (n-1)), whose
// squares sum to the square of the standard error; nil for fewer than two.
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
