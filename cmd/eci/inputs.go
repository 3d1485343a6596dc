package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"strings"

	"example.com/eci"
	"example.com/eci/formats"
	"example.com/eci/testdata/demo"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// inputs holds the flags that say what is read and how it is scored.
type inputs struct {
	serverFlags

	files  eci.Files
	format string

	demo    bool
	vectors string
	texts   string
	// similarity is cosine or dot. "" means cosine, with a check of the lengths.
	similarity string
	// keepExtra is for commands that write triples.
	keepExtra bool
	scored    bool // the command has the flags of a Sem

	budget            int
	seed              uint64
	groups            int
	exact             bool
	consistency, near float64
	checkpoint        string
	skip              []string
	epsilon2, floor   float64
	tokens            tokenizerFlag
}

func (in *inputs) register(c *cobra.Command) {
	in.reading(c.Flags())
	in.serverFlags.register(c.Flags())
	in.scoring(c.Flags())
}

func (in *inputs) reading(flags *pflag.FlagSet) {
	flags.BoolVar(&in.demo, "demo", false, "the five sources and vectors of the demo that comes with eci")
	flags.StringVar(&in.vectors, "vectors", "", "`directory` with queries.npy and corpus.npy, and queries.ids and corpus.ids, or the texts: queries.txt and corpus.txt; or with anchor.npy, positive.npy and negative.npy in the order of the source's rows, for several sources each in a folder called like it")
	flags.StringVar(&in.texts, "vector-texts", "", "`directory` with queries.txt and corpus.txt, the texts of the vectors' rows in their order, one a line (or queries.json, one JSON list); default that of --vectors")
	flags.StringVar(&in.similarity, "similarity", "", "how the encoder's vectors are compared: cosine, or dot for one that is trained and searched with dot products (default cosine, and a note where lengths vary)")
	flags.StringVar(&in.format, "format", "", "format of the files (default found from their content): "+strings.Join(formatNames, ", "))
	flags.StringVar(&in.files.Corpus, "corpus", "", "`file` with the texts of documents, for rows that hold ids")
	flags.StringVar(&in.files.Queries, "queries", "", "`file` with the texts of queries")
	flags.StringVar(&in.files.Qrels, "qrels", "", "`file` or folder of relevance judgments, for TREC runs and for lint")
	flags.StringVar(&in.files.BEIR, "beir", "", "`folder` in BEIR's layout, for --corpus, --queries and --qrels at once")
	flags.StringVar(&in.files.Fields.Query, "query-field", "", "`name` of the query's field or column, in a format of your own")
	flags.StringVar(&in.files.Fields.Positive, "positive-field", "", "`name` of the positive's field")
	flags.StringVar(&in.files.Fields.Negative, "negative-field", "", "`name` of the negative's field, without the number at its end")
	flags.IntVar(&in.files.MaxNegatives, "max-negatives", 0, "most negatives of a row or query, the first ones; 0 for all")
	flags.StringSliceVar(&in.skip, "skip", nil, "leave out and count bad rows: malformed, empty-text, missing-vector, bad-vector (with a server, which then embeds every text first: texts that it cannot embed)")
}

func (in *inputs) scoring(flags *pflag.FlagSet) {
	in.scored = true
	in.tokens.register(flags)
	flags.IntVar(&in.budget, "budget", 0, "triples scored of every source: 0 for the smallest source's count, -1 for all")
	flags.Uint64Var(&in.seed, "seed", 0, "seed of the sample")
	flags.IntVar(&in.groups, "groups", 32, "jackknife groups of queries")
	flags.BoolVar(&in.exact, "exact", false, "sum in float64 throughout")
	flags.Float64Var(&in.consistency, "consistency-temperature", 1, "temperature of target consistency, in units of its scale")
	flags.Float64Var(&in.near, "locality-temperature", 1, "temperature of semantic locality, in units of its scale")
	flags.Float64Var(&in.floor, "residuality-floor", 0, "least lexical residuality, in [0, 1)")
	flags.Float64Var(&in.epsilon2, "epsilon2", 0.5, "distortion of the coding rate")
	flags.StringVar(&in.checkpoint, "checkpoint", "", "`directory` in which finished parts are kept, so that a stopped run goes on")
}

// opened is what the flags name, ready for reading.
type opened struct {
	sem     *eci.Sem
	sources []eci.Source
	closers []io.Closer
}

func (o *opened) Close() {
	for _, c := range o.closers {
		c.Close()
	}
}

// find returns the source with a name.
func (o *opened) find(name string) (eci.Source, error) {
	var names []string
	for _, s := range o.sources {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return eci.Source{}, usage("there is no source %q; there are %s", name, strings.Join(names, ", "))
}

// only returns the source with a name. The name may be empty if there is one source.
func (o *opened) only(name string) (eci.Source, error) {
	if name == "" && len(o.sources) == 1 {
		return o.sources[0], nil
	}
	if name == "" {
		var names []string
		for _, s := range o.sources {
			names = append(names, s.Name)
		}
		return eci.Source{}, usage("--source NAME is needed: one of %s", strings.Join(names, ", "))
	}
	return o.find(name)
}

// openOne is open for commands about one source, the one called name; see only. The
// meter shows the progress of a run.
func (in *inputs) openOne(ctx context.Context, a *app, files []string, name string) (*opened, eci.Source, *meter, error) {
	o, err := in.open(ctx, a, files)
	if err != nil {
		return nil, eci.Source{}, nil, err
	}
	source, err := o.only(name)
	if err != nil {
		o.Close()
		return nil, eci.Source{}, nil, err
	}
	m := a.meter()
	o.sem.Progress = m.report()
	return o, source, m, nil
}

// open opens the sources and vectors that the flags name.
func (in *inputs) open(ctx context.Context, a *app, files []string) (*opened, error) {
	o := &opened{}
	var err error
	switch {
	case in.files.MaxNegatives < 0:
		return nil, usage("--max-negatives %d: it is a positive number, or 0 for all", in.files.MaxNegatives)
	case in.texts != "" && in.vectors == "":
		return nil, usage("--vector-texts goes with --vectors")
	case in.similarity != "" && in.similarity != cosines && in.similarity != dots:
		return nil, usage("--similarity %s: it is cosine or dot", in.similarity)
	case in.similarity == dots && (in.vectors == "" || in.server.URL != "" || in.server.Dimensions != 0):
		return nil, usage("--similarity dot needs --vectors, and neither --server nor --dimensions: the length of the longest document must be known before the first is compared")
	case in.demo && (len(files) > 0 || in.vectors != ""):
		return nil, usage("--demo takes no files")
	case in.demo:
		err = o.openDemo()
	case in.format != "" && !slices.Contains(formatNames, in.format):
		return nil, usage("--format %s: it is one of %s", in.format, strings.Join(formatNames, ", "))
	case len(files) == 0:
		return nil, usage("give the files of the sources, or --demo")
	default:
		err = in.openFiles(ctx, a, o, files)
	}
	if err == nil && o.sem == nil {
		o.sem = &eci.Sem{}
	}
	in.trying = slices.Contains(in.skip, "bad-vector")
	if err == nil {
		err = in.serverFlags.open(o)
	}
	if err == nil {
		err = in.settings(o.sem)
	}
	if err == nil {
		err = in.embeddable(ctx, a, o)
	}
	if err != nil {
		o.Close()
		return nil, err
	}
	return o, nil
}

// inferred prints what was inferred about a file.
func (a *app) inferred(message string) {
	if !a.quiet {
		fmt.Fprintln(a.err, line(message))
	}
}

// pipes holds what the command reads from pipes, for all its passes.
func (in *inputs) pipes(ctx context.Context) *eci.Spool {
	if in.files.Spool == nil {
		in.files.Spool = &eci.Spool{Context: ctx}
	}
	return in.files.Spool
}

func (in *inputs) openFiles(ctx context.Context, a *app, o *opened, files []string) error {
	o.sem = &eci.Sem{}
	in.files.Format = eci.Format(in.format)
	in.files.Decoders = formats.Decoders()
	in.files.Spool = in.pipes(ctx)
	in.files.Note = a.inferred
	in.files.Extra = in.keepExtra
	o.closers = append(o.closers, in.files.Spool)
	var err error
	if o.sources, err = in.files.Sources(files...); err != nil {
		return err
	}
	if in.vectors != "" {
		if ok, err := in.rowVectors(ctx, o); ok || err != nil {
			return err
		}
		var texts []string
		if in.texts != "" {
			texts = []string{in.texts}
		}
		vectors, err := eci.OpenVectors(in.vectors, texts...)
		if err != nil {
			return err
		}
		o.closers = append(o.closers, vectors)
		if o.sem.Vectors, err = in.compared(a, vectors); err != nil {
			return err
		}
	}
	return nil
}

// The values of --similarity.
const cosines, dots = "cosine", "dot"

// variedLengths is the spread of lengths from which on a note is printed. Encoders
// that normalize have 0, up to rounding.
const variedLengths = 0.02

// compared returns stored vectors in the form in which they are compared. It prints a
// note on anything unusual.
func (in *inputs) compared(a *app, vectors *eci.VectorFiles) (eci.Vectors, error) {
	vectors.QueryPrefix, vectors.DocumentPrefix = in.server.QueryPrefix, in.server.DocumentPrefix
	queries, documents := vectors.Stored()
	for i, stored := range []string{queries, documents} {
		how := map[string]string{"int8": "its numbers as they are", "ubinary": "packed bits, as 1 and -1"}[stored]
		if how != "" {
			a.inferred(fmt.Sprintf("%s: vectors of %s are %s: %s", in.vectors, []string{"queries", "documents"}[i], stored, how))
		}
	}
	switch in.similarity {
	case cosines:
		return vectors, nil
	case dots:
		a.inferred(in.vectors + ": compared by dot product; forecasts were measured with cosines only")
		return vectors.DotProducts()
	}
	spread, err := vectors.LengthSpread()
	if err == nil && spread > variedLengths {
		a.inferred(fmt.Sprintf("%s: lengths of documents vary by %.0f%%, which cosines ignore: give --similarity dot for an encoder that is searched with dot products, --similarity cosine for another", in.vectors, 100*spread))
	}
	return vectors, nil // an unreadable file is reported where it is needed
}

func (o *opened) openDemo() error {
	dir, err := fs.Sub(demo.Files, "vectors")
	if err != nil {
		return err
	}
	vectors, err := eci.ReadVectors(dir)
	if err != nil {
		return err
	}
	o.sem = &eci.Sem{Vectors: vectors}
	files, err := fs.Glob(demo.Files, "sources/*.jsonl")
	for _, file := range files {
		o.sources = append(o.sources, eci.JSONLFrom(demo.Files, file))
	}
	return err
}

// formatNames are the values of --format. writtenFormats are those that can be
// written.
var (
	formatNames = []string{
		string(eci.FormatRecord), string(eci.FormatTriplet), string(eci.FormatNTuple), string(eci.FormatMultiSource),
		string(eci.FormatFlagEmbedding), string(eci.FormatTevatron), string(eci.FormatTevatronIDs), string(eci.FormatNeMo),
		string(eci.FormatDPR), string(eci.FormatTriplesTSV), string(eci.FormatTripleIDsTSV), string(eci.FormatRun),
		string(eci.FormatArrays), string(eci.FormatNWay), string(eci.FormatMessages), string(eci.FormatLabeledPair), string(eci.FormatLabeledList),
	}
	writtenFormats = []string{
		string(eci.FormatRecord), string(eci.FormatTriplet), string(eci.FormatNTuple),
		string(eci.FormatFlagEmbedding), string(eci.FormatTevatron),
	}
)

// policies are the values of --skip.
var policies = map[string]eci.Skip{
	"malformed":      eci.SkipMalformed,
	"empty-text":     eci.SkipEmptyText,
	"missing-vector": eci.SkipMissingVector,
	"bad-vector":     eci.SkipBadVector,
}

func (in *inputs) settings(sem *eci.Sem) error {
	for _, word := range in.skip {
		policy, ok := policies[word]
		if !ok {
			return usage("--skip %s: it is one of malformed, empty-text, missing-vector, bad-vector", word)
		}
		sem.Skip |= policy
	}
	var err error
	if sem.Tokenizer, err = in.tokens.tokenizer(); err != nil || !in.scored {
		return err
	}
	if in.groups < 2 {
		return usage("--groups %d: intervals need 2 groups of queries or more", in.groups)
	}
	for _, x := range []float64{in.epsilon2, in.consistency, in.near} {
		if !(x > 0) || math.IsInf(x, 0) {
			return usage("--epsilon2 and temperatures are numbers above 0")
		}
	}
	sem.Budget, sem.Seed, sem.Groups, sem.Exact, sem.Dimensions = in.budget, in.seed, in.groups, in.exact, in.server.Dimensions
	sem.Epsilon2, sem.Checkpoint = in.epsilon2, in.checkpoint
	sem.Components = []eci.Component{
		eci.TargetConsistency{Temperature: in.consistency},
		eci.SemanticLocality{Temperature: in.near},
		eci.LexicalResidual{Floor: in.floor},
	}
	return nil
}
