// Command intervals checks by simulation how reliable eci's statements about certainty
// are. The 95% intervals of scores and of their differences should contain the truth
// in 95 of 100 cases. A source that is not the best should rarely be called best with
// a probability of 0.95 or more.
//
//	go run ./bench/intervals [-data DIR] [-sources a,b,c] [-dimension 128]
//	    [-queries 200,1000,5000] [-groups 32] [-replicates 200] [-truths 2000]
//
// DIR has vectors under use/ and triples under sources/, like Cranfield. Without it,
// the embedded demo is used. The population is its queries with all their triples. A
// replicate draws queries with replacement, the same for every source. Each draw is a
// query with an ID of its own. eci.Rank ranks the replicate under a calibration frozen
// at the population's. The truth is the mean score over other samples of the same
// size. A sample of more queries than there are repeats triples. That is sampling from
// a small population, like the truth, and not what a collection with more distinct
// queries would give.
//
// Vectors are projected to 128 dimensions with seeded Gaussian directions. This
// changes the scores but not what is checked. -dimension 0 keeps them.
package main

import (
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"example.com/eci/testdata/demo"
)

func main() {
	data := flag.String("data", "", "`directory` with use/ and sources/; empty for the demo")
	names := flag.String("sources", "", "`names` separated by commas; all by default")
	dimension := flag.Int("dimension", 128, "of the projected vectors; 0 keeps them as they are")
	queries := flag.String("queries", "200,1000,5000", "`numbers` of queries in a sample")
	groups := flag.String("groups", "32", "`numbers` of jackknife groups")
	replicates := flag.Int("replicates", 200, "samples that are ranked")
	truths := flag.Int("truths", 2000, "samples that the truth is the mean of")
	seed := flag.Uint64("seed", 1, "of the draws")
	detail := flag.Bool("detail", false, "print every source and pair")
	flag.Parse()
	files, folder := fs.FS(demo.Files), "vectors"
	if *data != "" {
		files, folder = os.DirFS(*data), "use"
	}
	var list []string
	if *names != "" {
		list = strings.Split(*names, ",")
	}
	err := func() error {
		q, err := numbers(*queries)
		if err != nil {
			return err
		}
		g, err := numbers(*groups)
		if err != nil {
			return err
		}
		p, err := load(files, folder, list, *dimension)
		if err != nil {
			return err
		}
		fmt.Printf("population: %d queries; sources %s; dimension %d\n\n", len(p.queries), strings.Join(p.names, ", "), p.dimension)
		header(os.Stdout)
		for _, queries := range q {
			for _, groups := range g {
				r, err := p.simulate(setting{queries, groups, *replicates, *truths}, *seed)
				if err != nil {
					return err
				}
				r.print(os.Stdout, *detail)
			}
		}
		return nil
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "intervals:", err)
		os.Exit(1)
	}
}

func numbers(text string) ([]int, error) {
	var list []int
	for _, field := range strings.Split(text, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is not a positive number", field)
		}
		list = append(list, n)
	}
	return list, nil
}

func header(out io.Writer) {
	fmt.Fprintln(out, "| queries | groups | what | held by 95% intervals | too low | too high | with 1.96 for t | about the jackknife's value | SE / true SD | bias / true SD | called best | wrongly |")
	fmt.Fprintln(out, "|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
}

// print writes a row for the scores and one for their differences, both means
// over sources or pairs, and in detail one for each of them.
func (r *result) print(out io.Writer, detail bool) {
	percent := func(n, of int) string { return fmt.Sprintf("%.1f%%", 100*float64(n)/float64(of)) }
	line := func(what string, list []coverage, called, wrong string) {
		var held, below, corrected, normal, n int
		var ratio, bias float64
		for i := range list {
			c := &list[i]
			held, below, corrected, normal, n = held+c.held, below+c.below, corrected+c.corrected, normal+c.normal, n+c.n
			ratio += c.error() / c.deviation() / float64(len(list))
			bias += c.bias() / c.deviation() / float64(len(list))
		}
		fmt.Fprintf(out, "| %d | %d | %s | %s | %s | %s | %s | %s | %.2f | %+.2f | %s | %s |\n", r.queries, r.groups, what,
			percent(held, n), percent(below, n), percent(n-held-below, n), percent(normal, n), percent(corrected, n), ratio, bias, called, wrong)
	}
	line("scores", r.scores, percent(r.called, r.replicates), percent(r.wrong, r.replicates))
	line("differences", r.pairs, "", "")
	if !detail {
		return
	}
	for _, list := range [][]coverage{r.scores, r.pairs} {
		for i := range list {
			line(fmt.Sprintf("%s (%.2f, SD %.2f)", list[i].name, list[i].truth, list[i].deviation()), list[i:i+1], "", "")
		}
	}
}
