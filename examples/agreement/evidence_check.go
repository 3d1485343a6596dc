package main

import (
	"fmt"
	"math"
	"strings"
)

// published are the figures that were given out with the numbers, each to its last
// digit, by the names of [figures].
var published = []struct {
	name   string
	value  float64
	digits int
}{
	{"pairs", 1776, 0}, {"wv pairs", 320, 0},
	{"tau lookahead explicit_4_epochs", .53, 2}, {"tau lookahead in_batch_4_epochs", .56, 2}, {"tau lookahead explicit_64_steps", .66, 2}, {"tau lookahead in_batch_64_steps", .40, 2}, {"right lookahead", .933, 3},
	{"tau positives explicit_4_epochs", .45, 2}, {"tau positives in_batch_4_epochs", .49, 2}, {"tau positives explicit_64_steps", .59, 2}, {"tau positives in_batch_64_steps", .43, 2}, {"right positives", .920, 3},
	{"tau own labels explicit_4_epochs", .43, 2}, {"tau own labels in_batch_4_epochs", .49, 2}, {"tau own labels explicit_64_steps", .55, 2}, {"tau own labels in_batch_64_steps", .36, 2}, {"right own labels", .894, 3},
	{"tau disjoint explicit_4_epochs", .35, 2}, {"tau disjoint in_batch_4_epochs", .36, 2}, {"tau disjoint explicit_64_steps", .40, 2}, {"tau disjoint in_batch_64_steps", .42, 2}, {"right disjoint", .817, 3},
	{"tau S explicit_4_epochs", .18, 2}, {"tau S in_batch_4_epochs", .23, 2}, {"tau S explicit_64_steps", .36, 2}, {"tau S in_batch_64_steps", .38, 2}, {"right S", .743, 3},
	{"tau S together explicit_4_epochs", .16, 2}, {"tau S together in_batch_4_epochs", .23, 2},
	{"tau hardness explicit_4_epochs", .19, 2}, {"tau hardness in_batch_4_epochs", .07, 2}, {"tau hardness explicit_64_steps", .11, 2}, {"tau hardness in_batch_64_steps", -.20, 2}, {"right hardness", .568, 3},
	{"tau unique explicit_4_epochs", -.12, 2}, {"tau unique in_batch_4_epochs", .00, 2}, {"tau unique explicit_64_steps", -.01, 2}, {"tau unique in_batch_64_steps", .26, 2}, {"right unique", .473, 3},
	{"wv tau lookahead explicit_4_epochs", .34, 2}, {"wv tau lookahead in_batch_4_epochs", .28, 2}, {"wv right lookahead", .769, 3},
	{"wv tau positives explicit_4_epochs", .35, 2}, {"wv tau positives in_batch_4_epochs", .23, 2}, {"wv right positives", .766, 3},
	{"wv tau disjoint explicit_4_epochs", .10, 2}, {"wv tau disjoint in_batch_4_epochs", -.02, 2}, {"wv right disjoint", .484, 3},
	{"wv tau S explicit_4_epochs", -.02, 2}, {"wv tau S in_batch_4_epochs", -.05, 2}, {"wv right S", .444, 3},
	{"group 0 lookahead", .94, 2}, {"group 0 own labels", .87, 2}, {"group 0 disjoint", .90, 2}, {"group 1 lookahead", .93, 2}, {"group 1 disjoint", .71, 2},
	{"right lookahead in_batch_64_steps", .9, 1}, {"right disjoint in_batch_64_steps", .9, 1}, {"right S in_batch_64_steps", .9, 1}, {"right hardness in_batch_64_steps", .9, 1}, {"right unique in_batch_64_steps", .9, 1},
	{"curve dense 0", .088, 3}, {"curve dense 1", .160, 3}, {"curve dense 2", .088, 3}, {"curve random 0", .090, 3}, {"curve random 1", .118, 3}, {"curve random 2", .134, 3},
	{"finetuned explicit tau lookahead", .82, 2}, {"finetuned explicit r lookahead", .96, 2}, {"finetuned explicit right lookahead", 46, 0},
	{"finetuned explicit tau positives", .85, 2}, {"finetuned explicit r positives", .99, 2},
	{"finetuned explicit tau S", .64, 2}, {"finetuned explicit right S", 43, 0}, {"finetuned explicit tau disjoint", .21, 2}, {"finetuned explicit right disjoint", 33, 0},
	{"finetuned explicit tau hardness", .33, 2}, {"finetuned explicit right hardness", 27, 0},
	{"finetuned explicit tau explicit_64_steps", .79, 2}, {"finetuned explicit right explicit_64_steps", 45, 0},
	{"finetuned in_batch right lookahead", 7, 0}, {"finetuned in_batch right S", 7, 0}, {"finetuned in_batch right disjoint", 7, 0},
	{"pubmedqa lookahead dense", .133, 3}, {"pubmedqa lookahead random", .086, 3}, {"pubmedqa lookahead gen_splice", -.20, 2},
	{"target explicit", .917, 3}, {"target in_batch", .865, 3}, {"target pairs explicit", 3088, 0}, {"target pairs in_batch", 2160, 0},
	{"target elsewhere explicit", .891, 3}, {"target elsewhere in_batch", .769, 3}, {"target sign explicit", .95, 2}, {"target sign in_batch", .90, 2},
}

// notComputable are published figures that need what is not among the numbers.
var notComputable = []string{
	"from one half of the queries to training measured on the other half (both encoders): needs the gains query by query; go run ./examples/agreement DIR measures the like on a collection of your own",
	"other forms of the walk (one step, two, four, ridge .1, K-FAC factors), on the sources and for targets: only the form that was kept has its numbers here",
	"similarity of documents and of queries as a measure for targets: needs the vectors",
	"full fine-tuning on cosqa (19 of 22 pairs; gains of dense and random) and the choice of half of its rows: the outcomes are not among the numbers",
	"Cranfield (dense: .015, .031, -.041 and +.025): not one of the seven collections",
}

// check compares computed figures with those published.
func check(found figures) string {
	var out strings.Builder
	met, differ := 0, ""
	for _, p := range published {
		computed, ok := found[p.name]
		unit := math.Pow10(-p.digits)
		switch {
		case !ok:
			differ += fmt.Sprintf("- %s: published %s, not computed\n", p.name, decimal(p.value, p.digits))
		// Numbers are committed to five digits: a figure half way between two may go either way.
		case math.Abs(computed-p.value) <= unit/2+1e-9:
			met++
		default:
			differ += fmt.Sprintf("- %s: published %s, computed %s\n", p.name, decimal(p.value, p.digits), decimal(computed, p.digits+1))
		}
	}
	fmt.Fprintf(&out, "%d of %d are met to the last digit.", met, len(published))
	if differ != "" {
		fmt.Fprintf(&out, " These are not:\n\n%s", differ)
	}
	fmt.Fprintf(&out, "\nThese cannot be computed from the numbers:\n\n- %s\n", strings.Join(notComputable, "\n- "))
	return out.String()
}
