// Package stat implements the statistics that decisions are based on: the
// delete-a-group jackknife with unequal groups, Student's t, Pocock's boundary for
// repeated looks, rank correlations with ties, the area under a ROC curve, and the
// maximum of a concave function over the simplex. gonum's stat has no tau-b, average
// ranks or grouped jackknife. Distributions come from its distuv.
package stat
