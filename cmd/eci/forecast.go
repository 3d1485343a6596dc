package main

import (
	"context"

	"example.com/eci"
	"example.com/eci/testdata/demo"
	"github.com/spf13/pflag"
)

// forecasting holds the flags of commands that forecast the effect of training.
type forecasting struct {
	by     string
	pool   string
	walked int
	cutoff int
}

// The values of --by.
const (
	byLookahead = "lookahead"
	byECI       = "eci"
)

func (f *forecasting) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.by, "by", byLookahead, "what to compare by: lookahead, the forecast, or eci, the information alone")
	f.walking(flags)
}

// walking is like register, without the flag that says how to compare.
func (f *forecasting) walking(flags *pflag.FlagSet) {
	flags.IntVar(&f.walked, "lookahead-triples", 512, "triples of each source that the forecast walks on; 0 for all")
	f.registerPool(flags)
}

// registerPool is like register, without the flag that says how to compare sources.
func (f *forecasting) registerPool(flags *pflag.FlagSet) {
	flags.StringVar(&f.pool, "pool", "", "`file` of the documents that queries are searched in: a corpus, or ids one a line (default the labeled positives)")
	flags.IntVar(&f.cutoff, "cutoff", 10, "k of nDCG@k")
}

func (f *forecasting) check() error {
	switch {
	case f.by != byLookahead && f.by != byECI:
		return usage("--by %s: it is lookahead or eci", f.by)
	case f.walked < 0:
		return usage("--lookahead-triples %d: it is a positive number, or 0 for all", f.walked)
	case f.cutoff < 1 || f.cutoff > 1<<20:
		return usage("--cutoff %d: nDCG@k needs a k from 1 to %d", f.cutoff, 1<<20)
	case f.by == byECI && f.pool != "":
		return usage("--pool is for --by lookahead")
	}
	return nil
}

// lookahead returns the scorer of --by lookahead, or nil for --by eci.
func (f *forecasting) lookahead(in *inputs, o *opened) (*eci.Lookahead, error) {
	if f.by == byECI {
		return nil, nil
	}
	files, pool := in.files, f.pool
	if in.demo {
		if pool != "" {
			return nil, usage("--pool: the demo has its own")
		}
		files = eci.Files{FS: demo.Files, Qrels: "qrels.tsv"}
		pool = "corpus.jsonl"
	}
	ahead := &eci.Lookahead{Sem: *o.sem, Triples: f.walked, Cutoff: f.cutoff}
	if f.walked == 0 {
		ahead.Triples = eci.Unlimited
	}
	var err error
	if ahead.Relevant, err = files.Relevant(); err != nil {
		return nil, err
	}
	if pool != "" {
		ahead.Pool = files.Documents(pool)
	}
	return ahead, nil
}

// scorer returns what to compare by: the forecast, or the information if there is
// none.
func (o *opened) scorer(ahead *eci.Lookahead) eci.Scorer {
	if ahead != nil {
		return ahead
	}
	return o.sem
}

// rankWith ranks. Messages of the ranking then name flags.
func rankWith(ctx context.Context, o *opened, scorer eci.Scorer) (*eci.Ranking, error) {
	ranking, err := eci.Rank(ctx, scorer, o.sources...)
	if err != nil {
		return nil, err
	}
	if ranking.Race != nil {
		ranking.Notes = append(ranking.Notes, "race: it compares the sources neither with random documents nor with another query's negatives, and looks for no artifacts; rank those that are left without --race before you train")
	}
	speakFlags(ranking)
	return ranking, nil
}
