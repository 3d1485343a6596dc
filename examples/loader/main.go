// Command loader ranks two miners from inside a Go program. The rows are the program's
// own type, read by its own loader, and the vectors come from its own Embedder. One
// miner returns passages on the same topic. The other returns the answers themselves
// in other words: false negatives, which should rank last.
//
//	go run ./examples/loader
package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"iter"
	"os"
	"strings"

	"example.com/eci"
)

// row is what this program's loader yields: three lines make it an eci.Triple,
// one more says which query it belongs to, and one where it was read.
type row struct {
	id, question, answer, distractor string
	line                             int
}

func (r row) Query() string                  { return r.question }
func (r row) Positive() string               { return r.answer }
func (r row) Negative() string               { return r.distractor }
func (r row) IDs() (q, p, n string)          { return r.id, "", "" }
func (r row) Location() (file string, i int) { return "faq.csv", r.line }

// load reads the column of one miner. It starts again each time it is ranged over, as
// eci.Source requires.
func load(table string, column int) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		lines := csv.NewReader(strings.NewReader(table))
		lines.FieldsPerRecord = 5
		for i := 1; ; i++ {
			fields, err := lines.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			r := row{line: i}
			if err == nil {
				r = row{fields[0], fields[1], fields[2], fields[column], i}
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// encoder takes the place of the retriever that is to be trained. This one hashes
// groups of three letters, so that the example needs no model. A real one calls the
// model and may return vectors of any length and norm.
type encoder struct{}

func (e encoder) EmbedDocuments(ctx context.Context, texts []string) ([][]float32, error) {
	vectors := make([][]float32, len(texts))
	for i, text := range texts {
		v := make([]float32, 64)
		padded := " " + strings.ToLower(text) + " "
		for k := 0; k+3 <= len(padded); k++ {
			h := fnv.New32a()
			io.WriteString(h, padded[k:k+3])
			v[h.Sum32()%64]++
		}
		vectors[i] = v
	}
	return vectors, ctx.Err()
}

func (e encoder) EmbedQuery(ctx context.Context, text string) ([]float32, error) {
	vectors, err := e.EmbedDocuments(ctx, []string{text})
	if err != nil {
		return nil, err
	}
	return vectors[0], nil
}

func main() {
	ranking, err := eci.Rank(context.Background(), &eci.Sem{Embedder: encoder{}},
		eci.SourceSeq("same-topic", load(table, 3)),
		eci.SourceSeq("reworded", load(table, 4)))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Print(ranking)
}

// table has a query's id, the query, its answer and what two miners found.
const table = `q1,how do I boil an egg hard,"Ten minutes in boiling water make an egg hard, yolk and all.",A poached egg cooks without its shell in water just below the boil.,An egg is hard after ten minutes in boiling water.
q2,why does bread dough rise,Yeast turns sugar into carbon dioxide and the gas lifts the dough.,Dough that rests in the cold keeps its shape when it is scored.,The gas that yeast makes from sugar lifts bread dough.
q3,when to prune apple trees,Apple trees are pruned in late winter before the buds open.,Apple trees bear on spurs that are two years old and more.,Prune apple trees in late winter while the buds are closed.
q4,how often to water a cactus,"In summer a cactus wants water every two weeks, in winter almost none.",A cactus stores water in its stem and loses little through its skin.,Every two weeks is enough water for a cactus in summer.
q5,what makes the sky blue,"Air scatters short waves of light more than long ones, so the sky looks blue.",The sky turns red when the sun is low and its light has a long way through air.,The sky looks blue since air scatters short waves of light most.
q6,how to patch a bicycle tube,"Roughen the tube around the hole, spread the glue, let it dry and press on the patch.",A tube with a hole near its valve is better replaced with a new one.,Spread glue on the roughened tube and press on the patch.
q7,why do cats purr,Cats purr by moving the muscles of the larynx while they breathe in and out.,Cats sleep for most of the day and hunt at dusk.,A cat purrs with the muscles of its larynx as it breathes.
q8,how to store fresh basil,Keep basil like cut flowers in a glass of water at room temperature.,Basil is sown indoors in spring and planted out after the frost.,A glass of water at room temperature keeps basil like cut flowers.
`
