package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"

	"example.com/eci"
	"example.com/eci/internal/adapter"
)

// studyTarget forecasts what the sources do to another task, trains on them, and
// compares.
func (c *collection) studyTarget(ctx context.Context, out io.Writer, p *progress, o options, folder string) error {
	task, err := openTask(os.DirFS(o.target), folder)
	if err != nil {
		return fmt.Errorf("-target %s: %w", o.target, err)
	}
	defer task.vectors.Close()
	if task.d != c.d {
		return fmt.Errorf("-target %s: %w: vectors of %d components, those of the sources have %d", o.target, eci.ErrDimension, task.d, c.d)
	}
	sources := make([]eci.Source, len(c.sources))
	for i, s := range c.sources {
		sources[i] = s.Source
	}
	ranking, err := eci.Rank(ctx, &eci.Lookahead{
		Sem: eci.Sem{Vectors: c.vectors, NoChecks: true},
		Target: &eci.Target{
			Queries: task.files.Documents("queries.jsonl"), Pool: task.files.Documents(task.pool),
			Relevant: task.relevant, Vectors: task.vectors,
		},
	}, sources...)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, ranking.Verdict.Sentence)
	for _, s := range o.list {
		if err := c.trainForTarget(ctx, out, p, s, task, ranking, o.seed); err != nil {
			return err
		}
	}
	return nil
}

// trainForTarget trains on every source, whose queries are not the task's, and
// measures on the task.
func (c *collection) trainForTarget(ctx context.Context, out io.Writer, p *progress, s settings, task *collection, ranking *eci.Ranking, seed uint64) error {
	asked := len(task.names)
	both := adapter.Task{
		Queries:   adapter.Matrix(asked+len(c.names), c.d, slices.Concat(task.task.Queries.Data, c.task.Queries.Data)),
		Searched:  task.task.Searched,
		Documents: c.task.Documents,
		Gains:     task.task.Gains,
	}
	all := make([]int, asked)
	for q := range all {
		all[q] = q
	}
	frozen := make([]float64, asked)
	both.Evaluate(adapter.New(c.d, 1, rand.New(rand.NewPCG(0, 0))), all, cutoff, frozen)
	trained := make([][]float64, len(c.sources))
	outcomes := make([]eci.Outcome, len(c.sources))
	for i, source := range c.sources {
		triples := slices.Clone(source.triples)
		for k := range triples {
			triples[k].Query += asked
		}
		trained[i] = make([]float64, asked)
		for k := range s.Seeds {
			if err := ctx.Err(); err != nil {
				return err
			}
			p.show(fmt.Sprintf("training, ways %d", s.Ways), i*s.Seeds+k, len(c.sources)*s.Seeds)
			after := make([]float64, asked)
			both.Evaluate(both.Fit(s, triples, rand.New(rand.NewPCG(uint64(k), 0))), all, cutoff, after)
			for q, x := range after {
				trained[i][q] += x / float64(s.Seeds)
			}
		}
		gain, standardError := paired(trained[i], frozen)
		outcomes[i] = eci.Outcome{Source: source.Name, Value: gain, StandardError: standardError}
	}
	p.show(fmt.Sprintf("training, ways %d", s.Ways), 1, 1)
	agreement, err := eci.Agree(byGain(ranking), outcomes, eci.AgreeOptions{Seed: seed, DifferenceError: func(a, b string) float64 {
		_, standardError := paired(trained[c.find(a)], trained[c.find(b)])
		return standardError
	}})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%d queries of the target, %d documents, ways %d\n", asked, both.Searched.Rows, s.Ways)
	printOutcomes(out, ranking, outcomes)
	_, err = fmt.Fprintf(out, "\n%v", agreement)
	return err
}
