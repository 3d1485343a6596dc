package main

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"slices"
	"strings"

	"example.com/eci/internal/stat"
)

// table is printed as Markdown.
type table struct {
	title  string
	header []string
	rows   [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// String returns the table without its title.
func (t *table) String() string {
	var out strings.Builder
	line := func(cells []string) { fmt.Fprintf(&out, "| %s |\n", strings.Join(cells, " | ")) }
	line(t.header)
	out.WriteString("|---" + strings.Repeat("|--:", len(t.header)-1) + "|\n")
	for _, row := range t.rows {
		line(row)
	}
	return out.String()
}

// two and three print a figure without the leading zero.
func two(x float64) string   { return decimal(x, 2) }
func three(x float64) string { return decimal(x, 3) }

func decimal(x float64, digits int) string {
	s := fmt.Sprintf("%.*f", digits, x)
	if strings.Trim(s, "-0.") == "" {
		s = strings.TrimPrefix(s, "-")
	}
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "−", s[1:]
	}
	if strings.HasPrefix(s, "0.") {
		s = s[1:]
	}
	return sign + s
}

// figures are the computed ones by name, for the comparison with those published.
type figures map[string]float64

// printEvidence computes every table from the committed numbers and compares with
// the figures that were published with them.
func printEvidence(out io.Writer, files fs.FS) error {
	e, err := readEvidence(files)
	if err != nil {
		return err
	}
	tables, found, err := e.tables()
	if err != nil {
		return err
	}
	for _, t := range tables {
		fmt.Fprintf(out, "## %s\n\n%v\n", t.title, t)
	}
	_, err = fmt.Fprintf(out, "## Check against the published figures\n\n%s", check(found))
	return err
}

func (e *evidence) tables() (tables []*table, found figures, err error) {
	found = make(figures)
	for _, make := range []func(figures) ([]*table, error){
		func(f figures) ([]*table, error) {
			return studyTables("Seven collections", "", e.collections, f)
		},
		func(f figures) ([]*table, error) {
			return studyTables("A second encoder, five collections", "wv ", e.second, f)
		},
		e.groupTable, e.curveTable, e.finetunedTables, e.targetTable,
	} {
		some, err := make(found)
		if err != nil {
			return nil, nil, err
		}
		tables = append(tables, some...)
	}
	return tables, found, nil
}

// studyTables are the agreement of every measure with training: in the mean, by
// collection, by condition, and the leads of Lookahead. Figures have a prefix.
func studyTables(title, prefix string, study map[string]studied, found figures) ([]*table, error) {
	var met []string
	for _, condition := range conditions {
		for _, c := range study {
			if _, ok := c.Outcomes[condition]; ok {
				met = append(met, condition)
				break
			}
		}
	}
	columns := func(first string, last ...string) (header []string) {
		header = []string{first}
		for _, condition := range met {
			header = append(header, strings.ReplaceAll(condition, "_", " "))
		}
		return append(header, last...)
	}
	collections := slices.Sorted(maps.Keys(study))
	all := make(map[string]*agreementOf)
	for _, m := range measures {
		a, err := compare(study, m)
		if err != nil {
			return nil, err
		}
		all[m.key] = a
	}
	pairs := all["lookahead"].pairs.of
	found[prefix+"pairs"] = pairs
	main := &table{title: title + ": Kendall's tau-b, mean over collections", header: columns("measure", fmt.Sprintf("right order, %.0f significant pairs", pairs), "the same, mean of conditions", "right sign")}
	byCondition := &table{title: title + ": right order of the significant pairs, by condition", header: columns("measure")}
	byCollection := &table{title: title + ": right order of the significant pairs, by collection", header: []string{"collection", "queries", "nDCG@10 before", "pairs"}}
	lead := &table{title: title + ": tau-b of Lookahead minus that of another measure, mean ± standard error over collections", header: columns("measure")}
	for _, m := range measures {
		a := all[m.key]
		row, shares, leads := []string{m.name}, []string{m.name}, []string{m.name}
		for _, condition := range met {
			tau := mean(a.tau[condition])
			found[prefix+"tau "+m.key+" "+condition] = tau
			found[prefix+"right "+m.key+" "+condition] = a.byCondition[condition].value()
			row = append(row, two(tau))
			shares = append(shares, three(a.byCondition[condition].value()))
			difference, standardError := paired(all["lookahead"].tau[condition], a.tau[condition])
			leads = append(leads, fmt.Sprintf("%s ± %s", two(difference), two(standardError)))
		}
		sign := "–"
		if m.forecast {
			sign = three(a.signs.value())
		}
		found[prefix+"right "+m.key] = a.pairs.value()
		main.add(append(row, three(a.pairs.value()), three(mean(a.conditions)), sign)...)
		byCondition.add(shares...)
		byCollection.header = append(byCollection.header, m.name)
		if !m.forecast {
			lead.add(leads...)
		}
	}
	byCondition.rows = slices.Insert(byCondition.rows, 0, pairsRow(all["lookahead"], met))
	for _, name := range collections {
		row := []string{name, fmt.Sprint(study[name].Queries), three(study[name].Outcomes[conditions[0]].Frozen), fmt.Sprintf("%.0f", all["lookahead"].byCollection[name].of)}
		for _, m := range measures {
			row = append(row, two(all[m.key].byCollection[name].value()))
		}
		byCollection.add(row...)
	}
	return []*table{main, lead, byCondition, byCollection}, nil
}

// pairsRow has the numbers of significant pairs.
func pairsRow(a *agreementOf, met []string) []string {
	row := []string{"pairs"}
	for _, condition := range met {
		row = append(row, fmt.Sprintf("%.0f", a.byCondition[condition].of))
	}
	return row
}

// groupTable shows where Lookahead is strong and weak.
func (e *evidence) groupTable(found figures) ([]*table, error) {
	groups := []struct {
		name string
		of   []string
	}{
		{"many relevant documents a query, two thirds in no triple", []string{"med", "cacm", "cf", "msmarco", "dbpedia"}},
		{"one relevant document a query", []string{"pubmedqa", "cosqa"}},
		{"fewer than 50 queries", nil},
		{"50 queries or more", nil},
	}
	for _, name := range slices.Sorted(maps.Keys(e.collections)) {
		k := 3
		if e.collections[name].Queries < 50 {
			k = 2
		}
		groups[k].of = append(groups[k].of, name)
	}
	t := &table{title: "Where it is strong and weak: right order of the significant pairs", header: []string{"collections", "pairs"}}
	for _, m := range measures {
		t.header = append(t.header, m.name)
	}
	for k, g := range groups {
		part := make(map[string]studied)
		for _, name := range g.of {
			part[name] = e.collections[name]
		}
		row := []string{fmt.Sprintf("%s (%s)", g.name, strings.Join(g.of, ", ")), ""}
		for _, m := range measures {
			a, err := compare(part, m)
			if err != nil {
				return nil, err
			}
			row[1] = fmt.Sprintf("%.0f", a.pairs.of)
			row = append(row, three(a.pairs.value()))
			found[fmt.Sprintf("group %d %s", k, m.key)] = a.pairs.value()
		}
		t.add(row...)
	}
	return []*table{t}, nil
}

// curveTable shows the curves of one collection on which the nearest negatives
// overtrain.
func (e *evidence) curveTable(found figures) ([]*table, error) {
	c := e.collections["cosqa"]
	t := &table{title: "Overtraining on cosqa", header: []string{"source", "curve of Lookahead", "mean", "explicit 4 epochs", "explicit 64 steps", "in batch 4 epochs", "in batch 64 steps"}}
	for _, source := range []string{"dense", "dense_pa", "bm25", "random"} {
		n := c.Sources[source]
		row := []string{source, fmt.Sprintf("%s %s %s", three(n.Curve[0]), three(n.Curve[1]), three(n.Curve[2])), three(n.Lookahead)}
		for _, condition := range []string{"explicit_4_epochs", "explicit_64_steps", "in_batch_4_epochs", "in_batch_64_steps"} {
			row = append(row, three(c.Outcomes[condition].Gain[source]))
		}
		for k, g := range n.Curve {
			found[fmt.Sprintf("curve %s %d", source, k)] = g
		}
		t.add(row...)
	}
	return []*table{t}, nil
}

// finetunedTables are those of full fine-tuning.
func (e *evidence) finetunedTables(found figures) ([]*table, error) {
	known := e.collections["pubmedqa"]
	agreement := &table{title: "Full fine-tuning on pubmedqa", header: []string{"measure"}}
	gains := &table{title: "Full fine-tuning on pubmedqa, by source: gain in nDCG@10 ± standard error", header: []string{"source", "Lookahead", "positives as pool", "explicit", "in batch"}}
	for _, m := range measures {
		agreement.add(m.name)
	}
	trained := []string{"explicit_4_epochs", "explicit_64_steps"}
	for _, condition := range trained {
		agreement.add("the training of an adapter, " + strings.ReplaceAll(condition, "_", " "))
	}
	for _, loss := range losses {
		f := e.finetuned[loss]
		gain := make(map[string]float64)
		for source, g := range f.Gain {
			gain[source] = g[0]
		}
		o, err := order(gain, f.Significant)
		if err != nil {
			return nil, fmt.Errorf("finetuned.json, %s: %w", loss, err)
		}
		what := strings.ReplaceAll(loss, "_", " ")
		agreement.header = append(agreement.header,
			fmt.Sprintf("%s: tau-b, %d sources", what, len(o.names)), what+": correlation", fmt.Sprintf("%s: right of %d pairs", what, o.significant))
		against := func(row int, key string, x []float64) {
			tau, _ := stat.TauB(x, o.gain)
			r, right := pearson(x, o.gain), o.right(x)
			found["finetuned "+loss+" tau "+key], found["finetuned "+loss+" r "+key], found["finetuned "+loss+" right "+key] = tau, r, right
			agreement.rows[row] = append(agreement.rows[row], two(tau), two(r), fmt.Sprint(right))
		}
		for k, m := range measures {
			against(k, m.key, o.values(func(source string) float64 { return m.of(known.Sources[source]) }))
		}
		for k, condition := range trained {
			against(len(measures)+k, condition, o.values(func(source string) float64 { return known.Outcomes[condition].Gain[source] }))
		}
		if loss == losses[0] {
			for _, source := range o.names {
				n := known.Sources[source]
				gains.add(source, three(n.Lookahead), three(n.Positives), withError(f.Gain[source]), "–")
				found["pubmedqa lookahead "+source] = n.Lookahead
			}
			continue
		}
		for _, row := range gains.rows {
			if g, ok := f.Gain[row[0]]; ok {
				row[4] = withError(g)
			}
		}
	}
	return []*table{agreement, gains}, nil
}

func withError(g [2]float64) string { return three(g[0]) + " ± " + three(g[1]) }

// targetTable is the agreement where training sets are looked at on the queries of
// another collection.
func (e *evidence) targetTable(found figures) ([]*table, error) {
	t := &table{title: "For a target", header: []string{"loss", "significant pairs", "right order: Lookahead", "right order: the set's measured gain on the other targets", "significant gains", "right sign: Lookahead"}}
	for _, loss := range losses {
		var forecast, elsewhere, signs share
		for _, name := range slices.Sorted(maps.Keys(e.targets)) {
			target := e.targets[name]
			gain := make(map[string]float64)
			for set, g := range target.Gain[loss] {
				gain[set] = g[0]
				if math.Abs(g[0]) > 2*g[1] {
					signs.add(sameSign(g[0], target.Lookahead[set][0]), 1)
				}
			}
			o, err := order(gain, target.Significant[loss])
			if err != nil {
				return nil, fmt.Errorf("target.json, %s, %s: %w", name, loss, err)
			}
			n := float64(o.significant)
			forecast.add(o.right(o.values(func(set string) float64 { return target.Lookahead[set][0] })), n)
			elsewhere.add(o.right(o.values(func(set string) float64 { return e.elsewhere(loss, set, name) })), n)
		}
		found["target "+loss], found["target elsewhere "+loss], found["target sign "+loss] = forecast.value(), elsewhere.value(), signs.value()
		found["target pairs "+loss] = forecast.of
		t.add(strings.ReplaceAll(loss, "_", " "), fmt.Sprintf("%.0f", forecast.of), three(forecast.value()), three(elsewhere.value()), fmt.Sprintf("%.0f", signs.of), two(signs.value()))
	}
	return []*table{t}, nil
}

// elsewhere returns the mean measured gain of a set on all targets except one.
func (e *evidence) elsewhere(loss, set, but string) float64 {
	var gains []float64
	for _, name := range slices.Sorted(maps.Keys(e.targets)) {
		if g, ok := e.targets[name].Gain[loss][set]; ok && name != but {
			gains = append(gains, g[0])
		}
	}
	return mean(gains)
}
