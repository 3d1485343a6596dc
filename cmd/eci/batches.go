package main

import (
	"context"
	"fmt"

	"example.com/eci"
)

// batches writes the triples of a source in an order for in-batch negatives.
func (a *app) batches(ctx context.Context, f *selectFlags, o *opened, source eci.Source) error {
	left := 0
	var triples []eci.Triple
	for t, err := range cancelable(ctx, skipping(source, o.sem.Skip, &left).Triples) {
		if err != nil {
			return err
		}
		triples = append(triples, labeled(t, source.Name))
	}
	order, err := eci.SourceOf(source.Name, triples).Batches(ctx, f.batches)
	if err != nil {
		return err
	}
	rows, err := f.write(ctx, a, o.sources, func(yield func(eci.Triple, error) bool) {
		for _, number := range order.Triples {
			if !yield(triples[number-1], nil) {
				return
			}
		}
	})
	if err != nil || f.output == "-" {
		return err
	}
	r := written(f.output, f.to, rows, left)
	r.lead = []string{fmt.Sprintf("%d full batches of %d, then %d triples that fill none: drop them, or let batches repeat texts there", order.Full, f.batches, order.Left)}
	return a.print(r)
}
