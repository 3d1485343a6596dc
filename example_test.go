package eci_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log"
	"math"
	"slices"
	"strings"
	"testing/fstest"

	"example.com/eci"
	"example.com/eci/testdata/demo"
)

// openDemo opens vectors and named sources of the demo.
func openDemo(names ...string) (*eci.VectorFiles, []eci.Source) {
	dir, err := fs.Sub(demo.Files, "vectors")
	if err != nil {
		log.Fatal(err)
	}
	vectors, err := eci.ReadVectors(dir)
	if err != nil {
		log.Fatal(err)
	}
	var sources []eci.Source
	for _, name := range names {
		sources = append(sources, eci.JSONLFrom(demo.Files, "sources/"+name+".jsonl"))
	}
	return vectors, sources
}

// Find out which of several sources the retriever should be trained on, and how sure
// that is.
func ExampleRank() {
	vectors, sources := openDemo("bm25", "dense", "llm")
	ranking, err := eci.Rank(context.Background(), &eci.Sem{Vectors: vectors}, sources...)
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range ranking.Ranked {
		fmt.Printf("%d. %-6s %.1f nats, best with probability %.2f\n", s.Rank, s.Source, s.Value, s.BestProbability)
	}
	for _, p := range ranking.Pairs {
		fmt.Printf("%s - %s: %.1f (%.1f to %.1f)\n", p.Better, p.Worse, p.Difference, p.Low, p.High)
	}
	// Output:
	// 1. llm    45.5 nats, best with probability 1.00
	// 2. dense  43.3 nats, best with probability 0.00
	// 3. bm25   42.8 nats, best with probability 0.00
	// llm - dense: 2.3 (1.3 to 3.2)
	// llm - bm25: 2.7 (1.6 to 3.8)
	// dense - bm25: 0.4 (-0.6 to 1.4)
}

// hashing is a toy encoder: it counts words by the hash of their letters.
type hashing struct{}

func (h hashing) EmbedDocuments(ctx context.Context, texts []string) ([][]float32, error) {
	vectors := make([][]float32, len(texts))
	for i, text := range texts {
		vectors[i], _ = h.EmbedQuery(ctx, text)
	}
	return vectors, nil
}

func (hashing) EmbedQuery(_ context.Context, text string) ([]float32, error) {
	v := make([]float32, 16)
	for _, word := range strings.Fields(text) {
		sum := 0
		for _, letter := range word {
			sum = 31*sum + int(letter)
		}
		v[sum%16]++
	}
	return v, nil
}

// faq is a row type of the user's own.
type faq struct{ question, answer, other string }

func (r faq) Query() string    { return r.question }
func (r faq) Positive() string { return r.answer }
func (r faq) Negative() string { return r.other }

// Rank rows of your own type with an Embedder. One miner found passages on the same
// topic. The other found the answer itself in other words, which a retriever must not
// learn to push away.
func ExampleSourceOf() {
	mined := []faq{
		{"how long do I boil an egg", "boil an egg for seven minutes", "fry an egg for three minutes"},
		{"when do I water a cactus", "water a cactus every three weeks", "water a fern every three days"},
		{"how do I sharpen a knife", "draw the knife along a wet stone", "draw the scissors along a sheet of foil"},
	}
	reworded := []faq{
		{mined[0].question, mined[0].answer, "seven minutes is how long to boil an egg"},
		{mined[1].question, mined[1].answer, "every three weeks is when to water a cactus"},
		{mined[2].question, mined[2].answer, "draw a knife along the wet stone"},
	}
	ranking, err := eci.Rank(context.Background(), &eci.Sem{Embedder: hashing{}}, eci.SourceOf("mined", mined), eci.SourceOf("reworded", reworded))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ranking.Best().Source, "of", ranking.Best().Totals.Triples, "triples;", ranking.Embedded, "texts embedded for", 2*3*3)
	// Output:
	// mined of 3 triples; 12 texts embedded for 18
}

// bait scores a source by the share of a query's words that its negatives repeat.
type bait struct{}

func (bait) Name() string { return "bait" }

func (bait) Score(_ context.Context, source eci.Source) (*eci.Score, error) {
	const groups = 20
	sum, triples := make([]float64, groups), make([]int, groups)
	total, n := 0., 0
	for t, err := range source.Triples {
		if err != nil {
			return nil, err
		}
		words, g := strings.Fields(t.Query()), eci.Group(t, groups)
		repeated := strings.Fields(t.Negative())
		for _, word := range words {
			if slices.Contains(repeated, word) {
				sum[g] += 1 / float64(len(words))
			}
		}
		triples[g]++
	}
	for g := range groups {
		total, n = total+sum[g], n+triples[g]
	}
	without := make([]float64, groups) // the mean without the triples of a group
	for g := range without {
		without[g] = (total - sum[g]) / float64(n-triples[g])
	}
	return eci.NewScore(source.Name, total/float64(n), without, triples)
}

// A custom scorer gets intervals, paired differences and probabilities. It returns its
// values without one group of queries at a time.
func ExampleNewScore() {
	_, sources := openDemo("bm25", "dense", "llm")
	ranking, err := eci.Rank(context.Background(), bait{}, sources...)
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range ranking.Ranked {
		fmt.Printf("%s %.2f (%.2f to %.2f)\n", s.Source, s.Value, s.Low, s.High)
	}
	for _, p := range ranking.Pairs {
		fmt.Printf("%s - %s: %.2f (%.2f to %.2f)\n", p.Better, p.Worse, p.Difference, p.Low, p.High)
	}
	// Output:
	// bm25 0.38 (0.37 to 0.38)
	// dense 0.35 (0.34 to 0.35)
	// llm 0.31 (0.31 to 0.32)
	// bm25 - dense: 0.03 (0.02 to 0.03)
	// bm25 - llm: 0.07 (0.06 to 0.07)
	// dense - llm: 0.04 (0.03 to 0.04)
}

// Show what a score consists of: the weight of every triple and its factors, for
// filtering in a loader or for testing a miner.
func ExampleSem_Weigh() {
	vectors, sources := openDemo("bm25", "dense")
	sem := &eci.Sem{Vectors: vectors}
	calibration, err := sem.Calibrate(context.Background(), sources...)
	if err != nil {
		log.Fatal(err)
	}
	sem.Calibration = calibration
	kept := 0
	for w, err := range sem.Weigh(context.Background(), sources[0]) {
		if err != nil {
			log.Fatal(err)
		}
		if w.Margin > 0 && w.Weight > 0.1 {
			kept++
		}
	}
	fmt.Println("kept", kept)
	// Output:
	// kept 339
}

// A calibration is computed once, stored, and used for later sources, so that their
// scores are comparable.
func ExampleSem_Score() {
	ctx := context.Background()
	vectors, sources := openDemo("bm25", "dense", "random")
	sem := &eci.Sem{Vectors: vectors}
	calibration, err := sem.Calibrate(ctx, sources...)
	if err != nil {
		log.Fatal(err)
	}
	stored, err := json.Marshal(calibration)
	if err != nil {
		log.Fatal(err)
	}

	later := new(eci.Calibration)
	if err := json.Unmarshal(stored, later); err != nil {
		log.Fatal(err)
	}
	_, news := openDemo("llm")
	score, err := (&eci.Sem{Vectors: vectors, Calibration: later}).Score(ctx, news[0])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s %.1f, %.1f to %.1f\n", score.Source, score.Value, score.Low, score.High)
	// Output:
	// llm 45.5, 44.5 to 46.6
}

// brevity is a fourth component: it trusts short negatives more.
type brevity struct{}

func (brevity) Name() string { return "brevity" }

func (brevity) Weight(e *eci.Evidence) float64 {
	return math.Min(1, 120/float64(len(e.Record.Negative())))
}

// A custom component needs two methods.
func ExampleComponent() {
	vectors, sources := openDemo("bm25", "dense")
	ranking, err := eci.Rank(context.Background(), &eci.Sem{
		Vectors:    vectors,
		Components: []eci.Component{eci.TargetConsistency{}, eci.SemanticLocality{}, eci.LexicalResidual{}, brevity{}},
	}, sources...)
	if err != nil {
		log.Fatal(err)
	}
	best := ranking.Best()
	for k, name := range best.Components {
		fmt.Printf("%s %.2f\n", name, best.Totals.Factors[k]/float64(best.Totals.Triples))
	}
	// Output:
	// consistency 0.42
	// locality 0.85
	// residuality 0.87
	// brevity 0.45
}

// A baseline is a scorer like any other.
func ExampleBaseline() {
	vectors, sources := openDemo("bm25", "dense", "random")
	for _, measure := range eci.Measures() {
		ranking, err := eci.Rank(context.Background(), &eci.Baseline{Sem: eci.Sem{Vectors: vectors}, Measure: measure}, sources...)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(measure.Name, ranking.Best().Source)
	}
	// Output:
	// v1 bm25
	// hardness dense
	// margin random
	// infonce dense
	// gradient dense
	// trace bm25
	// unique random
	// disjoint random
}

// JSONL may have any of three shapes. Here it is read from memory.
func ExampleJSONLFrom() {
	files := fstest.MapFS{"mined.jsonl": {Data: []byte(`
{"query_id":7,"query":"how do magnets work","positive":"fields align","negative":"iron rusts"}
{"anchor":"why is the sky blue","positive":"air scatters light","negative_1":"the sea is blue","negative_2":"dust is brown"}
`)}}
	for triple, err := range eci.JSONLFrom(files, "mined.jsonl").Triples {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(triple.Query(), "|", triple.Positive(), "|", triple.Negative())
	}
	// Output:
	// how do magnets work | fields align | iron rusts
	// why is the sky blue | air scatters light | the sea is blue
	// why is the sky blue | air scatters light | dust is brown
}

// You can choose the tokenizer of the lexical component. This one uses runs of four
// characters.
func ExampleTokenizer() {
	lexicon := eci.NewLexicon(eci.CharacterNGrams{N: 4})
	for _, document := range []string{"painting walls", "painted doors", "growing roses"} {
		lexicon.Add(document)
	}
	fmt.Printf("%.2f\n", lexicon.Overlap("painting walls", "painted doors"))
	// Output:
	// 0.10
}

// Matrices can be added. Shards of one source that were scored separately, under one
// calibration, merge to the score of the whole.
func ExampleMatrix_Merge() {
	config := eci.MatrixConfig{Dimension: 2, Groups: 2, Settings: "same calibration"}
	var shards [2]*eci.Matrix
	for i, residual := range [][]float64{{1, 0}, {0, 1}} {
		shard, err := eci.NewMatrix(config)
		if err != nil {
			log.Fatal(err)
		}
		if err := shard.Add(i, 0.5, residual); err != nil {
			log.Fatal(err)
		}
		shards[i] = shard
	}
	if err := shards[0].Merge(shards[1]); err != nil {
		log.Fatal(err)
	}
	score, err := shards[0].LogDet()
	fmt.Printf("%d triples, %.4f nats, %v\n", shards[0].Triples(), score, err)
	// Output:
	// 2 triples, 0.6931 nats, <nil>
}

// Score all mixtures in equal parts, from the matrices of a ranking alone.
func ExampleRanking_Hybrids() {
	vectors, sources := openDemo("bm25", "dense", "llm")
	ranking, err := eci.Rank(context.Background(), &eci.Sem{Vectors: vectors}, sources...)
	if err != nil {
		log.Fatal(err)
	}
	hybrids, err := ranking.Hybrids(2)
	if err != nil {
		log.Fatal(err)
	}
	for _, h := range hybrids {
		fmt.Printf("%v: %.1f, gain %+.1f (%+.1f to %+.1f), %+.1f with no more triples\n",
			h.Sources, h.Score, h.Gain.Value, h.Gain.Low, h.Gain.High, h.Gain.AtBudget)
	}
	// Output:
	// [llm dense]: 45.5, gain -0.0 (-0.5 to +0.4), -0.9 with no more triples
	// [llm bm25]: 45.4, gain -0.1 (-0.6 to +0.3), -1.0 with no more triples
	// [dense bm25]: 44.0, gain +0.7 (+0.3 to +1.1), -0.1 with no more triples
}

// Find the mixture with the highest score, with a certificate.
func ExampleRanking_Mixture() {
	vectors, sources := openDemo("bm25", "dense", "llm")
	ranking, err := eci.Rank(context.Background(), &eci.Sem{Vectors: vectors}, sources...)
	if err != nil {
		log.Fatal(err)
	}
	mixture, err := ranking.Mixture()
	if err != nil {
		log.Fatal(err)
	}
	for _, w := range mixture.Weights {
		fmt.Printf("%s %.2f (%.2f to %.2f)\n", w.Source, w.Weight, w.Low, w.High)
	}
	fmt.Println("certified:", mixture.Gap < 0.01)
	// Output:
	// llm 0.71 (0.60 to 0.81)
	// dense 0.15 (0.02 to 0.28)
	// bm25 0.14 (0.02 to 0.26)
	// certified: true
}

// Find the three triples with the most leverage: they carry the score.
func ExampleSem_Leverage() {
	vectors, sources := openDemo("bm25", "dense")
	ranking, err := eci.Rank(context.Background(), &eci.Sem{Vectors: vectors}, sources...)
	if err != nil {
		log.Fatal(err)
	}
	sem := &eci.Sem{Vectors: vectors, Calibration: ranking.Calibration}
	score, _ := ranking.Find("dense")
	var most, total float64
	for l, err := range sem.Leverage(context.Background(), score.Matrix, sources[1]) {
		if err != nil {
			log.Fatal(err)
		}
		most, total = max(most, l.Leverage), total+l.Leverage
	}
	fmt.Printf("the most is %.2f; the sum %.1f is the effective dimension %.1f\n", most, total, score.EffectiveDimension)
	// Output:
	// the most is 0.25; the sum 56.2 is the effective dimension 56.2
}

// Choose the hard negatives worth training on first: the most informative set of 40,
// with at most one for each query.
func ExampleSem_Select() {
	vectors, sources := openDemo("bm25", "dense")
	sem := &eci.Sem{Vectors: vectors}
	calibration, err := sem.Calibrate(context.Background(), sources...)
	if err != nil {
		log.Fatal(err)
	}
	sem.Calibration = calibration
	n := 0
	for t, err := range sem.Select(context.Background(), eci.Selection{Count: 40, PerQuery: 1}, sources[1]) {
		if err != nil {
			log.Fatal(err)
		}
		if n++; n <= 2 || n == 40 {
			fmt.Printf("%d. %s, %s: %.2f nats more, %.2f in all\n", n, t.QueryID, t.NegativeID, t.Gain, t.Total)
		}
	}
	// Output:
	// 1. q202, d232: 1.22 nats more, 1.22 in all
	// 2. q9, d470: 1.15 nats more, 2.37 in all
	// 40. q157, d342: 0.76 nats more, 37.64 in all
}

// How much does the order depend on the settings?
func ExampleStudy() {
	vectors, sources := openDemo("bm25", "contaminated", "llm")
	sensitivity, err := (&eci.Study{Sem: eci.Sem{Vectors: vectors}}).Run(context.Background(), sources...)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sensitivity.Order)
	for _, v := range sensitivity.Variants {
		if len(v.Flips) > 0 {
			fmt.Printf("%s %s: tau %.2f\n", v.Setting, v.Value, v.Tau)
		}
	}
	// Output:
	// [llm bm25 contaminated]
	// consistency temperature x2: tau 0.33
	// consistency temperature x4: tau -0.33
	// locality temperature x0.25: tau 0.33
	// locality temperature x0.5: tau 0.33
	// locality temperature x2: tau 0.33
	// locality temperature x4: tau 0.33
	// eps^2 x0.25: tau 0.33
	// eps^2 x0.5: tau 0.33
}

// Every score comes with controls and an artifact check.
func ExampleControls() {
	vectors, sources := openDemo("bm25", "llm", "random")
	ranking, err := eci.Rank(context.Background(), &eci.Sem{Vectors: vectors}, sources...)
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range ranking.Ranked {
		fmt.Printf("%s: %s over shuffled, %s over random; %s\n", s.Source, s.Controls.Shuffled, s.Controls.Random, s.Artifact)
	}
	// Output:
	// llm: +7.28 (+5.74 to +8.81) over shuffled, +10.54 (+9.15 to +11.93) over random; AUC 0.96
	// bm25: +7.03 (+5.56 to +8.49) over shuffled, +7.84 (+6.59 to +9.10) over random; AUC 0.57
	// random: -0.97 (-2.14 to +0.20) over shuffled, +0.19 (-0.83 to +1.22) over random; AUC 0.50
}

// Which rows should be trained on? The better half of each query's negatives, if
// that is shown to beat a random half.
func ExampleChoose() {
	vectors, sources := openDemo("dense")
	files := eci.Files{FS: demo.Files, Qrels: "qrels.tsv"}
	relevant, err := files.Relevant()
	if err != nil {
		log.Fatal(err)
	}
	choose := &eci.Choose{Lookahead: eci.Lookahead{
		Sem: eci.Sem{Vectors: vectors}, Pool: files.Documents("corpus.jsonl"), Relevant: relevant,
	}}
	choice, err := choose.From(context.Background(), sources[0])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d of %d; over a random half: %v\n", choice.Kept, choice.Triples, choice.Check.OverRandom)
	rows := 0
	for row, err := range choice.Keep(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		_ = row.Negative() // a loader takes it from here
		rows++
	}
	fmt.Println(rows, "rows to train on")
	// Output:
	// 240 of 480; over a random half: +0.077 (+0.045 to +0.110)
	// 240 rows to train on
}

// What would training on sources of any collection do to this task?
func ExampleTarget() {
	vectors, sources := openDemo("bm25", "dense", "llm")
	files := &eci.Files{FS: demo.Files, Queries: "queries.jsonl", Corpus: "corpus.jsonl", Qrels: "qrels.tsv"}
	target, err := files.Target("help desk")
	if err != nil {
		log.Fatal(err)
	}
	ranking, err := eci.Rank(context.Background(), &eci.Lookahead{Sem: eci.Sem{Vectors: vectors}, Target: target}, sources...)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ranking.Verdict.Sentence)
	// Output:
	// Train on dense: +0.108 (+0.071 to +0.146) nDCG@10 on help desk, 0.063 more than random documents. No difference is shown to bm25: take the one that costs least.
}
