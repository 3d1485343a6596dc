// Package stat has the statistics that decisions rest on: the delete-a-group
// jackknife with unequal groups, Student's t, Pocock's boundary for repeated
// looks, rank correlations with ties, the area under a ROC curve, and a concave
// maximum over the simplex. gonum's stat has neither tau-b, average ranks nor the
// grouped jackknife; distributions come from its distuv.
package stat
