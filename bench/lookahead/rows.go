//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"

	"example.com/eci/internal/lookahead"
)

// scoreRows scores a stream of triples batch by batch, each with three vectors of its
// own. It prints the speed and the peak memory of the process.
func (p *population) scoreRows(rows int) error {
	const batch = 4096
	ctx := context.Background()
	space, err := lookahead.NewSpace(ctx, p.documents, p.looked(), lookahead.Settings{MarginScale: p.marginScale})
	if err != nil {
		return err
	}
	start := clocks()
	influence, err := space.Influence(ctx, p.source(len(p.asks)-1))
	if err != nil {
		return err
	}
	ready := clocks()
	// Vectors are windows of one table, at any offset: all different, no copies.
	random := rand.New(rand.NewPCG(2, 2))
	table := make([]float32, 1<<24)
	for i := range table {
		table[i] = random.Float32() - 0.5
	}
	source := lookahead.Source{Vectors: make([][]float32, 3*batch), Triples: make([]lookahead.Triple, batch)}
	scores := make([]float64, batch)
	began := clocks()
	for done := 0; done < rows; done += batch {
		for i := range source.Vectors {
			source.Vectors[i] = table[random.IntN(len(table)-p.d):][:p.d]
		}
		for i := range source.Triples {
			source.Triples[i] = lookahead.Triple{Query: 3 * i, Positive: 3*i + 1, Negative: 3*i + 2, Group: i % groups}
		}
		if err := influence.Score(ctx, scores, source); err != nil {
			return err
		}
	}
	end := clocks()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return err
	}
	fmt.Printf("influence prepared in %.2f s (processor %.2f s); %d rows in %.1f s (processor %.1f s), %.0f rows for a second of processor time; at most %d MB held\n",
		ready[0]-start[0], ready[1]-start[1], rows, end[0]-began[0], end[1]-began[1], float64(rows)/(end[1]-began[1]), usage.Maxrss>>10)
	return nil
}
